#include "envelope.h"
#include "array.h"
#include "token.h"

#include <msgpack/pack.h>
#include <stdio.h>
#include <string.h>

#define TTL_MAX_MS (INT64_MAX / 1000000) /* 292 years: "now + ttl" fits 64 bits of nanoseconds */

static const char *const format_names[] = {"raw", "json", "msgpack", "numpy", "arrow"};
#define FORMATS (sizeof format_names / sizeof *format_names)

const char *zcx_format_name(uint32_t format)
{
    return format < FORMATS ? format_names[format] : "unknown";
}

zcx_status zcx_format_parse(zcx_format *out, const char *name, zcx_error *error)
{
    for (uint32_t i = 0; name && i < FORMATS; i++) {
        if (strcmp(name, format_names[i])) continue;
        *out = (zcx_format)i;
        return ZCX_OK;
    }
    return zcxi_fail(error, ZCX_EINVAL, 0,
                     "format \"%.32s\" is not one of raw, json, msgpack, numpy, arrow",
                     name ? name : "");
}

const char *zcxi_key_text(char out[ZCXI_KEY_TEXT], const void *key, size_t key_length)
{
    const uint8_t *bytes = key;
    size_t shown = key_length > 64 ? 64 : key_length;
    while (shown < key_length && shown && (bytes[shown] & 0xc0) == 0x80)
        shown--; /* not through a character */
    bool text = zcxi_utf8(key, shown);
    char *next = out;
    *next++ = '"';
    for (size_t i = 0; i < shown; i++) {
        bool printable = bytes[i] >= 0x80 ? text : bytes[i] >= 0x20 && bytes[i] != 0x7f;
        *next++ = printable ? (char)bytes[i] : '?';
    }
    strcpy(next, shown < key_length ? "\"..." : "\"");
    return out;
}

static zcx_status numpy_check(const zcx_envelope *envelope, uint64_t length, zcx_status refusal,
                              zcx_error *error)
{
    zcx_array array = {.dtype = envelope->dtype,
                       .shape = envelope->shape,
                       .ndim = envelope->ndim,
                       .order = envelope->order,
                       .nbytes = length};
    return zcxi_array_check(&array, refusal, error);
}

/* ---- extras, written ---------------------------------------------------------------------- */

struct bounded {
    uint8_t *out;
    size_t capacity, used; /* used > capacity: it did not fit */
};

static int write_bounded(void *context, const char *data, size_t length)
{
    struct bounded *bounded = context;
    bounded->used += length;
    if (bounded->used <= bounded->capacity)
        memcpy(bounded->out + bounded->used - length, data, length);
    return 0;
}

static zcx_status envelope_check(const zcx_envelope *envelope, uint64_t length, zcx_error *error)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"source", envelope->source},
                 {"target", envelope->target},
                 {"content_type", envelope->content_type},
                 {"dtype", envelope->dtype}};

    if (envelope->format >= FORMATS)
        return zcxi_fail(error, ZCX_EINVAL, 0, "format %u is not one of 0 to %zu", envelope->format,
                         FORMATS - 1);
    if (envelope->flags & ~(ZCX_FLAG_ERROR | ZCX_FLAG_CHECKSUM))
        return zcxi_fail(error, ZCX_EINVAL, 0, "envelope flags 0x%x are not known",
                         envelope->flags);
    if (envelope->ttl_ms < ZCX_TTL_NEVER || envelope->ttl_ms > TTL_MAX_MS)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "ttl of %lld ms is neither -1 (never) nor from 0 to %lld",
                         (long long)envelope->ttl_ms, (long long)TTL_MAX_MS);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value && !zcxi_utf8(texts[i].value, strlen(texts[i].value)))
            return zcxi_fail(error, ZCX_EINVAL, 0, "the envelope's %s is not UTF-8", texts[i].name);
    if (envelope->format == ZCX_NUMPY && !(envelope->flags & ZCX_FLAG_ERROR))
        return numpy_check(envelope, length, ZCX_EINVAL, error);
    if (envelope->dtype || envelope->ndim || envelope->order)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "dtype, shape and order belong to format numpy, not to %s",
                         zcx_format_name(envelope->format));
    return ZCX_OK;
}

