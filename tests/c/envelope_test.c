/* The envelope: what goes in comes out, and nothing that was altered is believed. */
#include "envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER sizeof(struct zcxi_header)

/* A record with an inline payload of `length` bytes, in memory of just its size; free it. */
static uint8_t *make_record(size_t *size, const zcx_envelope *envelope, size_t length)
{
    uint8_t extras[ZCXI_EXTRAS_MAX];
    size_t used = 0;
    zcx_error error = ZCX_ERROR_INIT;
    if (zcxi_extras_encode(extras, sizeof extras, &used, envelope, length, &error) != ZCX_OK)
        fail_msg("%s", error.message);
    struct zcxi_header header = {.format = (uint8_t)envelope->format,
                                 .flags = (uint16_t)envelope->flags,
                                 .header_length = (uint32_t)(HEADER + used),
                                 .payload_length = length,
                                 .payload_offset = HEADER + used,
                                 .transaction = 77,
                                 .created = 1000,
                                 .expires = 2000};
    zcxi_header_seal(&header, extras, used);
    *size = HEADER + used + length;
    uint8_t *record = malloc(*size);
    memcpy(record, &header, HEADER);
    memcpy(record + HEADER, extras, used);
    memset(record + HEADER + used, 0x33, length);
    return record;
}

static zcx_status read_record(zcx_envelope *out, void *arena, const uint8_t *record, size_t size,
                              zcx_error *error)
{
    struct zcxi_header header;
    zcx_status status = zcxi_header_read(&header, record, size, "key", 3, error);
    if (status != ZCX_OK) return status;
    zcxi_header_show(out, &header);
    return zcxi_extras_decode(out, record + HEADER, header.header_length - HEADER, arena, error);
}

static uint64_t arena[ZCXI_ARENA_SIZE(ZCXI_EXTRAS_MAX) / 8 + 1];
static uint64_t shape[] = {2, 0, UINT64_MAX};

static zcx_envelope full_envelope(void)
{
    return (zcx_envelope){.struct_size = sizeof(zcx_envelope),
                          .format = ZCX_NUMPY,
                          .source = "engine",
                          .target = "delays \xc3\xbc",
                          .content_type = "application/x-array",
                          .dtype = "<f8",
                          .shape = shape,
                          .ndim = 3,
                          .order = 'F'};
}

static void all_fields_survive(void **state)
{
    (void)state;
    size_t size;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope in = full_envelope(), out = ZCX_ENVELOPE_INIT;
    uint8_t *record = make_record(&size, &in, 0);
    if (read_record(&out, arena, record, size, &error) != ZCX_OK) fail_msg("%s", error.message);
    assert_string_equal(out.source, in.source);
    assert_string_equal(out.target, in.target);
    assert_string_equal(out.content_type, in.content_type);
    assert_string_equal(out.dtype, in.dtype);
    assert_memory_equal(out.shape, shape, sizeof shape);
    assert_int_equal(out.ndim, 3);
    assert_int_equal(out.order, 'F');
    assert_int_equal(out.format, ZCX_NUMPY);
    assert_int_equal(out.transaction, 77);
    assert_int_equal(out.created, 1000);
    assert_int_equal(out.expires, 2000);
    assert_false(out.in_slot);
    free(record);
}

static void no_envelope_is_one_byte_of_extras(void **state)
{
    (void)state;
    uint8_t extras[2] = {0, 0};
    size_t used;
    assert_int_equal(zcxi_extras_encode(extras, 2, &used, NULL, 10, NULL), ZCX_OK);
    assert_int_equal(used, 1);
    assert_int_equal(extras[0], 0x80);
    assert_int_equal(extras[1], 0);
    assert_int_equal(zcxi_extras_encode(extras, 0, &used, NULL, 10, NULL), ZCX_ELIMIT);
}

