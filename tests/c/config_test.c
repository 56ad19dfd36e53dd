/* A calculator's configuration: its defaults, and one clear error for each wrong option. */
#include "config.h"
#include "fixture.h"

static void defaults_are_the_documented_ones(void **state)
{
    (void)state;
    struct zcxi_config config;
    OK(zcxi_config_parse(&config, "{\"name\": \"n\"}", error));
    assert_string_equal(config.name, "n");
    assert_null(config.language);
    assert_null(config.type);
    assert_null(config.plugin);
    assert_null(config.queue);
    assert_null(config.options);
    assert_null(config.path);
    assert_string_equal(config.database, "default");
    assert_false(config.enabled);
    assert_int_equal(config.min_size, 1024);
    assert_int_equal(config.mode, ZCX_MODE_BOTH);
    assert_int_equal(config.format, ZCX_MSGPACK);
    assert_int_equal(config.ttl_s, 300);
    assert_int_equal(config.wait_timeout, 30000);
    assert_int_equal(config.map_size, 0);
    assert_int_equal(config.max_readers, 0);
    zcxi_config_free(&config);
}

static void every_option_is_read(void **state)
{
    (void)state;
    struct zcxi_config config;
    OK(zcxi_config_parse(
        &config,
        "{\"name\": \"délai\", \"calculator\": \"rust\", \"type\": \"t\", \"plugin\": \"/p.so\","
        " \"options\": {\"a\": 1}, \"lmdb_enabled\": true, \"lmdb_db_path\": \"/dev/shm/x\","
        " \"lmdb_db_name\": \"d\", \"lmdb_min_size\": 0, \"lmdb_exchange_mode\": \"reference\","
        " \"lmdb_data_format\": \"arrow\", \"lmdb_ttl\": 0, \"lmdb_wait_timeout\": 5,"
        " \"lmdb_map_size\": 1000000, \"lmdb_max_readers\": 126}",
        error));
    assert_string_equal(config.name, "délai");
    assert_string_equal(config.language, "rust");
    assert_string_equal(config.type, "t");
    assert_string_equal(config.plugin, "/p.so");
    assert_int_equal(json_object_size(config.options), 1);
    assert_true(config.enabled);
    assert_string_equal(config.path, "/dev/shm/x");
    assert_string_equal(config.database, "d");
    assert_int_equal(config.min_size, 0);
    assert_int_equal(config.mode, ZCX_MODE_REFERENCE);
    assert_int_equal(config.format, ZCX_ARROW);
    assert_int_equal(config.ttl_s, 0);
    assert_int_equal(config.wait_timeout, 5);
    assert_int_equal(config.map_size, 1000000);
    assert_int_equal(config.max_readers, 126);
    zcxi_config_free(&config);
}

static void choices_are_read(void **state)
{
    (void)state;
    static const char *const modes[] = {"input", "output", "both", "reference"};
    static const char *const formats[] = {"raw", "json", "msgpack", "numpy", "arrow"};
    static const char *const languages[] = {"c", "cpp", "rust", "java", "python"};
    char json[200];
    struct zcxi_config config;
    for (int i = 0; i < 4; i++) {
        snprintf(json, sizeof json, "{\"name\": \"n\", \"lmdb_exchange_mode\": \"%s\"}", modes[i]);
        OK(zcxi_config_parse(&config, json, error));
        assert_int_equal(config.mode, i + 1);
        zcxi_config_free(&config);
    }
    for (int i = 0; i < 5; i++) {
        snprintf(json, sizeof json,
                 "{\"name\": \"n\", \"lmdb_data_format\": \"%s\", \"calculator\": \"%s\"}",
                 formats[i], languages[i]);
        OK(zcxi_config_parse(&config, json, error));
        assert_int_equal(config.format, i);
        assert_string_equal(config.language, languages[i]);
        zcxi_config_free(&config);
    }
}

/* The option with a wrong value is named, with the value as it was written and what is allowed. */
static void refused(const char *option, const char *value, const char *allowed)
{
    char json[2000];
    struct zcxi_config config = {.root = NULL};
    snprintf(json, sizeof json, "{%s\"%s\": %s}", strcmp(option, "name") ? "\"name\": \"n\", " : "",
             option, value);
    FAILS(ZCX_EINVAL, zcxi_config_parse(&config, json, error), option, value, allowed);
    assert_null(config.root);
}

