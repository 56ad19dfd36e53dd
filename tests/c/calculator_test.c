/* Plug-ins: loading them, their options, what they read and answer, and every way to get it wrong.
 */
#include "exchange_fixture.h"

#define PLUGIN(name) ZCX_BINARY_DIR "/tests/plugins/" name ".so"
#define CALCULATOR(name) ZCX_BINARY_DIR "/calculators/" name ".so"

static const char *plugin_config(char json[2048], const struct place *place, const char *plugin,
                                 const char *type, const char *options)
{
    char more[1000];
    snprintf(more, sizeof more,
             ", \"calculator\": \"c\", \"plugin\": \"%s\", \"type\": \"%s\", \"options\": %s",
             plugin, type, options);
    if (place) return config_of(json, place, "both", more);
    snprintf(json, 2048, "{\"name\": \"calc\"%s}", more);
    return json;
}

static zcx_calculator *opened(const struct place *place, const char *plugin, const char *type,
                              const char *options)
{
    char json[2048];
    zcx_calculator *calculator = NULL;
    OK(zcx_calculator_open(&calculator, plugin_config(json, place, plugin, type, options), error));
    return calculator;
}

/* ---- Loading ---- */

static void refused(zcx_status status, const char *plugin, const char *type, const char *options,
                    const char *one, const char *other)
{
    char json[2048];
    zcx_calculator *calculator = NULL;
    plugin_config(json, NULL, plugin, type, options);
    FAILS(status, zcx_calculator_open(&calculator, json, error), one, other);
    assert_null(calculator);
}

static void bad_plugins_are_named(void **state)
{
    (void)state;
    refused(ZCX_ENOTFOUND, "/no/such.so", "x", "{}", "/no/such.so", "calculator 'calc'");
    refused(ZCX_EINVAL, ZCX_SOURCE_DIR "/VERSION", "x", "{}", "cannot be loaded", "/VERSION");
    refused(ZCX_EINVAL, PLUGIN("no_descriptor"), "misbehave", "{}", "no descriptor 'zcx_plugin'",
            "no_descriptor.so");
    refused(ZCX_EVERSION, PLUGIN("other_abi"), "misbehave", "{}", "ABI version 99", "other_abi.so");
    refused(ZCX_EINVAL, PLUGIN("misbehave"), "Misbehave", "{}", "'Misbehave'", "'misbehave'");
    refused(ZCX_EINVAL, PLUGIN("misbehave"), "misbehave", "{\"do\": \"no instance\"}",
            "calculator 'calc'", "today is Sunday");
    refused(ZCX_EFAILED, PLUGIN("misbehave"), "misbehave", "{\"do\": \"no instance, silently\"}",
            "calculator 'calc'", "did not say why");
}

static void bad_configurations_are_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{\"name\": \"n\", \"type\": \"t\"}", "'plugin' of calculator 'n' is missing"},
        {"{\"name\": \"n\", \"plugin\": \"/p\"}", "'type' of calculator 'n' is missing"},
    };
    zcx_calculator *calculator;
    for (int i = 0; i < 2; i++)
        FAILS(ZCX_EINVAL, zcx_calculator_open(&calculator, bad[i][0], error), bad[i][1]);
    FAILS(ZCX_EUNSUPPORTED,
          zcx_calculator_open(&calculator, "{\"name\": \"n\", \"calculator\": \"java\"}", error),
          "java");
}

static void options_are_checked(void **state)
{
    (void)state;
    const char *plugin = CALCULATOR("transform");
    refused(ZCX_EINVAL, plugin, "transform", "{\"windw\": 3}", "calculator 'calc'", "'windw'");
    refused(ZCX_EINVAL, plugin, "transform", "{\"operation\": 3}", "'operation' is 3", "text");
    refused(ZCX_EINVAL, plugin, "transform", "{\"operation\": \"sort\"}", "sort", "standardise");
    refused(ZCX_EINVAL, plugin, "transform", "{\"low\": \"x\"}", "'low' is \"x\"", "a number");
    refused(ZCX_EINVAL, plugin, "transform", "{\"low\": 2, \"high\": 1}", "'low' is 2", "1");
    refused(ZCX_EINVAL, plugin, "transform", "{\"window\": 1.5}", "'window' is 1.5", "whole");
    plugin = CALCULATOR("group_delays");
    refused(ZCX_EINVAL, plugin, "group_delays", "{\"quantiles\": [0.5, 0.2]}", "0.2 after 0.5",
            "ascending");
    refused(ZCX_EINVAL, plugin, "group_delays", "{\"quantiles\": 1.5}", "1.5", "0 to 1");
    refused(ZCX_EINVAL, plugin, "group_delays", "{\"quantiles\": [\"a\"]}", "[\"a\"]", "numbers");
    refused(ZCX_EINVAL, plugin, "group_delays",
            "{\"quantiles\": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}", "17 numbers", "at most 16");
    zcx_calculator *all =
        opened(NULL, PLUGIN("misbehave"), "misbehave", "{\"do\": \"json\", \"rest\": [1]}");
    OK(zcx_calculator_close(all, error));
    OK(zcx_calculator_close(NULL, error));
}

