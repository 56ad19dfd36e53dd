/* A new directory for each test, in which stores are opened, or refused: `path`. */
#ifndef ZCX_PLACE_H
#define ZCX_PLACE_H

#include "stores.h"

static char *path;

static inline int make_path(void **state)
{
    (void)state;
    path = make_directory(NULL);
    return 0;
}

static inline int free_path(void **state)
{
    (void)state;
    free(path);
    return 0;
}

static inline char *in_path(const char *name)
{
    static char full[400];
    snprintf(full, sizeof full, "%s/%s", path, name);
    return full;
}

static inline zcx_status try_open(const char *where, uint32_t flags, zcx_error *error)
{
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.flags = flags;
    options.budget = flags & ZCX_OPEN_EXISTING ? 0 : 64 * MIB;
    zcx_status status = zcx_store_open(&store, where, &options, error);
    if (!status) status = zcx_store_close(store, error);
    return status;
}

#endif
