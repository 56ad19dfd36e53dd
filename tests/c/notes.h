/* For the tests of msgpack: a builder that writes what it gets as text, and a packer that runs
 * twice as every caller's does. Each object of the builder is allocated, so that a leak or a double
 * drop shows. */
#ifndef ZCX_TEST_NOTES_H
#define ZCX_TEST_NOTES_H

#include "zcx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BUFFER 8192

struct notes {
    int alive;      /* objects made and not yet dropped or given away */
    int stop_after; /* makes the callback fail after so many; 0: never */
    uint64_t most_items;
    const void *payload;
};

static inline char *made(struct notes *notes, const char *format, ...)
{
    char text[BUFFER];
    va_list arguments;
    if (notes->stop_after && --notes->stop_after == 0) return NULL;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    notes->alive++;
    return strdup(text);
}

static inline void drop(void *context, void *object)
{
    ((struct notes *)context)->alive--;
    free(object);
}

static inline void *nil(void *context)
{
    return made(context, "nil");
}

static inline void *boolean(void *context, bool value)
{
    return made(context, value ? "true" : "false");
}

static inline void *integer(void *context, int64_t value)
{
    return made(context, "%lld", (long long)value);
}

static inline void *unsigned_integer(void *context, uint64_t value)
{
    return made(context, "%lluu", (unsigned long long)value);
}

static inline void *real(void *context, double value)
{
    return made(context, "%a", value);
}

static inline void *str(void *context, const char *text, uint64_t length)
{
    assert_non_null(text);
    return made(context, "'%.*s'", (int)(length > 40 ? 40 : length), text);
}

static inline void *bin(void *context, const void *data, uint64_t length)
{
    assert_non_null(data);
    return made(context, "bin%llu", (unsigned long long)length);
}

/* A container is a doubly big text that its items are appended to. */
static inline void *container(struct notes *notes, const char *open, uint64_t items)
{
    if (items > notes->most_items) notes->most_items = items;
    char *text = made(notes, "%s", open);
    return text ? realloc(text, 4 * BUFFER) : NULL;
}

static inline void *list(void *context, uint64_t items)
{
    return container(context, "[", items);
}

static inline void *map(void *context, uint64_t pairs)
{
    return container(context, "{", pairs);
}

static inline void append(struct notes *notes, char *text, char *item, const char *after)
{
    if (strlen(text) + strlen(item) < 3 * BUFFER) strcat(strcat(text, item), after);
    drop(notes, item);
}

static inline bool add(void *context, void *to, uint64_t index, void *item)
{
    struct notes *notes = context;
    char number[32];
    snprintf(number, sizeof number, "@%llu ", (unsigned long long)index);
    append(notes, to, item, number);
    return !notes->stop_after || --notes->stop_after != 0;
}

static inline bool set(void *context, void *to, void *key, void *value)
{
    struct notes *notes = context;
    append(notes, to, key, ":");
    append(notes, to, value, " ");
    return !notes->stop_after || --notes->stop_after != 0;
}

static inline void *array(void *context, const zcx_array *read)
{
    struct notes *notes = context;
    char shape[256] = "";
    for (uint32_t i = 0; i < read->ndim; i++)
        sprintf(shape + strlen(shape), "%s%llu", i ? "," : "", (unsigned long long)read->shape[i]);
    size_t at = (size_t)((const char *)read->data - (const char *)notes->payload);
    return made(notes, "%s(%s)%c+%llu%s", read->dtype, shape, read->order,
                (unsigned long long)read->nbytes, at % ZCX_ALIGNMENT ? " unaligned" : "");
}

