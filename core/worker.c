#include "call.h"
#include "record.h"
#include "wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct zcx_worker {
    zcx_exchange *exchange;
    struct zcxi_env *env;
    uint32_t hash;
    _Atomic bool stopped;
    _Atomic uint32_t taking;
};

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* What `zcx stat` shows of us. */
static zcx_status sign(const zcx_worker *worker, bool on, zcx_error *error)
{
    struct zcxi_env *env = worker->env;
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    struct zcxi_owner *owner = &env->board.owners[env->self.owner];
    if (on) snprintf(owner->queue, sizeof owner->queue, "%s", worker->exchange->config.queue);
    ZCXI_POINT(worker.named);
    atomic_fetch_add(&owner->workers, on ? 1 : UINT32_MAX);
    zcxi_env_unlock(env);
    return ZCX_OK;
}

zcx_status zcx_worker_open(zcx_worker **out, const char *json, zcx_error *error)
{
    zcx_worker *worker = calloc(1, sizeof *worker);
    if (!worker) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a worker");
    zcx_status status = zcx_exchange_open(&worker->exchange, json, error);
    if (!status) {
        const struct zcxi_config *config = &worker->exchange->config;
        if (!config->queue)
            status = zcxi_fail(error, ZCX_EINVAL, 0,
                               "option 'queue' of calculator '%s' is missing; it names the queue "
                               "that a worker takes from", config->name);
        else
            status = zcxi_exchange_need_store(worker->exchange, error);
    }
    if (!status) {
        worker->env = worker->exchange->store->env;
        worker->hash = zcxi_queue_hash(worker->exchange->config.queue);
        status = sign(worker, true, error);
    }
    if (status) {
        zcx_exchange_close(worker->exchange);
        free(worker);
        return status;
    }
    *out = worker;
    return ZCX_OK;
}

void zcx_worker_stop(zcx_worker *worker)
{
    atomic_store(&worker->stopped, true);
    if (zcxi_env_alive(worker->env)) zcxi_wake(worker->env, worker->hash);
}

zcx_status zcx_worker_close(zcx_worker *worker, zcx_error *error)
{
    if (!worker) return ZCX_OK;
    uint32_t taking = atomic_load(&worker->taking);
    if (taking)
        return zcxi_fail(error, ZCX_EBUSY, 0, "%u threads wait for requests of queue '%s'", taking,
                         worker->exchange->config.queue);
    (void)sign(worker, false, NULL);
    zcx_exchange_close(worker->exchange);
    free(worker);
    return ZCX_OK;
}

/* ---- the end of a request ------------------------------------------------------------------------------------ */

/* In the database that the caller waits in, which may be another than ours. */
static zcx_status send_failure(const zcx_call *call, const char *message, zcx_error *error)
{
    const zcx_exchange *exchange = call->exchange;
    struct zcxi_served *served = call->served;
    zcx_store *store;
    const char *database = zcx_reference_text(served->request, ZCX_REFERENCE_DB_NAME);
    int64_t ttl_ms = exchange->config.ttl_s ? exchange->config.ttl_s * 1000 : ZCX_TTL_NEVER;
    zcx_status as = call->why ? call->why : ZCX_EFAILED;
    zcx_status status = zcxi_store_beside(&store, exchange->store->env, database, error);
    if (status) return status;
    served->ending.database = store->database;
    status = zcxi_store_put_error(store, served->output_key, strlen(served->output_key), as, message,
                                  call->trace, ttl_ms, &served->also, error);
    (void)zcx_store_close(store, NULL);
    return status;
}

void zcxi_served_end(zcx_call *call)
{
    struct zcxi_served *served = call->served;
    struct zcxi_env *env = call->exchange->store->env;
    zcx_error why = ZCX_ERROR_INIT;
    /* In a forked child the request is its parent's. */
    if (served->output_key && call->state != ZCXI_CALL_ANSWERED && zcxi_env_alive(env)) {
        const char *message = call->message ? call->message : "the worker gave no answer";
        zcx_status status = send_failure(call, message, &why);
        if (status && status != ZCX_ECANCELLED) {
            zcxi_log('w', "calculator '%s': a failure could not be sent: %s",
                     call->exchange->config.name, why.message);
            zcxi_queue_give_back(env, &served->ending.ticket);
        }
    }
    zcx_reference_free(served->request);
    free(served);
    call->served = NULL;
}

/* ---- taking ----------------------------------------------------------------------------------------------------- */

static zcx_status take_input(zcx_call *call, const struct zcxi_request *head, zcx_error *error)
{
    const zcx_exchange *exchange = call->exchange;
    const zcx_reference *request = call->served->request;
    const char *key = zcx_reference_text(request, ZCX_REFERENCE_INPUT_KEY);
    const char *database = zcx_reference_text(request, ZCX_REFERENCE_DB_NAME);
    if (!database) database = "default"; /* as one that says it is an answer may */
    if (strcmp(database, zcx_store_database(exchange->store)))
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "the request is of database '%s', its worker of '%s': give both the same "
                         "lmdb_db_name", database, zcx_store_database(exchange->store));
    if (!key) {
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        uint64_t length;
        const void *data = zcx_reference_data(request, &length);
        zcx_status status = zcx_format_parse(
            &envelope.format, zcx_reference_text(request, ZCX_REFERENCE_FORMAT), error);
        if (status) return status;
        return zcxi_leg_keep(&call->in, data, data ? length : 0, &envelope, error);
    }
    zcx_view *view;
    zcx_status status = zcx_store_view(&view, exchange->store, key, strlen(key), error);
    if (status) return status;
    if (head->input && head->input != view->header.transaction)
        status = zcxi_fail(error, ZCX_EDELETED, 0,
                           "the input at %.200s was overwritten before a worker read it", key);
    else
        status = zcxi_leg_take_view(call, &call->in, view, error);
    if (status) zcx_view_release(view);
    return status;
}