static void every_flipped_bit_of_header_and_extras_is_detected(void **state)
{
    (void)state;
    size_t size;
    struct zcxi_header header;
    zcx_envelope in = full_envelope();
    uint8_t *record = make_record(&size, &in, 0);
    for (size_t bit = 0; bit < size * 8; bit++) {
        zcx_error error = ZCX_ERROR_INIT;
        record[bit / 8] ^= 1 << bit % 8;
        zcx_status status = zcxi_header_read(&header, record, size, "key", 3, &error);
        assert_int_equal(status, bit / 8 == 4 ? ZCX_EVERSION : ZCX_ECORRUPT);
        assert_non_null(strstr(error.message, "\"key\""));
        record[bit / 8] ^= 1 << bit % 8;
    }
    assert_int_equal(zcxi_header_read(&header, record, size, "key", 3, NULL), ZCX_OK);
    free(record);
}

static void every_truncation_is_detected(void **state)
{
    (void)state;
    size_t size;
    struct zcxi_header header;
    zcx_envelope in = {.struct_size = sizeof in, .source = "me"};
    uint8_t *record = make_record(&size, &in, 100);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, record, cut);
        assert_int_equal(zcxi_header_read(&header, exact, cut, "key", 3, NULL), ZCX_ECORRUPT);
        free(exact);
    }
    free(record);
}

/* What a foreign writer could seal with a right checksum, and still must not get through. */
static void sealed_nonsense_is_refused(void **state)
{
    (void)state;
    const struct zcxi_header good = {
        .header_length = 73, .payload_length = 4, .payload_offset = 73};
    struct zcxi_header bad[12], header;
    for (size_t i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].flags = 8;
    bad[1].payload_length = 5;
    bad[2].payload_length = ZCX_PAYLOAD_MAX + 1;
    bad[3].payload_offset = 72;
    bad[4].slot = 1;
    bad[5].generation = 1;
    bad[6].payload_crc = 1;
    bad[7].header_length = 72;
    bad[8].header_length = 78;
    bad[9].header_length = UINT32_MAX;
    bad[10].flags = ZCXI_FLAG_SLOT;                   /* slot 0 */
    bad[11].flags = ZCXI_FLAG_SLOT, bad[11].slot = 1; /* with bytes behind it */
    uint8_t record[77] = {[72] = 0x80};
    for (size_t i = 0; i < 12; i++) {
        zcxi_header_seal(&bad[i], record + 72, 1);
        memcpy(record, &bad[i], HEADER);
        assert_int_equal(zcxi_header_read(&header, record, sizeof record, "k", 1, NULL),
                         i ? ZCX_ECORRUPT : ZCX_EVERSION);
    }
    header = good;
    zcxi_header_seal(&header, record + 72, 1);
    memcpy(record, &header, HEADER);
    assert_int_equal(zcxi_header_read(&header, record, sizeof record, "k", 1, NULL), ZCX_OK);
}

