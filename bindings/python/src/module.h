/* The extension's state and what its files share. One file per noun; each object keeps a pointer to
 * the module's state (its type keeps the module alive).
 *
 * The GIL guards everything here. Calls of the core that can wait, lock, copy much or enter the
 * kernel run without it; what such a call uses is kept by a reference taken before. */
#ifndef ZCX_PYTHON_MODULE_H
#define ZCX_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zcx.h>

#define STATUS_ONE(number, name, message) +1
enum { STATUS_COUNT = 0 ZCX_STATUS_TABLE(STATUS_ONE) };

#define DTYPES_CACHED 16
#define COPY_UNLOCKED 65536 /* bytes: smaller copies are done before another thread is */

/* A NumPy dtype that put or get has met, and the text that says it in an envelope. */
struct known_dtype {
    PyObject *dtype, *text;
    const char *utf8; /* the text's */
    bool structured;  /* the names of its fields can be changed, so it is not handed out itself */
};

struct state {
    PyObject *exceptions[STATUS_COUNT]; /* by status; [0] is Error itself */
    PyTypeObject *store, *pin, *view, *loan, *lent, *scan, *batch, *exchange, *call, *worker;
    PyObject *envelope;                               /* zcx.envelope.Envelope */
    PyObject *helpers;                                /* zcx._helpers, imported at the first need */
    PyObject *ndarray, *generic, *dtype, *lent_array; /* NULL until NumPy is in use */
    Py_ssize_t ndarray_size;
    struct known_dtype dtypes[DTYPES_CACHED];
    unsigned dtypes_next;
    PyObject *order_c, *order_f, *zero, *pyarrow; /* "C", "F", 0, "pyarrow" */
};

/* ---- arguments (arguments.c) ---------------------------------------------------------------- */

/* Binds a fast call to names[0..count): the first `positional` may come by position, the first
 * `required` have to come. What was not given is NULL; the rest is borrowed. */
bool arguments_bind(const char *function, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames, const char *const *names, int positional, int required,
                    int count, PyObject **out);

/* A key: bytes as they are, or text as UTF-8; borrowed from `object`. */
struct key {
    const char *data;
    size_t length;
};
bool key_from(struct key *out, PyObject *object);
PyObject *key_to(const void *data, size_t length); /* text where it is UTF-8, else bytes */

bool size_from(uint64_t *out, PyObject *object, const char *name);
bool milliseconds_from(int64_t *out, PyObject *seconds, const char *name);
bool text_from(const char **out, PyObject *object, const char *name); /* None or NULL: NULL */

/* ---- errors (error.c) ----------------------------------------------------------------------- */

bool errors_load(struct state *state);
PyObject *text_of(const char *message); /* which may hold a path or key of any bytes */
/* Raises the exception of a failed call; always NULL. */
void *raise_error(struct state *state, const zcx_error *error);
__attribute__((format(printf, 3, 4))) void *raise_status(struct state *state, zcx_status status,
                                                         const char *format, ...);

/* ---- store (store.c) ------------------------------------------------------------------------ */

/* The core's handle: shared by the Store and everything that came from it, closed by the last. */
struct handle {
    zcx_store *store;
    Py_ssize_t references;
};
struct handle *handle_keep(struct handle *handle);
void handle_drop(struct handle *handle); /* may release the GIL; NULL is a no-op */

typedef struct {
    PyObject_HEAD struct state *state;
    struct handle *handle; /* NULL: closed */
    PyObject *weakrefs;
} Store;
extern PyType_Spec store_spec;
/* The store's handle, kept for the caller, or NULL with ClosedError. */
struct handle *store_use(Store *self);

