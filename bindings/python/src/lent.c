/* Arrays that a loan lends: built in place, and unwritable once the loan is published.
 *
 * NumPy's flag is not enough: slices, memoryviews and DLPack capsules of an array keep their own
 * right to write. So a lent array is of a class of ours that counts them: see struct given. What
 * cannot be seen is C code that took the elements' address and keeps it with no more than a
 * reference to the array (torch.from_numpy, an unfinished numpy.nditer, ctypes). */
#include "module.h"

/* ---- Lent: what an array stands on ---------------------------------------------------------- */

static int lent_buffer(Lent *self, Py_buffer *buffer, int flags)
{
    const struct memory *memory = self->memory;
    bool readonly = !memory->writable || memory->forks != fork_count;
    int failed = PyBuffer_FillInfo(buffer, (PyObject *)self, memory->data + self->offset,
                                   (Py_ssize_t)(memory->size - self->offset), readonly, flags);
    if (!failed && !buffer->readonly) self->exports++;
    return failed;
}

static void lent_release(Lent *self, Py_buffer *buffer)
{
    if (!buffer->readonly) self->exports--;
}

static void lent_dealloc(Lent *self)
{
    memory_drop(self->memory);
    object_free(self);
}

static PyType_Slot lent_slots[] = {{Py_tp_dealloc, lent_dealloc},
                                   {Py_bf_getbuffer, lent_buffer},
                                   {Py_bf_releasebuffer, lent_release},
                                   {Py_tp_doc, "Memory of a loan, under an array of it."},
                                   {0, NULL}};

PyType_Spec lent_spec = {
    "zcx._zcx.Lent", sizeof(Lent), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, lent_slots};

/* ---- LoanArray: ndarray, and a reference to what it stands on ------------------------------- */

static struct state *array_state(PyObject *array)
{
    return PyType_GetModuleState(Py_TYPE(array));
}

/* Behind NumPy's own fields, whose size only NumPy knows. NULL for a copy, which has its own
 * memory. */
static Lent **array_lent(const struct state *state, PyObject *array)
{
    return (Lent **)((char *)array + state->ndarray_size);
}

static int array_buffer(PyObject *array, Py_buffer *buffer, int flags)
{
    struct state *state = array_state(array);
    int (*fill)(PyObject *, Py_buffer *, int) =
        PyType_GetSlot((PyTypeObject *)state->ndarray, Py_bf_getbuffer);
    if (fill(array, buffer, flags) < 0) return -1;
    Lent *lent = *array_lent(state, array);
    if (lent && !buffer->readonly) lent->exports++;
    return 0;
}

static void array_release(PyObject *array, Py_buffer *buffer)
{
    Lent *lent = *array_lent(array_state(array), array);
    if (lent && !buffer->readonly) lent->exports--;
}

static void array_dealloc(PyObject *array)
{
    PyTypeObject *type = Py_TYPE(array);
    struct state *state = PyType_GetModuleState(type);
    Lent *lent = *array_lent(state, array);
    ((destructor)PyType_GetSlot((PyTypeObject *)state->ndarray, Py_tp_dealloc))(array);
    Py_XDECREF((PyObject *)lent);
    Py_DECREF(type);
}

/* NumPy calls it for every new array of the class, after it has set the base. */
static PyObject *array_finalize(PyObject *array, PyObject *unused)
{
    (void)unused;
    struct state *state = array_state(array);
    PyObject *base = PyObject_GetAttrString(array, "base");
    if (!base) return NULL;
    Lent **lent = array_lent(state, array);
    if (Py_TYPE(base) == Py_TYPE(array) && !*lent) {
        *lent = *array_lent(state, base);
        Py_XINCREF((PyObject *)*lent);
    }
    Py_DECREF(base);
    Py_RETURN_NONE;
}

/* Before NumPy 2 nobody says whether a result without dimensions is to be a scalar: it is. */
static int is_scalar(PyObject *result)
{
    PyObject *ndim = PyObject_GetAttrString(result, "ndim");
    int scalar = ndim ? !PyObject_IsTrue(ndim) : -1;
    Py_XDECREF(ndim);
    return scalar;
}

/* Results of computing with lent arrays are plain arrays and scalars. */
static PyObject *array_wrap(PyObject *array, PyObject *args)
{
    PyObject *result, *context = NULL, *scalar = NULL;
    if (!PyArg_ParseTuple(args, "O|OO:__array_wrap__", &result, &context, &scalar)) return NULL;
    int wanted = scalar ? PyObject_IsTrue(scalar) : is_scalar(result);
    if (wanted > 0 && result != array) {
        PyObject *nothing = PyTuple_New(0);
        PyObject *item = nothing ? PyObject_GetItem(result, nothing) : NULL;
        Py_XDECREF(nothing);
        return item;
    }
    if (wanted < 0) return NULL;
    const struct state *state = array_state(array);
    if (Py_TYPE(result) == Py_TYPE(array) && !*array_lent(state, result)) /* as NumPy 1 makes them */
        return PyObject_CallMethod(result, "view", "O", state->ndarray);
    Py_INCREF(result);
    return result;
}

