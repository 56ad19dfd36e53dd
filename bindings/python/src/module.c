/* The module: its types, its state, the log and the fork count. */
#include "module.h"

#include <pthread.h>

unsigned fork_count;

static void forked(void)
{
    fork_count++;
}

void *object_new(PyTypeObject *type)
{
    return PyType_GenericAlloc(type, 0);
}

void object_free(void *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* The state of the class that defines `type` or a base of it: only that one belongs to the module.
 */
struct state *state_of(PyTypeObject *type)
{
    for (; type; type = PyType_GetSlot(type, Py_tp_base)) {
        struct state *state = PyType_GetModuleState(type);
        if (state) return state;
        PyErr_Clear();
    }
    PyErr_SetString(PyExc_TypeError, "not a type of the module zcx");
    return NULL;
}

PyObject *helper(struct state *state, const char *name)
{
    if (!state->helpers) state->helpers = PyImport_ImportModule("zcx._helpers");
    return state->helpers ? PyObject_GetAttrString(state->helpers, name) : NULL;
}

/* ---- the log: the core's messages go to Python's logger "zcx" ------------------------------- */

static PyObject *logger; /* of the process, as the core's callback is; set under the GIL */

static void log_message(void *context, char level, const char *message)
{
    (void)context;
    if (!Py_IsInitialized()) return;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *target = logger;
    Py_XINCREF(target);
    PyObject *text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "backslashreplace");
    PyObject *done = target && text ? PyObject_CallMethod(target, level == 'w' ? "warning" : "info",
                                                          "sO", "%s", text)
                                    : NULL;
    if (!done) PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(text);
    Py_XDECREF(target);
    PyErr_Restore(type, value, trace);
    PyGILState_Release(gil);
}

static PyObject *log_end(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    zcx_log_set(NULL, NULL);
    Py_CLEAR(logger);
    Py_RETURN_NONE;
}

static bool log_begin(void)
{
    if (logger) return true; /* another interpreter's */
    PyObject *logging = PyImport_ImportModule("logging");
    PyObject *made = logging ? PyObject_CallMethod(logging, "getLogger", "s", "zcx") : NULL;
    Py_XDECREF(logging);
    if (!made) return false;
    logger = made;
    zcx_log_set(log_message, NULL);
    return true;
}

/* ---- making the module ---------------------------------------------------------------------- */

static bool type_add(PyObject *module, PyTypeObject **out, PyType_Spec *spec)
{
    *out = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *out && PyModule_AddType(module, *out) == 0;
}

/* {1: "ZCX_ENOTFOUND", …}: a test compares it with zcx/errors.py. */
static bool statuses_add(PyObject *module)
{
    PyObject *table = PyDict_New();
    for (int status = 0; table && status < STATUS_COUNT; status++) {
        PyObject *number = PyLong_FromLong(status);
        PyObject *name = PyUnicode_FromString(zcx_status_name((zcx_status)status));
        if (!number || !name || PyDict_SetItem(table, number, name) < 0) Py_CLEAR(table);
        Py_XDECREF(number);
        Py_XDECREF(name);
    }
    if (table && PyModule_AddObjectRef(module, "STATUSES", table) < 0) Py_CLEAR(table);
    Py_XDECREF(table);
    return table != NULL;
}

static int module_exec(PyObject *module)
{
    static bool fork_watched;
    struct state *state = PyModule_GetState(module);
    if (!fork_watched && pthread_atfork(NULL, NULL, forked) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    fork_watched = true;
    state->order_c = PyUnicode_InternFromString("C");
    state->order_f = PyUnicode_InternFromString("F");
    state->zero = PyLong_FromLong(0);
    state->pyarrow = PyUnicode_InternFromString("pyarrow");
    PyObject *envelopes = PyImport_ImportModule("zcx.envelope");
    state->envelope = envelopes ? PyObject_GetAttrString(envelopes, "Envelope") : NULL;
    Py_XDECREF(envelopes);
    bool ok =
        state->order_c && state->order_f && state->zero && state->pyarrow && state->envelope &&
        errors_load(state) && type_add(module, &state->store, &store_spec) &&
        type_add(module, &state->pin, &pin_spec) && type_add(module, &state->view, &view_spec) &&
        type_add(module, &state->loan, &loan_spec) && type_add(module, &state->lent, &lent_spec) &&
        type_add(module, &state->scan, &scan_spec) &&
        type_add(module, &state->batch, &batch_spec) &&
        type_add(module, &state->exchange, &exchange_spec) &&
        type_add(module, &state->call, &call_spec) &&
        type_add(module, &state->worker, &worker_spec) && statuses_add(module) &&
        PyModule_AddFunctions(module, codec_functions) == 0 &&
        PyModule_AddStringConstant(module, "version", zcx_version()) == 0 && log_begin();
    return ok ? 0 : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct state *state = PyModule_GetState(module);
    for (int i = 0; i < STATUS_COUNT; i++)
        Py_VISIT(state->exceptions[i]);
    Py_VISIT(state->store);
    Py_VISIT(state->pin);
    Py_VISIT(state->view);
    Py_VISIT(state->loan);
    Py_VISIT(state->lent);
    Py_VISIT(state->scan);
    Py_VISIT(state->batch);
    Py_VISIT(state->exchange);
    Py_VISIT(state->call);
    Py_VISIT(state->worker);
    Py_VISIT(state->envelope);
    Py_VISIT(state->helpers);
    Py_VISIT(state->ndarray);
    Py_VISIT(state->generic);
    Py_VISIT(state->dtype);
    Py_VISIT(state->lent_array);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    for (int i = 0; i < STATUS_COUNT; i++)
        Py_CLEAR(state->exceptions[i]);
    Py_CLEAR(state->store);
    Py_CLEAR(state->pin);
    Py_CLEAR(state->view);
    Py_CLEAR(state->loan);
    Py_CLEAR(state->lent);
    Py_CLEAR(state->scan);
    Py_CLEAR(state->batch);
    Py_CLEAR(state->exchange);
    Py_CLEAR(state->call);
    Py_CLEAR(state->worker);
    Py_CLEAR(state->envelope);
    Py_CLEAR(state->helpers);
    Py_CLEAR(state->ndarray);
    Py_CLEAR(state->generic);
    Py_CLEAR(state->dtype);
    Py_CLEAR(state->lent_array);
    return 0;
}

static void module_free(void *module)
{
    struct state *state = PyModule_GetState(module);
    module_clear(module);
    for (int i = 0; i < DTYPES_CACHED; i++) {
        Py_CLEAR(state->dtypes[i].text);
        Py_CLEAR(state->dtypes[i].dtype);
    }
    Py_CLEAR(state->order_c);
    Py_CLEAR(state->order_f);
    Py_CLEAR(state->zero);
    Py_CLEAR(state->pyarrow);
}

static PyMethodDef module_methods[] = {
    {"log_end", log_end, METH_NOARGS, "Sends the core's messages to stderr again."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {.m_base = PyModuleDef_HEAD_INIT,
                             .m_name = "zcx._zcx",
                             .m_size = sizeof(struct state),
                             .m_methods = module_methods,
                             .m_slots = module_slots,
                             .m_traverse = module_traverse,
                             .m_clear = module_clear,
                             .m_free = module_free};

PyMODINIT_FUNC PyInit__zcx(void);
PyMODINIT_FUNC PyInit__zcx(void)
{
    return PyModuleDef_Init(&module);
}
