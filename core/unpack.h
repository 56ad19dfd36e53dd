/* Reading one value out of a msgpack map without building anything. */
#ifndef ZCXI_UNPACK_H
#define ZCXI_UNPACK_H

#include "error.h"

/* Finds the typed array at key `name` of the map that begins the payload `map`. Its shape goes to
 * shape_storage (ZCX_DIMENSIONS_MAX sizes), its dtype to dtype_storage. ENOTFOUND: no such key;
 * EINVAL: the key holds something else, or the payload is no map; ECORRUPT; ELIMIT: a longer dtype.
 */
zcx_status zcxi_msgpack_find(const void *map, uint64_t length, const char *name, zcx_array *out,
                             uint64_t *shape_storage, char *dtype_storage, size_t dtype_capacity,
                             zcx_error *error);

#endif
