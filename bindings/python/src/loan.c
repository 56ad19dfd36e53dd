/* Loan: memory of the store, to build a payload in. */
#include "module.h"

typedef struct {
    PyObject_HEAD struct state *state;
    struct memory *memory; /* NULL: ended, and no buffer of it lives */
    bool ended;            /* published or discarded */
    bool busy;             /* a thread is publishing it */
    Py_ssize_t exports;    /* buffers of the loan itself that live */
    struct given *given;   /* arrays that it lent */
    Py_ssize_t count;
    PyObject *weakrefs;
} Loan;

PyObject *loan_new(struct state *state, struct handle *handle, uint64_t size, int64_t timeout_ms)
{
    struct memory *memory = memory_new(state, handle, size, timeout_ms);
    if (!memory) return NULL;
    Loan *self = object_new(state->loan);
    if (!self) {
        memory_drop(memory);
        return NULL;
    }
    self->state = state;
    self->memory = memory;
    return (PyObject *)self;
}

static bool loan_usable(Loan *self)
{
    if (!self->ended && !self->busy) return true;
    if (self->busy)
        return raise_status(self->state, ZCX_EBUSY, "another thread is publishing the loan");
    return raise_status(self->state, ZCX_ECLOSED, "the loan was published or discarded");
}

/* The memory goes back when the last buffer and array of it is gone. */
static void loan_end(Loan *self)
{
    self->ended = true;
    for (Py_ssize_t i = 0; i < self->count; i++)
        given_clear(&self->given[i]);
    PyMem_Free(self->given);
    self->given = NULL;
    self->count = 0;
    if (self->exports) return;
    struct memory *memory = self->memory;
    self->memory = NULL;
    memory_drop(memory);
}

static void loan_dealloc(Loan *self)
{
    if (self->weakrefs) PyObject_ClearWeakRefs((PyObject *)self);
    loan_end(self);
    object_free(self);
}

static PyObject *loan_discard(Loan *self, PyObject *unused)
{
    (void)unused;
    if (self->busy) return loan_usable(self) ? NULL : NULL;
    loan_end(self);
    Py_RETURN_NONE;
}

static PyObject *loan_enter(Loan *self, PyObject *unused)
{
    (void)unused;
    if (!loan_usable(self)) return NULL;
    Py_INCREF((PyObject *)self);
    return (PyObject *)self;
}

static PyObject *loan_exit(Loan *self, PyObject *unused)
{
    if (!self->ended) return loan_discard(self, unused);
    Py_RETURN_NONE;
}

/* ---- its buffer ----------------------------------------------------------------------------- */

static int loan_buffer(Loan *self, Py_buffer *buffer, int flags)
{
    buffer->obj = NULL;
    if (!loan_usable(self)) return -1;
    if (self->memory->forks != fork_count) {
        raise_status(self->state, ZCX_EFORK, "the loan was inherited over fork");
        return -1;
    }
    int failed = PyBuffer_FillInfo(buffer, (PyObject *)self, self->memory->data,
                                   (Py_ssize_t)self->memory->size, 0, flags);
    if (!failed) self->exports++;
    return failed;
}

static void loan_release(Loan *self, Py_buffer *unused)
{
    (void)unused;
    if (--self->exports || !self->ended) return;
    struct memory *memory = self->memory;
    self->memory = NULL;
    memory_drop(memory);
}

/* ---- array ---------------------------------------------------------------------------------- */

static PyObject *loan_array(Loan *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"dtype", "shape", "order", "offset"};
    PyObject *bound[4];
    uint64_t offset = 0;
    if (!arguments_bind("array", args, nargs, kwnames, names, 3, 2, 4, bound) ||
        (bound[3] && !size_from(&offset, bound[3], "offset")) || !loan_usable(self) ||
        !numpy_import(self->state))
        return NULL;
    if (offset > self->memory->size) {
        PyErr_Format(PyExc_ValueError, "offset is %llu: the loan has %llu bytes",
                     (unsigned long long)offset, (unsigned long long)self->memory->size);
        return NULL;
    }
    if (self->memory->forks != fork_count)
        return raise_status(self->state, ZCX_EFORK, "the loan was inherited over fork");
    struct given *grown = PyMem_Realloc(self->given, (size_t)(self->count + 1) * sizeof *grown);
    if (!grown) return PyErr_NoMemory();
    self->given = grown;
    struct given *given = &grown[self->count];
    if (!given_make(self->state, given, self->memory, bound[0], bound[1],
                    bound[2] ? bound[2] : self->state->order_c, offset))
        return NULL;
    self->count++;
    Py_INCREF(given->array);
    return given->array;
}

/* ---- publish -------------------------------------------------------------------------------- */

static bool loan_unshared(Loan *self)
{
    Py_ssize_t writers = self->exports;
    for (Py_ssize_t i = 0; i < self->count; i++)
        writers += given_writers(&self->given[i]);
    if (!writers) return true;
    PyErr_Format(PyExc_BufferError,
                 "%zd writable buffer%s of the loan still live%s (memoryviews, slices or views of "
                 "its arrays): delete or release before publish",
                 writers, writers == 1 ? "" : "s", writers == 1 ? "s" : "");
    return false;
}

/* Makes it impossible to write, or possible again when publishing failed. */
static bool loan_freeze(Loan *self, bool frozen)
{
    self->memory->writable = !frozen;
    bool ok = true;
    for (Py_ssize_t i = 0; i < self->count; i++)
        if (given_held(&self->given[i]) || !frozen)
            ok = given_freeze(&self->given[i], frozen) && ok;
    return ok;
}

