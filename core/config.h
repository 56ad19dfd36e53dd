/* A calculator's configuration: one JSON object, its names and defaults as zcx_exchange_open lists
 * them. */
#ifndef ZCXI_CONFIG_H
#define ZCXI_CONFIG_H

#include "error.h"

#include <jansson.h>

#define ZCXI_NAME_MAX 487 /* bytes: "output:<name>:<16 digits>" is a key */

struct zcxi_config {
    json_t *root;    /* owns all text below */
    json_t *options; /* the calculator's own; NULL when there are none */
    const char *name;
    const char *language, *type, *plugin, *queue; /* NULL when not given */
    const char *path;                             /* NULL: the default store */
    const char *group;                            /* NULL: the store is its owner's only */
    const char *database;
    const char *mode_name, *format_name;
    zcx_mode mode;
    zcx_format format;
    bool enabled;
    int64_t min_size;     /* bytes */
    int64_t ttl_s;        /* 0: until deleted */
    int64_t wait_timeout; /* ms */
    int64_t map_size;     /* bytes of budget; 0: the default */
    int64_t max_readers;  /* 0: the default */
};

/* EINVAL names the option, its value and what is allowed. */
zcx_status zcxi_config_parse(struct zcxi_config *out, const char *json, zcx_error *error);
void zcxi_config_free(struct zcxi_config *config);

/* A JSON value for a message, cut at 80 bytes. Returns `out`. */
#define ZCXI_VALUE_TEXT 96
const char *zcxi_value_text(char out[ZCXI_VALUE_TEXT], const json_t *value);

#endif
