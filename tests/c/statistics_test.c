/* The two calculators against plain loops: every dtype, missing values, empty and odd inputs. */
#include "exchange_fixture.h"
#include "unpack.h"

#include <math.h>

#define ROWS_MAX 5000

static struct place place;

static int open_place(void **state)
{
    (void)state;
    place_open(&place);
    return 0;
}

static int close_place(void **state)
{
    (void)state;
    assert_int_equal(records(&place), 0);
    place_close(&place);
    return 0;
}

static zcx_calculator *opened(const char *type, const char *options)
{
    char json[2048], more[1000];
    zcx_calculator *calculator = NULL;
    snprintf(more, sizeof more,
             ", \"plugin\": \"%s/calculators/%s.so\", \"type\": \"%s\", "
             "\"options\": %s",
             ZCX_BINARY_DIR, type, type, options);
    OK(zcx_calculator_open(&calculator, config_of(json, &place, "both", more), error));
    return calculator;
}

struct column {
    const char *name, *dtype;
    uint64_t rows, itemsize;
    const void *data;
};

/* A call whose input is a map of these columns. */
static zcx_call *call_with(zcx_calculator *calculator, const struct column *columns, int count)
{
    zcx_call *call;
    void *buffer = NULL, *to;
    uint64_t size = 0, length;
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    for (int pass = 0; pass < 2; pass++) {
        zcx_packer *packer;
        if (pass) OK(zcx_call_input(&buffer, call, size, error));
        OK(zcx_packer_open(&packer, buffer, size, error));
        zcx_pack_map(packer, (uint64_t)count);
        for (int i = 0; i < count; i++) {
            zcx_array array = {.struct_size = sizeof array, .dtype = columns[i].dtype};
            array.shape = &columns[i].rows;
            array.ndim = 1;
            array.nbytes = columns[i].rows * columns[i].itemsize;
            zcx_pack_str(packer, columns[i].name, strlen(columns[i].name));
            zcx_pack_array(packer, &array, &to);
            if (pass && array.nbytes) memcpy(to, columns[i].data, array.nbytes);
        }
        OK(zcx_packer_close(packer, &length, error));
        size = length;
    }
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.format = ZCX_MSGPACK;
    OK(zcx_call_submit(call, size, &envelope, error));
    return call;
}

static const void *result_column(zcx_call *call, const char *name, const char *dtype,
                                 uint64_t *rows)
{
    const void *data;
    uint64_t length, shape[ZCX_DIMENSIONS_MAX];
    char seen[100];
    zcx_array array = {.struct_size = sizeof array};
    OK(zcx_call_result(&data, &length, NULL, call, error));
    OK(zcxi_msgpack_find(data, length, name, &array, shape, seen, sizeof seen, error));
    assert_string_equal(array.dtype, dtype);
    if (rows) *rows = shape[0];
    return array.data;
}

static void close_to(double a, double b)
{
    if (isnan(a) && isnan(b)) return;
    if (a == b) return;
    if (!(fabs(a - b) <= 1e-12 * fmax(1, fmax(fabs(a), fabs(b)))))
        fail_msg("%.17g is not %.17g", a, b);
}

static uint32_t seed = 1;

static uint32_t next_random(void)
{
    return (seed = seed * 1664525 + 1013904223) >> 8;
}

