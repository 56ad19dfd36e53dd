#include "transact.h"

#include "clock.h"
#include "journal.h"
#include "readers.h"
#include "store.h"

#include <errno.h>

#define PATIENCE ZCXI_S

/* Who publishes into a store that was removed is told within a second, not by every call. */
static zcx_status fresh(struct zcxi_env *env, uint64_t now, zcx_error *error)
{
    if (now - atomic_load_explicit(&env->looked, memory_order_relaxed) < ZCXI_S) return ZCX_OK;
    zcx_status status = zcxi_env_fresh(env, error);
    if (!status) atomic_store_explicit(&env->looked, now, memory_order_relaxed);
    return status;
}

static zcx_status prepare(struct zcxi_env *env, const struct zcxi_need *need, uint64_t now,
                          zcx_error *error)
{
    zcx_status status = fresh(env, now, error);
    return status ? status : zcxi_room(env, need, error);
}

static zcx_status carry_out(struct zcxi_env *env, const struct zcxi_need *need, uint64_t now,
                            zcxi_work work, void *context, zcx_error *error)
{
    MDB_txn *transaction;
    zcxi_journal_begin(env, now);
    int result = mdb_txn_begin(env->lmdb, NULL, 0, &transaction);
    if (result) return zcxi_fail_lmdb(error, result, "cannot begin a transaction");
    ZCXI_POINT(transact.begun);
    zcx_status status = work(env, transaction, context, error);
    ZCXI_POINT(transact.worked);
    if (status)
        mdb_txn_abort(transaction);
    else
        status = zcxi_journal_commit(env, transaction, error);
    if (need->changes > 1) zcxi_room_return(env);
    return status;
}

zcx_status zcxi_transact_locked(struct zcxi_env *env, const struct zcxi_need *need, zcxi_work work,
                                void *context, zcx_error *error)
{
    uint64_t now = zcxi_now_coarse();
    zcx_status status = prepare(env, need, now, error);
    return status ? status : carry_out(env, need, now, work, context, error);
}

/* Who frees, or publishes what was lent, is not refused for a reader that was preempted in a snapshot,
 * which keeps LMDB from using the pages that it has: the reader gets some time. */
static bool worth_waiting(struct zcxi_env *env, const struct zcxi_need *need, uint64_t *start)
{
    int dead;
    uint64_t last = zcxi_env_last_transaction(env, NULL), now = zcxi_monotonic();
    if (need->bytes || need->pages || zcxi_oldest_snapshot(env, last, NULL) >= last) return false;
    if (!*start) *start = now;
    mdb_reader_check(env->lmdb, &dead);
    return now - *start <= PATIENCE;
}

/* As prepare, under the mutex, which it has taken when it says ZCX_OK. Who asks for memory gets its
 * message from zcxi_until_room. */
__attribute__((cold)) static zcx_status prepare_patiently(struct zcxi_env *env,
                                                          const struct zcxi_need *need,
                                                          zcx_error *error)
{
    char holders[400];
    uint64_t start = 0;
    zcx_status status;
    for (bool waits = true;;) {
        status = zcxi_env_lock(env, error);
        if (status) return status;
        zcx_error why = ZCX_ERROR_INIT;
        status = prepare(env, need, zcxi_now_coarse(), &why);
        if (!status) return ZCX_OK;
        zcxi_env_unlock(env);
        if (status != ZCX_EFULL || need->bytes || need->pages) {
            if (error && !error->status) *error = why;
            return status;
        }
        if (!waits) break;
        waits = worth_waiting(env, need, &start); /* else once more: the reader may just have gone */
        if (waits) zcxi_sleep(ZCXI_MS);
    }
    zcxi_holders_text(env, holders, sizeof holders);
    return zcxi_fail(error, status, ENOSPC, "no room for a change: %s", holders);
}

zcx_status zcxi_transact(struct zcxi_env *env, const struct zcxi_need *need, zcxi_work work,
                         void *context, zcx_error *error)
{
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    uint64_t now = zcxi_now_coarse();
    if (prepare(env, need, now, NULL)) {
        zcxi_env_unlock(env);
        status = prepare_patiently(env, need, error);
        if (status) return status;
    }
    status = carry_out(env, need, now, work, context, error);
    zcxi_env_unlock(env);
    return status;
}

int zcxi_touch(struct zcxi_env *env, MDB_txn *transaction)
{
    MDB_val key = {1, (void *)"0"}, value = {0, NULL};
    return mdb_put(transaction, env->queue_db, &key, &value, 0);
}

/* LMDB makes no new transaction of one that touched nothing. */
static zcx_status touch(struct zcxi_env *env, MDB_txn *transaction, void *context,
                        zcx_error *error)
{
    (void)context;
    int result = zcxi_touch(env, transaction);
    return result ? zcxi_fail_lmdb(error, result, "cannot advance") : ZCX_OK;
}

zcx_status zcxi_advance(struct zcxi_env *env, zcx_error *error)
{
    zcx_status status = ZCX_OK;
    for (int i = 0; i < 2 && !status; i++)
        status = zcxi_transact(env, &(struct zcxi_need){.changes = 1}, touch, NULL, error);
    zcxi_safe_raise(env);
    return status;
}
