/* Exchange: a calculator's configuration, its store, and its plug-in if it has one. */
#include "module.h"

static PyObject *exchange_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"json", "plugin", NULL};
    const char *json;
    int plugin;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sp:Exchange", names, &json, &plugin))
        return NULL;
    struct state *state = state_of(type);
    Exchange *self = state ? object_new(type) : NULL;
    if (!self) return NULL;
    self->state = state;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    Py_BEGIN_ALLOW_THREADS status = plugin ? zcx_calculator_open(&self->calculator, json, &error)
                                           : zcx_exchange_open(&self->exchange, json, &error);
    Py_END_ALLOW_THREADS if (status != ZCX_OK)
    {
        Py_DECREF(self);
        return raise_error(state, &error);
    }
    if (plugin) self->exchange = zcx_calculator_exchange(self->calculator);
    return (PyObject *)self;
}

static void exchange_dealloc(Exchange *self)
{
    Py_BEGIN_ALLOW_THREADS if (self->calculator)(void)
        zcx_calculator_close(self->calculator, NULL); /* no call runs: each has a reference */
    else zcx_exchange_close(self->exchange);
    Py_END_ALLOW_THREADS object_free(self);
}

static PyObject *exchange_call(Exchange *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    Call *call = object_new(self->state->call);
    if (!call) return NULL;
    call->state = self->state;
    Py_INCREF((PyObject *)self);
    call->owner = self;
    Py_BEGIN_ALLOW_THREADS status = zcx_call_open(&call->call, self->exchange, &error);
    Py_END_ALLOW_THREADS if (status == ZCX_OK) return (PyObject *)call;
    Py_DECREF(call);
    return raise_error(self->state, &error);
}

static PyObject *exchange_sweep(Exchange *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    Py_BEGIN_ALLOW_THREADS status = zcx_exchange_sweep(self->exchange, &error);
    Py_END_ALLOW_THREADS if (status != ZCX_OK) return raise_error(self->state, &error);
    Py_RETURN_NONE;
}

static PyObject *exchange_name(Exchange *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(zcx_exchange_name(self->exchange));
}

static PyObject *exchange_enabled(Exchange *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(zcx_exchange_enabled(self->exchange));
}

static PyObject *exchange_mode(Exchange *self, void *unused)
{
    static const char *const names[] = {"", "input", "output", "both", "reference"};
    (void)unused;
    return PyUnicode_FromString(names[zcx_exchange_mode(self->exchange) & 7]);
}

static PyObject *exchange_format(Exchange *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(zcx_format_name(zcx_exchange_format(self->exchange)));
}

static PyObject *exchange_wait_timeout(Exchange *self, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(zcx_exchange_wait_timeout_ms(self->exchange));
}

static PyMethodDef exchange_methods[] = {
    {"call", (PyCFunction)exchange_call, METH_NOARGS, "A new call."},
    {"sweep", (PyCFunction)exchange_sweep, METH_NOARGS,
     "Deletes the records of released results now."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef exchange_properties[] = {{"name", (getter)exchange_name, NULL, NULL, NULL},
                                            {"enabled", (getter)exchange_enabled, NULL, NULL, NULL},
                                            {"mode", (getter)exchange_mode, NULL, NULL, NULL},
                                            {"format", (getter)exchange_format, NULL, NULL, NULL},
                                            {"wait_timeout_ms", (getter)exchange_wait_timeout,
                                             NULL, NULL, NULL},
                                            {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot exchange_slots[] = {{Py_tp_new, exchange_new},
                                       {Py_tp_dealloc, exchange_dealloc},
                                       {Py_tp_methods, exchange_methods},
                                       {Py_tp_getset, exchange_properties},
                                       {0, NULL}};

PyType_Spec exchange_spec = {"zcx._zcx.Exchange", sizeof(Exchange), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, exchange_slots};
