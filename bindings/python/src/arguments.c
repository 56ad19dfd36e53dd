/* Arguments: fast calls bound to names, and the conversions that several nouns need. */
#include "module.h"

#include <math.h>

static int name_find(PyObject *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0) return i;
    return -1;
}

bool arguments_bind(const char *function, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames, const char *const *names, int positional, int required,
                    int count, PyObject **out)
{
    if (nargs > positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional arguments (%zd given)",
                     function, positional, nargs);
        return false;
    }
    for (int i = 0; i < count; i++)
        out[i] = i < nargs ? args[i] : NULL;
    Py_ssize_t keywords = kwnames ? PyTuple_Size(kwnames) : 0;
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject *name = PyTuple_GetItem(kwnames, i);
        int at = name_find(name, names, count);
        if (at < 0 || out[at]) {
            PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", function,
                         at < 0 ? "an unexpected" : "twice the", name);
            return false;
        }
        out[at] = args[nargs + i];
    }
    for (int i = 0; i < required; i++) {
        if (out[i]) continue;
        PyErr_Format(PyExc_TypeError, "%s() needs the argument '%s'", function, names[i]);
        return false;
    }
    return true;
}

bool key_from(struct key *out, PyObject *object)
{
    Py_ssize_t length = 0;
    if (PyUnicode_Check(object)) {
        out->data = PyUnicode_AsUTF8AndSize(object, &length);
        if (!out->data) return false;
    } else if (PyBytes_Check(object)) {
        char *data = NULL;
        if (PyBytes_AsStringAndSize(object, &data, &length) < 0) return false;
        out->data = data;
    } else {
        PyErr_Format(PyExc_TypeError, "a key is str or bytes, not %R", Py_TYPE(object));
        return false;
    }
    out->length = (size_t)length;
    return true;
}

PyObject *key_to(const void *data, size_t length)
{
    PyObject *text = PyUnicode_DecodeUTF8(data, (Py_ssize_t)length, NULL);
    if (text || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return text;
    PyErr_Clear();
    return PyBytes_FromStringAndSize(data, (Py_ssize_t)length);
}

bool size_from(uint64_t *out, PyObject *object, const char *name)
{
    PyObject *index = PyNumber_Index(object);
    if (!index) {
        PyErr_Format(PyExc_TypeError, "%s is a number of bytes, not %R", name, Py_TYPE(object));
        return false;
    }
    *out = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    if (*out != (uint64_t)-1 || !PyErr_Occurred()) return true;
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "%s is %R: it must be from 0 to 2**64 - 1", name, object);
    return false;
}

/* Seconds as a number or timedelta. Part of a millisecond counts as a whole one, so that a short
 * time is never taken as none. */
bool milliseconds_from(int64_t *out, PyObject *seconds, const char *name)
{
    if (PyLong_CheckExact(seconds)) { /* the usual way, and exact */
        int overflow = 0;
        long long whole = PyLong_AsLongLongAndOverflow(seconds, &overflow);
        if (!overflow && whole >= 0 && whole <= INT64_MAX / 1000) {
            *out = whole * 1000;
            return true;
        }
    }
    PyObject *total = NULL;
    if (PyObject_HasAttrString(seconds, "total_seconds"))
        total = PyObject_CallMethod(seconds, "total_seconds", NULL);
    double number = PyFloat_AsDouble(total ? total : seconds);
    Py_XDECREF(total);
    if (number == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return false;
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "%s is seconds or a timedelta, not %R", name,
                     Py_TYPE(seconds));
        return false;
    }
    if (!(number >= 0 && number <= 9e15)) {
        PyErr_Format(PyExc_ValueError, "%s is %R: it must be from 0 to 9e15 seconds", name,
                     seconds);
        return false;
    }
    *out = (int64_t)ceil(number * 1000);
    return true;
}

bool text_from(const char **out, PyObject *object, const char *name)
{
    *out = NULL;
    if (!object || object == Py_None) return true;
    Py_ssize_t length = 0;
    if (PyUnicode_Check(object)) {
        *out = PyUnicode_AsUTF8AndSize(object, &length);
        if (!*out) return false;
        if (strlen(*out) == (size_t)length) return true;
        PyErr_Format(PyExc_ValueError, "%s is %R: it must not hold a NUL", name, object);
        return false;
    }
    PyErr_Format(PyExc_TypeError, "%s is str or None, not %R", name, Py_TYPE(object));
    return false;
}
