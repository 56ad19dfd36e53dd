/* Calls of calculators that get references: which request, which answers, chaining by reference. */
#include "exchange_fixture.h"

static const char *text(const zcx_reference *reference, zcx_reference_field field)
{
    return zcx_reference_text(reference, field);
}

static zcx_call *given(zcx_exchange *exchange, uint64_t size)
{
    zcx_call *call;
    OK(zcx_call_open(&call, exchange, error));
    give(call, size);
    return call;
}

static zcx_reference *request_of(zcx_call *call)
{
    zcx_reference *request = NULL;
    OK(zcx_call_request(&request, call, error));
    return request;
}

/* Plays the callee: reads the input by the reference, writes the output, answers. */
static void obey(const struct place *place, zcx_call *call, const zcx_reference *request,
                 uint64_t in, uint64_t out)
{
    const char *key = text(request, ZCX_REFERENCE_INPUT_KEY);
    zcx_reference *answered;
    assert_string_equal(text(request, ZCX_REFERENCE_DB_PATH), zcx_store_path(place->store));
    assert_string_equal(text(request, ZCX_REFERENCE_DB_NAME), "default");
    assert_string_equal(text(request, ZCX_REFERENCE_FORMAT), "raw");
    assert_string_equal(text(request, ZCX_REFERENCE_CALL_ID), zcx_call_id(call));
    if (key) {
        zcx_view *view;
        OK(zcx_store_view(&view, place->store, key, strlen(key), error));
        is_filled(zcx_view_data(view), zcx_view_length(view), 'i', in);
        zcx_view_release(view);
        assert_null(zcx_reference_data(request, NULL));
    } else {
        uint64_t length;
        const void *data = zcx_reference_data(request, &length);
        is_filled(data, length, 'i', in);
    }
    char *bytes = malloc(out + 1);
    memset(bytes, 'o', out);
    key = text(request, ZCX_REFERENCE_OUTPUT_KEY);
    OK(zcx_store_put(place->store, key, strlen(key), bytes, out, NULL, NULL, error));
    OK(zcx_reference_answer(&answered, request, error));
    OK(zcx_call_accept(call, answered, error));
    has_result(call, out);
    zcx_reference_free(answered);
    free(bytes);
}

static void requests_follow_mode_and_size(void **state)
{
    (void)state;
    static const char *const modes[] = {"input", "output", "both", "reference"};
    struct place place;
    place_open(&place);
    for (int mode = 0; mode < 4; mode++) {
        zcx_exchange *exchange = exchange_open(&place, modes[mode]);
        for (uint64_t size = MIN_SIZE - 1; size <= MIN_SIZE; size++) {
            bool large = size == MIN_SIZE;
            bool in_by = mode == 3 || (mode != 1 && large);
            zcx_call *call = given(exchange, size);
            zcx_reference *request = request_of(call);
            assert_int_equal(request != NULL, mode != 0 || large);
            if (request) {
                assert_int_equal(text(request, ZCX_REFERENCE_INPUT_KEY) != NULL, in_by);
                assert_int_equal(zcx_reference_data(request, NULL) != NULL, !in_by);
                assert_int_equal(text(request, ZCX_REFERENCE_OUTPUT_KEY) != NULL, mode != 0);
            }
            if (mode)
                obey(&place, call, request, size, size);
            else
                answer(call, size);
            assert_int_equal(records(&place), mode != 0);
            zcx_reference_free(request);
            zcx_call_close(call);
        }
        zcx_exchange_close(exchange);
        assert_int_equal(records(&place), 0);
    }
    place_close(&place);
}

/* An array that comes along says what it is: it is msgpack then. */
static void arrays_in_requests_describe_themselves(void **state)
{
    (void)state;
    const uint64_t shape[] = {3};
    struct place place;
    zcx_call *call;
    void *memory;
    uint64_t length;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    OK(zcx_call_open(&call, exchange, error));
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.format = ZCX_NUMPY;
    envelope.dtype = ">i2";
    envelope.shape = shape;
    envelope.ndim = 1;
    OK(zcx_call_input(&memory, call, 6, error));
    memcpy(memory, "abcdef", 6);
    OK(zcx_call_submit(call, 6, &envelope, error));
    zcx_reference *request = request_of(call);
    assert_string_equal(text(request, ZCX_REFERENCE_FORMAT), "msgpack");
    const uint8_t *data = zcx_reference_data(request, &length);
    assert_int_equal(length, 64 + 6);
    assert_memory_equal(data, "\xc9\0\0\0\x40\x4e\x3a\0\0\0\x93\xa3>i2\x91\3\xa1\x43", 19);
    assert_memory_equal(data + 64, "abcdef", 6);
    zcx_reference_free(request);
    zcx_call_close(call);
    zcx_exchange_close(exchange);
    place_close(&place);
}

