/* Sweeping again and again: a sweep of a series paces itself, skips what cannot have changed, shares
 * the work with others, and looks after the dead while it rests. */
#include "one_store.h"

#define RECORDS 20000

static uint64_t thread_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What the next sweeps are told, and what they did. */
static zcx_sweep_options options;

static json_t *sweep_by(zcx_store *mine)
{
    char *text = NULL;
    OK(zcx_store_sweep_by(&text, mine, &options, error));
    return parsed(text);
}

static uint64_t sweeps(const char *what)
{
    json_t *report = sweep_by(store);
    uint64_t value = (uint64_t)number(report, what, NULL);
    json_decref(report);
    return value;
}

static uint64_t rested, rests, rests_most;

static bool rest(void *context, uint64_t ns)
{
    (void)context;
    rested += ns;
    return ++rests < rests_most;
}

static int start(void **state)
{
    (void)state;
    path = make_directory(NULL);
    store = open_store(path, 512 * MIB);
    options = (zcx_sweep_options)ZCX_SWEEP_OPTIONS_INIT;
    options.rest = rest;
    rested = rests = 0;
    rests_most = UINT64_MAX;
    return 0;
}

static void put_many(int count, int64_t ttl_ms)
{
    char key[32];
    zcx_batch *batch;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.ttl_ms = ttl_ms;
    OK(zcx_store_batch(&batch, store, error));
    for (int i = 0; i < count; i++) {
        int length = snprintf(key, sizeof key, "%lld:%d", (long long)ttl_ms, i);
        OK(zcx_batch_put(batch, key, (size_t)length, "x", 1, &envelope, error));
    }
    OK(zcx_batch_commit(batch, NULL, error));
}

static void nothing_expired_takes_little_of_a_core(void **state)
{
    (void)state;
    put_many(RECORDS, ZCX_TTL_NEVER);
    uint64_t before = thread_time();
    assert_int_equal(sweeps("looked"), RECORDS);
    uint64_t took = thread_time() - before;
    assert_in_range(rests, 5, RECORDS / 1024 + 1);
    assert_true(rested >= 8 * took); /* 32 times what looking took; the rest is the sweep's own */
}

static void much_expired_is_deleted_in_small_batches(void **state)
{
    (void)state;
    put_many(RECORDS, 1);
    json_t *stat = stat_of(store);
    double before = number(stat, "lmdb", "last_transaction", NULL);
    assert_true(number(stat, "sweeper", "longest_hold", NULL) == 0);
    json_decref(stat);
    EVENTUALLY(status_at(store, "1:19999") == ZCX_EEXPIRED);
    assert_int_equal(sweeps("expired"), RECORDS);
    stat = stat_of(store);
    assert_true(number(stat, "lmdb", "last_transaction", NULL) - before >= RECORDS / 40);
    assert_true(number(stat, "sweeper", "longest_hold", NULL) > 0);
    assert_int_equal(number(stat, "events", "records_expired", NULL), RECORDS);
    json_decref(stat);
}

static void what_cannot_have_changed_is_skipped(void **state)
{
    (void)state;
    zcx_envelope brief = ZCX_ENVELOPE_INIT;
    brief.ttl_ms = 200;
    put_many(100, ZCX_TTL_NEVER);
    OK(try_put(store, "brief", 10, 1, &brief, error));
    options.every_ms = 1;
    EVENTUALLY(sweeps("looked") == 101);
    for (int i = 0; i < 20; i++) { /* until "brief" expires, or something is committed */
        nanosleep(&(struct timespec){0, 2000000}, NULL);
        if (status_at(store, "brief") == ZCX_EEXPIRED) break; /* a slow machine */
        assert_int_equal(sweeps("looked"), 0);
    }
    EVENTUALLY(sweeps("expired") == 1);
    EVENTUALLY(sweeps("looked") == 100); /* after its own commit, once */
    nanosleep(&(struct timespec){0, 2000000}, NULL);
    assert_int_equal(sweeps("looked"), 0);
    put(store, "new", 10, 1);
    EVENTUALLY(sweeps("looked") == 101);
    options.every_ms = 0; /* by itself: everything */
    assert_int_equal(sweeps("looked"), 101);
}

static void a_sweep_can_be_ended(void **state)
{
    (void)state;
    put_many(RECORDS, ZCX_TTL_NEVER);
    options.every_ms = 1;
    rests_most = 1;
    assert_in_range(sweeps("looked"), 1, RECORDS - 1);
    assert_int_equal(rests, 1);
    nanosleep(&(struct timespec){0, 2000000}, NULL);
    rests_most = UINT64_MAX;
    assert_int_equal(sweeps("looked"), RECORDS); /* the one before was no whole one */
}

/* ---- others ------------------------------------------------------------------------------------------------ */

static int wait_in_rest[2];

static bool say_and_wait(void *context, uint64_t ns)
{
    (void)context, (void)ns;
    CHILD_EXPECTS(write(wait_in_rest[1], "x", 1) == 1);
    pause();
    return true;
}