/* ---- group_delays ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, uint64_t n, double q)
{
    double at = q * (double)(n - 1);
    uint64_t k = (uint64_t)at;
    return n ? sorted[k] + (k + 1 < n ? (at - (double)k) * (sorted[k + 1] - sorted[k]) : 0) : NAN;
}

/* One group's row against the definition. */
static void check_group(zcx_call *call, uint64_t row, double *delays, uint64_t n, uint64_t missing)
{
    long double sum = 0, squares = 0;
    qsort(delays, n, sizeof *delays, ascending);
    for (uint64_t i = 0; i < n; i++)
        sum += delays[i];
    long double mean = sum / n;
    for (uint64_t i = 0; i < n; i++)
        squares += (delays[i] - mean) * (delays[i] - mean);
#define GOT(name) ((const double *)result_column(call, name, "<f8", NULL))[row]
    assert_int_equal(((const int64_t *)result_column(call, "count", "<i8", NULL))[row], n);
    assert_int_equal(((const int64_t *)result_column(call, "missing", "<i8", NULL))[row], missing);
    close_to(GOT("mean"), n ? (double)mean : NAN);
    close_to(GOT("std"), n > 1 ? (double)sqrtl(squares / (n - 1)) : NAN);
    close_to(GOT("min"), n ? delays[0] : NAN);
    close_to(GOT("max"), n ? delays[n - 1] : NAN);
    const double *quantiles = result_column(call, "quantiles", "<f8", NULL);
    close_to(quantiles[row * 4], quantile(delays, n, 0));
    close_to(quantiles[row * 4 + 1], quantile(delays, n, 0.5));
    close_to(quantiles[row * 4 + 2], quantile(delays, n, 0.9));
    close_to(quantiles[row * 4 + 3], quantile(delays, n, 1));
}

static void delays_are_summed_up_by_group(void **state)
{
    (void)state;
    static int32_t group[ROWS_MAX];
    static double delay[ROWS_MAX], mine[ROWS_MAX];
    static const uint64_t sizes[] = {0, 1, 2, 3, 100, ROWS_MAX};
    zcx_calculator *calculator =
        opened("group_delays", "{\"group\": \"carrier\", \"delay\": \"late\", \"missing\": -999, "
                               "\"quantiles\": [0, 0.5, 0.9, 1]}");
    for (int s = 0; s < 6; s++) {
        uint64_t rows = sizes[s], groups, width = s == 5 ? 1500 : 7;
        for (uint64_t i = 0; i < rows; i++) {
            uint32_t kind = next_random() % 10;
            group[i] = (int32_t)(next_random() % width) - 3;
            delay[i] = kind == 0 ? NAN : kind == 1 ? -999 : 1e6 + (double)(next_random() % 300) / 7;
            if (group[i] == 0) delay[i] = NAN; /* one without any */
            if (group[i] == 1) delay[i] = 5;   /* one of equals */
        }
        const struct column columns[] = {{"late", "<f8", rows, 8, delay},
                                         {"carrier", "<i4", rows, 4, group}};
        zcx_call *call = call_with(calculator, columns, 2);
        OK(zcx_calculator_call(calculator, call, error));
        const int32_t *keys = result_column(call, "group", "<i4", &groups);
        uint64_t seen = 0;
        for (uint64_t row = 0; row < groups; row++) {
            uint64_t n = 0, missing = 0;
            if (row) assert_true(keys[row] > keys[row - 1]);
            for (uint64_t i = 0; i < rows; i++) {
                if (group[i] != keys[row]) continue;
                if (isnan(delay[i]) || delay[i] == -999)
                    missing++;
                else
                    mine[n++] = delay[i];
            }
            seen += n + missing;
            check_group(call, row, mine, n, missing);
        }
        assert_int_equal(seen, rows);
        zcx_call_close(call);
    }
    OK(zcx_calculator_close(calculator, error));
}

