/* Call: one call of a calculator. zcx/calculator.py and zcx/lmdb.py decide what to do with it; the
 * core decides which way each leg goes. */
#include "module.h"

/* ---- giving a call its legs ----------------------------------------------------------------- */

static zcx_call *call_use(Call *self)
{
    if (self->call) return self->call;
    return raise_status(self->state, ZCX_ECLOSED, "the call's result was taken already");
}

/* In the configuration's format; a worker's answer in the one that Store.put would choose. */
static PyObject *call_put(Call *self, PyObject *data, bool output)
{
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    struct sink sink = {.state = self->state, .call = call_use(self), .output = output};
    if (!sink.call) return NULL;
    if (self->owner) envelope.format = zcx_exchange_format(self->owner->exchange);
    self->call = NULL;
    bool ok = encode(&sink, data, &envelope, self->owner != NULL);
    self->call = sink.call;
    if (!ok) return NULL;
    Py_RETURN_NONE;
}

static PyObject *call_put_input(Call *self, PyObject *data)
{
    return call_put(self, data, false);
}
static PyObject *call_put_output(Call *self, PyObject *data)
{
    return call_put(self, data, true);
}

/* An input that the callee has already: the core wants one before it takes an output. */
static PyObject *call_skip_input(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    if (zcx_call_skip_input(call, &error) != ZCX_OK) return raise_error(self->state, &error);
    Py_RETURN_NONE;
}

/* The payload that `data` stands on becomes the input, as it is; its pin is held as long as the
 * call. */
static PyObject *call_chain(Call *self, PyObject *data)
{
    zcx_error error = ZCX_ERROR_INIT;
    if (!call_use(self)) return NULL;
    PyObject *pin = origin(self->state, data);
    if (!pin) Py_RETURN_FALSE;
    if (zcx_call_input_view(self->call, ((Pin *)pin)->view, &error) != ZCX_OK) {
        Py_DECREF(pin);
        return raise_error(self->state, &error);
    }
    self->chained = pin;
    Py_RETURN_TRUE;
}

/* ---- references, as msgpack bytes ----------------------------------------------------------- */

static zcx_reference *reference_from(struct state *state, PyObject *bytes)
{
    char *data = NULL;
    Py_ssize_t length = 0;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_reference *reference = NULL;
    if (PyBytes_AsStringAndSize(bytes, &data, &length) < 0) return NULL;
    if (zcx_reference_parse(&reference, ZCX_ENCODING_MSGPACK, data, (uint64_t)length, &error) !=
        ZCX_OK)
        return raise_error(state, &error);
    return reference;
}

static PyObject *reference_to(struct state *state, zcx_reference *reference)
{
    zcx_error error = ZCX_ERROR_INIT;
    uint64_t length = 0;
    PyObject *bytes = NULL;
    if (zcx_reference_write(&length, reference, ZCX_ENCODING_MSGPACK, NULL, 0, &error) == ZCX_OK)
        bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (bytes && zcx_reference_write(&length, reference, ZCX_ENCODING_MSGPACK,
                                     PyBytes_AsString(bytes), length, &error) != ZCX_OK)
        Py_CLEAR(bytes);
    zcx_reference_free(reference);
    if (!bytes && !PyErr_Occurred()) raise_error(state, &error);
    return bytes;
}

static PyObject *call_input_reference(Call *self, PyObject *bytes)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_reference *reference = call_use(self) ? reference_from(self->state, bytes) : NULL;
    if (!reference) return NULL;
    zcx_status status = zcx_call_input_reference(self->call, reference, &error);
    zcx_reference_free(reference);
    if (status != ZCX_OK) return raise_error(self->state, &error);
    Py_RETURN_NONE;
}

static PyObject *call_request(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_reference *reference = NULL;
    zcx_status status;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    Py_BEGIN_ALLOW_THREADS status = zcx_call_request(&reference, call, &error);
    Py_END_ALLOW_THREADS if (status != ZCX_OK) return raise_error(self->state, &error);
    if (reference) return reference_to(self->state, reference);
    Py_RETURN_NONE;
}