static void put_str(msgpack_packer *packer, const char *text)
{
    size_t length = strlen(text);
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
}

static void put_pair(msgpack_packer *packer, const char *name, const char *value)
{
    if (!value) return;
    put_str(packer, name);
    put_str(packer, value);
}

zcx_status zcxi_extras_encode(uint8_t *out, size_t capacity, size_t *used,
                              const zcx_envelope *envelope, uint64_t length, zcx_error *error)
{
    if (length > ZCX_PAYLOAD_MAX)
        return zcxi_fail(error, ZCX_ELIMIT, 0, "a payload of %llu bytes is over the limit of %llu",
                         (unsigned long long)length, (unsigned long long)ZCX_PAYLOAD_MAX);
    if (envelope) {
        if (envelope->struct_size < sizeof *envelope)
            return zcxi_fail(error, ZCX_EINVAL, 0,
                             "zcx_envelope.struct_size is %zu, not %zu (use ZCX_ENVELOPE_INIT)",
                             envelope->struct_size, sizeof *envelope);
        zcx_status status = envelope_check(envelope, length, error);
        if (status != ZCX_OK) return status;
    }

    if (!envelope ||
        !(envelope->source || envelope->target || envelope->content_type || envelope->dtype)) {
        if (!capacity) return zcxi_fail(error, ZCX_ELIMIT, 0, "extras need 1 byte, there are 0");
        *out = 0x80;
        *used = 1;
        return ZCX_OK;
    }

    struct bounded bounded = {out, capacity, 0};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &bounded, write_bounded);
    bool numpy = envelope->dtype;
    msgpack_pack_map(&packer, (size_t)(!!envelope->source + !!envelope->target +
                                       !!envelope->content_type + 3 * numpy));
    put_pair(&packer, "source", envelope->source);
    put_pair(&packer, "target", envelope->target);
    put_pair(&packer, "content_type", envelope->content_type);
    if (numpy) {
        put_pair(&packer, "dtype", envelope->dtype);
        put_str(&packer, "shape");
        msgpack_pack_array(&packer, envelope->ndim);
        for (uint32_t i = 0; i < envelope->ndim; i++)
            msgpack_pack_uint64(&packer, envelope->shape[i]);
        put_pair(&packer, "order", envelope->order == 'F' ? "F" : "C");
    }
    if (bounded.used > capacity)
        return zcxi_fail(error, ZCX_ELIMIT, 0,
                         "the envelope's texts and shape take %zu bytes, over the limit of %zu",
                         bounded.used, capacity);
    *used = bounded.used;
    return ZCX_OK;
}

/* ---- extras, read ------------------------------------------------------------------------- */

enum { SOURCE, TARGET, CONTENT_TYPE, DTYPE, SHAPE, ORDER, FIELDS };
static const char *const field_names[FIELDS] = {"source", "target", "content_type",
                                                "dtype",  "shape",  "order"};

static zcx_status bad_extras(zcx_error *error, const char *why)
{
    return zcxi_fail(error, ZCX_ECORRUPT, 0, "an envelope's extras %s", why);
}

static zcx_status read_shape(zcx_envelope *envelope, struct zcxi_cursor *cursor, uint64_t *shape,
                             zcx_error *error)
{
    struct zcxi_token token;
    if (!zcxi_token_next(cursor, &token) || token.kind != ZCXI_TOKEN_LIST ||
        token.number > ZCX_DIMENSIONS_MAX)
        return bad_extras(error, "have a shape that is not a list of at most 64 sizes");
    envelope->ndim = (uint32_t)token.number;
    envelope->shape = shape;
    for (uint32_t i = 0; i < envelope->ndim; i++) {
        if (!zcxi_token_next(cursor, &token) || token.kind != ZCXI_TOKEN_UINT)
            return bad_extras(error, "have a shape with something else than sizes");
        shape[i] = token.number;
    }
    return ZCX_OK;
}

