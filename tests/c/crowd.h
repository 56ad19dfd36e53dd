/* One of a crowd that fills a store: it does every operation of the API in turn, at random sizes,
 * until each of those that need room was refused, and knows what it has committed. Full is
 * ZCX_EFULL with the holders in its message; what needs no room goes on; nothing is lost. */
#ifndef ZCX_CROWD_H
#define ZCX_CROWD_H

#include "child.h"
#include "stores.h"

#include <inttypes.h>
#include <lmdb.h>

enum { KEPT = 32768, REFUSALS = 4 };

struct kept { /* a committed record */
    uint64_t length;
    unsigned seed; /* 0: none */
};

struct member {
    const char *path, *holder; /* what a refusal names: who holds memory all the while */
    unsigned number, random, count;
    zcx_store *store;
    zcx_exchange *here;      /* called in this process */
    zcx_calculator *workers; /* and by workers */
    struct kept kept[KEPT];
    uint64_t map_size;
};

static inline unsigned chance(struct member *member)
{
    return (unsigned)rand_r(&member->random);
}

/* Log-uniform, up to 2 MiB; `small`: inline. */
static inline uint64_t some_size(struct member *member, bool small)
{
    uint64_t most = small ? 900 : UINT64_C(4000) << chance(member) % 10;
    return 1 + chance(member) % most + (small ? 0 : 3000);
}

static inline const char *name_of(char name[32], const struct member *member, unsigned entry)
{
    snprintf(name, 32, "%08x-%u", entry * 2654435761u, member->number);
    return name;
}

/* Done, or refused as it should be: says which. */
static inline bool done(const struct member *member, const char *what, zcx_status status,
                        const zcx_error *why)
{
    if (!status) return true;
    if (status != ZCX_EFULL || !strstr(why->message, "MiB are used") ||
        !strstr(why->message, member->holder))
        complain("%s: %s: %s", what, zcx_status_name(status), why->message);
    return false;
}

/* ---- what needs room --------------------------------------------------------------------------------- */

static inline unsigned free_entry(struct member *member)
{
    unsigned entry = chance(member) % KEPT;
    while (member->kept[entry].seed)
        entry = (entry + 1) % KEPT;
    return entry;
}

static inline void keep(struct member *member, unsigned entry, uint64_t length, unsigned seed)
{
    member->count += !!seed - !!member->kept[entry].seed;
    member->kept[entry] = (struct kept){length, seed};
}

static inline bool put_one(struct member *member, bool small)
{
    char name[32];
    zcx_error why = ZCX_ERROR_INIT;
    unsigned entry = free_entry(member), seed = 1 + chance(member) % 1000;
    uint64_t length = some_size(member, small);
    bool put = done(member, "put",
                    try_put(member->store, name_of(name, member, entry), length, seed, NULL, &why),
                    &why);
    if (put) keep(member, entry, length, seed);
    return put;
}

static inline bool put_small(struct member *member)
{
    return put_one(member, true);
}

static inline bool put_large(struct member *member)
{
    return put_one(member, false);
}

/* The loan may be refused; publishing what was lent may not. */
static inline bool lend_and_publish(struct member *member)
{
    char name[32];
    zcx_loan *loan;
    zcx_view *view = NULL;
    zcx_error why = ZCX_ERROR_INIT;
    unsigned entry = free_entry(member), seed = 1 + chance(member) % 1000;
    uint64_t length = some_size(member, chance(member) % 3 == 0);
    if (!done(member, "loan", zcx_store_loan(&loan, member->store, length, 0, &why), &why))
        return false;
    fill(zcx_loan_data(loan), length, seed);
    name_of(name, member, entry);
    if (chance(member) % 2)
        MUST(zcx_loan_publish(loan, name, strlen(name), length, NULL, NULL, error));
    else
        MUST(zcx_loan_publish_view(&view, loan, name, strlen(name), length, NULL, NULL, error));
    if (view && !filled(zcx_view_data(view), length, seed)) complain("a view of what was lent");
    zcx_view_release(view);
    keep(member, entry, length, seed);
    return true;
}

/* All or nothing. The entries are kept from the start, so that none is chosen twice. */
static inline bool put_batch(struct member *member)
{
    enum { PUTS = 12 };
    zcx_batch *batch;
    zcx_error why = ZCX_ERROR_INIT;
    unsigned entries[PUTS], chosen = 0, seed = 1 + chance(member) % 1000;
    uint64_t length = some_size(member, chance(member) % 2);
    void *data = malloc(length);
    bool fits = true;
    char name[32];
    fill(data, length, seed);
    MUST(zcx_store_batch(&batch, member->store, error));
    while (chosen < PUTS && fits) {
        unsigned entry = entries[chosen++] = free_entry(member);
        keep(member, entry, length, seed);
        name_of(name, member, entry);
        fits = done(member, "batch put",
                    zcx_batch_put(batch, name, strlen(name), data, length, NULL, &why), &why);
    }
    if (fits) fits = done(member, "batch", zcx_batch_commit(batch, NULL, &why), &why);
    if (!fits) zcx_batch_discard(batch);
    while (!fits && chosen)
        keep(member, entries[--chosen], 0, 0);
    free(data);
    return fits;
}

/* True, and the call has its result; false when there was no room for a payload of it. */
static inline bool finish_call(struct member *member, zcx_call *call, uint64_t length, unsigned seed,
                               zcx_status status, const zcx_error *why)
{
    const void *result;
    uint64_t found;
    bool answered = false;
    if (status == ZCX_EFAILED && strstr(why->message, "no room")) /* the worker's answer */
        ;
    else if (done(member, "call", status, why)) {
        MUST(zcx_call_result(&result, &found, NULL, call, error));
        if (found != length || !filled(result, length, seed)) complain("a call's result");
        answered = true;
    }
    zcx_call_close(call);
    return answered;
}