static PyObject *call_accept(Call *self, PyObject *bytes)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_reference *reference = NULL;
    zcx_status status;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    if (bytes != Py_None) {
        reference = reference_from(self->state, bytes);
        if (!reference) PyErr_Clear(); /* which is no answer: the core says so */
    }
    Py_BEGIN_ALLOW_THREADS status = zcx_call_accept(call, reference, &error);
    Py_END_ALLOW_THREADS zcx_reference_free(reference);
    if (status != ZCX_OK) return raise_error(self->state, &error);
    Py_RETURN_NONE;
}

/* ---- running -------------------------------------------------------------------------------- */

static PyObject *call_by_reference(Call *self, PyObject *args)
{
    unsigned long long size;
    int output;
    if (!PyArg_ParseTuple(args, "Kp:by_reference", &size, &output)) return NULL;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    return PyBool_FromLong(output ? zcx_call_output_by_reference(call, size)
                                  : zcx_call_input_by_reference(call, size));
}

/* The input as it lies in the store, in a tuple; None when it went directly after all. */
static PyObject *call_read_input(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    const void *data;
    uint64_t length;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    if (zcx_call_read(&data, &length, &envelope, call, &error) != ZCX_OK)
        return raise_error(self->state, &error);
    zcx_view *view = zcx_call_take_input(call);
    if (!view) Py_RETURN_NONE;
    PyObject *pin = pin_new(self->state, NULL, view);
    PyObject *object = pin ? decode_as(self->state, pin, &envelope) : NULL;
    PyObject *tuple = object ? PyTuple_Pack(1, object) : NULL;
    Py_XDECREF(object);
    Py_XDECREF(pin);
    return tuple;
}

static void *raise_failed(Call *self, const zcx_error *error)
{
    const char *trace = zcx_call_trace(self->call);
    PyObject *type = self->state->exceptions[ZCX_EFAILED];
    if (error->status != ZCX_EFAILED) return raise_error(self->state, error);
    PyObject *exception = PyObject_CallFunction(type, "siz", error->message, 0, trace);
    if (exception) PyErr_SetObject(type, exception);
    Py_XDECREF(exception);
    return NULL;
}

typedef zcx_status (*begun)(zcx_calculator *calculator, zcx_call *call, zcx_error *error);

static PyObject *begin(Call *self, begun how)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    Py_BEGIN_ALLOW_THREADS status = how(self->owner->calculator, call, &error);
    Py_END_ALLOW_THREADS if (status != ZCX_OK) return raise_failed(self, &error);
    Py_RETURN_NONE;
}

static PyObject *call_run(Call *self, PyObject *unused)
{
    (void)unused;
    return begin(self, zcx_calculator_call);
}

/* ---- over a queue --------------------------------------------------------------------------- */

static PyObject *call_send(Call *self, PyObject *unused)
{
    (void)unused;
    return begin(self, zcx_calculator_send);
}

/* None when the answer is there; the core's sentence when the call is still under way. */
static PyObject *call_wait(Call *self, PyObject *milliseconds)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    const void *data;
    uint64_t length;
    long long timeout_ms = PyLong_AsLongLong(milliseconds);
    if (timeout_ms == -1 && PyErr_Occurred()) return NULL;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    self->call = NULL; /* it is this thread's meanwhile */
    Py_BEGIN_ALLOW_THREADS status = zcx_call_wait(call, timeout_ms, &error);
    Py_END_ALLOW_THREADS self->call = call;
    if (status == ZCX_OK) Py_RETURN_NONE;
    if (status == ZCX_ETIMEDOUT && zcx_call_result(&data, &length, NULL, call, NULL) == ZCX_EINVAL)
        return text_of(error.message);
    return raise_failed(self, &error);
}

static PyObject *call_cancel(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = ZCX_OK;
    if (!self->call) Py_RETURN_NONE; /* its result was taken */
    Py_BEGIN_ALLOW_THREADS status = zcx_call_cancel(self->call, &error);
    Py_END_ALLOW_THREADS if (status != ZCX_OK) return raise_error(self->state, &error);
    Py_RETURN_NONE;
}

/* ---- a worker's ----------------------------------------------------------------------------- */

/* The input, in place; one that came in the request itself is copied, as its objects may outlive
 * the call. */
static PyObject *call_take_input(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    const void *data;
    uint64_t length;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    if (zcx_call_read(&data, &length, &envelope, call, &error) != ZCX_OK)
        return raise_error(self->state, &error);
    zcx_view *view = zcx_call_take_input(call);
    PyObject *pin = view ? pin_new(self->state, NULL, view) : pin_copy(self->state, data, length);
    PyObject *object = pin ? decode_as(self->state, pin, &envelope) : NULL;
    Py_XDECREF(pin);
    return object;
}

