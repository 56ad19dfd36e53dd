/* Scan: an iterator over keys, or over pairs of key and envelope. */
#include "module.h"

typedef struct {
    PyObject_HEAD struct state *state;
    struct handle *handle;
    zcx_scan *scan; /* NULL: at its end */
    bool busy;      /* a thread is in the core with it */
    bool envelopes;
} Scan;

enum { PREFIX, START, STOP, REVERSE, LIMIT, ENVELOPES, SNAPSHOT, EXPIRED, ARGUMENTS };

static bool bound_from(const void **data, size_t *length, PyObject *object)
{
    struct key key;
    if (!object || object == Py_None) return true;
    if (!key_from(&key, object)) return false;
    *data = key.data;
    *length = key.length;
    return true;
}

static bool flag_from(uint32_t *flags, uint32_t flag, PyObject *object)
{
    int yes = object ? PyObject_IsTrue(object) : 0;
    if (yes > 0) *flags |= flag;
    return yes >= 0;
}

static bool options_from(zcx_scan_options *options, PyObject *const *bound, bool *nothing)
{
    if (!bound_from(&options->prefix, &options->prefix_length, bound[PREFIX]) ||
        !bound_from(&options->from, &options->from_length, bound[START]) ||
        !bound_from(&options->to, &options->to_length, bound[STOP]) ||
        !flag_from(&options->flags, ZCX_SCAN_REVERSE, bound[REVERSE]) ||
        !flag_from(&options->flags, ZCX_SCAN_SNAPSHOT, bound[SNAPSHOT]) ||
        !flag_from(&options->flags, ZCX_SCAN_EXPIRED, bound[EXPIRED]))
        return false;
    if (!bound[LIMIT] || bound[LIMIT] == Py_None) return true;
    if (!size_from(&options->limit, bound[LIMIT], "limit")) return false;
    *nothing = options->limit == 0; /* which the core takes as no limit */
    return true;
}

PyObject *scan_new(Store *store, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"prefix", "start",     "stop",     "reverse",
                                        "limit",  "envelopes", "snapshot", "expired"};
    PyObject *bound[ARGUMENTS];
    zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = ZCX_OK;
    bool nothing = false;
    if (!arguments_bind("scan", args, nargs, kwnames, names, 1, 0, ARGUMENTS, bound) ||
        !options_from(&options, bound, &nothing))
        return NULL;
    int envelopes = bound[ENVELOPES] ? PyObject_IsTrue(bound[ENVELOPES]) : 0;
    struct handle *handle = envelopes < 0 ? NULL : store_use(store);
    Scan *self = handle ? object_new(store->state->scan) : NULL;
    if (!self) {
        handle_drop(handle);
        return NULL;
    }
    self->state = store->state;
    self->handle = handle;
    self->envelopes = envelopes > 0;
    Py_BEGIN_ALLOW_THREADS if (!nothing) status =
        zcx_store_scan(&self->scan, handle->store, &options, &error);
    Py_END_ALLOW_THREADS if (status == ZCX_OK) return (PyObject *)self;
    Py_DECREF(self);
    return raise_error(store->state, &error);
}

static PyObject *item_to(Scan *self, const void *data, size_t length, const zcx_envelope *envelope)
{
    PyObject *key = key_to(data, length);
    if (!key || !self->envelopes) return key;
    PyObject *shown = envelope_to(self->state, envelope);
    PyObject *item = shown ? PyTuple_Pack(2, key, shown) : NULL;
    Py_XDECREF(shown);
    Py_DECREF(key);
    return item;
}

static PyObject *scan_next(Scan *self)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_status status;
    const void *data = NULL;
    size_t length = 0;
    zcx_scan *scan = self->scan;
    if (!scan) return NULL;
    if (self->busy) return raise_status(self->state, ZCX_EBUSY, "another thread is in this scan");
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS status =
        zcx_scan_next(scan, &data, &length, self->envelopes ? &envelope : NULL, &error);
    if (status != ZCX_OK) zcx_scan_close(scan);
    Py_END_ALLOW_THREADS if (status != ZCX_OK) self->scan = NULL;
    PyObject *item = NULL;
    if (status == ZCX_OK) item = item_to(self, data, length, &envelope);
    self->busy = false;
    if (status == ZCX_OK || status == ZCX_ENOTFOUND) return item;
    return raise_error(self->state, &error);
}

static void scan_dealloc(Scan *self)
{
    zcx_scan_close(self->scan);
    handle_drop(self->handle);
    object_free(self);
}

static PyType_Slot scan_slots[] = {{Py_tp_dealloc, scan_dealloc},
                                   {Py_tp_iter, PyObject_SelfIter},
                                   {Py_tp_iternext, scan_next},
                                   {Py_tp_doc, "An iterator over a store's keys."},
                                   {0, NULL}};

PyType_Spec scan_spec = {
    "zcx.Scan", sizeof(Scan), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, scan_slots};
