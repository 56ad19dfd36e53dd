#include "holders.h"
#include "owners.h"
#include "readers.h"
#include "record.h"
#include "walk.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What `zcx doctor` reads: is every record sound, and does every slot have exactly one state? */

struct check {
    json_t *findings;
    bool sound;
    uint64_t records;
    uint8_t *named;   /* by slot: how many records name it */
    uint64_t *before; /* by slot: its word before the records were looked through, if published */
};

__attribute__((format(printf, 4, 5))) static void find(struct check *check, const char *level,
                                                       const char *advice, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (strcmp(level, "info")) check->sound = false;
    json_array_append_new(check->findings, json_pack("{ssss*ss*}", "level", level, "text", text,
                                                     "advice", advice));
}

static const char *const overwrite = "delete the key, or publish it again";
static const char *const rebuild = "end all processes that have the store open, then remove its file "
                                   "\"board\": the next one to open the store rebuilds it";

/* Through a view of its own, so that the payload can be looked at while the store goes on. */
static void check_record(struct check *check, zcx_store *store, const void *key, size_t key_length)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_view *view;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_status status = zcx_store_view(&view, store, key, key_length, &error);
    check->records++;
    if (status == ZCX_ENOTFOUND || status == ZCX_EEXPIRED) return; /* since the scan */
    if (!status) {
        status = zcx_view_envelope(view, &envelope, &error);
        if (!status && envelope.flags & ZCX_FLAG_CHECKSUM) status = zcx_view_verify(view, &error);
        zcx_view_release(view);
    }
    if (status) find(check, "error", overwrite, "%s", error.message);
}

static zcx_status check_database(struct zcxi_env *env, MDB_dbi database, const char *name,
                                 void *context, zcx_error *error)
{
    struct check *check = context;
    zcx_store *store = zcxi_handle_make(name);
    if (!store) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to check %s", env->path);
    store->env = env;
    store->database = database;
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val key = {0, NULL}, value;
    uint32_t index;
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
        key.mv_data = last;
        zcxi_reader_give(env, index);
        if (!result) check_record(check, store, last, key.mv_size);
        else if (result != MDB_NOTFOUND) status = zcxi_fail_lmdb(error, result, "cannot check");
    }
    zcxi_handle_free(store);
    return status;
}

/* Which slots the records name: in one snapshot, under the lock, so that words and records agree. */
static zcx_status name_slots(struct zcxi_env *env, MDB_dbi database, const char *name,
                             void *context, zcx_error *error)
{
    struct check *check = context;
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val key, value;
    uint32_t index;
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    status = zcxi_reader_take(env, &reader, &index, error);
    if (status) goto done;
    int result = mdb_cursor_open(reader, database, &cursor);
    if (result) {
        status = zcxi_fail_lmdb(error, result, "cannot check");
        goto read;
    }
    while (!(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        struct zcxi_header header;
        char text[ZCXI_KEY_TEXT];
        if (zcxi_header_read(&header, value.mv_data, value.mv_size, key.mv_data, key.mv_size, NULL) ||
            !(header.flags & ZCXI_FLAG_SLOT))
            continue;
        zcxi_key_text(text, key.mv_data, key.mv_size);
        if (!zcxi_slot_exists(&env->board, header.slot)) {
            find(check, "error", overwrite, "%s in %s names slot %u, which is not there", text, name,
                 header.slot);
            continue;
        }
        uint64_t word = atomic_load(&env->board.slots[header.slot].word);
        if (zcxi_word_state(word) != ZCXI_PUBLISHED)
            find(check, "error", overwrite, "%s in %s names slot %u, whose state is %d", text, name,
                 header.slot, zcxi_word_state(word));
        if (check->named[header.slot]++)
            find(check, "error", overwrite, "%s in %s names slot %u, as another record does", text,
                 name, header.slot);
    }
    if (result != MDB_NOTFOUND) status = zcxi_fail_lmdb(error, result, "cannot check");
    mdb_cursor_close(cursor);
read:
    zcxi_reader_give(env, index);
done:
    zcxi_env_unlock(env);
    return status;
}

static void note_published(struct check *check, struct zcxi_env *env)
{
    uint32_t slots = atomic_load(&env->board.header->slots);
    for (uint32_t slot = 1; slot < slots && slot < env->board.slots_max; slot++) {
        uint64_t word = atomic_load(&env->board.slots[slot].word);
        if (zcxi_word_state(word) == ZCXI_PUBLISHED) check->before[slot] = word;
    }
}

static void check_slots(struct check *check, struct zcxi_env *env)
{
    uint32_t slots = atomic_load(&env->board.header->slots);
    for (uint32_t slot = 1; slot < slots && slot < env->board.slots_max; slot++) {
        uint64_t word = atomic_load(&env->board.slots[slot].word);
        enum zcxi_state state = zcxi_word_state(word);
        if (state == ZCXI_NONE || state > ZCXI_RETIRED)
            find(check, "error", NULL, "slot %u has no valid state: %#" PRIx64, slot, word);
        if (check->before[slot] && check->before[slot] == word && !check->named[slot])
            find(check, "error", rebuild, "slot %u of %u pages is published, but no record names it",
                 slot, env->board.slots[slot].pages);
    }
    for (uint32_t owner = 0; owner < ZCXI_OWNERS; owner++)
        if (atomic_load(&env->board.owners[owner].state) && !zcxi_owner_alive(env, owner))
            find(check, "info", "zcx sweep frees what it held", "process %d (%.15s) died",
                 env->board.owners[owner].pid, env->board.owners[owner].command);
}

zcx_status zcx_store_check(char **json, zcx_store *store, zcx_error *error)
{
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_env_fresh(store->env, error);
    if (status) return status;
    struct zcxi_env *env = store->env;
    struct check check = {.findings = json_array(), .sound = true};
    check.named = calloc(env->board.slots_max, sizeof *check.named);
    check.before = calloc(env->board.slots_max, sizeof *check.before);
    if (!check.named || !check.before) {
        status = zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to check %s", env->path);
        goto done;
    }
    note_published(&check, env);
    status = zcxi_walk_databases(env, check_database, &check, error);
    if (!status) status = zcxi_walk_databases(env, name_slots, &check, error);
    if (!status) check_slots(&check, env);
done:
    free(check.named);
    free(check.before);
    json_t *report = json_pack("{sbsIso}", "sound", check.sound, "records",
                               (json_int_t)check.records, "findings", check.findings);
    char *text = status ? NULL : json_dumps(report, JSON_COMPACT);
    json_decref(report);
    if (status) return status;
    if (!text) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for the report of a check");
    *json = text;
    return ZCX_OK;
}