/* Reads the value of field number `field`; texts are copied to *text, which moves on. */
static zcx_status read_field(zcx_envelope *envelope, int field, struct zcxi_cursor *cursor,
                             uint64_t *shape, char **text, zcx_error *error)
{
    struct zcxi_token token;
    if (field == SHAPE) return read_shape(envelope, cursor, shape, error);
    if (!zcxi_token_next(cursor, &token) || token.kind != ZCXI_TOKEN_STR ||
        !zcxi_utf8(token.data, token.length) || memchr(token.data, 0, token.length))
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "an envelope's extras have a %s that is no text",
                         field_names[field]);
    if (field == ORDER) {
        if (token.length != 1 || (*token.data != 'C' && *token.data != 'F'))
            return bad_extras(error, "have an order that is neither C nor F");
        envelope->order = (char)*token.data;
        return ZCX_OK;
    }
    const char **fields[] = {&envelope->source, &envelope->target, &envelope->content_type,
                             &envelope->dtype};
    *fields[field] = *text;
    memcpy(*text, token.data, token.length);
    (*text)[token.length] = 0; /* the key and the str's head made room for it */
    *text += token.length + 1;
    return ZCX_OK;
}

zcx_status zcxi_extras_decode(zcx_envelope *envelope, const uint8_t *extras, size_t extras_length,
                              void *arena, zcx_error *error)
{
    struct zcxi_cursor cursor = {extras, extras + extras_length};
    struct zcxi_token token;
    uint64_t *shape = arena;
    char *text = (char *)(shape + ZCX_DIMENSIONS_MAX);
    uint32_t seen = 0;

    if (!zcxi_token_next(&cursor, &token) || token.kind != ZCXI_TOKEN_MAP)
        return bad_extras(error, "are not a msgpack map");
    for (uint64_t pairs = token.number; pairs; pairs--) {
        struct zcxi_cursor at_key = cursor;
        int field = FIELDS;
        if (!zcxi_token_next(&cursor, &token)) return bad_extras(error, "are cut off");
        while (field-- > 0)
            if (zcxi_token_is(&token, field_names[field])) break;
        if (field < 0) { /* not ours: some later version's */
            cursor = at_key;
            if (!zcxi_token_skip(&cursor) || !zcxi_token_skip(&cursor))
                return bad_extras(error, "are cut off");
            continue;
        }
        if (seen & 1u << field)
            return zcxi_fail(error, ZCX_ECORRUPT, 0, "an envelope's extras have two of %s",
                             field_names[field]);
        seen |= 1u << field;
        zcx_status status = read_field(envelope, field, &cursor, shape, &text, error);
        if (status != ZCX_OK) return status;
    }
    if (cursor.next != cursor.end) return bad_extras(error, "have bytes after the map");

    if (envelope->format != ZCX_NUMPY || envelope->flags & ZCX_FLAG_ERROR) return ZCX_OK;
    if (!(seen & 1u << SHAPE) || !(seen & 1u << ORDER))
        return bad_extras(error, "of a numpy payload lack its shape or order");
    return numpy_check(envelope, envelope->length, ZCX_ECORRUPT, error);
}

/* ---- header ------------------------------------------------------------------------------- */

static uint32_t header_crc(const struct zcxi_header *header, const uint8_t *extras,
                           size_t extras_length)
{
    uint32_t crc = zcxi_crc32c(0, header, offsetof(struct zcxi_header, header_crc));
    return zcxi_crc32c(crc, extras, extras_length);
}

void zcxi_header_seal(struct zcxi_header *header, const uint8_t *extras, size_t extras_length)
{
    header->magic = ZCXI_ENVELOPE_MAGIC;
    header->version = ZCXI_ENVELOPE_VERSION;
    header->header_crc = header_crc(header, extras, extras_length);
}

__attribute__((cold)) static zcx_status bad_record(zcx_error *error, zcx_status status,
                                                   const void *key, size_t key_length,
                                                   const char *what, uint64_t found,
                                                   uint64_t wanted)
{
    char text[ZCXI_KEY_TEXT];
    return zcxi_fail(error, status, 0, "record %s has %s %llu, not %llu",
                     zcxi_key_text(text, key, key_length), what, (unsigned long long)found,
                     (unsigned long long)wanted);
}

