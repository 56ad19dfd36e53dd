/* Python objects to msgpack: the same walk once to count and once to write. While a large array is
 * copied the GIL is free and another thread may change a container: every item is looked up anew
 * and kept while it is in use, and the packer refuses what does not come out as it was counted. */
#include "module.h"

struct walk {
    struct state *state;
    zcx_packer *packer;
    bool writing;
    bool exact;   /* stop at what would come back as another type */
    bool inexact; /* that happened */
    int depth;
    PyObject *path[ZCX_NESTING_MAX + 1]; /* keys and indices on the way to the item; owned */
};

static bool pack_item(struct walk *walk, PyObject *item);

/* ---- errors --------------------------------------------------------------------------------- */

/* "['config']['tags'][2]" */
static PyObject *path_text(const struct walk *walk)
{
    PyObject *text = PyUnicode_FromString(walk->depth ? " at " : "");
    for (int i = 0; text && i < walk->depth; i++) {
        PyObject *longer = PyUnicode_FromFormat("%U[%R]", text, walk->path[i]);
        Py_DECREF(text);
        text = longer;
    }
    return text;
}

static bool refuse(struct walk *walk, PyObject *item, const char *why)
{
    walk->inexact = walk->exact;
    if (walk->inexact) return false;
    PyObject *exception = PyExc_TypeError;
    PyObject *where = path_text(walk);
    if (where && why) {
        if (PyLong_Check(item)) exception = PyExc_OverflowError;
        PyErr_Format(exception, "cannot store %R%U: %s", Py_TYPE(item), where, why);
    } else if (where) {
        PyObject *advise = helper(walk->state, "advice");
        PyObject *advice = advise ? PyObject_CallFunctionObjArgs(advise, item, NULL) : NULL;
        if (advice) PyErr_Format(exception, "cannot store %R%U: %S", Py_TYPE(item), where, advice);
        Py_XDECREF(advice);
        Py_XDECREF(advise);
    }
    Py_XDECREF(where);
    return false;
}

/* The packer keeps its first failure for the end; no exception is set then. */
static bool packed(zcx_status status)
{
    return status == ZCX_OK;
}

/* ---- scalars -------------------------------------------------------------------------------- */

static bool pack_long(struct walk *walk, PyObject *item)
{
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(item, &overflow);
    if (!overflow) return packed(zcx_pack_int(walk->packer, number));
    if (overflow > 0) {
        unsigned long long large = PyLong_AsUnsignedLongLong(item);
        if (large != (unsigned long long)-1 || !PyErr_Occurred())
            return packed(zcx_pack_uint(walk->packer, large));
        PyErr_Clear();
    }
    return refuse(walk, item, "an integer beyond 64 bits; make it text or bytes");
}

static bool pack_text(struct walk *walk, PyObject *item)
{
    Py_ssize_t length = 0;
    const char *text = PyUnicode_AsUTF8AndSize(item, &length);
    return text && packed(zcx_pack_str(walk->packer, text, (uint64_t)length));
}

static bool pack_buffer(struct walk *walk, PyObject *item)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(item, &buffer, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return refuse(walk, item, "its bytes are not contiguous; make it bytes");
    }
    bool ok = packed(zcx_pack_bin(walk->packer, buffer.buf, (uint64_t)buffer.len));
    PyBuffer_Release(&buffer);
    return ok;
}

/* ---- arrays and NumPy's scalars ------------------------------------------------------------- */

static bool pack_array(struct walk *walk, PyObject *item)
{
    struct described described;
    void *to = NULL;
    if (!describe(walk->state, &described, item)) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return false;
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        PyObject *where = path_text(walk);
        if (where && value) PyErr_Format(PyExc_TypeError, "%S%U", value, where);
        Py_XDECREF(where);
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        return false;
    }
    zcx_array array = {.struct_size = sizeof array,
                       .dtype = described.dtype,
                       .shape = described.shape,
                       .ndim = described.ndim,
                       .order = described.order,
                       .nbytes = described.nbytes};
    bool ok = packed(zcx_pack_array(walk->packer, &array, &to));
    if (ok && walk->writing) ok = described_copy(walk->state, &described, to);
    described_clear(&described);
    return ok;
}

/* Booleans, integers and floats become numbers; dates, complex numbers and records 0-d arrays. */
static bool pack_generic(struct walk *walk, PyObject *item)
{
    PyObject *simplify = helper(walk->state, "simplify_scalar");
    PyObject *simple = simplify ? PyObject_CallFunctionObjArgs(simplify, item, NULL) : NULL;
    bool ok = simple && pack_item(walk, simple);
    Py_XDECREF(simple);
    Py_XDECREF(simplify);
    return ok;
}

/* ---- containers ----------------------------------------------------------------------------- */

/* Packs `item` as what `where` (stolen) leads to. */
static bool pack_below(struct walk *walk, PyObject *where, PyObject *item)
{
    if (!where) return false;
    if (walk->depth > ZCX_NESTING_MAX) { /* deeper than the packer allows: it has said so */
        Py_DECREF(where);
        return false;
    }
    walk->path[walk->depth++] = where;
    bool ok = pack_item(walk, item);
    walk->depth--;
    Py_DECREF(where);
    return ok;
}

static bool pack_sequence(struct walk *walk, PyObject *list)
{
    bool is_list = PyList_Check(list);
    Py_ssize_t items = is_list ? PyList_Size(list) : PyTuple_Size(list);
    if (!packed(zcx_pack_list(walk->packer, (uint64_t)items))) return false;
    for (Py_ssize_t i = 0; i < items; i++) {
        PyObject *item = is_list ? PyList_GetItem(list, i) : PyTuple_GetItem(list, i);
        if (!item) {
            PyErr_Clear(); /* it shrank: the packer misses an item */
            return true;
        }
        Py_INCREF(item);
        bool ok = pack_below(walk, PyLong_FromSsize_t(i), item);
        Py_DECREF(item);
        if (!ok) return false;
    }
    return true;
}

