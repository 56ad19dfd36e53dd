#include "call.h"

#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const state_names[] = {"has no input yet", "has its input", "is answered",
                                          "has failed"};

static zcx_status expect(const zcx_call *call, enum zcxi_call_state state, zcx_error *error)
{
    if (call->state == state) return ZCX_OK;
    if (call->state == ZCXI_CALL_FAILED) return zcxi_call_failure(call, error);
    return zcxi_fail(error, ZCX_EINVAL, 0, "call %s of calculator '%s' %s", call->id,
                     call->exchange->config.name, state_names[call->state]);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

zcx_status zcx_call_open(zcx_call **out, zcx_exchange *exchange, zcx_error *error)
{
    zcx_status status = exchange->store ? zcxi_store_enter(exchange->store, error) : ZCX_OK;
    if (!status && exchange->config.enabled && exchange->config.mode == ZCX_MODE_REFERENCE)
        status = zcxi_exchange_need_store(exchange, error);
    if (status) return status;
    if (!exchange->config.queue) /* there the next request's transaction does it */
        (void)zcxi_exchange_tidy(exchange, NULL); /* what cannot go now stays queued */
    return zcxi_call_make(out, exchange, NULL, error);
}

static void write_id(char out[ZCXI_CALL_ID], uint64_t id)
{
    for (int i = ZCXI_CALL_ID - 2; i >= 0; i--, id >>= 4)
        out[i] = "0123456789abcdef"[id & 15];
}

zcx_status zcxi_call_make(zcx_call **out, zcx_exchange *exchange, const char *id, zcx_error *error)
{
    static _Atomic uint64_t without_store; /* calls, for ids in messages */
    zcx_call *call = calloc(1, sizeof *call);
    if (!call) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a call");
    if (id)
        strncpy(call->id, id, sizeof call->id - 1);
    else
        write_id(call->id, exchange->store ? zcxi_store_call_id(exchange->store)
                                           : atomic_fetch_add(&without_store, 1));
    call->exchange = exchange;
    call->in.prefix = "input";
    call->out.prefix = "output";
    atomic_fetch_add(&exchange->references, 1);
    *out = call;
    return ZCX_OK;
}

void zcxi_call_end(zcx_call *call)
{
    zcx_exchange *exchange = call->exchange;
    free(call->message);
    free(call->trace);
    free(call);
    atomic_fetch_sub(&exchange->references, 1); /* last: the exchange may go with it */
}

void zcx_call_close(zcx_call *call)
{
    if (!call) return;
    if (call->served) zcxi_served_end(call);
    zcxi_unchain(call);
    zcxi_leg_free(&call->in);
    zcxi_leg_free(&call->out);
    if (call->in.owned || call->out.owned || zcxi_call_pending(call))
        zcxi_exchange_release(call->exchange, call);
    else
        zcxi_call_end(call);
}

zcx_status zcxi_call_finish(zcx_call *call, zcx_error *error)
{
    zcx_status status = zcxi_call_pending(call) ? zcxi_request_cancel(call, error) : ZCX_OK;
    if (!status) status = zcxi_leg_delete(call, &call->in, error);
    if (!status) status = zcxi_leg_delete(call, &call->out, error);
    if (!status) zcxi_call_end(call);
    return status;
}

const char *zcx_call_id(const zcx_call *call)
{
    return call->id;
}

bool zcx_call_input_by_reference(const zcx_call *call, uint64_t size)
{
    return zcxi_leg_by_reference(call, &call->in, size);
}

bool zcx_call_output_by_reference(const zcx_call *call, uint64_t size)
{
    return zcxi_leg_by_reference(call, &call->out, size);
}

/* ---- The input ------------------------------------------------------------------------------- */

static zcx_status expect_new_leg(const zcx_call *call, const struct zcxi_leg *leg,
                                 enum zcxi_call_state state, zcx_error *error)
{
    zcx_status status = expect(call, state, error);
    if (status || !leg->data) return status;
    return zcxi_fail(error, ZCX_EINVAL, 0, "call %s of calculator '%s' has its %s already",
                     call->id, call->exchange->config.name, leg->prefix);
}

static zcx_status open_leg(void **data, zcx_call *call, struct zcxi_leg *leg,
                           enum zcxi_call_state state, uint64_t size, zcx_error *error)
{
    zcx_status status = expect_new_leg(call, leg, state, error);
    if (!status) status = zcxi_leg_open(call, leg, size, error);
    if (!status) *data = leg->data;
    return status;
}

static zcx_status give_leg(zcx_call *call, struct zcxi_leg *leg, enum zcxi_call_state state,
                           uint64_t length, const zcx_envelope *envelope, zcx_error *error)
{
    zcx_status status = expect(call, state, error);
    if (status) return status;
    if (!leg->data)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "call %s of calculator '%s' has no %s memory to give", call->id,
                         call->exchange->config.name, leg->prefix);
    return zcxi_leg_give(call, leg, length, envelope, error);
}

