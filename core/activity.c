#include "activity.h"

#include "clock.h"

void zcxi_activity(const struct zcxi_env *env, struct zcxi_activity *out)
{
    const struct zcxi_board *board = &env->board;
    const struct zcxi_journal *journal = &board->header->journal;
    *out = (struct zcxi_activity){
        atomic_load(&journal->published), 0,
        atomic_load(&journal->lent) + atomic_load(&board->header->counters.given_back)};
    for (uint32_t owner = 0; owner < ZCXI_OWNERS; owner++) {
        if (!atomic_load(&board->owners[owner].counted)) continue;
        for (uint32_t i = 0; i < ZCXI_COUNTS; i++)
            out->viewed += atomic_load(&board->counts[owner * ZCXI_COUNTS + i].views);
    }
}

bool zcxi_activity_lately(const struct zcxi_env *env, struct zcxi_activity *out, uint64_t *ns)
{
    const struct zcxi_sample *samples = env->board.header->sweeping.samples;
    const struct zcxi_sample *older = samples, *newer = samples + 1;
    if (atomic_load(&older->time) > atomic_load(&newer->time)) {
        older = newer;
        newer = samples;
    }
    uint64_t now = zcxi_monotonic();
    if (now - atomic_load(&newer->time) >= ZCXI_S || !atomic_load(&older->time)) older = newer;
    uint64_t time = atomic_load(&older->time);
    const struct zcxi_activity then = {atomic_load(&older->published), atomic_load(&older->viewed),
                                       atomic_load(&older->lent)};
    *ns = now - time;
    /* Not when a sweep has written over it meanwhile. */
    if (!time || *ns < ZCXI_S || atomic_load(&older->time) != time) return false;
    zcxi_activity(env, out);
    out->published -= then.published;
    out->viewed -= then.viewed;
    out->lent -= then.lent;
    return true;
}

void zcxi_activity_note(const struct zcxi_env *env)
{
    struct zcxi_sample *samples = env->board.header->sweeping.samples;
    bool second = atomic_load(&samples[0].time) > atomic_load(&samples[1].time);
    struct zcxi_sample *older = &samples[second], *newer = &samples[!second];
    uint64_t now = zcxi_monotonic();
    if (now - atomic_load(&newer->time) < ZCXI_S) return;
    struct zcxi_activity activity;
    zcxi_activity(env, &activity);
    atomic_store(&older->time, 0);
    ZCXI_POINT(activity.cleared);
    atomic_store(&older->published, activity.published);
    atomic_store(&older->viewed, activity.viewed);
    atomic_store(&older->lent, activity.lent);
    atomic_store(&older->time, now);
}
