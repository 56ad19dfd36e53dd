/* Transforms an array into one of the same dtype, shape and order, built where it will be read.
 *
 * Input: an array of f8 or f4 (a NumPy payload, or a msgpack map with one under `array`). NaN is a
 * missing value: it stays NaN, and no other value is computed from it.
 *
 * Options:
 *   operation  "standardise"   (x - mean) / std of all values; 0 everywhere if they are all equal
 *              "clip"          into [low, high]
 *              "rolling_mean"  mean of the value and the window - 1 before it; one dimension; NaN
 * only where the whole window is missing low, high  -infinity, infinity window     7 array none
 * name of the array in a msgpack map */
#include "zcx_plugin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum operation { STANDARDISE, CLIP, ROLLING_MEAN, OPERATIONS };

static const char *const operation_names[OPERATIONS] = {"standardise", "clip", "rolling_mean"};

struct settings {
    enum operation operation;
    double low, high;
    uint64_t window;
    const char *array;
};

/* The operations once for each type of element; sums are always of doubles. */

/* Two passes; the second also corrects what the first one lost by rounding. */
#define STANDARDISE_AS(TYPE)                                                                       \
    static void standardise_##TYPE(TYPE *out, const TYPE *x, uint64_t count)                       \
    {                                                                                              \
        double sum = 0, off = 0, squares = 0, there = 0;                                           \
        for (uint64_t i = 0; i < count; i++)                                                       \
            if (!isnan(x[i])) sum += x[i], there++;                                                \
        double mean = sum / there;                                                                 \
        for (uint64_t i = 0; i < count; i++)                                                       \
            if (!isnan(x[i])) {                                                                    \
                double d = x[i] - mean;                                                            \
                off += d;                                                                          \
                squares += d * d;                                                                  \
            }                                                                                      \
        double variance = (squares - off * off / there) / there;                                   \
        mean += off / there;                                                                       \
        double scale = variance > 0 ? 1 / sqrt(variance) : 0;                                      \
        for (uint64_t i = 0; i < count; i++)                                                       \
            out[i] = isnan(x[i]) ? x[i] : (TYPE)((x[i] - mean) * scale);                           \
    }

#define CLIP_AS(TYPE)                                                                              \
    static void clip_##TYPE(TYPE *out, const TYPE *x, uint64_t count, double low, double high)     \
    {                                                                                              \
        for (uint64_t i = 0; i < count; i++)                                                       \
            out[i] = x[i] < low ? (TYPE)low : x[i] > high ? (TYPE)high : x[i];                     \
    }

/* Sums are only ever added to, never subtracted from, so nothing drifts and an infinity spoils no
 * later window: a window is the rest of one block of `window` values and the beginning of the next.
 * rest[k] and rests[k]: sum and count of the last block's values from k on. */
#define ROLLING_MEAN_AS(TYPE)                                                                      \
    static void rolling_mean_##TYPE(TYPE *out, const TYPE *x, uint64_t count, uint64_t window,     \
                                    double *rest, uint64_t *rests)                                 \
    {                                                                                              \
        memset(rest, 0, (window + 1) * sizeof *rest);                                              \
        memset(rests, 0, (window + 1) * sizeof *rests);                                            \
        for (uint64_t first = 0; first < count; first += window) {                                 \
            uint64_t size = count - first < window ? count - first : window, there = 0;            \
            double sum = 0;                                                                        \
            for (uint64_t k = 0; k < size; k++) {                                                  \
                if (!isnan(x[first + k])) sum += x[first + k], there++;                            \
                uint64_t all = there + rests[k + 1];                                               \
                out[first + k] = (TYPE)(all ? (sum + rest[k + 1]) / (double)all : NAN);            \
            }                                                                                      \
            if (size < window) break;                                                              \
            for (uint64_t k = window; k-- > 0;) {                                                  \
                int missing = isnan(x[first + k]);                                                 \
                rest[k] = rest[k + 1] + (missing ? 0 : (double)x[first + k]);                      \
                rests[k] = rests[k + 1] + !missing;                                                \
            }                                                                                      \
        }                                                                                          \
    }

STANDARDISE_AS(double)
STANDARDISE_AS(float)
CLIP_AS(double)
CLIP_AS(float)
ROLLING_MEAN_AS(double)
ROLLING_MEAN_AS(float)

static int roll(const zcx_core *core, zcx_call *call, const zcx_typed *in, void *out,
                uint64_t window)
{
    if (in->ndim != 1) {
        core->fail(call, "operation 'rolling_mean' needs one dimension, not %u", in->ndim);
        return 1;
    }
    if (window > in->count) window = in->count ? in->count : 1;
    double *rest = malloc((window + 1) * sizeof *rest);
    uint64_t *rests = malloc((window + 1) * sizeof *rests);
    int failed = !rest || !rests;
    if (failed)
        core->fail(call, "no memory for a window of %llu values", (unsigned long long)window);
    else if (in->dtype[2] == '8')
        rolling_mean_double(out, in->data, in->count, window, rest, rests);
    else
        rolling_mean_float(out, in->data, in->count, window, rest, rests);
    free(rest);
    free(rests);
    return failed;
}

static int calculate(void *instance, const zcx_core *core, zcx_call *call)
{
    const struct settings *settings = instance;
    const zcx_typed *in = core->array(call, settings->array, "<f8 <f4");
    void *out = in ? core->answer_like(call, in) : NULL;
    if (!out) return 1;
    int is_double = in->dtype[2] == '8';
    switch (settings->operation) {
    case ROLLING_MEAN:
        return roll(core, call, in, out, settings->window);
    case CLIP:
        if (is_double)
            clip_double(out, in->data, in->count, settings->low, settings->high);
        else
            clip_float(out, in->data, in->count, settings->low, settings->high);
        return 0;
    default:
        if (is_double)
            standardise_double(out, in->data, in->count);
        else
            standardise_float(out, in->data, in->count);
        return 0;
    }
}

static void *create(const zcx_core *core, zcx_options *options)
{
    struct settings *settings = calloc(1, sizeof *settings);
    if (!settings) return NULL;
    const char *name = core->option_string(options, "operation", operation_names[STANDARDISE]);
    while (settings->operation < OPERATIONS && strcmp(name, operation_names[settings->operation]))
        settings->operation++;
    if (settings->operation == OPERATIONS)
        core->options_fail(options,
                           "option 'operation' is \"%s\"; allowed: standardise, clip, "
                           "rolling_mean",
                           name);
    settings->low = core->option_number(options, "low", -INFINITY);
    settings->high = core->option_number(options, "high", INFINITY);
    if (!(settings->low <= settings->high))
        core->options_fail(options, "option 'low' is %g; allowed: at most 'high', which is %g",
                           settings->low, settings->high);
    double window = core->option_number(options, "window", 7);
    if (!(window >= 1 && window <= 1e9) || window != floor(window))
        core->options_fail(options, "option 'window' is %g; allowed: a whole number from 1 to 1e9",
                           window);
    else
        settings->window = (uint64_t)window;
    settings->array = core->option_string(options, "array", NULL);
    return settings;
}

ZCX_PLUGIN_EXPORT const struct zcx_plugin zcx_plugin = {sizeof(struct zcx_plugin),
                                                        ZCX_PLUGIN_ABI,
                                                        ZCX_PLUGIN_THREADS,
                                                        "transform",
                                                        create,
                                                        calculate,
                                                        free};