static inline void *extension(void *context, int8_t type, const void *data, uint64_t length)
{
    (void)data;
    return made(context, "ext%d+%llu", type, (unsigned long long)length);
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

/* Reads `length` bytes from memory of just that size, so that a sanitizer sees a byte too many. */
static inline zcx_status read_as(char out[4 * BUFFER], const void *data, uint64_t length,
                                 struct notes *notes, zcx_error *error)
{
    void *object = NULL, *exact = aligned_alloc(ZCX_ALIGNMENT, (length / 64 + 1) * 64);
    char *copy = length % 64 ? malloc(length) : exact;
    memcpy(copy, data, length);
    notes->alive = 0;
    notes->payload = copy;
    zcx_status status = zcx_unpack(&object, copy, length, &builder, notes, error);
    if (status == ZCX_OK) {
        snprintf(out, 4 * BUFFER, "%s", (char *)object);
        drop(notes, object);
    } else {
        assert_null(object);
    }
    assert_int_equal(notes->alive, 0);
    if (copy != exact) free(copy);
    free(exact);
    return status;
}

static inline void assert_reads(const void *data, uint64_t length, const char *expected)
{
    char out[4 * BUFFER];
    struct notes notes = {0};
    zcx_error error = ZCX_ERROR_INIT;
    if (read_as(out, data, length, &notes, &error) != ZCX_OK) fail_msg("%s", error.message);
    assert_string_equal(out, expected);
}

static inline void assert_refused(const void *data, uint64_t length, zcx_status expected)
{
    char out[4 * BUFFER];
    struct notes notes = {0};
    zcx_error error = ZCX_ERROR_INIT;
    assert_int_equal(read_as(out, data, length, &notes, &error), expected);
    assert_int_equal(error.status, expected);
    assert_true(strlen(error.message) > 10);
}

/* ---- packing ------------------------------------------------------------------------------- */

typedef void fill_function(zcx_packer *packer);

static inline uint64_t pack(uint8_t *buffer, fill_function *fill)
{
    zcx_packer *packer;
    uint64_t counted = 0, written = 0;
    zcx_error error = ZCX_ERROR_INIT;
    assert_int_equal(zcx_packer_open(&packer, NULL, 0, &error), ZCX_OK);
    fill(packer);
    if (zcx_packer_close(packer, &counted, &error) != ZCX_OK) fail_msg("%s", error.message);
    assert_true(counted <= BUFFER);
    memset(buffer, 0xee, BUFFER);
    assert_int_equal(zcx_packer_open(&packer, buffer, counted, &error), ZCX_OK);
    fill(packer);
    if (zcx_packer_close(packer, &written, &error) != ZCX_OK) fail_msg("%s", error.message);
    assert_int_equal(counted, written);
    return written;
}

static inline zcx_status pack_fails(fill_function *fill, uint8_t *buffer, uint64_t capacity)
{
    zcx_packer *packer;
    uint64_t length = 12345;
    zcx_error error = ZCX_ERROR_INIT;
    assert_int_equal(zcx_packer_open(&packer, buffer, capacity, &error), ZCX_OK);
    fill(packer);
    zcx_status status = zcx_packer_close(packer, &length, &error);
    assert_int_equal(error.status, status);
    if (status != ZCX_OK) assert_int_equal(length, 12345);
    return status;
}

static _Alignas(ZCX_ALIGNMENT) uint8_t buffer[BUFFER];

/* A bit of everything, and what the builder makes of it. */
static inline void fill_mixed(zcx_packer *packer)
{
    static const uint64_t shape[] = {2, 3};
    static const zcx_array typed = {sizeof typed, "<f8", shape, 2, 'F', 48, NULL};
    void *data = NULL;
    zcx_pack_map(packer, 6);
    zcx_pack_int(packer, -7);
    zcx_pack_str(packer, "zehn \xc3\xa4", 7);
    zcx_pack_str(packer, "a", 1);
    zcx_pack_array(packer, &typed, &data);
    if (data) memset(data, 0x11, 48);
    zcx_pack_nil(packer);
    zcx_pack_list(packer, 3);
    zcx_pack_bool(packer, true);
    zcx_pack_double(packer, -0.5);
    zcx_pack_list(packer, 0);
    zcx_pack_bin(packer, "\0\1", 2);
    zcx_pack_map(packer, 0);
    zcx_pack_str(packer, "", 0);
    zcx_pack_bin(packer, NULL, 0);
    zcx_pack_bool(packer, false);
    zcx_pack_array(packer, &(zcx_array){sizeof(zcx_array), "|S3", NULL, 0, 0, 3, NULL}, &data);
    if (data) memcpy(data, "abc", 3);
}

#define MIXED                                                                                      \
    "{-7:'zehn \xc3\xa4' 'a':<f8(2,3)F+48 nil:[true@0 -0x1p-1@1 [@2  bin2:{ '':bin0 "              \
    "false:|S3()C+3 "

#endif
