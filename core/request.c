/* The references that stand for a call: the request to its callee, the callee's answer, the result.
 */
#include "call.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Does the record that `view` came from still say what it said, and can a reference name it? */
static bool named_by_its_record(const zcx_call *call, const zcx_view *view)
{
    zcx_store *store = call->exchange->store;
    size_t key_length;
    const void *key = zcx_view_key(view, &key_length);
    if (view->store->env != store->env || view->store->database != store->database) return false;
    if (!zcxi_reference_can_name(key, key_length)) return false;
    zcx_view *now;
    if (zcx_store_view(&now, store, key, key_length, NULL)) return false;
    bool same = now->header.transaction == view->header.transaction &&
                now->header.slot == view->header.slot &&
                now->header.generation == view->header.generation;
    zcx_view_release(now);
    return same;
}

/* A view that no reference can name (another store's, or its key has been overwritten): a copy is
 * put at the call's own key. */
static zcx_status put_copy(zcx_call *call, struct zcxi_leg *leg, zcx_error *error)
{
    char key[ZCX_KEY_MAX + 1];
    const struct zcxi_config *config = &call->exchange->config;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_status status = zcx_view_envelope(leg->view, &envelope, error);
    if (status) return status;
    envelope.ttl_ms = config->ttl_s ? config->ttl_s * 1000 : ZCX_TTL_NEVER;
    zcxi_leg_key(key, call, leg);
    status = zcx_store_put(call->exchange->store, key, strlen(key), leg->data, leg->length,
                           &envelope, NULL, error);
    if (!status) leg->owned = true;
    return status;
}

/* The key that the input can be read at, NULL when it goes directly. */
static zcx_status input_key(char key[ZCX_KEY_MAX + 1], bool *by_reference, zcx_call *call,
                            zcx_error *error)
{
    struct zcxi_leg *leg = &call->in;
    *by_reference = false;
    if (leg->owned) { /* given by memory, or copied for an earlier request */
        *by_reference = true;
        zcxi_leg_key(key, call, leg);
        return ZCX_OK;
    }
    const struct zcxi_config *config = &call->exchange->config;
    if (!leg->view || (config->mode == ZCX_MODE_OUTPUT && !config->queue)) return ZCX_OK;
    if (named_by_its_record(call, leg->view)) {
        size_t length;
        const void *name = zcx_view_key(leg->view, &length);
        memcpy(key, name, length);
        key[length] = 0;
        *by_reference = true;
        return ZCX_OK;
    }
    if (!zcxi_leg_by_reference(call, leg, leg->length)) return ZCX_OK;
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = put_copy(call, leg, &why);
    if (status == ZCX_EFULL && config->mode != ZCX_MODE_REFERENCE && !config->queue) {
        zcxi_exchange_warn(call->exchange, &why);
        return ZCX_OK;
    }
    if (status) {
        if (error && !error->status) *error = why;
        return status;
    }
    *by_reference = true;
    zcxi_leg_key(key, call, leg);
    return ZCX_OK;
}

static void name_store(const char *text[ZCXI_REFERENCE_FIELDS], const zcx_call *call,
                       const zcx_envelope *envelope)
{
    const char *format = zcx_format_name(envelope->format);
    text[ZCX_REFERENCE_DB_PATH] = zcx_store_path(call->exchange->store);
    text[ZCX_REFERENCE_DB_NAME] = zcx_store_database(call->exchange->store);
    text[ZCX_REFERENCE_FORMAT] = envelope->format <= ZCX_ARROW ? format : "raw";
    text[ZCX_REFERENCE_CALL_ID] = call->id;
}

/* An array's elements do not say what they are, and no envelope goes with `_lmdb_data`: there it is
 * msgpack, one typed array. Free *out. */
static zcx_status pack_array(void **out, uint64_t *length, const void *elements,
                             const zcx_envelope *envelope, zcx_error *error)
{
    const zcx_array array = {.struct_size = sizeof array,
                             .dtype = envelope->dtype,
                             .shape = envelope->shape,
                             .ndim = envelope->ndim,
                             .order = envelope->order,
                             .nbytes = *length};
    void *buffer = NULL, *to;
    zcx_status status = ZCX_OK;
    for (int pass = 0; pass < 2 && !status; pass++) {
        zcx_packer *packer;
        if (pass && posix_memalign(&buffer, ZCX_ALIGNMENT, *length))
            return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a request");
        status = zcx_packer_open(&packer, buffer, *length, error);
        if (status) break;
        if (!zcx_pack_array(packer, &array, &to) && to && array.nbytes)
            memcpy(to, elements, array.nbytes);
        status = zcx_packer_close(packer, length, error);
    }
    if (status)
        free(buffer);
    else
        *out = buffer;
    return status;
}

