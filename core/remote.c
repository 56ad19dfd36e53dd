#include "call.h"
#include "full.h"
#include "record.h"
#include "wait.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- sending ------------------------------------------------------------------------------------------------ */

#define WITH_IT 4 /* released calls whose records a request's transaction deletes */

struct push {
    zcx_call *call;
    uint8_t *value;
    size_t size;
    uint64_t deadline;
    struct zcxi_ticket ticket;
    bool owns_input;
    zcx_call *released;
};

static zcx_status delete_leg(struct zcxi_env *env, MDB_txn *transaction, const zcx_call *call,
                             const struct zcxi_leg *leg, zcx_error *error)
{
    char key[ZCX_KEY_MAX + 1];
    bool deleted, live;
    if (!leg->owned && !zcxi_call_pending(call)) return ZCX_OK;
    zcxi_leg_key(key, call, leg);
    return zcxi_record_delete(env, transaction, call->exchange->store->database, key, strlen(key), 0,
                              &deleted, &live, error);
}

/* What released calls left goes first: their requests too, where nobody waited for the answer. */
static zcx_status push(struct zcxi_env *env, MDB_txn *transaction, void *context, zcx_error *error)
{
    struct push *what = context;
    zcx_status status = ZCX_OK;
    for (zcx_call *call = what->released; call && !status; call = call->next) {
        if (zcxi_call_pending(call))
            status = zcxi_queue_finish(env, transaction, &call->ticket, 0, NULL, NULL);
        if (!status || status == ZCX_ECANCELLED)
            status = delete_leg(env, transaction, call, &call->in, error);
        if (!status) status = delete_leg(env, transaction, call, &call->out, error);
    }
    if (status) return status;
    return zcxi_queue_push(env, transaction, &what->ticket, what->deadline,
                           what->owns_input ? ZCXI_REQUEST_OWNS_INPUT : 0, what->value, what->size,
                           error);
}

static zcx_status prepare(struct push *what, zcx_call *call, const zcx_reference *request,
                          zcx_error *error)
{
    const size_t head = sizeof(struct zcxi_request);
    const struct zcxi_config *config = &call->exchange->config;
    uint64_t length = 400 + request->length; /* names, and what msgpack puts between */
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS; i++)
        if (request->text[i]) length += strlen(request->text[i]);
    *what = (struct push){.call = call,
                          .value = malloc(head + length),
                          .ticket = {config->queue, 0},
                          .owns_input = call->in.owned,
                          .deadline = zcxi_now() + (uint64_t)config->wait_timeout * ZCXI_MS,
                          .released = zcxi_exchange_take_released(call->exchange, WITH_IT)};
    if (!what->value) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a request");
    zcx_status status = zcx_reference_write(&length, request, ZCX_ENCODING_MSGPACK,
                                            what->value + head, length, error);
    what->size = head + length;
    return status;
}

static void finish(struct push *what, zcx_status status)
{
    zcx_call *call = what->call;
    free(what->value);
    for (zcx_call *done = what->released, *next; done; done = next) {
        next = done->next;
        if (status)
            zcxi_exchange_release(done->exchange, done);
        else
            zcxi_call_end(done);
    }
    if (status) return;
    call->ticket = what->ticket;
    call->deadline = what->deadline;
    call->sent = true;
    zcxi_wake(call->exchange->store->env, zcxi_queue_hash(call->ticket.queue));
}

zcx_status zcxi_send_input(zcx_call *call, const char *key, const zcx_envelope *envelope,
                           zcx_error *error)
{
    char output[ZCX_KEY_MAX + 1];
    zcx_store *store = call->exchange->store;
    const zcx_reference request = {
        .ref = true,
        .text = {[ZCX_REFERENCE_INPUT_KEY] = (char *)key,
                 [ZCX_REFERENCE_OUTPUT_KEY] = (char *)zcxi_leg_key(output, call, &call->out),
                 [ZCX_REFERENCE_DB_PATH] = (char *)zcx_store_path(store),
                 [ZCX_REFERENCE_DB_NAME] = (char *)zcx_store_database(store),
                 [ZCX_REFERENCE_FORMAT] = (char *)zcx_format_name(envelope->format),
                 [ZCX_REFERENCE_CALL_ID] = call->id}};
    struct push what;
    zcx_status status = prepare(&what, call, &request, error);
    what.owns_input = true;
    const struct zcxi_also also = {push, &what, what.size};
    if (!status)
        status = zcxi_loan_publish(&call->in.view, call->in.loan, key, strlen(key), call->in.length,
                                   envelope, &also, NULL, error);
    finish(&what, status);
    return status;
}

static zcx_status attempt(struct zcxi_env *env, void *context, bool last, zcx_error *error)
{
    struct push *what = context;
    (void)last;
    return zcxi_transact(env, &(struct zcxi_need){.changes = 1, .bytes = what->size}, push, what,
                         error);
}

zcx_status zcx_calculator_send(zcx_calculator *calculator, zcx_call *call, zcx_error *error)
{
    const zcx_exchange *exchange = zcx_calculator_exchange(calculator);
    if (!exchange->config.queue) return zcx_calculator_call(calculator, call, error);
    if (call->exchange != exchange)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the call is of calculator '%s', not of '%s'",
                         call->exchange->config.name, exchange->config.name);
    if (call->sent) return ZCX_OK;
    struct push what;
    zcx_reference *request;
    zcx_status status = zcx_call_request(&request, call, error);
    if (status) return status;
    status = prepare(&what, call, request, error);
    zcx_reference_free(request);
    if (!status)
        status = zcxi_until_room(exchange->store->env, what.size, 0, attempt, &what, error);
    finish(&what, status);
    return status;
}

/* ---- waiting -------------------------------------------------------------------------------------------------- */

