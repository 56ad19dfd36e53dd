/* What a store says of what goes on in it: counts, rates, waiters, errors, the sweeper. */
#include "one_store.h"

#include <pthread.h>

static double counted(const char *group, const char *what)
{
    json_t *stat = stat_of(store);
    double value = number(stat, group, what, NULL);
    json_decref(stat);
    return value;
}

static int view_and_lend(void *context)
{
    zcx_store *mine;
    zcx_view *view;
    zcx_loan *loan;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, NULL));
    for (int i = 0; i < 10; i++) {
        CHILD_EXPECTS(!zcx_store_view(&view, mine, "large", 5, NULL));
        zcx_view_release(view);
    }
    CHILD_EXPECTS(!zcx_store_loan(&loan, mine, 5000, 0, NULL));
    return 0; /* without closing */
}

static void publishes_views_and_loans_are_counted(void **state)
{
    (void)state;
    put(store, "small", 10, 1);
    put(store, "large", 5000, 1);
    zcx_loan *loan = lend(store, 5000);
    zcx_view_release(view_of(store, "small"));
    assert_int_equal(status_at(store, "none"), ZCX_ENOTFOUND);
    assert_int_equal(counted("counters", "publishes"), 2);
    assert_int_equal(counted("counters", "views"), 1);
    assert_int_equal(counted("counters", "loans"), 1); /* the other one is not at its end yet */
    zcx_loan_discard(loan);
    assert_int_equal(counted("counters", "loans"), 2);
    for (int i = 0; i < 3; i++) /* a process that is gone, and another at its place */
        assert_int_equal(exit_status(spawn(view_and_lend, NULL)), 0);
    assert_int_equal(counted("counters", "views"), 31);
    json_decref(sweep(store, ZCX_SWEEP_TRIM));
    assert_int_equal(counted("counters", "loans"), 5);
    assert_int_equal(counted("counters", "publishes"), 2);
}

static void a_batch_counts_its_records(void **state)
{
    zcx_batch *batch;
    double before = counted("counters", "publishes");
    (void)state;
    OK(zcx_store_batch(&batch, store, error));
    for (int i = 0; i < 5; i++)
        OK(zcx_batch_put(batch, (char[]){'b', (char)('0' + i)}, 2, "x", 1, NULL, error));
    assert_int_equal(counted("counters", "publishes"), before);
    OK(zcx_batch_commit(batch, NULL, error));
    assert_int_equal(counted("counters", "publishes"), before + 5);
}

static void rates_are_those_since_a_sweep(void **state)
{
    (void)state;
    json_t *stat, *rates = NULL;
    for (int tries = 0; !json_is_object(rates); tries++) {
        assert_true(tries < 2000);
        json_decref(sweep(store, 0));
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        put(store, "rate", 5000, 1);
        stat = stat_of(store);
        rates = json_deep_copy(json_object_get(stat, "rates"));
        json_decref(stat);
    }
    assert_true(number(rates, "over", NULL) >= 1);
    assert_true(number(rates, "publishes", NULL) > 0 && number(rates, "publishes", NULL) <= 100);
    assert_true(number(rates, "loans", NULL) > 0);
    assert_true(number(rates, "views", NULL) == 0);
    json_decref(rates);
}

/* ---- waiters ----------------------------------------------------------------------------------------------- */

static void *wait_for(void *key)
{
    zcx_view *view;
    OK(zcx_store_wait(&view, store, key, strlen(key), 0, 60000, error));
    zcx_view_release(view);
    return NULL;
}

static int wait_for_ever(void *context)
{
    zcx_store *mine;
    zcx_view *view;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, NULL));
    return zcx_store_wait(&view, mine, "never", 5, 0, -1, NULL);
}

static double waiters(void)
{
    json_t *stat = stat_of(store);
    double value = number(stat, "waiters", NULL);
    json_decref(stat);
    return value;
}

