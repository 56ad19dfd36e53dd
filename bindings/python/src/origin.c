/* Origin: which payload an object was read from, so that it can travel by the record that it has.
 */
#include "module.h"

/* ---- is it one array? ----------------------------------------------------------------------- */

struct match {
    const struct described *array;
    bool same;
};

static void *match_array(void *context, const zcx_array *found)
{
    struct match *match = context;
    const struct described *array = match->array;
    match->same = found->ndim == array->ndim && found->nbytes == array->nbytes &&
                  found->order == array->order && found->data == array->buffer.buf &&
                  strcmp(found->dtype, array->dtype) == 0 &&
                  memcmp(found->shape, array->shape, found->ndim * sizeof *found->shape) == 0;
    return match; /* anything but NULL */
}

static void *no_scalar(void *context)
{
    return (void)context, NULL;
}
static void *no_boolean(void *context, bool value)
{
    return (void)context, (void)value, NULL;
}
static void *no_integer(void *context, int64_t value)
{
    return (void)context, (void)value, NULL;
}
static void *no_unsigned(void *context, uint64_t value)
{
    return (void)context, (void)value, NULL;
}
static void *no_real(void *context, double value)
{
    return (void)context, (void)value, NULL;
}
static void *no_str(void *context, const char *text, uint64_t length)
{
    return (void)context, (void)text, (void)length, NULL;
}
static void *no_bin(void *context, const void *data, uint64_t length)
{
    return (void)context, (void)data, (void)length, NULL;
}
static void *no_container(void *context, uint64_t items)
{
    return (void)context, (void)items, NULL;
}
static bool no_add(void *context, void *list, uint64_t index, void *item)
{
    return (void)context, (void)list, (void)index, (void)item, false;
}
static bool no_set(void *context, void *map, void *key, void *value)
{
    return (void)context, (void)map, (void)key, (void)value, false;
}
static void *no_extension(void *context, int8_t type, const void *data, uint64_t length)
{
    return (void)context, (void)type, (void)data, (void)length, NULL;
}
static void no_drop(void *context, void *object)
{
    (void)context, (void)object;
}

static const zcx_builder only_array = {
    .struct_size = sizeof(zcx_builder),
    .nil = no_scalar,
    .boolean = no_boolean,
    .integer = no_integer,
    .unsigned_integer = no_unsigned,
    .real = no_real,
    .str = no_str,
    .bin = no_bin,
    .list = no_container,
    .add = no_add,
    .map = no_container,
    .set = no_set,
    .array = match_array,
    .extension = no_extension,
    .drop = no_drop,
};

static bool unpacks_to(PyObject *pin, const struct described *array)
{
    struct match match = {array, false};
    void *found = NULL;
    zcx_status status =
        zcx_unpack(&found, ((Pin *)pin)->data, ((Pin *)pin)->length, &only_array, &match, NULL);
    return status == ZCX_OK && match.same;
}

/* ---- where an object came from -------------------------------------------------------------- */

static bool is_whole(Pin *pin, const struct described *array)
{
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    if (zcx_view_envelope(pin->view, &envelope, NULL) != ZCX_OK) return false;
    if (envelope.format == ZCX_MSGPACK) return unpacks_to((PyObject *)pin, array);
    return envelope.format == ZCX_NUMPY && envelope.ndim == array->ndim &&
           array->nbytes == pin->length && array->buffer.buf == pin->data &&
           envelope.order == array->order && strcmp(envelope.dtype, array->dtype) == 0 &&
           memcmp(envelope.shape, array->shape, array->ndim * sizeof *array->shape) == 0;
}

/* The pin that a whole array stands on, or NULL; a new reference. */
static PyObject *array_origin(struct state *state, PyObject *array)
{
    PyObject *base = PyObject_GetAttrString(array, "base");
    struct described described = {0};
    bool whole = base && Py_TYPE(base) == state->pin && ((Pin *)base)->view &&
                 describe(state, &described, array) && is_whole((Pin *)base, &described);
    described_clear(&described);
    PyErr_Clear();
    if (whole) return base;
    Py_XDECREF(base);
    return NULL;
}

PyObject *origin(struct state *state, PyObject *data)
{
    PyObject *pin = (PyObject *)view_pin(state, data);
    if (pin) {
        Py_INCREF(pin);
        return pin;
    }
    if (is_array(state, data)) return array_origin(state, data);
    PyObject *find = helper(state, "origin"); /* of a memoryview or table */
    pin = find ? PyObject_CallFunctionObjArgs(find, data, NULL) : NULL;
    Py_XDECREF(find);
    if (pin && Py_TYPE(pin) == state->pin && ((Pin *)pin)->view) return pin;
    Py_XDECREF(pin);
    PyErr_Clear();
    return NULL;
}
