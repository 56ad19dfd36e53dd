/* View and Pin: a payload, read where it lies. */
#include "module.h"

#include <stdlib.h>

/* ---- Pin: what holds the payload ------------------------------------------------------------ */

PyObject *pin_new(struct state *state, struct handle *handle, zcx_view *view)
{
    Pin *self = object_new(state->pin);
    if (!self) {
        zcx_view_release(view);
        return NULL;
    }
    self->state = state;
    self->handle = handle ? handle_keep(handle) : NULL;
    self->view = view;
    self->data = zcx_view_data(view);
    self->length = zcx_view_length(view);
    return (PyObject *)self;
}

/* Of private bytes, aligned like a payload in the store. */
PyObject *pin_copy(struct state *state, const void *data, uint64_t length)
{
    uint64_t rounded = (length + ZCX_ALIGNMENT) / ZCX_ALIGNMENT * ZCX_ALIGNMENT;
    Pin *self = object_new(state->pin);
    if (!self) return NULL;
    self->state = state;
    self->data = self->copy = aligned_alloc(ZCX_ALIGNMENT, rounded);
    if (!self->copy) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    if (length) memcpy(self->copy, data, length);
    self->length = length;
    return (PyObject *)self;
}

PyObject *pin_new_result(struct state *state, zcx_call *call, const void *data, uint64_t length)
{
    Pin *self = object_new(state->pin);
    if (!self) {
        zcx_call_close(call);
        return NULL;
    }
    self->state = state;
    self->call = call;
    self->view = zcx_call_result_view(call);
    self->data = data;
    self->length = length;
    return (PyObject *)self;
}

static void pin_dealloc(Pin *self)
{
    if (self->call)
        zcx_call_close(self->call);
    else
        zcx_view_release(self->view);
    free(self->copy);
    handle_drop(self->handle);
    object_free(self);
}

static int pin_buffer(Pin *self, Py_buffer *buffer, int flags)
{
    return PyBuffer_FillInfo(buffer, (PyObject *)self, (void *)self->data, (Py_ssize_t)self->length,
                             1, flags);
}

static PyObject *pin_repr(Pin *self)
{
    return PyUnicode_FromFormat("<zcx payload of %zd bytes>", (Py_ssize_t)self->length);
}

static PyObject *pin_nbytes(Pin *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->length);
}

