/* Is data.mdb a whole tree? LMDB believes its pages: a number, an offset or a size that was altered is
 * a crash, a loop or a wrong answer. So who opens a store that nobody has open looks at all of it
 * before LMDB does, once, and `zcx doctor` looks again. */
#ifndef ZCXI_VERIFY_H
#define ZCXI_VERIFY_H

#include "env.h"

/* Before mdb_env_open: the two meta pages of a data.mdb of `size` bytes, against store.json and each
 * other. ECORRUPT says what is wrong; EVERSION: it is of no LMDB that we know. */
zcx_status zcxi_verify_metas(const struct zcxi_env *env, uint64_t size, zcx_error *error);

/* Everything that the transaction's snapshot reaches: page numbers and kinds, the places, sizes and
 * order of nodes, depths, counts, overflow values, the free list; no page twice. It ends, whatever the
 * pages say. Payloads and records are not looked at. The mutex is held, and the transaction reads. */
zcx_status zcxi_verify_tree(const struct zcxi_env *env, MDB_txn *reader, zcx_error *error);

#endif
