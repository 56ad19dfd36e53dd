/* Batch: many puts and deletes in one transaction. */
#include "module.h"

typedef struct {
    PyObject_HEAD struct state *state;
    struct handle *handle;
    zcx_batch *batch; /* NULL: ended, or in use by another thread */
    PyObject *transaction;
} Batch;

PyObject *batch_new(Store *store)
{
    zcx_error error = ZCX_ERROR_INIT;
    struct handle *handle = store_use(store);
    Batch *self = handle ? object_new(store->state->batch) : NULL;
    if (!self) {
        handle_drop(handle);
        return NULL;
    }
    self->state = store->state;
    self->handle = handle;
    if (zcx_store_batch(&self->batch, handle->store, &error) == ZCX_OK) return (PyObject *)self;
    Py_DECREF(self);
    return raise_error(store->state, &error);
}

/* The core's batch, which is this thread's until batch_return. */
static zcx_batch *batch_take(Batch *self)
{
    zcx_batch *batch = self->batch;
    self->batch = NULL;
    if (batch) return batch;
    return raise_status(self->state, ZCX_ECLOSED,
                        "the batch was committed or discarded, or another thread is using it");
}

static PyObject *batch_put(Batch *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "data", OPTIONS_NAMES};
    PyObject *bound[2 + OPTIONS_COUNT];
    struct sink sink = {.state = self->state, .handle = self->handle};
    zcx_envelope envelope;
    bool named;
    if (!arguments_bind("put", args, nargs, kwnames, names, 2, 2, 2 + OPTIONS_COUNT, bound) ||
        !key_from(&sink.key, bound[0]) ||
        !envelope_fill(self->state, &envelope, &named, (struct options *)&bound[2]))
        return NULL;
    sink.batch = batch_take(self);
    if (!sink.batch) return NULL;
    bool ok = encode(&sink, bound[1], &envelope, named);
    self->batch = sink.batch;
    if (!ok) return NULL;
    Py_RETURN_NONE;
}

static PyObject *batch_delete(Batch *self, PyObject *key_object)
{
    struct key key;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_batch *batch = key_from(&key, key_object) ? batch_take(self) : NULL;
    if (!batch) return NULL;
    zcx_status status = zcx_batch_delete(batch, key.data, key.length, &error);
    self->batch = batch;
    if (status != ZCX_OK) return raise_error(self->state, &error);
    Py_RETURN_NONE;
}

static PyObject *batch_commit(Batch *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    uint64_t transaction = 0;
    zcx_batch *batch = batch_take(self);
    if (!batch) return NULL;
    Py_BEGIN_ALLOW_THREADS status = zcx_batch_commit(batch, &transaction, &error);
    Py_END_ALLOW_THREADS if (status == ZCX_OK) return PyLong_FromUnsignedLongLong(transaction);
    self->batch = batch;
    return raise_error(self->state, &error);
}

static PyObject *batch_discard(Batch *self, PyObject *unused)
{
    (void)unused;
    zcx_batch *batch = self->batch;
    self->batch = NULL;
    Py_BEGIN_ALLOW_THREADS zcx_batch_discard(batch);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *batch_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    return self;
}

/* Commits, unless an exception leaves it, or it was ended inside. */
static PyObject *batch_exit(Batch *self, PyObject *args)
{
    PyObject *type = NULL, *value = NULL, *trace = NULL;
    if (!PyArg_ParseTuple(args, "OOO:__exit__", &type, &value, &trace)) return NULL;
    if (type != Py_None || !self->batch) return batch_discard(self, NULL);
    PyObject *transaction = batch_commit(self, NULL);
    if (!transaction) {
        PyErr_Fetch(&type, &value, &trace);
        Py_XDECREF(batch_discard(self, NULL));
        PyErr_Restore(type, value, trace);
        return NULL;
    }
    Py_DECREF(transaction);
    Py_RETURN_NONE;
}

static void batch_dealloc(Batch *self)
{
    zcx_batch_discard(self->batch);
    handle_drop(self->handle);
    object_free(self);
}

static PyMethodDef batch_methods[] = {{"put", (PyCFunction)(void (*)(void))batch_put,
                                       METH_FASTCALL | METH_KEYWORDS,
                                       "As Store.put; others see it after the commit."},
                                      {"delete", (PyCFunction)batch_delete, METH_O,
                                       "Deletes a key; one that is not there is no error."},
                                      {"commit", (PyCFunction)batch_commit, METH_NOARGS,
                                       "All or nothing. Returns LMDB's transaction id."},
                                      {"discard", (PyCFunction)batch_discard, METH_NOARGS, NULL},
                                      {"__enter__", batch_enter, METH_NOARGS, NULL},
                                      {"__exit__", (PyCFunction)batch_exit, METH_VARARGS, NULL},
                                      {NULL, NULL, 0, NULL}};

static PyType_Slot batch_slots[] = {
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_methods, batch_methods},
    {Py_tp_doc, "Many puts and deletes in one transaction, committed when its `with` ends."},
    {0, NULL}};

PyType_Spec batch_spec = {
    "zcx.Batch", sizeof(Batch), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, batch_slots};
