/* Statistics of delays by group.
 *
 * Input: a msgpack map with two arrays of one dimension and the same length: the groups (integers,
 * booleans, or byte strings of up to 8 bytes) and the delays (integers or floats; NaN is missing).
 *
 * Output: a msgpack map of arrays with one row per group, in ascending order of the groups:
 *   group      dtype of the input's
 *   count      i8, delays that are there
 *   missing    i8, delays that are not
 *   mean, std, min, max   f8; std is the sample's (n - 1); NaN where there are too few delays
 *   quantiles  f8, shape (groups, quantiles), interpolated linearly, as NumPy does by default
 *
 * Options:
 *   group      "group"  name of the groups' array
 *   delay      "delay"  name of the delays' array
 *   missing    none     a delay of this value is missing, too
 *   quantiles  [0.25, 0.5, 0.75]   ascending, 0 to 1, at most 16 */
#include "statistics.h"
#include "zcx_plugin.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define QUANTILES_MAX 16
#define GROUP_DTYPES "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 |S1 |S2 |S3 |S4 |S5 |S6 |S7 |S8"
#define DELAY_DTYPES "<f8 <f4 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8"

struct settings {
    const char *group, *delay;
    double missing; /* NaN: none */
    double quantiles[QUANTILES_MAX];
    size_t quantile_count;
};

struct group {
    uint64_t key;    /* of its rows, see key_of */
    uint32_t number; /* in order of appearance */
    uint64_t count, missing;
    uint64_t first; /* of its delays in work.sorted */
};

/* All scratch memory of one call. */
struct work {
    uint64_t rows;
    struct group *groups;
    uint32_t group_count, group_room;
    uint32_t *table; /* hash table of group numbers + 1; size is a power of two */
    uint64_t table_size;
    uint32_t *group_of; /* each row's group */
    double *delays;     /* each row's */
    double *sorted;     /* delays that are there, by group */
};

/* ---- Columns --------------------------------------------------------------------------------- */

/* A row's group as a number whose order is the groups' order: signed integers are shifted to begin
 * at 0, strings are read with their first byte as the highest. */
static uint64_t key_of(const unsigned char *item, char kind, unsigned size)
{
    uint64_t key = 0;
    if (kind == 'S') {
        for (unsigned i = 0; i < size; i++)
            key |= (uint64_t)item[i] << (56 - 8 * i);
        return key;
    }
    memcpy(&key, item, size); /* little-endian */
    if (kind == 'i') key ^= UINT64_C(1) << (8 * size - 1);
    return key;
}

static void put_key(unsigned char *item, uint64_t key, char kind, unsigned size)
{
    if (kind == 'S') {
        for (unsigned i = 0; i < size; i++)
            item[i] = (unsigned char)(key >> (56 - 8 * i));
        return;
    }
    if (kind == 'i') key ^= UINT64_C(1) << (8 * size - 1);
    memcpy(item, &key, size);
}

#define READ_AS(TYPE)                                                                              \
    do {                                                                                           \
        const TYPE *column = data;                                                                 \
        for (uint64_t i = 0; i < rows; i++)                                                        \
            out[i] = (double)column[i];                                                            \
    } while (0)

