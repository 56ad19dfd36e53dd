/* A reference, in msgpack or JSON. What is read as one can be written in both encodings, and is read
 * from each as the same. */
#include "fuzz.h"

#include "reference.h"

static void same(const zcx_reference *one, const zcx_reference *other)
{
    uint64_t length, other_length;
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS; i++) {
        const char *text = zcx_reference_text(one, i), *other_text = zcx_reference_text(other, i);
        MUST_HOLD(!text == !other_text);
        MUST_HOLD(!text || !strcmp(text, other_text));
    }
    const void *data = zcx_reference_data(one, &length);
    const void *other_data = zcx_reference_data(other, &other_length);
    MUST_HOLD(!data == !other_data && length == other_length);
    MUST_HOLD(!length || !memcmp(data, other_data, length));
    MUST_HOLD(zcx_reference_written(one) == zcx_reference_written(other) && one->ref == other->ref);
}

static void again(const zcx_reference *reference, zcx_encoding encoding)
{
    uint64_t length, used;
    zcx_reference *back;
    MUST_HOLD(!zcx_reference_write(&length, reference, encoding, NULL, 0, NULL));
    uint8_t *buffer = malloc(length);
    MUST_HOLD(!zcx_reference_write(&used, reference, encoding, buffer, length, NULL));
    MUST_HOLD(used == length && zcx_reference_is(encoding, buffer, length));
    MUST_HOLD(!zcx_reference_parse(&back, encoding, buffer, length, NULL));
    same(reference, back);
    zcx_reference_free(back);
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zcx_encoding encoding = choice(&data, &size) % 2 ? ZCX_ENCODING_JSON : ZCX_ENCODING_MSGPACK;
    zcx_reference *reference, *answer;
    zcx_error error = ZCX_ERROR_INIT;
    uint8_t *bytes = exactly(data, size);
    (void)zcx_reference_is(encoding, bytes, size);
    if (!zcx_reference_parse(&reference, encoding, bytes, size, &error)) {
        again(reference, ZCX_ENCODING_MSGPACK);
        again(reference, ZCX_ENCODING_JSON);
        if (!zcx_reference_answer(&answer, reference, NULL)) {
            again(answer, ZCX_ENCODING_MSGPACK);
            zcx_reference_free(answer);
        }
        zcx_reference_free(reference);
    } else {
        MUST_HOLD(error.status && error.message[0]);
    }
    free(bytes);
    return 0;
}