/* Three rows of two groups, the larger one first, in every dtype. */
static void every_dtype_is_read(void **state)
{
    (void)state;
    static const char *const groups[] = {"|b1", "|i1", "|u1", "<i2", "<u2", "<i4",
                                         "<u4", "<i8", "<u8", "|S1", "|S3", "|S8"};
    static const char *const delays[] = {"|i1", "|u1", "<i2", "<u2", "<i4",
                                         "<u4", "<i8", "<u8", "<f4", "<f8"};
    zcx_calculator *calculator = opened("group_delays", "{}");
    for (int g = 0; g < 12; g++)
        for (int d = 0; d < 10; d++) {
            uint64_t size = (uint64_t)(groups[g][2] - '0'), width = (uint64_t)(delays[d][2] - '0');
            unsigned char group[24] = {0}, delay[24] = {0};
            float f4[] = {1, 2, 6};
            double f8[] = {1, 2, 6};
            bool text = groups[g][1] == 'S';
            for (int i = 0; i < 3; i++) {
                if (i < 2) group[i * (int)size] = text ? 'b' : 1;
                if (i == 2 && text) group[2 * size] = 'a';
                delay[i * (int)width] = (unsigned char)f8[i];
            }
            if (text && size > 1) memset(group + 2 * size, 'a', size);
            const void *data = delay;
            if (delays[d][1] == 'f') data = width == 4 ? (const void *)f4 : (const void *)f8;
            const struct column columns[] = {{"group", groups[g], 3, size, group},
                                             {"delay", delays[d], 3, width, data}};
            zcx_call *call = call_with(calculator, columns, 2);
            OK(zcx_calculator_call(calculator, call, error));
            uint64_t rows;
            const unsigned char *keys = result_column(call, "group", groups[g], &rows);
            const double *mean = result_column(call, "mean", "<f8", NULL);
            assert_int_equal(rows, 2);
            assert_memory_equal(keys, group + 2 * size, size); /* the smaller one is first */
            assert_memory_equal(keys + size, group, size);
            close_to(mean[0], 6);
            close_to(mean[1], 1.5);
            zcx_call_close(call);
        }
    OK(zcx_calculator_close(calculator, error));
}

static void negative_groups_come_first(void **state)
{
    (void)state;
    static const int64_t group[] = {INT64_MAX, -1, INT64_MIN, 0};
    static const float delay[] = {1, INFINITY, NAN, -0.0f};
    const struct column columns[] = {{"group", "<i8", 4, 8, group}, {"delay", "<f4", 4, 4, delay}};
    zcx_calculator *calculator = opened("group_delays", "{}");
    zcx_call *call = call_with(calculator, columns, 2);
    OK(zcx_calculator_call(calculator, call, error));
    const int64_t *keys = result_column(call, "group", "<i8", NULL);
    const double *mean = result_column(call, "mean", "<f8", NULL);
    const double *most = result_column(call, "max", "<f8", NULL);
    assert_true(keys[0] == INT64_MIN && keys[1] == -1 && keys[2] == 0 && keys[3] == INT64_MAX);
    assert_true(isnan(mean[0]) && isinf(mean[1]) && mean[2] == 0 && mean[3] == 1);
    assert_true(isinf(most[1]));
    zcx_call_close(call);
    OK(zcx_calculator_close(calculator, error));
}

static void refuses(const struct column *columns, int count, const char *one, const char *other)
{
    zcx_calculator *calculator = opened("group_delays", "{}");
    zcx_call *call = call_with(calculator, columns, count);
    FAILS(ZCX_EFAILED, zcx_calculator_call(calculator, call, error), "calculator 'calc'", one,
          other);
    zcx_call_close(call);
    OK(zcx_calculator_close(calculator, error));
}

static void wrong_columns_are_named(void **state)
{
    (void)state;
    static const double x[4];
    const struct column missing[] = {{"Group", "<i4", 2, 4, x}, {"delay", "<f8", 2, 8, x}};
    const struct column shorter[] = {{"group", "<i4", 2, 4, x}, {"delay", "<f8", 3, 8, x}};
    const struct column dtype[] = {{"group", "<i4", 2, 4, x}, {"delay", "<M8[s]", 2, 8, x}};
    refuses(missing, 2, "no array 'group'", "\"Group\", \"delay\"");
    refuses(shorter, 2, "'group' and 'delay'", "2 and 3 elements");
    refuses(dtype, 2, "'delay' has dtype <M8[s]", "<f8 <f4");
    refuses(NULL, 0, "no array 'group'", "nothing");
}

/* ---- transform ---- */

