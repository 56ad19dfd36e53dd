/* Group commit, of durable stores. A commit waits for the disk, whatever is in it: so the publishers
 * of a process stand in line, and the first commits for all who stand there when its turn comes, in
 * one transaction; meanwhile the next ones gather. On any error each of them commits alone, so that
 * nobody fails by another's fault. */
#ifndef ZCXI_GROUP_H
#define ZCXI_GROUP_H

#include "transact.h"

/* zcxi_transact for one change of the record at the key of this hash; in a durable store together
 * with other threads' changes. `work` may be done again after a transaction that was aborted. */
zcx_status zcxi_group_commit(struct zcxi_env *env, const struct zcxi_need *need, uint32_t hash,
                             zcxi_work work, void *context, zcx_error *error);

static inline zcx_status zcxi_transact_one(struct zcxi_env *env, const struct zcxi_need *need,
                                           uint32_t hash, zcxi_work work, void *context,
                                           zcx_error *error)
{
    if (env->manifest.durability != ZCX_DURABILITY_COMMIT)
        return zcxi_transact(env, need, work, context, error);
    return zcxi_group_commit(env, need, hash, work, context, error);
}

#endif
