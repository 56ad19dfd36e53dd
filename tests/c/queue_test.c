/* Waiting for keys, and calls that workers in processes of their own answer: what each answer looks
 * like, who dies when, and that nothing is left behind. */
#include "child.h"
#include "queue.h"
#include "store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

static char *path;
static struct shared {
    _Atomic int taken;    /* requests that workers began */
    _Atomic int children; /* that are where the parent wants them */
} *shared;

static zcx_store *open_here(void)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 64 << 20;
    MUST(zcx_store_open(&store, path, &options, error));
    return store;
}

static const char *config_of(const char *more)
{
    static char json[1024];
    snprintf(json, sizeof json,
             "{\"name\": \"double\", \"queue\": \"doubles\", \"lmdb_enabled\": true, "
             "\"lmdb_db_path\": \"%s\", \"lmdb_map_size\": 67108864%s}", path, more);
    return json;
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void await(_Atomic int *what, int value)
{
    while (atomic_load(what) < value)
        usleep(200);
}

/* ---- keys ----------------------------------------------------------------------------------------------- */

struct deed {
    const char *key;
    bool error, delete, first;
    int64_t ttl_ms;
};

/* Does it as soon as the parent sleeps: a thread of it then waits on a futex. */
static int do_deed(void *context)
{
    const struct deed *deed = context;
    zcx_store *store = open_here();
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    size_t length = strlen(deed->key);
    envelope.ttl_ms = deed->ttl_ms;
    if (!deed->first) usleep(20000);
    if (deed->error)
        MUST(zcx_store_put_error(store, deed->key, length, "it rained", "at noon", 0, error));
    else if (deed->delete)
        MUST(zcx_store_delete(store, deed->key, length, error));
    else
        MUST(zcx_store_put(store, deed->key, length, "sun", 3, &envelope, NULL, error));
    return 0;
}

static void a_key_is_waited_for(void **state)
{
    (void)state;
    zcx_view *view = NULL;
    zcx_store *store = open_here();
    struct deed deed = {.key = "later"};
    pid_t child = spawn(do_deed, &deed);
    OK(zcx_store_wait(&view, store, "later", 5, 0, 5000, error));
    assert_memory_equal(zcx_view_data(view), "sun", 3);
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    OK(zcx_view_envelope(view, &envelope, error));
    zcx_view_release(view);
    assert_int_equal(exit_status(child), 0);

    FAILS(ZCX_ETIMEDOUT,
          zcx_store_wait(&view, store, "later", 5, envelope.transaction, 60, error), "later", "60 ms");
    FAILS(ZCX_ETIMEDOUT, zcx_store_wait(&view, store, "never", 5, 0, 0, error), "never", "0 ms");
    child = spawn(do_deed, &deed);
    OK(zcx_store_wait(&view, store, "later", 5, envelope.transaction, 5000, error));
    zcx_view_release(view);
    assert_int_equal(exit_status(child), 0);
    OK(zcx_store_delete(store, "later", 5, error));
    OK(zcx_store_close(store, error));
}

static void answers_of_a_wait_differ(void **state)
{
    (void)state;
    zcx_view *view = NULL;
    uint64_t transaction;
    zcx_store *store = open_here();
    struct deed fails = {.key = "failure", .error = true}, gone = {.key = "gone", .delete = true};
    pid_t child = spawn(do_deed, &fails);
    FAILS(ZCX_EFAILED, zcx_store_wait(&view, store, "failure", 7, 0, 5000, error), "it rained");
    assert_int_equal(exit_status(child), 0);
    OK(zcx_store_delete(store, "failure", 7, error));

    OK(zcx_store_put(store, "gone", 4, "x", 1, NULL, &transaction, error));
    child = spawn(do_deed, &gone);
    FAILS(ZCX_EDELETED, zcx_store_wait(&view, store, "gone", 4, transaction, 5000, error), "gone");
    assert_int_equal(exit_status(child), 0);

    struct deed short_lived = {.key = "brief", .first = true, .ttl_ms = 1};
    assert_int_equal(exit_status(spawn(do_deed, &short_lived)), 0);
    usleep(5000);
    FAILS(ZCX_EEXPIRED, zcx_store_wait(&view, store, "brief", 5, 0, 5000, error), "brief");
    OK(zcx_store_close(store, error));
}

/* It publishes and is killed before it wakes anybody: the waiter's slice finds the record. */
static int publish_silently(void *context)
{
    (void)context;
    zcx_store *store = open_here();
    usleep(20000);
    MUST(zcx_store_put(store, "silent", 6, "x", 1, NULL, NULL, error));
    raise(SIGKILL);
    return 0;
}

static void a_lost_wake_costs_a_slice(void **state)
{
    (void)state;
    zcx_view *view = NULL;
    zcx_store *store = open_here();
    pid_t child = spawn(publish_silently, NULL);
    OK(zcx_store_wait(&view, store, "silent", 6, 0, 5000, error));
    zcx_view_release(view);
    assert_int_equal(exit_status(child), 128 + SIGKILL);
    OK(zcx_store_delete(store, "silent", 6, error));
    OK(zcx_store_close(store, error));
}

static int put_late(void *context)
{
    (void)context;
    zcx_store *store = open_here();
    usleep(120000); /* the parent sleeps */
    MUST(zcx_store_put(store, "late", 4, "x", 1, NULL, NULL, error));
    MUST(zcx_store_delete(store, "late", 4, error));
    return 0;
}

static void any_commit_is_waited_for(void **state)
{
    (void)state;
    uint64_t seen = 0, before;
    zcx_store *store = open_here();
    OK(zcx_store_wait_commit(store, &seen, 0, error)); /* the store's own */
    assert_true(seen);
    before = seen;
    FAILS(ZCX_ETIMEDOUT, zcx_store_wait_commit(store, &seen, 20, error), path, "20 ms");
    assert_int_equal(seen, before);
    pid_t child = spawn(put_late, NULL);
    OK(zcx_store_wait_commit(store, &seen, 10000, error));
    assert_true(seen > before);
    assert_int_equal(exit_status(child), 0);
    OK(zcx_store_close(store, error));
}

static void waiters_use_no_processor(void **state)
{
    (void)state;
    struct rusage before, after;
    zcx_view *view = NULL;
    zcx_store *store = open_here();
    getrusage(RUSAGE_SELF, &before);
    FAILS(ZCX_ETIMEDOUT, zcx_store_wait(&view, store, "idle", 4, 0, 1000, error), "idle");
    getrusage(RUSAGE_SELF, &after);
    long switches = after.ru_nvcsw - before.ru_nvcsw;
    assert_true(switches < 1000); /* 20 slices, and the yields of a tenth of a millisecond */
    OK(zcx_store_close(store, error));
}

/* ---- workers ---------------------------------------------------------------------------------------------- */

enum manner { DOUBLES, FAILS_EACH, ANSWERS_NOTHING, HANGS, STOPS, OVERRUNS };

static void answer(zcx_call *call, enum manner manner)
{
    const void *data;
    void *out;
    uint64_t length;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    MUST(zcx_call_read(&data, &length, &envelope, call, error));
    const uint8_t *bytes = data;
    if (manner == HANGS)
        for (;;)
            pause();
    if (manner == FAILS_EACH) zcx_call_fail(call, "odd bytes are not to be doubled", "in answer()");
    if (manner == FAILS_EACH || manner == ANSWERS_NOTHING) return;
    MUST(zcx_call_output(&out, call, length, error));
    for (uint64_t i = 0; i < length + (manner == OVERRUNS); i++)
        ((uint8_t *)out)[i] = (uint8_t)(2 * bytes[i]);
    zcx_envelope made = ZCX_ENVELOPE_INIT;
    zcx_error failure = ZCX_ERROR_INIT;
    zcx_status status = zcx_call_answer(call, length, &made, &failure);
    if (status == ZCX_EFAILED) zcx_call_fail(call, failure.message, NULL);
    else if (status && status != ZCX_ECANCELLED) complain("answer: %s", failure.message);
}

static int serve(void *context)
{
    enum manner manner = *(enum manner *)context;
    zcx_worker *worker;
    zcx_call *call;
    MUST(zcx_worker_open(&worker, config_of(""), error));
    atomic_fetch_add(&shared->children, 1);
    for (;;) {
        zcx_error failure = ZCX_ERROR_INIT;
        zcx_status status = zcx_worker_take(&call, worker, -1, &failure);
        if (status == ZCX_ECLOSED) break;
        if (status) complain("take: %s", failure.message);
        atomic_fetch_add(&shared->taken, 1);
        answer(call, manner);
        zcx_call_close(call);
        if (manner == STOPS) zcx_worker_stop(worker);
    }
    MUST(zcx_worker_close(worker, error));
    return 0;
}

static pid_t start_worker(enum manner manner)
{
    int before = atomic_load(&shared->children);
    pid_t child = spawn(serve, &manner);
    await(&shared->children, before + 1);
    return child;
}

static zcx_calculator *open_calculator(const char *more)
{
    zcx_calculator *calculator = NULL;
    OK(zcx_calculator_open(&calculator, config_of(more), error));
    return calculator;
}

static zcx_call *submit(zcx_calculator *calculator, uint64_t length)
{
    zcx_call *call = NULL;
    void *data;
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    OK(zcx_call_input(&data, call, length, error));
    for (uint64_t i = 0; i < length; i++)
        ((uint8_t *)data)[i] = (uint8_t)(i % 100);
    OK(zcx_call_submit(call, length, NULL, error));
    return call;
}

static void assert_doubled(zcx_call *call, uint64_t length)
{
    const void *data;
    uint64_t found;
    OK(zcx_call_result(&data, &found, NULL, call, error));
    assert_int_equal(found, length);
    for (uint64_t i = 0; i < length; i++)
        if (((const uint8_t *)data)[i] != i % 100 * 2) fail_msg("byte %" PRIu64, i);
}

static void assert_nothing_left(void)
{
    uint64_t count;
    char *json;
    zcx_store *store = open_here();
    OK(zcx_store_sweep(NULL, store, 0, error));
    OK(zcx_store_count(&count, store, error));
    if (count) fail_msg("%" PRIu64 " records are left", count);
    OK(zcx_store_stat(&json, store, error));
    if (!strstr(json, "\"queues\":[]")) fail_msg("a queue is left: %s", strstr(json, "\"queues\""));
    zcx_free(json);
    OK(zcx_store_close(store, error));
}

static void end_worker(pid_t worker)
{
    kill_child(worker);
}

static void close_all(zcx_calculator *calculator)
{
    OK(zcx_exchange_sweep(zcx_calculator_exchange(calculator), error));
    OK(zcx_calculator_close(calculator, error));
    assert_nothing_left();
}

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

/* ---- what others left ------------------------------------------------------------------------------------- */

static void a_chained_input_is_the_one_that_was_given(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    zcx_view *view;
    zcx_call *call;
    OK(zcx_store_put(store, "mine", 4, "old", 3, NULL, NULL, error));
    OK(zcx_store_view(&view, store, "mine", 4, error));
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    OK(zcx_call_input_view(call, view, error));
    OK(zcx_calculator_send(calculator, call, error));
    OK(zcx_store_put(store, "mine", 4, "new", 3, NULL, NULL, error));
    pid_t worker = start_worker(DOUBLES);
    FAILS(ZCX_EDELETED, zcx_call_wait(call, 5000, error), "mine", "overwritten");
    zcx_call_close(call);
    zcx_view_release(view);
    OK(zcx_store_delete(store, "mine", 4, error));

    zcx_call *first = submit(calculator, 5000); /* released before the second one is answered */
    zcx_reference *reference;
    OK(zcx_calculator_call(calculator, first, error));
    OK(zcx_call_result_reference(&reference, first, error));
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    OK(zcx_call_input_reference(call, reference, error));
    zcx_reference_free(reference);
    zcx_call_close(first);
    OK(zcx_calculator_call(calculator, call, error));
    zcx_call_close(call);
    end_worker(worker);
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

/* Takes a request, forks a child that closes it, and answers it itself. */
static int serve_and_fork(void *context)
{
    (void)context;
    zcx_worker *worker;
    zcx_call *call;
    MUST(zcx_worker_open(&worker, config_of(""), error));
    MUST(zcx_worker_take(&call, worker, -1, error));
    pid_t child = fork();
    if (child == 0) {
        zcx_error failure = ZCX_ERROR_INIT;
        zcx_call_close(call);
        zcx_worker_stop(worker);
        _exit(zcx_worker_take(&call, worker, -1, &failure) != ZCX_EFORK);
    }
    if (exit_status(child)) complain("the child did not get ZCX_EFORK");
    answer(call, DOUBLES);
    zcx_call_close(call);
    MUST(zcx_worker_close(worker, error));
    return 0;
}

static void a_forked_child_answers_nothing(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    pid_t worker = spawn(serve_and_fork, NULL);
    zcx_call *call = submit(calculator, 100);
    OK(zcx_calculator_call(calculator, call, error));
    assert_doubled(call, 100);
    zcx_call_close(call);
    if (exit_status(worker)) fail_msg("%s", child_report);
    close_all(calculator);
}

static void a_long_failure_fits_a_full_store(void **state)
{
    (void)state;
    static char trace[20000];
    memset(trace, 'x', sizeof trace - 1);
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    zcx_worker *worker;
    zcx_call *call = submit(calculator, 100), *taken;
    OK(zcx_calculator_send(calculator, call, error));
    OK(zcx_worker_open(&worker, config_of(""), error));
    OK(zcx_worker_take(&taken, worker, 1000, error));
    static const uint64_t sizes[] = {4000000, 100000, 4000, 100};
    unsigned number = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (;; number++) {
            char key[16];
            int length = snprintf(key, sizeof key, "f%u", number);
            static uint8_t data[4000000];
            zcx_status status = zcx_store_put(store, key, (size_t)length, data, sizes[i], NULL, NULL, NULL);
            if (status == ZCX_EFULL) break;
            assert_int_equal(status, ZCX_OK);
        }
    zcx_call_fail(taken, "it is too much", trace);
    zcx_call_close(taken);
    FAILS(ZCX_EFAILED, zcx_call_wait(call, 5000, error), "it is too much");
    zcx_call_close(call);
    OK(zcx_worker_close(worker, error));
    while (number--) {
        char key[16];
        int length = snprintf(key, sizeof key, "f%u", number);
        OK(zcx_store_delete(store, key, (size_t)length, error));
    }
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

struct entry {
    const void *key, *value;
    size_t key_length, length;
};

static zcx_status put_entry(struct zcxi_env *env, MDB_txn *transaction, void *context, zcx_error *error)
{
    const struct entry *entry = context;
    MDB_val key = {entry->key_length, (void *)entry->key}, value = {entry->length, (void *)entry->value};
    int result = entry->value ? mdb_put(transaction, env->queue_db, &key, &value, 0)
                              : mdb_del(transaction, env->queue_db, &key, NULL);
    return result ? zcxi_fail_lmdb(error, result, "entry") : ZCX_OK;
}

/* Keys that are none, requests without a reference and claims of nobody, before a real request. */
static void strange_entries_are_passed_over(void **state)
{
    (void)state;
    static uint8_t large[100000];
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    struct zcxi_env *env = store->env;
    const struct zcxi_need need = {.changes = 1, .pages = 0, .bytes = sizeof large};
    const struct zcxi_request lost = {.magic = ZCXI_REQUEST_MAGIC, .version = 1, .attempts = 3};
    const struct zcxi_request huge = {.magic = ZCXI_REQUEST_MAGIC, .version = 1};
    memcpy(large, &huge, sizeof huge);
    struct entry entries[] = {
        {"doubles\0\0\0\0\0\0\0\0\0\0", "x", 18, 1},
        {"doubles\0\0\0\0\0\0\0\0\1", &lost, 16, sizeof lost},
        {"doubles\0\0\0\0\0\0\0\0\2", large, 16, sizeof large},
    };
    for (int i = 0; i < 3; i++)
        OK(zcxi_transact(env, &need, put_entry, &entries[i], error));
    zcx_call *call = submit(calculator, 100);
    OK(zcx_calculator_send(calculator, call, error));
    int taken = atomic_load(&shared->taken);
    pid_t worker = start_worker(HANGS);
    await(&shared->taken, taken + 1);
    end_worker(worker);
    worker = start_worker(DOUBLES);
    OK(zcx_call_wait(call, 5000, error));
    assert_doubled(call, 100);
    zcx_call_close(call);
    end_worker(worker);
    for (int i = 0; i < 3; i++) {
        entries[i].value = NULL;
        (void)zcxi_transact(env, &need, put_entry, &entries[i], NULL); /* revive removed one */
    }
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

/* More than a pass looks after, each offered again after a death, and now past its deadline. */
static void late_requests_that_were_claimed_once_are_swept(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    const struct zcxi_need need = {.changes = 1, .bytes = 100};
    const struct zcxi_request late = {.magic = ZCXI_REQUEST_MAGIC, .version = 1, .attempts = 1,
                                      .deadline = 1};
    char key[] = "doubles\0\0\0\0\0\0\0\0\0";
    for (char i = 1; i <= 40; i++) {
        key[15] = i;
        OK(zcxi_transact(store->env, &need, put_entry, &(struct entry){key, &late, 16, sizeof late},
                         error));
    }
    alarm(60); /* a sweep that finds them again and again would not end */
    OK(zcx_store_sweep(NULL, store, 0, error));
    alarm(0);
    OK(zcx_store_close(store, error));
    assert_nothing_left();
}

static int send_and_die(void *context)
{
    (void)context;
    zcx_calculator *calculator = NULL;
    MUST(zcx_calculator_open(&calculator, config_of(", \"lmdb_wait_timeout\": 1, \"lmdb_ttl\": 0"), error));
    for (int i = 0; i < 20; i++) {
        zcx_call *call;
        void *data;
        MUST(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
        MUST(zcx_call_input(&data, call, 5000, error));
        MUST(zcx_call_submit(call, 5000, NULL, error));
    }
    raise(SIGKILL);
    return 0;
}

static void requests_of_the_dead_are_swept(void **state)
{
    (void)state;
    assert_int_equal(exit_status(spawn(send_and_die, NULL)), 128 + SIGKILL);
    usleep(5000); /* their millisecond to wait is over */
    assert_nothing_left();
}

/* ---- claims ---------------------------------------------------------------------------------------------- */

static uint32_t claims_in_use(const struct zcxi_env *env)
{
    return atomic_load(&env->board.header->claims);
}

static void a_request_is_claimed_once(void **state)
{
    (void)state;
    uint8_t *value;
    size_t size;
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    zcx_call *call = submit(calculator, 100);
    OK(zcx_calculator_send(calculator, call, error));
    struct zcxi_ticket ticket = {"doubles", 0}, other = ticket;
    OK(zcxi_queue_claim(store->env, &ticket, &value, &size, error));
    free(value);
    assert_int_equal(zcxi_queue_claim(store->env, &other, &value, &size, NULL), ZCX_ENOTFOUND);
    OK(zcxi_queue_give_back(store->env, &ticket, error));
    OK(zcxi_queue_claim(store->env, &other, &value, &size, error));
    free(value);
    assert_int_equal(other.sequence, ticket.sequence);
    assert_int_equal(claims_in_use(store->env), 1);
    OK(zcx_call_cancel(call, error)); /* with its claim */
    assert_int_equal(claims_in_use(store->env), 0);
    zcx_call_close(call);
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

static void claims_have_a_limit(void **state)
{
    (void)state;
    uint8_t *value;
    size_t size;
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    struct zcxi_env *env = store->env;
    zcx_call *call = submit(calculator, 100);
    OK(zcx_calculator_send(calculator, call, error));
    OK(zcxi_env_lock(env, error));
    for (uint64_t i = 1; i <= ZCXI_CLAIMS; i++)
        OK(zcxi_claim_enter(env, i << 32, error));
    zcxi_env_unlock(env);
    struct zcxi_ticket ticket = {"doubles", 0};
    FAILS(ZCX_ELIMIT, zcxi_queue_claim(env, &ticket, &value, &size, error), "4096", path);
    OK(zcxi_env_lock(env, error));
    for (uint32_t i = 0; i < ZCXI_CLAIMS; i++)
        zcxi_claim_clear(&env->board, i);
    zcxi_env_unlock(env);
    assert_int_equal(claims_in_use(env), 0);
    OK(zcx_call_cancel(call, error));
    zcx_call_close(call);
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

static int claim_and_die(void *context)
{
    (void)context;
    uint8_t *value;
    size_t size;
    zcx_store *store = open_here();
    struct zcxi_ticket ticket = {"doubles", 0};
    MUST(zcxi_queue_claim(store->env, &ticket, &value, &size, error));
    raise(SIGKILL);
    return 0;
}

static int send_one_and_die(void *context)
{
    (void)context;
    zcx_calculator *calculator = open_calculator("");
    zcx_call *call = submit(calculator, 100);
    MUST(zcx_calculator_send(calculator, call, error));
    raise(SIGKILL);
    return 0;
}

/* A claim lies in the board: where that is lost, so is the claim, and the request is nobody's. */
static void a_lost_board_has_no_claims(void **state)
{
    (void)state;
    char board[300];
    uint8_t *value;
    size_t size;
    snprintf(board, sizeof board, "%s/board", path);
    assert_int_equal(exit_status(spawn(send_one_and_die, NULL)), 128 + SIGKILL);
    assert_int_equal(exit_status(spawn(claim_and_die, NULL)), 128 + SIGKILL);
    assert_int_equal(unlink(board), 0);
    zcx_store *store = open_here();
    struct zcxi_ticket ticket = {"doubles", 0};
    OK(zcxi_queue_claim(store->env, &ticket, &value, &size, error));
    free(value);
    struct zcxi_ending ending = {.ticket = ticket, .ours = true};
    OK(zcxi_transact(store->env, &(struct zcxi_need){.changes = 1}, zcxi_queue_end, &ending, error));
    assert_int_equal(claims_in_use(store->env), 0);
    OK(zcx_store_close(store, error));
    assert_nothing_left();
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
        cmocka_unit_test(a_key_is_waited_for),
        cmocka_unit_test(any_commit_is_waited_for),
        cmocka_unit_test(a_request_is_claimed_once),
        cmocka_unit_test(claims_have_a_limit),
        cmocka_unit_test(a_lost_board_has_no_claims),
        cmocka_unit_test(answers_of_a_wait_differ),
        cmocka_unit_test(a_lost_wake_costs_a_slice),
        cmocka_unit_test(waiters_use_no_processor),
        cmocka_unit_test(bad_configurations_are_named),
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
        cmocka_unit_test(a_chained_input_is_the_one_that_was_given),
        cmocka_unit_test(a_forked_child_answers_nothing),
        cmocka_unit_test(strange_entries_are_passed_over),
        cmocka_unit_test(late_requests_that_were_claimed_once_are_swept),
        cmocka_unit_test(requests_of_the_dead_are_swept),
        cmocka_unit_test(a_long_failure_fits_a_full_store), /* last: small records fill the tree for good */
    };
    make_report();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    path = make_directory(NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(path);
    return failed;
}