static void who_waits_is_counted(void **state)
{
    pthread_t threads[2];
    (void)state;
    assert_int_equal(waiters(), 0);
    pid_t other = spawn(wait_for_ever, NULL);
    pthread_create(&threads[0], NULL, wait_for, "w1");
    pthread_create(&threads[1], NULL, wait_for, "w2");
    EVENTUALLY(waiters() == 3);
    put(store, "w1", 10, 1);
    put(store, "w2", 10, 1);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    EVENTUALLY(waiters() == 1);
    kill(other, SIGKILL);
    exit_status(other);
    assert_int_equal(waiters(), 0); /* the dead wait for nothing */
    json_decref(sweep(store, 0));
    assert_int_equal(waiters(), 0);
}

/* ---- holders, errors, the sweeper -------------------------------------------------------------------------- */

static void the_oldest_holder_is_named(void **state)
{
    (void)state;
    json_t *stat = stat_of(store);
    assert_true(json_is_null(json_object_get(stat, "oldest_holder")));
    json_decref(stat);
    zcx_loan *loan = lend(store, 5000);
    stat = stat_of(store);
    json_t *oldest = json_object_get(stat, "oldest_holder");
    assert_int_equal(number(oldest, "pid", NULL), getpid());
    assert_string_equal(json_string_value(json_object_get(oldest, "has")), "loans");
    assert_true(number(oldest, "age", NULL) >= 0);
    json_decref(stat);
    zcx_loan_discard(loan);
}

static void bytes_are_told_by_class(void **state)
{
    (void)state;
    put(store, "class", 3000000, 1);
    zcx_view *view = view_of(store, "class");
    OK(zcx_store_delete(store, "class", 5, error));
    json_t *stat = stat_of(store), *class;
    size_t i, seen = 0;
    json_array_foreach(json_object_get(json_object_get(stat, "slots"), "classes"), i, class)
    {
        if (number(class, "held", NULL) == 0) continue;
        seen++;
        assert_int_equal(number(class, "held", NULL), 1);
        assert_in_range(number(class, "held_bytes", NULL), 3000000, 4000000);
        assert_int_equal(number(class, "live_bytes", NULL), 0);
        assert_int_equal(number(class, "free_bytes", NULL), 0);
        assert_int_equal(number(class, "loaned_bytes", NULL), 0);
    }
    assert_int_equal(seen, 1);
    json_decref(stat);
    zcx_view_release(view);
}

static void errors_are_counted_by_kind(void **state)
{
    (void)state;
    zcx_loan *loan;
    double full = counted("errors", "full"), records = counted("errors", "error_records");
    FAILS(ZCX_EFULL, zcx_store_loan(&loan, store, 600 * MIB, 0, error), "no room");
    assert_int_equal(counted("errors", "full"), full + 1);
    OK(zcx_store_put_error(store, "bad", 3, "it broke", NULL, 0, error));
    assert_int_equal(counted("errors", "error_records"), records + 1);
    assert_int_equal(counted("errors", "lock_timeouts"), 0);
    assert_int_equal(counted("errors", "corrupt"), 0);
    assert_int_equal(counted("errors", "sweeps"), 0);
}

static void the_last_sweep_is_told(void **state)
{
    (void)state;
    double before = counted("sweeper", "sweeps"), read = counted("sweeper", "records_read");
    json_decref(sweep(store, 0));
    json_t *stat = stat_of(store), *sweeper = json_object_get(stat, "sweeper");
    uint64_t count;
    OK(zcx_store_count(&count, store, error));
    assert_int_equal(number(sweeper, "sweeps", NULL), before + 1);
    assert_int_equal(number(sweeper, "records_read", NULL), read + (double)count);
    assert_true(number(sweeper, "last", NULL) > 1.6e9);
    assert_in_range(number(sweeper, "age", NULL), 0, 600);
    assert_true(number(sweeper, "longest_hold", NULL) > 0);
    json_decref(stat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishes_views_and_loans_are_counted),
        cmocka_unit_test(a_batch_counts_its_records),
        cmocka_unit_test(rates_are_those_since_a_sweep),
        cmocka_unit_test(who_waits_is_counted),
        cmocka_unit_test(the_oldest_holder_is_named),
        cmocka_unit_test(bytes_are_told_by_class),
        cmocka_unit_test(errors_are_counted_by_kind),
        cmocka_unit_test(the_last_sweep_is_told),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