/* ---- Calling ---- */

/* One call with a raw input; the failure's words. */
static void call_fails(const struct place *place, const char *action, uint64_t in, const char *one,
                       const char *other)
{
    char options[100];
    zcx_call *call;
    const void *data;
    uint64_t length;
    snprintf(options, sizeof options, "{\"do\": \"%s\"}", action);
    zcx_calculator *calculator = opened(place, PLUGIN("misbehave"), "misbehave", options);
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    give(call, in);
    zcx_status status = strcmp(action, "huge") ? ZCX_EFAILED : ZCX_ELIMIT;
    FAILS(status, zcx_calculator_call(calculator, call, error), "calculator 'calc'", one, other);
    FAILS(ZCX_EFAILED, zcx_call_result(&data, &length, NULL, call, error), one);
    zcx_call_close(call);
    OK(zcx_calculator_close(calculator, error));
    if (place) assert_int_equal(records(place), 0);
}

static void bad_answers_are_named(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    for (int i = 0; i < 2; i++) { /* by reference, then without a store */
        const struct place *in = i ? NULL : &place;
        call_fails(in, "nothing", 5000, "without an answer", "answer_array");
        call_fails(in, "return 7", 5000, "returned 7", "core->fail()");
        call_fails(in, "fail", 5000, "3 is no prime", "");
        call_fails(in, "fail, return 0", 5000, "it cannot be", "");
        call_fails(in, "begin", 5000, "asked for 100 bytes", "core->answer()");
        call_fails(in, "answer first", 5000, "without asking for output", "");
        call_fails(in, "answer twice", 5000, "answered twice", "");
        call_fails(in, "past", 5000, "wrote past the 3000 bytes", "output:calc:");
        call_fails(in, "past, small", 5000, "wrote past the 30 bytes", "output:calc:");
        call_fails(in, "too long", 5000, "31 bytes in memory for 30", "output:calc:");
        call_fails(in, "format", 5000, "xml", "");
        call_fails(in, "numpy", 5000, "answer_array", "");
        call_fails(in, "dtype", 5000, "dtype float", "");
        call_fails(in, "huge", 5000, "over the limit", "");
        call_fails(in, "like 65 dimensions", 5000, "65 dimensions", "at most 64");
        call_fails(in, "like no dtype", 5000, "without a dtype", "");
        call_fails(in, "like no shape", 5000, "without a shape", "");
        call_fails(in, "read", 5000, "the input is raw", "'a'");
        call_fails(in, "read whole", 5000, "5000 bytes of raw", "no array");
        call_fails(in, "too many rows", 5000, "5 rows", "");
    }
    place_close(&place);
}

static void answers_may_be_shorter_than_asked(void **state)
{
    (void)state;
    struct place place;
    zcx_call *call;
    const void *data;
    uint64_t length;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    place_open(&place);
    zcx_calculator *calculator =
        opened(&place, PLUGIN("misbehave"), "misbehave", "{\"do\": \"rows\"}");
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    give(call, 10);
    OK(zcx_calculator_call(calculator, call, error));
    OK(zcx_call_result(&data, &length, &envelope, call, error));
    is_filled(data, length, 'o', 4);
    assert_int_equal(envelope.format, ZCX_NUMPY);
    assert_int_equal(envelope.shape[0], 2);
    assert_int_equal(envelope.shape[1], 2);
    assert_string_equal(envelope.source, "calc");
    FAILS(ZCX_EINVAL, zcx_calculator_call(calculator, call, error), "is answered");
    zcx_call_close(call);
    OK(zcx_calculator_close(calculator, error));
    place_close(&place);
}

static void *echo_often(void *calculator)
{
    for (int i = 0; i < 300; i++) {
        zcx_call *call;
        const void *data;
        uint64_t length, size = 1000 + (uint64_t)i * 10;
        OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
        give(call, size);
        OK(zcx_calculator_call(calculator, call, error));
        OK(zcx_call_result(&data, &length, NULL, call, error));
        is_filled(data, length, 'i', size);
        zcx_call_close(call);
    }
    return NULL;
}

/* The plug-in fails a call that it gets while another one runs. */
static void an_instance_is_called_by_one_thread_at_a_time(void **state)
{
    (void)state;
    struct place place;
    pthread_t threads[2];
    place_open(&place);
    zcx_calculator *calculator =
        opened(&place, PLUGIN("misbehave"), "misbehave", "{\"do\": \"echo\"}");
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, echo_often, calculator);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    OK(zcx_calculator_close(calculator, error));
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_plugins_are_named),
        cmocka_unit_test(bad_configurations_are_named),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(bad_answers_are_named),
        cmocka_unit_test(answers_may_be_shorter_than_asked),
        cmocka_unit_test(an_instance_is_called_by_one_thread_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
