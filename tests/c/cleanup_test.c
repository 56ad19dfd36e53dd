/* Calls: inputs that lie in the store already, and what is left of a call when it is over: nothing.
 */
#include "exchange_fixture.h"

#include "store.h"

#include <errno.h>
#include <sys/syscall.h>

static bool memory_is_out;

/* The core's, too: a file system that is full when a test says so. */
int fallocate(int file, int mode, off_t offset, off_t length)
{
    if (!memory_is_out) return (int)syscall(SYS_fallocate, file, mode, offset, length);
    errno = ENOSPC;
    return -1;
}

/* ---- Chaining ---- */

static void views_travel_by_their_record(void **state)
{
    (void)state;
    struct place place;
    char json[2048];
    zcx_call *last = NULL, *call;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both"), *other;
    OK(zcx_exchange_open(&other, config_of(json, &place, "both", ", \"lmdb_ttl\": 0"), error));
    last = called(exchange, 50000, 60000);
    for (int i = 0; i < 5; i++) { /* each node: one record for its result, none for its input */
        OK(zcx_call_open(&call, i % 2 ? exchange : other, error));
        OK(zcx_call_input_view(call, zcx_call_result_view(last), error));
        assert_int_equal(records(&place), 1);
        const void *data;
        uint64_t length;
        OK(zcx_call_read(&data, &length, NULL, call, error));
        assert_ptr_equal(data, zcx_view_data(zcx_call_result_view(last)));
        assert_null(zcx_call_take_input(call));
        answer(call, 60000);
        assert_int_equal(records(&place), 2);
        has_result(last, 60000);
        zcx_call_close(last);
        OK(zcx_exchange_sweep(exchange, error));
        OK(zcx_exchange_sweep(other, error));
        assert_int_equal(records(&place), 1);
        last = call;
    }
    has_result(last, 60000);
    zcx_call_close(last);
    zcx_exchange_close(exchange);
    zcx_exchange_close(other);
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

static void what_the_caller_put_is_never_deleted(void **state)
{
    (void)state;
    struct place place;
    zcx_view *view;
    zcx_call *call;
    char *bytes = malloc(50000);
    memset(bytes, 'i', 50000);
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    OK(zcx_store_put(place.store, "mine", 4, bytes, 50000, NULL, NULL, error));
    OK(zcx_store_view(&view, place.store, "mine", 4, error));
    OK(zcx_call_open(&call, exchange, error));
    OK(zcx_call_input_view(call, view, error));
    FAILS(ZCX_EINVAL, zcx_call_input_view(call, view, error), "has its input");
    has_input(call, 50000);
    answer(call, 10);
    zcx_view_release(view);
    zcx_call_close(call);
    zcx_exchange_close(exchange);
    assert_int_equal(records(&place), 1);
    free(bytes);
    place_close(&place);
}

static void an_input_can_be_skipped(void **state)
{
    (void)state;
    struct place place;
    zcx_call *call;
    const void *data;
    uint64_t length;
    zcx_reference *request;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    OK(zcx_call_open(&call, exchange, error));
    OK(zcx_call_skip_input(call, error));
    OK(zcx_call_read(&data, &length, NULL, call, error));
    assert_int_equal(length, 0);
    FAILS(ZCX_EINVAL, zcx_call_skip_input(call, error), "has its input");
    OK(zcx_call_request(&request, call, error));
    assert_null(zcx_reference_text(request, ZCX_REFERENCE_INPUT_KEY));
    zcx_reference_free(request);
    answer(call, 50000);
    has_result(call, 50000);
    zcx_call_close(call);
    zcx_exchange_close(exchange);
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

/* ---- Clean-up ---- */

static void nothing_is_left_behind(void **state)
{
    (void)state;
    struct place place;
    zcx_call *call, *kept;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    OK(zcx_call_open(&call, exchange, error)); /* closed at each stage of a call */
    zcx_call_close(call);
    OK(zcx_call_open(&call, exchange, error));
    void *data;
    OK(zcx_call_input(&data, call, 50000, error));
    zcx_call_close(call);
    OK(zcx_call_open(&call, exchange, error));
    give(call, 50000);
    zcx_call_close(call);
    OK(zcx_call_open(&call, exchange, error));
    give(call, 50000);
    OK(zcx_call_output(&data, call, 50000, error));
    zcx_call_close(call);
    OK(zcx_call_open(&call, exchange, error));
    assert_int_equal(records(&place), 0);
    give(call, 50000);
    zcx_call_fail(call, "no idea", "line 1");
    assert_int_equal(records(&place), 0);
    FAILS(ZCX_EFAILED, zcx_call_answer(call, 1, NULL, error), "calculator 'calc': no idea");
    const void *read;
    uint64_t length;
    FAILS(ZCX_EFAILED, zcx_call_result(&read, &length, NULL, call, error), "no idea");
    assert_string_equal(zcx_call_trace(call), "line 1");
    zcx_call_close(call);
    zcx_call_close(NULL);

    kept = called(exchange, 50000, 50000);
    zcx_call_keep_result(kept);
    zcx_call_close(kept);
    zcx_exchange_close(exchange);
    assert_int_equal(records(&place), 1);
    place_close(&place);
}

static void what_a_full_store_keeps_is_deleted_later(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    zcx_call_close(called(exchange, 50000, 50000));
    memory_is_out = true;
    atomic_store(&place.store->env->board.header->backed_to, 0); /* nor is any left in reserve */
    FAILS(ZCX_EFULL, zcx_exchange_sweep(exchange, error), "no room");
    assert_int_equal(records(&place), 1);
    FAILS(ZCX_EFULL, zcx_exchange_sweep(exchange, error), "no room");
    memory_is_out = false;
    OK(zcx_exchange_sweep(exchange, error));
    assert_int_equal(records(&place), 0);
    zcx_exchange_close(exchange);
    place_close(&place);
}

static void results_outlive_their_exchange(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both"), *later;
    zcx_call *one = called(exchange, 50000, 50000), *other = called(exchange, 10, 50000);
    zcx_exchange_close(exchange);
    has_result(one, 50000);
    zcx_call_close(one);
    assert_int_equal(records(&place), 2);
    OK(zcx_exchange_open(&later, "{\"name\": \"another\"}", error));
    assert_int_equal(records(&place), 1);
    has_result(other, 50000);
    zcx_call_close(other);
    zcx_exchange_close(later);
    assert_int_equal(records(&place), 0);
    place_close(&place); /* nothing of the closed exchange is open any more */
}

static void an_input_that_was_taken_outlives_the_call(void **state)
{
    (void)state;
    struct place place;
    zcx_call *call;
    place_open(&place);
    zcx_exchange *exchange = exchange_open(&place, "both");
    OK(zcx_call_open(&call, exchange, error));
    give(call, 50000);
    zcx_view *view = zcx_call_take_input(call);
    assert_non_null(view);
    assert_null(zcx_call_take_input(call));
    const void *data;
    uint64_t length;
    zcx_reference *request;
    FAILS(ZCX_EINVAL, zcx_call_read(&data, &length, NULL, call, error), zcx_call_id(call), "'calc'",
          "was taken");
    FAILS(ZCX_EINVAL, zcx_call_request(&request, call, error), "was taken");
    answer(call, 50000);
    assert_int_equal(records(&place), 1);
    zcx_call_close(call);
    zcx_exchange_close(exchange);
    is_filled(zcx_view_data(view), zcx_view_length(view), 'i', 50000);
    zcx_view_release(view);
    zcx_exchange_close(exchange_open(&place, "both")); /* now the store's handle can go */
    assert_int_equal(records(&place), 0);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_travel_by_their_record),
        cmocka_unit_test(what_the_caller_put_is_never_deleted),
        cmocka_unit_test(an_input_can_be_skipped),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(what_a_full_store_keeps_is_deleted_later),
        cmocka_unit_test(results_outlive_their_exchange),
        cmocka_unit_test(an_input_that_was_taken_outlives_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
