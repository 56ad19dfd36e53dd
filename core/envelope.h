/* The envelope on disk: a fixed little-endian header, then a msgpack map of extras, then the inline
 * payload or nothing. protocol/SPEC.md is the byte-exact account; this file is its one home in C.
 */
#ifndef ZCXI_ENVELOPE_H
#define ZCXI_ENVELOPE_H

#include "error.h"

#define ZCXI_ENVELOPE_MAGIC 0x4558435Au /* "ZCXE" */
#define ZCXI_ENVELOPE_VERSION 1
#define ZCXI_FLAG_SLOT 1u /* the payload lies in a slot */
#define ZCXI_FLAGS_KNOWN (ZCXI_FLAG_SLOT | ZCX_FLAG_ERROR | ZCX_FLAG_CHECKSUM)
#define ZCXI_EXTRAS_MAX 32768 /* bytes; a structured dtype with a thousand fields fits */

/* The fixed header, as it lies in a record on the machines that we support (little-endian, natural
 * alignment); copy it out before use, a record is not aligned. */
struct zcxi_header {
    uint32_t magic;
    uint8_t version;
    uint8_t format;
    uint16_t flags;
    uint32_t header_length; /* this struct and the extras */
    uint32_t payload_crc;   /* 0 without ZCX_FLAG_CHECKSUM */
    uint64_t payload_length;
    uint64_t payload_offset; /* inline: in the record (= header_length); else in the slot's value */
    uint64_t transaction;
    uint64_t created; /* Unix ns */
    uint64_t expires; /* Unix ns; 0: never */
    uint32_t slot;    /* inline: 0, as generation */
    uint32_t generation;
    uint32_t reserved;   /* 0 */
    uint32_t header_crc; /* CRC32C of the bytes before it and of the extras after it */
};

_Static_assert(sizeof(struct zcxi_header) == 72, "the header is 72 bytes on disk");

uint32_t zcxi_crc32c(uint32_t crc, const void *data, size_t length);

/* Checks what a caller gave (sizes, UTF-8, format, numpy fields complete and consistent with
 * `length`) and encodes the extras to `out`; *used is their size. ZCX_ELIMIT past `capacity`. A
 * NULL envelope is all defaults; the extras of an envelope without any are one byte, an empty map.
 */
zcx_status zcxi_extras_encode(uint8_t *out, size_t capacity, size_t *used,
                              const zcx_envelope *envelope, uint64_t length, zcx_error *error);

/* Fills the extras' fields of *envelope; strings and shape are put into `arena` (at least
 * ZCXI_ARENA_SIZE(extras_length) bytes, 8-aligned). ZCX_ECORRUPT for what is not a valid map. */
#define ZCXI_ARENA_SIZE(extras_length) (8 * ZCX_DIMENSIONS_MAX + (extras_length) + 8)
zcx_status zcxi_extras_decode(zcx_envelope *envelope, const uint8_t *extras, size_t extras_length,
                              void *arena, zcx_error *error);

/* Seals a header: writes magic, version, and the CRC over it and the extras that follow it. */
void zcxi_header_seal(struct zcxi_header *header, const uint8_t *extras, size_t extras_length);

/* Reads the header of a record of `size` bytes and checks every field against it: magic, version,
 * unknown flags, lengths, CRC, inline bounds, and payload length <= ZCX_PAYLOAD_MAX. Slot bounds
 * are the caller's to check. `key` only serves the message. */
zcx_status zcxi_header_read(struct zcxi_header *out, const void *record, size_t size,
                            const void *key, size_t key_length, zcx_error *error);

/* Copies the header's fields that a caller may see; the extras' fields are zeroed. */
void zcxi_header_show(zcx_envelope *envelope, const struct zcxi_header *header);

/* A key for a message: printable, quoted, cut at 64 bytes. Returns `out`. */
#define ZCXI_KEY_TEXT 80
const char *zcxi_key_text(char out[ZCXI_KEY_TEXT], const void *key, size_t key_length);

#endif
