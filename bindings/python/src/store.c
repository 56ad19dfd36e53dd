/* Store: the directory that programs share. Python's conveniences are in zcx/store.py. */
#include "module.h"

struct handle *handle_keep(struct handle *handle)
{
    handle->references++;
    return handle;
}

void handle_drop(struct handle *handle)
{
    if (!handle || --handle->references) return;
    zcx_error error = ZCX_ERROR_INIT;
    Py_BEGIN_ALLOW_THREADS if (zcx_store_close(handle->store, &error) != ZCX_OK)
        fprintf(stderr, "zcx: a store was left open: %s\n", error.message);
    Py_END_ALLOW_THREADS PyMem_Free(handle);
}

struct handle *store_use(Store *self)
{
    if (self->handle) return handle_keep(self->handle);
    return raise_status(self->state, ZCX_ECLOSED, "the store is closed");
}

/* ---- opening and closing -------------------------------------------------------------------- */

static bool durability_from(zcx_durability *out, PyObject *object)
{
    static const char *const names[] = {NULL, "none", "commit"};
    for (int i = 1; object && object != Py_None && i < 3; i++) {
        if (!PyUnicode_Check(object) || PyUnicode_CompareWithASCIIString(object, names[i]))
            continue;
        *out = (zcx_durability)i;
        return true;
    }
    if (!object || object == Py_None) return true;
    PyErr_Format(PyExc_ValueError, "durability is %R: it must be 'none' or 'commit'", object);
    return false;
}

struct open_arguments {
    PyObject *path, *database, *budget, *map_size, *durability, *max_readers, *lock_timeout,
        *group;
    int create;
};

static bool options_from(zcx_store_options *options, const struct open_arguments *from)
{
    uint64_t readers = 0;
    if (!text_from(&options->database, from->database, "database") ||
        !text_from(&options->group, from->group, "group") ||
        !durability_from(&options->durability, from->durability))
        return false;
    if (from->budget && from->budget != Py_None &&
        !size_from(&options->budget, from->budget, "budget"))
        return false;
    if (from->map_size && from->map_size != Py_None &&
        !size_from(&options->map_size, from->map_size, "map_size"))
        return false;
    if (from->max_readers && from->max_readers != Py_None) {
        if (!size_from(&readers, from->max_readers, "max_readers")) return false;
        options->max_readers = readers > UINT32_MAX ? UINT32_MAX : (uint32_t)readers;
    }
    if (from->lock_timeout && from->lock_timeout != Py_None &&
        !milliseconds_from(&options->lock_timeout_ms, from->lock_timeout, "lock_timeout"))
        return false;
    if (!from->create) options->flags = ZCX_OPEN_EXISTING;
    return true;
}

static bool store_open(Store *self, const char *path, const zcx_store_options *options)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store = NULL;
    zcx_status status;
    struct handle *handle = PyMem_Malloc(sizeof *handle);
    if (!handle) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS status = zcx_store_open(&store, path, options, &error);
    Py_END_ALLOW_THREADS if (status != ZCX_OK)
    {
        PyMem_Free(handle);
        return raise_error(self->state, &error);
    }
    *handle = (struct handle){store, 1};
    self->handle = handle;
    return true;
}

static PyObject *store_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path",        "database",     "budget", "map_size", "durability",
                            "max_readers", "lock_timeout", "group",  "create",   NULL};
    struct open_arguments from = {.create = 1};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOOOOOOp:Store", names, &from.path,
                                     &from.database, &from.budget, &from.map_size, &from.durability,
                                     &from.max_readers, &from.lock_timeout, &from.group, &from.create))
        return NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    PyObject *path = NULL;
    struct state *state = state_of(type);
    if (!state || !options_from(&options, &from)) return NULL;
    if (from.path && from.path != Py_None && !PyUnicode_FSConverter(from.path, &path)) return NULL;
    Store *self = object_new(type);
    if (self) {
        self->state = state;
        if (!store_open(self, path ? PyBytes_AsString(path) : NULL, &options)) {
            Py_DECREF(self);
            self = NULL;
        }
    }
    Py_XDECREF(path);
    return (PyObject *)self;
}

static PyObject *store_close(Store *self, PyObject *unused)
{
    (void)unused;
    struct handle *handle = self->handle;
    self->handle = NULL;
    handle_drop(handle);
    Py_RETURN_NONE;
}

static void store_dealloc(Store *self)
{
    if (self->weakrefs) PyObject_ClearWeakRefs((PyObject *)self);
    handle_drop(self->handle);
    object_free(self);
}

static PyObject *store_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    return self;
}

static PyObject *store_exit(Store *self, PyObject *unused)
{
    return store_close(self, unused);
}

/* ---- loan, scan, batch ---------------------------------------------------------------------- */

static PyObject *store_loan(Store *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"size", "timeout"};
    PyObject *bound[2];
    uint64_t size = 0;
    int64_t timeout_ms = 0;
    if (!arguments_bind("loan", args, nargs, kwnames, names, 1, 1, 2, bound) ||
        !size_from(&size, bound[0], "size") ||
        (bound[1] && !milliseconds_from(&timeout_ms, bound[1], "timeout")))
        return NULL;
    struct handle *handle = store_use(self);
    if (!handle) return NULL;
    PyObject *loan = loan_new(self->state, handle, size, timeout_ms);
    handle_drop(handle);
    return loan;
}

static PyObject *store_batch(Store *self, PyObject *unused)
{
    (void)unused;
    return batch_new(self);
}

/* ---- looking after it: JSON text, which zcx/store.py reads ---------------------------------- */

static PyObject *report_take(Store *self, zcx_status status, const zcx_error *error, char *json)
{
    if (status != ZCX_OK) return raise_error(self->state, error);
    PyObject *text = PyUnicode_DecodeUTF8(json, (Py_ssize_t)strlen(json), "backslashreplace");
    zcx_free(json);
    return text;
}