static void what_a_caller_gives_is_checked(void **state)
{
    (void)state;
    uint8_t extras[100];
    size_t used;
    const uint64_t two[] = {2};
    const struct {
        zcx_envelope envelope;
        uint64_t length;
        zcx_status status;
    } cases[] = {{{.struct_size = 0}, 0, ZCX_EINVAL},
                 {{.format = 5}, 0, ZCX_EINVAL},
                 {{.flags = ZCXI_FLAG_SLOT}, 0, ZCX_EINVAL},
                 {{.flags = 8}, 0, ZCX_EINVAL},
                 {{.ttl_ms = -2}, 0, ZCX_EINVAL},
                 {{.ttl_ms = INT64_MAX}, 0, ZCX_EINVAL},
                 {{.source = "\xff"}, 0, ZCX_EINVAL},
                 {{.dtype = "<f8"}, 16, ZCX_EINVAL},
                 {{.shape = two, .ndim = 1}, 16, ZCX_EINVAL},
                 {{.order = 'C'}, 16, ZCX_EINVAL},
                 {{.format = ZCX_NUMPY}, 16, ZCX_EINVAL},
                 {{.format = ZCX_NUMPY, .dtype = "<f8"}, 16, ZCX_EINVAL},
                 {{.format = ZCX_NUMPY, .dtype = "<f8", .shape = two, .ndim = 1}, 15, ZCX_EINVAL},
                 {{.format = ZCX_NUMPY, .dtype = "<f8", .ndim = 1}, 8, ZCX_EINVAL},
                 {{.format = ZCX_NUMPY, .dtype = "<f8", .shape = two, .ndim = 65}, 8, ZCX_ELIMIT},
                 {{.format = ZCX_NUMPY, .dtype = "<f8", .shape = two, .ndim = 1, .order = 'K'},
                  16,
                  ZCX_EINVAL},
                 {{.format = ZCX_NUMPY, .dtype = "<f8", .shape = two, .ndim = 1}, 16, ZCX_OK},
                 {{.format = ZCX_NUMPY, .dtype = "<f8"}, 8, ZCX_OK},
                 {{.format = ZCX_ARROW}, ZCX_PAYLOAD_MAX, ZCX_OK},
                 {{.format = ZCX_RAW}, ZCX_PAYLOAD_MAX + 1, ZCX_ELIMIT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zcx_error error = ZCX_ERROR_INIT;
        zcx_envelope envelope = cases[i].envelope;
        if (i) envelope.struct_size = sizeof envelope;
        zcx_status status =
            zcxi_extras_encode(extras, sizeof extras, &used, &envelope, cases[i].length, &error);
        if (status != cases[i].status) fail_msg("case %zu: %d %s", i, status, error.message);
        assert_int_equal(error.status, status);
    }
}

static void extras_stay_within_their_room(void **state)
{
    (void)state;
    uint8_t extras[64];
    size_t whole, used;
    zcx_envelope envelope = {.struct_size = sizeof envelope, .source = "abc", .target = "de"};
    assert_int_equal(zcxi_extras_encode(extras, 64, &whole, &envelope, 0, NULL), ZCX_OK);
    for (size_t room = 0; room < whole; room++) {
        memset(extras, 0xee, 64);
        assert_int_equal(zcxi_extras_encode(extras, room, &used, &envelope, 0, NULL), ZCX_ELIMIT);
        for (size_t i = room; i < 64; i++)
            assert_int_equal(extras[i], 0xee);
    }
    assert_int_equal(zcxi_extras_encode(extras, whole, &used, &envelope, 0, NULL), ZCX_OK);
}

static zcx_status decode(const char *extras, size_t length, uint32_t format, uint64_t payload)
{
    zcx_envelope out = {.struct_size = sizeof out, .format = format, .length = payload};
    uint8_t *exact = malloc(length ? length : 1);
    memcpy(exact, extras, length);
    void *room = malloc(ZCXI_ARENA_SIZE(length));
    zcx_status status = zcxi_extras_decode(&out, exact, length, room, NULL);
    free(room);
    free(exact);
    return status;
}

#define DECODE(text, format, payload) decode(text, sizeof text - 1, format, payload)
#define NUMPY_EXTRAS                                                                               \
    "\x83\xa5"                                                                                     \
    "dtype\xa3<f8\xa5"                                                                             \
    "shape\x91\x02\xa5"                                                                            \
    "order\xa1"                                                                                    \
    "C"

static void extras_are_read_strictly(void **state)
{
    (void)state;
    assert_int_equal(DECODE("\x80", ZCX_RAW, 9), ZCX_OK);
    assert_int_equal(DECODE("\x82\xa4"
                            "more\x92\x01\x81\x01\xc0\x07\xc0",
                            ZCX_RAW, 9),
                     ZCX_OK);
    assert_int_equal(DECODE("\x81\xa6source\xa0", ZCX_RAW, 9), ZCX_OK);
    assert_int_equal(DECODE(NUMPY_EXTRAS, ZCX_NUMPY, 16), ZCX_OK);

    assert_int_equal(DECODE(NUMPY_EXTRAS, ZCX_NUMPY, 17), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x80", ZCX_NUMPY, 16), ZCX_ECORRUPT);
    assert_int_equal(DECODE("", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x90", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x80\x80", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x81", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x81\xa6source\x01", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x81\xa6source\xa1\xff", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x81\xa6source\xa1\0", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x82\xa6source\xa1x\xa6source\xa1x", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x81\xa5order\xa1K", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x81\xa5shape\xdd\xff\xff\xff\xff\x01", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\x81\xa5shape\x91\xff", ZCX_RAW, 9), ZCX_ECORRUPT);
    assert_int_equal(DECODE("\xdf\xff\xff\xff\xff", ZCX_RAW, 9), ZCX_ECORRUPT);
    for (size_t cut = 0; cut < sizeof NUMPY_EXTRAS - 1; cut++)
        assert_int_equal(decode(NUMPY_EXTRAS, cut, ZCX_NUMPY, 16), ZCX_ECORRUPT);
}

static void formats_have_names(void **state)
{
    (void)state;
    zcx_format format;
    for (uint32_t tag = 0; tag <= ZCX_ARROW; tag++) {
        assert_int_equal(zcx_format_parse(&format, zcx_format_name(tag), NULL), ZCX_OK);
        assert_int_equal(format, tag);
    }
    zcx_error error = ZCX_ERROR_INIT;
    assert_string_equal(zcx_format_name(5), "unknown");
    assert_string_equal(zcx_format_name(UINT32_MAX), "unknown");
    assert_int_equal(zcx_format_parse(&format, "xml", &error), ZCX_EINVAL);
    assert_non_null(strstr(error.message, "\"xml\""));
    assert_int_equal(zcx_format_parse(&format, NULL, NULL), ZCX_EINVAL);
}

static void keys_are_shown_printable_and_cut(void **state)
{
    (void)state;
    char text[ZCXI_KEY_TEXT], key[ZCX_KEY_MAX];
    assert_string_equal(zcxi_key_text(text, "input:a:1", 9), "\"input:a:1\"");
    assert_string_equal(zcxi_key_text(text, "a\n\0b\x7f", 5), "\"a??b?\"");
    assert_string_equal(zcxi_key_text(text, "\xc3\xa4", 2), "\"\xc3\xa4\"");
    assert_string_equal(zcxi_key_text(text,
                                      "\xff"
                                      "a",
                                      2),
                        "\"?a\"");
    memset(key, 'x', sizeof key);
    key[63] = '\xc3';
    key[64] = '\xa4'; /* a character across the cut */
    zcxi_key_text(text, key, sizeof key);
    assert_int_equal(strlen(text), 1 + 63 + 4);
    memset(key, 0x80, sizeof key);
    zcxi_key_text(text, key, sizeof key);
}

static void checksums_are_crc32c(void **state)
{
    (void)state;
    assert_int_equal(zcxi_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(zcxi_crc32c(0, "", 0), 0);
    uint8_t bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    uint32_t whole = zcxi_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++)
        assert_int_equal(zcxi_crc32c(zcxi_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut),
                         whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_survive),
        cmocka_unit_test(no_envelope_is_one_byte_of_extras),
        cmocka_unit_test(every_flipped_bit_of_header_and_extras_is_detected),
        cmocka_unit_test(every_truncation_is_detected),
        cmocka_unit_test(sealed_nonsense_is_refused),
        cmocka_unit_test(what_a_caller_gives_is_checked),
        cmocka_unit_test(extras_stay_within_their_room),
        cmocka_unit_test(extras_are_read_strictly),
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(keys_are_shown_printable_and_cut),
        cmocka_unit_test(checksums_are_crc32c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
