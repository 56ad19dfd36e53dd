/* What comes out of a format as it went in, and codecs for the Python part of the package. */
#include "module.h"

#include <stdlib.h>

static bool exact_array(struct state *state, PyObject *data, uint64_t *size)
{
    struct described described = {0};
    bool ok = is_array(state, data) && (PyObject *)Py_TYPE(data) == state->ndarray &&
              describe(state, &described, data);
    *size = described.nbytes;
    described_clear(&described);
    PyErr_Clear();
    return ok;
}

static PyObject *exact_size(PyObject *module, PyObject *args)
{
    PyObject *data;
    const char *format;
    uint64_t size = 0;
    bool exact = false;
    struct state *state = PyModule_GetState(module);
    if (!PyArg_ParseTuple(args, "Os:exact_size", &data, &format)) return NULL;
    if (strcmp(format, "numpy") == 0) {
        exact = exact_array(state, data, &size);
    } else if (strcmp(format, "msgpack") == 0) {
        exact = pack_exactly(state, data, &size);
    } else if (strcmp(format, "raw") == 0) {
        exact = PyBytes_CheckExact(data);
        if (exact) size = (uint64_t)PyBytes_Size(data);
    } else {
        bool json = strcmp(format, "json") == 0;
        PyObject *measure = helper(state, json ? "exact_json_size" : "exact_arrow_size");
        PyObject *answer = measure ? PyObject_CallFunctionObjArgs(measure, data, NULL) : NULL;
        Py_XDECREF(measure);
        return answer;
    }
    if (exact && size <= ZCX_PAYLOAD_MAX) return PyLong_FromUnsignedLongLong(size);
    Py_RETURN_NONE;
}

static PyObject *from_store(PyObject *module, PyObject *data)
{
    PyObject *pin = origin(PyModule_GetState(module), data);
    PyObject *answer = PyBool_FromLong(pin != NULL);
    Py_XDECREF(pin);
    return answer;
}

static PyObject *to_msgpack(PyObject *module, PyObject *data)
{
    struct state *state = PyModule_GetState(module);
    uint64_t length = 0;
    if (!pack(state, data, NULL, 0, &length)) return NULL;
    void *buffer = aligned_alloc(ZCX_ALIGNMENT, (length / ZCX_ALIGNMENT + 1) * ZCX_ALIGNMENT);
    if (!buffer) return PyErr_NoMemory();
    bool ok = pack(state, data, buffer, length, &length);
    PyObject *bytes = ok ? PyBytes_FromStringAndSize(buffer, (Py_ssize_t)length) : NULL;
    free(buffer);
    return bytes;
}

static PyObject *from_msgpack(PyObject *module, PyObject *bytes)
{
    char *data;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(bytes, &data, &length) < 0) return NULL;
    return unpack(PyModule_GetState(module), bytes, data, (uint64_t)length);
}

PyMethodDef codec_functions[] = {
    {"exact_size", exact_size, METH_VARARGS,
     "How many bytes `data` takes in a format; None when it would not come back as it is."},
    {"from_store", from_store, METH_O, "Was the object read whole from a store, in place?"},
    {"pack", to_msgpack, METH_O, NULL},
    {"unpack", from_msgpack, METH_O, NULL},
    {NULL, NULL, 0, NULL}};
