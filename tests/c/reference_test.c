/* References in msgpack and JSON: round trips, and what hostile ones get. */
#include "fixture.h"
#include "reference.h"

#define STORE                                                                                      \
    "\"_lmdb_db_path\": \"/s\", \"_lmdb_db_name\": \"default\", \"_lmdb_format\": \"numpy\", "     \
    "\"_txn_id\": \"00c1000000000007\""
#define REQUEST                                                                                    \
    "{\"_lmdb_ref\": true, \"_lmdb_input_key\": \"in\", \"_lmdb_output_key\": \"out\", " STORE "}"

static zcx_status from_json(zcx_reference **out, const char *json, zcx_error *error)
{
    return zcx_reference_parse(out, ZCX_ENCODING_JSON, json, strlen(json), error);
}

static void same(const zcx_reference *a, const zcx_reference *b)
{
    uint64_t one, other;
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS; i++) {
        const char *x = zcx_reference_text(a, i), *y = zcx_reference_text(b, i);
        assert_int_equal(!x, !y);
        if (x) assert_string_equal(x, y);
    }
    const void *x = zcx_reference_data(a, &one), *y = zcx_reference_data(b, &other);
    assert_int_equal(!x, !y);
    assert_int_equal(one, other);
    if (x) assert_memory_equal(x, y, one);
    assert_int_equal(zcx_reference_written(a), zcx_reference_written(b));
    assert_int_equal(a->ref, b->ref);
}

/* Through each encoding and back, with exact sizes and one byte too few. */
static void round_trip(const zcx_reference *reference)
{
    for (int encoding = 0; encoding < 2; encoding++) {
        uint64_t size, used;
        char *buffer;
        zcx_reference *back;
        OK(zcx_reference_write(&size, reference, encoding, NULL, 0, error));
        buffer = malloc(size);
        OK(zcx_reference_write(&used, reference, encoding, buffer, size, error));
        assert_int_equal(used, size);
        assert_true(zcx_reference_is(encoding, buffer, size));
        OK(zcx_reference_parse(&back, encoding, buffer, size, error));
        same(reference, back);
        FAILS(ZCX_ELIMIT, zcx_reference_write(&used, reference, encoding, buffer, size - 1, error),
              NULL);
        for (uint64_t cut = 0; cut < size; cut++) {
            zcx_reference *none;
            char *part = malloc(cut + 1); /* of exactly that size for the sanitizer */
            part = realloc(part, cut ? cut : 1);
            memcpy(part, buffer, cut);
            assert_int_not_equal(zcx_reference_parse(&none, encoding, part, cut, NULL), ZCX_OK);
            free(part);
        }
        zcx_reference_free(back);
        free(buffer);
    }
}

static void references_travel_in_both_encodings(void **state)
{
    (void)state;
    zcx_reference *request, *answer, *bare;
    OK(from_json(&request, REQUEST, error));
    assert_string_equal(zcx_reference_text(request, ZCX_REFERENCE_INPUT_KEY), "in");
    assert_string_equal(zcx_reference_text(request, ZCX_REFERENCE_CALL_ID), "00c1000000000007");
    assert_false(zcx_reference_written(request));
    round_trip(request);

    OK(zcx_reference_answer(&answer, request, error));
    assert_true(zcx_reference_written(answer));
    assert_null(zcx_reference_text(answer, ZCX_REFERENCE_INPUT_KEY));
    assert_string_equal(zcx_reference_text(answer, ZCX_REFERENCE_OUTPUT_KEY), "out");
    round_trip(answer);
    FAILS(ZCX_EINVAL, zcx_reference_answer(&bare, answer, error), "no request");

    OK(from_json(&bare, "{\"_lmdb_output_written\": true}", error));
    round_trip(bare);
    zcx_reference_free(request);
    zcx_reference_free(answer);
    zcx_reference_free(bare);
}

static void payloads_travel_in_references(void **state)
{
    (void)state;
    const char *text[ZCXI_REFERENCE_FIELDS] = {NULL,      "out", "/s",
                                               "default", "raw", "0123456789abcdef"};
    uint8_t bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (uint64_t size = 0; size < 20; size++) {
        zcx_reference *reference;
        OK(zcxi_reference_make(&reference, text, bytes + size, size, false, error));
        round_trip(reference);
        zcx_reference_free(reference);
    }
}

