#include "transact.h"

#include "clock.h"
#include "journal.h"
#include "readers.h"

/* Who publishes into a store that was removed is told within a second, not by every call. */
static zcx_status fresh(struct zcxi_env *env, uint64_t now, zcx_error *error)
{
    if (now - atomic_load_explicit(&env->looked, memory_order_relaxed) < ZCXI_S) return ZCX_OK;
    zcx_status status = zcxi_env_fresh(env, error);
    if (!status) atomic_store_explicit(&env->looked, now, memory_order_relaxed);
    return status;
}

zcx_status zcxi_transact_locked(struct zcxi_env *env, const struct zcxi_need *need, zcxi_work work,
                                void *context, zcx_error *error)
{
    MDB_txn *transaction;
    uint64_t now = zcxi_now_coarse();
    zcx_status status = fresh(env, now, error);
    if (!status) status = zcxi_room(env, need, error);
    if (status) return status;
    zcxi_journal_begin(env, now);
    int result = mdb_txn_begin(env->lmdb, NULL, 0, &transaction);
    if (result) return zcxi_fail_lmdb(error, result, "cannot begin a transaction");
    ZCXI_POINT(transact.begun);
    status = work(env, transaction, context, error);
    ZCXI_POINT(transact.worked);
    if (status)
        mdb_txn_abort(transaction);
    else
        status = zcxi_journal_commit(env, transaction, error);
    if (need->changes > 1) zcxi_room_return(env);
    return status;
}

zcx_status zcxi_transact(struct zcxi_env *env, const struct zcxi_need *need, zcxi_work work,
                         void *context, zcx_error *error)
{
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    status = zcxi_transact_locked(env, need, work, context, error);
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
