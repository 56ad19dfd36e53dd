/* What the tests of calls share: exchanges in a store of the test's own, counts of its records, and
 * the warnings that were logged. */
#ifndef ZCX_EXCHANGE_FIXTURE_H
#define ZCX_EXCHANGE_FIXTURE_H

#include "fixture.h"

#include <pthread.h>

#define MIN_SIZE 2000 /* bytes: lmdb_min_size of the tests */
#define BUDGET (UINT64_C(64) << 20)

struct place {
    char *path;
    zcx_store *store; /* to look from outside */
};

static inline void place_open(struct place *place)
{
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = BUDGET;
    place->path = make_directory(NULL);
    OK(zcx_store_open(&place->store, place->path, &options, error));
}

static inline void place_close(struct place *place)
{
    OK(zcx_store_close(place->store, error));
    free(place->path);
}

static inline uint64_t records(const struct place *place)
{
    uint64_t count = UINT64_MAX;
    OK(zcx_store_count(&count, place->store, error));
    return count;
}

/* `more`: further options, each with a comma before it. */
static inline const char *config_of(char json[2048], const struct place *place, const char *mode,
                                    const char *more)
{
    snprintf(json, 2048,
             "{\"name\": \"calc\", \"lmdb_enabled\": true, \"lmdb_db_path\": \"%s\","
             " \"lmdb_exchange_mode\": \"%s\", \"lmdb_min_size\": %d%s}",
             place->path, mode, MIN_SIZE, more);
    return json;
}

static inline zcx_exchange *exchange_open(const struct place *place, const char *mode)
{
    char json[2048];
    zcx_exchange *exchange = NULL;
    OK(zcx_exchange_open(&exchange, config_of(json, place, mode, ""), error));
    return exchange;
}

static inline void give(zcx_call *call, uint64_t size)
{
    void *data;
    OK(zcx_call_input(&data, call, size, error));
    assert_int_equal((uintptr_t)data % ZCX_ALIGNMENT, 0);
    memset(data, 'i', size);
    OK(zcx_call_submit(call, size, NULL, error));
}

static inline void answer(zcx_call *call, uint64_t size)
{
    void *data;
    OK(zcx_call_output(&data, call, size, error));
    assert_int_equal((uintptr_t)data % ZCX_ALIGNMENT, 0);
    memset(data, 'o', size);
    OK(zcx_call_answer(call, size, NULL, error));
}

static inline void is_filled(const void *data, uint64_t length, char with, uint64_t size)
{
    const char *bytes = data;
    assert_int_equal(length, size);
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i] != with) fail_msg("byte %zu is %d", (size_t)i, bytes[i]);
}

static inline void has_input(zcx_call *call, uint64_t size)
{
    const void *data;
    uint64_t length;
    OK(zcx_call_read(&data, &length, NULL, call, error));
    is_filled(data, length, 'i', size);
}

static inline void has_result(zcx_call *call, uint64_t size)
{
    const void *data;
    uint64_t length;
    OK(zcx_call_result(&data, &length, NULL, call, error));
    is_filled(data, length, 'o', size);
}

/* One call, both ways, to its result. */
static inline zcx_call *called(zcx_exchange *exchange, uint64_t in, uint64_t out)
{
    zcx_call *call;
    OK(zcx_call_open(&call, exchange, error));
    give(call, in);
    has_input(call, in);
    answer(call, out);
    has_result(call, out);
    return call;
}

static struct {
    int count;
    char last[600];
} warnings;

static inline void count_warning(void *context, char level, const char *message)
{
    (void)context;
    if (level != 'w') return;
    warnings.count++;
    snprintf(warnings.last, sizeof warnings.last, "%s", message);
}

static inline void listen_to_warnings(void)
{
    warnings.count = 0;
    warnings.last[0] = 0;
    zcx_log_set(count_warning, NULL);
}

#endif