/* Any answer but a written output is an error at once. */
static void other_answers_are_errors(void **state)
{
    (void)state;
    static const char *const answers[][2] = {
        {NULL, "something else than a written output"},
        {"{\"_lmdb_output_written\": false}", "was not written"},
        {"{\"_lmdb_output_written\": true}", "no record is there"},
        {"{\"_lmdb_output_written\": true, \"_lmdb_output_key\": \"x\"}", "another key"},
        {"{\"_lmdb_output_written\": true, \"_txn_id\": \"ffffffffffffffff\"}", "another call"},
        {"{\"_lmdb_ref\": true, \"_lmdb_input_key\": \"x\", \"_lmdb_db_path\": \"/s\","
         " \"_lmdb_db_name\": \"d\", \"_lmdb_format\": \"raw\", \"_txn_id\": \"ffffffffffffffff\"}",
         "something else than a written output"},
    };
    struct place place;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        zcx_call *call = given(exchange, MIN_SIZE);
        zcx_reference *request = request_of(call), *answered = NULL;
        const char *json = answers[i][0];
        if (json) OK(zcx_reference_parse(&answered, ZCX_ENCODING_JSON, json, strlen(json), error));
        FAILS(ZCX_EFAILED, zcx_call_accept(call, answered, error), "calculator 'calc'",
              answers[i][1], text(request, ZCX_REFERENCE_OUTPUT_KEY));
        assert_int_equal(records(&place), 0);
        const void *data;
        uint64_t length;
        FAILS(ZCX_EFAILED, zcx_call_result(&data, &length, NULL, call, error), answers[i][1]);
        zcx_reference_free(request);
        zcx_reference_free(answered);
        zcx_call_close(call);
    }
    zcx_exchange_close(exchange);
    place_close(&place);
}

