/* Pooled read transactions, and the oldest snapshot in use. */
#ifndef ZCXI_READERS_H
#define ZCXI_READERS_H

#include "env.h"

/* A renewed read transaction out of the pool. ELIMIT when all are in use, here or in the store. */
zcx_status zcxi_reader_take(struct zcxi_env *env, MDB_txn **out, uint32_t *index, zcx_error *error);

/* A newer snapshot for a reader that is in use; *out may be another transaction than before. */
zcx_status zcxi_reader_renew(struct zcxi_env *env, uint32_t index, MDB_txn **out,
                             zcx_error *error);

void zcxi_reader_give(struct zcxi_env *env, uint32_t index);

/* Claims the first readers, at open: LMDB's reader mutex has no time-out. */
zcx_status zcxi_readers_claim(struct zcxi_env *env, zcx_error *error);

/* Ends all of them, at close. */
void zcxi_readers_end(struct zcxi_env *env);

/* The oldest snapshot that a reader of any process, a foreign LMDB client's too, has in use, or `last`
 * when none is older; *pid (nullable) is whose. */
uint64_t zcxi_oldest_snapshot(const struct zcxi_env *env, uint64_t last, int *pid);

/* Raises and returns the board's `safe`: min(last transaction, every snapshot in use). */
uint64_t zcxi_safe_raise(struct zcxi_env *env);

/* Readers of LMDB's table whose processes died. */
uint32_t zcxi_readers_stale(const struct zcxi_env *env);

#endif
