#include "activity.h"
#include "clock.h"
#include "owners.h"
#include "stat.h"

static json_t *about_counters(const struct zcxi_activity *activity)
{
    json_t *out = json_object();
    zcxi_set(out, "publishes", activity->published);
    zcxi_set(out, "views", activity->viewed);
    zcxi_set(out, "loans", activity->lent);
    return out;
}

static json_t *about_rates(const struct zcxi_env *env)
{
    struct zcxi_activity lately;
    uint64_t ns;
    if (!zcxi_activity_lately(env, &lately, &ns)) return json_null();
    double seconds = (double)ns / 1e9;
    return json_pack("{sfsfsfsf}", "over", seconds, "publishes",
                     (double)lately.published / seconds, "views", (double)lately.viewed / seconds,
                     "loans", (double)lately.lent / seconds);
}

/* Threads that sleep until something is published; those of the dead do not count. */
static uint64_t count_waiters(struct zcxi_env *env)
{
    uint64_t waiters = 0;
    for (uint32_t i = 0; i < ZCXI_OWNERS; i++) {
        const struct zcxi_owner *owner = &env->board.owners[i];
        uint32_t sleepers = atomic_load(&owner->sleepers);
        if (sleepers && atomic_load(&owner->state) == ZCXI_OWNER_LIVE && zcxi_owner_alive(env, i))
            waiters += sleepers;
    }
    return waiters;
}

static json_t *about_errors(const struct zcxi_board_header *header)
{
    json_t *out = json_object();
    zcxi_set(out, "full", atomic_load(&header->counters.full));
    zcxi_set(out, "lock_timeouts", atomic_load(&header->counters.late));
    zcxi_set(out, "corrupt", atomic_load(&header->counters.corrupt));
    zcxi_set(out, "error_records", atomic_load(&header->counters.failures));
    zcxi_set(out, "sweeps", atomic_load(&header->sweeping.failed));
    return out;
}

static json_t *about_sweeper(const struct zcxi_sweeping *sweeping)
{
    uint64_t last = atomic_load(&sweeping->finished);
    json_t *out = json_object();
    zcxi_set(out, "sweeps", atomic_load(&sweeping->sweeps));
    json_object_set_new(out, "last", last ? json_real((double)last / 1e9) : json_null());
    zcxi_set_age(out, "age", last, zcxi_now());
    zcxi_set(out, "records_read", atomic_load(&sweeping->looked));
    zcxi_set_seconds(out, "longest_hold", atomic_load(&sweeping->longest_hold));
    return out;
}

void zcxi_stat_activity(struct zcxi_env *env, json_t *out)
{
    struct zcxi_activity activity;
    zcxi_activity(env, &activity);
    json_object_set_new(out, "counters", about_counters(&activity));
    json_object_set_new(out, "rates", about_rates(env));
    zcxi_set(out, "waiters", count_waiters(env));
    json_object_set_new(out, "errors", about_errors(env->board.header));
    json_object_set_new(out, "sweeper", about_sweeper(&env->board.header->sweeping));
}
