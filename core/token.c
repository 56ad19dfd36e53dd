#include "token.h"

#include <string.h>

static uint64_t big_endian(const uint8_t *bytes, uint32_t count)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* Takes `count` bytes off the cursor, NULL when they are not there. */
static const uint8_t *take(struct zcxi_cursor *cursor, uint64_t count)
{
    const uint8_t *bytes = cursor->next;
    if (count > (uint64_t)(cursor->end - bytes)) return NULL;
    cursor->next += count;
    return bytes;
}

static bool bytes_of(struct zcxi_cursor *cursor, struct zcxi_token *out, enum zcxi_token_kind kind,
                     uint64_t length)
{
    if (kind == ZCXI_TOKEN_EXT) {
        const uint8_t *type = take(cursor, 1);
        if (!type) return false;
        out->number = (uint64_t)(int8_t)*type;
    }
    out->kind = kind;
    out->length = (uint32_t)length;
    out->data = take(cursor, length);
    return out->data;
}

static bool container(struct zcxi_cursor *cursor, struct zcxi_token *out, enum zcxi_token_kind kind,
                      uint64_t count)
{
    out->kind = kind;
    out->number = count;
    return count * (kind == ZCXI_TOKEN_MAP ? 2 : 1) <= (uint64_t)(cursor->end - cursor->next);
}

/* The tokens from 0xc0 on: a byte that says the kind and how wide the number after it is. */
static bool wide(struct zcxi_cursor *cursor, struct zcxi_token *out, uint8_t head)
{
    /* Width in bytes of the big-endian number behind 0xc4 … 0xdf; 0: none. */
    static const uint8_t widths[] = {1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, 1, 2,
                                     4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
    if (head == 0xc1) return false;
    if (head < 0xc4) return true; /* nil, false, true */
    uint32_t width = widths[head - 0xc4];
    const uint8_t *bytes = take(cursor, width);
    if (!bytes) return false;
    uint64_t number = big_endian(bytes, width);

    if (head <= 0xc6) return bytes_of(cursor, out, ZCXI_TOKEN_BIN, number);
    if (head <= 0xc9) return bytes_of(cursor, out, ZCXI_TOKEN_EXT, number);
    if (head <= 0xcb) return true; /* floats */
    if (head <= 0xd3) {
        /* A signed one that isn't negative is an unsigned one written by a lazy packer. */
        if (head <= 0xcf || !(bytes[0] & 0x80)) {
            out->kind = ZCXI_TOKEN_UINT;
            out->number = number;
        }
        return true;
    }
    if (head <= 0xd8) return bytes_of(cursor, out, ZCXI_TOKEN_EXT, UINT64_C(1) << (head - 0xd4));
    if (head <= 0xdb) return bytes_of(cursor, out, ZCXI_TOKEN_STR, number);
    return container(cursor, out, head <= 0xdd ? ZCXI_TOKEN_LIST : ZCXI_TOKEN_MAP, number);
}

bool zcxi_token_next(struct zcxi_cursor *cursor, struct zcxi_token *out)
{
    const uint8_t *head = take(cursor, 1);
    if (!head) return false;
    *out = (struct zcxi_token){.kind = ZCXI_TOKEN_OTHER};
    if (*head < 0x80) {
        out->kind = ZCXI_TOKEN_UINT;
        out->number = *head;
        return true;
    }
    if (*head < 0x90) return container(cursor, out, ZCXI_TOKEN_MAP, *head & 15);
    if (*head < 0xa0) return container(cursor, out, ZCXI_TOKEN_LIST, *head & 15);
    if (*head < 0xc0) return bytes_of(cursor, out, ZCXI_TOKEN_STR, *head & 31);
    if (*head < 0xe0) return wide(cursor, out, *head);
    return true; /* -32 … -1 */
}

bool zcxi_token_skip(struct zcxi_cursor *cursor)
{
    struct zcxi_token token;
    for (uint64_t pending = 1; pending; pending--) {
        if (!zcxi_token_next(cursor, &token)) return false;
        if (token.kind == ZCXI_TOKEN_LIST) pending += token.number;
        if (token.kind == ZCXI_TOKEN_MAP) pending += 2 * token.number;
        if (pending - 1 > (uint64_t)(cursor->end - cursor->next)) return false;
    }
    return true;
}

bool zcxi_token_is(const struct zcxi_token *token, const char *text)
{
    return token->kind == ZCXI_TOKEN_STR && token->length == strlen(text) &&
           !memcmp(token->data, text, token->length);
}

bool zcxi_utf8(const void *text, uint64_t length)
{
    const uint8_t *next = text, *end = next + length;
    while (next < end) {
        uint64_t word;
        if (end - next >= 8 && (memcpy(&word, next, 8), !(word & UINT64_C(0x8080808080808080)))) {
            next += 8;
            continue;
        }
        uint8_t head = *next++;
        if (head < 0x80) continue;
        /* The second byte's range shuts out overlong forms, surrogates and what is past U+10FFFF.
         */
        int more = head >= 0xf0 ? 3 : head >= 0xe0 ? 2 : 1;
        uint8_t low = head == 0xe0 ? 0xa0 : head == 0xf0 ? 0x90 : 0x80;
        uint8_t high = head == 0xed ? 0x9f : head == 0xf4 ? 0x8f : 0xbf;
        if (head < 0xc2 || head > 0xf4 || end - next < more) return false;
        if (*next < low || *next > high) return false;
        for (int i = 1; i < more; i++)
            if ((next[i] & 0xc0) != 0x80) return false;
        next += more;
    }
    return true;
}