static int rest_for_ever(void *context)
{
    zcx_store *mine;
    (void)context;
    options.every_ms = 1;
    options.rest = say_and_wait;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, NULL));
    return zcx_store_sweep_by(NULL, mine, &options, NULL);
}

/* What one of them goes through, the others leave to it, as long as it lives and moves on. */
static void sweepers_take_turns(void **state)
{
    char byte;
    (void)state;
    put_many(RECORDS, ZCX_TTL_NEVER);
    assert_int_equal(pipe(wait_in_rest), 0);
    pid_t other = spawn(rest_for_ever, NULL);
    assert_int_equal(read(wait_in_rest[0], &byte, 1), 1);
    nanosleep(&(struct timespec){0, 2000000}, NULL); /* its pass is not just begun, but under way */
    options.every_ms = 1;
    assert_int_equal(sweeps("looked"), 0);
    options.every_ms = 0; /* not one of a series: it does all */
    assert_int_equal(sweeps("looked"), RECORDS);
    options.every_ms = 1;
    put(store, "new", 10, 1);
    kill(other, SIGKILL);
    assert_int_equal(exit_status(other), 128 + SIGKILL);
    EVENTUALLY(sweeps("looked") == RECORDS + 1);
}

static int hold_and_die(void *context)
{
    zcx_store *mine;
    zcx_loan *loan;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, NULL));
    for (int i = 0; i < 3000; i++) /* more slots than one hold of the mutex looks at */
        CHILD_EXPECTS(!zcx_store_loan(&loan, mine, 2000, 0, NULL));
    return 0;
}

static bool let_one_die(void *context, uint64_t ns)
{
    (void)context, (void)ns;
    if (rests++ == 0) return exit_status(spawn(hold_and_die, NULL)) == 0;
    nanosleep(&(struct timespec){0, 2000000}, NULL);
    return true;
}

static void the_dead_do_not_wait_for_the_end_of_a_pass(void **state)
{
    (void)state;
    put_many(RECORDS, ZCX_TTL_NEVER);
    options.every_ms = 1;
    options.rest = let_one_die;
    json_t *report = sweep_by(store), *stat = stat_of(store);
    assert_int_equal(number(report, "dead_processes", NULL), 1);
    assert_int_equal(number(report, "looked", NULL), RECORDS);
    assert_int_equal(number(stat, "slots", "loaned", "slots", NULL), 0);
    assert_true(number(stat, "slots", "free", "slots", NULL) >= 3000);
    assert_int_equal(number(stat, "events", "processes_reaped", NULL), 1);
    json_decref(report);
    json_decref(stat);
}

/* ---- memory, options --------------------------------------------------------------------------------------- */

static void only_idle_memory_is_trimmed(void **state)
{
    (void)state;
    put(store, "a", 4000000, 1);
    OK(zcx_store_delete(store, "a", 1, error));
    options.flags = ZCX_SWEEP_TRIM;
    options.idle_ms = 3600000;
    assert_int_equal(sweeps("trimmed_bytes"), 0);
    options.idle_ms = 1; /* it makes the commits that stand in the way itself */
    EVENTUALLY(sweeps("trimmed_bytes") >= 4000000);
    json_t *stat = stat_of(store);
    double last = number(stat, "lmdb", "last_transaction", NULL);
    json_decref(stat);
    for (int i = 0; i < 5; i++)
        assert_int_equal(sweeps("trimmed_bytes"), 0);
    stat = stat_of(store); /* and none when there is nothing to trim */
    assert_int_equal(number(stat, "lmdb", "last_transaction", NULL), last);
    json_decref(stat);
    zcx_view *view;
    put(store, "b", 4000000, 2);
    view = view_of(store, "b");
    OK(zcx_store_delete(store, "b", 1, error));
    EVENTUALLY(sweeps("trimmed_bytes") == 0);
    assert_view(view, 4000000, 2);
    zcx_view_release(view);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    options.every_ms = -1;
    FAILS(ZCX_EINVAL, zcx_store_sweep_by(NULL, store, &options, error), "every_ms", "-1");
    options.every_ms = 0;
    options.idle_ms = INT64_MAX;
    FAILS(ZCX_EINVAL, zcx_store_sweep_by(NULL, store, &options, error), "idle_ms");
    options.idle_ms = 0;
    options.flags = 8;
    FAILS(ZCX_EINVAL, zcx_store_sweep_by(NULL, store, &options, error), "0x8");
    options.struct_size = 3;
    FAILS(ZCX_EINVAL, zcx_store_sweep_by(NULL, store, &options, error), "struct_size is 3");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, close_all)
    const struct CMUnitTest tests[] = {
        TEST(nothing_expired_takes_little_of_a_core),
        TEST(much_expired_is_deleted_in_small_batches),
        TEST(what_cannot_have_changed_is_skipped),
        TEST(a_sweep_can_be_ended),
        TEST(sweepers_take_turns),
        TEST(the_dead_do_not_wait_for_the_end_of_a_pass),
        TEST(only_idle_memory_is_trimmed),
        TEST(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
