/* Scans: keys in byte order, by prefix and range, forwards and backwards, while others write. */
#include "stores.h"

static char *path;
static zcx_store *store;

struct key {
    size_t length;
    uint8_t bytes[16];
};

static struct key keys[4000]; /* what is in the store, in order */
static size_t key_count;

static int compare(const void *one, const void *other)
{
    const struct key *a = one, *b = other;
    int order = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Keys over few bytes, 0xff among them, so that prefixes of every kind have many. */
static void make_keys(void)
{
    static const uint8_t letters[] = {0, 'a', 'b', 0xfe, 0xff};
    for (unsigned number = 0; number < 3905; number++) { /* all of 1 to 5 letters */
        struct key *key = &keys[key_count++];
        unsigned rest = number, size = 5;
        for (key->length = 1; rest >= size; key->length++, size *= 5)
            rest -= size;
        for (size_t i = 0; i < key->length; i++, rest /= 5)
            key->bytes[i] = letters[rest % 5];
        OK(zcx_store_put(store, key->bytes, key->length, key, sizeof *key, NULL, NULL, error));
    }
    qsort(keys, key_count, sizeof *keys, compare);
}

static int open_all(void **state)
{
    (void)state;
    path = make_directory(NULL);
    store = open_store(path, 256 * MIB);
    make_keys();
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    close_store(store);
    free(path);
    return 0;
}

/* ---- against a plain loop ---------------------------------------------------------------------------------- */

static struct key key_of(const void *bytes, size_t length)
{
    struct key key = {.length = length};
    if (length) memcpy(key.bytes, bytes, length);
    return key;
}

static bool wanted(const zcx_scan_options *options, const struct key *key)
{
    struct key from = key_of(options->from, options->from_length);
    struct key to = key_of(options->to, options->to_length);
    if (options->prefix && (key->length < options->prefix_length ||
                            memcmp(key->bytes, options->prefix, options->prefix_length)))
        return false;
    return (!options->from || compare(key, &from) >= 0) && (!options->to || compare(key, &to) < 0);
}

static void expect(const zcx_scan_options *options)
{
    zcx_scan *scan;
    const void *key;
    size_t length;
    uint64_t shown = 0;
    bool reverse = options->flags & ZCX_SCAN_REVERSE;
    OK(zcx_store_scan(&scan, store, options, error));
    for (size_t i = 0; i < key_count; i++) {
        const struct key *next = &keys[reverse ? key_count - 1 - i : i];
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        if (!wanted(options, next) || (options->limit && shown == options->limit)) continue;
        OK(zcx_scan_next(scan, &key, &length, &envelope, error));
        assert_int_equal(length, next->length);
        assert_memory_equal(key, next->bytes, length);
        assert_int_equal(envelope.length, sizeof *next);
        shown++;
    }
    for (int i = 0; i < 2; i++) { /* the end stays the end, and says nothing */
        zcx_error end = ZCX_ERROR_INIT;
        assert_int_equal(zcx_scan_next(scan, &key, &length, NULL, &end), ZCX_ENOTFOUND);
        assert_int_equal(end.status, ZCX_OK);
    }
    zcx_scan_close(scan);
}

/* In every direction, with and without limits and the snapshot. */
static void expect_all_ways(zcx_scan_options options)
{
    const uint64_t limits[] = {0, 1, 5, 1023, 1024, 1025, 100000};
    for (int i = 0; i < 7; i++)
        for (options.flags = 0; options.flags < 4; options.flags++) {
            options.limit = limits[i];
            expect(&options);
        }
}

static void all_keys_in_order(void **state)
{
    (void)state;
    expect_all_ways((zcx_scan_options)ZCX_SCAN_OPTIONS_INIT);
}

static void prefixes(void **state)
{
    (void)state;
    const struct key some[] = {{0, {0}},           {1, {'a'}},           {1, {0}},
                               {1, {0xff}},        {2, {0xff, 0xff}},    {2, {'a', 0xff}},
                               {3, {0xfe, 0xff, 0xff}}, {5, {0xff, 0xff, 0xff, 0xff, 0xff}},
                               {6, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, {2, {'a', 'c'}}};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
        options.prefix = some[i].bytes;
        options.prefix_length = some[i].length;
        expect_all_ways(options);
    }
}

static void ranges(void **state)
{
    (void)state;
    const struct key bounds[] = {{0, {0}},       {1, {0}},    {1, {'a'}},          {2, {'a', 1}},
                                 {1, {'c'}},     {1, {0xff}}, {3, {'b', 0xff, 'a'}},
                                 {6, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};
    for (int from = -1; from < 8; from++)
        for (int to = -1; to < 8; to++)
            for (unsigned flags = 0; flags < 2; flags++) {
                zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
                options.flags = flags;
                if (from >= 0) {
                    options.from = bounds[from].bytes;
                    options.from_length = bounds[from].length;
                }
                if (to >= 0) {
                    options.to = bounds[to].bytes;
                    options.to_length = bounds[to].length;
                }
                expect(&options);
                options.prefix = "b"; /* the narrower of the bounds counts */
                options.prefix_length = 1;
                expect(&options);
            }
}

/* ---- while others write -------------------------------------------------------------------------------------- */

/* Who was there all the time is shown once; who came or went may be shown or not, never twice. */
static void changes_between_steps(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 2; flags++) {
        zcx_scan *scan;
        zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
        struct key last = {0}, key;
        const void *bytes;
        size_t length, seen = 0;
        options.flags = flags;
        OK(zcx_store_scan(&scan, store, &options, error));
        while (!zcx_scan_next(scan, &bytes, &length, NULL, NULL)) {
            key = key_of(bytes, length);
            if (seen) assert_true(flags ? compare(&key, &last) < 0 : compare(&key, &last) > 0);
            last = key;
            if (length == 6)
                OK(zcx_store_delete(store, bytes, length, error)); /* of ours: the last shown */
            else
                seen++;
            if (seen % 100 == 50 && length < 6) { /* one before and one after it */
                key.bytes[key.length++] = 0;
                while (key.length < 6)
                    key.bytes[key.length++] = 1;
                OK(zcx_store_put(store, key.bytes, 6, "new", 3, NULL, NULL, error));
            }
        }
        zcx_scan_close(scan);
        assert_int_equal(seen, key_count);
        OK(zcx_store_scan(&scan, store, NULL, error));
        while (!zcx_scan_next(scan, &bytes, &length, NULL, NULL))
            if (length == 6) OK(zcx_store_delete(store, bytes, length, error));
        zcx_scan_close(scan);
    }
}

/* With ZCX_SCAN_SNAPSHOT nothing that happens after the call matters. */
static void a_snapshot_is_of_one_moment(void **state)
{
    (void)state;
    char *elsewhere = make_directory(NULL);
    zcx_store *other = open_store(elsewhere, 64 * MIB);
    char key[16];
    const void *found;
    size_t length;
    for (int i = 0; i < 3000; i++)
        OK(zcx_store_put(other, key, (size_t)snprintf(key, sizeof key, "%05d", i), "x", 1, NULL, NULL, error));
    zcx_scan *scan, *steps;
    zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
    OK(zcx_store_scan(&steps, other, &options, error));
    options.flags = ZCX_SCAN_SNAPSHOT;
    OK(zcx_store_scan(&scan, other, &options, error));
    OK(zcx_scan_next(steps, &found, &length, NULL, error)); /* its first step is taken */
    for (int i = 0; i < 3000; i++)
        OK(zcx_store_delete(other, key, (size_t)snprintf(key, sizeof key, "%05d", i), error));
    for (int i = 0; i < 3000; i++) {
        OK(zcx_scan_next(scan, &found, &length, NULL, error));
        snprintf(key, sizeof key, "%05d", i);
        assert_memory_equal(found, key, 5);
    }
    assert_int_equal(zcx_scan_next(scan, &found, &length, NULL, NULL), ZCX_ENOTFOUND);
    for (int i = 1; i < 1024; i++)
        OK(zcx_scan_next(steps, &found, &length, NULL, error));
    assert_int_equal(zcx_scan_next(steps, &found, &length, NULL, NULL), ZCX_ENOTFOUND);
    zcx_scan_close(steps);
    zcx_scan_close(scan);
    close_store(other);
    free(elsewhere);
}

/* A scan that rests holds no snapshot: what is overwritten meanwhile is recycled. */
static void a_resting_scan_holds_nothing(void **state)
{
    (void)state;
    zcx_scan *scan;
    const void *key;
    size_t length;
    for (unsigned i = 0; i < 10; i++)
        put(store, "\xff\xff\xff\xff\xff\xff\xff", 50000, i);
    OK(zcx_store_scan(&scan, store, NULL, error));
    OK(zcx_scan_next(scan, &key, &length, NULL, error));
    json_t *before = stat_of(store);
    for (unsigned i = 0; i < 1000; i++)
        put(store, "\xff\xff\xff\xff\xff\xff\xff", 50000, i);
    json_t *after = stat_of(store);
    assert_int_equal(number(after, "slots", "count", NULL), number(before, "slots", "count", NULL));
    zcx_scan_close(scan);
    OK(zcx_store_delete(store, "\xff\xff\xff\xff\xff\xff\xff", 7, error));
    json_decref(before);
    json_decref(after);
}

/* ---- expired records, envelopes, refusals --------------------------------------------------------------------- */

static size_t count_prefix(const char *prefix, uint32_t flags)
{
    zcx_scan *scan;
    zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
    const void *key;
    size_t length, count = 0;
    options.prefix = prefix;
    options.prefix_length = strlen(prefix);
    options.flags = flags;
    OK(zcx_store_scan(&scan, store, &options, error));
    while (!zcx_scan_next(scan, &key, &length, NULL, NULL))
        count++;
    zcx_scan_close(scan);
    return count;
}

static void expired_records_are_shown_when_asked_for(void **state)
{
    (void)state;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_scan *scan;
    zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
    const void *key;
    size_t length;
    char name[16];
    envelope.ttl_ms = 500;
    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof name, "x%04d", i);
        OK(try_put(store, name, 10, 1, i % 10 ? &envelope : NULL, error));
    }
    options.prefix = "x";
    options.prefix_length = 1;
    options.limit = 140;
    OK(zcx_store_scan(&scan, store, &options, error));
    OK(zcx_scan_next(scan, &key, &length, NULL, error)); /* a step is taken now */
    EVENTUALLY(count_prefix("x", 0) == 150);
    for (int i = 1; i < 140; i++) { /* those that expired since are passed over */
        zcx_envelope found = ZCX_ENVELOPE_INIT;
        OK(zcx_scan_next(scan, &key, &length, &found, error));
        assert_int_equal(found.expires - found.created, UINT64_C(300000000000));
    }
    assert_int_equal(zcx_scan_next(scan, &key, &length, NULL, NULL), ZCX_ENOTFOUND);
    zcx_scan_close(scan);
    assert_int_equal(count_prefix("x", ZCX_SCAN_EXPIRED), 1500);
    json_t *report = sweep(store, 0);
    assert_int_equal(number(report, "expired", NULL), 1350);
    json_decref(report);
    assert_int_equal(count_prefix("x", ZCX_SCAN_EXPIRED), 150);
    for (int i = 0; i < 1500; i += 10) {
        snprintf(name, sizeof name, "x%04d", i);
        OK(zcx_store_delete(store, name, 5, error));
    }
}

