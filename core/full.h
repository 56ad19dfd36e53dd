/* What to do when a store is full: free what may be freed, try again, wait, and say who holds what. */
#ifndef ZCXI_FULL_H
#define ZCXI_FULL_H

#include "env.h"

/* Something that needs room: ZCX_EFULL when there is none. `last`: it will not be tried again at
 * once, so what is good enough will do. */
typedef zcx_status (*zcxi_attempt)(struct zcxi_env *env, void *context, bool last,
                                   zcx_error *error);

/* Attempts until there is room for `size` bytes or `timeout_ms` are over (0: one more time after all
 * was freed that may be); then EFULL, or ETIMEDOUT, which names the holders. */
zcx_status zcxi_until_room(struct zcxi_env *env, uint64_t size, int64_t timeout_ms,
                           zcxi_attempt attempt, void *context, zcx_error *error);

#endif
