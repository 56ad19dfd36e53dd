/* For tests of the store as its users see it: opening, putting and reading in one line each. */
#ifndef ZCX_STORES_H
#define ZCX_STORES_H

#include "fixture.h"

#include <jansson.h>
#include <time.h>

#define MIB (UINT64_C(1) << 20)

/* A store at `path` with this budget; 0: whatever it was created with. */
static inline zcx_store *open_store(const char *path, uint64_t budget)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = budget;
    OK(zcx_store_open(&store, path, &options, error));
    return store;
}

static inline void close_store(zcx_store *store)
{
    OK(zcx_store_close(store, error));
}

/* A payload that its seed and length determine, and whether some bytes are that payload. */
static inline void fill(void *data, uint64_t length, unsigned seed)
{
    for (uint64_t i = 0; i < length; i++)
        ((uint8_t *)data)[i] = (uint8_t)(seed * 131 + i * 7 + (i >> 8));
}

static inline bool filled(const void *data, uint64_t length, unsigned seed)
{
    for (uint64_t i = 0; i < length; i++)
        if (((const uint8_t *)data)[i] != (uint8_t)(seed * 131 + i * 7 + (i >> 8))) return false;
    return true;
}

static inline zcx_status try_put(zcx_store *store, const char *key, uint64_t length, unsigned seed,
                                 const zcx_envelope *envelope, zcx_error *error)
{
    void *data = malloc(length + 1);
    fill(data, length, seed);
    zcx_status status =
        zcx_store_put(store, key, strlen(key), data, length, envelope, NULL, error);
    free(data);
    return status;
}

static inline void put(zcx_store *store, const char *key, uint64_t length, unsigned seed)
{
    OK(try_put(store, key, length, seed, NULL, error));
}

/* One after the other: each must work, however full the store. */
static inline void delete_all(zcx_store *store)
{
    zcx_scan *scan;
    const void *key;
    size_t length;
    OK(zcx_store_scan(&scan, store, NULL, error));
    while (!zcx_scan_next(scan, &key, &length, NULL, NULL))
        OK(zcx_store_delete(store, key, length, error));
    zcx_scan_close(scan);
}

static inline zcx_loan *lend(zcx_store *store, uint64_t size)
{
    zcx_loan *loan = NULL;
    OK(zcx_store_loan(&loan, store, size, 0, error));
    return loan;
}

static inline zcx_view *view_of(zcx_store *store, const char *key)
{
    zcx_view *view = NULL;
    OK(zcx_store_view(&view, store, key, strlen(key), error));
    return view;
}

static inline zcx_envelope envelope_of(const zcx_view *view)
{
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    OK(zcx_view_envelope(view, &envelope, error));
    return envelope;
}

/* The view has that payload, aligned. */
static inline void assert_view(const zcx_view *view, uint64_t length, unsigned seed)
{
    assert_int_equal(zcx_view_length(view), length);
    assert_int_equal((uintptr_t)zcx_view_data(view) % ZCX_ALIGNMENT, 0);
    assert_true(filled(zcx_view_data(view), length, seed));
}

static inline void assert_at(zcx_store *store, const char *key, uint64_t length, unsigned seed)
{
    zcx_view *view = view_of(store, key);
    assert_view(view, length, seed);
    zcx_view_release(view);
}

static inline zcx_status status_at(zcx_store *store, const char *key)
{
    zcx_view *view;
    zcx_status status = zcx_store_view(&view, store, key, strlen(key), NULL);
    if (!status) zcx_view_release(view);
    return status;
}

static inline zcx_status del(zcx_store *store, const char *key)
{
    return zcx_store_delete(store, key, strlen(key), NULL);
}

/* The JSON of a call that hands out text, parsed; the caller's to json_decref. */
static inline json_t *parsed(char *text)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    zcx_free(text);
    return json;
}

static inline json_t *stat_of(zcx_store *store)
{
    char *text = NULL;
    OK(zcx_store_stat(&text, store, error));
    return parsed(text);
}

static inline json_t *sweep(zcx_store *store, uint32_t flags)
{
    char *text = NULL;
    OK(zcx_store_sweep(&text, store, flags, error));
    return parsed(text);
}

/* A number by its path: number(json, "slots", "free", "bytes", NULL). Ends the test without it. */
__attribute__((sentinel)) static inline double number(const json_t *json, ...)
{
    va_list names;
    va_start(names, json);
    for (const char *name; (name = va_arg(names, const char *));)
        if (!(json = json_object_get(json, name))) fail_msg("no %s", name);
    va_end(names);
    if (!json_is_number(json)) fail_msg("not a number");
    return json_number_value(json);
}

/* Polls until the condition holds: for what another process, or the clock, is about to do. */
#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        int tries_ = 0;                                                                            \
        while (!(condition)) {                                                                     \
            if (++tries_ > 20000) fail_msg("never: %s", #condition);                               \
            nanosleep(&(struct timespec){0, 1000000}, NULL);                                       \
        }                                                                                          \
    } while (0)

/* In a child, where cmocka's assertions must not jump. */
#define CHILD_EXPECTS(condition)                                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: in a child: %s\n", __FILE__, __LINE__, #condition);            \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#endif