static void read_delays(double *out, const void *data, const char *dtype, uint64_t rows)
{
    switch (dtype[1] << 4 | (dtype[2] - '0')) {
    case 'f' << 4 | 8:
        READ_AS(double);
        break;
    case 'f' << 4 | 4:
        READ_AS(float);
        break;
    case 'i' << 4 | 1:
        READ_AS(int8_t);
        break;
    case 'i' << 4 | 2:
        READ_AS(int16_t);
        break;
    case 'i' << 4 | 4:
        READ_AS(int32_t);
        break;
    case 'i' << 4 | 8:
        READ_AS(int64_t);
        break;
    case 'u' << 4 | 1:
        READ_AS(uint8_t);
        break;
    case 'u' << 4 | 2:
        READ_AS(uint16_t);
        break;
    case 'u' << 4 | 4:
        READ_AS(uint32_t);
        break;
    case 'u' << 4 | 8:
        READ_AS(uint64_t);
        break;
    }
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static uint64_t hash(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 32;
}

static void enter(struct work *work, uint32_t number)
{
    uint64_t mask = work->table_size - 1, at = hash(work->groups[number].key) & mask;
    while (work->table[at])
        at = (at + 1) & mask;
    work->table[at] = number + 1;
}

/* Room for twice as many groups; the table stays at most half full. */
static bool grow(struct work *work)
{
    uint32_t room = work->group_room ? work->group_room * 2 : 256;
    struct group *groups = realloc(work->groups, room * sizeof *groups);
    if (!groups) return false;
    work->groups = groups;
    work->group_room = room;
    free(work->table);
    work->table_size = (uint64_t)room * 2;
    work->table = calloc(work->table_size, sizeof *work->table);
    if (!work->table) return false;
    for (uint32_t i = 0; i < work->group_count; i++)
        enter(work, i);
    return true;
}

/* The group with this key, made if it is new; NULL: no memory. */
static struct group *find_group(struct work *work, uint64_t key)
{
    if (work->group_count == work->group_room && !grow(work)) return NULL;
    uint64_t mask = work->table_size - 1;
    for (uint64_t at = hash(key) & mask; work->table[at]; at = (at + 1) & mask) {
        struct group *group = &work->groups[work->table[at] - 1];
        if (group->key == key) return group;
    }
    uint32_t number = work->group_count++;
    work->groups[number] = (struct group){.key = key, .number = number};
    enter(work, number);
    return &work->groups[number];
}

static bool assign_groups(struct work *work, const zcx_typed *column, double missing)
{
    const unsigned char *item = column->data;
    char kind = column->dtype[1];
    unsigned size = (unsigned)(column->dtype[2] - '0');
    struct group *group = NULL;
    for (uint64_t i = 0; i < work->rows; i++, item += size) {
        uint64_t key = key_of(item, kind, size);
        if (!group || group->key != key) group = find_group(work, key);
        if (!group) return false;
        work->group_of[i] = group->number;
        if (work->delays[i] == missing) work->delays[i] = NAN;
        if (isnan(work->delays[i]))
            group->missing++;
        else
            group->count++;
    }
    return true;
}

/* Puts the delays of a group side by side. Groups are in order of appearance here. */
static void scatter(struct work *work)
{
    uint64_t first = 0;
    for (uint32_t i = 0; i < work->group_count; i++) {
        work->groups[i].first = first;
        first += work->groups[i].count;
    }
    for (uint64_t i = 0; i < work->rows; i++) {
        struct group *group = &work->groups[work->group_of[i]];
        if (!isnan(work->delays[i])) work->sorted[group->first++] = work->delays[i];
    }
    for (uint32_t i = 0; i < work->group_count; i++)
        work->groups[i].first -= work->groups[i].count;
}

static int by_key(const void *a, const void *b)
{
    uint64_t one = ((const struct group *)a)->key, other = ((const struct group *)b)->key;
    return (one > other) - (one < other);
}

/* ---- The calculator -------------------------------------------------------------------------- */

static bool work_open(struct work *work, uint64_t rows)
{
    *work = (struct work){.rows = rows};
    work->group_of = malloc((rows + 1) * sizeof *work->group_of);
    work->delays = malloc((rows + 1) * sizeof *work->delays);
    work->sorted = malloc((rows + 1) * sizeof *work->sorted);
    return work->group_of && work->delays && work->sorted;
}

static void work_close(struct work *work)
{
    free(work->groups);
    free(work->table);
    free(work->group_of);
    free(work->delays);
    free(work->sorted);
}

static int answer(const zcx_core *core, zcx_call *call, const struct settings *settings,
                  struct work *work, const char *group_dtype)
{
    enum { GROUP, COUNT, MISSING, MEAN, STD, MIN, MAX, QUANTILES, COLUMNS };
    uint64_t shape[2] = {work->group_count, settings->quantile_count};
    const zcx_column columns[COLUMNS] = {
        {"group", group_dtype, 1, shape}, {"count", "<i8", 1, shape},
        {"missing", "<i8", 1, shape},     {"mean", "<f8", 1, shape},
        {"std", "<f8", 1, shape},         {"min", "<f8", 1, shape},
        {"max", "<f8", 1, shape},         {"quantiles", "<f8", 2, shape}};
    void *data[COLUMNS];
    if (core->answer_map(call, columns, COLUMNS, data)) return 1;
    unsigned size = (unsigned)(group_dtype[2] - '0');
    for (uint32_t i = 0; i < work->group_count; i++) {
        const struct group *group = &work->groups[i];
        double *delays = work->sorted + group->first;
        struct summary of = summarise(delays, group->count);
        put_key((unsigned char *)data[GROUP] + (uint64_t)i * size, group->key, group_dtype[1],
                size);
        ((int64_t *)data[COUNT])[i] = (int64_t)group->count;
        ((int64_t *)data[MISSING])[i] = (int64_t)group->missing;
        ((double *)data[MEAN])[i] = of.mean;
        ((double *)data[STD])[i] = of.std;
        ((double *)data[MIN])[i] = of.least;
        ((double *)data[MAX])[i] = of.most;
        find_quantiles((double *)data[QUANTILES] + i * settings->quantile_count, delays,
                       group->count, settings->quantiles, settings->quantile_count);
    }
    return 0;
}

static int calculate(void *instance, const zcx_core *core, zcx_call *call)
{
    const struct settings *settings = instance;
    const zcx_typed *group = core->array(call, settings->group, GROUP_DTYPES);
    const zcx_typed *delay = core->array(call, settings->delay, DELAY_DTYPES);
    if (!group || !delay) return 1;
    if (group->ndim != 1 || delay->ndim != 1 || group->count != delay->count) {
        core->fail(call,
                   "'%s' and '%s' need one dimension and the same length, not %u and %u "
                   "dimensions with %llu and %llu elements",
                   settings->group, settings->delay, group->ndim, delay->ndim,
                   (unsigned long long)group->count, (unsigned long long)delay->count);
        return 1;
    }
    struct work work;
    int result = 1;
    if (work_open(&work, group->count)) {
        read_delays(work.delays, delay->data, delay->dtype, work.rows);
        if (assign_groups(&work, group, settings->missing)) {
            scatter(&work);
            if (work.group_count) qsort(work.groups, work.group_count, sizeof *work.groups, by_key);
            result = answer(core, call, settings, &work, group->dtype);
            work_close(&work);
            return result;
        }
    }
    core->fail(call, "no memory for %llu rows", (unsigned long long)group->count);
    work_close(&work);
    return result;
}

static void *create(const zcx_core *core, zcx_options *options)
{
    static const double quartiles[] = {0.25, 0.5, 0.75};
    struct settings *settings = calloc(1, sizeof *settings);
    if (!settings) return NULL;
    settings->group = core->option_string(options, "group", "group");
    settings->delay = core->option_string(options, "delay", "delay");
    settings->missing = core->option_number(options, "missing", NAN);
    settings->quantile_count = core->option_numbers(options, "quantiles", settings->quantiles,
                                                    QUANTILES_MAX, quartiles, 3);
    for (size_t i = 0; i < settings->quantile_count; i++) {
        double last = i ? settings->quantiles[i - 1] : 0;
        if (settings->quantiles[i] >= last && settings->quantiles[i] <= 1) continue;
        core->options_fail(options,
                           "option 'quantiles' has %g after %g; allowed: ascending numbers "
                           "from 0 to 1",
                           settings->quantiles[i], last);
    }
    return settings;
}

ZCX_PLUGIN_EXPORT const struct zcx_plugin zcx_plugin = {sizeof(struct zcx_plugin),
                                                        ZCX_PLUGIN_ABI,
                                                        ZCX_PLUGIN_THREADS,
                                                        "group_delays",
                                                        create,
                                                        calculate,
                                                        free};
