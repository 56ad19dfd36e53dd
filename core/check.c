#include "check.h"

#include "holders.h"
#include "owners.h"
#include "queue.h"
#include "readers.h"
#include "record.h"
#include "verify.h"
#include "walk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What `zcx doctor` reads: is every record sound, and does every slot have exactly one state? */

enum { FINDINGS_MOST = 1000 }; /* that are told: a board that lies may have millions */

static const struct {
    const char *advice, *repair;
} mends[] = {
    [ZCXI_MEND_NOTHING] = {NULL, NULL},
    [ZCXI_MEND_PROCESS] = {"zcx sweep frees what it held", "free what it held"},
    [ZCXI_MEND_READERS] = {"zcx sweep clears them", "clear them"},
    [ZCXI_MEND_SLOT] = {NULL, "set the slot right"},
    [ZCXI_MEND_RECORD] = {"delete the key, or publish it again",
                          "delete the record, with --delete-damaged"},
    [ZCXI_MEND_REQUEST] = {NULL, "remove the request"},
};

__attribute__((format(printf, 4, 5))) static void find(struct zcxi_check *check, const char *level,
                                                       enum zcxi_mend mend, const char *format, ...)
{
    char text[600];
    va_list arguments;
    if (strcmp(level, "info")) check->sound = false;
    if (++check->found > FINDINGS_MOST) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(check->findings,
                          json_pack("{ssss*ss*ss*}", "level", level, "text", text, "advice",
                                    mends[mend].advice, "repair", mends[mend].repair));
}

/* Notes it for the repair; without memory for that it is only told of. */
static void note_damaged(struct zcxi_check *check, enum zcxi_mend mend, MDB_dbi database,
                         const char *name, const MDB_val *key, uint32_t crc)
{
    if (check->count == check->capacity) {
        size_t capacity = check->capacity ? check->capacity * 2 : 16;
        struct zcxi_damaged *grown = realloc(check->damaged, capacity * sizeof *grown);
        if (!grown) return;
        check->damaged = grown;
        check->capacity = capacity;
    }
    struct zcxi_damaged *damaged = &check->damaged[check->count++];
    *damaged = (struct zcxi_damaged){.mend = mend, .database = database, .name = name, .crc = crc,
                                     .key_length = (uint16_t)key->mv_size};
    memcpy(damaged->key, key->mv_data, key->mv_size);
}

typedef zcx_status look_function(struct zcxi_check *check, struct zcxi_env *env, MDB_txn *reader,
                                 zcx_error *error);

/* In one snapshot, under the lock, so that the board and the records agree. */
static zcx_status look_locked(struct zcxi_check *check, struct zcxi_env *env, look_function *look,
                              zcx_error *error)
{
    MDB_txn *reader;
    uint32_t index;
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    status = zcxi_reader_take(env, &reader, &index, error);
    if (!status) {
        status = look(check, env, reader, error);
        zcxi_reader_give(env, index);
    }
    zcxi_env_unlock(env);
    return status;
}

/* LMDB's tree. One that is damaged is not read any further: LMDB would believe it. */
static zcx_status check_tree(struct zcxi_check *check, struct zcxi_env *env, MDB_txn *reader,
                             zcx_error *error)
{
    (void)check;
    return zcxi_verify_tree(env, reader, error);
}

/* Through a view of its own, so that the payload can be looked at while the store goes on. */
static bool check_record(struct zcxi_check *check, zcx_store *store, const void *key,
                         size_t key_length)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_view *view;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_status status = zcx_store_view(&view, store, key, key_length, &error);
    check->records++;
    if (status == ZCX_ENOTFOUND || status == ZCX_EEXPIRED) return true; /* since the scan */
    if (!status) {
        status = zcx_view_envelope(view, &envelope, &error);
        if (!status && envelope.flags & ZCX_FLAG_CHECKSUM) status = zcx_view_verify(view, &error);
        zcx_view_release(view);
    }
    bool damaged = status == ZCX_ECORRUPT || status == ZCX_EVERSION;
    if (status)
        find(check, "error", damaged ? ZCXI_MEND_RECORD : ZCXI_MEND_NOTHING, "%s", error.message);
    return !damaged;
}

