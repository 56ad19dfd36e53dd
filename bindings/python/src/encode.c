/* Encoding: any Python object to a record, with one copy of its bytes at most. */
#include "module.h"

/* ---- one function per format ---------------------------------------------------------------- */

static bool encode_bytes(struct sink *sink, PyObject *data, const zcx_envelope *envelope)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) == 0) {
        bool ok = sink_put(sink, buffer.buf, (uint64_t)buffer.len, envelope);
        PyBuffer_Release(&buffer);
        return ok;
    }
    PyErr_Clear(); /* strided: gathered in the loan */
    if (PyObject_GetBuffer(data, &buffer, PyBUF_FULL_RO) < 0) return false;
    uint64_t length = (uint64_t)buffer.len;
    void *to = sink_begin(sink, length);
    bool ok = to && PyBuffer_ToContiguous(to, &buffer, buffer.len, 'C') == 0;
    PyBuffer_Release(&buffer);
    if (ok) return sink_end(sink, length, envelope);
    sink_abort(sink);
    return false;
}

static bool encode_raw(struct sink *sink, PyObject *data, const zcx_envelope *envelope)
{
    if (PyObject_CheckBuffer(data)) return encode_bytes(sink, data, envelope);
    PyErr_Format(PyExc_TypeError, "format 'raw' takes bytes-like data, not %R%s", Py_TYPE(data),
                 PyUnicode_Check(data) ? ": encode the text first" : "");
    return false;
}

static bool encode_described(struct sink *sink, const struct described *from,
                             zcx_envelope *envelope)
{
    described_to(envelope, from);
    if (from->buffer.buf || from->nbytes == 0)
        return sink_put(sink, from->buffer.buf, from->nbytes, envelope);
    void *to = sink_begin(sink, from->nbytes);
    if (to && described_copy(sink->state, from, to)) return sink_end(sink, from->nbytes, envelope);
    sink_abort(sink);
    return false;
}

static bool encode_array(struct sink *sink, PyObject *data, zcx_envelope *envelope)
{
    struct described described;
    if (!numpy_import(sink->state)) return false;
    if (!is_array(sink->state, data)) {
        PyErr_Format(PyExc_TypeError,
                     "format 'numpy' takes a numpy.ndarray, not %R: make one of it "
                     "with numpy.asarray",
                     Py_TYPE(data));
        return false;
    }
    if (!describe(sink->state, &described, data)) return false;
    bool ok = encode_described(sink, &described, envelope);
    described_clear(&described);
    return ok;
}

static bool encode_msgpack(struct sink *sink, PyObject *data, const zcx_envelope *envelope)
{
    uint64_t length = 0;
    if (!pack(sink->state, data, NULL, 0, &length)) return false;
    void *to = sink_begin(sink, length);
    if (to && pack(sink->state, data, to, length, &length)) return sink_end(sink, length, envelope);
    sink_abort(sink);
    return false;
}

static bool encode_json(struct sink *sink, PyObject *data, const zcx_envelope *envelope)
{
    PyObject *write = helper(sink->state, "json_to_bytes");
    PyObject *bytes = write ? PyObject_CallFunctionObjArgs(write, data, NULL) : NULL;
    bool ok = bytes && encode_bytes(sink, bytes, envelope);
    Py_XDECREF(bytes);
    Py_XDECREF(write);
    return ok;
}

/* Arrow writes its stream itself, into the loan's memory. */
static bool encode_arrow(struct sink *sink, PyObject *data, const zcx_envelope *envelope)
{
    bool ok = false;
    void *to;
    PyObject *memory = NULL, *written = NULL, *size = NULL;
    PyObject *measure = helper(sink->state, "arrow_size");
    PyObject *write = helper(sink->state, "arrow_write");
    uint64_t length = 0;
    if (!measure || !write) goto done;
    size = PyObject_CallFunctionObjArgs(measure, data, NULL);
    if (!size || !size_from(&length, size, "an Arrow stream's size")) goto done;
    to = sink_begin(sink, length);
    memory = to ? PyMemoryView_FromMemory(to, (Py_ssize_t)length, PyBUF_WRITE) : NULL;
    written = memory ? PyObject_CallFunctionObjArgs(write, data, memory, NULL) : NULL;
    if (!written || !size_from(&length, written, "an Arrow stream's size")) goto done;
    ok = sink_end(sink, length, envelope);
done:
    if (!ok) sink_abort(sink);
    Py_XDECREF(written);
    Py_XDECREF(memory);
    Py_XDECREF(size);
    Py_XDECREF(write);
    Py_XDECREF(measure);
    return ok;
}

/* ---- choosing one --------------------------------------------------------------------------- */

/* 1, 0, or -1 with an exception. Imports nothing: a table's module is loaded. */
static int is_arrow(struct state *state, PyObject *data)
{
    PyObject *module = PyObject_GetAttrString((PyObject *)Py_TYPE(data), "__module__");
    if (!module) PyErr_Clear();
    bool from_arrow = module && PyUnicode_Check(module) &&
                      PyUnicode_Tailmatch(module, state->pyarrow, 0, PY_SSIZE_T_MAX, -1) == 1;
    Py_XDECREF(module);
    if (!from_arrow) return 0;
    PyObject *test = helper(state, "is_arrow");
    PyObject *answer = test ? PyObject_CallFunctionObjArgs(test, data, NULL) : NULL;
    int is = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    Py_XDECREF(test);
    return is;
}

static bool is_plain(PyObject *data)
{
    return data == Py_None || PyUnicode_Check(data) || PyDict_Check(data) || PyList_Check(data) ||
           PyTuple_Check(data) || PyLong_Check(data) || PyFloat_Check(data);
}

static int choose(struct state *state, PyObject *data)
{
    if (PyBytes_Check(data)) return ZCX_RAW;
    if (is_plain(data)) return ZCX_MSGPACK;
    if (is_array(state, data)) return ZCX_NUMPY;
    if (numpy_loaded(state) && PyType_IsSubtype(Py_TYPE(data), (PyTypeObject *)state->generic))
        return ZCX_MSGPACK; /* a scalar, though it is bytes-like too */
    int arrow = is_arrow(state, data);
    if (arrow) return arrow < 0 ? -1 : ZCX_ARROW;
    return PyObject_CheckBuffer(data) ? ZCX_RAW : ZCX_MSGPACK;
}

bool encode(struct sink *sink, PyObject *data, zcx_envelope *envelope, bool named)
{
    int format = named ? (int)envelope->format : choose(sink->state, data);
    if (format < 0) return false;
    envelope->format = (uint32_t)format;
    switch (format) {
    case ZCX_RAW:
        return encode_raw(sink, data, envelope);
    case ZCX_JSON:
        return encode_json(sink, data, envelope);
    case ZCX_NUMPY:
        return encode_array(sink, data, envelope);
    case ZCX_ARROW:
        return encode_arrow(sink, data, envelope);
    default:
        return encode_msgpack(sink, data, envelope);
    }
}