static void envelopes_are_shown(void **state)
{
    (void)state;
    const uint64_t shape[] = {4};
    zcx_scan *scan;
    zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
    const void *key;
    size_t length;
    zcx_envelope envelope = {.struct_size = sizeof envelope, .format = ZCX_NUMPY, .source = "me",
                             .dtype = "<u4", .shape = shape, .ndim = 1};
    OK(try_put(store, "z", 16, 1, &envelope, error));
    options.from = "z";
    options.from_length = 1;
    OK(zcx_store_scan(&scan, store, &options, error));
    envelope = (zcx_envelope){.struct_size = 8, .format = 55};
    FAILS(ZCX_EINVAL, zcx_scan_next(scan, &key, &length, &envelope, error), "struct_size is 8");
    assert_int_equal(envelope.format, 55);
    envelope.struct_size = sizeof envelope;
    OK(zcx_scan_next(scan, &key, &length, &envelope, error)); /* still the first */
    assert_memory_equal(key, "z", 1);
    assert_string_equal(envelope.source, "me");
    assert_string_equal(envelope.dtype, "<u4");
    assert_int_equal(envelope.shape[0], 4);
    assert_int_equal(envelope.length, 16);
    FAILS(ZCX_EBUSY, zcx_store_close(store, error), "1 views, loans, scans");
    zcx_scan_close(scan);
    zcx_scan_close(NULL);
    OK(zcx_store_delete(store, "z", 1, error));
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    zcx_scan *scan;
    zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
    options.struct_size = 16;
    FAILS(ZCX_EINVAL, zcx_store_scan(&scan, store, &options, error), "16");
    options = (zcx_scan_options)ZCX_SCAN_OPTIONS_INIT;
    options.flags = 64;
    FAILS(ZCX_EINVAL, zcx_store_scan(&scan, store, &options, error), "0x40");
    options = (zcx_scan_options)ZCX_SCAN_OPTIONS_INIT;
    options.prefix = "x";
    options.prefix_length = ZCX_KEY_MAX + 1;
    FAILS(ZCX_EINVAL, zcx_store_scan(&scan, store, &options, error), "511");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_in_order),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(ranges),
        cmocka_unit_test(changes_between_steps),
        cmocka_unit_test(a_snapshot_is_of_one_moment),
        cmocka_unit_test(a_resting_scan_holds_nothing),
        cmocka_unit_test(expired_records_are_shown_when_asked_for),
        cmocka_unit_test(envelopes_are_shown),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
