/* What the benchmarks share: a clock, medians, a store to measure in, and the one line a figure. */
#ifndef ZCX_BENCH_H
#define ZCX_BENCH_H

#include "zcx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char directory[256];

static inline void check(zcx_status status, const zcx_error *error)
{
    if (!status) return;
    fprintf(stderr, "%s: %s\n", zcx_status_name(status), error->message);
    exit(1);
}

static inline double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static inline int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static inline double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static inline void report(const char *name, double value, const char *unit, const char *baseline,
                   double other, double most)
{
    printf("%-44s %10.1f %-4s %-34s %10.1f  ratio %.2f (at most %.2f)\n", name, value, unit,
           baseline, other, value / other, most);
}

static inline zcx_store *open_store(const char *name, uint64_t budget)
{
    char path[300];
    zcx_store *store;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = budget;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    check(zcx_store_open(&store, path, &options, &error), &error);
    return store;
}

static inline void clean_up(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command)) perror("rm");
}

static inline void make_directory_in(const char *parent)
{
    snprintf(directory, sizeof directory, "%s/zcx-bench-XXXXXX", parent);
    if (!mkdtemp(directory)) {
        perror(directory);
        exit(1);
    }
    atexit(clean_up);
}

static inline void make_directory(void)
{
    make_directory_in("/dev/shm");
}

#endif
