#include "activity.h"
#include "expire.h"
#include "hold.h"
#include "owners.h"
#include "queue.h"
#include "store.h"
#include "trim.h"

#include <inttypes.h>
#include <jansson.h>

#define PATIENCE (3 * ZCXI_S) /* with another's pass that does not move on: it was killed, or stopped */

struct sweep {
    struct zcxi_env *env;
    struct zcxi_sweeping *sweeping;
    const zcx_sweep_options *options;
    uint64_t every, kept, trimmed; /* ns; monotonic ns: when the upkeep was done last; bytes */
    uint32_t owners;
    int readers;
    struct zcxi_pass pass;
    zcx_status status; /* of the upkeep, while the pass rests */
    zcx_error *error;
};

/* ---- upkeep: what has nothing to do with the number of records ------------------------------------------ */

static zcx_status keep_up(struct sweep *sweep)
{
    struct zcxi_env *env = sweep->env;
    struct zcxi_hold hold;
    uint32_t owners = 0;
    int readers = 0;
    sweep->kept = zcxi_monotonic();
    zcxi_env_assert_locks(env);
    zcx_status status = zcxi_env_fresh(env, sweep->error);
    if (!status) status = zcxi_owners_reap_in_turns(env, &owners, sweep->error);
    if (!status) status = zcxi_hold_begin(&hold, env, sweep->error);
    if (status) return status;
    zcxi_activity_note(env);
    zcxi_hold_end(&hold);
    int result = mdb_reader_check(env->lmdb, &readers);
    sweep->owners += owners;
    sweep->readers += readers;
    if (result) return zcxi_fail_lmdb(sweep->error, result, "cannot check LMDB's readers");
    return zcxi_queue_revive(env, sweep->error);
}

/* A pass may take minutes; the dead do not wait for its end. */
static bool rest(void *context, uint64_t ns)
{
    struct sweep *sweep = context;
    atomic_store(&sweep->sweeping->turn, zcxi_monotonic());
    if (!sweep->options->rest(sweep->options->context, ns)) return false;
    atomic_store(&sweep->sweeping->turn, zcxi_monotonic());
    if (sweep->every && zcxi_monotonic() - sweep->kept >= sweep->every)
        sweep->status = keep_up(sweep);
    return !sweep->status;
}

/* ---- the records ------------------------------------------------------------------------------------------- */

/* One of a series passes over what another sweeper is doing, or has just done, and over what cannot
 * have changed: nothing was committed since the last pass, and nothing that it saw has expired. */
static bool take_turn(struct sweep *sweep, uint64_t last)
{
    struct zcxi_sweeping *sweeping = sweep->sweeping;
    uint64_t now = zcxi_monotonic(), turn = atomic_load(&sweeping->turn);
    if (sweep->every) {
        if (last == atomic_load(&sweeping->seen) && zcxi_now() < atomic_load(&sweeping->due))
            return false;
        if (now - atomic_load(&sweeping->began) < sweep->every * 3 / 4) return false;
        if (now - turn < PATIENCE || !atomic_compare_exchange_strong(&sweeping->turn, &turn, now))
            return false;
    }
    ZCXI_POINT(sweep.turned);
    atomic_store(&sweeping->began, now);
    return true;
}

static zcx_status go_through(struct sweep *sweep)
{
    struct zcxi_sweeping *sweeping = sweep->sweeping;
    uint64_t last = zcxi_env_last_transaction(sweep->env, NULL); /* the pass sees at least this */
    if (!take_turn(sweep, last)) return ZCX_OK;
    zcx_status status = zcxi_expire(sweep->env, &sweep->pass, sweep->error);
    if (!status) status = sweep->status;
    atomic_fetch_add(&sweeping->looked, sweep->pass.looked);
    if (sweep->every) atomic_store(&sweeping->turn, 0);
    if (status || sweep->pass.stopped) return status;
    ZCXI_POINT(sweep.passed);
    atomic_store(&sweeping->due, sweep->pass.due);
    ZCXI_POINT(sweep.due);
    atomic_store(&sweeping->seen, last);
    return ZCX_OK;
}