/* zcx_store_stat and zcx_store_check. */
static PyObject *store_report(Store *self, zcx_status (*make)(char **, zcx_store *, zcx_error *))
{
    struct handle *handle = store_use(self);
    if (!handle) return NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    char *json = NULL;
    Py_BEGIN_ALLOW_THREADS status = make(&json, handle->store, &error);
    Py_END_ALLOW_THREADS handle_drop(handle);
    return report_take(self, status, &error, json);
}

static PyObject *store_stat(Store *self, PyObject *unused)
{
    (void)unused;
    return store_report(self, zcx_store_stat);
}

static PyObject *store_check(Store *self, PyObject *unused)
{
    (void)unused;
    return store_report(self, zcx_store_check);
}

static PyObject *store_sweep(Store *self, PyObject *trim)
{
    int yes = PyObject_IsTrue(trim);
    struct handle *handle = yes < 0 ? NULL : store_use(self);
    if (!handle) return NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    char *json = NULL;
    Py_BEGIN_ALLOW_THREADS status =
        zcx_store_sweep(&json, handle->store, yes ? ZCX_SWEEP_TRIM : 0, &error);
    Py_END_ALLOW_THREADS handle_drop(handle);
    return report_take(self, status, &error, json);
}

static PyObject *store_text(Store *self, void *which)
{
    struct handle *handle = store_use(self);
    if (!handle) return NULL;
    PyObject *text = which ? PyUnicode_FromString(zcx_store_database(handle->store))
                           : PyUnicode_DecodeFSDefault(zcx_store_path(handle->store));
    handle_drop(handle);
    return text;
}

static PyObject *store_closed(Store *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(!self->handle);
}

/* ---- the type ------------------------------------------------------------------------------- */

#define FAST METH_FASTCALL | METH_KEYWORDS
static PyMethodDef store_methods[] = {
    {"close", (PyCFunction)store_close, METH_NOARGS,
     "Closes the store for new calls. Views and arrays of it stay valid; the last one ends it."},
    {"__enter__", store_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)store_exit, METH_VARARGS, NULL},
    {"put", (PyCFunction)(void (*)(void))store_put, FAST,
     "put($self, /, key, data, *, format=None, ttl=300, source=None, target=None, "
     "content_type=None, checksum=False)\n--\n\n"
     "Publishes `data` at `key` and returns LMDB's transaction id. Without a `format`: bytes-like\n"
     "data is raw, a NumPy array numpy, an Arrow table or batch arrow, and all else msgpack.\n"
     "`ttl` is seconds or a timedelta; 0 or None: until deleted."},
    {"get", (PyCFunction)(void (*)(void))store_get, FAST,
     "get($self, /, key, default=...)\n--\n\n"
     "The object at `key`. Arrays, tables and raw bytes (a memoryview) are read in place and hold\n"
     "their payload. Without a default, NotFound or Expired (both KeyError)."},
    {"view", (PyCFunction)store_view, METH_O,
     "view($self, key, /)\n--\n\nHolds the payload at `key`."},
    {"wait", (PyCFunction)(void (*)(void))store_wait, FAST,
     "wait($self, /, key, after=0, timeout=None)\n--\n\n"
     "Waits until `key` has a record of a later transaction than `after` (0: any), and views it.\n"
     "`timeout` is seconds or a timedelta, None for ever. Raises Timeout; Deleted when `after` is\n"
     "given and there is no record any more; Expired; what an error record stands for."},
    {"loan", (PyCFunction)(void (*)(void))store_loan, FAST,
     "loan($self, /, size, *, timeout=0)\n--\n\n"
     "Lends `size` writable bytes of the store; waits up to `timeout` seconds when it is full."},
    {"delete", (PyCFunction)store_delete, METH_O,
     "delete($self, key, /)\n--\n\nWhether a record was there. Views of it stay valid."},
    {"exists", (PyCFunction)store_exists, METH_O,
     "exists($self, key, /)\n--\n\nAn expired record does not exist."},
    {"scan", (PyCFunction)(void (*)(void))scan_new, FAST,
     "scan($self, /, prefix=None, *, start=None, stop=None, reverse=False, limit=None, "
     "envelopes=False, snapshot=False, expired=False)\n--\n\n"
     "The keys in byte order, from `start` to before `stop`; with `envelopes`, pairs of key and\n"
     "Envelope. Each 1,024 are one snapshot; all of them with `snapshot`."},
    {"batch", (PyCFunction)store_batch, METH_NOARGS,
     "batch($self, /)\n--\n\nMany puts and deletes in one transaction."},
    {"_stat", (PyCFunction)store_stat, METH_NOARGS, NULL},
    {"_sweep", (PyCFunction)store_sweep, METH_O, NULL},
    {"_check", (PyCFunction)store_check, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef store_properties[] = {
    {"path", (getter)store_text, NULL, "The store's directory.", NULL},
    {"database", (getter)store_text, NULL, "The database that keys are looked up in.", "database"},
    {"closed", (getter)store_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef store_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Store, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot store_slots[] = {{Py_tp_new, store_new},
                                    {Py_tp_dealloc, store_dealloc},
                                    {Py_tp_methods, store_methods},
                                    {Py_tp_getset, store_properties},
                                    {Py_tp_members, store_members},
                                    {Py_mp_subscript, store_subscript},
                                    {Py_mp_ass_subscript, store_assign},
                                    {Py_mp_length, store_length},
                                    {Py_sq_contains, store_contains},
                                    {0, NULL}};

PyType_Spec store_spec = {"zcx._zcx.Store", sizeof(Store), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
                          store_slots};
