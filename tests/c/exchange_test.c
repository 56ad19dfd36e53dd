/* Calls: which leg goes through the store, chaining, clean-up, what happens when there is no room.
 */
#include "exchange_fixture.h"

#include <stdatomic.h>

static const char *const modes[] = {"input", "output", "both", "reference"};

/* ---- Which leg goes by reference ---- */

static void check_legs(zcx_exchange *exchange, const struct place *place, zcx_mode mode,
                       uint64_t in, uint64_t out)
{
    bool in_by = mode == ZCX_MODE_REFERENCE || (mode != ZCX_MODE_OUTPUT && in >= MIN_SIZE);
    bool out_by = mode == ZCX_MODE_REFERENCE || (mode != ZCX_MODE_INPUT && out >= MIN_SIZE);
    zcx_call *call;
    OK(zcx_call_open(&call, exchange, error));
    assert_int_equal(records(place), 0);
    assert_int_equal(zcx_call_input_by_reference(call, in), in_by);
    assert_int_equal(zcx_call_output_by_reference(call, out), out_by);
    give(call, in);
    assert_int_equal(records(place), in_by);
    has_input(call, in);
    answer(call, out);
    assert_int_equal(records(place), out_by); /* the input's is deleted already */
    assert_int_equal(zcx_call_result_view(call) != NULL, out_by);
    has_result(call, out);
    zcx_call_close(call);
    assert_int_equal(records(place), out_by); /* deleted by the next call, not by the release */
}

static void legs_are_judged_one_by_one(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, MIN_SIZE - 1, MIN_SIZE, MIN_SIZE + 1, 300000};
    struct place place;
    place_open(&place);
    for (int mode = 0; mode < 4; mode++) {
        zcx_exchange *exchange = exchange_open(&place, modes[mode]);
        assert_int_equal(zcx_exchange_mode(exchange), mode + 1);
        for (int in = 0; in < 6; in++)
            for (int out = 0; out < 6; out++)
                check_legs(exchange, &place, (zcx_mode)(mode + 1), sizes[in], sizes[out]);
        zcx_exchange_close(exchange);
        assert_int_equal(records(&place), 0);
    }
    place_close(&place);
}

static void true_length_decides(void **state)
{
    (void)state;
    struct place place;
    void *data;
    zcx_call *call;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    OK(zcx_call_open(&call, exchange, error));
    OK(zcx_call_input(&data, call, 100000, error));
    memset(data, 'i', 100000);
    OK(zcx_call_submit(call, MIN_SIZE - 1, NULL, error));
    assert_int_equal(records(&place), 0);
    has_input(call, MIN_SIZE - 1);
    OK(zcx_call_output(&data, call, 100000, error));
    memset(data, 'o', 100000);
    OK(zcx_call_answer(call, MIN_SIZE, NULL, error));
    assert_int_equal(records(&place), 1);
    has_result(call, MIN_SIZE);
    zcx_call_close(call);
    zcx_exchange_close(exchange);
    place_close(&place);
}

static void disabled_means_directly(void **state)
{
    (void)state;
    zcx_exchange *exchange;
    OK(zcx_exchange_open(&exchange, "{\"name\": \"calc\", \"lmdb_exchange_mode\": \"reference\"}",
                         error));
    assert_null(zcx_exchange_store(exchange));
    zcx_call *call = called(exchange, 100000, 100000);
    assert_null(zcx_call_result_view(call));
    zcx_reference *reference;
    OK(zcx_call_result_reference(&reference, call, error));
    assert_null(reference);
    zcx_call_close(call);
    zcx_exchange_close(exchange);
}

