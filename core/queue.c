#include "queue.h"

#include "clock.h"
#include "journal.h"
#include "readers.h"
#include "record.h"
#include "wait.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys and heads -------------------------------------------------------------------------------------- */

MDB_val zcxi_request_key(uint8_t key[ZCX_KEY_MAX], const char *queue, uint64_t sequence)
{
    size_t length = strlen(queue) + 1;
    memcpy(key, queue, length);
    sequence = htobe64(sequence);
    memcpy(key + length, &sequence, sizeof sequence);
    return (MDB_val){length + sizeof sequence, key};
}

/* The ticket's queue points into the key. False for what is no request, such as zcxi_advance's. */
static bool read_key(struct zcxi_ticket *ticket, const MDB_val *key)
{
    uint64_t sequence;
    size_t name = key->mv_size - sizeof sequence;
    if (key->mv_size < 2 + sizeof sequence || name > ZCXI_QUEUE_NAME) return false;
    ticket->queue = key->mv_data;
    if (strnlen(ticket->queue, name) != name - 1) return false;
    memcpy(&sequence, ticket->queue + name, sizeof sequence);
    ticket->sequence = be64toh(sequence);
    return ticket->sequence != 0; /* a claim of it would be a free one */
}

bool zcxi_request_read(struct zcxi_request *request, const MDB_val *value)
{
    if (value->mv_size < sizeof *request || value->mv_size > ZCXI_REQUEST_MOST) return false;
    memcpy(request, value->mv_data, sizeof *request);
    return request->magic == ZCXI_REQUEST_MAGIC;
}

bool zcxi_request_sound(const MDB_val *key, const MDB_val *value)
{
    struct zcxi_ticket ticket;
    struct zcxi_request request;
    bool mark = key->mv_size == 1; /* zcxi_touch's */
    return mark || (read_key(&ticket, key) && zcxi_request_read(&request, value));
}

uint32_t zcxi_queue_hash(const char *queue)
{
    return zcxi_wait_hash("zcx.queue", queue, strlen(queue));
}

/* ---- in somebody's transaction ---------------------------------------------------------------------------- */

zcx_status zcxi_queue_push(struct zcxi_env *env, MDB_txn *transaction, struct zcxi_ticket *ticket,
                           const struct zcxi_request *from, uint8_t *value, size_t size,
                           zcx_error *error)
{
    uint8_t bytes[ZCX_KEY_MAX];
    const struct zcxi_request head = {.magic = ZCXI_REQUEST_MAGIC,
                                      .version = ZCXI_REQUEST_VERSION,
                                      .flags = from->flags,
                                      .input = from->input,
                                      .pushed = zcxi_now(),
                                      .deadline = from->deadline};
    memcpy(value, &head, sizeof head);
    ticket->sequence = mdb_txn_id(transaction);
    MDB_val key = zcxi_request_key(bytes, ticket->queue, ticket->sequence), what = {size, value};
    MDB_stat before;
    int result = mdb_stat(transaction, env->queue_db, &before);
    if (!result && !before.ms_entries) result = zcxi_touch(env, transaction);
    if (!result) result = mdb_put(transaction, env->queue_db, &key, &what, 0);
    return result ? zcxi_fail_lmdb(error, result, "cannot push a request") : ZCX_OK;
}

zcx_status zcxi_queue_finish(struct zcxi_env *env, MDB_txn *transaction,
                             const struct zcxi_ticket *ticket, bool ours, bool *owned,
                             zcx_error *error)
{
    uint8_t bytes[ZCX_KEY_MAX];
    struct zcxi_request request;
    struct zcxi_claimed claim;
    MDB_cursor *cursor;
    MDB_val key = zcxi_request_key(bytes, ticket->queue, ticket->sequence), value;
    bool claimed = zcxi_claim_find(env, ticket->sequence, &claim);
    bool may = !ours || (claimed && zcxi_claim_ours(env, &claim));
    int result = may ? mdb_cursor_open(transaction, env->queue_db, &cursor) : MDB_NOTFOUND;
    if (!result) {
        result = mdb_cursor_get(cursor, &key, &value, MDB_SET);
        if (!result && owned)
            *owned = zcxi_request_read(&request, &value) && request.flags & ZCXI_REQUEST_OWNS_INPUT;
        if (!result) result = mdb_cursor_del(cursor, 0);
        mdb_cursor_close(cursor);
    }
    if (result == MDB_NOTFOUND)
        return zcxi_fail(error, ZCX_ECANCELLED, 0,
                         "the request %" PRIu64 " of queue '%s' was cancelled, or went to another "
                         "worker", ticket->sequence, ticket->queue);
    if (!result && claimed) zcxi_journal_add(env, claim.index, ZCXI_UNCLAIM);
    return result ? zcxi_fail_lmdb(error, result, "cannot end a request") : ZCX_OK;
}

zcx_status zcxi_queue_end(struct zcxi_env *env, MDB_txn *transaction, void *context,
                          zcx_error *error)
{
    const struct zcxi_ending *ending = context;
    bool owned, deleted, live;
    zcx_status status =
        zcxi_queue_finish(env, transaction, &ending->ticket, ending->ours, &owned, error);
    if (status || !owned || !ending->input_key) return status;
    return zcxi_record_delete(env, transaction, ending->database, ending->input_key,
                              strlen(ending->input_key), 0, &deleted, &live, error);
}

/* ---- claiming ------------------------------------------------------------------------------------------------ */

/* Who looks for a request: its bytes are copied when it is found. */
struct found {
    struct zcxi_ticket *ticket;
    uint64_t snapshot;
    uint8_t *value; /* NULL: none was; else free it */
    size_t size;
};

