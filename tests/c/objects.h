/* For the replay of protocol/vectors: a builder that makes objects as its index.json writes them.
 */
#ifndef ZCX_TEST_OBJECTS_H
#define ZCX_TEST_OBJECTS_H

#include "zcx.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *hex(const void *data, uint64_t length)
{
    char *text = malloc(2 * length + 1);
    for (uint64_t i = 0; i < length; i++)
        sprintf(text + 2 * i, "%02x", ((const uint8_t *)data)[i]);
    json_t *value = json_stringn(text, 2 * length);
    free(text);
    return value;
}

static json_t *json_of_int(const char *format, ...)
{
    char text[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return json_pack("{s:s}", "int", text);
}

static void *nil(void *context)
{
    return (void)context, json_null();
}

static void *boolean(void *context, bool value)
{
    return (void)context, json_boolean(value);
}

static void *integer(void *context, int64_t value)
{
    return (void)context, json_of_int("%lld", (long long)value);
}

static void *unsigned_integer(void *context, uint64_t value)
{
    return (void)context, json_of_int("%llu", (unsigned long long)value);
}

static void *real(void *context, double value)
{
    char text[17];
    uint64_t bits;
    memcpy(&bits, &value, 8);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)bits);
    return (void)context, json_pack("{s:s}", "float", text);
}

static void *str(void *context, const char *text, uint64_t length)
{
    return (void)context, json_stringn(text, length);
}

static void *bin(void *context, const void *data, uint64_t length)
{
    return (void)context, json_pack("{s:o}", "bin", hex(data, length));
}

static void *list(void *context, uint64_t items)
{
    return (void)context, (void)items, json_array();
}

static bool add(void *context, void *to, uint64_t index, void *item)
{
    (void)context;
    return json_array_size(to) == index && !json_array_append_new(to, item);
}

static void *map(void *context, uint64_t pairs)
{
    return (void)context, (void)pairs, json_pack("{s:[]}", "map");
}

static bool set(void *context, void *to, void *key, void *value)
{
    (void)context;
    return !json_array_append_new(json_object_get(to, "map"), json_pack("[o,o]", key, value));
}

/* A size as JSON can hold it: jansson's integers are signed. */
static json_t *shape_of(const uint64_t *shape, uint32_t ndim)
{
    char text[32];
    json_t *sizes = json_array();
    for (uint32_t i = 0; i < ndim; i++) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)shape[i]);
        json_array_append_new(sizes, shape[i] > INT64_MAX ? json_string(text)
                                                          : json_integer((json_int_t)shape[i]));
    }
    return sizes;
}

static void *array(void *context, const zcx_array *read)
{
    char order[2] = {read->order ? read->order : 'C', 0};
    (void)context;
    return json_pack("{s:{s:s, s:o, s:s, s:o}}", "array", "dtype", read->dtype, "shape",
                     shape_of(read->shape, read->ndim), "order", order, "elements",
                     hex(read->data, read->nbytes));
}

static void *extension(void *context, int8_t type, const void *data, uint64_t length)
{
    return (void)context, json_pack("{s:[i,o]}", "ext", type, hex(data, length));
}

static void drop(void *context, void *object)
{
    (void)context;
    json_decref(object);
}

static const zcx_builder builder = {.struct_size = sizeof builder,
                                    .nil = nil,
                                    .boolean = boolean,
                                    .integer = integer,
                                    .unsigned_integer = unsigned_integer,
                                    .real = real,
                                    .str = str,
                                    .bin = bin,
                                    .list = list,
                                    .add = add,
                                    .map = map,
                                    .set = set,
                                    .array = array,
                                    .extension = extension,
                                    .drop = drop};

#endif