zcx_status zcxi_header_read(struct zcxi_header *out, const void *record, size_t size,
                            const void *key, size_t key_length, zcx_error *error)
{
#define REFUSE_IF(bad, status, what, found, wanted)                                                \
    if (__builtin_expect(bad, 0))                                                                  \
    return bad_record(error, status, key, key_length, what, found, wanted)

    struct zcxi_header h;
    const uint8_t *extras = (const uint8_t *)record + sizeof h;
    REFUSE_IF(size <= sizeof h, ZCX_ECORRUPT, "this many bytes, too few for a header:", size,
              sizeof h + 1);
    memcpy(&h, record, sizeof h);
    REFUSE_IF(h.magic != ZCXI_ENVELOPE_MAGIC, ZCX_ECORRUPT, "magic number", h.magic,
              ZCXI_ENVELOPE_MAGIC);
    REFUSE_IF(h.version != ZCXI_ENVELOPE_VERSION, ZCX_EVERSION, "envelope version", h.version,
              ZCXI_ENVELOPE_VERSION);
    REFUSE_IF(h.header_length <= sizeof h || h.header_length > size, ZCX_ECORRUPT,
              "a header length that its size does not allow:", h.header_length, size);
    size_t extras_length = h.header_length - sizeof h;
    REFUSE_IF(extras_length > ZCXI_EXTRAS_MAX, ZCX_ECORRUPT,
              "too many bytes of extras:", extras_length, ZCXI_EXTRAS_MAX);
    uint32_t crc = header_crc(&h, extras, extras_length);
    REFUSE_IF(h.header_crc != crc, ZCX_ECORRUPT, "header checksum", h.header_crc, crc);

    /* What follows was written so, by another version or a foreign writer. */
    REFUSE_IF(h.flags & ~ZCXI_FLAGS_KNOWN, ZCX_EVERSION, "flags that are not known:", h.flags,
              h.flags & ZCXI_FLAGS_KNOWN);
    REFUSE_IF(h.reserved, ZCX_ECORRUPT, "a reserved field of", h.reserved, 0);
    REFUSE_IF(h.payload_length > ZCX_PAYLOAD_MAX, ZCX_ECORRUPT,
              "too large a payload length:", h.payload_length, ZCX_PAYLOAD_MAX);
    REFUSE_IF(h.payload_crc && !(h.flags & ZCX_FLAG_CHECKSUM), ZCX_ECORRUPT,
              "without the flag for it a payload checksum of", h.payload_crc, 0);
    if (h.flags & ZCXI_FLAG_SLOT) {
        REFUSE_IF(!h.slot, ZCX_ECORRUPT, "slot number", 0, 1);
        REFUSE_IF(size != h.header_length, ZCX_ECORRUPT, "more bytes than its header:", size,
                  h.header_length);
    } else {
        REFUSE_IF(h.slot || h.generation, ZCX_ECORRUPT, "inline, but slot or generation",
                  h.slot ? h.slot : h.generation, 0);
        REFUSE_IF(h.payload_offset != h.header_length, ZCX_ECORRUPT, "inline payload offset",
                  h.payload_offset, h.header_length);
        REFUSE_IF(h.payload_length != size - h.header_length, ZCX_ECORRUPT, "inline payload length",
                  h.payload_length, size - h.header_length);
    }
    *out = h;
    return ZCX_OK;
#undef REFUSE_IF
}

void zcxi_header_show(zcx_envelope *envelope, const struct zcxi_header *header)
{
    size_t struct_size = envelope->struct_size;
    *envelope = (zcx_envelope){
        .struct_size = struct_size,
        .format = header->format,
        .flags = header->flags & ~ZCXI_FLAG_SLOT,
        .in_slot = header->flags & ZCXI_FLAG_SLOT,
        .slot = header->slot,
        .generation = header->generation,
        .checksum = header->payload_crc,
        .length = header->payload_length,
        .transaction = header->transaction,
        .created = header->created,
        .expires = header->expires,
    };
}