zcx_status zcx_call_input(void **data, zcx_call *call, uint64_t size, zcx_error *error)
{
    return open_leg(data, call, &call->in, ZCXI_CALL_NEW, size, error);
}

zcx_status zcx_call_submit(zcx_call *call, uint64_t length, const zcx_envelope *envelope,
                           zcx_error *error)
{
    zcx_status status = give_leg(call, &call->in, ZCXI_CALL_NEW, length, envelope, error);
    if (!status) call->state = ZCXI_CALL_GIVEN;
    return status;
}

zcx_status zcx_call_input_view(zcx_call *call, zcx_view *view, zcx_error *error)
{
    zcx_status status = expect_new_leg(call, &call->in, ZCXI_CALL_NEW, error);
    if (!status) status = zcxi_leg_take_view(call, &call->in, view, error);
    if (status) return status;
    call->in.borrowed = true;
    call->state = ZCXI_CALL_GIVEN;
    return ZCX_OK;
}

zcx_status zcx_call_skip_input(zcx_call *call, zcx_error *error)
{
    zcx_status status = expect_new_leg(call, &call->in, ZCXI_CALL_NEW, error);
    if (status) return status;
    call->in.data = (void *)"";
    call->in.envelope = (zcx_envelope)ZCX_ENVELOPE_INIT;
    call->state = ZCXI_CALL_GIVEN;
    return ZCX_OK;
}