/* ---- idle memory ------------------------------------------------------------------------------------------- */

static zcx_status trim(struct sweep *sweep)
{
    uint64_t now = zcxi_monotonic(), looked = atomic_load(&sweep->sweeping->trimmed);
    uint64_t idle = (uint64_t)sweep->options->idle_ms * ZCXI_MS;
    if (sweep->every && now - looked < idle / 8) return ZCX_OK; /* it looks at every slot */
    atomic_store(&sweep->sweeping->trimmed, now);
    uint64_t before = idle ? zcxi_now() - idle : UINT64_MAX;
    if (zcxi_trim_waits(sweep->env, before)) {
        zcx_status status = zcxi_advance(sweep->env, sweep->error);
        if (status) return status;
    }
    sweep->trimmed = zcxi_trim(sweep->env, UINT64_MAX, before);
    return ZCX_OK;
}

/* ---- one sweep -------------------------------------------------------------------------------------------------- */

static zcx_status check_options(const zcx_sweep_options *options, zcx_error *error)
{
    if (options->struct_size != sizeof *options)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the options' struct_size is %zu, not %zu",
                         options->struct_size, sizeof *options);
    if (options->flags & ~ZCX_SWEEP_TRIM)
        return zcxi_fail(error, ZCX_EINVAL, 0, "sweep flags %#x are not known", options->flags);
    const int64_t times[] = {options->every_ms, options->idle_ms};
    for (int i = 0; i < 2; i++)
        if (times[i] < 0 || times[i] > INT64_MAX / (int64_t)ZCXI_S)
            return zcxi_fail(error, ZCX_EINVAL, 0, "%s of %" PRId64 " ms is not a time to sweep by",
                             i ? "idle_ms" : "every_ms", times[i]);
    return ZCX_OK;
}

static zcx_status write_report(char **json, const struct sweep *sweep)
{
    json_t *report =
        json_pack("{sIsIsIsIsI}", "expired", (json_int_t)sweep->pass.deleted, "dead_processes",
                  (json_int_t)sweep->owners, "stale_readers", (json_int_t)sweep->readers,
                  "trimmed_bytes", (json_int_t)sweep->trimmed, "looked",
                  (json_int_t)sweep->pass.looked);
    char *text = json_dumps(report, JSON_COMPACT);
    json_decref(report);
    if (!text)
        return zcxi_fail(sweep->error, ZCX_ENOMEM, 0, "no memory for the report of a sweep");
    *json = text;
    return ZCX_OK;
}

zcx_status zcx_store_sweep_by(char **json, zcx_store *store, const zcx_sweep_options *options,
                              zcx_error *error)
{
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = check_options(options, error);
    if (status) return status;
    struct sweep sweep = {.env = store->env,
                          .sweeping = &store->env->board.header->sweeping,
                          .options = options,
                          .every = (uint64_t)options->every_ms * ZCXI_MS,
                          .error = error};
    sweep.pass.rest = options->rest ? rest : NULL;
    sweep.pass.context = &sweep;
    status = keep_up(&sweep);
    if (!status) status = go_through(&sweep);
    if (!status && options->flags & ZCX_SWEEP_TRIM && !sweep.pass.stopped) status = trim(&sweep);
    if (status) {
        atomic_fetch_add(&sweep.sweeping->failed, 1);
        return status;
    }
    atomic_store(&sweep.sweeping->finished, zcxi_now());
    atomic_fetch_add(&sweep.sweeping->sweeps, 1);
    return json ? write_report(json, &sweep) : ZCX_OK;
}

zcx_status zcx_store_sweep(char **json, zcx_store *store, uint32_t flags, zcx_error *error)
{
    zcx_sweep_options options = ZCX_SWEEP_OPTIONS_INIT;
    options.flags = flags;
    return zcx_store_sweep_by(json, store, &options, error);
}
