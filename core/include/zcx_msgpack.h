/* zcx's msgpack: one writer and one reader for every language, with typed arrays in place.
 *
 * A payload is built in two passes of the same calls: one that only counts (buffer NULL), one that
 * writes into memory of the counted size. Included by zcx.h. */
#ifndef ZCX_MSGPACK_H
#define ZCX_MSGPACK_H

#ifndef ZCX_H
#include "zcx.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define ZCX_EXT_ARRAY 78 /* msgpack extension type of a typed array, protocol/SPEC.md */

/* A typed array: what describes its elements, and where they lie. */
typedef struct zcx_array {
    size_t struct_size;
    const char *dtype; /* as in zcx_envelope; reading: valid during the callback only */
    const uint64_t *shape;
    uint32_t ndim;
    char order;      /* 'C' or 'F'; 0 is 'C' */
    uint64_t nbytes; /* of the elements */
    void *data;      /* reading: in place, 64-byte aligned when the payload is */
} zcx_array;

typedef struct zcx_packer zcx_packer;

/* buffer NULL: only counts. Else writes at most `capacity` bytes, never more: a container that grew
 * between the passes makes the calls fail, not overrun. `buffer` is 64-byte aligned. */
ZCX_API ZCX_CHECKED zcx_status zcx_packer_open(zcx_packer **out, void *buffer, uint64_t capacity,
                                               zcx_error *error);
/* The first failure (ELIMIT: nesting over ZCX_NESTING_MAX, or the buffer; EINVAL: a container with
 * fewer or more items than announced) is kept, later calls return it. */
ZCX_API zcx_status zcx_pack_nil(zcx_packer *packer);
ZCX_API zcx_status zcx_pack_bool(zcx_packer *packer, bool value);
ZCX_API zcx_status zcx_pack_int(zcx_packer *packer, int64_t value);
ZCX_API zcx_status zcx_pack_uint(zcx_packer *packer, uint64_t value);
ZCX_API zcx_status zcx_pack_double(zcx_packer *packer, double value);
ZCX_API zcx_status zcx_pack_str(zcx_packer *packer, const char *text, uint64_t length);
ZCX_API zcx_status zcx_pack_bin(zcx_packer *packer, const void *data, uint64_t length);
ZCX_API zcx_status zcx_pack_list(zcx_packer *packer, uint64_t items); /* then its items */
ZCX_API zcx_status zcx_pack_map(zcx_packer *packer, uint64_t pairs);  /* then key, value, … */
/* Writes the description and the padding; *data (nullable, NULL while counting) is where the
 * caller writes array->nbytes bytes, 64-byte aligned in the payload. array->data is not read. */
ZCX_API zcx_status zcx_pack_array(zcx_packer *packer, const zcx_array *array, void **data);
/* *length: bytes counted or written. Frees the packer, whatever it returns. */
ZCX_API ZCX_CHECKED zcx_status zcx_packer_close(zcx_packer *packer, uint64_t *length,
                                                zcx_error *error);

/* Builds the reader's own objects bottom-up. A callback returns the object, or NULL to stop (the
 * reader then calls `drop` on what it holds and returns ZCX_EFAILED without a message). An item or
 * pair that was handed to `add`/`set` is the container's. Lengths are checked against the payload
 * before a callback sees them, but a claimed item count is not trusted for allocation: it is at
 * most the bytes left. */
typedef struct zcx_builder {
    size_t struct_size;
    void *(*nil)(void *context);
    void *(*boolean)(void *context, bool value);
    void *(*integer)(void *context, int64_t value);
    void *(*unsigned_integer)(void *context, uint64_t value); /* above INT64_MAX only */
    void *(*real)(void *context, double value);
    void *(*str)(void *context, const char *text, uint64_t length);
    void *(*bin)(void *context, const void *data, uint64_t length);
    void *(*list)(void *context, uint64_t items);
    bool (*add)(void *context, void *list, uint64_t index, void *item);
    void *(*map)(void *context, uint64_t pairs);
    bool (*set)(void *context, void *map, void *key, void *value);
    void *(*array)(void *context, const zcx_array *array);
    void *(*extension)(void *context, int8_t type, const void *data, uint64_t length);
    void (*drop)(void *context, void *object);
} zcx_builder;

/* Reads exactly one object that fills all of `data`. ECORRUPT (truncated, trailing bytes, a typed
 * array whose sizes disagree), ELIMIT (nesting), EFAILED (a callback stopped). */
ZCX_API ZCX_CHECKED zcx_status zcx_unpack(void **out, const void *data, uint64_t length,
                                          const zcx_builder *builder, void *context,
                                          zcx_error *error);

#ifdef __cplusplus
}
#endif

#endif
