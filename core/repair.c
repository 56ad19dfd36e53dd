/* What `zcx doctor --repair` does about what a check found. Each thing is looked at again under the
 * mutex, while the store goes on. */
#include "check.h"
#include "journal.h"
#include "owners.h"
#include "queue.h"
#include "readers.h"
#include "record.h"
#include "room.h"
#include "walk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- slots -------------------------------------------------------------------------------------------- */

struct naming { /* by slot: the generation that the first record to name it says, and whether one does */
    uint32_t generation;
    bool named;
};

struct settling {
    struct zcxi_env *env;
    MDB_txn *reader;
    struct naming *namings;
    uint64_t settled;
};

static zcx_status note_namings(struct settling *what, MDB_dbi database, zcx_error *error)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int result = mdb_cursor_open(what->reader, database, &cursor);
    if (result) return zcxi_fail_lmdb(error, result, "cannot repair");
    while (!(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        struct zcxi_header header;
        if (zcxi_header_read(&header, value.mv_data, value.mv_size, key.mv_data, key.mv_size, NULL) ||
            !(header.flags & ZCXI_FLAG_SLOT) || header.slot >= what->env->board.slots_max ||
            what->namings[header.slot].named)
            continue;
        what->namings[header.slot] = (struct naming){header.generation, true};
    }
    mdb_cursor_close(cursor);
    return result == MDB_NOTFOUND ? ZCX_OK : zcxi_fail_lmdb(error, result, "cannot repair");
}

/* What the word should be, as the records and zcx.slots have it; the same when it may stay. A slot
 * without a sound value stays published for ever, so that nobody is lent it: what its pages are, is not
 * known. */
static uint64_t wanted_word(const struct naming *naming, uint64_t word, bool sound)
{
    enum zcxi_state state = zcxi_word_state(word);
    uint32_t generation = zcxi_word_generation(word);
    bool invalid = state == ZCXI_NONE || state > ZCXI_RETIRED, backed = word & ZCXI_BACKED;
    if (state == ZCXI_LOANED) return word; /* its owner's */
    if (!sound) return state == ZCXI_PUBLISHED ? word : zcxi_word_idle(ZCXI_PUBLISHED, generation, backed);
    if (naming->named && invalid) return zcxi_word_idle(ZCXI_PUBLISHED, naming->generation, false);
    if (naming->named && naming->generation == generation && state != ZCXI_PUBLISHED)
        return zcxi_word_idle(ZCXI_PUBLISHED, generation, backed);
    if (invalid || (!naming->named && state == ZCXI_PUBLISHED))
        return zcxi_word_idle(ZCXI_RETIRED, generation, backed && !invalid);
    return word;
}

/* Nobody commits meanwhile, but a free slot may be lent: who comes first has it. */
static void settle_slot(struct settling *what, uint32_t number)
{
    struct zcxi_env *env = what->env;
    struct zcxi_slot *slot = &env->board.slots[number];
    uint64_t page, word = atomic_load(&slot->word);
    uint32_t pages;
    bool sound = zcxi_slot_sound(env, what->reader, number, &page, &pages);
    uint64_t wanted = wanted_word(&what->namings[number], word, sound);
    bool moved = sound && zcxi_word_state(word) != ZCXI_LOANED &&
                 (slot->page != page || slot->pages != pages);
    if (moved) {
        slot->page = page;
        slot->pages = pages;
        slot->class = (uint8_t)zcxi_class_of(pages);
    }
    if (zcxi_word_state(wanted) == ZCXI_RETIRED && wanted != word)
        atomic_store(&slot->retired, zcxi_env_last_transaction(env, NULL));
    bool turned = wanted != word && atomic_compare_exchange_strong(&slot->word, &word, wanted);
    if (turned && zcxi_word_state(wanted) == ZCXI_RETIRED) zcxi_slot_offer(&env->board, number);
    what->settled += turned || moved;
}

/* In one hold of the mutex, so that words and records agree. */
static zcx_status settle_slots(struct zcxi_env *env, uint64_t *settled, zcx_error *error)
{
    struct settling what = {.env = env};
    struct zcxi_database *databases = NULL;
    int count = 0;
    uint32_t index;
    what.namings = calloc(env->board.slots_max, sizeof *what.namings);
    if (!what.namings) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to repair %s", env->path);
    zcx_status status = zcxi_env_lock(env, error);
    if (status) goto done;
    status = zcxi_list_databases(env, &databases, &count, error);
    if (!status) status = zcxi_reader_take(env, &what.reader, &index, error);
    if (status) goto unlock;
    for (int i = 0; i < count && !status; i++)
        status = note_namings(&what, databases[i].handle, error);
    uint32_t slots = atomic_load(&env->board.header->slots);
    for (uint32_t slot = 1; slot < slots && slot < env->board.slots_max && !status; slot++)
        settle_slot(&what, slot);
    zcxi_reader_give(env, index);
    zcxi_room_recount(env);
    *settled = what.settled;
unlock:
    zcxi_env_unlock(env);
done:
    free(databases);
    free(what.namings);
    return status;
}