/* What is said of a payload arrives alike on both ways. */
static void envelopes_arrive(void **state)
{
    (void)state;
    static const uint64_t shape[] = {2, 5};
    struct place place;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    for (uint64_t itemsize = 1; itemsize <= 1000; itemsize *= 1000) {
        char dtype[16];
        zcx_envelope in = ZCX_ENVELOPE_INIT, seen = ZCX_ENVELOPE_INIT;
        zcx_call *call;
        void *data;
        const void *read;
        uint64_t length;
        snprintf(dtype, sizeof dtype, "|S%d", (int)itemsize);
        in.format = ZCX_NUMPY;
        in.dtype = dtype;
        in.shape = shape;
        in.ndim = 2;
        in.order = 'F';
        in.content_type = "text/x";
        OK(zcx_call_open(&call, exchange, error));
        OK(zcx_call_input(&data, call, 10 * itemsize, error));
        memset(data, 'i', 10 * itemsize);
        FAILS(ZCX_EINVAL, zcx_call_submit(call, 9 * itemsize, &in, error), NULL);
        OK(zcx_call_submit(call, 10 * itemsize, &in, error));
        memset(dtype, 'x', sizeof dtype);
        OK(zcx_call_read(&read, &length, &seen, call, error));
        assert_int_equal(seen.format, ZCX_NUMPY);
        assert_int_equal(seen.dtype[1], 'S');
        assert_int_equal(seen.shape[1], 5);
        assert_int_equal(seen.order, 'F');
        assert_int_equal(seen.length, 10 * itemsize);
        assert_string_equal(seen.content_type, "text/x");
        assert_string_equal(seen.target, "calc");
        assert_null(seen.source);
        zcx_call_close(call);
    }
    zcx_exchange_close(exchange);
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

/* ---- No room, no store ---- */

static void a_full_store_is_bypassed(void **state)
{
    (void)state;
    struct place place;
    zcx_loan *hog[64];
    int hogs = 0;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    zcx_exchange *strict = exchange_open(&place, "reference");
    listen_to_warnings();
    while (hogs < 64 && !zcx_store_loan(&hog[hogs], place.store, 3 << 20, 0, NULL))
        hogs++;
    assert_in_range(hogs, 5, 63);
    for (int i = 0; i < 3; i++) {
        zcx_call *call = called(exchange, 16 << 20, 16 << 20);
        assert_null(zcx_call_result_view(call));
        zcx_call_close(call);
    }
    assert_int_equal(warnings.count, 1);
    assert_non_null(strstr(warnings.last, "calculator 'calc'"));
    assert_non_null(strstr(warnings.last, "no room for 16777216 bytes"));

    void *data;
    zcx_call *call;
    OK(zcx_call_open(&call, strict, error));
    FAILS(ZCX_EFULL, zcx_call_input(&data, call, 16 << 20, error), "no room");
    zcx_call_close(call);
    while (hogs)
        zcx_loan_discard(hog[--hogs]);
    call = called(exchange, 16 << 20, 16 << 20);
    assert_non_null(zcx_call_result_view(call));
    zcx_call_close(call);
    zcx_log_set(NULL, NULL);
    zcx_exchange_close(exchange);
    zcx_exchange_close(strict);
    place_close(&place);
}

static void a_store_that_cannot_be_opened_is_bypassed(void **state)
{
    (void)state;
    zcx_exchange *exchange;
    zcx_call *call;
    listen_to_warnings();
    OK(zcx_exchange_open(&exchange,
                         "{\"name\": \"calc\", \"lmdb_enabled\": true, \"lmdb_db_path\": "
                         "\"/proc/no/store\"}",
                         error));
    assert_int_equal(warnings.count, 1);
    assert_non_null(strstr(warnings.last, "/proc/no"));
    assert_null(zcx_exchange_store(exchange));
    call = called(exchange, 100000, 100000);
    zcx_reference *none;
    OK(zcx_call_result_reference(&none, call, error));
    assert_null(none);
    zcx_call_close(call);
    assert_int_equal(warnings.count, 1);
    zcx_exchange_close(exchange);

    OK(zcx_exchange_open(&exchange,
                         "{\"name\": \"calc\", \"lmdb_enabled\": true, \"lmdb_db_path\": "
                         "\"/proc/no/store\", \"lmdb_exchange_mode\": \"reference\"}",
                         error));
    zcx_error error = ZCX_ERROR_INIT;
    assert_int_not_equal(zcx_call_open(&call, exchange, &error), ZCX_OK);
    assert_non_null(strstr(error.message, "no store for references"));
    zcx_exchange_close(exchange);
    zcx_log_set(NULL, NULL);
}

/* ---- Threads, forks ---- */

static void *call_often(void *exchange)
{
    zcx_call *kept[4] = {NULL};
    for (int i = 0; i < 400; i++) {
        zcx_call_close(kept[i % 4]);
        kept[i % 4] = called(exchange, 500 + (uint64_t)i * 7, 3000 - (uint64_t)i * 7);
    }
    for (int i = 0; i < 4; i++)
        zcx_call_close(kept[i]);
    return NULL;
}

static void threads_share_an_exchange(void **state)
{
    (void)state;
    struct place place;
    pthread_t threads[4];
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, call_often, exchange);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    zcx_exchange_close(exchange);
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

struct rival {
    zcx_store *store;
    char key[64];
    _Atomic bool stop;
};

/* Overwrites what is at the key, all the time. */
static void *overwrite(void *context)
{
    struct rival *rival = context;
    while (!atomic_load(&rival->stop))
        OK(zcx_store_put(rival->store, rival->key, strlen(rival->key), "mine", 4, NULL, NULL,
                         error));
    return NULL;
}

static void a_call_keeps_what_it_published(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    for (int i = 0; i < 1000; i++) {
        struct rival rival = {.store = place.store};
        pthread_t threads[2];
        zcx_call *call;
        OK(zcx_call_open(&call, exchange, error));
        snprintf(rival.key, sizeof rival.key, "input:calc:%s", zcx_call_id(call));
        for (int j = 0; j < 2; j++)
            pthread_create(&threads[j], NULL, overwrite, &rival);
        give(call, MIN_SIZE);
        has_input(call, MIN_SIZE);
        atomic_store(&rival.stop, true);
        for (int j = 0; j < 2; j++)
            pthread_join(threads[j], NULL);
        has_input(call, MIN_SIZE);
        zcx_call_close(call);
    }
    zcx_exchange_close(exchange);
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

struct inherited {
    zcx_exchange *exchange;
    zcx_call *call;
};

static int use_inherited(void *context)
{
    struct inherited *inherited = context;
    zcx_call *call;
    if (zcx_call_open(&call, inherited->exchange, NULL) != ZCX_EFORK) return 1;
    zcx_call_close(inherited->call); /* as a child's garbage collector does */
    zcx_exchange_close(inherited->exchange);
    return 0;
}

static void a_forked_child_harms_nobody(void **state)
{
    (void)state;
    struct place place;
    struct inherited inherited;
    place_open(&place);
    inherited.exchange = exchange_open(&place, "both");
    inherited.call = called(inherited.exchange, 50000, 50000);
    assert_int_equal(exit_status(spawn(use_inherited, &inherited)), 0);
    assert_int_equal(records(&place), 1);
    has_result(inherited.call, 50000);
    zcx_call_close(inherited.call);
    zcx_exchange_close(inherited.exchange);
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

static void calls_have_an_order(void **state)
{
    (void)state;
    struct place place;
    zcx_call *call;
    void *data;
    const void *read;
    uint64_t length;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    OK(zcx_call_open(&call, exchange, error));
    assert_int_equal(strspn(zcx_call_id(call), "0123456789abcdef"), 16);
    FAILS(ZCX_EINVAL, zcx_call_submit(call, 0, NULL, error), "no input memory");
    FAILS(ZCX_EINVAL, zcx_call_output(&data, call, 1, error), "has no input yet",
          zcx_call_id(call));
    FAILS(ZCX_EINVAL, zcx_call_read(&read, &length, NULL, call, error), "has no input yet");
    FAILS(ZCX_ELIMIT, zcx_call_input(&data, call, ZCX_PAYLOAD_MAX + 1, error), "4294901761");
    OK(zcx_call_input(&data, call, 100, error));
    FAILS(ZCX_EINVAL, zcx_call_input(&data, call, 100, error), "has its input already");
    FAILS(ZCX_EINVAL, zcx_call_submit(call, 101, NULL, error), "101 bytes", "for 100");
    ((char *)data)[100] = 0;
    FAILS(ZCX_EINVAL, zcx_call_submit(call, 100, NULL, error), "wrote past the 100 bytes",
          "input:calc:", zcx_call_id(call));
    zcx_call_close(call);
    call = called(exchange, 10, 10);
    FAILS(ZCX_EINVAL, zcx_call_answer(call, 0, NULL, error), "is answered");
    zcx_call_close(call);
    zcx_exchange_close(exchange);
    zcx_exchange_close(NULL);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legs_are_judged_one_by_one),
        cmocka_unit_test(true_length_decides),
        cmocka_unit_test(disabled_means_directly),
        cmocka_unit_test(envelopes_arrive),
        cmocka_unit_test(a_full_store_is_bypassed),
        cmocka_unit_test(a_store_that_cannot_be_opened_is_bypassed),
        cmocka_unit_test(threads_share_an_exchange),
        cmocka_unit_test(a_call_keeps_what_it_published),
        cmocka_unit_test(a_forked_child_harms_nobody),
        cmocka_unit_test(calls_have_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
