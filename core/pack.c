/* The writer: msgpack-c's packer over a buffer of known size, counting on the first pass. */
#include "array.h"
#include "token.h"

#include <errno.h>
#include <msgpack/pack.h>
#include <stdlib.h>
#include <string.h>

struct zcx_packer {
    msgpack_packer packer;
    uint8_t *buffer; /* NULL: only counts */
    uint64_t capacity, used;
    uint32_t depth;
    bool complete;                     /* the one outermost object is there */
    uint64_t missing[ZCX_NESTING_MAX]; /* objects that each open container still waits for */
    zcx_error error;                   /* the first failure; all later calls return it */
};

/* Is there room for `length` more bytes? */
static bool room(zcx_packer *packer, uint64_t length)
{
    if (length <= packer->capacity - packer->used) return true;
    zcxi_fail(&packer->error, ZCX_ELIMIT, 0,
              packer->buffer ? "a value needs more than the %llu bytes that there are for it; did "
                               "it grow since they were counted?"
                             : "a value needs more than a payload's limit of %llu bytes",
              (unsigned long long)packer->capacity);
    return false;
}

static int write_bounded(void *context, const char *data, size_t length)
{
    zcx_packer *packer = context;
    if (!room(packer, length)) return -1;
    if (packer->buffer && length) memcpy(packer->buffer + packer->used, data, length);
    packer->used += length;
    return 0;
}

zcx_status zcx_packer_open(zcx_packer **out, void *buffer, uint64_t capacity, zcx_error *error)
{
    if ((uintptr_t)buffer % ZCX_ALIGNMENT)
        return zcxi_fail(error, ZCX_EINVAL, 0, "a packer's buffer is not %d-byte aligned",
                         ZCX_ALIGNMENT);
    zcx_packer *packer = malloc(sizeof *packer); /* most of it is written before it is read */
    if (!packer) return zcxi_fail_errno(error, ENOMEM, "allocate", "a packer");
    packer->buffer = buffer;
    packer->capacity = buffer && capacity < ZCX_PAYLOAD_MAX ? capacity : ZCX_PAYLOAD_MAX;
    packer->used = 0;
    packer->depth = 0;
    packer->complete = false;
    packer->error.status = ZCX_OK;
    msgpack_packer_init(&packer->packer, packer, write_bounded);
    *out = packer;
    return ZCX_OK;
}

/* Before each object: is there a place for it? */
static bool begin(zcx_packer *packer)
{
    if (packer->complete)
        zcxi_fail(&packer->error, ZCX_EINVAL, 0,
                  "an object comes after the outermost one is complete: a list or map has more "
                  "items than announced");
    return packer->error.status == ZCX_OK;
}

/* After each leaf and each filled or empty container. */
static zcx_status end(zcx_packer *packer)
{
    if (packer->error.status != ZCX_OK) return packer->error.status;
    while (packer->depth && --packer->missing[packer->depth - 1] == 0)
        packer->depth--;
    packer->complete = !packer->depth;
    return ZCX_OK;
}

zcx_status zcx_pack_nil(zcx_packer *packer)
{
    if (begin(packer)) msgpack_pack_nil(&packer->packer);
    return end(packer);
}

zcx_status zcx_pack_bool(zcx_packer *packer, bool value)
{
    if (begin(packer)) (value ? msgpack_pack_true : msgpack_pack_false)(&packer->packer);
    return end(packer);
}

zcx_status zcx_pack_int(zcx_packer *packer, int64_t value)
{
    if (begin(packer)) msgpack_pack_int64(&packer->packer, value);
    return end(packer);
}

zcx_status zcx_pack_uint(zcx_packer *packer, uint64_t value)
{
    if (begin(packer)) msgpack_pack_uint64(&packer->packer, value);
    return end(packer);
}

zcx_status zcx_pack_double(zcx_packer *packer, double value)
{
    if (begin(packer)) msgpack_pack_double(&packer->packer, value);
    return end(packer);
}

/* msgpack's lengths and counts are 32 bits wide. */
static bool fits(zcx_packer *packer, const char *what, uint64_t count)
{
    if (count > UINT32_MAX)
        zcxi_fail(&packer->error, ZCX_ELIMIT, 0, "a %s of %llu is over the limit of %u", what,
                  (unsigned long long)count, UINT32_MAX);
    return count <= UINT32_MAX;
}

zcx_status zcx_pack_str(zcx_packer *packer, const char *text, uint64_t length)
{
    if (begin(packer) && fits(packer, "length of a str", length)) {
        if (packer->buffer && !zcxi_utf8(text, length)) /* once is enough */
            return zcxi_fail(&packer->error, ZCX_EINVAL, 0, "a str of %llu bytes is not UTF-8",
                             (unsigned long long)length);
        msgpack_pack_str(&packer->packer, length);
        msgpack_pack_str_body(&packer->packer, text, length);
    }
    return end(packer);
}

