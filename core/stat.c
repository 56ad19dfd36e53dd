#include "clock.h"
#include "holders.h"
#include "owners.h"
#include "queue.h"
#include "readers.h"
#include "record.h"
#include "room.h"
#include "walk.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Every number is a JSON integer; times are Unix seconds, ages seconds, sizes bytes. */

static void set(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_seconds(json_t *object, const char *key, uint64_t ns)
{
    json_object_set_new(object, key, json_real((double)ns / 1e9));
}

static void set_age(json_t *object, const char *key, uint64_t since, uint64_t now)
{
    json_object_set_new(object, key,
                        since ? json_real(since < now ? (double)(now - since) / 1e9 : 0)
                              : json_null());
}

static json_t *about_store(struct zcxi_env *env)
{
    const struct zcxi_manifest *manifest = &env->manifest;
    json_t *out = json_object();
    json_object_set_new(out, "path", json_string(env->path));
    json_object_set_new(out, "uuid", json_string(manifest->uuid));
    set(out, "protocol", manifest->protocol);
    set_seconds(out, "created", manifest->created);
    json_object_set_new(out, "durability",
                        json_string(manifest->durability == ZCX_DURABILITY_COMMIT ? "commit"
                                                                                  : "none"));
    set(out, "budget", manifest->budget);
    set(out, "used", zcxi_room_used(env));
    set(out, "map_size", manifest->map_size);
    return out;
}

static int count_reader(const char *line, void *context)
{
    *(uint64_t *)context += strspn(line, " 0123456789") > 5;
    return 0;
}

static json_t *about_lmdb(struct zcxi_env *env)
{
    json_t *out = json_object();
    uint64_t last_page, readers = 0, last = zcxi_env_last_transaction(env, &last_page);
    mdb_reader_list(env->lmdb, count_reader, &readers);
    json_object_set_new(out, "version", json_string(mdb_version(NULL, NULL, NULL)));
    set(out, "page_size", env->page_size);
    set(out, "last_transaction", last);
    set(out, "oldest_snapshot", zcxi_safe_raise(env));
    set(out, "pages", last_page + 1);
    set(out, "readers", readers);
    set(out, "max_readers", env->manifest.max_readers);
    return out;
}

static zcx_status about_database(struct zcxi_env *env, MDB_dbi database, const char *name,
                                 void *context, zcx_error *error)
{
    MDB_txn *reader;
    uint32_t index;
    MDB_stat stat;
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    int result = mdb_stat(reader, database, &stat);
    zcxi_reader_give(env, index);
    if (result) return zcxi_fail_lmdb(error, result, "cannot count the records");
    json_t *out = json_object();
    json_object_set_new(out, "name", json_string(name));
    set(out, "records", stat.ms_entries);
    json_array_append_new(context, out);
    return ZCX_OK;
}

static const char *const state_names[] = {NULL, "free", "loaned", "published", "retired"};

static json_t *about_slots(struct zcxi_env *env, const struct zcxi_tally *tally)
{
    json_t *out = json_object(), *classes = json_array();
    set(out, "count", atomic_load(&env->board.header->slots) - 1);
    set(out, "most", env->board.slots_max - 1);
    for (int state = ZCXI_FREE; state <= ZCXI_RETIRED; state++) {
        json_t *one = json_object();
        set(one, "slots", tally->states[state].slots);
        set(one, "bytes", tally->states[state].bytes);
        set(one, "backed_bytes", tally->states[state].backed_bytes);
        json_object_set_new(out, state_names[state], one);
    }
    for (uint32_t class = 0; class < zcxi_class_count(); class++) {
        uint64_t count = 0;
        json_t *one = json_object();
        set(one, "payload_bytes", zcxi_payload_capacity(env, zcxi_class_pages(class)));
        for (int state = ZCXI_FREE; state <= ZCXI_RETIRED; state++) {
            set(one, state_names[state], tally->classes[class][state]);
            count += tally->classes[class][state];
        }
        if (count)
            json_array_append_new(classes, one);
        else
            json_decref(one);
    }
    json_object_set_new(out, "classes", classes);
    return out;
}

static json_t *about_holders(struct zcxi_env *env, const struct zcxi_tally *tally)
{
    json_t *out = json_array();
    uint64_t now = zcxi_now();
    for (uint32_t owner = 0; owner < ZCXI_OWNERS; owner++) {
        const struct zcxi_owner *entry = &env->board.owners[owner];
        const struct zcxi_holding *holding = &tally->owners[owner];
        if (!atomic_load(&entry->state)) continue;
        char command[sizeof entry->command + 1] = {0};
        memcpy(command, entry->command, sizeof entry->command);
        json_t *one = json_object();
        set(one, "pid", (uint64_t)entry->pid);
        json_object_set_new(one, "command", json_string(command));
        json_object_set_new(one, "alive", json_boolean(zcxi_owner_alive(env, owner)));
        json_object_set_new(one, "self", json_boolean(owner == env->self.owner));
        set_age(one, "age", entry->opened, now);
        set(one, "loans", holding->loans);
        set(one, "loan_bytes", holding->loan_bytes);
        set_age(one, "oldest_loan", holding->oldest_loan, now);
        set(one, "views", holding->pins);
        set(one, "viewed_slots", holding->pinned_slots);
        set(one, "viewed_bytes", holding->pinned_bytes);
        set(one, "held_bytes", holding->held_bytes);
        set_age(one, "oldest_held", holding->oldest_held, now);
        json_array_append_new(out, one);
    }
    return out;
}

/* ---- queues ------------------------------------------------------------------------------------------ */

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
            set_age(queue, "oldest", request->pushed, queues->now);
        return;
    }
    json_t *claim = json_object();
    bool alive = zcxi_claim_alive(env, claimed);
    int pid = claimed->owner < ZCXI_OWNERS ? env->board.owners[claimed->owner].pid : 0;
    json_object_set_new(claim, "pid", alive ? json_integer(pid) : json_null());
    json_object_set_new(claim, "alive", json_boolean(alive));
    set(claim, "attempt", request->attempts + 1u);
    set_age(claim, "age", claimed->time, queues->now);
    set_age(claim, "pushed", request->pushed, queues->now);
    json_array_append_new(json_object_get(queue, "claims"), claim);
}

