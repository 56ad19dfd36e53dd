/* msgpack as JSON, by the core's own reader; error records are shown with it. */
#include "command.h"

#include <stdlib.h>

static void *make_nil(void *context)
{
    (void)context;
    return json_null();
}

static void *make_bool(void *context, bool value)
{
    (void)context;
    return json_boolean(value);
}

static void *make_int(void *context, int64_t value)
{
    (void)context;
    return json_integer(value);
}

static void *make_uint(void *context, uint64_t value)
{
    (void)context;
    return json_real((double)value);
}

static void *make_real(void *context, double value)
{
    json_t *number = json_real(value); /* NULL for NaN and the infinities */
    (void)context;
    return number ? number : json_null();
}

static void *make_str(void *context, const char *text, uint64_t length)
{
    json_t *string = json_stringn(text, length); /* NULL when it is not UTF-8 */
    (void)context;
    return string ? string : json_pack("{s:I}", "bytes", (json_int_t)length);
}

static void *make_bin(void *context, const void *data, uint64_t length)
{
    (void)context, (void)data;
    return json_pack("{s:I}", "bytes", (json_int_t)length);
}

static void *make_list(void *context, uint64_t items)
{
    (void)context, (void)items;
    return json_array();
}

static bool add(void *context, void *list, uint64_t index, void *item)
{
    (void)context, (void)index;
    return json_array_append_new(list, item) == 0;
}

static void *make_map(void *context, uint64_t pairs)
{
    (void)context, (void)pairs;
    return json_object();
}

static bool set(void *context, void *map, void *key, void *value)
{
    const char *name = json_string_value(key);
    char *text = name ? NULL : json_dumps(key, JSON_ENCODE_ANY);
    bool done = json_object_set_new(map, name ? name : text ? text : "?", value) == 0;
    (void)context;
    free(text);
    json_decref(key);
    return done;
}

static void *make_array(void *context, const zcx_array *array)
{
    json_t *shape = json_array();
    (void)context;
    for (uint32_t i = 0; i < array->ndim; i++)
        json_array_append_new(shape, json_integer((json_int_t)array->shape[i]));
    return json_pack("{s:s, s:o}", "dtype", array->dtype, "shape", shape);
}

static void *make_extension(void *context, int8_t type, const void *data, uint64_t length)
{
    (void)context, (void)data;
    return json_pack("{s:i, s:I}", "extension", (int)type, "bytes", (json_int_t)length);
}

static void drop(void *context, void *object)
{
    (void)context;
    json_decref(object);
}

json_t *msgpack_json(const void *data, uint64_t length)
{
    static const zcx_builder builder = {
        .struct_size = sizeof builder,
        .nil = make_nil,
        .boolean = make_bool,
        .integer = make_int,
        .unsigned_integer = make_uint,
        .real = make_real,
        .str = make_str,
        .bin = make_bin,
        .list = make_list,
        .add = add,
        .map = make_map,
        .set = set,
        .array = make_array,
        .extension = make_extension,
        .drop = drop,
    };
    void *object = NULL;
    return zcx_unpack(&object, data, length, &builder, NULL, NULL) == ZCX_OK ? object : NULL;
}
