/* Write transactions: the one frame that every change of a store's records goes through. */
#ifndef ZCXI_TRANSACT_H
#define ZCXI_TRANSACT_H

#include "env.h"

/* What a transaction does. Nothing of a caller's language runs in it. */
typedef zcx_status (*zcxi_work)(struct zcxi_env *env, MDB_txn *transaction, void *context,
                                zcx_error *error);

/* Makes room for `changes` puts and deletes and a slot of `pages` (0: none), begins, works, and
 * commits or aborts. The mutex is held. */
zcx_status zcxi_transact_locked(struct zcxi_env *env, uint64_t changes, uint64_t pages,
                                zcxi_work work, void *context, zcx_error *error);

/* The same under the mutex, which it takes and gives back. */
zcx_status zcxi_transact(struct zcxi_env *env, uint64_t changes, zcxi_work work, void *context,
                         zcx_error *error);

#endif
