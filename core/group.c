#include "group.h"

#define MOST 64 /* changes of a group: while it is committed nobody else's are */

_Static_assert(MOST * 2 * sizeof(struct zcxi_change) <= 4096,
               "the journal has memory for a group: each may publish one slot and retire another");

struct zcxi_member {
    struct zcxi_member *next;
    const struct zcxi_need *need;
    uint32_t hash;
    zcxi_work work;
    void *context;
    zcx_error *error;
    zcx_status status;
    bool ended;
    pthread_cond_t turn; /* to lead, or to go */
};

static bool changes(const struct zcxi_member *group, uint32_t hash)
{
    for (; group; group = group->next)
        if (group->hash == hash) return true;
    return false;
}

/* Those who stand first, up to the second change of a key: a record's transaction is to say which of
 * two came later. */
static struct zcxi_member *leave_line(struct zcxi_line *line)
{
    struct zcxi_member *group = line->first, *last = group, *next = last->next;
    last->next = NULL;
    for (int count = 1; next && count < MOST && !changes(group, next->hash); count++) {
        last = last->next = next;
        next = last->next;
        last->next = NULL;
    }
    line->first = next;
    if (!next) line->last = NULL;
    return group;
}

static zcx_status work_all(struct zcxi_env *env, MDB_txn *transaction, void *context,
                           zcx_error *error)
{
    zcx_status status = ZCX_OK;
    for (struct zcxi_member *member = context; member && !status; member = member->next)
        status = member->work(env, transaction, member->context, error);
    return status;
}

static zcx_status commit_together(struct zcxi_env *env, struct zcxi_member *group, zcx_error *error)
{
    struct zcxi_need need = {0};
    for (const struct zcxi_member *member = group; member; member = member->next) {
        need.changes += member->need->changes;
        need.bytes += member->need->bytes;
    }
    return zcxi_transact(env, &need, work_all, group, error);
}

/* Who did not get the lock as one of a group has waited for it long enough. */
static void commit(struct zcxi_env *env, struct zcxi_member *group)
{
    zcx_error error = ZCX_ERROR_INIT;
    bool alone = !group->next || commit_together(env, group, &error);
    for (struct zcxi_member *member = group; member; member = member->next) {
        member->status = error.status == ZCX_ETIMEDOUT ? ZCX_ETIMEDOUT : ZCX_OK;
        if (member->status && member->error && !member->error->status)
            *member->error = error;
        if (alone && !member->status)
            member->status = zcxi_transact(env, member->need, member->work, member->context,
                                           member->error);
    }
}

/* A member is its thread's, which goes on as soon as it may take the mutex. */
static void end(struct zcxi_line *line, struct zcxi_member *group)
{
    for (; group; group = group->next) {
        group->ended = true;
        pthread_cond_signal(&group->turn);
    }
    line->led = false;
    if (line->first) pthread_cond_signal(&line->first->turn);
}

zcx_status zcxi_group_commit(struct zcxi_env *env, const struct zcxi_need *need, uint32_t hash,
                             zcxi_work work, void *context, zcx_error *error)
{
    struct zcxi_line *line = &env->line;
    struct zcxi_member self = {.need = need, .hash = hash, .work = work, .context = context,
                               .error = error, .turn = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&line->mutex);
    if (line->first)
        line->last->next = &self;
    else
        line->first = &self;
    line->last = &self;
    while (!self.ended && (line->led || line->first != &self))
        pthread_cond_wait(&self.turn, &line->mutex);
    if (!self.ended) {
        struct zcxi_member *group = leave_line(line);
        line->led = true;
        pthread_mutex_unlock(&line->mutex);
        commit(env, group);
        pthread_mutex_lock(&line->mutex);
        end(line, group);
    }
    pthread_mutex_unlock(&line->mutex);
    return self.status;
}
