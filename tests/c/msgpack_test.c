/* The msgpack writer and reader: every object's edges, and hostile bytes. */
#include "notes.h"

static int64_t packed_int;
static uint64_t packed_uint;

static void fill_int(zcx_packer *packer)
{
    zcx_pack_int(packer, packed_int);
}

static void fill_uint(zcx_packer *packer)
{
    zcx_pack_uint(packer, packed_uint);
}

static void integers_keep_their_value_and_take_the_shortest_form(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        uint64_t length;
    } cases[] = {{0, 1},
                 {127, 1},
                 {128, 2},
                 {255, 2},
                 {256, 3},
                 {65535, 3},
                 {65536, 5},
                 {UINT32_MAX, 5},
                 {1ll << 32, 9},
                 {INT64_MAX, 9},
                 {-1, 1},
                 {-32, 1},
                 {-33, 2},
                 {-128, 2},
                 {-129, 3},
                 {-32768, 3},
                 {-32769, 5},
                 {INT32_MIN, 5},
                 {INT32_MIN - 1ll, 9},
                 {INT64_MIN, 9}};
    char expected[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        packed_int = cases[i].value;
        uint64_t length = pack(buffer, fill_int);
        assert_int_equal(length, cases[i].length);
        snprintf(expected, sizeof expected, "%lld", (long long)packed_int);
        assert_reads(buffer, length, expected);
    }
    packed_uint = INT64_MAX;
    assert_reads(buffer, pack(buffer, fill_uint), "9223372036854775807");
    packed_uint++;
    assert_reads(buffer, pack(buffer, fill_uint), "9223372036854775808u");
    packed_uint = UINT64_MAX;
    assert_reads(buffer, pack(buffer, fill_uint), "18446744073709551615u");
}

static void integers_of_every_width_are_read(void **state)
{
    (void)state;
    assert_reads("\xd0\xff", 2, "-1");
    assert_reads("\xd1\x00\x05", 3, "5");
    assert_reads("\xd2\xff\xff\xff\xfe", 5, "-2");
    assert_reads("\xd3\x80\0\0\0\0\0\0\0", 9, "-9223372036854775808");
    assert_reads("\xcf\0\0\0\0\0\0\0\x07", 9, "7");
    assert_reads("\xca\x3f\xc0\0\0", 5, "0x1.8p+0");
}

static void containers_and_arrays_survive(void **state)
{
    (void)state;
    uint64_t length = pack(buffer, fill_mixed);
    assert_reads(buffer, length, MIXED);
}

static void truncation_and_trailing_bytes_are_corrupt(void **state)
{
    (void)state;
    uint64_t length = pack(buffer, fill_mixed);
    for (uint64_t cut = 0; cut < length; cut++)
        assert_refused(buffer, cut, ZCX_ECORRUPT);
    buffer[length] = 0xc0;
    assert_refused(buffer, length + 1, ZCX_ECORRUPT);
}

static void no_flipped_bit_gets_past_the_bounds(void **state)
{
    (void)state;
    char out[4 * BUFFER];
    uint64_t length = pack(buffer, fill_mixed);
    for (uint64_t bit = 0; bit < length * 8; bit++) {
        struct notes notes = {0};
        buffer[bit / 8] ^= 1 << bit % 8;
        zcx_status status = read_as(out, buffer, length, &notes, NULL);
        assert_true(status == ZCX_OK || status == ZCX_ECORRUPT);
        buffer[bit / 8] ^= 1 << bit % 8;
    }
}

static void a_buffer_smaller_than_counted_is_never_overrun(void **state)
{
    (void)state;
    uint64_t length = pack(buffer, fill_mixed);
    for (uint64_t capacity = 0; capacity < length; capacity++) {
        memset(buffer, 0xee, BUFFER);
        assert_int_equal(pack_fails(fill_mixed, buffer, capacity), ZCX_ELIMIT);
        for (uint64_t i = capacity; i < BUFFER; i++)
            assert_int_equal(buffer[i], 0xee);
    }
    assert_int_equal(pack_fails(fill_mixed, buffer, length), ZCX_OK);
}

static void a_stopping_builder_leaks_nothing(void **state)
{
    (void)state;
    char out[4 * BUFFER];
    uint64_t length = pack(buffer, fill_mixed);
    int stop_after = 1;
    for (;; stop_after++) {
        struct notes notes = {.stop_after = stop_after};
        zcx_error error = ZCX_ERROR_INIT;
        zcx_status status = read_as(out, buffer, length, &notes, &error);
        if (status == ZCX_OK) break;
        assert_int_equal(status, ZCX_EFAILED);
        assert_int_equal(error.status, ZCX_OK);
    }
    assert_true(stop_after > 20);
}

/* ---- containers ---------------------------------------------------------------------------- */

static void fill_nothing(zcx_packer *packer)
{
    (void)packer;
}

static void fill_two(zcx_packer *packer)
{
    zcx_pack_nil(packer);
    assert_int_equal(zcx_pack_nil(packer), ZCX_EINVAL);
    assert_int_equal(zcx_pack_list(packer, 1), ZCX_EINVAL); /* the first failure stays */
}

static void fill_too_few(zcx_packer *packer)
{
    zcx_pack_list(packer, 2);
    zcx_pack_nil(packer);
}

static void fill_half_a_pair(zcx_packer *packer)
{
    zcx_pack_map(packer, 1);
    zcx_pack_nil(packer);
}