static bool pack_pair(struct walk *walk, PyObject *key, PyObject *value)
{
    Py_INCREF(key);
    Py_INCREF(value);
    if (walk->exact && PyTuple_Check(key)) walk->inexact = true;
    bool ok = !walk->inexact && pack_item(walk, key);
    if (ok) {
        Py_INCREF(key);
        ok = pack_below(walk, key, value);
    }
    Py_DECREF(value);
    Py_DECREF(key);
    return ok;
}

static bool pack_dict(struct walk *walk, PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (!packed(zcx_pack_map(walk->packer, (uint64_t)PyDict_Size(dict)))) return false;
    while (PyDict_Next(dict, &at, &key, &value))
        if (!pack_pair(walk, key, value)) return false;
    return true;
}

/* A subclass of dict may have an order of its own. */
static bool pack_mapping(struct walk *walk, PyObject *mapping)
{
    PyObject *items = PyMapping_Items(mapping);
    Py_ssize_t pairs = items ? PyList_Size(items) : -1;
    bool ok = pairs >= 0 && packed(zcx_pack_map(walk->packer, (uint64_t)pairs));
    for (Py_ssize_t i = 0; ok && i < pairs; i++) {
        PyObject *pair = PyList_GetItem(items, i);
        PyObject *key = pair ? PyTuple_GetItem(pair, 0) : NULL;
        PyObject *value = key ? PyTuple_GetItem(pair, 1) : NULL;
        ok = value && pack_pair(walk, key, value);
    }
    Py_XDECREF(items);
    return ok;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static bool pack_rare(struct walk *walk, PyObject *item)
{
    struct state *state = walk->state;
    if (is_array(state, item)) return pack_array(walk, item);
    if (numpy_loaded(state) && PyType_IsSubtype(Py_TYPE(item), (PyTypeObject *)state->generic))
        return pack_generic(walk, item);
    if (PyByteArray_Check(item) || PyMemoryView_Check(item)) return pack_buffer(walk, item);
    return refuse(walk, item, NULL);
}

static bool is_exact(struct walk *walk, PyObject *item)
{
    return PyUnicode_CheckExact(item) || PyLong_CheckExact(item) || PyFloat_CheckExact(item) ||
           PyBytes_CheckExact(item) || PyDict_CheckExact(item) || PyList_CheckExact(item) ||
           (is_array(walk->state, item) && (PyObject *)Py_TYPE(item) == walk->state->ndarray);
}

static bool pack_item(struct walk *walk, PyObject *item)
{
    if (item == Py_None) return packed(zcx_pack_nil(walk->packer));
    if (item == Py_True || item == Py_False)
        return packed(zcx_pack_bool(walk->packer, item == Py_True));
    if (walk->exact && !is_exact(walk, item)) {
        walk->inexact = true;
        return false;
    }
    if (PyUnicode_CheckExact(item)) return pack_text(walk, item);
    if (PyLong_CheckExact(item)) return pack_long(walk, item);
    if (PyFloat_CheckExact(item))
        return packed(zcx_pack_double(walk->packer, PyFloat_AsDouble(item)));
    if (PyDict_CheckExact(item)) return pack_dict(walk, item);
    if (PyList_Check(item) || PyTuple_Check(item)) return pack_sequence(walk, item);
    if (PyBytes_Check(item)) return pack_buffer(walk, item);
    if (PyDict_Check(item)) return pack_mapping(walk, item);
    if (PyUnicode_Check(item)) return pack_text(walk, item); /* numpy.str_, a str enum */
    if (PyLong_Check(item)) return pack_long(walk, item);
    if (PyFloat_Check(item)) return packed(zcx_pack_double(walk->packer, PyFloat_AsDouble(item)));
    return pack_rare(walk, item);
}

static bool pack_all(struct walk *walk, PyObject *data, void *buffer, uint64_t capacity,
                     uint64_t *length)
{
    zcx_error error = ZCX_ERROR_INIT;
    if (zcx_packer_open(&walk->packer, buffer, capacity, &error) != ZCX_OK)
        return raise_error(walk->state, &error);
    bool ok = pack_item(walk, data);
    bool raised = PyErr_Occurred() != NULL;
    zcx_status status = zcx_packer_close(walk->packer, length, &error);
    if (raised || walk->inexact) return false;
    if (status != ZCX_OK) return raise_error(walk->state, &error);
    return ok;
}

bool pack(struct state *state, PyObject *data, void *buffer, uint64_t capacity, uint64_t *length)
{
    struct walk *walk = PyMem_Calloc(1, sizeof *walk); /* too much for a thread's stack */
    if (!walk) return PyErr_NoMemory();
    walk->state = state;
    walk->writing = buffer != NULL;
    bool ok = pack_all(walk, data, buffer, capacity, length);
    PyMem_Free(walk);
    if (!ok || !buffer || *length == capacity) return ok;
    return raise_status(state, ZCX_EINVAL, "the data changed while it was stored");
}

bool pack_exactly(struct state *state, PyObject *data, uint64_t *length)
{
    struct walk *walk = PyMem_Calloc(1, sizeof *walk);
    if (!walk) return false;
    walk->state = state;
    walk->exact = true;
    bool ok = pack_all(walk, data, NULL, 0, length);
    PyMem_Free(walk);
    if (!ok) PyErr_Clear();
    return ok;
}
