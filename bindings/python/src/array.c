/* NumPy, through Python calls only: arrays over the store's memory, and what describes an array. */
#include "module.h"

/* ---- finding NumPy -------------------------------------------------------------------------- */

static bool numpy_keep(struct state *state, PyObject *numpy)
{
    PyObject *size = NULL;
    state->ndarray = PyObject_GetAttrString(numpy, "ndarray");
    state->generic = state->ndarray ? PyObject_GetAttrString(numpy, "generic") : NULL;
    state->dtype = state->generic ? PyObject_GetAttrString(numpy, "dtype") : NULL;
    if (state->dtype) size = PyObject_GetAttrString(state->ndarray, "__basicsize__");
    if (size) state->ndarray_size = PyLong_AsSsize_t(size);
    Py_XDECREF(size);
    if (size && state->ndarray_size > 0 && lent_array_make(state)) return true;
    Py_CLEAR(state->ndarray);
    Py_CLEAR(state->generic);
    Py_CLEAR(state->dtype);
    return false;
}

bool numpy_import(struct state *state)
{
    if (state->lent_array) return true;
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy) {
        if (!PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) return false;
        PyErr_Clear();
        PyErr_SetString(PyExc_ImportError, "this payload is read or built as a NumPy array, and "
                                           "NumPy is not installed: pip install numpy, or use "
                                           "Store.view for its bytes");
        return false;
    }
    bool ok = numpy_keep(state, numpy);
    Py_DECREF(numpy);
    return ok;
}

bool numpy_loaded(struct state *state)
{
    if (state->lent_array) return true;
    PyObject *name = PyUnicode_FromString("numpy");
    PyObject *numpy = name ? PyImport_GetModule(name) : NULL;
    /* A module that is being imported just now has no arrays yet. */
    bool ok = numpy && PyObject_HasAttrString(numpy, "generic") && numpy_keep(state, numpy);
    Py_XDECREF(numpy);
    Py_XDECREF(name);
    if (!ok) PyErr_Clear();
    return ok;
}

bool is_array(struct state *state, PyObject *object)
{
    return numpy_loaded(state) && PyType_IsSubtype(Py_TYPE(object), (PyTypeObject *)state->ndarray);
}

/* ---- dtypes and the text that says them ----------------------------------------------------- */

static const struct known_dtype *dtype_remember(struct state *state, PyObject *dtype,
                                                PyObject *text)
{
    const char *utf8 = dtype && text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    if (!utf8) return NULL;
    struct known_dtype *known = &state->dtypes[state->dtypes_next++ % DTYPES_CACHED];
    struct known_dtype old = *known;
    Py_INCREF(dtype);
    Py_INCREF(text);
    *known = (struct known_dtype){dtype, text, utf8, utf8[0] == '['};
    Py_XDECREF(old.dtype);
    Py_XDECREF(old.text);
    return known;
}

/* A new reference. A structured dtype is copied: its fields can be renamed by whoever has it. */
static PyObject *dtype_hand_out(const struct known_dtype *known)
{
    PyObject *dtype = known->dtype;
    if (known->structured)
        return PyObject_CallMethod(dtype, "newbyteorder", "s", "|"); /* as it is */
    Py_INCREF(dtype);
    return dtype;
}

static PyObject *dtype_from_text(struct state *state, const char *utf8)
{
    for (int i = 0; i < DTYPES_CACHED; i++)
        if (state->dtypes[i].utf8 && strcmp(state->dtypes[i].utf8, utf8) == 0)
            return dtype_hand_out(&state->dtypes[i]);
    PyObject *read = helper(state, "dtype_from_text");
    PyObject *text = read ? PyUnicode_FromString(utf8) : NULL;
    PyObject *dtype = text ? PyObject_CallFunctionObjArgs(read, text, NULL) : NULL;
    const struct known_dtype *known = dtype ? dtype_remember(state, dtype, text) : NULL;
    Py_XDECREF(dtype);
    Py_XDECREF(text);
    Py_XDECREF(read);
    return known ? dtype_hand_out(known) : NULL;
}

static PyObject *dtype_to_text(struct state *state, PyObject *dtype)
{
    for (int i = 0; i < DTYPES_CACHED; i++) {
        const struct known_dtype *known = &state->dtypes[i];
        if (known->dtype != dtype || known->structured) continue;
        Py_INCREF(known->text);
        return known->text;
    }
    PyObject *write = helper(state, "dtype_to_text");
    PyObject *text = write ? PyObject_CallFunctionObjArgs(write, dtype, NULL) : NULL;
    Py_XDECREF(write);
    if (!text) return NULL;
    const char *utf8 = PyUnicode_AsUTF8AndSize(text, NULL);
    if (!utf8 || (utf8[0] != '[' && !dtype_remember(state, dtype, text))) Py_CLEAR(text);
    return text;
}

PyObject *dtype_from(struct state *state, PyObject *object)
{
    PyObject *dtype = PyObject_CallFunctionObjArgs(state->dtype, object, NULL);
    PyObject *text = dtype ? dtype_to_text(state, dtype) : NULL;
    if (!text) Py_CLEAR(dtype);
    Py_XDECREF(text);
    return dtype;
}

/* ---- arrays over memory of the store -------------------------------------------------------- */

PyObject *shape_to(const uint64_t *shape, uint32_t ndim)
{
    PyObject *tuple = PyTuple_New(ndim);
    for (uint32_t i = 0; tuple && i < ndim; i++) {
        PyObject *size = PyLong_FromUnsignedLongLong(shape[i]);
        if (!size || PyTuple_SetItem(tuple, i, size) < 0) Py_CLEAR(tuple);
    }
    return tuple;
}