static void wrong_values_are_named(void **state)
{
    (void)state;
    refused("name", "\"\"", "1 to 487 bytes");
    refused("name", "7", "1 to 487 bytes");
    refused("calculator", "\"fortran\"", "c, cpp, rust, java, python");
    refused("calculator", "\"c, cpp\"", "c, cpp, rust, java, python");
    refused("type", "\"\"", "text");
    refused("plugin", "\"lib.so\"", "an absolute path");
    refused("plugin", "null", "an absolute path");
    refused("queue", "[]", "text");
    refused("options", "[1]", "an object");
    refused("lmdb_enabled", "1", "true or false");
    refused("lmdb_enabled", "\"true\"", "true or false");
    refused("lmdb_db_path", "\"relative\"", "an absolute path");
    refused("lmdb_db_name", "\"\"", "1 to 64 bytes");
    refused("lmdb_db_name", "\"zcx.slots\"", "reserved");
    refused("lmdb_min_size", "-1", "bytes from 0");
    refused("lmdb_min_size", "1.5", "bytes from 0");
    refused("lmdb_min_size", "4294901761", "bytes from 0 to 4294901760");
    refused("lmdb_min_size", "\"1024\"", "bytes from 0");
    refused("lmdb_exchange_mode", "\"Both\"", "input, output, both, reference");
    refused("lmdb_exchange_mode", "true", "input, output, both, reference");
    refused("lmdb_data_format", "\"pickle\"", "json, msgpack, raw, numpy, arrow");
    refused("lmdb_ttl", "-1", "seconds from 0");
    refused("lmdb_ttl", "null", "seconds from 0");
    refused("lmdb_wait_timeout", "-5", "milliseconds from 0");
    refused("lmdb_map_size", "0", "bytes from 1");
    refused("lmdb_map_size", "1000000000.0", "bytes from 1");
    refused("lmdb_max_readers", "0", "from 1 to 65536");
}

static void long_values_are_cut_within_no_character(void **state)
{
    (void)state;
    char json[1400] = "{\"name\": \"";
    struct zcxi_config config;
    zcx_error error = ZCX_ERROR_INIT;
    for (int i = 0; i < 250; i++)
        strcat(json, "é€");
    strcat(json, "\"}");
    assert_int_equal(zcxi_config_parse(&config, json, &error), ZCX_EINVAL);
    assert_non_null(strstr(error.message, "é…"));
    assert_non_null(strstr(error.message, "1 to 487 bytes"));
}

static void what_is_no_configuration_is_refused(void **state)
{
    (void)state;
    struct zcxi_config config;
    FAILS(ZCX_EINVAL, zcxi_config_parse(&config, NULL, error), "missing");
    FAILS(ZCX_EINVAL, zcxi_config_parse(&config, "", error), "not JSON");
    FAILS(ZCX_EINVAL, zcxi_config_parse(&config, "{\"name\": \"n\",}", error), "not JSON",
          "line 1");
    FAILS(ZCX_EINVAL, zcxi_config_parse(&config, "[]", error), "not a JSON object");
    FAILS(ZCX_EINVAL, zcxi_config_parse(&config, "{}", error), "'name' is missing");
    FAILS(ZCX_EINVAL, zcxi_config_parse(&config, "{\"name\": \"a\", \"name\": \"b\"}", error),
          "duplicate", "name");
    FAILS(ZCX_EINVAL, zcxi_config_parse(&config, "{\"name\": \"n\", \"lmdb_size\": 1}", error),
          "lmdb_size", "lmdb_min_size", "lmdb_map_size");
    FAILS(ZCX_EINVAL,
          zcxi_config_parse(&config, "{\"name\": \"n\", \"plugin\": \"/p\", \"queue\": \"q\"}",
                            error),
          "plugin", "queue", "exclude");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(every_option_is_read),
        cmocka_unit_test(choices_are_read),
        cmocka_unit_test(wrong_values_are_named),
        cmocka_unit_test(long_values_are_cut_within_no_character),
        cmocka_unit_test(what_is_no_configuration_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