static PyObject *call_fail(Call *self, PyObject *args)
{
    const char *message, *trace;
    if (!PyArg_ParseTuple(args, "sz:fail", &message, &trace)) return NULL;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    zcx_call_fail(call, message, trace);
    Py_RETURN_NONE;
}

/* Ends it now instead of with the object: the caller of a worker's call is told how. */
static PyObject *call_close(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_call *call = self->call;
    self->call = NULL;
    Py_BEGIN_ALLOW_THREADS zcx_call_close(call);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* ---- the result ----------------------------------------------------------------------------- */

/* The result's pin, which takes the call over: it ends with the last object made of it. */
static PyObject *take_result(Call *self, zcx_envelope *envelope)
{
    zcx_error error = ZCX_ERROR_INIT;
    const void *data;
    uint64_t length;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    if (zcx_call_result(&data, &length, envelope, call, &error) != ZCX_OK)
        return raise_failed(self, &error);
    self->call = NULL;
    return pin_new_result(self->state, call, data, length);
}

static PyObject *call_result(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    PyObject *pin = take_result(self, &envelope);
    PyObject *object = pin ? decode_as(self->state, pin, &envelope) : NULL;
    Py_XDECREF(pin);
    return object;
}

/* The result's bytes, whatever they are. */
static PyObject *call_payload(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    return take_result(self, &envelope);
}

/* The result as a reference and what holds its record, or None when it came directly. */
static PyObject *call_reference(Call *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_reference *reference = NULL;
    zcx_call *call = call_use(self);
    if (!call) return NULL;
    if (zcx_call_result_reference(&reference, call, &error) != ZCX_OK)
        return raise_failed(self, &error);
    if (!reference) Py_RETURN_NONE;
    PyObject *bytes = reference_to(self->state, reference);
    PyObject *pin = bytes ? take_result(self, &envelope) : NULL;
    PyObject *pair = pin ? PyTuple_Pack(2, bytes, pin) : NULL;
    Py_XDECREF(bytes);
    Py_XDECREF(pin);
    return pair;
}

/* ---- the type ------------------------------------------------------------------------------- */

static void call_dealloc(Call *self)
{
    zcx_call_close(self->call);
    Py_XDECREF(self->chained);
    Py_XDECREF((PyObject *)self->owner);
    object_free(self);
}

static PyMethodDef call_methods[] = {
    {"by_reference", (PyCFunction)call_by_reference, METH_VARARGS, NULL},
    {"put_input", (PyCFunction)call_put_input, METH_O, NULL},
    {"skip_input", (PyCFunction)call_skip_input, METH_NOARGS, NULL},
    {"chain", (PyCFunction)call_chain, METH_O, NULL},
    {"input_reference", (PyCFunction)call_input_reference, METH_O, NULL},
    {"read_input", (PyCFunction)call_read_input, METH_NOARGS, NULL},
    {"request", (PyCFunction)call_request, METH_NOARGS, NULL},
    {"accept", (PyCFunction)call_accept, METH_O, NULL},
    {"run", (PyCFunction)call_run, METH_NOARGS, NULL},
    {"send", (PyCFunction)call_send, METH_NOARGS, NULL},
    {"wait", (PyCFunction)call_wait, METH_O, NULL},
    {"cancel", (PyCFunction)call_cancel, METH_NOARGS, NULL},
    {"take_input", (PyCFunction)call_take_input, METH_NOARGS, NULL},
    {"put_output", (PyCFunction)call_put_output, METH_O, NULL},
    {"fail", (PyCFunction)call_fail, METH_VARARGS, NULL},
    {"close", (PyCFunction)call_close, METH_NOARGS, NULL},
    {"payload", (PyCFunction)call_payload, METH_NOARGS, NULL},
    {"result", (PyCFunction)call_result, METH_NOARGS, NULL},
    {"reference", (PyCFunction)call_reference, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyType_Slot call_slots[] = {
    {Py_tp_dealloc, call_dealloc}, {Py_tp_methods, call_methods}, {0, NULL}};

PyType_Spec call_spec = {
    "zcx._zcx.Call", sizeof(Call), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, call_slots};
