#include "reference.h"

#include "envelope.h"
#include "token.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 64 /* of a reference's map; ours have at most nine */

const char *const zcxi_reference_names[ZCXI_REFERENCE_FIELDS] = {
    "_lmdb_input_key", "_lmdb_output_key", "_lmdb_db_path",
    "_lmdb_db_name",   "_lmdb_format",     "_txn_id",
};

static const size_t longest[ZCXI_REFERENCE_FIELDS] = {
    ZCX_KEY_MAX, ZCX_KEY_MAX, 4095, ZCX_DATABASE_MAX, 16, 16,
};

/* ---- One field ------------------------------------------------------------------------------- */

bool zcxi_reference_can_name(const void *key, size_t key_length)
{
    return zcxi_utf8(key, key_length) && !memchr(key, 0, key_length);
}

static const char *complaint(int field, const char *text, size_t length)
{
    zcx_format format;
    if (!length) return "is empty";
    if (length > longest[field]) return "is too long";
    if (!zcxi_reference_can_name(text, length)) return "is not UTF-8 text without NUL";
    if (field == ZCX_REFERENCE_DB_PATH && *text != '/') return "is not an absolute path";
    if (field == ZCX_REFERENCE_CALL_ID &&
        (length != 16 || strspn(text, "0123456789abcdef") != length))
        return "is not 16 hex digits";
    if (field == ZCX_REFERENCE_FORMAT && zcx_format_parse(&format, text, NULL))
        return "is not a format";
    return NULL;
}

zcx_reference *zcxi_reference_new(void)
{
    zcx_reference *reference = malloc(sizeof *reference);
    if (reference) memset(reference, 0, offsetof(zcx_reference, room));
    return reference;
}

static bool in_room(const zcx_reference *reference, const char *text)
{
    return text >= reference->room && text < reference->room + sizeof reference->room;
}

static char *text_room(zcx_reference *reference, size_t size)
{
    if (size > sizeof reference->room - reference->used) return malloc(size);
    reference->used += size;
    return reference->room + reference->used - size;
}

static void free_text(const zcx_reference *reference, char *text)
{
    if (!in_room(reference, text)) free(text);
}

zcx_status zcxi_reference_set_text(zcx_reference *reference, int field, const void *text,
                                   size_t length, zcx_error *error)
{
    char *copy = text_room(reference, length + 1);
    if (!copy) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference");
    if (length) memcpy(copy, text, length);
    copy[length] = 0;
    const char *wrong = complaint(field, copy, length);
    if (wrong) {
        char shown[ZCXI_KEY_TEXT];
        free_text(reference, copy);
        return zcxi_fail(error, ZCX_EINVAL, 0, "the reference's %s, %s, %s",
                         zcxi_reference_names[field], zcxi_key_text(shown, text, length), wrong);
    }
    reference->text[field] = copy;
    return ZCX_OK;
}

zcx_status zcxi_reference_set_flag(zcx_reference *reference, enum zcxi_reference_flag flag,
                                   bool value, zcx_error *error)
{
    if (flag == ZCXI_REFERENCE_WRITTEN) {
        reference->has_written = true;
        reference->written = value;
    } else if (!value) {
        return zcxi_fail(error, ZCX_EINVAL, 0, "the reference's " ZCXI_NAME_REF " is false");
    } else {
        reference->ref = true;
    }
    return ZCX_OK;
}

zcx_status zcxi_reference_wrong_type(const char *name, const char *wanted, zcx_error *error)
{
    return zcxi_fail(error, ZCX_EINVAL, 0, "the reference's %s is not %s", name, wanted);
}

/* What has to be there together. */
static zcx_status check(const zcx_reference *reference, zcx_error *error)
{
    const char *missing = NULL;
    if (reference->has_written) return ZCX_OK; /* an answer may leave out everything else */
    if (!reference->ref) missing = ZCXI_NAME_REF;
    for (int i = ZCX_REFERENCE_DB_PATH; i <= ZCX_REFERENCE_CALL_ID && !missing; i++)
        if (!reference->text[i]) missing = zcxi_reference_names[i];
    if (!missing && !reference->text[ZCX_REFERENCE_INPUT_KEY] &&
        !reference->text[ZCX_REFERENCE_OUTPUT_KEY])
        missing = "_lmdb_input_key or _lmdb_output_key";
    if (!missing && !reference->text[ZCX_REFERENCE_INPUT_KEY] && !reference->data)
        missing = "_lmdb_input_key or " ZCXI_NAME_DATA;
    if (missing) return zcxi_fail(error, ZCX_EINVAL, 0, "the reference has no %s", missing);
    if (reference->text[ZCX_REFERENCE_INPUT_KEY] && reference->data)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "the reference has both _lmdb_input_key and " ZCXI_NAME_DATA);
    return ZCX_OK;
}

/* ---- msgpack --------------------------------------------------------------------------------- */

static zcx_status broken(zcx_error *error)
{
    return zcxi_fail(error, ZCX_ECORRUPT, 0, "the reference is not one whole msgpack map");
}