zcx_status zcx_call_request(zcx_reference **out, zcx_call *call, zcx_error *error)
{
    const zcx_exchange *exchange = call->exchange;
    char in[ZCX_KEY_MAX + 1], answer[ZCX_KEY_MAX + 1];
    const char *text[ZCXI_REFERENCE_FIELDS] = {NULL};
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    const void *data;
    uint64_t length;
    bool by_reference;
    zcx_status status = zcx_call_read(&data, &length, &envelope, call, error);
    if (status) return status;
    if (!exchange->store) {
        *out = NULL;
        return ZCX_OK;
    }
    status = input_key(in, &by_reference, call, error);
    if (status) return status;
    const bool result_itself = exchange->config.mode == ZCX_MODE_INPUT && !exchange->config.queue;
    if (result_itself && !by_reference) {
        *out = NULL;
        return ZCX_OK;
    }
    name_store(text, call, &envelope);
    if (by_reference) text[ZCX_REFERENCE_INPUT_KEY] = in;
    if (!result_itself)
        text[ZCX_REFERENCE_OUTPUT_KEY] = zcxi_leg_key(answer, call, &call->out);
    void *packed = NULL;
    if (by_reference) {
        data = NULL;
    } else if (envelope.format == ZCX_NUMPY) {
        status = pack_array(&packed, &length, data, &envelope, error);
        data = packed;
        text[ZCX_REFERENCE_FORMAT] = zcx_format_name(ZCX_MSGPACK);
    }
    if (!status) status = zcxi_reference_make(out, text, data, length, false, error);
    free(packed);
    return status;
}

/* ---- The answer ------------------------------------------------------------------------------ */

static const char *complaint(const zcx_call *call, const zcx_reference *answer, const char *key)
{
    const char *said = answer ? answer->text[ZCX_REFERENCE_OUTPUT_KEY] : NULL;
    const char *id = answer ? answer->text[ZCX_REFERENCE_CALL_ID] : NULL;
    if (!answer || !answer->has_written)
        return "answered a reference with something else than a written output; a calculator that "
               "gets references returns a map with _lmdb_output_written true";
    if (!answer->written) return "answered that its output was not written";
    if (said && strcmp(said, key)) return "answered with the output of another key";
    if (id && strcmp(id, call->id)) return "answered with the output of another call";
    return NULL;
}

static zcx_status refuse(zcx_call *call, const char *why, const char *key, zcx_error *error)
{
    char message[400];
    snprintf(message, sizeof message, "%.250s (%.120s)", why, key);
    zcx_call_fail(call, message, NULL);
    return zcxi_call_failure(call, error);
}

zcx_status zcx_call_accept(zcx_call *call, const zcx_reference *answer, zcx_error *error)
{
    char key[ZCX_KEY_MAX + 1];
    zcxi_leg_key(key, call, &call->out);
    const char *wrong = complaint(call, answer, key);
    zcx_view *view;
    zcx_error why = ZCX_ERROR_INIT;
    if (call->state != ZCXI_CALL_GIVEN || call->out.data || !call->exchange->store)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "call %s of calculator '%s' waits for no written output", call->id,
                         call->exchange->config.name);
    if (wrong) return refuse(call, wrong, key, error);
    zcx_status status = zcx_store_view(&view, call->exchange->store, key, strlen(key), &why);
    if (status == ZCX_ENOTFOUND || status == ZCX_EEXPIRED)
        return refuse(call, "answered that its output was written, but no record is there", key,
                      error);
    if (status) return refuse(call, why.message, key, error);
    return zcxi_call_take_output(call, view, error);
}

zcx_status zcx_call_result_reference(zcx_reference **out, zcx_call *call, zcx_error *error)
{
    char key[ZCX_KEY_MAX + 1];
    const char *text[ZCXI_REFERENCE_FIELDS] = {NULL};
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    const void *data;
    uint64_t length;
    zcx_status status = zcx_call_result(&data, &length, &envelope, call, error);
    if (status) return status;
    if (!call->out.view) {
        *out = NULL;
        return ZCX_OK;
    }
    name_store(text, call, &envelope);
    text[ZCX_REFERENCE_OUTPUT_KEY] = zcxi_leg_key(key, call, &call->out);
    return zcxi_reference_make(out, text, NULL, 0, true, error);
}
