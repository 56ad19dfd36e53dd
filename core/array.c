#include "array.h"
#include "token.h"

#include <string.h>

/* Which sizes, in bytes, each kind of number has; one bit each. */
static uint64_t sizes_of(char kind)
{
    switch (kind) {
    case 'b':
        return 1 << 1;
    case 'i':
    case 'u':
        return 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8;
    case 'f':
        return 1 << 2 | 1 << 4 | 1 << 8 | 1 << 16;
    case 'c':
        return 1 << 8 | 1 << 16 | UINT64_C(1) << 32;
    case 'm':
    case 'M':
        return 1 << 8;
    }
    return 0;
}

bool zcxi_dtype_parse(uint64_t *itemsize, const char *dtype)
{
    size_t length = strlen(dtype);
    if (dtype[0] == '[') { /* a structured type is at least [["a","<i4"]] */
        *itemsize = ZCXI_ITEMSIZE_UNKNOWN;
        return length > 8 && dtype[length - 1] == ']' && zcxi_utf8(dtype, length);
    }
    if (length < 3 || !strchr("<>|", dtype[0])) return false;
    char kind = dtype[1];
    const char *next = dtype + 2;
    uint64_t size = 0;
    for (; *next >= '0' && *next <= '9'; next++)
        if ((size = size * 10 + (uint64_t)(*next - '0')) > INT32_MAX) return false;
    if (next == dtype + 2) return false;

    if (*next == '[' && (kind == 'm' || kind == 'M')) { /* [ns], [25s]; none: generic */
        size_t unit = strspn(next + 1, "0123456789abcdefghijklmnopqrstuvwxyzYMWD");
        next += unit ? unit + 1 : 0;
        if (*next != ']') return false;
        next++;
    }
    if (*next) return false;

    if (kind == 'S' || kind == 'V') {
        *itemsize = size;
        return dtype[0] == '|';
    }
    if (kind == 'U') {
        *itemsize = size * 4;
        return dtype[0] != '|';
    }
    *itemsize = size;
    return size < 64 && sizes_of(kind) >> size & 1 && (dtype[0] != '|' || size == 1);
}

zcx_status zcxi_array_check(const zcx_array *array, zcx_status refusal, zcx_error *error)
{
    uint64_t itemsize, elements = 1, wanted = 0;
    if (!array->dtype) return zcxi_fail(error, refusal, 0, "an array has no dtype");
    if (strlen(array->dtype) >= ZCXI_DTYPE_MAX)
        return zcxi_fail(error, refusal == ZCX_EINVAL ? ZCX_ELIMIT : refusal, 0,
                         "a dtype of %zu bytes is over the limit of %d", strlen(array->dtype),
                         ZCXI_DTYPE_MAX - 1);
    if (!zcxi_dtype_parse(&itemsize, array->dtype))
        return zcxi_fail(error, refusal, 0, "dtype \"%.64s\" is not a plain NumPy type string",
                         array->dtype);
    if (array->ndim > ZCX_DIMENSIONS_MAX)
        return zcxi_fail(error, refusal == ZCX_EINVAL ? ZCX_ELIMIT : refusal, 0,
                         "an array has %u dimensions, more than %d", array->ndim,
                         ZCX_DIMENSIONS_MAX);
    if (array->ndim && !array->shape) return zcxi_fail(error, refusal, 0, "an array has no shape");
    if (array->order && array->order != 'C' && array->order != 'F')
        return zcxi_fail(error, refusal, 0, "an array's order is neither 'C' nor 'F'");

    bool empty = false, right;
    for (uint32_t i = 0; i < array->ndim; i++)
        empty = empty || !array->shape[i];
    if (empty) elements = 0; /* whatever the others say, their product too */
    for (uint32_t i = 0; i < array->ndim && !empty; i++)
        if (__builtin_mul_overflow(elements, array->shape[i], &elements)) elements = UINT64_MAX;

    if (itemsize == ZCXI_ITEMSIZE_UNKNOWN)
        right = elements ? array->nbytes % elements == 0 : !array->nbytes;
    else
        right = !__builtin_mul_overflow(elements, itemsize, &wanted) && wanted == array->nbytes;
    if (right) return ZCX_OK;
    return zcxi_fail(error, refusal, 0, "%llu bytes do not hold %llu elements of dtype \"%.64s\"",
                     (unsigned long long)array->nbytes, (unsigned long long)elements, array->dtype);
}

/* The list of three in front of the elements. False: it is something else. */
static bool read_description(zcx_array *out, struct zcxi_cursor *cursor, uint64_t *shape,
                             char *dtype, size_t capacity)
{
    struct zcxi_token token;
    if (!zcxi_token_next(cursor, &token) || token.kind != ZCXI_TOKEN_LIST || token.number != 3 ||
        !zcxi_token_next(cursor, &token) || token.kind != ZCXI_TOKEN_STR ||
        token.length >= capacity || memchr(token.data, 0, token.length))
        return false;
    memcpy(dtype, token.data, token.length);
    dtype[token.length] = 0;

    if (!zcxi_token_next(cursor, &token) || token.kind != ZCXI_TOKEN_LIST ||
        token.number > ZCX_DIMENSIONS_MAX)
        return false;
    out->ndim = (uint32_t)token.number;
    for (uint32_t i = 0; i < out->ndim; i++) {
        if (!zcxi_token_next(cursor, &token) || token.kind != ZCXI_TOKEN_UINT) return false;
        shape[i] = token.number;
    }
    if (!zcxi_token_next(cursor, &token)) return false;
    out->order = zcxi_token_is(&token, "C") ? 'C' : zcxi_token_is(&token, "F") ? 'F' : 0;
    return out->order;
}

zcx_status zcxi_array_read(zcx_array *out, const uint8_t *data, uint32_t length, uint64_t at,
                           uint64_t *shape, char *dtype, size_t capacity, zcx_error *error)
{
    *out = (zcx_array){.struct_size = sizeof *out, .dtype = dtype, .shape = shape};
    uint32_t offset = 0;
    if (length >= 4) offset = data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
    if (offset < 4 || offset > length || (at + offset) % ZCX_ALIGNMENT)
        return zcxi_fail(error, ZCX_ECORRUPT, 0,
                         "the typed array at byte %llu has %u bytes and its elements at %u",
                         (unsigned long long)at, length, offset);

    struct zcxi_cursor cursor = {data + 4, data + offset};
    if (!read_description(out, &cursor, shape, dtype, capacity))
        return zcxi_fail(error, ZCX_ECORRUPT, 0,
                         "the typed array at byte %llu has no list of dtype, shape and order",
                         (unsigned long long)at);
    bool padding = cursor.end - cursor.next < ZCX_ALIGNMENT;
    while (padding && cursor.next < cursor.end)
        padding = *cursor.next++ == 0;
    if (!padding)
        return zcxi_fail(error, ZCX_ECORRUPT, 0,
                         "the typed array at byte %llu has other padding than up to 63 zeros",
                         (unsigned long long)at);
    out->nbytes = length - offset;
    out->data = (void *)(uintptr_t)(data + offset);
    return zcxi_array_check(out, ZCX_ECORRUPT, error);
}
