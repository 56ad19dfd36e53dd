/* An input as a list of alterations, six bytes each: which file or table, where in it, what to do, with
 * what. So that what libFuzzer makes up lands where it matters. */
#ifndef ZCX_FUZZ_ALTERATIONS_H
#define ZCX_FUZZ_ALTERATIONS_H

#include "fuzz.h"

struct alteration {
    uint8_t where, block, kind, value;
    uint16_t at;
};

static inline bool next_alteration(struct alteration *out, const uint8_t **data, size_t *size)
{
    const uint8_t *bytes = *data;
    if (*size < 6) return false;
    *out = (struct alteration){bytes[0], bytes[1], bytes[4], bytes[5],
                               (uint16_t)(bytes[2] << 8 | bytes[3])};
    *data += 6;
    *size -= 6;
    return true;
}

/* Alters one place of `size` bytes; what would reach over their end is left out. */
static inline void apply(const struct alteration *what, uint8_t *bytes, size_t size, size_t at)
{
    uint64_t word = 0;
    size_t width = (size_t)1 << (what->kind >> 3 & 3);
    if (width > size || at > size - width) return;
    memcpy(&word, bytes + at, width);
    switch (what->kind & 7) {
    case 0: word = what->value; break;
    case 1: word ^= UINT64_C(1) << (what->value & 63); break;
    case 2: word += what->value; break;
    case 3: word -= what->value; break;
    case 4: word = UINT64_MAX - what->value; break;
    case 5: word = (uint64_t)what->value << 8 | what->at >> 8; break;
    case 6: word = UINT64_C(1) << (what->value & 63); break;
    case 7: /* what lies somewhere else */
        if ((size_t)what->value * 8 + width > size) return;
        memcpy(&word, bytes + (size_t)what->value * 8, width);
        break;
    }
    memcpy(bytes + at, &word, width);
}

#endif