static zcx_status read_data(zcx_reference *reference, const struct zcxi_token *value,
                            zcx_error *error)
{
    if (value->kind != ZCXI_TOKEN_BIN)
        return zcxi_reference_wrong_type(ZCXI_NAME_DATA, "bin", error);
    reference->data = malloc((size_t)value->length + 1);
    if (!reference->data) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference");
    if (value->length) memcpy(reference->data, value->data, value->length);
    reference->length = value->length;
    return ZCX_OK;
}

static zcx_status read_value(zcx_reference *reference, const struct zcxi_token *key,
                             struct zcxi_cursor *cursor, zcx_error *error)
{
    int field = 0;
    while (field < ZCXI_REFERENCE_FIELDS && !zcxi_token_is(key, zcxi_reference_names[field]))
        field++;
    bool ref = zcxi_token_is(key, ZCXI_NAME_REF), written = zcxi_token_is(key, ZCXI_NAME_WRITTEN);
    bool data = zcxi_token_is(key, ZCXI_NAME_DATA);
    if (field == ZCXI_REFERENCE_FIELDS && !ref && !written && !data)
        return zcxi_token_skip(cursor) ? ZCX_OK : broken(error);

    struct zcxi_token value;
    uint8_t first = cursor->next < cursor->end ? *cursor->next : 0;
    if (!zcxi_token_next(cursor, &value)) return broken(error);
    if (ref || written) {
        if (first != 0xC2 && first != 0xC3)
            return zcxi_reference_wrong_type(ref ? ZCXI_NAME_REF : ZCXI_NAME_WRITTEN, "a boolean",
                                             error);
        return zcxi_reference_set_flag(reference, ref ? ZCXI_REFERENCE_REF : ZCXI_REFERENCE_WRITTEN,
                                       first == 0xC3, error);
    }
    if (data) return read_data(reference, &value, error);
    if (value.kind != ZCXI_TOKEN_STR)
        return zcxi_reference_wrong_type(zcxi_reference_names[field], "text", error);
    return zcxi_reference_set_text(reference, field, value.data, value.length, error);
}

static zcx_status from_msgpack(zcx_reference *reference, const void *data, uint64_t length,
                               zcx_error *error)
{
    struct zcxi_cursor cursor = {data, (const uint8_t *)data + length};
    struct zcxi_token map, seen[PAIRS_MAX];
    if (!zcxi_token_next(&cursor, &map) || map.kind != ZCXI_TOKEN_MAP) return broken(error);
    if (map.number > PAIRS_MAX)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the reference has %llu fields, more than %d",
                         (unsigned long long)map.number, PAIRS_MAX);
    for (uint64_t i = 0; i < map.number; i++) {
        if (!zcxi_token_next(&cursor, &seen[i])) return broken(error);
        if (seen[i].kind != ZCXI_TOKEN_STR)
            return zcxi_fail(error, ZCX_EINVAL, 0, "the reference has a name that is not text");
        for (uint64_t j = 0; j < i; j++)
            if (seen[j].length == seen[i].length &&
                !memcmp(seen[j].data, seen[i].data, seen[i].length)) {
                char shown[ZCXI_KEY_TEXT];
                return zcxi_fail(error, ZCX_EINVAL, 0, "the reference has the field %s twice",
                                 zcxi_key_text(shown, seen[i].data, seen[i].length));
            }
        zcx_status status = read_value(reference, &seen[i], &cursor, error);
        if (status) return status;
    }
    return cursor.next == cursor.end ? ZCX_OK : broken(error);
}

static bool is_msgpack(const void *data, uint64_t length)
{
    struct zcxi_cursor cursor = {data, (const uint8_t *)data + length};
    struct zcxi_token token;
    if (!zcxi_token_next(&cursor, &token) || token.kind != ZCXI_TOKEN_MAP) return false;
    if (token.number > PAIRS_MAX) return false;
    for (uint64_t left = token.number; left; left--) {
        struct zcxi_cursor key = cursor;
        if (!zcxi_token_next(&key, &token)) return false;
        if (zcxi_token_is(&token, ZCXI_NAME_REF) || zcxi_token_is(&token, ZCXI_NAME_WRITTEN))
            return true;
        if (!zcxi_token_skip(&cursor) || !zcxi_token_skip(&cursor)) return false;
    }
    return false;
}

static void pack_text(zcx_packer *packer, const char *text)
{
    zcx_pack_str(packer, text, strlen(text));
}

/* `buffer` is NULL or aligned, as the packer wants it. */
static zcx_status pack(uint64_t *length, const zcx_reference *reference, void *buffer,
                       uint64_t capacity, zcx_error *error)
{
    zcx_packer *packer;
    zcx_status status = zcx_packer_open(&packer, buffer, capacity, error);
    if (status) return status;
    uint64_t pairs = reference->ref + reference->has_written + !!reference->data;
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS; i++)
        pairs += !!reference->text[i];
    zcx_pack_map(packer, pairs);
    if (reference->ref) {
        pack_text(packer, ZCXI_NAME_REF);
        zcx_pack_bool(packer, true);
    }
    if (reference->has_written) {
        pack_text(packer, ZCXI_NAME_WRITTEN);
        zcx_pack_bool(packer, reference->written);
    }
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS; i++)
        if (reference->text[i]) {
            pack_text(packer, zcxi_reference_names[i]);
            pack_text(packer, reference->text[i]);
        }
    if (reference->data) {
        pack_text(packer, ZCXI_NAME_DATA);
        zcx_pack_bin(packer, reference->data, reference->length);
    }
    return zcx_packer_close(packer, length, error);
}