/* The result of one operation on `count` elements, as doubles. */
static void transformed(double *out, const char *options, const char *dtype, uint64_t rows,
                        uint64_t columns, const void *in)
{
    zcx_calculator *calculator = opened("transform", options);
    uint64_t shape[] = {rows, columns}, size = (uint64_t)(dtype[2] - '0') * rows * columns, length;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT, seen = ZCX_ENVELOPE_INIT;
    zcx_call *call;
    void *to;
    const void *data;
    envelope.format = ZCX_NUMPY;
    envelope.dtype = dtype;
    envelope.shape = shape;
    envelope.ndim = columns > 1 ? 2 : 1;
    envelope.order = 'F';
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    OK(zcx_call_input(&to, call, size, error));
    if (size) memcpy(to, in, size);
    OK(zcx_call_submit(call, size, &envelope, error));
    OK(zcx_calculator_call(calculator, call, error));
    OK(zcx_call_result(&data, &length, &seen, call, error));
    assert_int_equal(length, size);
    assert_string_equal(seen.dtype, dtype);
    assert_int_equal(seen.ndim, envelope.ndim);
    assert_int_equal(seen.order, 'F');
    for (uint64_t i = 0; i < rows * columns; i++)
        out[i] = dtype[2] == '8' ? ((const double *)data)[i] : (double)((const float *)data)[i];
    zcx_call_close(call);
    OK(zcx_calculator_close(calculator, error));
}

static void arrays_are_standardised(void **state)
{
    (void)state;
    static double x[ROWS_MAX], out[ROWS_MAX];
    double sum = 0, squares = 0, n = 0;
    for (int i = 0; i < ROWS_MAX; i++)
        x[i] = i % 11 ? 1e9 + (double)(next_random() % 1000) : NAN;
    transformed(out, "{}", "<f8", ROWS_MAX / 2, 2, x);
    for (int i = 0; i < ROWS_MAX; i++) {
        assert_int_equal(isnan(out[i]), isnan(x[i]));
        if (isnan(x[i])) continue;
        sum += out[i];
        squares += out[i] * out[i];
        n++;
    }
    assert_true(fabs(sum / n) < 1e-9);
    assert_true(fabs(squares / n - 1) < 1e-9);
    float same[] = {7, NAN, 7};
    transformed(out, "{}", "<f4", 3, 1, same);
    assert_true(out[0] == 0 && isnan(out[1]) && out[2] == 0);
    transformed(out, "{}", "<f8", 0, 1, same);
}

static void arrays_are_clipped(void **state)
{
    (void)state;
    double x[] = {-5, 0.5, 9, NAN, -INFINITY, INFINITY}, out[6];
    transformed(out, "{\"operation\": \"clip\", \"low\": 0, \"high\": 1}", "<f8", 6, 1, x);
    assert_true(out[0] == 0 && out[1] == 0.5 && out[2] == 1);
    assert_true(isnan(out[3]) && out[4] == 0 && out[5] == 1);
    transformed(out, "{\"operation\": \"clip\"}", "<f8", 3, 2, x);
    assert_memory_equal(out, x, sizeof x);
}

static void means_roll(void **state)
{
    (void)state;
    static double x[1000], out[1000];
    static float f4[1000];
    static const uint64_t windows[] = {1, 2, 7, 999, 1000, 5000};
    for (int i = 0; i < 1000; i++) {
        x[i] = next_random() % 5 ? (double)(next_random() % 1000) : NAN;
        if (i == 500) x[i] = INFINITY;
        f4[i] = (float)x[i];
    }
    for (int w = 0; w < 12; w++) {
        uint64_t window = windows[w % 6];
        char options[100];
        snprintf(options, sizeof options, "{\"operation\": \"rolling_mean\", \"window\": %d}",
                 (int)window);
        transformed(out, options, w < 6 ? "<f8" : "<f4", 1000, 1, w < 6 ? (void *)x : (void *)f4);
        for (uint64_t i = 0; i < 1000; i++) {
            double sum = 0, n = 0;
            for (uint64_t j = i + 1 < window ? 0 : i + 1 - window; j <= i; j++)
                if (!isnan(x[j])) sum += x[j], n++;
            close_to(out[i], w < 6 ? sum / n : (double)(float)(sum / n));
        }
    }
    transformed(out, "{\"operation\": \"rolling_mean\"}", "<f8", 0, 1, x);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)
    const struct CMUnitTest tests[] = {
        TEST(delays_are_summed_up_by_group),
        TEST(every_dtype_is_read),
        TEST(negative_groups_come_first),
        TEST(wrong_columns_are_named),
        TEST(arrays_are_standardised),
        TEST(arrays_are_clipped),
        TEST(means_roll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