static zcx_status check_database(struct zcxi_env *env, MDB_dbi database, const char *name,
                                 void *context, zcx_error *error)
{
    struct zcxi_check *check = context;
    zcx_store *store = zcxi_handle_make(name);
    if (!store) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to check %s", env->path);
    store->env = env;
    store->database = database;
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val key = {0, NULL}, value;
    uint32_t index, crc = 0;
    uint8_t last[ZCX_KEY_MAX];
    zcx_status status = ZCX_OK;
    for (int result = 0; !status && !result;) { /* one key a snapshot: nothing stays open */
        status = zcxi_reader_take(env, &reader, &index, error);
        if (status) break;
        result = mdb_cursor_open(reader, database, &cursor);
        if (!result) {
            size_t before = key.mv_size;
            result = mdb_cursor_get(cursor, &key, &value, before ? MDB_SET_RANGE : MDB_FIRST);
            if (!result && before && key.mv_size == before && !memcmp(key.mv_data, last, before))
                result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
            /* In a damaged tree keys may fall, and this would not end. */
            if (!result && before && mdb_cmp(reader, database, &key, &(MDB_val){before, last}) <= 0)
                result = MDB_CORRUPTED;
            mdb_cursor_close(cursor);
        }
        if (!result && key.mv_size > ZCX_KEY_MAX) result = MDB_CORRUPTED;
        if (!result) memcpy(last, key.mv_data, key.mv_size);
        if (!result) crc = zcxi_crc32c(0, value.mv_data, value.mv_size);
        key.mv_data = last;
        zcxi_reader_give(env, index);
        if (!result && !check_record(check, store, last, key.mv_size))
            note_damaged(check, ZCXI_MEND_RECORD, database, name, &key, crc);
        if (result && result != MDB_NOTFOUND) status = zcxi_fail_lmdb(error, result, "cannot check");
    }
    zcxi_handle_free(store);
    return status;
}

/* False when it cannot be kept beside what else is there. */
static bool name_slot(struct zcxi_check *check, struct zcxi_env *env, const char *name,
                      const MDB_val *key, const MDB_val *value)
{
    struct zcxi_header header;
    char text[ZCXI_KEY_TEXT];
    if (zcxi_header_read(&header, value->mv_data, value->mv_size, key->mv_data, key->mv_size, NULL) ||
        !(header.flags & ZCXI_FLAG_SLOT))
        return true;
    zcxi_key_text(text, key->mv_data, key->mv_size);
    if (!zcxi_slot_exists(&env->board, header.slot)) {
        find(check, "error", ZCXI_MEND_RECORD, "%s in %s names slot %u, which is not there", text, name,
             header.slot);
        return false;
    }
    if (check->named[header.slot]) {
        find(check, "error", ZCXI_MEND_RECORD, "%s in %s names slot %u, as another record does", text,
             name, header.slot);
        return false;
    }
    check->named[header.slot] = 1;
    uint64_t word = atomic_load(&env->board.slots[header.slot].word);
    if (zcxi_word_state(word) == ZCXI_PUBLISHED) return true;
    bool lent = zcxi_word_state(word) == ZCXI_LOANED; /* who has it may have written to it */
    find(check, "error", lent ? ZCXI_MEND_RECORD : ZCXI_MEND_SLOT,
         "%s in %s names slot %u, whose state is %d", text, name, header.slot, zcxi_word_state(word));
    return !lent;
}

static zcx_status name_slots(struct zcxi_check *check, struct zcxi_env *env, MDB_txn *reader,
                             const struct zcxi_database *database, zcx_error *error)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int result = mdb_cursor_open(reader, database->handle, &cursor);
    if (result) return zcxi_fail_lmdb(error, result, "cannot check");
    while (!(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)))
        if (!name_slot(check, env, database->name, &key, &value))
            note_damaged(check, ZCXI_MEND_RECORD, database->handle, database->name, &key,
                         zcxi_crc32c(0, value.mv_data, value.mv_size));
    mdb_cursor_close(cursor);
    return result == MDB_NOTFOUND ? ZCX_OK : zcxi_fail_lmdb(error, result, "cannot check");
}

/* Of all databases at once: no slot goes from one record to another meanwhile. */
static zcx_status name_all_slots(struct zcxi_check *check, struct zcxi_env *env, MDB_txn *reader,
                                 zcx_error *error)
{
    zcx_status status = ZCX_OK;
    for (int i = 0; i < check->database_count && !status; i++)
        status = name_slots(check, env, reader, &check->databases[i], error);
    return status;
}

static void note_published(struct zcxi_check *check, struct zcxi_env *env)
{
    uint32_t slots = atomic_load(&env->board.header->slots);
    for (uint32_t slot = 1; slot < slots && slot < env->board.slots_max; slot++) {
        uint64_t word = atomic_load(&env->board.slots[slot].word);
        if (zcxi_word_state(word) == ZCXI_PUBLISHED) check->before[slot] = word;
    }
}

bool zcxi_slot_sound(struct zcxi_env *env, MDB_txn *transaction, uint32_t number, uint64_t *page,
                     uint32_t *pages)
{
    return !zcxi_env_read_slot(env, transaction, number, page, pages, NULL);
}

