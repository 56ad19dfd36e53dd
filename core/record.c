#include "record.h"

#include "clock.h"
#include "group.h"
#include "journal.h"
#include "wait.h"

#include <stdlib.h>
#include <string.h>

/* ---- making one ---------------------------------------------------------------------------------------- */

static zcx_status expiry(uint64_t *expires, int64_t ttl_ms, uint64_t now, zcx_error *error)
{
    if (ttl_ms == ZCX_TTL_NEVER) {
        *expires = 0;
        return ZCX_OK;
    }
    if (ttl_ms == ZCX_TTL_DEFAULT) ttl_ms = ZCX_TTL_DEFAULT_MS;
    if (ttl_ms < 0 || (uint64_t)ttl_ms > (UINT64_MAX - now) / ZCXI_MS)
        return zcxi_fail(error, ZCX_EINVAL, 0, "a time to live of %ld ms is not one",
                         (long)ttl_ms);
    *expires = now + (uint64_t)ttl_ms * ZCXI_MS;
    return ZCX_OK;
}

zcx_status zcxi_record_make(struct zcxi_record *record, const zcx_envelope *envelope,
                            uint64_t length, zcx_error *error)
{
    static const zcx_envelope plain = ZCX_ENVELOPE_INIT;
    if (!envelope) envelope = &plain;
    if (envelope->struct_size != sizeof *envelope)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the envelope's struct_size is %zu, not %zu",
                         envelope->struct_size, sizeof *envelope);
    if (length > ZCX_PAYLOAD_MAX)
        return zcxi_fail(error, ZCX_ELIMIT, 0, "a payload of %lu bytes is over the limit of %lu",
                         (unsigned long)length, (unsigned long)ZCX_PAYLOAD_MAX);

    size_t extras;
    const size_t fixed = sizeof record->header;
    record->bytes = record->small;
    zcx_error small = ZCX_ERROR_INIT;
    zcx_status status = zcxi_extras_encode(record->small + fixed, sizeof record->small - fixed,
                                           &extras, envelope, length, &small);
    if (status == ZCX_ELIMIT) { /* a dtype of very many fields: once more, with all the room there is */
        record->bytes = malloc(fixed + ZCXI_EXTRAS_MAX);
        if (!record->bytes) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for an envelope");
        status = zcxi_extras_encode(record->bytes + fixed, ZCXI_EXTRAS_MAX, &extras, envelope,
                                    length, error);
    } else if (status && error && !error->status) {
        *error = small;
    }
    uint64_t now = zcxi_now(), expires = 0;
    if (!status) status = expiry(&expires, envelope->ttl_ms, now, error);
    if (status) {
        zcxi_record_free(record);
        return status;
    }
    record->slot = 0;
    record->size = fixed + extras;
    record->header = (struct zcxi_header){
        .format = (uint8_t)envelope->format,
        .flags = (uint16_t)(envelope->flags & (ZCX_FLAG_ERROR | ZCX_FLAG_CHECKSUM)),
        .header_length = (uint32_t)record->size,
        .payload_length = length,
        .created = now,
        .expires = expires,
    };
    return ZCX_OK;
}

void zcxi_record_free(struct zcxi_record *record)
{
    if (record->bytes != record->small) free(record->bytes);
    record->bytes = record->small;
}

bool zcxi_record_fits(const struct zcxi_env *env, const struct zcxi_record *record,
                      size_t key_length)
{
    uint64_t node = 8 + key_length + record->header.header_length;
    return node <= env->leaf_most && record->header.payload_length <= env->leaf_most - node;
}

static void add_checksum(struct zcxi_record *record, const void *data)
{
    if (record->header.flags & ZCX_FLAG_CHECKSUM)
        record->header.payload_crc = zcxi_crc32c(0, data, record->header.payload_length);
}

zcx_status zcxi_record_inline(struct zcxi_record *record, const void *data, zcx_error *error)
{
    size_t head = record->header.header_length, length = record->header.payload_length;
    if (record->bytes == record->small && head + length > sizeof record->small) {
        uint8_t *larger = malloc(head + length);
        if (!larger) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a record");
        memcpy(larger, record->small, head);
        record->bytes = larger;
    }
    record->header.payload_offset = head;
    record->size = head + length;
    if (length) memcpy(record->bytes + head, data, length);
    add_checksum(record, data);
    return ZCX_OK;
}

void zcxi_record_in_slot(struct zcxi_record *record, const zcx_loan *loan)
{
    record->slot = loan->slot;
    record->header.flags |= ZCXI_FLAG_SLOT;
    record->header.payload_offset = zcxi_payload_offset(loan->store->env);
    record->header.slot = loan->slot;
    record->header.generation = zcxi_word_generation(loan->word);
    add_checksum(record, loan->data);
}

/* ---- putting and deleting, in a transaction -------------------------------------------------------------- */

/* The slot that the record at the cursor has, if it is sound: to be retired with it. A record that
 * is not sound is replaced all the same; its slot is left to `zcx doctor`. */
