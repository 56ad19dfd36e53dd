/* Decoding: the object that a payload is, in place wherever its format allows. */
#include "module.h"

static PyObject *decode_text(struct state *state, PyObject *pin, const char *name)
{
    PyObject *read = helper(state, name);
    PyObject *object = read ? PyObject_CallFunctionObjArgs(read, pin, NULL) : NULL;
    Py_XDECREF(read);
    return object;
}

/* The record's error becomes CalculatorError(message, trace). */
static PyObject *raise_record(struct state *state, PyObject *pin)
{
    PyObject *said = unpack(state, pin, ((Pin *)pin)->data, ((Pin *)pin)->length);
    PyObject *fail = said ? helper(state, "raise_record") : NULL;
    PyObject *nothing = fail ? PyObject_CallFunctionObjArgs(fail, said, NULL) : NULL;
    Py_XDECREF(nothing);
    Py_XDECREF(fail);
    Py_XDECREF(said);
    return NULL;
}

static PyObject *decode_array(struct state *state, PyObject *pin, const zcx_envelope *envelope)
{
    if (!envelope->dtype)
        return raise_status(state, ZCX_ECORRUPT, "a numpy payload without a dtype in its envelope");
    return array_over(state, pin, 0, envelope->dtype, envelope->shape, envelope->ndim,
                      envelope->order);
}

PyObject *decode_as(struct state *state, PyObject *pin, const zcx_envelope *envelope)
{
    if (envelope->flags & ZCX_FLAG_ERROR) return raise_record(state, pin);
    switch (envelope->format) {
    case ZCX_JSON:
        return decode_text(state, pin, "json_from_buffer");
    case ZCX_MSGPACK:
        return unpack(state, pin, ((Pin *)pin)->data, ((Pin *)pin)->length);
    case ZCX_NUMPY:
        return decode_array(state, pin, envelope);
    case ZCX_ARROW:
        return decode_text(state, pin, "arrow_from_buffer");
    default:
        return PyMemoryView_FromObject(pin);
    }
}

PyObject *decode(struct state *state, PyObject *pin)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    if (zcx_view_envelope(((Pin *)pin)->view, &envelope, &error) != ZCX_OK)
        return raise_error(state, &error);
    return decode_as(state, pin, &envelope);
}
