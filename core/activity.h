/* What goes on in a store: how many publishes, views and loans there were, and how many a second.
 * Publishes and loans are counted under the mutex, views by each process for each of its readers. */
#ifndef ZCXI_ACTIVITY_H
#define ZCXI_ACTIVITY_H

#include "env.h"

struct zcxi_activity {
    uint64_t published, viewed, lent; /* lent: loans of slots that were published or given back */
};

void zcxi_activity(const struct zcxi_env *env, struct zcxi_activity *out);

/* What happened since a sweep a second or more ago; false when there was none. `ns`: how long that
 * is. */
bool zcxi_activity_lately(const struct zcxi_env *env, struct zcxi_activity *out, uint64_t *ns);

/* Takes note of what there was until now, once a second at most. The mutex is held. */
void zcxi_activity_note(const struct zcxi_env *env);

/* A view by who has the reader `index` of this process. */
static inline void zcxi_count_view(const struct zcxi_env *env, uint32_t index)
{
    _Atomic uint64_t *views = &env->counts[index].views;
    atomic_store_explicit(views, atomic_load_explicit(views, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

#endif
