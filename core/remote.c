#include "call.h"
#include "full.h"
#include "record.h"
#include "wait.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- inputs that are others' results ------------------------------------------------------------------------ */

/* Sent calls whose input is a record that is not theirs: nobody of this process deletes it before
 * they are answered. */
static pthread_mutex_t chains_mutex = PTHREAD_MUTEX_INITIALIZER;
static zcx_call *chains;
static _Atomic uint32_t chain_count;

void zcxi_chain(zcx_call *call)
{
    pthread_mutex_lock(&chains_mutex);
    call->chain = chains;
    chains = call;
    call->chained = true;
    atomic_fetch_add(&chain_count, 1);
    pthread_mutex_unlock(&chains_mutex);
}

void zcxi_unchain(zcx_call *call)
{
    if (!call->chained) return;
    pthread_mutex_lock(&chains_mutex);
    zcx_call **at = &chains;
    while (*at != call)
        at = &(*at)->chain;
    *at = call->chain;
    call->chained = false;
    atomic_fetch_sub(&chain_count, 1);
    pthread_mutex_unlock(&chains_mutex);
}

bool zcxi_chained(const zcx_call *call, const char *key)
{
    bool found = false;
    if (!atomic_load(&chain_count)) return false;
    pthread_mutex_lock(&chains_mutex);
    for (const zcx_call *other = chains; other && !found; other = other->chain) {
        const zcx_store *store = other->exchange->store;
        const zcx_view *view = other->in.view;
        found = store->env == call->exchange->store->env && view &&
                view->key_length == strlen(key) && !memcmp(view->key, key, view->key_length);
    }
    pthread_mutex_unlock(&chains_mutex);
    return found;
}

/* ---- sending ------------------------------------------------------------------------------------------------ */

#define WITH_IT 4 /* released calls whose records a request's transaction deletes */

struct push {
    zcx_call *call;
    uint8_t *value;
    size_t size;
    struct zcxi_request head; /* its deadline, flags and input */
    struct zcxi_ticket ticket;
    zcx_call *released;
    uint32_t changes; /* at most: what it puts and deletes */
    bool with_input;  /* whose record the same transaction puts */
    _Alignas(ZCX_ALIGNMENT) uint8_t small[1536]; /* the usual request's value */
};

static zcx_status delete_leg(struct zcxi_env *env, MDB_txn *transaction, const zcx_call *call,
                             const struct zcxi_leg *leg, zcx_error *error)
{
    char key[ZCX_KEY_MAX + 1];
    bool deleted, live;
    if (!leg->owned && !zcxi_call_pending(call)) return ZCX_OK;
    zcxi_leg_key(key, call, leg);
    if (zcxi_chained(call, key)) return ZCX_OK; /* finish() keeps it for later */
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
            status = zcxi_queue_finish(env, transaction, &call->ticket, false, NULL, NULL);
        if (!status || status == ZCX_ECANCELLED)
            status = delete_leg(env, transaction, call, &call->in, error);
        if (!status) status = delete_leg(env, transaction, call, &call->out, error);
    }
    if (status) return status;
    if (what->with_input) what->head.input = mdb_txn_id(transaction);
    return zcxi_queue_push(env, transaction, &what->ticket, &what->head, what->value, what->size,
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
    length = (length + ZCX_ALIGNMENT - 1) / ZCX_ALIGNMENT * ZCX_ALIGNMENT;
    what->call = call;
    what->value = what->small;
    if (head + length > sizeof what->small)
        what->value = aligned_alloc(ZCX_ALIGNMENT, head + length);
    what->ticket = (struct zcxi_ticket){config->queue, 0};
    what->head = (struct zcxi_request){
        .deadline = zcxi_now() + (uint64_t)config->wait_timeout * ZCXI_MS};
    what->released = zcxi_exchange_take_released(call->exchange, WITH_IT);
    what->with_input = false;
    what->changes = 2; /* the request, and zcxi_touch */
    for (const zcx_call *done = what->released; done; done = done->next)
        what->changes += 3; /* its request and its two records */
    if (!what->value) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a request");
    zcx_status status = zcx_reference_write(&length, request, ZCX_ENCODING_MSGPACK,
                                            what->value + head, length, error);
    what->size = head + length;
    return status;
}

/* A record that is not the request's own is named with its transaction, and kept until the answer. A
 * copy that was made for it is nobody else's. */
