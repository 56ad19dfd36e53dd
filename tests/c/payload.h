/* Payloads that describe themselves: key, sequence number and length, then words that follow from
 * them. Whoever reads one knows whether it is one whole payload, and which. */
#ifndef ZCX_PAYLOAD_H
#define ZCX_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct payload {
    uint64_t key, sequence, length; /* bytes, a multiple of 8, at least 24 */
    uint64_t words[];
};

static inline uint64_t payload_word(const struct payload *payload, uint64_t i)
{
    return payload->sequence * UINT64_C(0x9E3779B97F4A7C15) + payload->key * 31 + i;
}

static inline void payload_fill(void *data, uint64_t key, uint64_t sequence, uint64_t length)
{
    struct payload *payload = data;
    payload->key = key;
    payload->sequence = sequence;
    payload->length = length;
    for (uint64_t i = 0; i < length / 8 - 3; i++)
        payload->words[i] = payload_word(payload, i);
}

static inline bool payload_whole(const void *data, uint64_t key, uint64_t length)
{
    const struct payload *payload = data;
    uint64_t different = 0;
    if (length < 24 || length % 8 || payload->length != length || payload->key != key) return false;
    for (uint64_t i = 0; i < length / 8 - 3; i++)
        different |= payload->words[i] ^ payload_word(payload, i);
    return !different;
}

static inline uint64_t payload_sequence(const void *data)
{
    return ((const struct payload *)data)->sequence;
}

/* A generator of its own for each thread and seed. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