/* ---- records and requests ------------------------------------------------------------------------------- */

struct removal {
    const struct zcxi_damaged *damaged;
    bool removed;
};

/* If it still is what was found. Its slot, if it has one, is left to settle_slots, which knows whether
 * it may be lent again. */
static zcx_status remove_damaged(struct zcxi_env *env, MDB_txn *transaction, void *context,
                                 zcx_error *error)
{
    struct removal *removal = context;
    const struct zcxi_damaged *damaged = removal->damaged;
    MDB_val key = {damaged->key_length, (void *)damaged->key}, value;
    (void)env;
    removal->removed = false;
    int result = mdb_get(transaction, damaged->database, &key, &value);
    if (result == MDB_NOTFOUND) return ZCX_OK;
    if (!result && zcxi_crc32c(0, value.mv_data, value.mv_size) != damaged->crc) return ZCX_OK;
    if (!result) result = mdb_del(transaction, damaged->database, &key, NULL);
    if (result) return zcxi_fail_lmdb(error, result, "cannot delete a damaged record");
    removal->removed = true;
    return ZCX_OK;
}

static zcx_status remove_all(struct zcxi_env *env, const struct zcxi_check *check, bool records,
                             json_t *repaired, zcx_error *error)
{
    zcx_status status = ZCX_OK;
    for (size_t i = 0; i < check->count && !status; i++) {
        struct removal removal = {.damaged = &check->damaged[i]};
        const struct zcxi_damaged *damaged = removal.damaged;
        char text[ZCXI_KEY_TEXT];
        if (damaged->mend == ZCXI_MEND_RECORD && !records) continue;
        status = zcxi_transact(env, &(struct zcxi_need){.changes = 1}, remove_damaged, &removal, error);
        if (!removal.removed || status) continue;
        zcxi_key_text(text, damaged->key, damaged->key_length);
        json_array_append_new(repaired, json_sprintf("deleted %s from %s", text, damaged->name));
    }
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------------------- */

static zcx_status free_the_deads(struct zcxi_env *env, json_t *repaired, zcx_error *error)
{
    int readers = 0;
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    uint32_t owners = zcxi_owners_reap(env);
    zcxi_env_unlock(env);
    if (owners)
        json_array_append_new(repaired, json_sprintf("freed what %u dead processes held", owners));
    int result = mdb_reader_check(env->lmdb, &readers);
    if (result) return zcxi_fail_lmdb(error, result, "cannot check LMDB's readers");
    if (readers) json_array_append_new(repaired, json_sprintf("cleared %d readers", readers));
    return zcxi_queue_revive(env, error);
}

static zcx_status repair(struct zcxi_env *env, uint32_t flags, json_t *repaired, zcx_error *error)
{
    struct zcxi_check check;
    uint64_t settled = 0;
    zcx_status status = zcxi_check(&check, env, error);
    if (!status) status = free_the_deads(env, repaired, error);
    if (!status) status = remove_all(env, &check, flags & ZCX_REPAIR_RECORDS, repaired, error);
    if (!status && !check.sound) status = settle_slots(env, &settled, error);
    if (settled)
        json_array_append_new(repaired, json_sprintf("set %lu slots right", (unsigned long)settled));
    zcxi_check_end(&check);
    return status;
}

zcx_status zcx_store_repair(char **json, zcx_store *store, uint32_t flags, zcx_error *error)
{
    char *text = NULL, *left = NULL;
    zcx_status status = zcxi_store_enter(store, error);
    if (status) return status;
    if (flags & ~ZCX_REPAIR_RECORDS)
        return zcxi_fail(error, ZCX_EINVAL, 0, "repair flags %#x are not known", flags);
    zcxi_env_assert_locks(store->env);
    status = zcxi_env_fresh(store->env, error);
    json_t *repaired = json_array(), *report = NULL;
    if (!status) status = repair(store->env, flags, repaired, error);
    if (!status) status = zcx_store_check(&left, store, error);
    if (!status) {
        report = json_loads(left, 0, NULL);
        json_object_set(report, "repaired", repaired);
        text = json_dumps(report, JSON_COMPACT);
        if (!text) status = zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for the report of a repair");
    }
    json_decref(report);
    json_decref(repaired);
    zcx_free(left);
    if (!status) *json = text;
    return status;
}