static void check_slot(struct zcxi_check *check, struct zcxi_env *env, MDB_txn *reader, uint32_t slot)
{
    const struct zcxi_slot *entry = &env->board.slots[slot];
    uint64_t page, word = atomic_load(&entry->word);
    uint32_t pages;
    enum zcxi_state state = zcxi_word_state(word);
    bool invalid = state == ZCXI_NONE || state > ZCXI_RETIRED;
    if (!zcxi_slot_sound(env, reader, slot, &page, &pages)) {
        bool kept = state == ZCXI_PUBLISHED || state == ZCXI_LOANED;
        find(check, kept ? "info" : "error", kept ? ZCXI_MEND_NOTHING : ZCXI_MEND_SLOT,
             "slot %u has no sound value in zcx.slots%s", slot, kept ? ", and is not lent any more" : "");
        return;
    }
    if (invalid)
        find(check, "error", ZCXI_MEND_SLOT, "slot %u has no valid state: %#" PRIx64, slot, word);
    if (entry->page != page || entry->pages != pages)
        find(check, "error", ZCXI_MEND_SLOT,
             "slot %u is %u pages at %" PRIu64 ", but the board has %u at %" PRIu64, slot, pages, page,
             entry->pages, entry->page);
    if (check->before[slot] && check->before[slot] == word && !check->named[slot])
        find(check, "error", ZCXI_MEND_SLOT,
             "slot %u of %u pages is published, but no record names it", slot, pages);
}

static zcx_status check_slots(struct zcxi_check *check, struct zcxi_env *env, zcx_error *error)
{
    MDB_txn *reader;
    uint32_t index, slots = atomic_load(&env->board.header->slots);
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    for (uint32_t slot = 1; slot < slots && slot < env->board.slots_max; slot++)
        check_slot(check, env, reader, slot);
    zcxi_reader_give(env, index);
    return ZCX_OK;
}

static void check_processes(struct zcxi_check *check, struct zcxi_env *env)
{
    for (uint32_t owner = 0; owner < ZCXI_OWNERS; owner++)
        if (atomic_load(&env->board.owners[owner].state) && !zcxi_owner_alive(env, owner))
            find(check, "info", ZCXI_MEND_PROCESS, "process %d (%.15s) died",
                 env->board.owners[owner].pid, env->board.owners[owner].command);
    uint32_t readers = zcxi_readers_stale(env);
    if (readers)
        find(check, "info", ZCXI_MEND_READERS, "%u of LMDB's readers belong to processes that died",
             readers);
}

static zcx_status check_requests(struct zcxi_check *check, struct zcxi_env *env, zcx_error *error)
{
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val key, value;
    uint32_t index;
    char text[ZCXI_KEY_TEXT];
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    int result = mdb_cursor_open(reader, env->queue_db, &cursor);
    if (!result) {
        while (!(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
            if (zcxi_request_sound(&key, &value)) continue;
            find(check, "error", ZCXI_MEND_REQUEST, "%s in zcx.queue is no request that can be read",
                 zcxi_key_text(text, key.mv_data, key.mv_size));
            note_damaged(check, ZCXI_MEND_REQUEST, env->queue_db, "zcx.queue", &key,
                         zcxi_crc32c(0, value.mv_data, value.mv_size));
        }
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
    return result == MDB_NOTFOUND ? ZCX_OK : zcxi_fail_lmdb(error, result, "cannot read zcx.queue");
}

zcx_status zcxi_check(struct zcxi_check *check, struct zcxi_env *env, zcx_error *error)
{
    *check = (struct zcxi_check){.findings = json_array(), .sound = true};
    check->named = calloc(env->board.slots_max, sizeof *check->named);
    check->before = calloc(env->board.slots_max, sizeof *check->before);
    if (!check->named || !check->before)
        return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to check %s", env->path);
    note_published(check, env);
    zcx_status status = look_locked(check, env, check_tree, error);
    if (!status) status = zcxi_env_lock(env, error);
    if (status) return status;
    status = zcxi_list_databases(env, &check->databases, &check->database_count, error);
    zcxi_env_unlock(env);
    for (int i = 0; i < check->database_count && !status; i++)
        status = check_database(env, check->databases[i].handle, check->databases[i].name, check, error);
    if (!status) status = look_locked(check, env, name_all_slots, error);
    if (!status) status = check_slots(check, env, error);
    if (!status) status = check_requests(check, env, error);
    if (!status) check_processes(check, env);
    if (check->found > FINDINGS_MOST)
        json_array_append_new(check->findings,
                              json_pack("{ssso}", "level", "info", "text",
                                        json_sprintf("and %zu more", check->found - FINDINGS_MOST)));
    return status;
}

void zcxi_check_end(struct zcxi_check *check)
{
    json_decref(check->findings);
    free(check->damaged);
    free(check->databases);
    free(check->named);
    free(check->before);
}

zcx_status zcx_store_check(char **json, zcx_store *store, zcx_error *error)
{
    struct zcxi_check check;
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_env_fresh(store->env, error);
    if (status) return status;
    status = zcxi_check(&check, store->env, error);
    json_t *report = json_pack("{sbsIsO}", "sound", check.sound, "records",
                               (json_int_t)check.records, "findings", check.findings);
    char *text = status ? NULL : json_dumps(report, JSON_COMPACT);
    json_decref(report);
    zcxi_check_end(&check);
    if (status) return status;
    if (!text) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for the report of a check");
    *json = text;
    return ZCX_OK;
}
