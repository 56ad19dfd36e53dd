/* Sweeping: expired records go, memory comes back, and what lives is as it was. */
#include "one_store.h"

#include <sys/stat.h>

static uint64_t sweeps(uint32_t flags, const char *what)
{
    json_t *report = sweep(store, flags);
    uint64_t value = (uint64_t)number(report, what, NULL);
    json_decref(report);
    return value;
}

/* What data.mdb takes of the file system. */
static uint64_t allocated(void)
{
    char name[300];
    struct stat about;
    snprintf(name, sizeof name, "%s/data.mdb", path);
    assert_int_equal(stat(name, &about), 0);
    return (uint64_t)about.st_blocks * 512;
}

static void expired_records_go_and_others_stay(void **state)
{
    (void)state;
    char key[16];
    zcx_envelope brief = ZCX_ENVELOPE_INIT, never = ZCX_ENVELOPE_INIT;
    brief.ttl_ms = 1;
    never.ttl_ms = ZCX_TTL_NEVER;
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "e%d", i);
        OK(try_put(store, key, i % 100 ? 20 : 5000, (unsigned)i, i % 3 ? &brief : &never, error));
    }
    EVENTUALLY(status_at(store, "e2999") == ZCX_EEXPIRED);
    assert_int_equal(sweeps(0, "expired"), 2000);
    assert_int_equal(sweeps(0, "expired"), 0);
    uint64_t count;
    OK(zcx_store_count(&count, store, error));
    assert_int_equal(count, 1000);
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "e%d", i);
        if (i % 3)
            assert_int_equal(status_at(store, key), ZCX_ENOTFOUND);
        else
            assert_at(store, key, i % 100 ? 20 : 5000, (unsigned)i);
        if (!(i % 3)) OK(zcx_store_delete(store, key, strlen(key), error));
    }
}

static int sweep_alone(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *mine;
    char *text;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, &error));
    CHILD_EXPECTS(!zcx_store_sweep(&text, mine, ZCX_SWEEP_TRIM, &error));
    json_t *report = json_loads(text, 0, NULL);
    uint64_t expired = (uint64_t)json_integer_value(json_object_get(report, "expired"));
    CHILD_EXPECTS(write(*(int *)context, &expired, sizeof expired) == sizeof expired);
    json_decref(report);
    zcx_free(text);
    return zcx_store_close(mine, NULL);
}

/* Each record is deleted by one of them; what was published anew meanwhile by none. */
static void several_sweepers_do_no_harm(void **state)
{
    (void)state;
    char key[16];
    int ends[2];
    uint64_t sum = 0, expired;
    pid_t children[4];
    zcx_envelope brief = ZCX_ENVELOPE_INIT;
    brief.ttl_ms = 1;
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < 4000; i++) {
        snprintf(key, sizeof key, "s%d", i);
        OK(try_put(store, key, i % 10 ? 20 : 5000, (unsigned)i, &brief, error));
    }
    EVENTUALLY(status_at(store, "s3999") == ZCX_EEXPIRED);
    for (int i = 0; i < 4; i++)
        children[i] = spawn(sweep_alone, &ends[1]);
    for (int i = 0; i < 4000; i += 100) {
        snprintf(key, sizeof key, "s%d", i);
        put(store, key, 5000, 7);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(read(ends[0], &expired, sizeof expired), sizeof expired);
        assert_int_equal(exit_status(children[i]), 0);
        sum += expired;
    }
    assert_in_range(sum, 3960, 4000); /* up to 40 were replaced before a sweeper came by */
    uint64_t count;
    OK(zcx_store_count(&count, store, error));
    assert_int_equal(count, 40);
    for (int i = 0; i < 4000; i += 100) {
        snprintf(key, sizeof key, "s%d", i);
        assert_at(store, key, 5000, 7);
        OK(zcx_store_delete(store, key, strlen(key), error));
    }
}

/* Whoever asks for the mutex for the n-th time finds that "again" was published anew just before. */
static int calls_to_go;
struct zcxi_env;
zcx_status __real_zcxi_env_lock(struct zcxi_env *env, zcx_error *error);
zcx_status __wrap_zcxi_env_lock(struct zcxi_env *env, zcx_error *error);
zcx_status __wrap_zcxi_env_lock(struct zcxi_env *env, zcx_error *error)
{
    if (calls_to_go && !--calls_to_go) put(store, "again", 5000, 8);
    return __real_zcxi_env_lock(env, error);
}

static void what_was_published_anew_stays(void **state)
{
    (void)state;
    zcx_envelope brief = ZCX_ENVELOPE_INIT;
    brief.ttl_ms = 1;
    bool ended = false;
    for (int call = 1; !ended; call++) { /* the mutex is taken a few times before the deletion */
        OK(try_put(store, "again", 5000, 7, &brief, error));
        EVENTUALLY(status_at(store, "again") == ZCX_EEXPIRED);
        calls_to_go = call;
        json_decref(sweep(store, 0));
        ended = calls_to_go;
        calls_to_go = 0;
        assert_true(call < 50);
        if (!ended) assert_at(store, "again", 5000, 8);
    }
}

static void every_database_is_swept(void **state)
{
    (void)state;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_store *other;
    zcx_envelope brief = ZCX_ENVELOPE_INIT;
    brief.ttl_ms = 1;
    options.database = "other";
    OK(zcx_store_open(&other, path, &options, error));
    OK(try_put(other, "k", 5000, 1, &brief, error));
    OK(try_put(store, "k", 5000, 1, &brief, error));
    EVENTUALLY(status_at(other, "k") == ZCX_EEXPIRED && status_at(store, "k") == ZCX_EEXPIRED);
    close_store(other);
    assert_int_equal(sweeps(0, "expired"), 2); /* also where this process has no handle */
}