zcx_status zcx_pack_bin(zcx_packer *packer, const void *data, uint64_t length)
{
    if (begin(packer) && fits(packer, "length of a bin", length)) {
        msgpack_pack_bin(&packer->packer, length);
        msgpack_pack_bin_body(&packer->packer, data, length);
    }
    return end(packer);
}

/* Opens a container of `objects` further objects, its head already written. */
static zcx_status open_container(zcx_packer *packer, uint64_t objects)
{
    if (packer->error.status != ZCX_OK || !objects) return end(packer);
    packer->missing[packer->depth++] = objects;
    return ZCX_OK;
}

static bool begin_container(zcx_packer *packer, const char *what, uint64_t items)
{
    if (!begin(packer) || !fits(packer, what, items)) return false;
    if (packer->depth < ZCX_NESTING_MAX) return true;
    zcxi_fail(&packer->error, ZCX_ELIMIT, 0, "lists and maps are nested more than %d deep",
              ZCX_NESTING_MAX);
    return false;
}

zcx_status zcx_pack_list(zcx_packer *packer, uint64_t items)
{
    if (begin_container(packer, "list's number of items", items))
        msgpack_pack_array(&packer->packer, items);
    return open_container(packer, items);
}

zcx_status zcx_pack_map(zcx_packer *packer, uint64_t pairs)
{
    if (begin_container(packer, "map's number of pairs", pairs))
        msgpack_pack_map(&packer->packer, pairs);
    return open_container(packer, pairs * 2);
}

/* ---- typed arrays ------------------------------------------------------------------------- */

static int count_only(void *context, const char *data, size_t length)
{
    (void)data;
    *(uint64_t *)context += length;
    return 0;
}

static void put_description(msgpack_packer *packer, const zcx_array *array)
{
    size_t length = strlen(array->dtype);
    msgpack_pack_array(packer, 3);
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, array->dtype, length);
    msgpack_pack_array(packer, array->ndim);
    for (uint32_t i = 0; i < array->ndim; i++)
        msgpack_pack_uint64(packer, array->shape[i]);
    msgpack_pack_str(packer, 1);
    msgpack_pack_str_body(packer, array->order == 'F' ? "F" : "C", 1);
}

static void put_array(zcx_packer *packer, const zcx_array *array, void **data)
{
    static const char zeros[ZCX_ALIGNMENT];
    uint64_t described = 0;
    msgpack_packer counter;
    msgpack_packer_init(&counter, &described, count_only);
    put_description(&counter, array);

    /* Always the widest head: the head's width depends on the padding, and that on the head. */
    uint8_t head[10] = {0xc9, [5] = ZCX_EXT_ARRAY};
    uint64_t body = packer->used + 6; /* where the extension's data begins */
    uint64_t padding = -(body + 4 + described) % ZCX_ALIGNMENT;
    uint64_t offset = 4 + described + padding, total = offset + array->nbytes;
    for (int i = 0; i < 4; i++) {
        head[1 + i] = (uint8_t)(total >> (24 - 8 * i));
        head[6 + i] = (uint8_t)(offset >> (8 * i));
    }
    if (write_bounded(packer, (const char *)head, sizeof head)) return;
    put_description(&packer->packer, array);
    write_bounded(packer, zeros, padding);
    if (packer->error.status != ZCX_OK || !room(packer, array->nbytes)) return;
    if (data && packer->buffer) *data = packer->buffer + packer->used;
    packer->used += array->nbytes;
}

zcx_status zcx_pack_array(zcx_packer *packer, const zcx_array *array, void **data)
{
    if (data) *data = NULL;
    if (!begin(packer)) return packer->error.status;
    if (array->struct_size < sizeof *array)
        return zcxi_fail(&packer->error, ZCX_EINVAL, 0, "zcx_array.struct_size is %zu, not %zu",
                         array->struct_size, sizeof *array);
    if (zcxi_array_check(array, ZCX_EINVAL, &packer->error) != ZCX_OK) return packer->error.status;
    if (array->nbytes > ZCX_PAYLOAD_MAX)
        return zcxi_fail(&packer->error, ZCX_ELIMIT, 0,
                         "an array of %llu bytes is over the limit of a payload, %llu",
                         (unsigned long long)array->nbytes, (unsigned long long)ZCX_PAYLOAD_MAX);
    put_array(packer, array, data);
    return end(packer);
}

zcx_status zcx_packer_close(zcx_packer *packer, uint64_t *length, zcx_error *error)
{
    if (packer->depth)
        zcxi_fail(&packer->error, ZCX_EINVAL, 0,
                  "the innermost of %u open lists and maps lacks %llu objects", packer->depth,
                  (unsigned long long)packer->missing[packer->depth - 1]);
    else if (!packer->complete)
        zcxi_fail(&packer->error, ZCX_EINVAL, 0, "nothing was packed");
    zcx_status status = packer->error.status;
    if (status == ZCX_OK)
        *length = packer->used;
    else
        zcxi_fail(error, status, packer->error.cause, "%s", packer->error.message);
    free(packer);
    return status;
}