static inline bool call_worker(struct member *member)
{
    void *data;
    zcx_call *call;
    zcx_error why = ZCX_ERROR_INIT;
    unsigned seed = 1 + chance(member) % 1000;
    uint64_t length = some_size(member, chance(member) % 3 == 0);
    MUST(zcx_call_open(&call, zcx_calculator_exchange(member->workers), error));
    zcx_status status = zcx_call_input(&data, call, length, &why);
    if (!status) fill(data, length, seed);
    if (!status) status = zcx_call_submit(call, length, NULL, &why);
    if (!status) status = zcx_calculator_call(member->workers, call, &why);
    return finish_call(member, call, length, seed, status, &why);
}

/* In this process a call goes directly when there is no room. */
static inline bool call_here(struct member *member)
{
    void *data;
    zcx_call *call;
    unsigned seed = 1 + chance(member) % 1000;
    uint64_t length = some_size(member, false);
    MUST(zcx_call_open(&call, member->here, error));
    MUST(zcx_call_input(&data, call, length, error));
    fill(data, length, seed);
    MUST(zcx_call_submit(call, length, NULL, error));
    MUST(zcx_call_output(&data, call, length, error));
    fill(data, length, seed);
    MUST(zcx_call_answer(call, length, NULL, error));
    return finish_call(member, call, length, seed, ZCX_OK, NULL);
}

/* ---- what needs none ----------------------------------------------------------------------------------- */

static inline void must_be_there(struct member *member, unsigned entry)
{
    char name[32];
    zcx_view *view;
    const struct kept *kept = &member->kept[entry];
    name_of(name, member, entry);
    if (entry % 2)
        MUST(zcx_store_view(&view, member->store, name, strlen(name), error));
    else
        MUST(zcx_store_wait(&view, member->store, name, strlen(name), 0, 30000, error));
    if (zcx_view_length(view) != kept->length ||
        !filled(zcx_view_data(view), kept->length, kept->seed))
        complain("%s is not what was committed", name);
    zcx_view_release(view);
}

static inline bool delete_one(struct member *member)
{
    char name[32];
    unsigned entry = chance(member) % KEPT;
    for (unsigned i = 0; i < KEPT && !member->kept[entry].seed; i++)
        entry = (entry + 1) % KEPT;
    if (!member->kept[entry].seed) return true;
    must_be_there(member, entry);
    name_of(name, member, entry);
    MUST(zcx_store_delete(member->store, name, strlen(name), error));
    keep(member, entry, 0, 0);
    return true;
}

static inline bool look_after(struct member *member)
{
    char *json;
    zcx_view *view;
    zcx_error why = ZCX_ERROR_INIT;
    MUST(zcx_store_sweep(NULL, member->store, chance(member) % 2 ? ZCX_SWEEP_TRIM : 0, error));
    MUST(zcx_store_stat(&json, member->store, error));
    zcx_free(json);
    zcx_status status = zcx_store_wait(&view, member->store, "never", 5, 0, 1, &why);
    if (status != ZCX_ETIMEDOUT) complain("wait: %s", why.message);
    return true;
}

static inline int open_newly(void *context)
{
    zcx_store *store;
    struct member *member = context;
    MUST(zcx_store_open(&store, member->path, NULL, error));
    member->store = store;
    for (unsigned entry = 0; entry < KEPT; entry++)
        if (member->kept[entry].seed && entry % 8 == 0) must_be_there(member, entry);
    MUST(zcx_store_close(store, error));
    return 0;
}

static inline bool open_in_a_new_process(struct member *member)
{
    if (exit_status(spawn(open_newly, member))) complain("a new process cannot open a full store");
    return true;
}

/* ---- a member's life -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool (*work)(struct member *member);
    bool refused; /* once the store is full */
    unsigned often;
} deeds[] = {
    {"small puts", put_small, true, 30}, {"large puts", put_large, true, 10},
    {"loans", lend_and_publish, true, 10}, {"batches", put_batch, true, 3},
    {"calls to workers", call_worker, true, 3}, {"calls here", call_here, false, 1},
    {"deletes", delete_one, false, 1}, {"looks", look_after, false, 1},
    {"openings", open_in_a_new_process, false, 1},
};

enum { DEEDS = sizeof deeds / sizeof *deeds };

/* Until everything that needs room was refused some times, twice over for the small ones, which find a
 * gap for longest. Then all that it committed must be there. */
static inline void fill_up(struct member *member)
{
    unsigned refusals[DEEDS] = {0}, left = 0;
    for (int i = 0; i < DEEDS; i++)
        left += deeds[i].refused;
    for (unsigned round = 0; left; round++) {
        if (round > 20000) complain("the store does not get full");
        for (int i = 0; i < DEEDS; i++) {
            unsigned times = deeds[i].refused ? deeds[i].often : round % 8 == 0;
            while (member->count > KEPT / 2) /* of small ones there may be more than can be kept */
                delete_one(member);
            while (times--) {
                if (deeds[i].work(member)) continue;
                if (++refusals[i] == REFUSALS) left--;
                break;
            }
        }
    }
    for (unsigned entry = 0; entry < KEPT; entry++)
        if (member->kept[entry].seed) must_be_there(member, entry);
}

#endif