/* Its methods with a key (record.c). */
PyObject *store_put(Store *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *store_get(Store *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *store_view(Store *self, PyObject *key);
PyObject *store_wait(Store *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *store_delete(Store *self, PyObject *key);
PyObject *store_exists(Store *self, PyObject *key);
PyObject *store_subscript(Store *self, PyObject *key);
int store_assign(Store *self, PyObject *key, PyObject *value);
int store_contains(Store *self, PyObject *key);
Py_ssize_t store_length(Store *self);

/* ---- pin and view (view.c) ------------------------------------------------------------------ */

/* What really holds a payload: a read-only buffer without methods. Arrays, memoryviews and Arrow
 * buffers refer to it, so a View can be released while they live. */
typedef struct {
    PyObject_HEAD struct state *state;
    struct handle *handle; /* NULL: the core keeps the store for it */
    zcx_view *view;        /* NULL: a call's result that came directly */
    zcx_call *call;        /* the view is its result; NULL: the view is ours to release */
    void *copy;            /* `data` is our own memory */
    const void *data;
    uint64_t length;
} Pin;
extern PyType_Spec pin_spec, view_spec;
/* Takes the view, or the call with its result, over, also when it fails. */
PyObject *pin_new(struct state *state, struct handle *handle, zcx_view *view);
PyObject *pin_copy(struct state *state, const void *data, uint64_t length);
PyObject *pin_new_result(struct state *state, zcx_call *call, const void *data, uint64_t length);
PyObject *view_new(struct state *state, PyObject *pin); /* steals the pin, also when it fails */
/* The pin of a live View, borrowed; NULL when the object is none. */
Pin *view_pin(struct state *state, PyObject *object);

/* ---- envelope (envelope.c) ------------------------------------------------------------------ */

/* What put and publish take by keyword. */
struct options {
    PyObject *format, *ttl, *source, *target, *content_type, *checksum;
};
#define OPTIONS_NAMES "format", "ttl", "source", "target", "content_type", "checksum"
#define OPTIONS_COUNT 6
/* Fills *envelope; *named: a format was. Its texts are borrowed from the options. */
bool envelope_fill(struct state *state, zcx_envelope *envelope, bool *named,
                   const struct options *options);
PyObject *envelope_to(struct state *state, const zcx_envelope *envelope);

/* ---- NumPy (array.c) ------------------------------------------------------------------------ */

/* Is NumPy loaded by anybody? An object can be an array only then. Never imports it. */
bool numpy_loaded(struct state *state);
bool numpy_import(struct state *state); /* or raises ImportError */
bool is_array(struct state *state, PyObject *object);

/* What the core has to know of an array, and its elements if they are contiguous. */
struct described {
    PyObject *text; /* owns dtype */
    const char *dtype;
    uint64_t shape[ZCX_DIMENSIONS_MAX];
    uint32_t ndim;
    char order;
    uint64_t nbytes;
    PyObject *array;
    Py_buffer buffer; /* buf NULL: strided, or empty */
};
/* TypeError for elements that are objects, and whatever else would not come back as it was. */
bool describe(struct state *state, struct described *out, PyObject *array);
void described_let_go(struct described *described); /* of the array; what was said stays */
void described_clear(struct described *described);
void described_to(zcx_envelope *envelope, const struct described *from); /* borrows */
/* Copies the elements, in `order`, to nbytes at `to`; large ones without the GIL. */
bool described_copy(struct state *state, const struct described *from, void *to);

/* The dtype that `object` names, when it has a portable description; else NULL with TypeError. */
PyObject *dtype_from(struct state *state, PyObject *object);

/* A read-only array over `owner`'s buffer at `offset`. */
PyObject *array_over(struct state *state, PyObject *owner, uint64_t offset, const char *dtype,
                     const uint64_t *shape, uint32_t ndim, char order);
PyObject *shape_to(const uint64_t *shape, uint32_t ndim);
void copy_unlocked(void *to, const void *from, size_t length);

PyObject *helper(struct state *state, const char *name); /* a function of zcx._helpers, new ref */

/* ---- encode and decode (sink.c, encode.c, decode.c) ----------------------------------------- */

/* Where an encoded payload goes: a store's key, a batch, or a leg of a calculator's call. */
struct sink {
    struct state *state;
    struct handle *handle; /* kept by the caller; of a key and a batch */
    zcx_batch *batch;
    struct key key;
    zcx_call *call;       /* then neither handle, batch nor key */
    bool output;          /* the call's second leg */
    zcx_loan *loan;       /* between begin and end, unless it is a call */
    uint64_t transaction; /* out, of a key */
};
/* Lends `size` bytes to write to; then end, with how many they are and what, or abort. */
void *sink_begin(struct sink *sink, uint64_t size);
bool sink_end(struct sink *sink, uint64_t length, const zcx_envelope *envelope);
void sink_abort(struct sink *sink);
bool sink_put(struct sink *sink, const void *data, uint64_t length, const zcx_envelope *envelope);

/* Puts any Python object (encode.c). */
bool encode(struct sink *sink, PyObject *data, zcx_envelope *envelope, bool named);
/* The object that a pin's payload is (decode.c). Raises CalculatorError for an error record. */
PyObject *decode(struct state *state, PyObject *pin);
/* The same, of a pin whose envelope is known. */
PyObject *decode_as(struct state *state, PyObject *pin, const zcx_envelope *envelope);

/* msgpack (pack.c, unpack.c). `buffer` NULL only counts; the length is exact. */
bool pack(struct state *state, PyObject *data, void *buffer, uint64_t capacity, uint64_t *length);
/* Counts what would come back as an equal object of the same types; false, without an exception,
 * when it would not. */
bool pack_exactly(struct state *state, PyObject *data, uint64_t *length);
/* `owner`'s buffer is `data`; typed arrays refer to it. */
PyObject *unpack(struct state *state, PyObject *owner, const void *data, uint64_t length);

/* ---- loan (loan.c, memory.c, lent.c) -------------------------------------------------------- */

/* The memory of a loan: shared by the Loan and the arrays that it lent, so that neither a discarded
 * nor a published loan's memory is used again while one of them lives. Small ones are our own. */
struct memory {
    Py_ssize_t references;
    struct handle *handle;
    zcx_loan *loan; /* NULL: small, or published */
    zcx_view *view; /* holds the payload for arrays that outlive the publishing */
    char *data;
    uint64_t size;
    bool writable; /* until it is published */
    unsigned forks;
};
struct memory *memory_new(struct state *state, struct handle *handle, uint64_t size,
                          int64_t timeout_ms);
struct memory *memory_keep(struct memory *memory);
void memory_drop(struct memory *memory); /* NULL is a no-op */
/* Publishes it; `hold` keeps the payload for arrays that live on. */
bool memory_publish(struct state *state, struct memory *memory, const struct key *key,
                    uint64_t length, const zcx_envelope *envelope, bool hold,
                    uint64_t *transaction);

/* What one lent array stands on; counts its writable buffers. */
typedef struct {
    PyObject_HEAD struct memory *memory;
    uint64_t offset;
    Py_ssize_t exports;
} Lent;

/* An array that a loan lent. `array` is the user's; its base is `inner`, whose base is `lent`:
 * NumPy lets a view refer to the innermost array of its type, so whatever shares the memory refers
 * to `inner` or `lent`, and a mere name of the array does not. */
struct given {
    PyObject *array, *inner;
    Lent *lent;
};
bool given_make(struct state *state, struct given *out, struct memory *memory, PyObject *dtype,
                PyObject *shape, PyObject *order, uint64_t offset);
void given_clear(struct given *given);
bool given_held(const struct given *given);          /* does anybody else have the array? */
Py_ssize_t given_writers(const struct given *given); /* that would stay, besides the array itself */
bool given_freeze(const struct given *given, bool frozen);
bool lent_array_make(struct state *state); /* the array type of loans, once NumPy is there */

/* ---- the rest ------------------------------------------------------------------------------- */

extern PyType_Spec loan_spec, lent_spec, scan_spec, batch_spec;
PyObject *loan_new(struct state *state, struct handle *handle, uint64_t size, int64_t timeout_ms);
PyObject *scan_new(Store *store, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *batch_new(Store *store);
struct state *state_of(PyTypeObject *type); /* of one of the module's types, or a subclass */

/* ---- calculators (exchange.c, call.c, worker.c, origin.c) ----------------------------------- */

typedef struct {
    PyObject_HEAD struct state *state;
    zcx_exchange *exchange;     /* the calculator's, if there is one */
    zcx_calculator *calculator; /* of a plug-in; else NULL */
} Exchange;

typedef struct {
    PyObject_HEAD struct state *state;
    Exchange *owner;   /* NULL: a worker's call */
    zcx_call *call;    /* NULL: its result was taken */
    PyObject *chained; /* the pin whose view is the call's input */
} Call;

extern PyType_Spec exchange_spec, call_spec, worker_spec;

/* The pin that an object was read from whole, or NULL without an exception; a new reference. */
PyObject *origin(struct state *state, PyObject *data);

extern PyMethodDef codec_functions[]; /* of the module (codec.c) */

/* Allocates an object of one of the module's types, zeroed past its head. */
void *object_new(PyTypeObject *type);
/* Ends a dealloc. */
void object_free(void *self);

/* How many forks this process is away from the one that loaded the module. */
extern unsigned fork_count;

#endif
