/* One msgpack token at a time, for the small maps of the protocol (extras, a typed array's
 * description), where nothing is built. Payloads are read by unpack.c. */
#ifndef ZCXI_TOKEN_H
#define ZCXI_TOKEN_H

#include "error.h"

enum zcxi_token_kind {
    ZCXI_TOKEN_OTHER, /* nil, a boolean, a float, a negative integer */
    ZCXI_TOKEN_UINT,
    ZCXI_TOKEN_STR,
    ZCXI_TOKEN_BIN,
    ZCXI_TOKEN_EXT, /* `number` is its type, as an int8_t */
    ZCXI_TOKEN_LIST,
    ZCXI_TOKEN_MAP,
};

struct zcxi_token {
    enum zcxi_token_kind kind;
    uint64_t number;     /* the integer; items of a list; pairs of a map; an extension's type */
    const uint8_t *data; /* of a str, bin or ext */
    uint32_t length;
};

struct zcxi_cursor {
    const uint8_t *next, *end;
};

/* Reads a token and moves past it; a list's items and a map's keys and values are the next tokens.
 * False: truncated, the reserved byte 0xc1, or a container that claims more than the bytes left. */
bool zcxi_token_next(struct zcxi_cursor *cursor, struct zcxi_token *out);

/* Moves past one object and all that it holds. False as above. Nesting is not limited: it takes no
 * memory. */
bool zcxi_token_skip(struct zcxi_cursor *cursor);

/* Is `token` a str that says `text`? */
bool zcxi_token_is(const struct zcxi_token *token, const char *text);

bool zcxi_utf8(const void *text, uint64_t length);

#endif
