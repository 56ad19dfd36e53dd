/* What producers and viewers do in the tests that let many of them work at once: payloads describe
 * themselves, so whoever views one knows whether it is whole, and no older than it may be. */
#ifndef ZCX_WORK_H
#define ZCX_WORK_H

#include "child.h"
#include "payload.h"

#include <inttypes.h>
#include <stdatomic.h>

enum { NAMES = 24, HELD = 6, LEAST = 256, MOST = 400000 };

static struct shared { /* by all processes, and outliving them */
    _Atomic uint64_t sequence, steps, published, viewed, full;
    _Atomic uint64_t committed[NAMES]; /* the last transaction that a producer was told of */
    char path[256];
} *shared;

static _Thread_local uint64_t seed;

static inline uint64_t below(uint64_t most)
{
    return next_random(&seed) % most;
}

static inline uint64_t random_length(void)
{
    uint64_t length = LEAST;
    while (length < MOST && below(12))
        length += length / 2;
    return (length + below(length)) / 8 * 8;
}

static inline size_t name_key(char name[8], uint64_t key)
{
    return (size_t)snprintf(name, 8, "k%" PRIu64, key);
}

static inline void note_commit(uint64_t key, uint64_t transaction)
{
    uint64_t before = atomic_load(&shared->committed[key]);
    while (before < transaction &&
           !atomic_compare_exchange_weak(&shared->committed[key], &before, transaction))
        ;
    atomic_fetch_add(&shared->published, 1);
}

/* NULL when the store is full, which is no fault here: someone holds much, or nobody swept. */
static inline zcx_loan *lend_filled(zcx_store *store, uint64_t key, uint64_t length)
{
    zcx_loan *loan;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = zcx_store_loan(&loan, store, length, 0, &error);
    if (status == ZCX_EFULL) {
        atomic_fetch_add(&shared->full, 1);
        return NULL;
    }
    if (status) complain("loan: %s", error.message);
    payload_fill(zcx_loan_data(loan), key, atomic_fetch_add(&shared->sequence, 1), length);
    return loan;
}

static inline void publish_one(zcx_store *store)
{
    char name[8];
    uint64_t key = below(NAMES), length = random_length(), transaction;
    zcx_loan *loan = lend_filled(store, key, length);
    if (!loan) return;
    if (below(30) == 0) {
        zcx_loan_discard(loan);
        return;
    }
    zcx_error error = ZCX_ERROR_INIT;
    size_t size = name_key(name, key);
    zcx_status status = zcx_loan_publish(loan, name, size, length, NULL, &transaction, &error);
    if (status == ZCX_EFULL)
        zcx_loan_discard(loan);
    else if (status)
        complain("publish: %s", error.message);
    else
        note_commit(key, transaction);
}

static inline void commit_some(zcx_store *store)
{
    zcx_batch *batch;
    char name[8];
    uint64_t keys[3], transaction;
    int count = 0;
    zcx_error failure = ZCX_ERROR_INIT;
    MUST(zcx_store_batch(&batch, store, error));
    while (count < 3) {
        uint64_t length = random_length();
        zcx_loan *loan = lend_filled(store, keys[count] = below(NAMES), length);
        if (!loan) break;
        size_t size = name_key(name, keys[count++]);
        MUST(zcx_batch_publish(batch, loan, name, size, length, NULL, error));
    }
    zcx_status status = zcx_batch_commit(batch, &transaction, &failure);
    if (status && status != ZCX_EFULL) complain("batch: %s", failure.message);
    if (status) zcx_batch_discard(batch);
    for (int i = 0; i < count && !status; i++)
        note_commit(keys[i], transaction);
}

static inline void delete_one(zcx_store *store)
{
    char name[8];
    zcx_error error = ZCX_ERROR_INIT;
    size_t size = name_key(name, below(NAMES));
    zcx_status status = zcx_store_delete(store, name, size, &error);
    if (status && status != ZCX_ENOTFOUND && status != ZCX_EFULL)
        complain("delete: %s", error.message);
}

static inline zcx_view *view_one(zcx_store *store)
{
    char name[8];
    zcx_view *view;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_error failure = ZCX_ERROR_INIT;
    uint64_t key = below(NAMES), committed = atomic_load(&shared->committed[key]);
    size_t size = name_key(name, key);
    zcx_status status = zcx_store_view(&view, store, name, size, &failure);
    if (status == ZCX_ENOTFOUND) return NULL;
    if (status) complain("view: %s", failure.message);
    MUST(zcx_view_envelope(view, &envelope, error));
    if (envelope.transaction < committed)
        complain("%s is of transaction %" PRIu64 ", but %" PRIu64 " was committed", name,
                 envelope.transaction, committed);
    if (!payload_whole(zcx_view_data(view), key, zcx_view_length(view)))
        complain("a torn payload in a new view of %s, transaction %" PRIu64, name,
                 envelope.transaction);
    atomic_fetch_add(&shared->viewed, 1);
    return view;
}

static inline void drop_view(zcx_view *view)
{
    size_t size;
    char name[8] = {0};
    if (!view) return;
    const char *key = zcx_view_key(view, &size);
    memcpy(name, key, size);
    if (!payload_whole(zcx_view_data(view), strtoull(name + 1, NULL, 10), zcx_view_length(view)))
        complain("a held view of %s changed", name);
    zcx_view_release(view);
}

/* One step of a viewer, who holds a few views for a while. */
static inline void look_once(zcx_store *store, zcx_view *held[HELD])
{
    uint64_t place = below(HELD);
    drop_view(held[place]);
    held[place] = NULL;
    zcx_view *view = view_one(store);
    if (below(3))
        drop_view(view);
    else
        held[place] = view;
}

/* One step of a producer. */
static inline void produce_once(zcx_store *store)
{
    uint64_t what = below(20);
    if (what == 0)
        delete_one(store);
    else if (what == 1)
        commit_some(store);
    else
        publish_one(store);
}

static inline void make_shared(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *path = make_directory(NULL);
    snprintf(shared->path, sizeof shared->path, "%s", path);
    free(path);
}

static inline zcx_store *open_shared(uint64_t budget)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = budget;
    options.lock_timeout_ms = 60000; /* under a sanitizer, on a busy machine */
    MUST(zcx_store_open(&store, shared->path, &options, error));
    return store;
}

#endif