static bool same_directory(const char *one, const char *other)
{
    struct stat a, b;
    if (!strcmp(one, other)) return true;
    return !stat(one, &a) && !stat(other, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

zcx_status zcx_call_input_reference(zcx_call *call, const zcx_reference *reference,
                                    zcx_error *error)
{
    const zcx_exchange *exchange = call->exchange;
    const char *key =
        reference->text[reference->written ? ZCX_REFERENCE_OUTPUT_KEY : ZCX_REFERENCE_INPUT_KEY];
    const char *path = reference->text[ZCX_REFERENCE_DB_PATH];
    const char *database = reference->text[ZCX_REFERENCE_DB_NAME];
    zcx_status status = expect(call, ZCXI_CALL_NEW, error);
    if (status) return status;
    if (!key || !path || !database)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the reference given to calculator '%s' has no %s",
                         exchange->config.name,
                         !key    ? "key of a written payload"
                         : !path ? "_lmdb_db_path"
                                 : "_lmdb_db_name");
    status = zcxi_exchange_need_store(exchange, error);
    if (status) return status;
    if (!same_directory(path, zcx_store_path(exchange->store)) ||
        strcmp(database, zcx_store_database(exchange->store)))
        return zcxi_fail(
            error, ZCX_EINVAL, 0,
            "the reference is to database '%s' of %.150s, calculator '%.100s' uses '%s' "
            "of %.150s",
            database, path, exchange->config.name, zcx_store_database(exchange->store),
            zcx_store_path(exchange->store));
    zcx_view *view;
    status = zcx_store_view(&view, exchange->store, key, strlen(key), error);
    if (status) return status;
    status = zcx_call_input_view(call, view, error);
    if (status)
        zcx_view_release(view);
    else
        call->in.borrowed = false;
    return status;
}

/* ---- The callee ------------------------------------------------------------------------------ */

zcx_status zcx_call_read(const void **data, uint64_t *length, zcx_envelope *envelope,
                         zcx_call *call, zcx_error *error)
{
    zcx_status status = expect(call, ZCXI_CALL_GIVEN, error);
    if (!status && !call->in.data)
        status = zcxi_fail(error, ZCX_EINVAL, 0,
                           "the input of call %s of calculator '%s' was taken by its callee",
                           call->id, call->exchange->config.name);
    if (!status && envelope) status = zcxi_leg_envelope(envelope, &call->in, error);
    if (status) return status;
    *data = call->in.data;
    *length = call->in.length;
    return ZCX_OK;
}

zcx_view *zcx_call_take_input(zcx_call *call)
{
    if (call->in.borrowed) return NULL;
    zcx_view *view = call->in.view;
    if (view) call->in.data = NULL;
    call->in.view = NULL;
    return view;
}

void zcxi_call_answered(zcx_call *call, enum zcxi_call_state state)
{
    call->state = state;
    zcxi_unchain(call);
    zcxi_leg_free(&call->in);
    (void)zcxi_leg_delete(call, &call->in, NULL);
}

zcx_status zcx_call_output(void **data, zcx_call *call, uint64_t size, zcx_error *error)
{
    return open_leg(data, call, &call->out, ZCXI_CALL_GIVEN, size, error);
}

zcx_status zcx_call_answer(zcx_call *call, uint64_t length, const zcx_envelope *envelope,
                           zcx_error *error)
{
    zcx_status status = give_leg(call, &call->out, ZCXI_CALL_GIVEN, length, envelope, error);
    if (!status) zcxi_call_answered(call, ZCXI_CALL_ANSWERED);
    return status;
}

zcx_status zcxi_call_take_output(zcx_call *call, zcx_view *view, zcx_error *error)
{
    call->out.owned = true;
    if (call->sent) call->in.owned = false; /* it went with the request */
    zcx_status status = zcxi_leg_take_view(call, &call->out, view, error);
    if (status)
        zcx_view_release(view);
    else
        zcxi_call_answered(call, ZCXI_CALL_ANSWERED);
    return status;
}

void zcx_call_fail(zcx_call *call, const char *message, const char *trace)
{
    zcxi_call_fail_as(call, ZCX_EFAILED, message, trace);
}

void zcxi_call_fail_as(zcx_call *call, zcx_status as, const char *message, const char *trace)
{
    if (call->state == ZCXI_CALL_FAILED || call->state == ZCXI_CALL_ANSWERED) return;
    call->why = as;
    call->message = strdup(message);
    call->trace = trace ? strdup(trace) : NULL;
    zcxi_call_answered(call, ZCXI_CALL_FAILED);
}

zcx_status zcxi_call_failure(const zcx_call *call, zcx_error *error)
{
    return zcxi_fail(error, call->why, 0, "calculator '%s': %s", call->exchange->config.name,
                     call->message ? call->message : "failed, and there was no memory to say why");
}

const char *zcx_call_trace(const zcx_call *call)
{
    return call->trace;
}

/* ---- The result ------------------------------------------------------------------------------ */

zcx_status zcx_call_result(const void **data, uint64_t *length, zcx_envelope *envelope,
                           zcx_call *call, zcx_error *error)
{
    zcx_status status = expect(call, ZCXI_CALL_ANSWERED, error);
    if (!status && envelope) status = zcxi_leg_envelope(envelope, &call->out, error);
    if (status) return status;
    *data = call->out.data;
    *length = call->out.length;
    return ZCX_OK;
}

zcx_view *zcx_call_result_view(zcx_call *call)
{
    return call->state == ZCXI_CALL_ANSWERED ? call->out.view : NULL;
}

void zcx_call_keep_result(zcx_call *call)
{
    call->out.owned = false;
}
