/* A calculator's configuration, from --config and the options that go before it. */
#include "command.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void set_default(json_t *config, const char *name, json_t *value)
{
    if (json_object_get(config, name))
        json_decref(value);
    else
        json_object_set_new(config, name, value);
}

static json_t *parse_config(const struct common *common, const char *text)
{
    json_error_t where;
    bool inline_text = text && text[strspn(text, " \t\r\n")] == '{';
    if (!text) return json_object();
    json_t *config = inline_text ? json_loads(text, JSON_REJECT_DUPLICATES, &where)
                                 : json_load_file(text, JSON_REJECT_DUPLICATES, &where);
    if (json_is_object(config)) return config;
    if (config)
        fail_text(common, EXIT_USAGE, "--config %s is not one JSON object", text);
    else if (where.line < 0)
        fail_text(common, EXIT_USAGE, "--config: %s", where.text);
    else
        fail_text(common, EXIT_USAGE, "--config %s is not JSON, line %d column %d: %s",
                  inline_text ? "text" : text, where.line, where.column, where.text);
    json_decref(config);
    return NULL;
}

/* The path from the root, also of what is not there. */
static json_t *absolute(const char *path)
{
    char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    json_t *text = here ? json_sprintf("%s/%s", here, path) : json_string(path);
    free(here);
    return text;
}

/* One place: the option's, else the configuration's. */
static void agree(const char **option, json_t *config, const char *name, json_t *value)
{
    if (value) json_object_set_new(config, name, value);
    *option = json_string_value(json_object_get(config, name));
}

json_t *load_config(struct common *common, const char *text)
{
    json_t *config = parse_config(common, text);
    if (!config) return NULL;
    agree(&common->path, config, "lmdb_db_path", common->path ? absolute(common->path) : NULL);
    agree(&common->database, config, "lmdb_db_name",
          common->database ? json_string(common->database) : NULL);
    agree(&common->group, config, "lmdb_db_group",
          common->group ? json_string(common->group) : NULL);
    return config;
}

char *config_text(const json_t *config)
{
    return json_dumps(config, JSON_COMPACT);
}

bool set_plugin(json_t *config, const char *file)
{
    if (file) json_object_set_new(config, "plugin", absolute(file));
    file = json_string_value(json_object_get(config, "plugin"));
    /* A relative one in the configuration is refused later, and not searched for here. Never closed:
     * some runtimes in plug-ins do not survive that. */
    void *library = file && *file == '/' ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
    const struct zcx_plugin *plugin = library ? dlsym(library, ZCX_PLUGIN_SYMBOL) : NULL;
    bool known = plugin && plugin->abi_version == ZCX_PLUGIN_ABI && plugin->name;
    const char *slash = file ? strrchr(file, '/') : NULL;
    set_default(config, "type", json_string(known ? plugin->name : "unknown"));
    set_default(config, "name", json_string(known ? plugin->name : slash ? slash + 1 : "unknown"));
    return known && plugin->flags & ZCX_PLUGIN_THREADS;
}
