/* Calculators and workers of one queue of one store, for the tests of waiting and of queues. */
#ifndef ZCX_QUEUES_H
#define ZCX_QUEUES_H

#include "child.h"
#include "queue.h"
#include "store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static char *path;
static struct shared {
    _Atomic int taken;    /* requests that workers began */
    _Atomic int children; /* that are where the parent wants them */
} *shared;

static inline zcx_store *open_here(void)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 64 << 20;
    MUST(zcx_store_open(&store, path, &options, error));
    return store;
}

static inline const char *config_of(const char *more)
{
    static char json[1024];
    snprintf(json, sizeof json,
             "{\"name\": \"double\", \"queue\": \"doubles\", \"lmdb_enabled\": true, "
             "\"lmdb_db_path\": \"%s\", \"lmdb_map_size\": 67108864%s}", path, more);
    return json;
}

static inline double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline void await(_Atomic int *what, int value)
{
    while (atomic_load(what) < value)
        usleep(200);
}

/* ---- workers ------------------------------------------------------------------------------------------------ */

enum manner { DOUBLES, FAILS_EACH, ANSWERS_NOTHING, HANGS, STOPS, OVERRUNS };

static inline void answer(zcx_call *call, enum manner manner)
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

static inline int serve(void *context)
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

static inline pid_t start_worker(enum manner manner)
{
    int before = atomic_load(&shared->children);
    pid_t child = spawn(serve, &manner);
    await(&shared->children, before + 1);
    return child;
}

static inline zcx_calculator *open_calculator(const char *more)
{
    zcx_calculator *calculator = NULL;
    OK(zcx_calculator_open(&calculator, config_of(more), error));
    return calculator;
}

static inline zcx_call *submit(zcx_calculator *calculator, uint64_t length)
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

static inline void assert_doubled(zcx_call *call, uint64_t length)
{
    const void *data;
    uint64_t found;
    OK(zcx_call_result(&data, &found, NULL, call, error));
    assert_int_equal(found, length);
    for (uint64_t i = 0; i < length; i++)
        if (((const uint8_t *)data)[i] != i % 100 * 2) fail_msg("byte %" PRIu64, i);
}

static inline void assert_nothing_left(void)
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

static inline void end_worker(pid_t worker)
{
    kill_child(worker);
}

static inline void close_all(zcx_calculator *calculator)
{
    OK(zcx_exchange_sweep(zcx_calculator_exchange(calculator), error));
    OK(zcx_calculator_close(calculator, error));
    assert_nothing_left();
}

static inline int run_in_directory(const struct CMUnitTest *tests, size_t count)
{
    make_report();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    path = make_directory(NULL);
    int failed = _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
    free(path);
    return failed;
}

#endif
