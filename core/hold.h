/* Holds of the mutex by a sweep: brief ones, so that no writer waits long, and the longest is known. */
#ifndef ZCXI_HOLD_H
#define ZCXI_HOLD_H

#include "clock.h"
#include "env.h"

#define ZCXI_HOLD_MOST ZCXI_MS /* ns: who works in a loop stops then; 2 ms are not to be reached */

struct zcxi_hold {
    struct zcxi_env *env;
    uint64_t began;
};

static inline zcx_status zcxi_hold_begin(struct zcxi_hold *hold, struct zcxi_env *env,
                                         zcx_error *error)
{
    zcx_status status = zcxi_env_lock(env, error);
    *hold = (struct zcxi_hold){env, zcxi_monotonic()};
    return status;
}

/* Returns how long it was, in ns. */
static inline uint64_t zcxi_hold_end(const struct zcxi_hold *hold)
{
    _Atomic uint64_t *longest = &hold->env->board.header->sweeping.longest_hold;
    uint64_t most = atomic_load(longest), held = zcxi_monotonic() - hold->began;
    zcxi_env_unlock(hold->env);
    while (held > most && !atomic_compare_exchange_weak(longest, &most, held))
        ;
    return held;
}

#endif
