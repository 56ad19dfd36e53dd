/* Calls that workers in processes of their own answer: who dies when, and that nothing is left
 * behind. */
#include "queues.h"

static void a_worker_answers(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0, 1, 100, 1024, 1025, 5000, 3000000};
    zcx_calculator *calculator = open_calculator("");
    pid_t worker = start_worker(DOUBLES);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        zcx_call *call = submit(calculator, lengths[i]);
        OK(zcx_calculator_call(calculator, call, error));
        assert_doubled(call, lengths[i]);
        zcx_call_close(call);
    }
    end_worker(worker);
    close_all(calculator);
}

static void many_calls_are_answered_in_their_order(void **state)
{
    (void)state;
    enum { CALLS = 50 };
    zcx_call *calls[CALLS];
    zcx_calculator *calculator = open_calculator("");
    for (uint64_t i = 0; i < CALLS; i++) {
        calls[i] = submit(calculator, i * 100);
        OK(zcx_calculator_send(calculator, calls[i], error));
    }
    FAILS(ZCX_ETIMEDOUT, zcx_call_wait(calls[0], 1, error), "'double'", "'doubles'", "0 workers");
    pid_t workers[2] = {start_worker(DOUBLES), start_worker(DOUBLES)};
    OK(zcx_call_wait(calls[CALLS - 1], 5000, error));
    for (uint64_t i = 0; i < CALLS; i++) {
        OK(zcx_call_wait(calls[i], 5000, error));
        assert_doubled(calls[i], i * 100);
        zcx_call_close(calls[i]);
    }
    end_worker(workers[0]);
    end_worker(workers[1]);
    close_all(calculator);
}

static void a_result_is_chained_without_a_copy(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    pid_t worker = start_worker(DOUBLES);
    zcx_call *first = submit(calculator, 40), *second;
    OK(zcx_calculator_call(calculator, first, error));
    uint64_t records;
    zcx_store *store = open_here();
    OK(zcx_call_open(&second, zcx_calculator_exchange(calculator), error));
    OK(zcx_store_count(&records, store, error));
    OK(zcx_call_input_view(second, zcx_call_result_view(first), error));
    OK(zcx_calculator_call(calculator, second, error));
    uint64_t more;
    OK(zcx_store_count(&more, store, error));
    assert_int_equal(more, records + 1); /* its output */
    const void *data;
    uint64_t length;
    OK(zcx_call_result(&data, &length, NULL, second, error));
    assert_int_equal(((const uint8_t *)data)[39], 156);
    zcx_call_close(first);
    zcx_call_close(second);
    OK(zcx_store_close(store, error));
    end_worker(worker);
    close_all(calculator);
}

/* ---- threads ---------------------------------------------------------------------------------------------- */

enum { THREADS = 4, CALLS_EACH = 100 };

static void *take_calls(void *context)
{
    zcx_call *call;
    while (!zcx_worker_take(&call, context, -1, NULL)) {
        answer(call, DOUBLES);
        zcx_call_close(call);
    }
    return NULL;
}

static void *make_calls(void *context)
{
    zcx_calculator *calculator = context;
    for (uint64_t i = 0; i < CALLS_EACH; i++) {
        zcx_call *call;
        void *data;
        const void *result;
        uint64_t length = i % 2 ? 10 : 10000;
        MUST(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
        MUST(zcx_call_input(&data, call, length, error));
        memset(data, (int)i, length);
        MUST(zcx_call_submit(call, length, NULL, error));
        MUST(zcx_calculator_call(calculator, call, error));
        MUST(zcx_call_result(&result, &length, NULL, call, error));
        if (((const uint8_t *)result)[length - 1] != 2 * i) complain("call %" PRIu64, i);
        zcx_call_close(call);
    }
    return NULL;
}

/* In a process of its own, whose exit says whether all went well. */
static int run_threads(void *context)
{
    (void)context;
    zcx_worker *worker;
    zcx_calculator *calculator;
    pthread_t takers[THREADS], callers[THREADS];
    MUST(zcx_worker_open(&worker, config_of(""), error));
    MUST(zcx_calculator_open(&calculator, config_of(""), error));
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&takers[i], NULL, take_calls, worker);
        pthread_create(&callers[i], NULL, make_calls, calculator);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(callers[i], NULL);
    zcx_worker_stop(worker);
    for (int i = 0; i < THREADS; i++)
        pthread_join(takers[i], NULL);
    MUST(zcx_worker_close(worker, error));
    MUST(zcx_exchange_sweep(zcx_calculator_exchange(calculator), error));
    MUST(zcx_calculator_close(calculator, error));
    return 0;
}

