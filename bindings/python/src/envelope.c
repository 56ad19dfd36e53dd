/* Envelopes: from keyword arguments to the core, and from the core to zcx.Envelope. */
#include "module.h"

static bool format_from(struct state *state, uint32_t *out, PyObject *object)
{
    const char *name = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_format format = ZCX_RAW;
    if (!text_from(&name, object, "format")) return false;
    if (zcx_format_parse(&format, name, &error) != ZCX_OK) return raise_error(state, &error);
    *out = format;
    return true;
}

bool envelope_fill(struct state *state, zcx_envelope *envelope, bool *named,
                   const struct options *options)
{
    *envelope = (zcx_envelope)ZCX_ENVELOPE_INIT;
    *named = options->format && options->format != Py_None;
    if (*named && !format_from(state, &envelope->format, options->format)) return false;
    if (options->ttl == Py_None)
        envelope->ttl_ms = ZCX_TTL_NEVER;
    else if (options->ttl) {
        if (!milliseconds_from(&envelope->ttl_ms, options->ttl, "ttl")) return false;
        if (envelope->ttl_ms == 0) envelope->ttl_ms = ZCX_TTL_NEVER;
    }
    if (options->checksum) {
        int wanted = PyObject_IsTrue(options->checksum);
        if (wanted < 0) return false;
        if (wanted) envelope->flags |= ZCX_FLAG_CHECKSUM;
    }
    return text_from(&envelope->source, options->source, "source") &&
           text_from(&envelope->target, options->target, "target") &&
           text_from(&envelope->content_type, options->content_type, "content_type");
}

/* In the order of the class's fields; "s" and "z" take the texts as UTF-8, which the core checked.
 */
PyObject *envelope_to(struct state *state, const zcx_envelope *envelope)
{
    PyObject *shape = envelope->dtype ? shape_to(envelope->shape, envelope->ndim) : Py_None;
    if (!shape) return NULL;
    if (shape == Py_None) Py_INCREF(shape);
    char order[2] = {envelope->order ? envelope->order : 'C', 0};
    PyObject *made = PyObject_CallFunction(
        state->envelope, "sIIKKKKzzzzNzOIIK", zcx_format_name(envelope->format), envelope->format,
        envelope->flags, (unsigned long long)envelope->length,
        (unsigned long long)envelope->transaction, (unsigned long long)envelope->created,
        (unsigned long long)envelope->expires, envelope->source, envelope->target,
        envelope->content_type, envelope->dtype, shape, envelope->dtype ? order : NULL,
        envelope->in_slot ? Py_True : Py_False, envelope->slot, envelope->generation,
        (unsigned long long)envelope->checksum);
    return made;
}