static void name_input(struct push *what, const zcx_reference *request)
{
    zcx_call *call = what->call;
    if (!request->text[ZCX_REFERENCE_INPUT_KEY]) return;
    if (call->in.owned) {
        what->head.flags = ZCXI_REQUEST_OWNS_INPUT;
        return;
    }
    what->head.input = call->in.view->header.transaction;
    zcxi_chain(call);
}

static void finish(struct push *what, zcx_status status)
{
    zcx_call *call = what->call;
    if (what->value != what->small) free(what->value);
    for (zcx_call *done = what->released, *next; done; done = next) {
        char key[ZCX_KEY_MAX + 1];
        next = done->next;
        zcxi_leg_key(key, done, &done->out);
        if (status || zcxi_chained(done, key)) {
            zcxi_exchange_release(done->exchange, done);
            continue;
        }
        zcxi_wake(done->exchange->store->env,
                  zcxi_wait_hash(done->exchange->store->name, key, strlen(key)));
        zcxi_call_end(done);
    }
    if (status) {
        zcxi_unchain(call);
        return;
    }
    call->ticket = what->ticket;
    call->deadline = what->head.deadline;
    call->sent = true;
    ZCXI_POINT(request.pushed);
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
    what.head.flags = ZCXI_REQUEST_OWNS_INPUT;
    what.with_input = true;
    const struct zcxi_also also = {push, &what, what.changes, 0}; /* the reserve has room for a request */
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
    return zcxi_transact(env, &(struct zcxi_need){.changes = what->changes, .bytes = what->size}, push,
                         what, error);
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
    name_input(&what, request);
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

/* ENOTFOUND too for what is there from before the request: an answer's transaction is a later one. */
static zcx_status look_for_answer(struct awaited *what, zcx_error *error)
{
    uint64_t transaction = 0;
    const zcx_call *call = what->call;
    zcx_status status = zcxi_view_find(&what->view, call->exchange->store, what->key,
                                       what->key_length, &transaction, error);
    if ((status && status != ZCX_EEXPIRED) || transaction > call->ticket.sequence) return status;
    if (!status) zcx_view_release(what->view);
    return ZCX_ENOTFOUND;
}

/* A message is made on a second look only: most looks are in vain. */
static zcx_status find_answer(struct awaited *what, zcx_error *error)
{
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = look_for_answer(what, NULL);
    if (!status || status == ZCX_ENOTFOUND) return status;
    status = look_for_answer(what, &why);
    if (status && status != ZCX_ENOTFOUND && error && !error->status) *error = why;
    return status;
}

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
    *status = find_answer(what, error);
    if (*status != ZCX_ENOTFOUND) return true;
    if (call->deadline && zcxi_now() > call->deadline)
        *status = zcxi_fail(error, ZCX_EEXPIRED, 0,
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
    *status = find_answer(what, error);
    if (*status == ZCX_ENOTFOUND) return idle && look_at_request(env, what, status, error);
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
    zcx_status status = zcxi_store_enter(call->exchange->store, error);
    if (status) return status;
    status = zcxi_wait(env, hash, timeout_ms, look, &what, &why);
    if (!status) return zcxi_call_take_output(call, what.view, error);
    if (status == ZCX_ETIMEDOUT && !why.status) {
        uint32_t workers = 0;
        count_workers(env, call->ticket.queue, &workers);
        return zcxi_fail(error, ZCX_ETIMEDOUT, 0,
                         "calculator '%s': no answer in %" PRId64 " ms from queue '%s', which %u "
                         "workers take from", call->exchange->config.name, timeout_ms,
                         call->ticket.queue, workers);
    }
    if (status == ZCX_EDELETED || status == ZCX_EEXPIRED) {
        zcxi_call_fail_as(call, status, why.message, NULL);
        return zcxi_call_failure(call, error);
    }
    if (error && !error->status) *error = why;
    return status;
}

/* ---- cancelling ------------------------------------------------------------------------------------------------- */

zcx_status zcxi_request_cancel(zcx_call *call, zcx_error *error)
{
    struct zcxi_ending ending = {.ticket = call->ticket}; /* the input is deleted as a leg */
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = zcxi_transact(call->exchange->store->env, &(struct zcxi_need){.changes = 2},
                                      zcxi_queue_end, &ending, &why);
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
    if (status == ZCX_EEXPIRED && zcxi_now() > call->deadline) why.status = status = ZCX_ETIMEDOUT;
    if (status == ZCX_ETIMEDOUT && zcxi_call_pending(call)) (void)zcxi_request_cancel(call, NULL);
    if (status && error && !error->status) *error = why;
    return status;
}
