/* Typed arrays in msgpack: their bytes, their checks, and finding one in a map. */
#include "notes.h"
#include "unpack.h"

static zcx_array one;
static uint64_t bytes_before;

static void fill_one(zcx_packer *packer)
{
    void *data = NULL;
    zcx_pack_array(packer, &one, &data);
    if (data) {
        assert_int_equal((uintptr_t)data % ZCX_ALIGNMENT, 0);
        memset(data, 0x5a, one.nbytes);
    }
}

static void fill_one_after_bytes(zcx_packer *packer)
{
    static const uint8_t zeros[300];
    zcx_pack_list(packer, 2);
    zcx_pack_bin(packer, zeros, bytes_before);
    fill_one(packer);
}

static void arrays_are_aligned_wherever_they_begin(void **state)
{
    (void)state;
    char expected[100];
    uint64_t shape[] = {0};
    for (bytes_before = 0; bytes_before < 300; bytes_before++) {
        shape[0] = bytes_before;
        one = (zcx_array){sizeof one, "<i4", shape, 1, 'C', 4 * bytes_before, NULL};
        snprintf(expected, sizeof expected, "[bin%llu@0 <i4(%llu)C+%llu@1 ",
                 (unsigned long long)bytes_before, (unsigned long long)shape[0],
                 (unsigned long long)one.nbytes);
        assert_reads(buffer, pack(buffer, fill_one_after_bytes), expected);
    }
}

static void wrong_arrays_are_refused(void **state)
{
    (void)state;
    static const uint64_t two[] = {2}, huge[] = {UINT64_MAX / 2, 4}, none[] = {UINT64_MAX, 0, 9};
    const zcx_array bad[] = {{sizeof one, "<f8", two, 1, 'C', 15, NULL},
                             {sizeof one, "<f8", huge, 2, 'C', 16, NULL},
                             {sizeof one, "<f8", none, 3, 'C', 8, NULL},
                             {sizeof one, "f8", two, 1, 'C', 16, NULL},
                             {sizeof one, "=f8", two, 1, 'C', 16, NULL},
                             {sizeof one, "|O8", two, 1, 'C', 16, NULL},
                             {sizeof one, "<f3", two, 1, 'C', 6, NULL},
                             {sizeof one, "|i4", two, 1, 'C', 8, NULL},
                             {sizeof one, "<f8x", two, 1, 'C', 16, NULL},
                             {sizeof one, "<M8[", two, 1, 'C', 16, NULL},
                             {sizeof one, "", two, 1, 'C', 16, NULL},
                             {sizeof one, "[[\"a\",\"<i4\"]]", two, 1, 0, 7, NULL},
                             {sizeof one, NULL, two, 1, 'C', 16, NULL},
                             {sizeof one, "<f8", NULL, 1, 'C', 16, NULL},
                             {sizeof one, "<f8", two, 1, 'K', 16, NULL},
                             {0, "<f8", two, 1, 'C', 16, NULL},
                             {sizeof one, "<S1", two, 1, 'C', 2, NULL},
                             {sizeof one, "<u99999999999", two, 1, 'C', 2, NULL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        one = bad[i];
        assert_int_equal(pack_fails(fill_one, NULL, 0), ZCX_EINVAL);
    }
    one = (zcx_array){sizeof one, "<f8", two, ZCX_DIMENSIONS_MAX + 1, 'C', 16, NULL};
    assert_int_equal(pack_fails(fill_one, NULL, 0), ZCX_ELIMIT);
    uint64_t large[] = {ZCX_PAYLOAD_MAX};
    one = (zcx_array){sizeof one, "|u1", large, 1, 'C', large[0], NULL};
    assert_int_equal(pack_fails(fill_one, NULL, 0), ZCX_ELIMIT);
}

static void every_kind_of_dtype_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        uint64_t itemsize;
    } kinds[] = {{"|b1", 1},      {"|i1", 1},   {"<u2", 2},
                 {">i4", 4},      {"<u8", 8},   {"<f2", 2},
                 {">f4", 4},      {"<f16", 16}, {"<c8", 8},
                 {"<c16", 16},    {"<c32", 32}, {"<M8[ns]", 8},
                 {">m8[25s]", 8}, {"<M8", 8},   {"<M8[us]", 8},
                 {"|S5", 5},      {"<U3", 12},  {">U3", 12},
                 {"|V7", 7},      {"|S0", 0},   {"[[\"a\",\"<i4\"],[\"b\",\"<f8\",[2]]]", 20}};
    uint64_t shape[] = {3, 1, 2};
    char expected[200];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        one = (zcx_array){sizeof one, kinds[i].dtype, shape, 3, 'F', 6 * kinds[i].itemsize, NULL};
        snprintf(expected, sizeof expected, "%s(3,1,2)F+%llu", one.dtype,
                 (unsigned long long)one.nbytes);
        assert_reads(buffer, pack(buffer, fill_one), expected);
    }
}