struct awaited {
    zcx_call *call;
    char key[ZCX_KEY_MAX + 1];
    size_t key_length;
    zcx_view *view;
};

/* Answer and end of a request are one transaction: when it is gone, the answer is there or never
 * comes. */
static bool look_at_request(struct zcxi_env *env, struct awaited *what, zcx_status *status,
                            zcx_error *error)
{
    enum zcxi_stage stage;
    const zcx_call *call = what->call;
    *status = zcxi_queue_stage(env, &call->ticket, &stage, error);
    if (*status) return true;
    if (stage == ZCXI_ABANDONED) (void)zcxi_queue_revive(env, NULL); /* else the next look does */
    if (stage != ZCXI_GONE) return false;
    *status = zcx_store_view(&what->view, call->exchange->store, what->key, what->key_length, NULL);
    if (*status != ZCX_ENOTFOUND) return true;
    if (call->deadline && zcxi_now() > call->deadline)
        *status = zcxi_fail(error, ZCX_ETIMEDOUT, 0,
                            "no worker of queue '%s' took the request before its time was up",
                            call->ticket.queue);
    else
        *status = zcxi_fail(error, ZCX_EDELETED, 0,
                            "request %" PRIu64 " of queue '%s', or its answer %.200s, was deleted",
                            call->ticket.sequence, call->ticket.queue, what->key);
    return true;
}

static bool look(struct zcxi_env *env, void *context, bool idle, zcx_status *status,
                 zcx_error *error)
{
    struct awaited *what = context;
    zcx_store *store = what->call->exchange->store;
    *status = zcx_store_view(&what->view, store, what->key, what->key_length, NULL);
    if (*status == ZCX_ENOTFOUND) return idle && look_at_request(env, what, status, error);
    if (*status) /* once more, for the message */
        *status = zcx_store_view(&what->view, store, what->key, what->key_length, error);
    return true;
}

static void count_workers(const struct zcxi_env *env, const char *queue, uint32_t *count)
{
    for (uint32_t i = 0; i < ZCXI_OWNERS; i++) {
        const struct zcxi_owner *owner = &env->board.owners[i];
        if (atomic_load(&owner->state) == ZCXI_OWNER_LIVE &&
            !strncmp(owner->queue, queue, sizeof owner->queue - 1))
            *count += atomic_load(&owner->workers);
    }
}

zcx_status zcx_call_wait(zcx_call *call, int64_t timeout_ms, zcx_error *error)
{
    if (call->state == ZCXI_CALL_ANSWERED) return ZCX_OK;
    if (call->state == ZCXI_CALL_FAILED) return zcxi_call_failure(call, error);
    if (!call->sent)
        return zcxi_fail(error, ZCX_EINVAL, 0, "call %s of calculator '%s' was not sent", call->id,
                         call->exchange->config.name);
    struct awaited what = {.call = call};
    struct zcxi_env *env = call->exchange->store->env;
    what.key_length = strlen(zcxi_leg_key(what.key, call, &call->out));
    uint32_t hash = zcxi_wait_hash(call->exchange->store->name, what.key, what.key_length);
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = zcxi_wait(env, hash, timeout_ms, look, &what, &why);
    if (!status) return zcxi_call_take_output(call, what.view, error);
    if (status == ZCX_ETIMEDOUT && !why.status) {
        uint32_t workers = 0;
        count_workers(env, call->ticket.queue, &workers);
        return zcxi_fail(error, ZCX_ETIMEDOUT, 0,
                         "calculator '%s': no answer in %" PRId64 " ms from queue '%s', which %u "
                         "workers take from", call->exchange->config.name, timeout_ms,
                         call->ticket.queue, workers);
    }
    if (status == ZCX_EDELETED || status == ZCX_EEXPIRED || status == ZCX_ETIMEDOUT) {
        zcxi_call_fail_as(call, status, why.message, NULL);
        return zcxi_call_failure(call, error);
    }
    if (error && !error->status) *error = why;
    return status;
}

/* ---- cancelling ------------------------------------------------------------------------------------------------- */

static zcx_status remove_request(struct zcxi_env *env, MDB_txn *transaction, void *context,
                                 zcx_error *error)
{
    return zcxi_queue_finish(env, transaction, context, 0, NULL, error);
}

zcx_status zcxi_request_cancel(zcx_call *call, zcx_error *error)
{
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = zcxi_transact(call->exchange->store->env, &(struct zcxi_need){.changes = 1},
                                      remove_request, &call->ticket, &why);
    if (status && status != ZCX_ECANCELLED) {
        if (error && !error->status) *error = why;
        return status;
    }
    if (status) call->out.owned = true; /* answered already: that record is ours to delete */
    zcxi_call_fail_as(call, ZCX_ECANCELLED, "the call was cancelled", NULL);
    return ZCX_OK;
}

zcx_status zcx_call_cancel(zcx_call *call, zcx_error *error)
{
    if (zcxi_call_pending(call)) return zcxi_request_cancel(call, error);
    if (call->state == ZCXI_CALL_ANSWERED || call->state == ZCXI_CALL_FAILED) return ZCX_OK;
    zcxi_call_fail_as(call, ZCX_ECANCELLED, "the call was cancelled", NULL);
    return ZCX_OK;
}

zcx_status zcxi_call_remotely(zcx_calculator *calculator, zcx_call *call, zcx_error *error)
{
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = zcx_calculator_send(calculator, call, error);
    if (status) return status;
    status = zcx_call_wait(call, call->exchange->config.wait_timeout, &why);
    if (status == ZCX_ETIMEDOUT && zcxi_call_pending(call)) (void)zcxi_request_cancel(call, NULL);
    if (status && error && !error->status) *error = why;
    return status;
}