static void threads_share_a_worker_and_a_calculator(void **state)
{
    (void)state;
    if (exit_status(spawn(run_threads, NULL))) fail_msg("%s", child_report);
    assert_nothing_left();
}

static void failures_are_the_callers_errors(void **state)
{
    (void)state;
    static const struct {
        enum manner manner;
        const char *word;
    } cases[] = {{FAILS_EACH, "odd bytes are not to be doubled"},
                 {ANSWERS_NOTHING, "the worker gave no answer"},
                 {OVERRUNS, "wrote past the 5000 bytes"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zcx_calculator *calculator = open_calculator("");
        pid_t worker = start_worker(cases[i].manner);
        zcx_call *call = submit(calculator, 5000);
        FAILS(ZCX_EFAILED, zcx_calculator_call(calculator, call, error), "calculator 'double'",
              cases[i].word);
        if (!i) assert_string_equal(zcx_call_trace(call), "in answer()");
        zcx_call_close(call);
        end_worker(worker);
        close_all(calculator);
    }
}

static void a_killed_workers_request_goes_to_another(void **state)
{
    (void)state;
    const int rounds = soaking() ? 200 : 10;
    double longest = 0; /* ms from the kill to the answer: shown, not judged */
    zcx_calculator *calculator = open_calculator("");
    for (int round = 0; round < rounds; round++) {
        int taken = atomic_load(&shared->taken);
        pid_t hanging = start_worker(HANGS);
        zcx_call *call = submit(calculator, round % 2 ? 100 : 100000);
        OK(zcx_calculator_send(calculator, call, error));
        await(&shared->taken, taken + 1);
        pid_t other = start_worker(DOUBLES);
        double killed = milliseconds();
        kill_child(hanging);
        OK(zcx_call_wait(call, 5000, error));
        if (milliseconds() - killed > longest) longest = milliseconds() - killed;
        assert_doubled(call, round % 2 ? 100 : 100000);
        zcx_call_close(call);
        end_worker(other);
    }
    print_message("%d kills, each answered by another worker within %.1f ms\n", rounds, longest);
    close_all(calculator);
}

static void a_deadly_request_becomes_an_error(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    zcx_call *call = submit(calculator, 5000);
    OK(zcx_calculator_send(calculator, call, error));
    for (int death = 0; death < 3; death++) {
        int taken = atomic_load(&shared->taken);
        pid_t worker = start_worker(HANGS);
        zcx_view *view = NULL;
        await(&shared->taken, taken + 1);
        end_worker(worker);
        if (death < 2) FAILS(ZCX_ETIMEDOUT, zcx_call_wait(call, 120, error), "doubles");
        (void)view;
    }
    FAILS(ZCX_EDEAD, zcx_call_wait(call, 5000, error), "calculator 'double'",
          "3 workers of queue 'doubles' died");
    zcx_call_close(call);
    close_all(calculator);
}

static void nobody_answers_in_time(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator(", \"lmdb_wait_timeout\": 50");
    zcx_call *call = submit(calculator, 5000);
    FAILS(ZCX_ETIMEDOUT, zcx_calculator_call(calculator, call, error), "50 ms", "'doubles'");
    zcx_call_close(call);
    close_all(calculator);
}

static void cancelled_calls_leave_nothing(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    zcx_call *waiting = submit(calculator, 5000); /* before a worker is there */
    OK(zcx_calculator_send(calculator, waiting, error));
    OK(zcx_call_cancel(waiting, error));
    FAILS(ZCX_ECANCELLED, zcx_call_wait(waiting, 1000, error), "cancelled");
    zcx_call_close(waiting);

    int taken = atomic_load(&shared->taken);
    pid_t worker = start_worker(HANGS);
    zcx_call *claimed = submit(calculator, 5000);
    OK(zcx_calculator_send(calculator, claimed, error));
    await(&shared->taken, taken + 1);
    OK(zcx_call_cancel(claimed, error));
    zcx_call_close(claimed);
    end_worker(worker);

    zcx_call *closed = submit(calculator, 10);
    OK(zcx_calculator_send(calculator, closed, error));
    zcx_call_close(closed);

    worker = start_worker(DOUBLES); /* which answers it, and nobody looks */
    zcx_call *answered = submit(calculator, 5000);
    OK(zcx_calculator_send(calculator, answered, error));
    zcx_store *store = open_here();
    zcx_view *view;
    char key[64];
    snprintf(key, sizeof key, "output:double:%s", zcx_call_id(answered));
    OK(zcx_store_wait(&view, store, key, strlen(key), 0, 5000, error));
    zcx_view_release(view);
    OK(zcx_store_close(store, error));
    zcx_call_close(answered);
    end_worker(worker);
    close_all(calculator);
}

static void a_stopped_worker_takes_no_more(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    pid_t worker = start_worker(STOPS);
    zcx_call *first = submit(calculator, 10), *second = submit(calculator, 20);
    OK(zcx_calculator_send(calculator, first, error));
    OK(zcx_calculator_send(calculator, second, error));
    OK(zcx_call_wait(first, 5000, error));
    assert_int_equal(exit_status(worker), 0);
    FAILS(ZCX_ETIMEDOUT, zcx_call_wait(second, 100, error), "0 workers");
    zcx_call_close(first);
    zcx_call_close(second);
    close_all(calculator);
}

static void bad_requests_are_answered(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    zcx_call *call = submit(calculator, 5000); /* its input goes before a worker comes */
    zcx_store *store = open_here();
    char key[64];
    OK(zcx_calculator_send(calculator, call, error));
    snprintf(key, sizeof key, "input:double:%s", zcx_call_id(call));
    OK(zcx_store_delete(store, key, strlen(key), error));
    OK(zcx_store_close(store, error));
    pid_t worker = start_worker(DOUBLES);
    FAILS(ZCX_ENOTFOUND, zcx_call_wait(call, 5000, error), "calculator 'double'", key);
    zcx_call_close(call);
    end_worker(worker);
    close_all(calculator);
}

static void bad_configurations_are_named(void **state)
{
    (void)state;
    zcx_worker *worker;
    zcx_calculator *calculator;
    char json[400];
    snprintf(json, sizeof json, "{\"name\": \"n\", \"lmdb_enabled\": true, \"lmdb_db_path\": \"%s\"}", path);
    FAILS(ZCX_EINVAL, zcx_worker_open(&worker, json, error), "'queue'", "'n'");
    FAILS(ZCX_EINVAL, zcx_worker_open(&worker, "{\"name\": \"n\", \"queue\": \"q\"}", error), "'n'",
          "lmdb_enabled");
    FAILS(ZCX_EINVAL,
          zcx_calculator_open(&calculator, "{\"name\": \"n\", \"queue\": \"q\"}", error), "'q'",
          "lmdb_enabled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_answers),
        cmocka_unit_test(many_calls_are_answered_in_their_order),
        cmocka_unit_test(a_result_is_chained_without_a_copy),
        cmocka_unit_test(threads_share_a_worker_and_a_calculator),
        cmocka_unit_test(failures_are_the_callers_errors),
        cmocka_unit_test(a_killed_workers_request_goes_to_another),
        cmocka_unit_test(a_deadly_request_becomes_an_error),
        cmocka_unit_test(nobody_answers_in_time),
        cmocka_unit_test(cancelled_calls_leave_nothing),
        cmocka_unit_test(a_stopped_worker_takes_no_more),
        cmocka_unit_test(bad_requests_are_answered),
        cmocka_unit_test(bad_configurations_are_named),
    };
    return run_in_directory(tests, sizeof tests / sizeof *tests);
}
