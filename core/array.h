/* Typed arrays: the type strings of NumPy's array protocol ("<f8", "|b1", "<M8[ns]"; for structured
 * types dtype.descr as JSON text), and an array's description in a msgpack extension. */
#ifndef ZCXI_ARRAY_H
#define ZCXI_ARRAY_H

#include "error.h"

#define ZCXI_DTYPE_MAX 32768             /* bytes of a type string */
#define ZCXI_ITEMSIZE_UNKNOWN UINT64_MAX /* structured: only who reads the fields knows it */

/* False: not a type string that the protocol allows (objects, '=' order, odd sizes). */
bool zcxi_dtype_parse(uint64_t *itemsize, const char *dtype);

/* Are the array's description and its nbytes consistent? `refusal` is the status of a no:
 * ZCX_EINVAL for what a caller gave, ZCX_ECORRUPT for what was read. */
zcx_status zcxi_array_check(const zcx_array *array, zcx_status refusal, zcx_error *error);

/* Reads the data of a typed array's extension, which lies `at` bytes into the payload: fills *out,
 * with its dtype in `dtype` (of `capacity` bytes) and its shape in `shape` (ZCX_DIMENSIONS_MAX
 * sizes). ECORRUPT, or ELIMIT for a longer dtype. */
zcx_status zcxi_array_read(zcx_array *out, const uint8_t *data, uint32_t length, uint64_t at,
                           uint64_t *shape, char *dtype, size_t capacity, zcx_error *error);

#endif