static PyGetSetDef pin_properties[] = {{"nbytes", (getter)pin_nbytes, NULL, NULL, NULL},
                                       {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot pin_slots[] = {
    {Py_tp_getset, pin_properties},
    {Py_tp_dealloc, pin_dealloc},
    {Py_bf_getbuffer, pin_buffer},
    {Py_tp_repr, pin_repr},
    {Py_tp_doc, "A payload held in the store for as long as anything refers to it."},
    {0, NULL}};

PyType_Spec pin_spec = {
    "zcx._zcx.Pin", sizeof(Pin), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, pin_slots};

/* ---- View: what a user holds ---------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD struct state *state;
    PyObject *pin; /* NULL: released */
    PyObject *weakrefs;
} View;

PyObject *view_new(struct state *state, PyObject *pin)
{
    View *self = object_new(state->view);
    if (!self) {
        Py_DECREF(pin);
        return NULL;
    }
    self->state = state;
    self->pin = pin;
    return (PyObject *)self;
}

Pin *view_pin(struct state *state, PyObject *object)
{
    if (Py_TYPE(object) != state->view) return NULL;
    return (Pin *)((View *)object)->pin;
}

static Pin *view_use(View *self)
{
    if (self->pin) return (Pin *)self->pin;
    return raise_status(self->state, ZCX_ECLOSED, "the view was released");
}

static PyObject *view_release(View *self, PyObject *unused)
{
    (void)unused;
    Py_CLEAR(self->pin); /* arrays and buffers of it have references of their own */
    Py_RETURN_NONE;
}

static PyObject *view_enter(View *self, PyObject *unused)
{
    (void)unused;
    if (!view_use(self)) return NULL;
    Py_INCREF((PyObject *)self);
    return (PyObject *)self;
}

static PyObject *view_exit(View *self, PyObject *unused)
{
    return view_release(self, unused);
}

static void view_dealloc(View *self)
{
    if (self->weakrefs) PyObject_ClearWeakRefs((PyObject *)self);
    Py_CLEAR(self->pin);
    object_free(self);
}

static int view_buffer(View *self, Py_buffer *buffer, int flags)
{
    Pin *pin = view_use(self);
    buffer->obj = NULL;
    return pin ? PyObject_GetBuffer((PyObject *)pin, buffer, flags) : -1;
}

static Py_ssize_t view_length(View *self)
{
    Pin *pin = view_use(self);
    return pin ? (Py_ssize_t)pin->length : -1;
}

static PyObject *view_nbytes(View *self, void *unused)
{
    (void)unused;
    Py_ssize_t length = view_length(self);
    return length < 0 ? NULL : PyLong_FromSsize_t(length);
}

static PyObject *view_key(View *self, void *unused)
{
    (void)unused;
    Pin *pin = view_use(self);
    if (!pin) return NULL;
    size_t length = 0;
    const void *key = zcx_view_key(pin->view, &length);
    return key_to(key, length);
}

static PyObject *view_envelope(View *self, void *unused)
{
    (void)unused;
    Pin *pin = view_use(self);
    if (!pin) return NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    if (zcx_view_envelope(pin->view, &envelope, &error) != ZCX_OK)
        return raise_error(self->state, &error);
    return envelope_to(self->state, &envelope);
}

static PyObject *view_released(View *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(!self->pin);
}

static PyObject *view_get(View *self, PyObject *unused)
{
    (void)unused;
    Pin *pin = view_use(self);
    if (!pin) return NULL;
    Py_INCREF((PyObject *)pin);
    PyObject *object = decode(self->state, (PyObject *)pin);
    Py_DECREF(pin);
    return object;
}

static PyObject *view_verify(View *self, PyObject *unused)
{
    (void)unused;
    Pin *pin = view_use(self);
    if (!pin) return NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    Py_INCREF((PyObject *)pin);
    Py_BEGIN_ALLOW_THREADS status = zcx_view_verify(pin->view, &error);
    Py_END_ALLOW_THREADS Py_DECREF(pin);
    if (status == ZCX_OK) Py_RETURN_TRUE;
    if (status == ZCX_ENOTFOUND) Py_RETURN_NONE;
    return raise_error(self->state, &error);
}

static PyObject *view_repr(View *self)
{
    if (!self->pin) return PyUnicode_FromString("<zcx.View, released>");
    PyObject *key = view_key(self, NULL);
    if (!key) return NULL;
    PyObject *text = PyUnicode_FromFormat("<zcx.View of %R: %zd bytes>", key,
                                          (Py_ssize_t)((Pin *)self->pin)->length);
    Py_DECREF(key);
    return text;
}

static PyMethodDef view_methods[] = {
    {"release", (PyCFunction)view_release, METH_NOARGS,
     "Ends the view. The payload stays held while arrays or buffers made from it live."},
    {"get", (PyCFunction)view_get, METH_NOARGS, "The object that the payload is, as Store.get."},
    {"verify", (PyCFunction)view_verify, METH_NOARGS,
     "True when the payload has its checksum, None when it has none; else raises Corrupt."},
    {"__enter__", (PyCFunction)view_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)view_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef view_properties[] = {
    {"nbytes", (getter)view_nbytes, NULL, "The payload's bytes.", NULL},
    {"key", (getter)view_key, NULL, NULL, NULL},
    {"envelope", (getter)view_envelope, NULL, "What the record says about the payload.", NULL},
    {"released", (getter)view_released, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef view_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(View, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot view_slots[] = {
    {Py_tp_dealloc, view_dealloc},
    {Py_bf_getbuffer, view_buffer},
    {Py_tp_methods, view_methods},
    {Py_tp_getset, view_properties},
    {Py_tp_members, view_members},
    {Py_sq_length, view_length},
    {Py_tp_repr, view_repr},
    {Py_tp_doc, "A payload, read where it lies: a read-only buffer whose bytes do not change."},
    {0, NULL}};

PyType_Spec view_spec = {
    "zcx.View", sizeof(View), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, view_slots};
