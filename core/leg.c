#include "call.h"
#include "clock.h"
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANARY 0xA5

const char *zcxi_leg_key(char out[ZCX_KEY_MAX + 1], const zcx_call *call,
                         const struct zcxi_leg *leg)
{
    if (call->served && leg == &call->out) return strcpy(out, call->served->output_key);
    char *at = stpcpy(out, leg->prefix); /* the name's length is checked: it fits */
    *at++ = ':';
    at = stpcpy(at, call->exchange->config.name);
    *at++ = ':';
    strcpy(at, call->id);
    return out;
}

bool zcxi_leg_by_reference(const zcx_call *call, const struct zcxi_leg *leg, uint64_t size)
{
    const zcx_exchange *exchange = call->exchange;
    const zcx_mode other = leg == &call->in ? ZCX_MODE_OUTPUT : ZCX_MODE_INPUT;
    if (call->served) return true;
    if (exchange->config.queue) /* a request is no place for a large payload */
        return exchange->config.mode == ZCX_MODE_REFERENCE || size > ZCXI_LOAN_PRIVATE ||
               size >= (uint64_t)exchange->config.min_size;
    if (!exchange->store || exchange->config.mode == other) return false;
    return exchange->config.mode == ZCX_MODE_REFERENCE ||
           size >= (uint64_t)exchange->config.min_size;
}

/* May a leg go directly instead: is it a lack of room that stopped it, and no reference asked for?
 */
static bool may_go_directly(zcx_call *call, zcx_status status, const zcx_error *why)
{
    if (status != ZCX_EFULL && status != ZCX_ETIMEDOUT) return false;
    if (call->exchange->config.mode == ZCX_MODE_REFERENCE) return false;
    if (call->served || call->exchange->config.queue) return false;
    zcxi_exchange_warn(call->exchange, why);
    return true;
}

/* ---- Memory to fill -------------------------------------------------------------------------- */

static zcx_status open_private(struct zcxi_leg *leg, uint64_t size, zcx_error *error)
{
    uint64_t rounded = (size + ZCXI_CANARY + ZCX_ALIGNMENT - 1) / ZCX_ALIGNMENT * ZCX_ALIGNMENT;
    leg->memory = aligned_alloc(ZCX_ALIGNMENT, rounded);
    if (!leg->memory)
        return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a payload of %" PRIu64 " bytes",
                         size);
    leg->data = leg->memory;
    leg->canary = ZCXI_CANARY;
    return ZCX_OK;
}

static zcx_status open_loan(zcx_call *call, struct zcxi_leg *leg, uint64_t size, zcx_error *error)
{
    zcx_status status = zcx_store_loan(&leg->loan, call->exchange->store, size, 0, error);
    if (status) {
        leg->loan = NULL;
        return status;
    }
    uint64_t spare = zcx_loan_capacity(leg->loan) - size;
    leg->data = zcx_loan_data(leg->loan);
    leg->canary = spare < ZCXI_CANARY ? (uint32_t)spare : ZCXI_CANARY;
    return ZCX_OK;
}

zcx_status zcxi_leg_open(zcx_call *call, struct zcxi_leg *leg, uint64_t size, zcx_error *error)
{
    if (size > ZCX_PAYLOAD_MAX)
        return zcxi_fail(error, ZCX_ELIMIT, 0,
                         "the %s of calculator '%s' has %" PRIu64
                         " bytes, over the limit of %" PRIu64,
                         leg->prefix, call->exchange->config.name, size, ZCX_PAYLOAD_MAX);
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = ZCX_OK;
    if (zcxi_leg_by_reference(call, leg, size)) {
        status = open_loan(call, leg, size, &why);
        if (status && !may_go_directly(call, status, &why)) {
            if (error && !error->status) *error = why;
            return status;
        }
    }
    if (!leg->loan) status = open_private(leg, size, error);
    if (status) return status;
    leg->asked = size;
    memset((char *)leg->data + size, CANARY, leg->canary);
    return ZCX_OK;
}

static bool overrun(const struct zcxi_leg *leg)
{
    const uint8_t *behind = (const uint8_t *)leg->data + leg->asked;
    for (uint32_t i = 0; i < leg->canary; i++)
        if (behind[i] != CANARY) return true;
    return false;
}

/* ---- Giving it ------------------------------------------------------------------------------- */

/* A direct leg's envelope: checked and copied by the code that writes records, so that what is
 * refused does not depend on the size. */
static zcx_status keep_envelope(struct zcxi_leg *leg, const zcx_envelope *envelope,
                                zcx_error *error)
{
    uint8_t extras[ZCXI_EXTRAS_MAX];
    size_t used;
    zcx_status status =
        zcxi_extras_encode(extras, sizeof extras, &used, envelope, leg->length, error);
    if (status) return status;
    leg->arena = malloc(ZCXI_ARENA_SIZE(used));
    if (!leg->arena) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for an envelope");
    leg->envelope = (zcx_envelope)ZCX_ENVELOPE_INIT;
    status = zcxi_extras_decode(&leg->envelope, extras, used, leg->arena, error);
    leg->envelope.format = envelope->format;
    leg->envelope.length = leg->length;
    leg->envelope.created = zcxi_now_coarse();
    return status;
}

zcx_status zcxi_leg_keep(struct zcxi_leg *leg, const void *data, uint64_t length,
                         const zcx_envelope *envelope, zcx_error *error)
{
    zcx_status status = open_private(leg, length, error);
    if (status) return status;
    if (length) memcpy(leg->data, data, length);
    leg->asked = leg->length = length;
    memset((char *)leg->data + length, CANARY, leg->canary);
    return keep_envelope(leg, envelope, error);
}

