#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, PATH, CHOICE, FLAG, INTEGER, OBJECT };

struct option {
    const char *name;
    enum kind kind;
    size_t offset;       /* in struct zcxi_config */
    const char *allowed; /* for the message; a choice's words, separated by ", " */
    int64_t least, most; /* bytes of a text; value of an integer */
};

#define AT(field) offsetof(struct zcxi_config, field)
#define MODES "input, output, both, reference"
#define FORMATS "json, msgpack, raw, numpy, arrow"
#define DAYS_S (INT64_C(36500) * 86400) /* a hundred years, far from overflow in nanoseconds */

static const struct option options[] = {
    {"name", TEXT, AT(name), "1 to 487 bytes of text", 1, ZCXI_NAME_MAX},
    {"calculator", CHOICE, AT(language), "c, cpp, rust, java, python", 0, 0},
    {"type", TEXT, AT(type), "1 to 487 bytes of text", 1, ZCXI_NAME_MAX},
    {"plugin", PATH, AT(plugin), "an absolute path", 1, 4095},
    {"queue", TEXT, AT(queue), "1 to 487 bytes of text", 1, ZCXI_NAME_MAX},
    {"options", OBJECT, AT(options), "an object", 0, 0},
    {"lmdb_enabled", FLAG, AT(enabled), "true or false", 0, 0},
    {"lmdb_db_path", PATH, AT(path), "an absolute path", 1, 4095},
    {"lmdb_db_group", TEXT, AT(group), "the name or number of a group", 1, 255},
    {"lmdb_db_name", TEXT, AT(database), "1 to 64 bytes of text", 1, ZCX_DATABASE_MAX},
    {"lmdb_min_size", INTEGER, AT(min_size), "a number of bytes from 0 to 4294901760", 0,
     (int64_t)ZCX_PAYLOAD_MAX},
    {"lmdb_exchange_mode", CHOICE, AT(mode_name), MODES, 0, 0},
    {"lmdb_data_format", CHOICE, AT(format_name), FORMATS, 0, 0},
    {"lmdb_ttl", INTEGER, AT(ttl_s), "a number of seconds from 0 (until deleted) to 3153600000", 0,
     DAYS_S},
    {"lmdb_wait_timeout", INTEGER, AT(wait_timeout),
     "a number of milliseconds from 0 to 3153600000000", 0, DAYS_S * 1000},
    {"lmdb_map_size", INTEGER, AT(map_size), "a number of bytes from 1 to 2^46", 1,
     INT64_C(1) << 46},
    {"lmdb_max_readers", INTEGER, AT(max_readers), "a number from 1 to 65536", 1, 65536},
};

const char *zcxi_value_text(char out[ZCXI_VALUE_TEXT], const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    size_t length = text ? strlen(text) : 0, cut = length;
    if (length > 80)
        for (cut = 80; cut && ((unsigned char)text[cut] & 0xC0) == 0x80;) /* a whole character */
            cut--;
    if (text) memcpy(out, text, cut);
    strcpy(out + cut, length > 80 ? "…" : "");
    free(text);
    return out;
}

static zcx_status wrong(const struct option *option, const json_t *value, zcx_error *error)
{
    char text[ZCXI_VALUE_TEXT];
    return zcxi_fail(error, ZCX_EINVAL, 0, "option '%s' is %s; allowed: %s", option->name,
                     zcxi_value_text(text, value), option->allowed);
}

/* Is `word` one of the words of "a, b, c"? */
static bool among(const char *word, const char *list)
{
    size_t length = strlen(word);
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ",");
        if (size == length && !memcmp(at, word, length)) return true;
        at += size;
        at += strspn(at, ", ");
    }
    return false;
}

static zcx_status take(struct zcxi_config *config, const struct option *option, json_t *value,
                       zcx_error *error)
{
    void *field = (char *)config + option->offset;
    const char *text = json_string_value(value);
    int64_t size = text ? (int64_t)json_string_length(value) : 0;
    bool fits = false;
    switch (option->kind) {
    case TEXT:
    case PATH:
        fits = text && size >= option->least && size <= option->most &&
               (option->kind == TEXT || *text == '/');
        break;
    case CHOICE:
        fits = text && among(text, option->allowed);
        break;
    case FLAG:
        fits = json_is_boolean(value);
        break;
    case INTEGER:
        fits = json_is_integer(value) && json_integer_value(value) >= option->least &&
               json_integer_value(value) <= option->most;
        break;
    case OBJECT:
        fits = json_is_object(value);
        break;
    }
    if (!fits) return wrong(option, value, error);
    if (option->kind == OBJECT)
        *(json_t **)field = value;
    else if (option->kind == FLAG)
        *(bool *)field = json_is_true(value);
    else if (option->kind == INTEGER)
        *(int64_t *)field = json_integer_value(value);
    else
        *(const char **)field = text;
    return ZCX_OK;
}

static zcx_status unknown(const char *key, zcx_error *error)
{
    char names[400] = "";
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (i) strcat(names, ", ");
        strcat(names, options[i].name);
    }
    return zcxi_fail(error, ZCX_EINVAL, 0, "unknown option '%.64s'; known: %s", key, names);
}

static zcx_status take_all(struct zcxi_config *config, zcx_error *error)
{
    const char *key;
    json_t *value;
    json_object_foreach(config->root, key, value)
    {
        const struct option *option = NULL;
        for (size_t i = 0; i < sizeof options / sizeof *options; i++)
            if (!strcmp(options[i].name, key)) option = &options[i];
        if (!option) return unknown(key, error);
        zcx_status status = take(config, option, value, error);
        if (status) return status;
    }
    if (!config->name)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "option 'name' is missing; it names the calculator in keys and errors");
    if (config->plugin && config->queue)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "options 'plugin' (%.100s) and 'queue' (%.100s) exclude each other",
                         config->plugin, config->queue);
    if (!strncmp(config->database, "zcx.", 4))
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "option 'lmdb_db_name' is \"%s\"; allowed: a name that does not begin "
                         "with \"zcx.\", which is reserved",
                         config->database);
    return ZCX_OK;
}

static zcx_mode mode_of(const char *name)
{
    if (!strcmp(name, "input")) return ZCX_MODE_INPUT;
    if (!strcmp(name, "output")) return ZCX_MODE_OUTPUT;
    if (!strcmp(name, "reference")) return ZCX_MODE_REFERENCE;
    return ZCX_MODE_BOTH;
}

zcx_status zcxi_config_parse(struct zcxi_config *out, const char *json, zcx_error *error)
{
    struct zcxi_config config = {.database = "default",
                                 .mode_name = "both",
                                 .format_name = "msgpack",
                                 .min_size = 1024,
                                 .ttl_s = ZCX_TTL_DEFAULT_MS / 1000,
                                 .wait_timeout = 30000};
    if (!json) return zcxi_fail(error, ZCX_EINVAL, 0, "the calculator's configuration is missing");
    json_error_t where;
    config.root = json_loads(json, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (!config.root)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "the calculator's configuration is not JSON, line %d column %d: %s",
                         where.line, where.column, where.text);
    zcx_status status;
    if (json_is_object(config.root))
        status = take_all(&config, error);
    else
        status =
            zcxi_fail(error, ZCX_EINVAL, 0, "the calculator's configuration is not a JSON object");
    if (!status) status = zcx_format_parse(&config.format, config.format_name, error);
    if (status) {
        json_decref(config.root);
        return status;
    }
    config.mode = mode_of(config.mode_name);
    *out = config;
    return ZCX_OK;
}

void zcxi_config_free(struct zcxi_config *config)
{
    json_decref(config->root);
    config->root = NULL;
}