/* The first request of the queue that nobody has and somebody waits for. */
static int first_waiting(MDB_cursor *cursor, const struct zcxi_claims *claims, const char *queue,
                         struct zcxi_ticket *ticket, MDB_val *value)
{
    uint8_t bytes[ZCX_KEY_MAX];
    struct zcxi_request request;
    const size_t name = strlen(queue) + 1;
    const uint64_t now = zcxi_now();
    MDB_val key = zcxi_request_key(bytes, queue, 0);
    int result = mdb_cursor_get(cursor, &key, value, MDB_SET_RANGE);
    for (; !result; result = mdb_cursor_get(cursor, &key, value, MDB_NEXT)) {
        if (key.mv_size < name || memcmp(key.mv_data, queue, name)) return MDB_NOTFOUND;
        if (read_key(ticket, &key) && zcxi_request_read(&request, value) &&
            request.attempts < ZCXI_REQUEST_ATTEMPTS && !zcxi_request_late(&request, now) &&
            !zcxi_claims_find(claims, ticket->sequence))
            return 0;
    }
    return result;
}

static zcx_status find(struct zcxi_env *env, struct found *found, zcx_error *error)
{
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val value;
    uint32_t index;
    struct zcxi_claims claims;
    const char *queue = found->ticket->queue;
    zcx_status status = zcxi_claims_copy(&claims, env, error);
    if (!status) status = zcxi_reader_take(env, &reader, &index, error);
    if (status) {
        zcxi_claims_free(&claims);
        return status;
    }
    found->snapshot = mdb_txn_id(reader);
    int result = mdb_cursor_open(reader, env->queue_db, &cursor);
    if (!result) {
        result = first_waiting(cursor, &claims, queue, found->ticket, &value);
        if (!result && !(found->value = malloc(value.mv_size))) result = ENOMEM;
        if (!result) memcpy(found->value, value.mv_data, found->size = value.mv_size);
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
    zcxi_claims_free(&claims);
    found->ticket->queue = queue;
    if (!result || result == MDB_NOTFOUND) return ZCX_OK;
    return zcxi_fail_lmdb(error, result, "cannot read the queue");
}

/* Still the first: nobody committed or claimed since it was found. */
static bool stands(struct zcxi_env *env, const struct found *found)
{
    struct zcxi_claimed claim;
    return zcxi_env_last_transaction(env, NULL) == found->snapshot &&
           !zcxi_claim_find(env, found->ticket->sequence, &claim);
}

/* Looks without the mutex first: who waits looks often, and mostly in vain. */
zcx_status zcxi_queue_claim(struct zcxi_env *env, struct zcxi_ticket *ticket, uint8_t **value,
                            size_t *size, zcx_error *error)
{
    struct found found = {.ticket = ticket};
    zcx_status status = find(env, &found, error);
    if (status || !found.value) return status ? status : ZCX_ENOTFOUND;
    status = zcxi_env_lock(env, error);
    if (!status) {
        if (!stands(env, &found)) {
            free(found.value);
            found.value = NULL;
            status = find(env, &found, error);
        }
        if (!status && found.value) status = zcxi_claim_enter(env, ticket->sequence, error);
        zcxi_env_unlock(env);
    }
    ZCXI_POINT(request.claimed);
    if (status || !found.value) {
        free(found.value);
        return status ? status : ZCX_ENOTFOUND;
    }
    *value = found.value;
    *size = found.size;
    return ZCX_OK;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

zcx_status zcxi_queue_stage(struct zcxi_env *env, const struct zcxi_ticket *ticket,
                            enum zcxi_stage *stage, zcx_error *error)
{
    MDB_txn *reader;
    uint32_t index;
    uint8_t bytes[ZCX_KEY_MAX];
    struct zcxi_request request;
    struct zcxi_claimed claim;
    MDB_val key = zcxi_request_key(bytes, ticket->queue, ticket->sequence), value;
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    int result = mdb_get(reader, env->queue_db, &key, &value);
    if (!result && !zcxi_request_read(&request, &value)) result = MDB_NOTFOUND;
    zcxi_reader_give(env, index);
    if (result && result != MDB_NOTFOUND)
        return zcxi_fail_lmdb(error, result, "cannot read a request");
    *stage = result                                            ? ZCXI_GONE
             : !zcxi_claim_find(env, ticket->sequence, &claim) ? ZCXI_WAITING
             : zcxi_claim_alive(env, &claim)                   ? ZCXI_CLAIMED
                                                               : ZCXI_ABANDONED;
    return ZCX_OK;
}

zcx_status zcxi_queue_walk(struct zcxi_env *env, zcxi_request_seen seen, void *context,
                           zcx_error *error)
{
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val key, value;
    uint32_t index;
    struct zcxi_claims claims;
    zcx_status status = zcxi_claims_copy(&claims, env, error);
    if (!status) status = zcxi_reader_take(env, &reader, &index, error);
    if (status) {
        zcxi_claims_free(&claims);
        return status;
    }
    int result = mdb_cursor_open(reader, env->queue_db, &cursor);
    if (!result) {
        while (!(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
            struct zcxi_ticket ticket;
            struct zcxi_request request;
            if (read_key(&ticket, &key) && zcxi_request_read(&request, &value))
                seen(env, &ticket, &request, zcxi_claims_find(&claims, ticket.sequence), context);
        }
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
    zcxi_claims_free(&claims);
    return result == MDB_NOTFOUND ? ZCX_OK : zcxi_fail_lmdb(error, result, "cannot read zcx.queue");
}