/* The method of a plain view: what it returns refers to memory that is counted, or is a copy. */
static PyObject *array_as_plain(PyObject *array, const char *name, PyObject *args, PyObject *kwargs)
{
    PyObject *plain = PyObject_CallMethod(array, "view", "O", array_state(array)->ndarray);
    PyObject *method = plain ? PyObject_GetAttrString(plain, name) : NULL;
    PyObject *result = method ? PyObject_Call(method, args, kwargs) : NULL;
    Py_XDECREF(method);
    Py_XDECREF(plain);
    return result;
}

static PyObject *array_dlpack(PyObject *array, PyObject *args, PyObject *kwargs)
{
    return array_as_plain(array, "__dlpack__", args, kwargs);
}

static PyObject *array_reduce(PyObject *array, PyObject *args)
{
    return array_as_plain(array, "__reduce_ex__", args, NULL);
}

static PyMethodDef array_methods[] = {
    {"__array_finalize__", array_finalize, METH_O, NULL},
    {"__array_wrap__", array_wrap, METH_VARARGS, NULL},
    {"__dlpack__", (PyCFunction)(void (*)(void))array_dlpack, METH_VARARGS | METH_KEYWORDS, NULL},
    {"__reduce_ex__", array_reduce, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

bool lent_array_make(struct state *state)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, array_dealloc},
        {Py_bf_getbuffer, array_buffer},
        {Py_bf_releasebuffer, array_release},
        {Py_tp_methods, array_methods},
        {Py_tp_doc, "An array in the memory of a loan: writable until the loan is published."},
        {0, NULL}};
    PyType_Spec spec = {"zcx.LoanArray", (int)(state->ndarray_size + (Py_ssize_t)sizeof(Lent *)), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};
    PyObject *name = PyUnicode_FromString("zcx._zcx");
    PyObject *module = name ? PyImport_GetModule(name) : NULL;
    state->lent_array = module ? PyType_FromModuleAndSpec(module, &spec, state->ndarray) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(name);
    return state->lent_array != NULL;
}

/* ---- one array of a loan -------------------------------------------------------------------- */

bool given_make(struct state *state, struct given *out, struct memory *memory, PyObject *dtype,
                PyObject *shape, PyObject *order, uint64_t offset)
{
    *out = (struct given){NULL, NULL, NULL};
    PyObject *checked = dtype_from(state, dtype); /* NumPy would make objects of any bytes */
    out->lent = checked ? object_new(state->lent) : NULL;
    if (out->lent) {
        out->lent->memory = memory_keep(memory);
        out->lent->offset = offset;
        out->inner =
            PyObject_CallFunctionObjArgs(state->ndarray, shape, checked, (PyObject *)out->lent,
                                         state->zero, Py_None, order, NULL);
    }
    Py_XDECREF(checked);
    if (out->inner) out->array = PyObject_CallMethod(out->inner, "view", "O", state->lent_array);
    if (!out->array) {
        given_clear(out);
        return false;
    }
    Py_INCREF((PyObject *)out->lent);
    *array_lent(state, out->array) = out->lent;
    return true;
}

void given_clear(struct given *given)
{
    Py_CLEAR(given->array);
    Py_CLEAR(given->inner);
    Py_CLEAR(given->lent);
}

bool given_held(const struct given *given)
{
    return Py_REFCNT(given->array) > 1;
}

Py_ssize_t given_writers(const struct given *given)
{
    Py_ssize_t plain = Py_REFCNT(given->inner) - 2;           /* ours, the array's */
    Py_ssize_t lent = Py_REFCNT((PyObject *)given->lent) - 3; /* ours, inner's, the array's */
    return plain + lent + given->lent->exports;
}

bool given_freeze(const struct given *given, bool frozen)
{
    PyObject *first = frozen ? given->array : given->inner;
    PyObject *second = frozen ? given->inner : given->array;
    PyObject *one = PyObject_CallMethod(first, "setflags", "O", frozen ? Py_False : Py_True);
    PyObject *two =
        one ? PyObject_CallMethod(second, "setflags", "O", frozen ? Py_False : Py_True) : NULL;
    Py_XDECREF(one);
    Py_XDECREF(two);
    return two != NULL;
}