/* Byte by byte: an int8 array of one element 0x5a, then each way to get it wrong. */
static void the_bytes_of_an_array_are_checked(void **state)
{
    (void)state;
    uint64_t shape[] = {1};
    one = (zcx_array){sizeof one, "|i1", shape, 1, 0, 1, NULL};
    uint64_t length = pack(buffer, fill_one);
    uint8_t good[65] = "\xc9\0\0\0\x3b\x4e\x3a\0\0\0\x93\xa3|i1\x91\x01\xa1"
                       "C";
    good[64] = 0x5a;
    assert_int_equal(length, 65);
    assert_memory_equal(buffer, good, 65);

    static const struct {
        size_t at;
        uint8_t byte;
    } bad[] = {{6, 0x39},  {6, 0},    {6, 0x3c}, {9, 0x80},  {10, 0x92}, {11, 0xc4},
               {12, 'x'},  {13, 'O'}, {12, 0},   {15, 0x90}, {15, 0x92}, {16, 0x02},
               {16, 0xff}, {18, 'K'}, {19, 1},   {63, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(buffer, good, 65);
        buffer[bad[i].at] = bad[i].byte;
        if (bad[i].at == 15 && bad[i].byte == 0x90) buffer[16] = 0xa1; /* () then garbage */
        assert_refused(buffer, 65, ZCX_ECORRUPT);
    }
    assert_refused("\xd4\x4e\x00", 3, ZCX_ECORRUPT);
    assert_refused("\xc7\x00\x4e", 3, ZCX_ECORRUPT);
    assert_refused("\xd6\x4e\x04\0\0\0", 6, ZCX_ECORRUPT);
    assert_reads("\xc7\x00\x4d", 3, "ext77+0");
    assert_reads("\xd4\xff\x00", 3, "ext-1+1");
    assert_reads("\xd8\x05"
                 "0123456789abcdef",
                 18, "ext5+16");
}

/* ---- finding one --------------------------------------------------------------------------- */

static zcx_status find(uint64_t length, const char *name, zcx_array *out)
{
    static uint64_t shape[ZCX_DIMENSIONS_MAX];
    static char dtype[16];
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status =
        zcxi_msgpack_find(buffer, length, name, out, shape, dtype, sizeof dtype, &error);
    assert_int_equal(error.status, status);
    return status;
}

static void one_array_is_found_in_a_map(void **state)
{
    (void)state;
    zcx_array found;
    uint64_t length = pack(buffer, fill_mixed);
    assert_int_equal(find(length, "a", &found), ZCX_OK);
    assert_string_equal(found.dtype, "<f8");
    assert_int_equal(found.ndim, 2);
    assert_int_equal(found.shape[1], 3);
    assert_int_equal(found.order, 'F');
    assert_int_equal(found.nbytes, 48);
    assert_int_equal(*(uint8_t *)found.data, 0x11);
    assert_int_equal(find(length, "b", &found), ZCX_ENOTFOUND);
    assert_int_equal(find(length - 1, "b", &found), ZCX_ECORRUPT);
    for (uint64_t cut = 0; cut < 70; cut++)
        assert_int_equal(find(cut, "a", &found), ZCX_ECORRUPT);
    memcpy(buffer,
           "\x82\x91\xa1"
           "a\x01\xa1"
           "a\x01",
           8);
    assert_int_equal(find(8, "a", &found), ZCX_EINVAL);
    assert_int_equal(find(1, "a", &found), ZCX_ECORRUPT);
    buffer[0] = 0x92;
    assert_int_equal(find(8, "a", &found), ZCX_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_aligned_wherever_they_begin),
        cmocka_unit_test(wrong_arrays_are_refused),
        cmocka_unit_test(every_kind_of_dtype_is_kept),
        cmocka_unit_test(the_bytes_of_an_array_are_checked),
        cmocka_unit_test(one_array_is_found_in_a_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