static void error_records_are_the_callees_failure(void **state)
{
    (void)state;
    struct place place;
    zcx_reference *answered;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    zcx_call *call = given(exchange, MIN_SIZE);
    zcx_reference *request = request_of(call);
    const char *key = text(request, ZCX_REFERENCE_OUTPUT_KEY);
    OK(zcx_store_put_error(place.store, key, strlen(key), "division by zero", "line 7", 0, error));
    OK(zcx_reference_answer(&answered, request, error));
    FAILS(ZCX_EFAILED, zcx_call_accept(call, answered, error), "calc", "division by zero");
    assert_string_equal(zcx_call_trace(call), "line 7");
    zcx_call_close(call);
    zcx_reference_free(request);
    zcx_reference_free(answered);
    zcx_exchange_close(exchange);
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

static void references_chain(void **state)
{
    (void)state;
    struct place place;
    zcx_reference *reference;
    zcx_call *next;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "reference");
    zcx_call *last = called(exchange, 10, 20); /* at any size */
    for (int i = 0; i < 3; i++) {
        OK(zcx_call_result_reference(&reference, last, error));
        assert_true(zcx_reference_written(reference));
        OK(zcx_call_open(&next, exchange, error));
        OK(zcx_call_input_reference(next, reference, error));
        assert_int_equal(records(&place), 1); /* no second put */
        zcx_call_close(last);                 /* its view is pinned by the next call */
        const void *data;
        uint64_t length;
        OK(zcx_call_read(&data, &length, NULL, next, error));
        is_filled(data, length, 'o', 20);
        zcx_reference *request = request_of(next);
        assert_string_equal(text(request, ZCX_REFERENCE_INPUT_KEY),
                            text(reference, ZCX_REFERENCE_OUTPUT_KEY));
        answer(next, 20);
        assert_int_equal(records(&place), 2);
        OK(zcx_exchange_sweep(exchange, error));
        assert_int_equal(records(&place), 1);
        zcx_reference_free(request);
        zcx_reference_free(reference);
        last = next;
    }
    zcx_call_close(last);
    zcx_exchange_close(exchange);
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

/* A view that no reference can name is put once, at the call's own key, and deleted afterwards. */
static void other_views_are_copied_for_a_request(void **state)
{
    (void)state;
    struct place place, other;
    zcx_view *views[3];
    char bytes[MIN_SIZE];
    memset(bytes, 'i', sizeof bytes);
    place_open(&place);
    place_open(&other);
    zcx_exchange *exchange = exchange_open(&place, "both");
    OK(zcx_store_put(other.store, "k", 1, bytes, sizeof bytes, NULL, NULL, error));
    OK(zcx_store_put(place.store, "k\xff", 2, bytes, sizeof bytes, NULL, NULL, error));
    OK(zcx_store_put(place.store, "k", 1, bytes, sizeof bytes, NULL, NULL, error));
    OK(zcx_store_view(&views[0], other.store, "k", 1, error));
    OK(zcx_store_view(&views[1], place.store, "k\xff", 2, error));
    OK(zcx_store_view(&views[2], place.store, "k", 1, error));
    OK(zcx_store_put(place.store, "k", 1, "new", 3, NULL, NULL, error));
    for (int i = 0; i < 3; i++) {
        zcx_call *call;
        OK(zcx_call_open(&call, exchange, error));
        OK(zcx_call_input_view(call, views[i], error));
        assert_int_equal(records(&place), 2); /* read in this process, it needs no copy */
        for (int again = 0; again < 2; again++) {
            zcx_reference *request = request_of(call);
            assert_int_equal(records(&place), 3);
            assert_memory_equal(text(request, ZCX_REFERENCE_INPUT_KEY), "input:calc:", 11);
            zcx_reference_free(request);
        }
        answer(call, 1);
        assert_int_equal(records(&place), 2);
        zcx_call_close(call);
        zcx_view_release(views[i]);
    }
    zcx_exchange_close(exchange);
    place_close(&place);
    place_close(&other);
}

static void references_of_elsewhere_are_refused(void **state)
{
    (void)state;
    struct place place;
    char json[2048];
    zcx_call *call;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    static const char *const refused[][4] = {
        {"/nowhere", "default", "x", "/nowhere"},
        {NULL, "other", "x", "database 'other'"},
    };
    OK(zcx_call_open(&call, exchange, error));
    for (int i = 0; i < 2; i++) {
        zcx_reference *reference;
        snprintf(json, sizeof json,
                 "{\"_lmdb_output_written\": true, \"_lmdb_output_key\": \"%s\", \"_lmdb_db_path\":"
                 " \"%s\", \"_lmdb_db_name\": \"%s\"}",
                 refused[i][2], refused[i][0] ? refused[i][0] : place.path, refused[i][1]);
        OK(zcx_reference_parse(&reference, ZCX_ENCODING_JSON, json, strlen(json), error));
        FAILS(ZCX_EINVAL, zcx_call_input_reference(call, reference, error), refused[i][3],
              zcx_store_path(place.store));
        zcx_reference_free(reference);
    }
    zcx_reference *bare, *missing;
    OK(zcx_reference_parse(&bare, ZCX_ENCODING_JSON, "{\"_lmdb_output_written\": true}", 30,
                           error));
    FAILS(ZCX_EINVAL, zcx_call_input_reference(call, bare, error), "no key");
    snprintf(json, sizeof json,
             "{\"_lmdb_output_written\": true, \"_lmdb_output_key\": \"x\", \"_lmdb_db_path\":"
             " \"%s/.\", \"_lmdb_db_name\": \"default\"}",
             place.path); /* another name of the same directory */
    OK(zcx_reference_parse(&missing, ZCX_ENCODING_JSON, json, strlen(json), error));
    FAILS(ZCX_ENOTFOUND, zcx_call_input_reference(call, missing, error), NULL);
    OK(zcx_store_put_error(place.store, "x", 1, "it broke", NULL, 0, error));
    FAILS(ZCX_EFAILED, zcx_call_input_reference(call, missing, error), "it broke");
    zcx_reference_free(bare);
    zcx_reference_free(missing);
    zcx_call_close(call);
    zcx_exchange_close(exchange);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_follow_mode_and_size),
        cmocka_unit_test(arrays_in_requests_describe_themselves),
        cmocka_unit_test(other_answers_are_errors),
        cmocka_unit_test(error_records_are_the_callees_failure),
        cmocka_unit_test(references_chain),
        cmocka_unit_test(other_views_are_copied_for_a_request),
        cmocka_unit_test(references_of_elsewhere_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
