#include "copier.h"

#include "journal.h"
#include "queue.h"
#include "readers.h"
#include "record.h"
#include "room.h"
#include "walk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS 1024                /* of one transaction of the target */
#define PAYLOADS (UINT64_C(64) << 20) /* bytes of one */
#define STRIDE (UINT64_C(4) << 20)  /* bytes between two reports of progress */
#define AHEAD 256                   /* pages that a tree may grow by, besides one or two a change */

struct zcxi_held {
    uint32_t slot, pages; /* the source's slot; the target's pages */
    uint64_t from, length; /* bytes of the source's data.mdb */
};

static const uint32_t no_generation = 0; /* of all slots of a backup */

/* ---- the target --------------------------------------------------------------------------------------- */

/* A transaction that has memory under all that it may write: a full disk is an error here. */
static zcx_status begin(struct zcxi_copier *copier, MDB_txn **out, uint64_t changes, uint64_t pages,
                        zcx_error *error)
{
    MDB_envinfo info;
    const uint64_t size = copier->env->page_size;
    mdb_env_info(copier->target, &info);
    uint64_t from = info.me_last_pgno + 1, count = pages + 2 * changes + AHEAD;
    if ((from + count) * size > copier->env->map_size)
        return zcxi_fail(error, ZCX_EFULL, 0, "the backup does not fit a map of %lu bytes",
                         (unsigned long)copier->env->map_size);
    int result = zcxi_allocate(copier->file, from * size, count * size);
    if (result) return zcxi_fail_errno(error, result, "cannot write a backup of", copier->env->path);
    result = mdb_txn_begin(copier->target, NULL, 0, out);
    return result ? zcxi_fail_lmdb(error, result, "cannot write a backup") : ZCX_OK;
}

static zcx_status commit(MDB_txn *transaction, zcx_error *error)
{
    int result = mdb_txn_commit(transaction);
    return result ? zcxi_fail_lmdb(error, result, "cannot write a backup") : ZCX_OK;
}

/* Its transactions go on from the snapshot's: who waits for a later one than he knows of, and the keys
 * of requests, count on that. */
static zcx_status begin_target(struct zcxi_copier *copier, zcx_error *error)
{
    MDB_txn *transaction;
    zcx_status status = zcxi_meta_advance(copier->file, copier->env->page_size, copier->transaction, error);
    if (!status) status = begin(copier, &transaction, 4, 0, error);
    if (status) return status;
    int result = mdb_dbi_open(transaction, "zcx.slots", MDB_CREATE | MDB_INTEGERKEY, &copier->slots_db);
    if (!result) result = mdb_dbi_open(transaction, "zcx.queue", MDB_CREATE, &copier->queue_db);
    if (!result) return commit(transaction, error);
    mdb_txn_abort(transaction);
    return zcxi_fail_lmdb(error, result, "cannot write a backup");
}

/* ---- records ------------------------------------------------------------------------------------------- */

static zcx_status note_held(struct zcxi_copier *copier, const struct zcxi_held *held, zcx_error *error)
{
    if (copier->count == copier->capacity) {
        size_t capacity = copier->capacity ? copier->capacity * 2 : 1024;
        struct zcxi_held *grown = realloc(copier->held, capacity * sizeof *grown);
        if (!grown) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a backup");
        copier->held = grown;
        copier->capacity = capacity;
    }
    struct zcxi_env *env = copier->env;
    if (!zcxi_pin_add(&env->board, held->slot, env->self.owner))
        return zcxi_fail(error, ZCX_ELIMIT, 0, "slot %u has %u views in this process, the most",
                         held->slot, ZCXI_PINS_MOST);
    copier->held[copier->count++] = *held;
    copier->bytes += held->length;
    return ZCX_OK;
}

/* Pins the payload that a record names. No recycling can be under way: the snapshot is the last one at
 * a time when nobody committed. */
static zcx_status hold(struct zcxi_copier *copier, MDB_txn *reader, const struct zcxi_header *header,
                       zcx_error *error)
{
    struct zcxi_env *env = copier->env;
    uint64_t page;
    uint32_t pages;
    zcx_status status = zcxi_env_locate(env, reader, header->slot, &page, &pages, error);
    if (status) return status;
    uint64_t value = (uint64_t)pages * env->page_size - env->page_header;
    uint64_t word = zcxi_slot_exists(&env->board, header->slot)
                        ? atomic_load(&env->board.slots[header->slot].word)
                        : 0;
    bool kept = zcxi_word_state(word) == ZCXI_PUBLISHED || zcxi_word_state(word) == ZCXI_RETIRED;
    if (header->payload_offset > value || header->payload_length > value - header->payload_offset ||
        !kept || zcxi_word_generation(word) != header->generation)
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "its payload is not in slot %u", header->slot);
    const struct zcxi_held held = {
        .slot = header->slot,
        .pages = zcxi_class_pages(zcxi_class_of(zcxi_payload_pages(env, header->payload_length))),
        .from = page * env->page_size + env->page_header + header->payload_offset,
        .length = header->payload_length};
    return note_held(copier, &held, error);
}