static void trimmed_memory_goes_back_and_comes_again(void **state)
{
    (void)state;
    char key[16];
    put(store, "lives", 3000000, 77);
    uint64_t before = allocated();
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "t%u", i);
        put(store, key, 5000000, i);
    }
    zcx_view *held = view_of(store, "t7");
    uint64_t filled_up = allocated();
    assert_true(filled_up >= before + 20 * 5000000);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "t%u", i);
        OK(zcx_store_delete(store, key, strlen(key), error));
    }
    put(store, "x", 10, 1); /* two commits, and the last deletion is safe */
    put(store, "x", 10, 2);
    assert_true(allocated() >= filled_up);
    uint64_t trimmed = sweeps(ZCX_SWEEP_TRIM, "trimmed_bytes");
    assert_true(trimmed >= 19 * 5000000);
    assert_true(allocated() <= filled_up - 19 * 5000000 + 19 * 4096);
    assert_int_equal(sweeps(ZCX_SWEEP_TRIM, "trimmed_bytes"), 0);
    assert_view(held, 5000000, 7);
    zcx_view_release(held);
    assert_true(sweeps(ZCX_SWEEP_TRIM, "trimmed_bytes") >= 5000000);
    assert_true(allocated() <= before + 8 * MIB);

    json_t *stat = stat_of(store);
    double slots = number(stat, "slots", "count", NULL);
    json_decref(stat);
    for (unsigned i = 0; i < 20; i++) { /* the slots are used again, and backed again */
        snprintf(key, sizeof key, "t%u", i);
        put(store, key, 5000000, 100 + i);
    }
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "t%u", i);
        assert_at(store, key, 5000000, 100 + i);
        OK(zcx_store_delete(store, key, strlen(key), error));
    }
    stat = stat_of(store);
    assert_int_equal(number(stat, "slots", "count", NULL), slots);
    json_decref(stat);
    assert_at(store, "lives", 3000000, 77);
}

static void a_trimmed_store_opens_again(void **state)
{
    (void)state;
    put(store, "stays", 4000000, 5);
    for (int i = 0; i < 5; i++)
        put(store, "goes", 4000000, 6);
    OK(zcx_store_delete(store, "goes", 4, error));
    put(store, "x", 10, 1);
    put(store, "x", 10, 2);
    assert_true(sweeps(ZCX_SWEEP_TRIM, "trimmed_bytes") > 0);
    close_store(store);
    store = open_store(path, 0);
    assert_at(store, "stays", 4000000, 5);
    for (unsigned i = 0; i < 10; i++) {
        put(store, "goes", 4000000, i);
        assert_at(store, "goes", 4000000, i);
    }
    json_t *report;
    char *text;
    OK(zcx_store_check(&text, store, error));
    report = parsed(text);
    assert_true(json_is_true(json_object_get(report, "sound")));
    json_decref(report);
}

/* A process that ends without closing: its views and loans are freed by the next sweep. */
static int die_with_much(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *mine;
    zcx_loan *loan;
    zcx_view *view;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, &error));
    CHILD_EXPECTS(!zcx_store_view(&view, mine, "stays", 5, &error));
    for (int i = 0; i < 3; i++)
        CHILD_EXPECTS(!zcx_store_loan(&loan, mine, 1000000, 0, &error));
    return 0;
}

static void the_dead_are_reaped(void **state)
{
    (void)state;
    put(store, "stays", 4000000, 5);
    assert_int_equal(exit_status(spawn(die_with_much, NULL)), 0);
    json_t *stat = stat_of(store);
    assert_int_equal(number(stat, "slots", "loaned", "slots", NULL), 3);
    assert_int_equal(json_array_size(json_object_get(stat, "holders")), 2);
    json_decref(stat);
    assert_int_equal(sweeps(0, "dead_processes"), 1);
    assert_int_equal(sweeps(0, "dead_processes"), 0);
    stat = stat_of(store);
    assert_int_equal(number(stat, "slots", "loaned", "slots", NULL), 0);
    json_t *holders = json_object_get(stat, "holders");
    assert_int_equal(json_array_size(holders), 1);
    assert_int_equal(number(json_array_get(holders, 0), "views", NULL), 0);
    json_decref(stat);
}

static void a_sweep_has_its_keys(void **state)
{
    (void)state;
    json_t *report = sweep(store, ZCX_SWEEP_TRIM);
    const char *const keys[] = {"expired", "dead_processes", "stale_readers", "trimmed_bytes",
                                "looked"};
    for (int i = 0; i < 5; i++)
        assert_true(json_is_integer(json_object_get(report, keys[i])));
    assert_int_equal(json_object_size(report), 5);
    json_decref(report);
    OK(zcx_store_sweep(NULL, store, 0, error));
    char *text;
    FAILS(ZCX_EINVAL, zcx_store_sweep(&text, store, 6, error), "0x6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expired_records_go_and_others_stay),
        cmocka_unit_test(several_sweepers_do_no_harm),
        cmocka_unit_test(what_was_published_anew_stays),
        cmocka_unit_test(every_database_is_swept),
        cmocka_unit_test(trimmed_memory_goes_back_and_comes_again),
        cmocka_unit_test(a_trimmed_store_opens_again),
        cmocka_unit_test(the_dead_are_reaped),
        cmocka_unit_test(a_sweep_has_its_keys),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
