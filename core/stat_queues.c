#include "clock.h"
#include "owners.h"
#include "queue.h"
#include "stat.h"

#include <string.h>

struct queues {
    json_t *list;
    uint64_t now;
};

static json_t *queue_named(json_t *list, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
        if (!strcmp(json_string_value(json_object_get(one, "name")), name)) return one;
    one = json_pack("{sssisisososo}", "name", name, "waiting", 0, "workers", 0, "oldest",
                    json_null(), "claims", json_array(), "processes", json_array());
    json_array_append_new(list, one);
    return one;
}

static void raise_by(json_t *object, const char *name, json_int_t by)
{
    json_t *value = json_object_get(object, name);
    json_integer_set(value, json_integer_value(value) + by);
}

static void about_request(struct zcxi_env *env, const struct zcxi_ticket *ticket,
                          const struct zcxi_request *request, const struct zcxi_claimed *claimed,
                          void *context)
{
    struct queues *queues = context;
    json_t *queue = queue_named(queues->list, ticket->queue);
    if (!claimed) {
        raise_by(queue, "waiting", 1);
        if (json_is_null(json_object_get(queue, "oldest"))) /* they come in their order */
            zcxi_set_age(queue, "oldest", request->pushed, queues->now);
        return;
    }
    json_t *claim = json_object();
    bool alive = zcxi_claim_alive(env, claimed);
    int pid = claimed->owner < ZCXI_OWNERS ? env->board.owners[claimed->owner].pid : 0;
    json_object_set_new(claim, "pid", alive ? json_integer(pid) : json_null());
    json_object_set_new(claim, "alive", json_boolean(alive));
    zcxi_set(claim, "attempt", request->attempts + 1u);
    zcxi_set_age(claim, "age", claimed->time, queues->now);
    zcxi_set_age(claim, "pushed", request->pushed, queues->now);
    json_array_append_new(json_object_get(queue, "claims"), claim);
}

json_t *zcxi_stat_queues(struct zcxi_env *env)
{
    struct queues queues = {json_array(), zcxi_now()};
    for (uint32_t i = 0; i < ZCXI_OWNERS; i++) {
        const struct zcxi_owner *owner = &env->board.owners[i];
        char name[sizeof owner->queue + 1] = {0};
        uint32_t workers = atomic_load(&owner->workers);
        if (atomic_load(&owner->state) != ZCXI_OWNER_LIVE || !workers) continue;
        memcpy(name, owner->queue, sizeof owner->queue);
        json_t *queue = queue_named(queues.list, name);
        raise_by(queue, "workers", workers);
        json_array_append_new(json_object_get(queue, "processes"), json_integer(owner->pid));
    }
    (void)zcxi_queue_walk(env, about_request, &queues, NULL);
    return queues.list;
}
