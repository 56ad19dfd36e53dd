/* Errors: every status has one exception, in zcx/errors.py. */
#include "module.h"

#include <stdarg.h>

bool errors_load(struct state *state)
{
    PyObject *module = PyImport_ImportModule("zcx.errors");
    PyObject *table = module ? PyObject_GetAttrString(module, "EXCEPTIONS") : NULL;
    bool ok = table != NULL;
    for (int status = 0; ok && status < STATUS_COUNT; status++) {
        state->exceptions[status] = PySequence_GetItem(table, status);
        ok = state->exceptions[status] != NULL;
    }
    Py_XDECREF(table);
    Py_XDECREF(module);
    return ok;
}

PyObject *text_of(const char *message)
{
    return PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "backslashreplace");
}

void *raise_error(struct state *state, const zcx_error *error)
{
    unsigned status = (unsigned)error->status < STATUS_COUNT ? error->status : 0;
    const char *message = error->message[0] ? error->message : zcx_status_message(error->status);
    PyObject *text = text_of(message);
    PyObject *cause = text ? PyLong_FromLong(error->cause) : NULL;
    PyObject *type = state->exceptions[status];
    PyObject *exception = cause ? PyObject_CallFunctionObjArgs(type, text, cause, NULL) : NULL;
    if (exception) PyErr_SetObject(type, exception);
    Py_XDECREF(exception);
    Py_XDECREF(cause);
    Py_XDECREF(text);
    return NULL;
}

void *raise_status(struct state *state, zcx_status status, const char *format, ...)
{
    zcx_error error = {.status = status};
    va_list list;
    va_start(list, format);
    vsnprintf(error.message, sizeof error.message, format, list);
    va_end(list);
    return raise_error(state, &error);
}