static zcx_status publish(zcx_call *call, struct zcxi_leg *leg, const zcx_envelope *envelope,
                          zcx_error *error)
{
    char key[ZCX_KEY_MAX + 1];
    size_t key_length = strlen(zcxi_leg_key(key, call, leg));
    zcx_status status;
    if (leg == &call->in && call->exchange->config.queue)
        status = zcxi_send_input(call, key, envelope, error);
    else
        status = zcxi_loan_publish(&leg->view, leg->loan, key, key_length, leg->length, envelope,
                                   call->served ? &call->served->also : NULL, NULL, error);
    if (status) return status;
    leg->loan = NULL;
    leg->owned = !call->served; /* an answer is its caller's */
    leg->canary = 0;
    leg->data = (void *)zcx_view_data(leg->view); /* read-only memory from here on */
    return ZCX_OK;
}

static zcx_status check_bounds(zcx_call *call, struct zcxi_leg *leg, uint64_t length,
                               zcx_error *error)
{
    char key[ZCX_KEY_MAX + 1];
    const char *who = leg == &call->out ? "calculator" : "the caller of calculator";
    zcx_status status = leg == &call->out ? ZCX_EFAILED : ZCX_EINVAL;
    if (overrun(leg))
        return zcxi_fail(error, status, 0,
                         "%s '%s' wrote past the %" PRIu64 " bytes of %.120s: it has to ask for as "
                         "many bytes as it writes",
                         who, call->exchange->config.name, leg->asked,
                         zcxi_leg_key(key, call, leg));
    if (length > leg->asked)
        return zcxi_fail(
            error, status, 0, "%s '%s' gave %" PRIu64 " bytes in memory for %" PRIu64 " at %.120s",
            who, call->exchange->config.name, length, leg->asked, zcxi_leg_key(key, call, leg));
    return ZCX_OK;
}

zcx_status zcxi_leg_give(zcx_call *call, struct zcxi_leg *leg, uint64_t length,
                         const zcx_envelope *given, zcx_error *error)
{
    zcx_status status = check_bounds(call, leg, length, error);
    if (status) return status;
    const struct zcxi_config *config = &call->exchange->config;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    if (given) envelope = *given;
    envelope.ttl_ms = config->ttl_s ? config->ttl_s * 1000 : ZCX_TTL_NEVER;
    const char **end = leg == &call->in ? &envelope.target : &envelope.source;
    if (!*end) *end = config->name;
    leg->length = length;

    if (leg->loan && zcxi_leg_by_reference(call, leg, length)) {
        zcx_error why = ZCX_ERROR_INIT;
        status = publish(call, leg, &envelope, &why);
        if (!status) return ZCX_OK;
        if (!may_go_directly(call, status, &why)) {
            if (error && !error->status) *error = why;
            return status;
        }
    }
    return keep_envelope(leg, &envelope, error);
}

/* ---- A record that is there already ---------------------------------------------------------- */

zcx_status zcxi_leg_take_view(zcx_call *call, struct zcxi_leg *leg, zcx_view *view,
                              zcx_error *error)
{
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_status status = zcx_view_envelope(view, &envelope, error);
    if (status) return status;
    if (envelope.flags & ZCX_FLAG_ERROR) {
        char *message = zcxi_error_text(view, "message"), *trace = zcxi_error_text(view, "trace");
        zcxi_call_fail_as(call, zcxi_error_status(view),
                          message ? message : "an error record without a message", trace);
        free(message);
        free(trace);
        return zcxi_call_failure(call, error);
    }
    leg->view = view;
    leg->data = (void *)zcx_view_data(view);
    leg->length = zcx_view_length(view);
    return ZCX_OK;
}

zcx_status zcxi_leg_envelope(zcx_envelope *out, const struct zcxi_leg *leg, zcx_error *error)
{
    if (leg->view) return zcx_view_envelope(leg->view, out, error);
    size_t size = out->struct_size;
    if (size > sizeof *out) size = sizeof *out;
    memcpy(out, &leg->envelope, size);
    out->struct_size = size;
    return ZCX_OK;
}

/* ---- The end --------------------------------------------------------------------------------- */

void zcxi_leg_free(struct zcxi_leg *leg)
{
    if (!leg->borrowed) zcx_view_release(leg->view);
    zcx_loan_discard(leg->loan);
    free(leg->memory);
    free(leg->arena);
    leg->view = NULL;
    leg->loan = NULL;
    leg->data = leg->memory = leg->arena = NULL;
    leg->canary = 0;
}

zcx_status zcxi_leg_delete(zcx_call *call, struct zcxi_leg *leg, zcx_error *error)
{
    char key[ZCX_KEY_MAX + 1];
    zcx_error why = ZCX_ERROR_INIT;
    if (!leg->owned) return ZCX_OK;
    zcxi_leg_key(key, call, leg);
    if (zcxi_chained(call, key)) return ZCX_EBUSY; /* stays owned: the next who tidies tries again */
    zcx_status status = zcx_store_delete(call->exchange->store, key, strlen(key), &why);
    leg->owned = status == ZCX_ETIMEDOUT || status == ZCX_EFULL; /* else it is gone */
    if (leg->owned && error && !error->status) *error = why;
    return leg->owned ? status : ZCX_OK;
}
