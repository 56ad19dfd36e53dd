/* Type strings of arrays, as NumPy's array protocol writes them: "<f8", "|b1", "<M8[ns]"; or, for
 * structured types, dtype.descr as JSON text. */
#ifndef ZCXI_DTYPE_H
#define ZCXI_DTYPE_H

#include "error.h"

#define ZCXI_ITEMSIZE_UNKNOWN UINT64_MAX /* structured: only who reads the fields knows it */

/* False: not a type string that the protocol allows (objects, '=' order, odd sizes). */
bool zcxi_dtype_parse(uint64_t *itemsize, const char *dtype);

/* Do `nbytes` bytes hold exactly the elements of this array? `refusal` is the status of a no:
 * ZCX_EINVAL for what a caller gave, ZCX_ECORRUPT for what was read. */
zcx_status zcxi_array_check(const char *dtype, const uint64_t *shape, uint32_t ndim, char order,
                            uint64_t nbytes, zcx_status refusal, zcx_error *error);

#endif
