#include "queue.h"

#include "clock.h"
#include "journal.h"
#include "readers.h"
#include "record.h"
#include "reference.h"
#include "wait.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys and heads -------------------------------------------------------------------------------------- */

static MDB_val request_key(uint8_t key[ZCX_KEY_MAX], const char *queue, uint64_t sequence)
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
    return true;
}

static bool read_head(struct zcxi_request *request, const MDB_val *value)
{
    if (value->mv_size < sizeof *request || value->mv_size > ZCXI_REQUEST_MOST) return false;
    memcpy(request, value->mv_data, sizeof *request);
    return request->magic == ZCXI_REQUEST_MAGIC;
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
                                      .input = from->flags & ZCXI_REQUEST_OWNS_INPUT
                                                   ? mdb_txn_id(transaction)
                                                   : from->input,
                                      .pushed = zcxi_now(),
                                      .deadline = from->deadline};
    memcpy(value, &head, sizeof head);
    ticket->sequence = mdb_txn_id(transaction);
    MDB_val key = request_key(bytes, ticket->queue, ticket->sequence), what = {size, value};
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
    MDB_val key = request_key(bytes, ticket->queue, ticket->sequence), value;
    bool claimed = zcxi_claim_find(env, ticket->sequence, &claim);
    bool may = !ours || (claimed && zcxi_claim_ours(env, &claim));
    int result = may ? mdb_cursor_open(transaction, env->queue_db, &cursor) : MDB_NOTFOUND;
    if (!result) {
        result = mdb_cursor_get(cursor, &key, &value, MDB_SET);
        if (!result && owned)
            *owned = read_head(&request, &value) && request.flags & ZCXI_REQUEST_OWNS_INPUT;
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

static bool past(const struct zcxi_request *request, uint64_t now)
{
    return request->deadline && request->deadline <= now;
}

/* Who looks for a request: its bytes are copied when it is found. */
struct found {
    struct zcxi_ticket *ticket;
    uint64_t snapshot;
    uint8_t *value; /* NULL: none was; else free it */
    size_t size;
};

/* The first request of the queue that nobody has and somebody waits for. */
static int first_waiting(struct zcxi_env *env, MDB_cursor *cursor, const char *queue,
                         struct zcxi_ticket *ticket, MDB_val *value)
{
    uint8_t bytes[ZCX_KEY_MAX];
    struct zcxi_request request;
    struct zcxi_claimed claim;
    const size_t name = strlen(queue) + 1;
    const uint64_t now = zcxi_now();
    MDB_val key = request_key(bytes, queue, 0);
    int result = mdb_cursor_get(cursor, &key, value, MDB_SET_RANGE);
    for (; !result; result = mdb_cursor_get(cursor, &key, value, MDB_NEXT)) {
        if (key.mv_size < name || memcmp(key.mv_data, queue, name)) return MDB_NOTFOUND;
        if (read_key(ticket, &key) && read_head(&request, value) &&
            request.attempts < ZCXI_REQUEST_ATTEMPTS && !past(&request, now) &&
            !zcxi_claim_find(env, ticket->sequence, &claim))
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
    const char *queue = found->ticket->queue;
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    found->snapshot = mdb_txn_id(reader);
    int result = mdb_cursor_open(reader, env->queue_db, &cursor);
    if (!result) {
        result = first_waiting(env, cursor, queue, found->ticket, &value);
        if (!result && !(found->value = malloc(value.mv_size))) result = ENOMEM;
        if (!result) memcpy(found->value, value.mv_data, found->size = value.mv_size);
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
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
    if (!status && !stands(env, &found)) {
        free(found.value);
        found.value = NULL;
        status = find(env, &found, error);
    }
    if (!status && found.value) status = zcxi_claim_enter(env, ticket->sequence, error);
    zcxi_env_unlock(env);
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
    MDB_val key = request_key(bytes, ticket->queue, ticket->sequence), value;
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    int result = mdb_get(reader, env->queue_db, &key, &value);
    if (!result && !read_head(&request, &value)) result = MDB_NOTFOUND;
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
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    int result = mdb_cursor_open(reader, env->queue_db, &cursor);
    if (!result) {
        while (!(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
            struct zcxi_ticket ticket;
            struct zcxi_request request;
            struct zcxi_claimed claim;
            if (!read_key(&ticket, &key) || !read_head(&request, &value)) continue;
            bool claimed = zcxi_claim_find(env, ticket.sequence, &claim);
            seen(env, &ticket, &request, claimed ? &claim : NULL, context);
        }
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
    return result == MDB_NOTFOUND ? ZCX_OK : zcxi_fail_lmdb(error, result, "cannot read zcx.queue");
}

/* ---- the dead ------------------------------------------------------------------------------------------------------ */

#define AT_ONCE 16 /* requests that one pass looks after */

struct abandoned { /* by who worked on it, or (late) by who waited for it */
    char queue[ZCXI_QUEUE_NAME];
    uint64_t sequence;
    bool late;
    struct zcxi_claimed claim; /* else */
};

struct notes {
    struct abandoned list[AT_ONCE];
    size_t count;
    uint64_t now;
};

static void note_abandoned(struct zcxi_env *env, const struct zcxi_ticket *ticket,
                           const struct zcxi_request *request, const struct zcxi_claimed *claim,
                           void *context)
{
    struct notes *notes = context;
    if (notes->count == AT_ONCE) return;
    bool late = past(request, notes->now) || request->attempts >= ZCXI_REQUEST_ATTEMPTS;
    if (claim ? zcxi_claim_alive(env, claim) : !late) return;
    struct abandoned *found = &notes->list[notes->count++];
    strcpy(found->queue, ticket->queue);
    found->sequence = ticket->sequence;
    found->late = !claim;
    if (claim) found->claim = *claim;
}

struct offer {
    const struct zcxi_ticket *ticket;
    const struct zcxi_claimed *claim; /* which ends; NULL: it is late */
    uint8_t *last; /* its bytes, when it is not offered any more: free it */
    size_t size;
};

/* The same claim still: a worker that came meanwhile has one of its own. */
static bool same_claim(struct zcxi_env *env, const struct offer *offer)
{
    struct zcxi_claimed now;
    bool claimed = zcxi_claim_find(env, offer->ticket->sequence, &now);
    if (!offer->claim) return !claimed;
    return claimed && now.owner == offer->claim->owner &&
           now.incarnation == offer->claim->incarnation && now.time == offer->claim->time;
}

static zcx_status offer_again(struct zcxi_env *env, MDB_txn *transaction, void *context,
                              zcx_error *error)
{
    struct offer *offer = context;
    uint8_t bytes[ZCX_KEY_MAX];
    struct zcxi_request request;
    MDB_val key = request_key(bytes, offer->ticket->queue, offer->ticket->sequence), value;
    int result = mdb_get(transaction, env->queue_db, &key, &value);
    if (result == MDB_NOTFOUND) return ZCX_OK;
    if (result) return zcxi_fail_lmdb(error, result, "cannot read a request");
    if (!read_head(&request, &value) || !same_claim(env, offer)) return ZCX_OK;
    uint8_t *copy = malloc(value.mv_size);
    if (!copy) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a request");
    memcpy(copy, value.mv_data, value.mv_size);
    if (!offer->claim || request.attempts + 1 >= ZCXI_REQUEST_ATTEMPTS) {
        offer->last = copy;
        offer->size = value.mv_size;
        return ZCX_OK;
    }
    request.attempts++;
    memcpy(copy, &request, sizeof request);
    value.mv_data = copy;
    result = mdb_put(transaction, env->queue_db, &key, &value, 0);
    free(copy);
    if (!result) zcxi_journal_add(env, offer->claim->index, ZCXI_UNCLAIM);
    return result ? zcxi_fail_lmdb(error, result, "cannot offer a request again") : ZCX_OK;
}

/* The end of a request that nobody answers: with its input, if that is its own, and with an error
 * record at its output's key, so that its caller does not wait out its time. */
static zcx_status give_up(struct zcxi_env *env, const struct offer *offer, zcx_error *error)
{
    char message[300];
    zcx_reference *reference = NULL;
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    const size_t head = sizeof(struct zcxi_request);
    struct zcxi_ending ending = {.ticket = *offer->ticket};
    const struct zcxi_also also = {zcxi_queue_end, &ending, 0};
    zcx_status status = zcx_reference_parse(&reference, ZCX_ENCODING_MSGPACK, offer->last + head,
                                            offer->size - head, NULL);
    if (!status) {
        options.flags = ZCX_OPEN_EXISTING;
        options.database = zcx_reference_text(reference, ZCX_REFERENCE_DB_NAME);
        status = zcx_store_open(&store, env->path, &options, NULL);
    }
    const char *key = status ? NULL : zcx_reference_text(reference, ZCX_REFERENCE_OUTPUT_KEY);
    if (!status) {
        ending.database = store->database;
        ending.input_key = zcx_reference_text(reference, ZCX_REFERENCE_INPUT_KEY);
    }
    snprintf(message, sizeof message,
             "%d workers of queue '%.100s' died over it, one after the other",
             ZCXI_REQUEST_ATTEMPTS, offer->ticket->queue);
    if (key && offer->claim)
        status = zcxi_store_put_error(store, key, strlen(key), ZCX_EDEAD, message, NULL,
                                      ZCX_TTL_DEFAULT_MS, &also, error);
    else /* nobody is there, or can be told */
        status = zcxi_transact(env, &(struct zcxi_need){.changes = 2}, zcxi_queue_end, &ending, error);
    (void)zcx_store_close(store, NULL);
    zcx_reference_free(reference);
    return status == ZCX_ECANCELLED ? ZCX_OK : status;
}

static zcx_status look_after(struct zcxi_env *env, struct offer *offer, zcx_error *error)
{
    zcx_status status =
        zcxi_transact(env, &(struct zcxi_need){.changes = 1}, offer_again, offer, error);
    if (!status && offer->last) status = give_up(env, offer, error);
    free(offer->last);
    zcxi_wake(env, zcxi_queue_hash(offer->ticket->queue));
    return status;
}

zcx_status zcxi_queue_give_back(struct zcxi_env *env, const struct zcxi_ticket *ticket,
                                zcx_error *error)
{
    struct zcxi_claimed claim;
    struct offer offer = {.ticket = ticket, .claim = &claim};
    if (!zcxi_claim_find(env, ticket->sequence, &claim) || !zcxi_claim_ours(env, &claim))
        return ZCX_OK;
    return look_after(env, &offer, error);
}

/* One that fails does not keep the others waiting. */
zcx_status zcxi_queue_revive(struct zcxi_env *env, zcx_error *error)
{
    struct notes notes;
    zcx_status first;
    do {
        notes.count = 0; /* the rest is written before it is read */
        notes.now = zcxi_now();
        first = zcxi_queue_walk(env, note_abandoned, &notes, error);
        for (size_t i = 0; i < notes.count; i++) {
            const struct abandoned *found = &notes.list[i];
            const struct zcxi_ticket ticket = {found->queue, found->sequence};
            struct offer offer = {&ticket, found->late ? NULL : &found->claim, NULL, 0};
            zcx_status status = look_after(env, &offer, error);
            if (!first) first = status;
        }
    } while (!first && notes.count == AT_ONCE);
    return first;
}
