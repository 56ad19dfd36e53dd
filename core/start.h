/* Starting an environment, step by step, under open.lock and then the board mutex; and undoing it. */
#ifndef ZCXI_START_H
#define ZCXI_START_H

#include "env.h"

/* The manifest, the guard against a second LMDB, the board, recovery, LMDB, our maps, our entry
 * among the owners. On failure what was started is left to zcxi_start_undo. */
zcx_status zcxi_start(struct zcxi_env *env, const zcx_store_options *options, zcx_error *error);

/* Closes and unmaps whatever was started; open.lock is held where other processes may be. */
void zcxi_start_undo(struct zcxi_env *env);

#endif
