/* Write transactions: the one frame that every change of a store's records goes through. */
#ifndef ZCXI_TRANSACT_H
#define ZCXI_TRANSACT_H

#include "room.h"

/* What a transaction does. Nothing of a caller's language runs in it. */
typedef zcx_status (*zcxi_work)(struct zcxi_env *env, MDB_txn *transaction, void *context,
                                zcx_error *error);

/* More that belongs to somebody's transaction: what it does, how often it puts or deletes, at most,
 * and the bytes that it puts. */
struct zcxi_also {
    zcxi_work work;
    void *context;
    uint32_t changes;
    uint64_t bytes;
};

/* Makes room, begins, works, and commits or aborts. The mutex is held. */
zcx_status zcxi_transact_locked(struct zcxi_env *env, const struct zcxi_need *need, zcxi_work work,
                                void *context, zcx_error *error);

/* The same under the mutex, which it takes and gives back. */
zcx_status zcxi_transact(struct zcxi_env *env, const struct zcxi_need *need, zcxi_work work,
                         void *context, zcx_error *error);

/* Changes zcx.queue in a way that nobody sees: an entry that is no request. While it is there the tree
 * never empties, which would cost each request its root page. Returns LMDB's error. */
int zcxi_touch(struct zcxi_env *env, MDB_txn *transaction);

/* Two commits that change nothing: what was retired by the last one may be recycled after them, as
 * far as no reader stands in the way. */
zcx_status zcxi_advance(struct zcxi_env *env, zcx_error *error);

#endif