PyObject *array_over(struct state *state, PyObject *owner, uint64_t offset, const char *dtype,
                     const uint64_t *shape, uint32_t ndim, char order)
{
    if (!numpy_import(state)) return NULL;
    PyObject *array = NULL, *type = dtype_from_text(state, dtype);
    PyObject *sizes = type ? shape_to(shape, ndim) : NULL;
    PyObject *at = sizes ? PyLong_FromUnsignedLongLong(offset) : NULL;
    if (at)
        array = PyObject_CallFunctionObjArgs(state->ndarray, sizes, type, owner, at, Py_None,
                                             order == 'F' ? state->order_f : state->order_c, NULL);
    Py_XDECREF(at);
    Py_XDECREF(sizes);
    Py_XDECREF(type);
    return array;
}

/* ---- describing an array -------------------------------------------------------------------- */

static bool shape_from(struct described *out, PyObject *array)
{
    PyObject *shape = PyObject_GetAttrString(array, "shape");
    Py_ssize_t ndim = shape ? PyTuple_Size(shape) : -1;
    if (ndim > ZCX_DIMENSIONS_MAX) {
        PyErr_Format(PyExc_ValueError, "an array has at most %d dimensions, not %zd",
                     ZCX_DIMENSIONS_MAX, ndim);
        ndim = -1;
    }
    for (Py_ssize_t i = 0; i < ndim; i++)
        out->shape[i] = PyLong_AsUnsignedLongLong(PyTuple_GetItem(shape, i));
    Py_XDECREF(shape);
    out->ndim = ndim < 0 ? 0 : (uint32_t)ndim;
    return ndim >= 0;
}

static bool nbytes_from(struct described *out, PyObject *array)
{
    PyObject *nbytes = PyObject_GetAttrString(array, "nbytes");
    if (!nbytes) return false;
    out->nbytes = PyLong_AsUnsignedLongLong(nbytes);
    Py_DECREF(nbytes);
    return out->nbytes != (uint64_t)-1 || !PyErr_Occurred();
}

/* Contiguous elements are seen through a buffer, without the format that NumPy can't give for
 * dates. Both orders fit an array of one dimension: then it is C. */
static void elements_from(struct described *out)
{
    out->order = 'C';
    if (out->nbytes == 0) return;
    if (PyObject_GetBuffer(out->array, &out->buffer, PyBUF_C_CONTIGUOUS) == 0) return;
    PyErr_Clear();
    if (PyObject_GetBuffer(out->array, &out->buffer, PyBUF_F_CONTIGUOUS) == 0)
        out->order = 'F';
    else
        PyErr_Clear();
}

/* A subclass may hold more than its elements: a masked array's mask would be lost. */
static bool class_allowed(struct state *state, PyObject *array)
{
    if ((PyObject *)Py_TYPE(array) == state->ndarray) return true;
    PyObject *check = helper(state, "check_class");
    PyObject *done = check ? PyObject_CallFunctionObjArgs(check, array, NULL) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(check);
    return done != NULL;
}

bool describe(struct state *state, struct described *out, PyObject *array)
{
    *out = (struct described){0};
    if (!class_allowed(state, array)) return false;
    out->array = array;
    Py_INCREF(array);
    PyObject *dtype = PyObject_GetAttrString(array, "dtype");
    out->text = dtype ? dtype_to_text(state, dtype) : NULL;
    Py_XDECREF(dtype);
    out->dtype = out->text ? PyUnicode_AsUTF8AndSize(out->text, NULL) : NULL;
    if (!out->dtype || !shape_from(out, array) || !nbytes_from(out, array)) {
        described_clear(out);
        return false;
    }
    elements_from(out);
    return true;
}

void described_let_go(struct described *described)
{
    if (described->buffer.buf) PyBuffer_Release(&described->buffer);
    described->buffer.buf = NULL;
    Py_CLEAR(described->array);
}

void described_clear(struct described *described)
{
    described_let_go(described);
    Py_CLEAR(described->text);
}

void described_to(zcx_envelope *envelope, const struct described *from)
{
    envelope->format = ZCX_NUMPY;
    envelope->dtype = from->dtype;
    envelope->shape = from->shape;
    envelope->ndim = from->ndim;
    envelope->order = from->order;
}

void copy_unlocked(void *to, const void *from, size_t length)
{
    if (length < COPY_UNLOCKED) {
        zcx_copy(to, from, length);
        return;
    }
    Py_BEGIN_ALLOW_THREADS zcx_copy(to, from, length);
    Py_END_ALLOW_THREADS
}

/* Strided elements are gathered by NumPy, into an array over `to`. */
static bool copy_strided(const struct described *from, void *to, PyObject *gather)
{
    PyObject *memory = PyMemoryView_FromMemory(to, (Py_ssize_t)from->nbytes, PyBUF_WRITE);
    PyObject *done =
        memory ? PyObject_CallFunctionObjArgs(gather, from->array, memory, NULL) : NULL;
    PyObject *released = memory ? PyObject_CallMethod(memory, "release", NULL) : NULL;
    Py_XDECREF(released);
    Py_XDECREF(memory);
    Py_XDECREF(done);
    return done && released;
}

bool described_copy(struct state *state, const struct described *from, void *to)
{
    if (from->nbytes == 0) return true;
    if (from->buffer.buf) {
        copy_unlocked(to, from->buffer.buf, (size_t)from->nbytes);
        return true;
    }
    PyObject *gather = helper(state, "gather");
    bool ok = gather && copy_strided(from, to, gather);
    Py_XDECREF(gather);
    return ok;
}