struct put { /* into a database of the target */
    MDB_txn *transaction;
    MDB_dbi database;
};

static zcx_status put(const struct put *to, MDB_val *key, MDB_val *value, zcx_error *error)
{
    int result = mdb_put(to->transaction, to->database, key, value, MDB_APPEND);
    return result ? zcxi_fail_lmdb(error, result, "cannot write a backup") : ZCX_OK;
}

/* A record as it is, but for the slot that it names. */
static zcx_status put_renumbered(struct zcxi_copier *copier, const struct put *to, MDB_val *key,
                                 const MDB_val *value, struct zcxi_header *header, zcx_error *error)
{
    uint8_t *copy = malloc(value->mv_size);
    if (!copy) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a backup");
    memcpy(copy, value->mv_data, value->mv_size);
    header->slot = (uint32_t)copier->count;
    header->generation = no_generation;
    header->payload_offset = zcxi_payload_offset(copier->env);
    zcxi_header_seal(header, copy + sizeof *header, header->header_length - sizeof *header);
    memcpy(copy, header, sizeof *header);
    zcx_status status = put(to, key, &(MDB_val){value->mv_size, copy}, error);
    free(copy);
    return status;
}

static void leave_out(struct zcxi_copier *copier, const MDB_val *key, const char *why)
{
    char name[ZCXI_KEY_TEXT];
    zcxi_key_text(name, key->mv_data, key->mv_size);
    json_array_append_new(copier->left_out, json_sprintf("%s: %s", name, why));
}

static zcx_status copy_record(struct zcxi_copier *copier, MDB_txn *reader, const struct put *to,
                              MDB_val *key, MDB_val *value, zcx_error *error)
{
    struct zcxi_header header;
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = zcxi_header_read(&header, value->mv_data, value->mv_size, key->mv_data,
                                         key->mv_size, &why);
    bool in_slot = !status && header.flags & ZCXI_FLAG_SLOT;
    if (!status && zcxi_expired_by_now(&header)) return ZCX_OK;
    if (in_slot) status = hold(copier, reader, &header, &why);
    if (status == ZCX_ECORRUPT || status == ZCX_EVERSION) {
        leave_out(copier, key, why.message);
        return ZCX_OK;
    }
    if (status) {
        if (error && !error->status) *error = why;
        return status;
    }
    copier->records++;
    if (in_slot) return put_renumbered(copier, to, key, value, &header, error);
    copier->bytes += header.payload_length;
    copier->done += header.payload_length;
    return put(to, key, value, error);
}

static zcx_status copy_request(struct zcxi_copier *copier, MDB_txn *reader, const struct put *to,
                               MDB_val *key, MDB_val *value, zcx_error *error)
{
    (void)reader;
    if (!zcxi_request_sound(key, value)) {
        leave_out(copier, key, "it is no request that can be read");
        return ZCX_OK;
    }
    copier->requests += key->mv_size > 1; /* else zcxi_touch's mark */
    return put(to, key, value, error);
}

typedef zcx_status (*copy_function)(struct zcxi_copier *copier, MDB_txn *reader, const struct put *to,
                                    MDB_val *key, MDB_val *value, zcx_error *error);

/* From the key at the cursor on, as many as a transaction takes; *result is the cursor's. */
static zcx_status copy_some(struct zcxi_copier *copier, MDB_cursor *cursor, MDB_dbi database,
                            copy_function copy, MDB_val *key, MDB_val *value, int *result,
                            zcx_error *error)
{
    struct put to = {.database = database};
    zcx_status status = begin(copier, &to.transaction, RECORDS, 0, error);
    if (status) return status;
    for (int i = 0; i < RECORDS && !*result && !status; i++) {
        /* More than a leaf takes: a record with very many fields. */
        if (i && value->mv_size > copier->env->page_size) break;
        status = copy(copier, mdb_cursor_txn(cursor), &to, key, value, error);
        if (!status) *result = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    }
    if (!status) return commit(to.transaction, error);
    mdb_txn_abort(to.transaction);
    return status;
}

static zcx_status copy_database(struct zcxi_copier *copier, MDB_txn *reader, MDB_dbi from, MDB_dbi to,
                                copy_function copy, zcx_error *error)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    zcx_status status = ZCX_OK;
    int result = mdb_cursor_open(reader, from, &cursor);
    if (result) return zcxi_fail_lmdb(error, result, "cannot read the store");
    result = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (!result && !status)
        status = copy_some(copier, cursor, to, copy, &key, &value, &result, error);
    mdb_cursor_close(cursor);
    if (!status && result != MDB_NOTFOUND) status = zcxi_fail_lmdb(error, result, "cannot read the store");
    return status;
}

