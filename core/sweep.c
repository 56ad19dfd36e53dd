#include "clock.h"
#include "owners.h"
#include "queue.h"
#include "readers.h"
#include "record.h"
#include "room.h"
#include "transact.h"
#include "wait.h"
#include "walk.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64 /* deletes of one transaction: the lock is held for well under 2 ms */
#define PASS 1024 /* records that one snapshot is looked through for */

/* ---- expired records --------------------------------------------------------------------------------------- */

struct found {
    uint16_t length;
    uint8_t key[ZCX_KEY_MAX];
};

struct pass {
    MDB_dbi database;
    const char *name;
    uint64_t now, deleted;
    struct found expired[BATCH], last;
    size_t count, seen, from, to; /* from, to: those that a transaction deletes */
    bool more;
};

/* Notes what expired, from the last key on; stops when it has a batch, or looked long enough. */
static zcx_status look(struct zcxi_env *env, struct pass *pass, zcx_error *error)
{
    MDB_txn *reader;
    MDB_cursor *cursor;
    uint32_t index;
    const struct found from = pass->last;
    MDB_val key = {from.length, (void *)from.key}, value, start = key;
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    pass->count = pass->seen = 0;
    pass->more = false;
    int result = mdb_cursor_open(reader, pass->database, &cursor);
    if (!result) {
        result = mdb_cursor_get(cursor, &key, &value, pass->last.length ? MDB_SET_RANGE : MDB_FIRST);
        for (; !result; result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
            struct zcxi_header header;
            if (key.mv_size > ZCX_KEY_MAX) continue;
            if (pass->count == BATCH || pass->seen++ == PASS) {
                /* In a damaged tree keys may fall, and a sweep would not end. */
                if (start.mv_size && mdb_cmp(reader, pass->database, &key, &start) <= 0) {
                    result = MDB_CORRUPTED;
                    break;
                }
                pass->last.length = (uint16_t)key.mv_size;
                memcpy(pass->last.key, key.mv_data, key.mv_size);
                pass->more = true;
                break;
            }
            if (zcxi_header_read(&header, value.mv_data, value.mv_size, key.mv_data, key.mv_size,
                                 NULL) ||
                !zcxi_expired(&header, pass->now))
                continue;
            struct found *found = &pass->expired[pass->count++];
            found->length = (uint16_t)key.mv_size;
            memcpy(found->key, key.mv_data, key.mv_size);
        }
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
    if (result && result != MDB_NOTFOUND) return zcxi_fail_lmdb(error, result, "cannot sweep");
    return ZCX_OK;
}

/* Each is looked at again: it may have been published anew meanwhile. */
static zcx_status delete_found(struct zcxi_env *env, MDB_txn *transaction, void *context,
                               zcx_error *error)
{
    struct pass *pass = context;
    zcx_status status = ZCX_OK;
    pass->deleted = 0;
    for (size_t i = pass->from; i < pass->to && !status; i++) {
        bool gone, live;
        status = zcxi_record_delete(env, transaction, pass->database, pass->expired[i].key,
                                    pass->expired[i].length, pass->now, &gone, &live, error);
        pass->deleted += gone;
    }
    return status;
}

/* All in one transaction, or one by one where a full store has no memory ahead for so many. */
static zcx_status delete_all(struct zcxi_env *env, struct pass *pass, uint64_t *deleted,
                             zcx_error *error)
{
    zcx_status status = ZCX_OK;
    size_t step = pass->count;
    for (pass->from = 0; pass->from < pass->count && !status;) {
        zcx_error failure = ZCX_ERROR_INIT;
        pass->to = pass->from + step;
        struct zcxi_need need = {.changes = step};
        status = zcxi_transact(env, &need, delete_found, pass, &failure);
        if (status == ZCX_EFULL && step > 1) {
            step = 1;
            status = ZCX_OK;
        } else if (status) {
            if (error && !error->status) *error = failure;
        } else {
            ZCXI_POINT(sweep.committed);
            *deleted += pass->deleted;
            for (size_t i = pass->from; i < pass->to; i++)
                zcxi_wake(env, zcxi_wait_hash(pass->name, pass->expired[i].key,
                                              pass->expired[i].length));
            atomic_fetch_add(&env->board.header->counters.expired, pass->deleted);
            pass->from = pass->to;
        }
    }
    return status;
}

static zcx_status sweep_database(struct zcxi_env *env, MDB_dbi database, const char *name,
                                 void *context, zcx_error *error)
{
    struct pass *pass = calloc(1, sizeof *pass);
    if (!pass) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to sweep");
    pass->database = database;
    pass->name = name;
    pass->now = zcxi_now();
    zcx_status status;
    do {
        status = look(env, pass, error);
        if (!status && pass->count) status = delete_all(env, pass, context, error);
    } while (!status && pass->more);
    free(pass);
    return status;
}

zcx_status zcxi_sweep_expired(struct zcxi_env *env, uint64_t *deleted, zcx_error *error)
{
    return zcxi_walk_databases(env, sweep_database, deleted, error);
}

/* ---- memory of idle slots ------------------------------------------------------------------------------------ */

/* As a loan, so that nobody else has the slot meanwhile; *backed* is cleared before the punch. What
 * is charged may have memory though it is not backed: whoever allocated or punched it was killed. */
static uint64_t trim_slot(struct zcxi_env *env, uint32_t slot)
{
    uint64_t word, freed = 0;
    struct zcxi_slot *entry = &env->board.slots[slot];
    struct zcxi_obstacle obstacle;
    if (!atomic_load(&entry->charged) || entry->pages < 2) return 0; /* its first page stays */
    if (!zcxi_slot_take_idle(&env->board, &env->self, slot, &word, &obstacle)) return 0;
    ZCXI_POINT(trim.taken);
    if (!zcxi_env_lock(env, NULL)) {
        zcxi_slot_set_backed(&env->board, slot, &word, false);
        ZCXI_POINT(trim.unbacked);
        if (!zcxi_room_punch(env, slot)) {
            ZCXI_POINT(trim.punched);
            zcxi_room_discharge(env, slot);
            freed = (uint64_t)(entry->pages - 1) * env->page_size;
        }
        zcxi_env_unlock(env);
    }
    ZCXI_POINT(trim.discharged);
    zcxi_slot_give_back(&env->board, slot, word);
    return freed;
}

uint64_t zcxi_trim(struct zcxi_env *env, uint64_t enough)
{
    uint64_t freed = 0;
    uint32_t slots = atomic_load(&env->board.header->slots);
    if (slots > env->board.slots_max) slots = env->board.slots_max;
    for (uint32_t slot = slots; slot-- > 1 && freed < enough;)
        freed += trim_slot(env, slot); /* the last ones: the first are reused first */
    atomic_fetch_add(&env->board.header->counters.trimmed, freed);
    return freed;
}

/* ---- one sweep -------------------------------------------------------------------------------------------------- */

zcx_status zcx_store_sweep(char **json, zcx_store *store, uint32_t flags, zcx_error *error)
{
    uint64_t expired = 0, trimmed = 0;
    uint32_t owners = 0;
    int readers = 0;
    zcx_status status = zcxi_store_enter(store, error);
    if (status) return status;
    struct zcxi_env *env = store->env;
    if (flags & ~ZCX_SWEEP_TRIM)
        return zcxi_fail(error, ZCX_EINVAL, 0, "sweep flags %#x are not known", flags);
    zcxi_env_assert_locks(env);
    status = zcxi_env_fresh(env, error);
    if (!status) status = zcxi_env_lock(env, error);
    if (status) return status;
    owners = zcxi_owners_reap(env);
    zcxi_env_unlock(env);
    int result = mdb_reader_check(env->lmdb, &readers);
    if (result) return zcxi_fail_lmdb(error, result, "cannot check LMDB's readers");
    status = zcxi_sweep_expired(env, &expired, error);
    if (!status) status = zcxi_queue_revive(env, error);
    if (status) return status;
    if (flags & ZCX_SWEEP_TRIM) {
        status = zcxi_advance(env, error); /* what was retired just now is idle too */
        if (status) return status;
        trimmed = zcxi_trim(env, UINT64_MAX);
    }
    if (!json) return ZCX_OK;
    json_t *report = json_pack("{sIsIsIsI}", "expired", (json_int_t)expired, "dead_processes",
                               (json_int_t)owners, "stale_readers", (json_int_t)readers,
                               "trimmed_bytes", (json_int_t)trimmed);
    char *text = json_dumps(report, JSON_COMPACT);
    json_decref(report);
    if (!text) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for the report of a sweep");
    *json = text;
    return ZCX_OK;
}
