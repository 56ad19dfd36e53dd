/* The reader: msgpack-c's own parser template, which keeps its stack in a fixed array and so never
 * recurses, with callbacks that hand each object to a zcx_builder. */
#include "unpack.h"
#include "array.h"
#include "token.h"

#include <string.h>

#define MSGPACK_EMBED_STACK_SIZE ZCX_NESTING_MAX
#include <msgpack/unpack.h>
#include <msgpack/unpack_define.h>

#define STOPPED (-3) /* a callback's own failure, beside msgpack-c's MSGPACK_UNPACK_..._ERROR */

struct object {
    void *object;
    uint32_t items; /* of a list: handed over so far */
};

struct reader {
    const zcx_builder *builder;
    void *context;
    const uint8_t *data;
    zcx_error *error;
    zcx_status status; /* why a callback stopped the parser */
    bool key_given;    /* the innermost map's key went to `set`, which failed */
    /* Objects that are still to come, by the counts of all open containers. It may not exceed the
     * bytes left, so what a hostile count can make a builder allocate is bounded by the payload. */
    uint64_t promised;
    uint64_t shape[ZCX_DIMENSIONS_MAX];
    char dtype[ZCXI_DTYPE_MAX];
};

static int stop(struct reader *reader, zcx_status status)
{
    reader->status = status;
    return STOPPED;
}

/* Every object begins here, containers too: it keeps one promise. */
static int made(struct reader *reader, void *object, struct object *out)
{
    reader->promised--;
    if (!object) return stop(reader, ZCX_EFAILED);
    *out = (struct object){object, 0};
    return 0;
}

static int on_signed(struct reader *reader, int64_t value, struct object *out)
{
    return made(reader, reader->builder->integer(reader->context, value), out);
}

static int on_uint64(struct reader *reader, uint64_t value, struct object *out)
{
    if (value <= INT64_MAX) return on_signed(reader, (int64_t)value, out);
    return made(reader, reader->builder->unsigned_integer(reader->context, value), out);
}

static int on_double(struct reader *reader, double value, struct object *out)
{
    return made(reader, reader->builder->real(reader->context, value), out);
}

static int on_nil(struct reader *reader, struct object *out)
{
    return made(reader, reader->builder->nil(reader->context), out);
}

static int on_true(struct reader *reader, struct object *out)
{
    return made(reader, reader->builder->boolean(reader->context, true), out);
}

static int on_false(struct reader *reader, struct object *out)
{
    return made(reader, reader->builder->boolean(reader->context, false), out);
}

/* An empty str or bin comes without a pointer, or with an old one. */
static int on_str(struct reader *reader, const char *base, const char *text, unsigned length,
                  struct object *out)
{
    if (!length) text = base;
    if (!zcxi_utf8(text, length))
        return stop(reader,
                    zcxi_fail(reader->error, ZCX_ECORRUPT, 0,
                              "the msgpack str at byte %zu is not UTF-8", (size_t)(text - base)));
    return made(reader, reader->builder->str(reader->context, text, length), out);
}

static int on_bin(struct reader *reader, const char *base, const char *bytes, unsigned length,
                  struct object *out)
{
    return made(reader, reader->builder->bin(reader->context, length ? bytes : base, length), out);
}

/* `length` counts the type's byte too. It is 0 when a length of 2^32 - 1 overflowed in msgpack-c.
 */
static int on_ext(struct reader *reader, const char *base, const char *bytes, unsigned length,
                  struct object *out)
{
    if (!length)
        return stop(reader, zcxi_fail(reader->error, ZCX_ECORRUPT, 0,
                                      "a msgpack extension claims 4294967295 bytes"));
    size_t at = (size_t)(bytes - base) + 1;
    if (*bytes != ZCX_EXT_ARRAY)
        return made(reader,
                    reader->builder->extension(reader->context, *bytes, bytes + 1, length - 1),
                    out);
    zcx_array array;
    zcx_status status =
        zcxi_array_read(&array, (const uint8_t *)bytes + 1, length - 1, at, reader->shape,
                        reader->dtype, ZCXI_DTYPE_MAX, reader->error);
    if (status != ZCX_OK) return stop(reader, status);
    return made(reader, reader->builder->array(reader->context, &array), out);
}

/* False: the container claims more than the `left` bytes behind its head can hold. */
static bool promise(struct reader *reader, uint64_t objects, size_t left)
{
    reader->promised += objects;
    if (reader->promised - 1 <= left) return true;
    stop(reader, zcxi_fail(reader->error, ZCX_ECORRUPT, 0,
                           "a msgpack list or map claims %llu objects, with %zu bytes left",
                           (unsigned long long)objects, left));
    return false;
}

static int open_list(struct reader *reader, uint32_t items, size_t left, struct object *out)
{
    if (!promise(reader, items, left)) return STOPPED;
    return made(reader, reader->builder->list(reader->context, items), out);
}

static int open_map(struct reader *reader, uint32_t pairs, size_t left, struct object *out)
{
    if (!promise(reader, (uint64_t)pairs * 2, left)) return STOPPED;
    return made(reader, reader->builder->map(reader->context, pairs), out);
}

static int on_array_item(struct reader *reader, struct object *list, struct object item)
{
    bool taken = reader->builder->add(reader->context, list->object, list->items++, item.object);
    return taken ? 0 : stop(reader, ZCX_EFAILED);
}