/* In one pass where the buffer is aligned and has room. */
static zcx_status to_msgpack(uint64_t *length, const zcx_reference *reference, void *buffer,
                             uint64_t capacity, zcx_error *error)
{
    uint64_t size;
    if (buffer && (uintptr_t)buffer % ZCX_ALIGNMENT == 0 &&
        !pack(length, reference, buffer, capacity, NULL))
        return ZCX_OK;
    zcx_status status = pack(&size, reference, NULL, 0, error);
    if (status) return status;
    if (buffer && size > capacity)
        return zcxi_fail(error, ZCX_ELIMIT, 0,
                         "the reference has %" PRIu64 " bytes, its buffer %" PRIu64, size,
                         capacity);
    if (buffer) {
        uint64_t rounded = (size + ZCX_ALIGNMENT - 1) / ZCX_ALIGNMENT * ZCX_ALIGNMENT;
        void *aligned = aligned_alloc(ZCX_ALIGNMENT, rounded);
        if (!aligned) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference");
        status = pack(&size, reference, aligned, size, error);
        if (!status) memcpy(buffer, aligned, size);
        free(aligned);
    }
    if (!status) *length = size;
    return status;
}

/* ---- The whole ------------------------------------------------------------------------------- */

zcx_status zcx_reference_parse(zcx_reference **out, zcx_encoding encoding, const void *data,
                               uint64_t length, zcx_error *error)
{
    if (encoding != ZCX_ENCODING_MSGPACK && encoding != ZCX_ENCODING_JSON)
        return zcxi_fail(error, ZCX_EINVAL, 0, "%d is not an encoding of references",
                         (int)encoding);
    zcx_reference *reference = zcxi_reference_new();
    if (!reference) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference");
    zcx_status status = encoding == ZCX_ENCODING_JSON
                            ? zcxi_reference_from_json(reference, data, length, error)
                            : from_msgpack(reference, data, length, error);
    if (!status) status = check(reference, error);
    if (status)
        zcx_reference_free(reference);
    else
        *out = reference;
    return status;
}

bool zcx_reference_is(zcx_encoding encoding, const void *data, uint64_t length)
{
    return encoding == ZCX_ENCODING_JSON ? zcxi_reference_is_json(data, length)
                                         : is_msgpack(data, length);
}

zcx_status zcx_reference_write(uint64_t *length, const zcx_reference *reference,
                               zcx_encoding encoding, void *buffer, uint64_t capacity,
                               zcx_error *error)
{
    return encoding == ZCX_ENCODING_JSON
               ? zcxi_reference_to_json(length, reference, buffer, capacity, error)
               : to_msgpack(length, reference, buffer, capacity, error);
}

zcx_status zcxi_reference_make(zcx_reference **out, const char *const text[ZCXI_REFERENCE_FIELDS],
                               const void *data, uint64_t length, bool written, zcx_error *error)
{
    zcx_status status = ZCX_OK;
    zcx_reference *reference = zcxi_reference_new();
    if (!reference) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference");
    reference->ref = true;
    reference->has_written = reference->written = written;
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS && !status; i++)
        if (text[i])
            status = zcxi_reference_set_text(reference, i, text[i], strlen(text[i]), error);
    if (!status && data) {
        reference->data = malloc(length + 1);
        if (!reference->data)
            status = zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference with %llu bytes",
                               (unsigned long long)length);
        else
            memcpy(reference->data, data, length);
        reference->length = length;
    }
    if (status)
        zcx_reference_free(reference);
    else
        *out = reference;
    return status;
}

zcx_status zcx_reference_answer(zcx_reference **out, const zcx_reference *request, zcx_error *error)
{
    const char *text[ZCXI_REFERENCE_FIELDS];
    memcpy(text, request->text, sizeof text);
    text[ZCX_REFERENCE_INPUT_KEY] = NULL;
    if (!text[ZCX_REFERENCE_OUTPUT_KEY] || request->has_written)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "the reference is no request that asks for an output");
    return zcxi_reference_make(out, text, NULL, 0, true, error);
}

const char *zcx_reference_text(const zcx_reference *reference, zcx_reference_field field)
{
    return (unsigned)field < ZCXI_REFERENCE_FIELDS ? reference->text[field] : NULL;
}

const void *zcx_reference_data(const zcx_reference *reference, uint64_t *length)
{
    if (length) *length = reference->data ? reference->length : 0;
    return reference->data;
}

bool zcx_reference_written(const zcx_reference *reference)
{
    return reference->written;
}

void zcx_reference_free(zcx_reference *reference)
{
    if (!reference) return;
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS; i++)
        free_text(reference, reference->text[i]);
    free(reference->data);
    free(reference);
}
