/* Worker: takes the requests of a queue. zcx/worker.py answers them. */
#include "module.h"

typedef struct {
    PyObject_HEAD struct state *state;
    zcx_worker *worker; /* NULL: closed */
} Worker;

static PyObject *worker_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"json", NULL};
    const char *json;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s:Worker", names, &json)) return NULL;
    struct state *state = state_of(type);
    Worker *self = state ? object_new(type) : NULL;
    if (!self) return NULL;
    self->state = state;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    Py_BEGIN_ALLOW_THREADS status = zcx_worker_open(&self->worker, json, &error);
    Py_END_ALLOW_THREADS if (status == ZCX_OK) return (PyObject *)self;
    Py_DECREF(self);
    return raise_error(state, &error);
}

static zcx_worker *worker_use(Worker *self)
{
    if (self->worker) return self->worker;
    return raise_status(self->state, ZCX_ECLOSED, "the worker is closed");
}

/* The next request as a Call; None after stop. Waits without the GIL, for ever: by another thread
 * than the one that handles signals. */
static PyObject *worker_take(Worker *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    zcx_worker *worker = worker_use(self);
    Call *call = worker ? object_new(self->state->call) : NULL;
    if (!call) return NULL;
    call->state = self->state;
    Py_BEGIN_ALLOW_THREADS status = zcx_worker_take(&call->call, worker, -1, &error);
    Py_END_ALLOW_THREADS if (status == ZCX_OK) return (PyObject *)call;
    Py_DECREF(call);
    if (status == ZCX_ECLOSED) Py_RETURN_NONE;
    return raise_error(self->state, &error);
}

static PyObject *worker_stop(Worker *self, PyObject *unused)
{
    (void)unused;
    if (self->worker) zcx_worker_stop(self->worker);
    Py_RETURN_NONE;
}

static PyObject *worker_close(Worker *self, PyObject *unused)
{
    (void)unused;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    zcx_worker *worker = self->worker;
    self->worker = NULL;
    Py_BEGIN_ALLOW_THREADS status = zcx_worker_close(worker, &error);
    Py_END_ALLOW_THREADS if (status == ZCX_OK) Py_RETURN_NONE;
    self->worker = worker; /* a thread takes */
    return raise_error(self->state, &error);
}

static void worker_dealloc(Worker *self)
{
    Py_BEGIN_ALLOW_THREADS(void) zcx_worker_close(self->worker, NULL); /* no thread takes */
    Py_END_ALLOW_THREADS object_free(self);
}

static PyMethodDef worker_methods[] = {
    {"take", (PyCFunction)worker_take, METH_NOARGS, NULL},
    {"stop", (PyCFunction)worker_stop, METH_NOARGS, NULL},
    {"close", (PyCFunction)worker_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyType_Slot worker_slots[] = {{Py_tp_new, worker_new},
                                     {Py_tp_dealloc, worker_dealloc},
                                     {Py_tp_methods, worker_methods},
                                     {0, NULL}};

PyType_Spec worker_spec = {"zcx._zcx.Worker", sizeof(Worker), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, worker_slots};