static zcx_status open_target_database(struct zcxi_copier *copier, MDB_dbi *out, const char *name,
                                       zcx_error *error)
{
    MDB_txn *transaction;
    zcx_status status = begin(copier, &transaction, 1, 0, error);
    if (status) return status;
    int result = mdb_dbi_open(transaction, name, MDB_CREATE, out);
    if (!result) return commit(transaction, error);
    mdb_txn_abort(transaction);
    return zcxi_fail_lmdb(error, result, "cannot write a backup");
}

static zcx_status copy_records(struct zcxi_copier *copier, zcx_error *error)
{
    struct zcxi_env *env = copier->env;
    struct zcxi_database *databases;
    MDB_txn *reader;
    uint32_t index;
    int count;
    zcx_status status = zcxi_env_lock(env, error); /* so the snapshot is nobody's oldest but one */
    if (status) return status;
    status = zcxi_list_databases(env, &databases, &count, error);
    if (!status) {
        status = zcxi_reader_take(env, &reader, &index, error);
        if (status) free(databases);
    }
    zcxi_env_unlock(env);
    if (status) return status;
    copier->transaction = mdb_txn_id(reader);
    status = begin_target(copier, error);
    for (int i = 0; i < count && !status; i++) {
        MDB_dbi to;
        status = open_target_database(copier, &to, databases[i].name, error);
        if (!status) status = copy_database(copier, reader, databases[i].handle, to, copy_record, error);
    }
    if (!status)
        status = copy_database(copier, reader, env->queue_db, copier->queue_db, copy_request, error);
    zcxi_reader_give(env, index);
    free(databases);
    return status;
}

/* ---- payloads --------------------------------------------------------------------------------------------- */

static zcx_status go_on(struct zcxi_copier *copier, uint64_t bytes, zcx_error *error)
{
    const zcx_backup_options *options = copier->options;
    copier->done += bytes;
    if (!options->progress || options->progress(options->context, copier->done, copier->bytes))
        return ZCX_OK;
    return zcxi_fail(error, ZCX_ECANCELLED, 0, "the backup of %s was stopped", copier->env->path);
}

static zcx_status copy_payload(struct zcxi_copier *copier, MDB_txn *transaction, size_t i,
                               zcx_error *error)
{
    const struct zcxi_env *env = copier->env;
    const struct zcxi_held *held = &copier->held[i];
    uint32_t number = (uint32_t)i + 1;
    MDB_val key = {sizeof number, &number};
    MDB_val value = {(size_t)held->pages * env->page_size - env->page_header, NULL};
    zcx_status status = ZCX_OK;
    int result = mdb_put(transaction, copier->slots_db, &key, &value, MDB_RESERVE | MDB_APPEND);
    if (result) return zcxi_fail_lmdb(error, result, "cannot write a backup");
    char *to = (char *)value.mv_data + zcxi_payload_offset(env);
    for (uint64_t at = 0; at < held->length && !status; at += STRIDE) {
        uint64_t part = held->length - at < STRIDE ? held->length - at : STRIDE;
        memcpy(to + at, env->reading + held->from + at, part);
        status = go_on(copier, part, error);
    }
    return status;
}

static void let_go(struct zcxi_copier *copier, size_t upto)
{
    for (; copier->copied < upto; copier->copied++)
        zcxi_pin_drop(&copier->env->board, copier->held[copier->copied].slot, copier->env->self.owner);
}

static zcx_status copy_payloads(struct zcxi_copier *copier, zcx_error *error)
{
    zcx_status status = ZCX_OK;
    while (copier->copied < copier->count && !status) {
        MDB_txn *transaction;
        size_t i = copier->copied, upto = i;
        uint64_t pages = 0, most = PAYLOADS / copier->env->page_size;
        do
            pages += copier->held[upto++].pages;
        while (upto < copier->count && upto - i < RECORDS && pages + copier->held[upto].pages < most);
        status = begin(copier, &transaction, upto - i, pages, error);
        if (status) break;
        for (; i < upto && !status; i++)
            status = copy_payload(copier, transaction, i, error);
        if (status)
            mdb_txn_abort(transaction);
        else
            status = commit(transaction, error);
        let_go(copier, status ? copier->copied : upto);
    }
    return status;
}

zcx_status zcxi_copy(struct zcxi_copier *copier, zcx_error *error)
{
    zcx_status status = copy_records(copier, error);
    return status ? status : copy_payloads(copier, error);
}

void zcxi_copier_end(struct zcxi_copier *copier)
{
    let_go(copier, copier->count);
    free(copier->held);
}
