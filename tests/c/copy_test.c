/* zcx_copy copies these bytes, all of them and no others, at every alignment and size class. */
#include "fixture.h"

#define MOST ((size_t)(5 << 20) + 4096)

static void copies_exactly(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 4096, (4 << 20) - 1, 4 << 20, (4 << 20) + 1,
                                   (4 << 20) + 8191, (4 << 20) + 8192 + 65, 5 << 20};
    static const size_t offsets[] = {0, 1, 16, 63, 64, 65, 128, 2047, 2048, 4032, 4095};
    unsigned char *from = malloc(MOST), *to = malloc(MOST + 2);
    for (size_t i = 0; i < MOST; i++)
        from[i] = (unsigned char)(i * 2654435761u >> 13);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t a = 0; a < sizeof offsets / sizeof *offsets; a++) {
            size_t b = offsets[(a * 7 + s) % (sizeof offsets / sizeof *offsets)];
            memset(to, 0xEE, MOST + 2);
            zcx_copy(to + 1 + offsets[a], from + b, sizes[s]);
            assert_memory_equal(to + 1 + offsets[a], from + b, sizes[s]);
            assert_int_equal(to[offsets[a]], 0xEE);
            assert_int_equal(to[1 + offsets[a] + sizes[s]], 0xEE);
        }
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies_exactly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
