#include "full.h"

#include "clock.h"
#include "expire.h"
#include "owners.h"
#include "readers.h"
#include "record.h"
#include "transact.h"
#include "trim.h"

#include <errno.h>
#include <inttypes.h>

#define POLL (2 * ZCXI_MS) /* between looks for room, when the caller waits for it; doubled */
#define POLL_MOST (64 * ZCXI_MS)
#define READERS (100 * ZCXI_MS) /* for a snapshot that is in the way, if the caller waits for less: a
                                   viewer has its own for a µs, or was preempted in it */

static bool snapshot_held(struct zcxi_env *env)
{
    uint64_t last = zcxi_env_last_transaction(env, NULL);
    return zcxi_oldest_snapshot(env, last, NULL) < last;
}

/* What can be freed without harm: records that expired, what the dead held, and slots that were
 * retired so lately that no commit has passed since. Beside a snapshot a commit would free nothing,
 * and let the tree grow. */
static zcx_status clean_up(struct zcxi_env *env, zcx_error *error)
{
    struct zcxi_pass pass = {.rest = NULL};
    int dead;
    zcx_status status = zcxi_env_fresh(env, error);
    if (!status) status = zcxi_expire(env, &pass, error);
    if (!status) status = zcxi_env_lock(env, error);
    if (status) return status;
    zcxi_owners_reap(env);
    zcxi_env_unlock(env);
    mdb_reader_check(env->lmdb, &dead);
    return snapshot_held(env) ? ZCX_OK : zcxi_advance(env, error);
}

static zcx_status give_up(struct zcxi_env *env, uint64_t size, zcx_status status, zcx_error *error)
{
    char holders[400];
    atomic_fetch_add(&env->board.header->counters.full, 1);
    zcxi_holders_text(env, holders, sizeof holders);
    return zcxi_fail(error, status, ENOSPC, "no room for %" PRIu64 " bytes: %s", size, holders);
}

/* A failure to make room is no failure of the attempt, as long as there is room after all. */
static zcx_status try_hard(struct zcxi_env *env, uint64_t size, zcxi_attempt attempt, void *context,
                           zcx_error *error)
{
    zcx_status status = clean_up(env, error);
    if (status && status != ZCX_EFULL) return status;
    *error = (zcx_error)ZCX_ERROR_INIT;
    status = attempt(env, context, false, error);
    if (status != ZCX_EFULL) return status;
    zcxi_trim(env, zcxi_room_over(env) + size + size / 4 + 64 * env->page_size, UINT64_MAX);
    *error = (zcx_error)ZCX_ERROR_INIT;
    return attempt(env, context, true, error);
}

zcx_status zcxi_until_room(struct zcxi_env *env, uint64_t size, int64_t timeout_ms,
                           zcxi_attempt attempt, void *context, zcx_error *error)
{
    uint64_t poll = POLL, start = 0;
    const uint64_t timeout = (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * ZCXI_MS;
    zcx_error cause = ZCX_ERROR_INIT;
    zcx_status status = attempt(env, context, false, &cause);
    while (status == ZCX_EFULL) {
        if (!start) start = zcxi_monotonic();
        cause = (zcx_error)ZCX_ERROR_INIT;
        status = try_hard(env, size, attempt, context, &cause);
        if (status != ZCX_EFULL) break;
        uint64_t patience = timeout < READERS && snapshot_held(env) ? READERS : timeout;
        if (zcxi_monotonic() - start >= patience)
            return give_up(env, size, timeout_ms > 0 ? ZCX_ETIMEDOUT : ZCX_EFULL, error);
        zcxi_sleep(poll);
        if (poll < POLL_MOST) poll *= 2;
    }
    if (status && error && !error->status) *error = cause;
    return status;
}