static void refused(const char *json, zcx_status status, const char *word)
{
    zcx_reference *out = NULL;
    FAILS(status, from_json(&out, json, error), word);
    assert_null(out);
}

static void hostile_json_is_refused(void **state)
{
    (void)state;
    refused("", ZCX_ECORRUPT, "JSON");
    refused("[]", ZCX_ECORRUPT, "object");
    refused("{}", ZCX_EINVAL, "no _lmdb_ref");
    refused("{\"_lmdb_ref\": 1}", ZCX_EINVAL, "_lmdb_ref is not a boolean");
    refused("{\"_lmdb_ref\": false, " STORE "}", ZCX_EINVAL, "_lmdb_ref is false");
    refused("{\"_lmdb_ref\": true, \"_lmdb_ref\": true}", ZCX_EINVAL, "twice");
    refused("{\"_lmdb_ref\": true, \"x\": {\"y\": 1, \"y\": 2}, " STORE "}", ZCX_EINVAL, "twice");
    refused("{\"_lmdb_ref\": true, " STORE "}", ZCX_EINVAL, "_lmdb_input_key or _lmdb_output_key");
    refused("{\"_lmdb_ref\": true, \"_lmdb_output_key\": \"o\", " STORE "}", ZCX_EINVAL,
            "_lmdb_input_key or _lmdb_data");
    refused("{\"_lmdb_ref\": true, \"_lmdb_input_key\": \"i\", \"_lmdb_data\": \"\", " STORE "}",
            ZCX_EINVAL, "both");
    refused("{\"_lmdb_ref\": true, \"_lmdb_input_key\": \"i\", \"_lmdb_db_path\": \"/s\"}",
            ZCX_EINVAL, "no _lmdb_db_name");
    refused("{\"_lmdb_ref\": true, \"_lmdb_input_key\": 5, " STORE "}", ZCX_EINVAL,
            "_lmdb_input_key is not text");
    refused("{\"_lmdb_ref\": true, \"_lmdb_input_key\": \"\", " STORE "}", ZCX_EINVAL, "empty");
    refused("{\"_lmdb_ref\": true, \"_lmdb_input_key\": \"a\\u0000b\", " STORE "}", ZCX_EINVAL,
            "NUL");
    refused("{\"_lmdb_output_written\": \"yes\"}", ZCX_EINVAL, "_lmdb_output_written");
    refused("{\"_lmdb_output_written\": true, \"_txn_id\": \"00C1000000000007\"}", ZCX_EINVAL,
            "16 hex digits");
    refused("{\"_lmdb_output_written\": true, \"_lmdb_db_path\": \"s\"}", ZCX_EINVAL, "absolute");
    refused("{\"_lmdb_output_written\": true, \"_lmdb_format\": \"pickle\"}", ZCX_EINVAL,
            "not a format");
    static const char *const broken[] = {"A",    "AA",   "AAA",  "A===",  "====",      "AA=A",
                                         "AAB=", "AB==", "A A=", "AAAA=", "AA\\u0000A"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char json[300];
        snprintf(json, sizeof json,
                 "{\"_lmdb_ref\": true, \"_lmdb_output_key\": \"o\", \"_lmdb_data\": \"%s\", " STORE
                 "}",
                 broken[i]);
        refused(json, ZCX_EINVAL, "base64");
    }
}

static void refused_msgpack(const char *bytes, uint64_t length, zcx_status status, const char *word)
{
    zcx_reference *out = NULL;
    FAILS(status, zcx_reference_parse(&out, ZCX_ENCODING_MSGPACK, bytes, length, error), word);
    assert_null(out);
}

