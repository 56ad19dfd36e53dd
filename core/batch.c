#include "full.h"
#include "record.h"
#include "transact.h"
#include "wait.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NODE 10 /* bytes of an LMDB node beside its key and value */

struct change {
    size_t key_length;
    uint8_t *key;              /* memory of its own, as the record is */
    struct zcxi_record *record; /* NULL: delete */
    zcx_loan *loan;            /* of a record in a slot */
};

struct zcx_batch {
    zcx_store *store;
    struct change *changes;
    size_t count, capacity;
};

zcx_status zcx_store_batch(zcx_batch **out, zcx_store *store, zcx_error *error)
{
    zcx_status status = zcxi_store_enter(store, error);
    if (status) return status;
    zcx_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a batch");
    batch->store = store;
    atomic_fetch_add(&store->children, 1);
    *out = batch;
    return ZCX_OK;
}

/* A place for one more change, with its key copied. */
static zcx_status add(zcx_batch *batch, const void *key, size_t key_length, struct change **out,
                      zcx_error *error)
{
    zcx_status status = zcxi_store_enter(batch->store, error);
    if (!status) status = zcxi_key_check(key, key_length, error);
    if (status) return status;
    if (batch->count == ZCX_BATCH_MAX / 2) /* each may publish one slot and retire another */
        return zcxi_fail(error, ZCX_ELIMIT, 0, "a batch has at most %d changes", ZCX_BATCH_MAX / 2);
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity ? batch->capacity * 2 : 16;
        struct change *changes = realloc(batch->changes, capacity * sizeof *changes);
        if (!changes) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a batch");
        batch->changes = changes;
        batch->capacity = capacity;
    }
    struct change *change = &batch->changes[batch->count];
    *change = (struct change){.key_length = key_length, .key = malloc(key_length)};
    if (!change->key) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a batch");
    memcpy(change->key, key, key_length);
    *out = change;
    return ZCX_OK;
}

static void drop(struct change *change)
{
    if (change->record) zcxi_record_free(change->record);
    free(change->record);
    free(change->key);
}

zcx_status zcx_batch_publish(zcx_batch *batch, zcx_loan *loan, const void *key, size_t key_length,
                             uint64_t length, const zcx_envelope *envelope, zcx_error *error)
{
    struct change *change;
    zcx_status status = add(batch, key, key_length, &change, error);
    if (status) return status;
    if (loan->batched)
        status = zcxi_fail(error, ZCX_EINVAL, 0, "the loan belongs to a batch already");
    else if (loan->store->env != batch->store->env)
        status = zcxi_fail(error, ZCX_EINVAL, 0, "the loan is of %s, the batch of %s",
                           loan->store->env->path, batch->store->env->path);
    struct zcxi_record *record = status ? NULL : malloc(sizeof *record);
    if (!status && !record) status = zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a batch");
    if (!status) status = zcxi_loan_record(loan, record, key_length, length, envelope, error);
    if (status) {
        free(record);
        free(change->key);
        return status;
    }
    change->record = record;
    change->loan = loan;
    loan->batched = true;
    batch->count++;
    return ZCX_OK;
}

zcx_status zcx_batch_put(zcx_batch *batch, const void *key, size_t key_length, const void *data,
                         uint64_t length, const zcx_envelope *envelope, zcx_error *error)
{
    zcx_loan *loan;
    zcx_status status = zcx_store_loan(&loan, batch->store, length, 0, error);
    if (status) return status;
    zcx_copy(zcx_loan_data(loan), data, length);
    status = zcx_batch_publish(batch, loan, key, key_length, length, envelope, error);
    if (status) zcx_loan_discard(loan);
    return status;
}

zcx_status zcx_batch_delete(zcx_batch *batch, const void *key, size_t key_length, zcx_error *error)
{
    struct change *change;
    zcx_status status = add(batch, key, key_length, &change, error);
    if (!status) batch->count++;
    return status;
}

struct commit {
    zcx_batch *batch;
    uint64_t transaction;
    struct zcxi_need need;
};

static zcx_status apply(struct zcxi_env *env, MDB_txn *transaction, void *context,
                        zcx_error *error)
{
    struct commit *commit = context;
    zcx_batch *batch = commit->batch;
    MDB_dbi database = batch->store->database;
    zcx_status status = zcxi_board_back_journal(&env->board, (uint32_t)batch->count * 2, error);
    for (size_t i = 0; i < batch->count && !status; i++) {
        struct change *change = &batch->changes[i];
        bool deleted, live;
        if (change->loan) status = zcxi_loan_check(change->loan, error);
        if (status) break;
        if (change->record)
            status = zcxi_record_put(env, transaction, database, change->key, change->key_length,
                                     change->record, error);
        else
            status = zcxi_record_delete(env, transaction, database, change->key,
                                        change->key_length, 0, &deleted, &live, error);
    }
    commit->transaction = mdb_txn_id(transaction);
    return status;
}

static void end(zcx_batch *batch)
{
    zcx_store *store = batch->store;
    for (size_t i = 0; i < batch->count; i++)
        drop(&batch->changes[i]);
    free(batch->changes);
    free(batch);
    atomic_fetch_sub(&store->children, 1);
}

static zcx_status attempt(struct zcxi_env *env, void *context, bool last, zcx_error *error)
{
    struct commit *commit = context;
    (void)last;
    return zcxi_transact(env, &commit->need, apply, commit, error);
}

zcx_status zcx_batch_commit(zcx_batch *batch, uint64_t *transaction, zcx_error *error)
{
    struct commit commit = {batch, 0, {.changes = batch->count}};
    zcx_status status = zcxi_store_enter(batch->store, error);
    if (status) return status;
    for (size_t i = 0; i < batch->count; i++) {
        const struct change *change = &batch->changes[i];
        if (change->record) commit.need.bytes += NODE + change->key_length + change->record->size;
    }
    status = zcxi_until_room(batch->store->env, commit.need.bytes, 0, attempt, &commit, error);
    if (status) return status;
    for (size_t i = 0; i < batch->count; i++) {
        const struct change *change = &batch->changes[i];
        ZCXI_POINT(batch.waking);
        if (change->loan) zcxi_loan_end(change->loan);
        zcxi_wake(batch->store->env,
                  zcxi_wait_hash(batch->store->name, change->key, change->key_length));
    }
    if (transaction) *transaction = commit.transaction;
    end(batch);
    return ZCX_OK;
}

void zcx_batch_discard(zcx_batch *batch)
{
    if (!batch || !zcxi_env_alive(batch->store->env)) return;
    for (size_t i = 0; i < batch->count; i++) {
        zcx_loan *loan = batch->changes[i].loan;
        if (!loan) continue;
        loan->batched = false;
        zcx_loan_discard(loan);
    }
    end(batch);
}