/* Makes a call of a claimed request. Its input may be missing: then the call has failed. */
static zcx_status make_call(zcx_call **out, const zcx_worker *worker,
                            const struct zcxi_ticket *ticket, const uint8_t *value, size_t size,
                            zcx_error *error)
{
    struct zcxi_request head;
    zcx_error why = ZCX_ERROR_INIT;
    zcx_reference *request;
    memcpy(&head, value, sizeof head);
    zcx_status status = zcx_reference_parse(&request, ZCX_ENCODING_MSGPACK, value + sizeof head,
                                            size - sizeof head, error);
    if (status) return status;
    if (request->has_written) { /* which may leave out everything else */
        zcx_reference_free(request);
        return zcxi_fail(error, ZCX_EINVAL, 0, "it is an answer, not a request");
    }
    struct zcxi_served *served = calloc(1, sizeof *served);
    if (!served) {
        zcx_reference_free(request);
        return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a request");
    }
    *served = (struct zcxi_served){
        .request = request,
        .output_key = zcx_reference_text(request, ZCX_REFERENCE_OUTPUT_KEY),
        .ending = {.ticket = {worker->exchange->config.queue, ticket->sequence},
                   .ours = true,
                   .database = worker->exchange->store->database,
                   .input_key = zcx_reference_text(request, ZCX_REFERENCE_INPUT_KEY)},
        .also = {zcxi_queue_end, &served->ending, ZCXI_ENDING_CHANGES, 0}};
    status = zcxi_call_make(out, worker->exchange, zcx_reference_text(request, ZCX_REFERENCE_CALL_ID),
                            error);
    if (status || !served->output_key) {
        if (!status) zcx_call_close(*out);
        zcx_reference_free(request);
        free(served);
        return status ? status
                      : zcxi_fail(error, ZCX_EINVAL, 0, "the request has no _lmdb_output_key");
    }
    (*out)->served = served;
    if (head.version != ZCXI_REQUEST_VERSION)
        status = zcxi_fail(&why, ZCX_EVERSION, 0,
                           "the request is of version %u, the worker's zcx %s knows %u",
                           head.version, zcx_version(), ZCXI_REQUEST_VERSION);
    else
        status = take_input(*out, &head, &why);
    if (status)
        zcxi_call_fail_as(*out, status, why.message, NULL);
    else
        (*out)->state = ZCXI_CALL_GIVEN;
    return ZCX_OK;
}

/* Nobody can be told what is wrong with a request that does not say where its answer goes. */
static void drop(const zcx_worker *worker, const struct zcxi_ticket *ticket, const zcx_error *why)
{
    struct zcxi_ending ending = {.ticket = *ticket, .ours = true};
    if (zcxi_transact(worker->env, &(struct zcxi_need){.changes = 1}, zcxi_queue_end, &ending, NULL))
        zcxi_queue_give_back(worker->env, ticket);
    zcxi_log('w', "request %" PRIu64 " of queue '%s' was dropped: %s", ticket->sequence,
             ticket->queue, why->message);
}

struct taking {
    zcx_worker *worker;
    zcx_call *call;
};

static bool look(struct zcxi_env *env, void *context, bool idle, zcx_status *status,
                 zcx_error *error)
{
    struct taking *what = context;
    zcx_worker *worker = what->worker;
    for (;;) {
        struct zcxi_ticket ticket = {worker->exchange->config.queue, 0};
        uint8_t *value;
        size_t size;
        zcx_error why = ZCX_ERROR_INIT;
        if (atomic_load(&worker->stopped)) {
            *status = zcxi_fail(error, ZCX_ECLOSED, 0, "the worker of queue '%s' was stopped",
                                worker->exchange->config.queue);
            return true;
        }
        *status = zcxi_queue_claim(env, &ticket, &value, &size, error);
        if (*status == ZCX_ENOTFOUND && idle) (void)zcxi_queue_revive(env, NULL);
        if (*status) return *status != ZCX_ENOTFOUND;
        zcx_status made = make_call(&what->call, worker, &ticket, value, size, &why);
        if (made) drop(worker, &ticket, &why);
        free(value);
        if (!made && what->call->state == ZCXI_CALL_GIVEN) return true;
        if (!made) zcx_call_close(what->call); /* which tells its caller */
    }
}

zcx_status zcx_worker_take(zcx_call **out, zcx_worker *worker, int64_t timeout_ms, zcx_error *error)
{
    struct taking what = {.worker = worker};
    zcx_status status = zcxi_store_enter(worker->exchange->store, error);
    if (status) return status;
    (void)zcxi_exchange_tidy(worker->exchange, NULL);
    atomic_fetch_add(&worker->taking, 1);
    status = zcxi_wait(worker->env, worker->hash, timeout_ms, look, &what, error);
    if (!status) *out = what.call;
    if (status == ZCX_ETIMEDOUT)
        status = zcxi_fail(error, status, 0, "no request came to queue '%s' in %" PRId64 " ms",
                           worker->exchange->config.queue, timeout_ms);
    atomic_fetch_sub(&worker->taking, 1); /* last: the worker may be closed now */
    return status;
}