static void hostile_msgpack_is_refused(void **state)
{
    (void)state;
#define REFUSED(bytes, status, word) refused_msgpack(bytes, sizeof bytes - 1, status, word)
    REFUSED("", ZCX_ECORRUPT, "msgpack map");
    REFUSED("\x90", ZCX_ECORRUPT, "msgpack map");
    REFUSED("\x80", ZCX_EINVAL, "no _lmdb_ref");
    REFUSED("\x80\x80", ZCX_ECORRUPT, "msgpack map");
    REFUSED("\xdf\xff\xff\xff\xff", ZCX_ECORRUPT, "msgpack map");
    REFUSED("\x81\xa9_lmdb_ref\x01", ZCX_EINVAL, "_lmdb_ref is not a boolean");
    REFUSED("\x81\xa9_lmdb_ref\xc0", ZCX_EINVAL, "_lmdb_ref is not a boolean");
    REFUSED("\x81\xa9_lmdb_ref", ZCX_ECORRUPT, "msgpack map");
    REFUSED("\x81\x01\x02", ZCX_EINVAL, "name that is not text");
    REFUSED("\x82\xa1x\x01\xa1x\x02", ZCX_EINVAL, "\"x\" twice");
    REFUSED("\x81\xaf_lmdb_input_key\xc4\x01i", ZCX_EINVAL, "_lmdb_input_key is not text");
    REFUSED("\x81\xaf_lmdb_input_key\xa2\xff\xfe", ZCX_EINVAL, "UTF-8");
    REFUSED("\x81\xaa_lmdb_data\xa1x", ZCX_EINVAL, "_lmdb_data is not bin");
    REFUSED("\x81\xb4_lmdb_output_written\xc3\xc3", ZCX_ECORRUPT, "msgpack map");
    char many[3 + 65 * 4] = "\xde\x00\x41"; /* 65 pairs */
    for (int i = 0; i < 65; i++)
        memcpy(many + 3 + i * 4,
               (char[]){(char)0xa2, (char)('a' + i / 26), (char)('a' + i % 26), 1}, 4);
    refused_msgpack(many, sizeof many, ZCX_EINVAL, "65 fields");
}

static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    zcx_reference *out;
    static const char packed[] = "\x82\xa3new\x92\x81\x01\x02\xc4\x01z\xb4_lmdb_output_written\xc3";
    OK(zcx_reference_parse(&out, ZCX_ENCODING_MSGPACK, packed, sizeof packed - 1, error));
    assert_true(zcx_reference_written(out));
    zcx_reference_free(out);
    OK(from_json(&out, "{\"new\": [{\"a\": null}], \"_lmdb_output_written\": false}", error));
    assert_false(zcx_reference_written(out));
    zcx_reference_free(out);
}

static void plain_payloads_are_no_references(void **state)
{
    (void)state;
#define IS(encoding, bytes) zcx_reference_is(encoding, bytes, sizeof bytes - 1)
    assert_false(IS(ZCX_ENCODING_JSON, ""));
    assert_false(IS(ZCX_ENCODING_JSON, "{\"a\": \"_lmdb_ref\"}"));
    assert_false(IS(ZCX_ENCODING_JSON, "[{\"_lmdb_ref\": true}]"));
    assert_false(IS(ZCX_ENCODING_JSON, "{\"_lmdb_ref\": true"));
    assert_true(IS(ZCX_ENCODING_JSON, " {\"_lmdb_ref\": true}"));
    assert_false(IS(ZCX_ENCODING_MSGPACK, ""));
    assert_false(IS(ZCX_ENCODING_MSGPACK, "\xa9_lmdb_ref"));
    assert_false(IS(ZCX_ENCODING_MSGPACK, "\x81\xa1z\xa9_lmdb_ref"));
    assert_false(IS(ZCX_ENCODING_MSGPACK, "\xdf\xff\xff\xff\xff\xa9_lmdb_ref\xc3"));
    assert_true(IS(ZCX_ENCODING_MSGPACK, "\x81\xa9_lmdb_ref\xc3"));
    assert_true(IS(ZCX_ENCODING_MSGPACK, "\x82\xa1z\x91\x01\xb4_lmdb_output_written\xc3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_travel_in_both_encodings),
        cmocka_unit_test(payloads_travel_in_references),
        cmocka_unit_test(hostile_json_is_refused),
        cmocka_unit_test(hostile_msgpack_is_refused),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(plain_payloads_are_no_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
