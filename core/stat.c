#include "stat.h"

#include "access.h"
#include "clock.h"
#include "holders.h"
#include "owners.h"
#include "readers.h"
#include "record.h"
#include "room.h"
#include "walk.h"

#include <stdlib.h>
#include <string.h>

void zcxi_set(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

void zcxi_set_seconds(json_t *object, const char *key, uint64_t ns)
{
    json_object_set_new(object, key, json_real((double)ns / 1e9));
}

void zcxi_set_age(json_t *object, const char *key, uint64_t since, uint64_t now)
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
    zcxi_set(out, "protocol", manifest->protocol);
    zcxi_set_seconds(out, "created", manifest->created);
    json_object_set_new(out, "durability",
                        json_string(manifest->durability == ZCX_DURABILITY_COMMIT ? "commit"
                                                                                  : "none"));
    zcxi_set(out, "budget", manifest->budget);
    zcxi_set(out, "used", zcxi_room_used(env));
    zcxi_set(out, "map_size", manifest->map_size);
    json_object_set_new(out, "gid", manifest->gid == ZCXI_NO_GROUP ? json_null()
                                                                   : json_integer(manifest->gid));
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
    zcxi_set(out, "page_size", env->page_size);
    zcxi_set(out, "last_transaction", last);
    zcxi_set(out, "oldest_snapshot", zcxi_safe_raise(env));
    zcxi_set(out, "pages", last_page + 1);
    zcxi_set(out, "readers", readers);
    zcxi_set(out, "max_readers", env->manifest.max_readers);
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
    zcxi_set(out, "records", stat.ms_entries);
    json_array_append_new(context, out);
    return ZCX_OK;
}

static const char *const state_names[] = {NULL, "free", "loaned", "published", "retired"};

/* NULL when it has no slots. */
static json_t *about_class(struct zcxi_env *env, const struct zcxi_tally *tally, uint32_t class)
{
    const uint32_t *count = tally->classes[class], held = tally->held[class];
    uint64_t bytes = (uint64_t)zcxi_class_pages(class) * env->page_size;
    if (!(count[ZCXI_FREE] + count[ZCXI_LOANED] + count[ZCXI_PUBLISHED] + count[ZCXI_RETIRED]))
        return NULL;
    json_t *out = json_object();
    zcxi_set(out, "payload_bytes", zcxi_payload_capacity(env, zcxi_class_pages(class)));
    for (int state = ZCXI_FREE; state <= ZCXI_RETIRED; state++)
        zcxi_set(out, state_names[state], count[state]);
    zcxi_set(out, "held", held);
    zcxi_set(out, "live_bytes", bytes * count[ZCXI_PUBLISHED]);
    zcxi_set(out, "loaned_bytes", bytes * count[ZCXI_LOANED]);
    zcxi_set(out, "held_bytes", bytes * held);
    zcxi_set(out, "free_bytes", bytes * (count[ZCXI_FREE] + count[ZCXI_RETIRED] - held));
    return out;
}

static json_t *about_slots(struct zcxi_env *env, const struct zcxi_tally *tally)
{
    json_t *out = json_object(), *classes = json_array();
    zcxi_set(out, "count", atomic_load(&env->board.header->slots) - 1);
    zcxi_set(out, "most", env->board.slots_max - 1);
    for (int state = ZCXI_FREE; state <= ZCXI_RETIRED; state++) {
        json_t *one = json_object();
        zcxi_set(one, "slots", tally->states[state].slots);
        zcxi_set(one, "bytes", tally->states[state].bytes);
        zcxi_set(one, "backed_bytes", tally->states[state].backed_bytes);
        json_object_set_new(out, state_names[state], one);
    }
    for (uint32_t class = 0; class < zcxi_class_count(); class++) {
        json_t *one = about_class(env, tally, class);
        if (one) json_array_append_new(classes, one);
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
        zcxi_set(one, "pid", (uint64_t)entry->pid);
        json_object_set_new(one, "command", json_string(command));
        json_object_set_new(one, "alive", json_boolean(zcxi_owner_alive(env, owner)));
        json_object_set_new(one, "self", json_boolean(owner == env->self.owner));
        zcxi_set_age(one, "age", entry->opened, now);
        zcxi_set(one, "loans", holding->loans);
        zcxi_set(one, "loan_bytes", holding->loan_bytes);
        zcxi_set_age(one, "oldest_loan", holding->oldest_loan, now);
        zcxi_set(one, "views", holding->pins);
        zcxi_set(one, "viewed_slots", holding->pinned_slots);
        zcxi_set(one, "viewed_bytes", holding->pinned_bytes);
        zcxi_set(one, "held_bytes", holding->held_bytes);
        zcxi_set_age(one, "oldest_held", holding->oldest_held, now);
        json_array_append_new(out, one);
    }
    return out;
}

/* Of who has had a loan, or held memory back, for the longest time; null: nobody does. */
static json_t *about_oldest(const json_t *holders)
{
    static const char *const names[] = {"oldest_loan", "oldest_held"};
    json_t *oldest = json_null(), *holder;
    double most = -1;
    size_t index;
    json_array_foreach(holders, index, holder) for (int i = 0; i < 2; i++)
    {
        const json_t *age = json_object_get(holder, names[i]);
        if (!json_is_number(age) || json_number_value(age) <= most) continue;
        most = json_number_value(age);
        json_decref(oldest);
        oldest = json_pack("{sOsOsfss}", "pid", json_object_get(holder, "pid"), "command",
                           json_object_get(holder, "command"), "age", most, "has",
                           i ? "views" : "loans");
    }
    return oldest ? oldest : json_null();
}

static json_t *about_events(const struct zcxi_board_header *header)
{
    json_t *out = json_object();
    zcxi_set(out, "slots_created", atomic_load(&header->counters.created));
    zcxi_set(out, "recoveries", atomic_load(&header->counters.recovered));
    zcxi_set(out, "commits_rolled_back", atomic_load(&header->counters.rolled_back));
    zcxi_set(out, "processes_reaped", atomic_load(&header->counters.reaped));
    zcxi_set(out, "records_expired", atomic_load(&header->counters.expired));
    zcxi_set(out, "bytes_trimmed", atomic_load(&header->counters.trimmed));
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
    json_object_set_new(out, "oldest_holder", about_oldest(json_object_get(out, "holders")));
    json_object_set_new(out, "queues", zcxi_stat_queues(env));
    json_object_set_new(out, "events", about_events(env->board.header));
    zcxi_stat_activity(env, out);
    char *text = status ? NULL : json_dumps(out, JSON_COMPACT);
    json_decref(out);
    free(tally);
    if (status) return status;
    if (!text) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for the store's statistics");
    *json = text;
    return ZCX_OK;
}
