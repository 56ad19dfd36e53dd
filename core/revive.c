/* Requests that somebody died over, or that nobody waits for any more. */
#include "clock.h"
#include "journal.h"
#include "queue.h"
#include "record.h"
#include "reference.h"
#include "wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct zcxi_claims claims;   /* before the walk … */
    bool requested[ZCXI_CLAIMS]; /* … and which of them it met a request of */
};

static void note_abandoned(struct zcxi_env *env, const struct zcxi_ticket *ticket,
                           const struct zcxi_request *request, const struct zcxi_claimed *claim,
                           void *context)
{
    struct notes *notes = context;
    const struct zcxi_claimed *before = zcxi_claims_find(&notes->claims, ticket->sequence);
    if (before) notes->requested[before - notes->claims.list] = true;
    if (notes->count == AT_ONCE) return;
    bool late = zcxi_request_late(request, notes->now) || request->attempts >= ZCXI_REQUEST_ATTEMPTS;
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
    MDB_val key = zcxi_request_key(bytes, offer->ticket->queue, offer->ticket->sequence), value;
    int result = mdb_get(transaction, env->queue_db, &key, &value);
    if (result == MDB_NOTFOUND) return ZCX_OK;
    if (result) return zcxi_fail_lmdb(error, result, "cannot read a request");
    if (!zcxi_request_read(&request, &value) || !same_claim(env, offer)) return ZCX_OK;
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
    const size_t head = sizeof(struct zcxi_request);
    struct zcxi_ending ending = {.ticket = *offer->ticket};
    const struct zcxi_also also = {zcxi_queue_end, &ending, ZCXI_ENDING_CHANGES, 0};
    zcx_status status = zcx_reference_parse(&reference, ZCX_ENCODING_MSGPACK, offer->last + head,
                                            offer->size - head, NULL);
    const char *database = status ? NULL : zcx_reference_text(reference, ZCX_REFERENCE_DB_NAME);
    if (!status) status = zcxi_store_beside(&store, env, database, NULL);
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
    ZCXI_POINT(request.offered);
    if (!status && offer->last) status = give_up(env, offer, error);
    free(offer->last);
    ZCXI_POINT(request.revived);
    zcxi_wake(env, zcxi_queue_hash(offer->ticket->queue));
    return status;
}

/* As a death, an attempt that is not to be made for ever; where that cannot be noted, without. */
void zcxi_queue_give_back(struct zcxi_env *env, const struct zcxi_ticket *ticket)
{
    zcx_error why = ZCX_ERROR_INIT;
    struct zcxi_claimed claim;
    struct offer offer = {.ticket = ticket, .claim = &claim};
    if (!zcxi_claim_find(env, ticket->sequence, &claim) || !zcxi_claim_ours(env, &claim)) return;
    if (!look_after(env, &offer, &why)) return;
    if (zcxi_claim_drop(env, &claim, NULL))
        zcxi_log('w', "request %" PRIu64 " of queue '%s' stays claimed by this process: %s",
                 ticket->sequence, ticket->queue, why.message);
    else
        zcxi_wake(env, zcxi_queue_hash(ticket->queue));
}

/* Claims of the dead that no request of a later snapshot has: theirs are gone. */
static void drop_orphans(struct zcxi_env *env, const struct notes *notes)
{
    for (size_t i = 0; i < notes->claims.count; i++) {
        const struct zcxi_claimed *claim = &notes->claims.list[i];
        if (!notes->requested[i] && !zcxi_claim_alive(env, claim))
            (void)zcxi_claim_drop(env, claim, NULL);
    }
}

/* One that fails does not keep the others waiting. */
zcx_status zcxi_queue_revive(struct zcxi_env *env, zcx_error *error)
{
    struct notes notes;
    zcx_status first;
    do {
        notes.count = 0; /* the rest is written before it is read */
        notes.now = zcxi_now();
        memset(notes.requested, 0, sizeof notes.requested);
        first = zcxi_claims_copy(&notes.claims, env, error);
        if (!first) first = zcxi_queue_walk(env, note_abandoned, &notes, error);
        if (!first) drop_orphans(env, &notes);
        zcxi_claims_free(&notes.claims);
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
