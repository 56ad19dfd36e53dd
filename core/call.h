/* One call of a calculator: where the bytes of its two legs lie, and who owns them. The public part
 * is in zcx_calculator.h. */
#ifndef ZCXI_CALL_H
#define ZCXI_CALL_H

#include "exchange.h"
#include "queue.h"
#include "reference.h"

#define ZCXI_CANARY 64 /* bytes at most, behind what was asked for */

/* A leg's bytes lie in exactly one of loan, memory and view. */
struct zcxi_leg {
    const char *prefix; /* "input" or "output", in its key */
    void *data;
    uint64_t asked;  /* bytes */
    uint64_t length; /* bytes, once it is given */
    uint32_t canary; /* bytes behind `asked` that nobody may change */
    zcx_loan
        *loan;    /* memory of the store; kept, unpublished, when the leg went directly after all */
    void *memory; /* private */
    zcx_view *view;        /* of its record */
    bool borrowed;         /* the view is the caller\'s */
    zcx_envelope envelope; /* without a view */
    void *arena;           /* the envelope's strings and shape */
    bool owned;            /* the record at the leg's key is this call's to delete */
};

enum zcxi_call_state { ZCXI_CALL_NEW, ZCXI_CALL_GIVEN, ZCXI_CALL_ANSWERED, ZCXI_CALL_FAILED };

struct zcx_call {
    zcx_exchange *exchange;
    zcx_call *next; /* in the exchange's queue, once closed */
    enum zcxi_call_state state;
    char id[ZCXI_CALL_ID];
    struct zcxi_leg in, out;
    char *message, *trace;  /* of a failure */
    zcx_status why;         /* of a failure: ZCX_EFAILED, or what its error record stands for */
    struct zcxi_ticket ticket; /* of its request to workers, once it is sent */
    bool sent;
    bool chained;    /* its input is another's record, which is kept … */
    zcx_call *chain; /* … by a list of such calls */
    uint64_t deadline;          /* Unix ns: of the request; 0: none */
    struct zcxi_served *served; /* a worker's half of a call; NULL: the caller's */
    struct zcxi_work *work; /* while a plug-in runs (plugin.h) */
};

/* "input:<calculator>:<id>"; returns `out`. */
const char *zcxi_leg_key(char out[ZCX_KEY_MAX + 1], const zcx_call *call,
                         const struct zcxi_leg *leg);

/* The call's failure as an error: "calculator '<name>': <message>". */
zcx_status zcxi_call_failure(const zcx_call *call, zcx_error *error);

/* The answer is in, or never comes: the input's bytes go, and its record too if the call wrote it.
 * What a lock keeps from deletion now is queued when the call is closed. */
void zcxi_call_answered(zcx_call *call, enum zcxi_call_state state);

void zcxi_call_fail_as(zcx_call *call, zcx_status as, const char *message, const char *trace);

/* A caller's result that is a record: `view` becomes the call's. EFAILED, or what it stands for, when
 * it is an error record. */
zcx_status zcxi_call_take_output(zcx_call *call, zcx_view *view, zcx_error *error);

/* Frees a closed call that owns nothing any more. */
void zcxi_call_end(zcx_call *call);

/* A new call of that id (NULL: a new one). */
zcx_status zcxi_call_make(zcx_call **out, zcx_exchange *exchange, const char *id,
                          zcx_error *error);

/* -- the caller's side of a queue (remote.c) */

/* Publishes the input's loan and pushes the request in one transaction. */
zcx_status zcxi_send_input(zcx_call *call, const char *key, const zcx_envelope *envelope,
                           zcx_error *error);
/* A sent call's input that is another's record is not deleted by us before the answer is in. */
void zcxi_chain(zcx_call *call);
void zcxi_unchain(zcx_call *call);
bool zcxi_chained(const zcx_call *call, const char *key); /* is it such an input, of the same store? */

/* Sent, and not answered yet. */
static inline bool zcxi_call_pending(const zcx_call *call)
{
    return call->sent && call->state == ZCXI_CALL_GIVEN;
}
zcx_status zcxi_call_remotely(zcx_calculator *calculator, zcx_call *call, zcx_error *error);
/* Removes its request, so that no worker answers it any more. */
zcx_status zcxi_request_cancel(zcx_call *call, zcx_error *error);

/* -- the worker's side (worker.c) */

struct zcxi_served {
    zcx_reference *request;
    const char *output_key;
    struct zcxi_ending ending; /* of our claim */
    struct zcxi_also also;     /* the same, for the transaction that publishes the answer */
};

/* Sends the failure if that is what the call ended with, and frees what it had of the request. */
void zcxi_served_end(zcx_call *call);

/* -- legs (leg.c) */

bool zcxi_leg_by_reference(const zcx_call *call, const struct zcxi_leg *leg, uint64_t size);

/* Memory for `size` bytes, where size and mode say. */
zcx_status zcxi_leg_open(zcx_call *call, struct zcxi_leg *leg, uint64_t size, zcx_error *error);

/* The first `length` bytes are the payload: published and viewed, or kept as they are. */
zcx_status zcxi_leg_give(zcx_call *call, struct zcxi_leg *leg, uint64_t length,
                         const zcx_envelope *envelope, zcx_error *error);

/* The payload is what `view` shows. EFAILED when that is an error record, which then fails the
 * call. The view is the leg's on ZCX_OK. */
zcx_status zcxi_leg_take_view(zcx_call *call, struct zcxi_leg *leg, zcx_view *view,
                              zcx_error *error);

/* The payload is a private copy of these bytes. */
zcx_status zcxi_leg_keep(struct zcxi_leg *leg, const void *data, uint64_t length,
                         const zcx_envelope *envelope, zcx_error *error);

zcx_status zcxi_leg_envelope(zcx_envelope *out, const struct zcxi_leg *leg, zcx_error *error);

/* Frees the bytes; the record, if the call owns it, stays. */
void zcxi_leg_free(struct zcxi_leg *leg);

/* Deletes the leg's record if the call owns it. Once it is gone, or never can be, it is not owned.
 */
zcx_status zcxi_leg_delete(zcx_call *call, struct zcxi_leg *leg, zcx_error *error);

/* Frees a closed call whose records are deleted. ETIMEDOUT, EFULL: not now; the call lives on. */
zcx_status zcxi_call_finish(zcx_call *call, zcx_error *error);

#endif