static json_t *about_queues(struct zcxi_env *env)
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

static json_t *about_events(const struct zcxi_board_header *header)
{
    json_t *out = json_object();
    set(out, "slots_created", atomic_load(&header->counters.created));
    set(out, "recoveries", atomic_load(&header->counters.recovered));
    set(out, "commits_rolled_back", atomic_load(&header->counters.rolled_back));
    set(out, "processes_reaped", atomic_load(&header->counters.reaped));
    set(out, "records_expired", atomic_load(&header->counters.expired));
    set(out, "bytes_trimmed", atomic_load(&header->counters.trimmed));
    return out;
}

zcx_status zcx_store_stat(char **json, zcx_store *store, zcx_error *error)
{
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_env_fresh(store->env, error);
    if (status) return status;
    struct zcxi_env *env = store->env;
    struct zcxi_tally *tally = malloc(sizeof *tally);
    if (!tally) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for the store's statistics");
    zcxi_tally(env, tally);
    json_t *out = json_object(), *databases = json_array();
    status = zcxi_walk_databases(env, about_database, databases, error);
    json_object_set_new(out, "store", about_store(env));
    json_object_set_new(out, "lmdb", about_lmdb(env));
    json_object_set_new(out, "databases", databases);
    json_object_set_new(out, "slots", about_slots(env, tally));
    json_object_set_new(out, "holders", about_holders(env, tally));
    json_object_set_new(out, "queues", about_queues(env));
    json_object_set_new(out, "events", about_events(env->board.header));
    char *text = status ? NULL : json_dumps(out, JSON_COMPACT);
    json_decref(out);
    free(tally);
    if (status) return status;
    if (!text) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for the store's statistics");
    *json = text;
    return ZCX_OK;
}