static bool loan_held(const Loan *self)
{
    for (Py_ssize_t i = 0; i < self->count; i++)
        if (given_held(&self->given[i])) return true;
    return false;
}

/* An only array that no format contradicts is what the payload is. */
static bool loan_describe(Loan *self, struct described *described, zcx_envelope *envelope,
                          bool named, uint64_t *length)
{
    bool only = self->count == 1 && self->given[0].lent->offset == 0;
    if (!only && named && envelope->format == ZCX_NUMPY)
        return raise_status(self->state, ZCX_EINVAL,
                            "format 'numpy' needs a loan that lent one array, at offset 0; this "
                            "one lent %zd",
                            self->count);
    if (!only || (named && envelope->format != ZCX_NUMPY)) return true;
    if (!describe(self->state, described, self->given[0].inner)) return false;
    described_let_go(described);
    described_to(envelope, described);
    if (*length == UINT64_MAX) *length = described->nbytes;
    return true;
}

static bool loan_commit(Loan *self, const struct key *key, uint64_t length,
                        const zcx_envelope *envelope, uint64_t *transaction)
{
    bool ok = loan_freeze(self, true) && loan_unshared(self); /* no new writer from here on */
    self->busy = true;
    ok = ok && memory_publish(self->state, self->memory, key, length, envelope, loan_held(self),
                              transaction);
    self->busy = false;
    if (ok) {
        loan_end(self);
        return true;
    }
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (!loan_freeze(self, false)) PyErr_Clear();
    PyErr_Restore(type, value, trace);
    return false;
}

static PyObject *loan_publish(Loan *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames)
{
    static const char *const names[] = {"key", "length", OPTIONS_NAMES};
    PyObject *bound[2 + OPTIONS_COUNT];
    struct key key;
    struct described described = {0};
    zcx_envelope envelope;
    bool named, ok = false;
    uint64_t length = UINT64_MAX, transaction = 0;
    if (!arguments_bind("publish", args, nargs, kwnames, names, 2, 1, 2 + OPTIONS_COUNT, bound) ||
        !key_from(&key, bound[0]) ||
        !envelope_fill(self->state, &envelope, &named, (struct options *)&bound[2]) ||
        (bound[1] && bound[1] != Py_None && !size_from(&length, bound[1], "length")) ||
        !loan_usable(self) || !loan_describe(self, &described, &envelope, named, &length))
        goto done;
    if (length == UINT64_MAX) length = self->memory->size;
    if (length > self->memory->size) {
        PyErr_Format(PyExc_ValueError, "length is %llu: the loan has %llu bytes",
                     (unsigned long long)length, (unsigned long long)self->memory->size);
        goto done;
    }
    ok = loan_commit(self, &key, length, &envelope, &transaction);
done:
    described_clear(&described);
    return ok ? PyLong_FromUnsignedLongLong(transaction) : NULL;
}

/* ---- the type ------------------------------------------------------------------------------- */

static Py_ssize_t loan_length(Loan *self)
{
    return loan_usable(self) ? (Py_ssize_t)self->memory->size : -1;
}

static PyObject *loan_nbytes(Loan *self, void *unused)
{
    (void)unused;
    Py_ssize_t length = loan_length(self);
    return length < 0 ? NULL : PyLong_FromSsize_t(length);
}

static PyObject *loan_ended(Loan *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(self->ended);
}

static PyObject *loan_repr(Loan *self)
{
    if (self->ended) return PyUnicode_FromString("<zcx.Loan, ended>");
    return PyUnicode_FromFormat("<zcx.Loan of %zd bytes>", (Py_ssize_t)self->memory->size);
}

static PyMethodDef loan_methods[] = {
    {"array", (PyCFunction)(void (*)(void))loan_array, METH_FASTCALL | METH_KEYWORDS,
     "array($self, /, dtype, shape, order='C', *, offset=0)\n--\n\n"
     "An array in the loan's memory, to fill in place. After publish it is read-only."},
    {"publish", (PyCFunction)(void (*)(void))loan_publish, METH_FASTCALL | METH_KEYWORDS,
     "publish($self, /, key, length=None, *, format=None, ttl=300, source=None, target=None, "
     "content_type=None, checksum=False)\n--\n\n"
     "Makes the first `length` bytes (all of them, or its only array) the payload at `key`, in\n"
     "place, and ends the loan. Returns LMDB's transaction id. BufferError while anything but\n"
     "the arrays themselves could still write to it: memoryviews, slices, views."},
    {"discard", (PyCFunction)loan_discard, METH_NOARGS, "Gives the memory back unpublished."},
    {"__enter__", (PyCFunction)loan_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)loan_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef loan_properties[] = {
    {"nbytes", (getter)loan_nbytes, NULL, "The bytes that were asked for.", NULL},
    {"ended", (getter)loan_ended, NULL, "Published or discarded.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef loan_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Loan, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot loan_slots[] = {
    {Py_tp_dealloc, loan_dealloc},
    {Py_bf_getbuffer, loan_buffer},
    {Py_bf_releasebuffer, loan_release},
    {Py_tp_methods, loan_methods},
    {Py_tp_getset, loan_properties},
    {Py_tp_members, loan_members},
    {Py_sq_length, loan_length},
    {Py_tp_repr, loan_repr},
    {Py_tp_doc, "Memory of the store, to build a payload in. A writable buffer."},
    {0, NULL}};

PyType_Spec loan_spec = {
    "zcx.Loan", sizeof(Loan), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, loan_slots};
