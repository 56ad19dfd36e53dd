/* Records: what a Store does with one key. */
#include "module.h"

#define SLICE_MS 100

/* ---- put and get ---------------------------------------------------------------------------- */

PyObject *store_put(Store *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "data", OPTIONS_NAMES};
    PyObject *bound[2 + OPTIONS_COUNT];
    struct sink sink = {.state = self->state};
    zcx_envelope envelope;
    bool named;
    if (!arguments_bind("put", args, nargs, kwnames, names, 2, 2, 2 + OPTIONS_COUNT, bound) ||
        !key_from(&sink.key, bound[0]) ||
        !envelope_fill(self->state, &envelope, &named, (struct options *)&bound[2]))
        return NULL;
    sink.handle = store_use(self);
    if (!sink.handle) return NULL;
    bool ok = encode(&sink, bound[1], &envelope, named);
    handle_drop(sink.handle);
    return ok ? PyLong_FromUnsignedLongLong(sink.transaction) : NULL;
}

/* The pin of a key's payload. Missing and expired: NULL without an exception when `missing` is
 * given, and *missing set. The GIL stays: no lock, no system call in the steady state. */
static PyObject *pin_key(Store *self, PyObject *key_object, bool *missing)
{
    struct key key;
    if (!key_from(&key, key_object)) return NULL;
    struct handle *handle = store_use(self);
    if (!handle) return NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_view *view = NULL;
    PyObject *pin = NULL;
    zcx_status status = zcx_store_view(&view, handle->store, key.data, key.length, &error);
    if (status == ZCX_OK)
        pin = pin_new(self->state, handle, view);
    else if (missing && (status == ZCX_ENOTFOUND || status == ZCX_EEXPIRED))
        *missing = true;
    else
        raise_error(self->state, &error);
    handle_drop(handle);
    return pin;
}

PyObject *store_view(Store *self, PyObject *key)
{
    PyObject *pin = pin_key(self, key, NULL);
    return pin ? view_new(self->state, pin) : NULL;
}

/* Waits in slices, for signals to be seen between them. */
static zcx_status wait_for(zcx_view **view, struct handle *handle, const struct key *key,
                           uint64_t after, int64_t timeout_ms, zcx_error *error)
{
    int64_t left = timeout_ms;
    for (;;) {
        zcx_status status;
        int64_t slice = left < 0 || left > SLICE_MS ? SLICE_MS : left;
        *error = (zcx_error)ZCX_ERROR_INIT;
        Py_BEGIN_ALLOW_THREADS status =
            zcx_store_wait(view, handle->store, key->data, key->length, after, slice, error);
        Py_END_ALLOW_THREADS if (status != ZCX_ETIMEDOUT || left == slice) return status;
        if (PyErr_CheckSignals() < 0) return status;
        if (left > 0) left -= slice;
    }
}

PyObject *store_wait(Store *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "after", "timeout"};
    PyObject *bound[3];
    struct key key;
    uint64_t after = 0;
    int64_t timeout_ms = -1;
    if (!arguments_bind("wait", args, nargs, kwnames, names, 3, 1, 3, bound) ||
        !key_from(&key, bound[0]) || (bound[1] && !size_from(&after, bound[1], "after")) ||
        (bound[2] && bound[2] != Py_None && !milliseconds_from(&timeout_ms, bound[2], "timeout")))
        return NULL;
    struct handle *handle = store_use(self);
    if (!handle) return NULL;
    zcx_error error;
    zcx_view *view = NULL;
    zcx_status status = wait_for(&view, handle, &key, after, timeout_ms, &error);
    PyObject *pin = NULL;
    if (status == ZCX_OK)
        pin = pin_new(self->state, handle, view);
    else if (status == ZCX_ETIMEDOUT && !PyErr_Occurred())
        PyErr_Format(self->state->exceptions[status], "nothing came to %R in %lld ms", bound[0],
                     (long long)timeout_ms);
    else if (status != ZCX_ETIMEDOUT)
        raise_error(self->state, &error);
    handle_drop(handle);
    return pin ? view_new(self->state, pin) : NULL;
}

PyObject *store_get(Store *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "default"};
    PyObject *bound[2];
    bool missing = false;
    if (!arguments_bind("get", args, nargs, kwnames, names, 2, 1, 2, bound)) return NULL;
    PyObject *pin = pin_key(self, bound[0], bound[1] ? &missing : NULL);
    if (missing) {
        Py_INCREF(bound[1]);
        return bound[1];
    }
    PyObject *object = pin ? decode(self->state, pin) : NULL;
    Py_XDECREF(pin);
    return object;
}

PyObject *store_subscript(Store *self, PyObject *key)
{
    PyObject *pin = pin_key(self, key, NULL);
    PyObject *object = pin ? decode(self->state, pin) : NULL;
    Py_XDECREF(pin);
    return object;
}

/* ---- delete, exists, count ------------------------------------------------------------------ */

/* 1: deleted; 0: was not there; -1: raised. */
static int store_remove(Store *self, PyObject *key_object, bool must)
{
    struct key key;
    if (!key_from(&key, key_object)) return -1;
    struct handle *handle = store_use(self);
    if (!handle) return -1;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    Py_BEGIN_ALLOW_THREADS status = zcx_store_delete(handle->store, key.data, key.length, &error);
    Py_END_ALLOW_THREADS handle_drop(handle);
    if (status == ZCX_OK) return 1;
    if (status == ZCX_ENOTFOUND && !must) return 0;
    raise_error(self->state, &error);
    return -1;
}

PyObject *store_delete(Store *self, PyObject *key)
{
    int done = store_remove(self, key, false);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

int store_assign(Store *self, PyObject *key, PyObject *value)
{
    if (!value) return store_remove(self, key, true) < 0 ? -1 : 0;
    PyObject *args[] = {key, value};
    PyObject *transaction = store_put(self, args, 2, NULL);
    Py_XDECREF(transaction);
    return transaction ? 0 : -1;
}

int store_contains(Store *self, PyObject *key_object)
{
    struct key key;
    if (!key_from(&key, key_object)) return -1;
    struct handle *handle = store_use(self);
    if (!handle) return -1;
    zcx_error error = ZCX_ERROR_INIT;
    bool exists = false;
    zcx_status status = zcx_store_exists(&exists, handle->store, key.data, key.length, &error);
    handle_drop(handle);
    if (status == ZCX_OK) return exists;
    raise_error(self->state, &error);
    return -1;
}

PyObject *store_exists(Store *self, PyObject *key)
{
    int exists = store_contains(self, key);
    return exists < 0 ? NULL : PyBool_FromLong(exists);
}

Py_ssize_t store_length(Store *self)
{
    struct handle *handle = store_use(self);
    if (!handle) return -1;
    zcx_error error = ZCX_ERROR_INIT;
    uint64_t count = 0;
    zcx_status status = zcx_store_count(&count, handle->store, &error);
    handle_drop(handle);
    if (status == ZCX_OK) return (Py_ssize_t)count;
    raise_error(self->state, &error);
    return -1;
}
