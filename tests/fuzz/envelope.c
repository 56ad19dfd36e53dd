/* A record's bytes, as somebody may have put them: as they are, and with the checksum that a hostile
 * writer would give them. What is read as an envelope can be written again and says the same. */
#include "fuzz.h"

#include "envelope.h"

static void same_text(const char *one, const char *other)
{
    MUST_HOLD(!one == !other);
    MUST_HOLD(!one || !strcmp(one, other));
}

static void again(const zcx_envelope *envelope, uint64_t length)
{
    static uint8_t extras[ZCXI_EXTRAS_MAX + 4096];
    static uint64_t arena[ZCXI_ARENA_SIZE(sizeof extras) / 8 + 1];
    size_t used;
    zcx_envelope back = ZCX_ENVELOPE_INIT, given = *envelope;
    given.flags &= ZCX_FLAG_ERROR | ZCX_FLAG_CHECKSUM;
    given.ttl_ms = ZCX_TTL_NEVER;
    if (zcxi_extras_encode(extras, sizeof extras, &used, &given, length, NULL)) return;
    back.format = envelope->format;
    back.flags = envelope->flags;
    back.length = length;
    MUST_HOLD(zcxi_extras_decode(&back, extras, used, arena, NULL) == ZCX_OK);
    same_text(back.source, envelope->source);
    same_text(back.target, envelope->target);
    same_text(back.content_type, envelope->content_type);
    same_text(back.dtype, envelope->dtype);
    MUST_HOLD(back.ndim == envelope->ndim);
    MUST_HOLD(!back.ndim || !memcmp(back.shape, envelope->shape, back.ndim * sizeof *back.shape));
}

static void read_record(const uint8_t *record, size_t size)
{
    struct zcxi_header header;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    if (zcxi_header_read(&header, record, size, record, size < ZCX_KEY_MAX ? size : ZCX_KEY_MAX,
                         &error)) {
        MUST_HOLD(error.status && error.message[0]);
        return;
    }
    MUST_HOLD(header.header_length >= sizeof header && header.header_length <= size);
    MUST_HOLD(header.flags & ZCXI_FLAG_SLOT ||
              header.payload_offset + header.payload_length <= size);
    size_t extras = header.header_length - sizeof header;
    void *arena = malloc(ZCXI_ARENA_SIZE(extras));
    zcxi_header_show(&envelope, &header);
    if (!zcxi_extras_decode(&envelope, record + sizeof header, extras, arena, &error))
        again(&envelope, header.payload_length);
    else
        MUST_HOLD(error.status && error.message[0]);
    free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zcxi_header header;
    uint8_t *record = exactly(data, size);
    read_record(record, size);
    if (size > sizeof header) {
        memcpy(&header, record, sizeof header);
        if (header.header_length < sizeof header || header.header_length > size)
            header.header_length = (uint32_t)size;
        if (!(header.flags & ZCXI_FLAG_SLOT)) {
            header.payload_offset = header.header_length;
            header.payload_length = size - header.header_length;
            header.slot = header.generation = 0;
        }
        header.reserved = 0;
        if (!(header.flags & ZCX_FLAG_CHECKSUM)) header.payload_crc = 0;
        zcxi_header_seal(&header, record + sizeof header, header.header_length - sizeof header);
        memcpy(record, &header, sizeof header);
        read_record(record, size);
    }
    free(record);
    return 0;
}
