/* msgpack to Python objects; typed arrays lie where they are. */
#include "module.h"

struct reading {
    struct state *state;
    PyObject *owner;   /* a buffer, which arrays refer to */
    const char *start; /* its bytes */
};

static void *make_nil(void *context)
{
    (void)context;
    Py_INCREF(Py_None);
    return Py_None;
}

static void *make_boolean(void *context, bool value)
{
    (void)context;
    return PyBool_FromLong(value);
}

static void *make_integer(void *context, int64_t value)
{
    (void)context;
    return PyLong_FromLongLong(value);
}

static void *make_unsigned(void *context, uint64_t value)
{
    (void)context;
    return PyLong_FromUnsignedLongLong(value);
}

static void *make_real(void *context, double value)
{
    (void)context;
    return PyFloat_FromDouble(value);
}

static void *make_str(void *context, const char *text, uint64_t length)
{
    (void)context;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, NULL);
}

static void *make_bin(void *context, const void *data, uint64_t length)
{
    (void)context;
    return PyBytes_FromStringAndSize(data, (Py_ssize_t)length);
}

/* Grown as its items come: a claimed count costs nothing. */
static void *make_list(void *context, uint64_t items)
{
    (void)context;
    (void)items;
    return PyList_New(0);
}

static bool add_item(void *context, void *list, uint64_t index, void *item)
{
    (void)context;
    (void)index;
    int failed = PyList_Append(list, item);
    Py_DECREF((PyObject *)item);
    return !failed;
}

static void *make_map(void *context, uint64_t pairs)
{
    (void)context;
    (void)pairs;
    return PyDict_New();
}

/* A list as a key was a tuple. */
static bool set_pair(void *context, void *map, void *key, void *value)
{
    (void)context;
    PyObject *hashable = PyList_Check((PyObject *)key) ? PyList_AsTuple(key) : key;
    bool ok = hashable && PyDict_SetItem(map, hashable, value) == 0;
    if (hashable != key) Py_XDECREF(hashable);
    Py_DECREF((PyObject *)key);
    Py_DECREF((PyObject *)value);
    return ok;
}

static void *make_array(void *context, const zcx_array *array)
{
    struct reading *reading = context;
    uint64_t offset = (uint64_t)((const char *)array->data - reading->start);
    if (array->nbytes == 0) offset = 0;
    return array_over(reading->state, reading->owner, offset, array->dtype, array->shape,
                      array->ndim, array->order);
}

static void *make_extension(void *context, int8_t type, const void *data, uint64_t length)
{
    struct reading *reading = context;
    PyObject *class = helper(reading->state, "Extension");
    if (!class) return NULL;
    PyObject *made = PyObject_CallFunction(class, "iy#", (int)type, data, (Py_ssize_t)length);
    Py_DECREF(class);
    return made;
}

static void drop(void *context, void *object)
{
    (void)context;
    Py_DECREF((PyObject *)object);
}

static const zcx_builder builder = {
    .struct_size = sizeof(zcx_builder),
    .nil = make_nil,
    .boolean = make_boolean,
    .integer = make_integer,
    .unsigned_integer = make_unsigned,
    .real = make_real,
    .str = make_str,
    .bin = make_bin,
    .list = make_list,
    .add = add_item,
    .map = make_map,
    .set = set_pair,
    .array = make_array,
    .extension = make_extension,
    .drop = drop,
};

PyObject *unpack(struct state *state, PyObject *owner, const void *data, uint64_t length)
{
    struct reading reading = {state, owner, data};
    zcx_error error = ZCX_ERROR_INIT;
    void *object = NULL;
    zcx_status status = zcx_unpack(&object, data, length, &builder, &reading, &error);
    if (status == ZCX_OK) return object;
    if (PyErr_Occurred()) return NULL;
    return raise_error(state, &error);
}
