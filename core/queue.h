/* Requests that wait for workers, in zcx.queue. A request's key is its queue's name, a NUL, and the
 * transaction that pushed it, big-endian: so they lie in the order of their arrival. Its value is
 * the head below, little-endian, and a reference in msgpack (protocol/SPEC.md).
 *
 *   pushed ──claim──▶ claimed by an owner ──finish──▶ gone, in the transaction that puts the answer
 *      ▲──── revive, when the owner died ────┘        (or an error record, after ATTEMPTS deaths)
 *
 * A claim is no transaction (claims.h). Whoever cancels a request removes it; an answer to a request that is gone is not put. */
#ifndef ZCXI_QUEUE_H
#define ZCXI_QUEUE_H

#include "claims.h"
#include "transact.h"

#define ZCXI_REQUEST_MAGIC 0x5158435au /* "ZCXQ" */
#define ZCXI_REQUEST_VERSION 1
#define ZCXI_REQUEST_ATTEMPTS 3
#define ZCXI_REQUEST_MOST 65536 /* bytes of one; whatever is larger is none */

#define ZCXI_REQUEST_OWNS_INPUT 1u /* the input's record goes with the request */

struct zcxi_request {
    uint32_t magic;
    uint16_t version;
    uint16_t attempts; /* that ended without an answer */
    uint32_t flags;    /* ZCXI_REQUEST_* */
    uint32_t reserved;
    uint64_t pushed;   /* Unix ns */
    uint64_t deadline; /* Unix ns: nobody waits for the answer any more; 0: none */
    uint64_t input;    /* the transaction of the input's record; 0: whichever is there */
    uint64_t reserved_too[3];
};
_Static_assert(sizeof(struct zcxi_request) == 64, "the head of a request is 64 bytes");

struct zcxi_ticket { /* where a request is */
    const char *queue; /* at most ZCXI_QUEUE_NAME - 1 bytes */
    uint64_t sequence;
};

#define ZCXI_QUEUE_NAME (ZCX_KEY_MAX - 8) /* with its NUL, in a key */

enum zcxi_stage { ZCXI_GONE, ZCXI_WAITING, ZCXI_CLAIMED, ZCXI_ABANDONED };

MDB_val zcxi_request_key(uint8_t key[ZCX_KEY_MAX], const char *queue, uint64_t sequence);
/* False for what is no request. */
bool zcxi_request_read(struct zcxi_request *request, const MDB_val *value);

static inline bool zcxi_request_late(const struct zcxi_request *request, uint64_t now)
{
    return request->deadline && request->deadline <= now;
}

/* In a transaction: pushes a request (its first 64 bytes are left to us; of `head` we take deadline,
 * flags and input) and writes its ticket's sequence. Wake the queue when it is committed. */
zcx_status zcxi_queue_push(struct zcxi_env *env, MDB_txn *transaction, struct zcxi_ticket *ticket,
                           const struct zcxi_request *head, uint8_t *value, size_t size,
                           zcx_error *error);

/* In a transaction: removes the request, and its claim. ECANCELLED when it is gone, or `ours` and its
 * claim is not. *owned (nullable): the input's record is to go with it. */
zcx_status zcxi_queue_finish(struct zcxi_env *env, MDB_txn *transaction,
                             const struct zcxi_ticket *ticket, bool ours, bool *owned,
                             zcx_error *error);

/* The end of a request that is answered, in the transaction that puts the answer: a struct
 * zcxi_ending as the context of a zcxi_also. */
struct zcxi_ending {
    struct zcxi_ticket ticket;
    bool ours; /* only if we have claimed it */
    MDB_dbi database;      /* of the input … */
    const char *input_key; /* … which is deleted if it is the request's; NULL: there is none */
};
#define ZCXI_ENDING_CHANGES 2 /* the request, and its input's record */
zcx_status zcxi_queue_end(struct zcxi_env *env, MDB_txn *transaction, void *ending,
                          zcx_error *error);

/* Claims the first request that nobody has; *value (free it), *size are its bytes. ENOTFOUND, without a
 * message, when there is none. Those past their deadline are passed over. */
zcx_status zcxi_queue_claim(struct zcxi_env *env, struct zcxi_ticket *ticket, uint8_t **value,
                            size_t *size, zcx_error *error);
zcx_status zcxi_queue_stage(struct zcxi_env *env, const struct zcxi_ticket *ticket,
                            enum zcxi_stage *stage, zcx_error *error);

/* Is it something that belongs into zcx.queue? */
bool zcxi_request_sound(const MDB_val *key, const MDB_val *value);

/* Wakes who waits for requests; the hash to wait on. */
uint32_t zcxi_queue_hash(const char *queue);

/* Each request, in one snapshot. `claim`: NULL when nobody has it. */
typedef void (*zcxi_request_seen)(struct zcxi_env *env, const struct zcxi_ticket *ticket,
                                  const struct zcxi_request *request,
                                  const struct zcxi_claimed *claim, void *context);
zcx_status zcxi_queue_walk(struct zcxi_env *env, zcxi_request_seen seen, void *context,
                           zcx_error *error);

/* -- what becomes of those that nobody answers (revive.c) */

/* Our claim of it ends, and it is offered again. */
void zcxi_queue_give_back(struct zcxi_env *env, const struct zcxi_ticket *ticket);

/* Offers again what owners that died had claimed, or answers it with an error record when that was
 * one death too many; removes what is past its deadline. Cheap when there is nothing: one read
 * transaction. */
zcx_status zcxi_queue_revive(struct zcxi_env *env, zcx_error *error);

#endif