static void fill_too_many(zcx_packer *packer)
{
    zcx_pack_list(packer, 1);
    zcx_pack_nil(packer);
    zcx_pack_nil(packer);
}

static void counts_have_to_be_kept(void **state)
{
    (void)state;
    assert_int_equal(pack_fails(fill_nothing, NULL, 0), ZCX_EINVAL);
    assert_int_equal(pack_fails(fill_two, NULL, 0), ZCX_EINVAL);
    assert_int_equal(pack_fails(fill_too_few, NULL, 0), ZCX_EINVAL);
    assert_int_equal(pack_fails(fill_half_a_pair, NULL, 0), ZCX_EINVAL);
    assert_int_equal(pack_fails(fill_too_many, NULL, 0), ZCX_EINVAL);
}

static int nesting;

static void fill_nested(zcx_packer *packer)
{
    for (int i = 1; i < nesting; i++) {
        if (i % 2)
            zcx_pack_map(packer, 1), zcx_pack_int(packer, i);
        else
            zcx_pack_list(packer, 1);
    }
    zcx_pack_list(packer, 0);
}

static void nesting_has_its_limit(void **state)
{
    (void)state;
    char out[4 * BUFFER];
    struct notes notes = {0};
    nesting = ZCX_NESTING_MAX;
    uint64_t length = pack(buffer, fill_nested);
    assert_int_equal(read_as(out, buffer, length, &notes, NULL), ZCX_OK);
    nesting++;
    assert_int_equal(pack_fails(fill_nested, NULL, 0), ZCX_ELIMIT);

    zcx_error error = ZCX_ERROR_INIT;
    memset(buffer, 0x91, ZCX_NESTING_MAX);
    buffer[ZCX_NESTING_MAX] = 0xc0;
    assert_int_equal(read_as(out, buffer, ZCX_NESTING_MAX + 1, &notes, &error), ZCX_OK);
    buffer[ZCX_NESTING_MAX] = 0x90;
    assert_int_equal(read_as(out, buffer, ZCX_NESTING_MAX + 1, &notes, &error), ZCX_ELIMIT);
    assert_non_null(strstr(error.message, "512"));
}

static void hostile_counts_reach_no_builder(void **state)
{
    (void)state;
    char out[4 * BUFFER];
    struct notes notes = {0};
    assert_refused("\xdd\xff\xff\xff\xff\xc0", 6, ZCX_ECORRUPT);
    assert_refused("\xdf\xff\xff\xff\xff\xc0\xc0", 7, ZCX_ECORRUPT);
    assert_refused("\xdf\x80\0\0\0\xc0\xc0", 7, ZCX_ECORRUPT); /* twice 2^31 wraps in 32 bits */
    assert_refused("\xdb\xff\xff\xff\xff\x61", 6, ZCX_ECORRUPT);
    assert_refused("\xc6\xff\xff\xff\xff\x61", 6, ZCX_ECORRUPT);
    assert_refused("\xc9\xff\xff\xff\xff\x4e", 6, ZCX_ECORRUPT); /* its length + 1 wraps */
    assert_refused("\xc9\xff\xff\xff\xfe\x4e", 6, ZCX_ECORRUPT);
    assert_refused("\xc1", 1, ZCX_ECORRUPT);
    assert_refused("\x92\xc0\xc1", 3, ZCX_ECORRUPT);

    /* Nested lists that each claim all the bytes left: only the first can be true. */
    uint8_t bomb[5 * 400 + 100];
    for (int i = 0; i < 400; i++)
        memcpy(bomb + 5 * i, "\xdd\0\0\x07\x6c", 5); /* 1,900 items */
    memset(bomb + 2000, 0xc0, 100);
    assert_int_equal(read_as(out, bomb, sizeof bomb, &notes, NULL), ZCX_ECORRUPT);
    assert_true(notes.most_items <= sizeof bomb);
}

static void strs_are_utf8(void **state)
{
    (void)state;
    assert_reads("\xa4\xf0\x9f\x90\x8d", 5, "'\xf0\x9f\x90\x8d'");
    static const char *const bad[] = {"\xa1\x80",
                                      "\xa1\xc3",
                                      "\xa2\xc0\x80",
                                      "\xa3\xe0\x80\x80",
                                      "\xa3\xed\xa0\x80",
                                      "\xa4\xf4\x90\x80\x80",
                                      "\xa4\xf8\x88\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(bad[i], strlen(bad[i]), ZCX_ECORRUPT);
}

static void fill_bad_str(zcx_packer *packer)
{
    zcx_pack_str(packer, "\xff", 1);
}

static void a_str_to_write_is_utf8_too(void **state)
{
    (void)state;
    assert_int_equal(pack_fails(fill_bad_str, buffer, BUFFER), ZCX_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_keep_their_value_and_take_the_shortest_form),
        cmocka_unit_test(integers_of_every_width_are_read),
        cmocka_unit_test(containers_and_arrays_survive),
        cmocka_unit_test(truncation_and_trailing_bytes_are_corrupt),
        cmocka_unit_test(no_flipped_bit_gets_past_the_bounds),
        cmocka_unit_test(a_buffer_smaller_than_counted_is_never_overrun),
        cmocka_unit_test(a_stopping_builder_leaks_nothing),
        cmocka_unit_test(counts_have_to_be_kept),
        cmocka_unit_test(nesting_has_its_limit),
        cmocka_unit_test(hostile_counts_reach_no_builder),
        cmocka_unit_test(strs_are_utf8),
        cmocka_unit_test(a_str_to_write_is_utf8_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
