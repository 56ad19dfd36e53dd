#include "dtype.h"
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

zcx_status zcxi_array_check(const char *dtype, const uint64_t *shape, uint32_t ndim, char order,
                            uint64_t nbytes, zcx_status refusal, zcx_error *error)
{
    uint64_t itemsize, elements = 1;
    bool empty = false;
    if (!dtype) return zcxi_fail(error, refusal, 0, "an array has no dtype");
    if (!zcxi_dtype_parse(&itemsize, dtype))
        return zcxi_fail(error, refusal, 0, "dtype \"%.64s\" is not a plain NumPy type string",
                         dtype);
    if (ndim > ZCX_DIMENSIONS_MAX)
        return zcxi_fail(error, refusal == ZCX_EINVAL ? ZCX_ELIMIT : refusal, 0,
                         "an array has %u dimensions, more than %d", ndim, ZCX_DIMENSIONS_MAX);
    if (ndim && !shape) return zcxi_fail(error, refusal, 0, "an array has no shape");
    if (order && order != 'C' && order != 'F')
        return zcxi_fail(error, refusal, 0, "an array's order is neither 'C' nor 'F'");

    for (uint32_t i = 0; i < ndim; i++)
        empty = empty || !shape[i];
    for (uint32_t i = 0; i < ndim && !empty; i++)
        if (__builtin_mul_overflow(elements, shape[i], &elements)) elements = UINT64_MAX;
    if (empty) elements = 0;

    uint64_t wanted = 0;
    bool right;
    if (itemsize == ZCXI_ITEMSIZE_UNKNOWN)
        right = elements ? nbytes % elements == 0 : nbytes == 0;
    else
        right = !__builtin_mul_overflow(elements, itemsize, &wanted) && wanted == nbytes;
    if (right) return ZCX_OK;
    return zcxi_fail(error, refusal, 0, "%llu bytes do not hold %llu elements of dtype \"%.64s\"",
                     (unsigned long long)nbytes, (unsigned long long)elements, dtype);
}
