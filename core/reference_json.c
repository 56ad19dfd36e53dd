#include "reference.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- base64 (RFC 4648): how JSON carries the bytes of _lmdb_data ----------------------------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Writes 4 * ((length + 2) / 3) characters. */
static void encode(char *out, const uint8_t *data, uint64_t length)
{
    for (uint64_t i = 0; i < length; i += 3) {
        uint64_t left = length - i;
        uint32_t bits = (uint32_t)data[i] << 16;
        if (left > 1) bits |= (uint32_t)data[i + 1] << 8;
        if (left > 2) bits |= data[i + 2];
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[bits & 63] : '=';
    }
}

static int value_of(char digit)
{
    const char *at = digit ? strchr(digits, digit) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Writes at most 3 * (size / 4) bytes. False when the text is not whole and canonical. */
static bool decode(uint8_t *out, uint64_t *length, const char *text, uint64_t size)
{
    uint64_t used = 0;
    if (size % 4) return false;
    for (uint64_t i = 0; i < size; i += 4) {
        bool last = i + 4 == size;
        int pads = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t bits = 0;
        for (int j = 0; j < 4; j++) {
            int value = j >= 4 - pads ? 0 : value_of(text[i + (uint64_t)j]);
            if (value < 0) return false;
            bits = bits << 6 | (uint32_t)value;
        }
        if (bits & ((1u << 8 * pads) - 1)) return false; /* bits that belong to no byte */
        out[used++] = (uint8_t)(bits >> 16);
        if (pads < 2) out[used++] = (uint8_t)(bits >> 8);
        if (pads < 1) out[used++] = (uint8_t)bits;
    }
    *length = used;
    return true;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static zcx_status read_data(zcx_reference *reference, const json_t *value, zcx_error *error)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (!text) return zcxi_reference_wrong_type(ZCXI_NAME_DATA, "base64 text", error);
    reference->data = malloc(size / 4 * 3 + 1);
    if (!reference->data) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference");
    if (!decode(reference->data, &reference->length, text, size))
        return zcxi_reference_wrong_type(ZCXI_NAME_DATA, "base64 text", error);
    return ZCX_OK;
}

static zcx_status read_flag(zcx_reference *reference, const json_t *value, const char *name,
                            enum zcxi_reference_flag flag, zcx_error *error)
{
    if (!json_is_boolean(value)) return zcxi_reference_wrong_type(name, "a boolean", error);
    return zcxi_reference_set_flag(reference, flag, json_is_true(value), error);
}

static zcx_status read_fields(zcx_reference *reference, const json_t *root, zcx_error *error)
{
    zcx_status status = ZCX_OK;
    const json_t *value;
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS && !status; i++) {
        value = json_object_get(root, zcxi_reference_names[i]);
        if (value && !json_is_string(value))
            status = zcxi_reference_wrong_type(zcxi_reference_names[i], "text", error);
        else if (value)
            status = zcxi_reference_set_text(reference, i, json_string_value(value),
                                             json_string_length(value), error);
    }
    if (!status && (value = json_object_get(root, ZCXI_NAME_REF)))
        status = read_flag(reference, value, ZCXI_NAME_REF, ZCXI_REFERENCE_REF, error);
    if (!status && (value = json_object_get(root, ZCXI_NAME_WRITTEN)))
        status = read_flag(reference, value, ZCXI_NAME_WRITTEN, ZCXI_REFERENCE_WRITTEN, error);
    if (!status && (value = json_object_get(root, ZCXI_NAME_DATA)))
        status = read_data(reference, value, error);
    return status;
}

zcx_status zcxi_reference_from_json(zcx_reference *reference, const void *data, uint64_t length,
                                    zcx_error *error)
{
    json_error_t where;
    json_t *root = json_loadb(data, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (!root && json_error_code(&where) == json_error_duplicate_key)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the reference has a field twice: %s", where.text);
    if (!root)
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "the reference is not JSON, byte %d: %s",
                         where.position, where.text);
    zcx_status status =
        json_is_object(root)
            ? read_fields(reference, root, error)
            : zcxi_fail(error, ZCX_ECORRUPT, 0, "the reference is not one whole JSON object");
    json_decref(root);
    return status;
}

bool zcxi_reference_is_json(const void *data, uint64_t length)
{
    /* most payloads are none, and parsing those would be dear */
    if (!memmem(data, length, "_lmdb_", 6)) return false;
    json_error_t where;
    json_t *root = json_loadb(data, length, JSON_ALLOW_NUL, &where);
    bool found = json_object_get(root, ZCXI_NAME_REF) || json_object_get(root, ZCXI_NAME_WRITTEN);
    json_decref(root);
    return found;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static json_t *data_json(const zcx_reference *reference)
{
    uint64_t size = (reference->length + 2) / 3 * 4;
    char *text = malloc(size + 1);
    if (!text) return NULL;
    encode(text, reference->data, reference->length);
    json_t *value = json_stringn_nocheck(text, size);
    free(text);
    return value;
}

static json_t *to_json(const zcx_reference *reference)
{
    json_t *root = json_object();
    int failed = root ? 0 : -1;
    if (reference->ref) failed |= json_object_set_new(root, ZCXI_NAME_REF, json_true());
    if (reference->has_written)
        failed |= json_object_set_new(root, ZCXI_NAME_WRITTEN, json_boolean(reference->written));
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS; i++)
        if (reference->text[i])
            failed |=
                json_object_set_new(root, zcxi_reference_names[i], json_string(reference->text[i]));
    if (reference->data) failed |= json_object_set_new(root, ZCXI_NAME_DATA, data_json(reference));
    if (!failed) return root;
    json_decref(root);
    return NULL;
}

zcx_status zcxi_reference_to_json(uint64_t *length, const zcx_reference *reference, void *buffer,
                                  uint64_t capacity, zcx_error *error)
{
    json_t *root = to_json(reference);
    if (!root) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference in JSON");
    size_t size = json_dumpb(root, buffer, buffer ? capacity : 0, JSON_COMPACT);
    json_decref(root);
    if (!size) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a reference in JSON");
    if (buffer && size > capacity)
        return zcxi_fail(error, ZCX_ELIMIT, 0, "the reference has %zu bytes, its buffer %llu", size,
                         (unsigned long long)capacity);
    *length = size;
    return ZCX_OK;
}
