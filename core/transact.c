#include "transact.h"

#include "clock.h"
#include "journal.h"
#include "room.h"

/* Who publishes into a store that was removed is told within a second, not by every call. */
static zcx_status fresh(struct zcxi_env *env, zcx_error *error)
{
    uint64_t now = zcxi_clock(CLOCK_MONOTONIC_COARSE);
    if (now - atomic_load_explicit(&env->looked, memory_order_relaxed) < ZCXI_S) return ZCX_OK;
    zcx_status status = zcxi_env_fresh(env, error);
    if (!status) atomic_store_explicit(&env->looked, now, memory_order_relaxed);
    return status;
}

zcx_status zcxi_transact_locked(struct zcxi_env *env, uint64_t changes, uint64_t pages,
                                zcxi_work work, void *context, zcx_error *error)
{
    MDB_txn *transaction;
    zcx_status status = fresh(env, error);
    if (!status) status = zcxi_room(env, changes, pages, error);
    if (status) return status;
    zcxi_journal_clear(env); /* of what a transaction that was given up left there */
    int result = mdb_txn_begin(env->lmdb, NULL, 0, &transaction);
    if (result) return zcxi_fail_lmdb(error, result, "cannot begin a transaction");
    status = work(env, transaction, context, error);
    if (!status) return zcxi_journal_commit(env, transaction, error);
    mdb_txn_abort(transaction);
    return status;
}

zcx_status zcxi_transact(struct zcxi_env *env, uint64_t changes, zcxi_work work, void *context,
                         zcx_error *error)
{
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    status = zcxi_transact_locked(env, changes, 0, work, context, error);
    zcxi_env_unlock(env);
    return status;
}