static void retire_old(struct zcxi_env *env, const MDB_val *key, const MDB_val *old)
{
    struct zcxi_header header;
    if (zcxi_header_read(&header, old->mv_data, old->mv_size, key->mv_data, key->mv_size, NULL))
        return;
    if (!(header.flags & ZCXI_FLAG_SLOT) || !zcxi_slot_exists(&env->board, header.slot)) return;
    uint64_t word = atomic_load(&env->board.slots[header.slot].word);
    if (zcxi_word_generation(word) == header.generation)
        zcxi_journal_add(env, header.slot, ZCXI_RETIRE);
}

zcx_status zcxi_record_put(struct zcxi_env *env, MDB_txn *transaction, MDB_dbi database,
                           const void *key, size_t key_length, struct zcxi_record *record,
                           zcx_error *error)
{
    MDB_val where = {key_length, (void *)key}, value, found = {key_length, (void *)key};
    MDB_cursor *cursor;
    int result = mdb_cursor_open(transaction, database, &cursor);
    if (result) return zcxi_fail_lmdb(error, result, "cannot open a cursor");
    unsigned flags = 0;
    result = mdb_cursor_get(cursor, &found, &value, MDB_SET);
    if (!result) {
        retire_old(env, &where, &value);
        flags = MDB_CURRENT;
    }
    if (record->slot) zcxi_journal_add(env, record->slot, ZCXI_PUBLISH);
    env->board.header->journal.records++;
    size_t head = record->header.header_length;
    record->header.transaction = mdb_txn_id(transaction);
    zcxi_header_seal(&record->header, record->bytes + sizeof record->header,
                     head - sizeof record->header);
    memcpy(record->bytes, &record->header, sizeof record->header);
    value = (MDB_val){record->size, record->bytes};
    if (!result || result == MDB_NOTFOUND) result = mdb_cursor_put(cursor, &where, &value, flags);
    mdb_cursor_close(cursor);
    return result ? zcxi_fail_lmdb(error, result, "cannot put a record") : ZCX_OK;
}

zcx_status zcxi_record_delete(struct zcxi_env *env, MDB_txn *transaction, MDB_dbi database,
                              const void *key, size_t key_length, uint64_t only_expired,
                              bool *deleted, bool *live, zcx_error *error)
{
    MDB_val where = {key_length, (void *)key}, value;
    MDB_cursor *cursor;
    struct zcxi_header header;
    *deleted = *live = false;
    int result = mdb_cursor_open(transaction, database, &cursor);
    if (result) return zcxi_fail_lmdb(error, result, "cannot open a cursor");
    result = mdb_cursor_get(cursor, &where, &value, MDB_SET);
    if (!result) {
        bool sound = !zcxi_header_read(&header, value.mv_data, value.mv_size, key, key_length, NULL);
        *live = !sound || !zcxi_expired(&header, only_expired ? only_expired : zcxi_now());
        *deleted = !only_expired || !*live;
    }
    if (*deleted) {
        retire_old(env, &where, &value);
        result = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    if (!result || result == MDB_NOTFOUND) return ZCX_OK;
    *deleted = false;
    return zcxi_fail_lmdb(error, result, "cannot delete a record");
}

/* ---- one record, one transaction ---------------------------------------------------------------------------- */

struct publishing {
    MDB_dbi database;
    const void *key;
    size_t key_length;
    struct zcxi_record *record;
    const zcx_loan *loan;
    const struct zcxi_also *also;
};

static zcx_status publish(struct zcxi_env *env, MDB_txn *transaction, void *context,
                          zcx_error *error)
{
    const struct publishing *what = context;
    zcx_status status = what->loan ? zcxi_loan_check(what->loan, error) : ZCX_OK;
    if (!status) /* first: a tree whose last record goes gives its root page back */
        status = zcxi_record_put(env, transaction, what->database, what->key, what->key_length,
                                 what->record, error);
    if (status || !what->also) return status;
    return what->also->work(env, transaction, what->also->context, error);
}

zcx_status zcxi_record_publish(zcx_store *store, const void *key, size_t key_length,
                               struct zcxi_record *record, const zcx_loan *loan,
                               const struct zcxi_also *also, uint64_t *transaction,
                               zcx_error *error)
{
    struct publishing what = {store->database, key, key_length, record, loan, also};
    bool reserve = loan || record->header.flags & ZCX_FLAG_ERROR;
    struct zcxi_need need = {.changes = 1, .bytes = reserve ? 0 : record->size};
    if (also) {
        need.changes += also->changes;
        need.bytes += also->bytes;
    }
    uint32_t hash = zcxi_wait_hash(store->name, key, key_length);
    /* A request's key is its transaction: it has one of its own. */
    zcx_status status = also ? zcxi_transact(store->env, &need, publish, &what, error)
                             : zcxi_transact_one(store->env, &need, hash, publish, &what, error);
    if (status) return status;
    ZCXI_POINT(publish.committed);
    zcxi_wake(store->env, hash);
    if (transaction) *transaction = record->header.transaction;
    return ZCX_OK;
}