static int on_map_item(struct reader *reader, struct object *map, struct object key,
                       struct object value)
{
    reader->key_given =
        !reader->builder->set(reader->context, map->object, key.object, value.object);
    return reader->key_given ? stop(reader, ZCX_EFAILED) : 0;
}

static struct object on_root(struct reader *reader)
{
    (void)reader;
    return (struct object){NULL, 0};
}

/* What the template calls. `p` and `pe` are its own variables: the head's last byte, and the end.
 */
#define msgpack_unpack_struct(name) struct parser##name
#define msgpack_unpack_func(type, name) __attribute__((unused)) static type parser##name
#define msgpack_unpack_callback(name) on##name
#define msgpack_unpack_object struct object
#define msgpack_unpack_user struct reader
#define on_uint8 on_signed
#define on_uint16 on_signed
#define on_uint32 on_signed
#define on_int8 on_signed
#define on_int16 on_signed
#define on_int32 on_signed
#define on_int64 on_signed
#define on_float on_double
#define on_array(reader, items, out) open_list(reader, items, (size_t)(pe - p) - 1, out)
#define on_map(reader, pairs, out) open_map(reader, pairs, (size_t)(pe - p) - 1, out)
#include <msgpack/unpack_template.h>

/* Drops what the parser held when it stopped: the open containers, and keys without a value. */
static void drop_all(struct parser_context *parser)
{
    struct reader *reader = &parser->user;
    for (unsigned i = parser->top; i-- > 0;) {
        bool innermost = i == parser->top - 1;
        if (parser->stack[i].ct == MSGPACK_CT_MAP_VALUE && !(innermost && reader->key_given))
            reader->builder->drop(reader->context, parser->stack[i].map_key.object);
        reader->builder->drop(reader->context, parser->stack[i].obj.object);
    }
}

static zcx_status why_not(const struct reader *reader, int result, size_t at, zcx_error *error)
{
    switch (result) {
    case STOPPED:
        return reader->status;
    case MSGPACK_UNPACK_NOMEM_ERROR: /* the template's word for its stack */
        return zcxi_fail(error, ZCX_ELIMIT, 0,
                         "msgpack lists and maps are nested more than %d deep at byte %zu",
                         ZCX_NESTING_MAX, at);
    case MSGPACK_UNPACK_CONTINUE:
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "the msgpack value is cut off after %zu bytes",
                         at);
    }
    return zcxi_fail(error, ZCX_ECORRUPT, 0, "the msgpack value has a byte of no meaning at %zu",
                     at);
}

zcx_status zcx_unpack(void **out, const void *data, uint64_t length, const zcx_builder *builder,
                      void *context, zcx_error *error)
{
    if (builder->struct_size < sizeof *builder)
        return zcxi_fail(error, ZCX_EINVAL, 0, "zcx_builder.struct_size is %zu, not %zu",
                         builder->struct_size, sizeof *builder);
    struct parser_context parser; /* 60 KiB, most of it untouched */
    struct reader *reader = &parser.user;
    reader->builder = builder;
    reader->context = context;
    reader->error = error;
    reader->status = ZCX_OK;
    reader->key_given = false;
    reader->promised = 1;
    parser_init(&parser);

    size_t at = 0;
    int result = parser_execute(&parser, data, length, &at);
    if (result != 1) {
        drop_all(&parser);
        return why_not(reader, result, at, error);
    }
    if (at != length) {
        builder->drop(context, parser_data(&parser).object);
        return zcxi_fail(error, ZCX_ECORRUPT, 0,
                         "the msgpack value ends at byte %zu, before the payload's end at %llu", at,
                         (unsigned long long)length);
    }
    *out = parser_data(&parser).object;
    return ZCX_OK;
}

zcx_status zcxi_msgpack_find(const void *map, uint64_t length, const char *name, zcx_array *out,
                             uint64_t *shape_storage, char *dtype_storage, size_t dtype_capacity,
                             zcx_error *error)
{
    const uint8_t *begin = map;
    struct zcxi_cursor cursor = {begin, begin + length};
    struct zcxi_token token;
    if (!zcxi_token_next(&cursor, &token))
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "the msgpack value is cut off");
    if (token.kind != ZCXI_TOKEN_MAP)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the msgpack value is not a map with \"%.64s\"",
                         name);
    uint64_t pairs = token.number;
    for (; pairs; pairs--) {
        struct zcxi_cursor value = cursor;
        if (!zcxi_token_skip(&value)) break;
        bool found = zcxi_token_next(&cursor, &token) && zcxi_token_is(&token, name);
        cursor = value;
        if (!found) {
            if (!zcxi_token_skip(&cursor)) break;
            continue;
        }
        if (!zcxi_token_next(&cursor, &token)) break;
        if (token.kind != ZCXI_TOKEN_EXT || token.number != ZCX_EXT_ARRAY)
            return zcxi_fail(error, ZCX_EINVAL, 0, "\"%.64s\" is not a typed array", name);
        return zcxi_array_read(out, token.data, token.length, (uint64_t)(token.data - begin),
                               shape_storage, dtype_storage, dtype_capacity, error);
    }
    if (!pairs) return zcxi_fail(error, ZCX_ENOTFOUND, 0, "the map has no \"%.64s\"", name);
    return zcxi_fail(error, ZCX_ECORRUPT, 0, "the msgpack map is cut off after %zu bytes",
                     (size_t)(cursor.next - begin));
}
