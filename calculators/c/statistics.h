/* Mean, spread and quantiles of doubles that have no NaN among them. */
#ifndef STATISTICS_H
#define STATISTICS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void swap(double *a, double *b)
{
    double kept = *a;
    *a = *b;
    *b = kept;
}

/* Orders x[from..to) so that x[k] is what it would be when sorted, smaller ones before it. */
static inline void select_nth(double *x, uint64_t from, uint64_t to, uint64_t k)
{
    while (to - from > 1) {
        double *a = &x[from], *b = &x[from + (to - from) / 2], *c = &x[to - 1];
        if (*b < *a) swap(a, b);
        if (*c < *b) swap(b, c);
        if (*b < *a) swap(a, b);
        double pivot = *b;
        uint64_t low = from, high = to - 1;
        for (;;) { /* x[from..low) <= pivot, x(high..to) >= pivot */
            while (x[low] < pivot)
                low++;
            while (x[high] > pivot)
                high--;
            if (low >= high) break;
            swap(&x[low++], &x[high--]);
        }
        bool met = low == high; /* then x[high] is the pivot, in its place */
        if (met && k == high) return;
        if (k <= high)
            to = met ? high : high + 1;
        else
            from = high + 1;
    }
}

/* x[0..count) is reordered; quantiles ascend, so each search begins where the last one ended. */
static inline void find_quantiles(double *out, double *x, uint64_t count, const double *quantiles,
                                  size_t quantile_count)
{
    uint64_t from = 0;
    for (size_t i = 0; i < quantile_count; i++) {
        if (!count) {
            out[i] = NAN;
            continue;
        }
        double position = quantiles[i] * (double)(count - 1);
        uint64_t k = (uint64_t)position;
        double part = position - (double)k;
        select_nth(x, from, count, k);
        from = k;
        out[i] = x[k];
        if (part > 0) {
            select_nth(x, k + 1, count, k + 1);
            out[i] += part * (x[k + 1] - x[k]);
        }
    }
}

struct summary {
    double mean, std, least, most;
};

/* Two passes; the second also corrects what the first one lost by rounding. */
static inline struct summary summarise(const double *x, uint64_t count)
{
    struct summary of = {NAN, NAN, NAN, NAN};
    if (!count) return of;
    double sum = 0, off = 0, squares = 0;
    of.least = of.most = x[0];
    for (uint64_t i = 0; i < count; i++) {
        sum += x[i];
        if (x[i] < of.least) of.least = x[i];
        if (x[i] > of.most) of.most = x[i];
    }
    of.mean = sum / (double)count;
    if (!isfinite(of.mean)) return of;
    for (uint64_t i = 0; i < count; i++) {
        double d = x[i] - of.mean;
        off += d;
        squares += d * d;
    }
    of.mean += off / (double)count;
    if (count > 1) of.std = sqrt((squares - off * off / (double)count) / (double)(count - 1));
    return of;
}

#endif
