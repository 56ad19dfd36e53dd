/* Batches: all or nothing, seen at once, later entries of a key win. */
#include "one_store.h"

static zcx_batch *begin(void)
{
    zcx_batch *batch = NULL;
    OK(zcx_store_batch(&batch, store, error));
    return batch;
}

static zcx_status try_add(zcx_batch *batch, const char *key, uint64_t length, unsigned seed,
                          zcx_error *error)
{
    void *data = malloc(length + 1);
    fill(data, length, seed);
    zcx_status status = zcx_batch_put(batch, key, strlen(key), data, length, NULL, error);
    free(data);
    return status;
}

static void add(zcx_batch *batch, const char *key, uint64_t length, unsigned seed)
{
    OK(try_add(batch, key, length, seed, error));
}

static uint64_t count(void)
{
    uint64_t records;
    OK(zcx_store_count(&records, store, error));
    return records;
}

static double loans(void)
{
    json_t *stat = stat_of(store);
    double slots = number(stat, "slots", "loaned", "slots", NULL);
    json_decref(stat);
    return slots;
}

static void a_batch_is_seen_at_commit(void **state)
{
    (void)state;
    uint64_t transaction = 0;
    put(store, "gone", 5000, 1);
    put(store, "over", 5000, 2);
    zcx_batch *batch = begin();
    add(batch, "a", 10, 3);
    add(batch, "b", 100000, 4);
    add(batch, "over", 6000, 5);
    OK(zcx_batch_delete(batch, "gone", 4, error));
    OK(zcx_batch_delete(batch, "never there", 11, error));
    zcx_loan *loan = lend(store, 20000);
    fill(zcx_loan_data(loan), 20000, 6);
    OK(zcx_batch_publish(batch, loan, "lent", 4, 20000, NULL, error));
    FAILS(ZCX_EBUSY, zcx_store_close(store, error), "are alive");
    assert_int_equal(status_at(store, "a"), ZCX_ENOTFOUND);
    assert_at(store, "gone", 5000, 1);
    assert_at(store, "over", 5000, 2);
    zcx_view *held = view_of(store, "over");
    OK(zcx_batch_commit(batch, &transaction, error));
    assert_at(store, "a", 10, 3);
    assert_at(store, "b", 100000, 4);
    assert_at(store, "over", 6000, 5);
    assert_at(store, "lent", 20000, 6);
    assert_int_equal(status_at(store, "gone"), ZCX_ENOTFOUND);
    assert_view(held, 5000, 2);
    zcx_view_release(held);
    const char *const keys[] = {"a", "b", "over", "lent"};
    for (int i = 0; i < 4; i++) {
        zcx_view *view = view_of(store, keys[i]);
        assert_int_equal(envelope_of(view).transaction, transaction);
        zcx_view_release(view);
    }
}

static void later_entries_of_a_key_win(void **state)
{
    (void)state;
    for (int last = 0; last < 3; last++) {
        zcx_batch *batch = begin();
        add(batch, "k", 5000, 1);
        add(batch, "k", 10, 2);
        OK(zcx_batch_delete(batch, "k", 1, error));
        add(batch, "k", 7000, 3);
        add(batch, "k", 8000, 4);
        if (last == 1) add(batch, "k", 20, 5);
        if (last == 2) OK(zcx_batch_delete(batch, "k", 1, error));
        OK(zcx_batch_commit(batch, NULL, error));
        if (last == 0) assert_at(store, "k", 8000, 4);
        if (last == 1) assert_at(store, "k", 20, 5);
        if (last == 2) assert_int_equal(status_at(store, "k"), ZCX_ENOTFOUND);
    }
    assert_int_equal(loans(), 0);
    json_t *stat = stat_of(store); /* what lost is retired, not lost */
    uint64_t records = count();
    assert_true(number(stat, "slots", "published", "slots", NULL) <= (double)records);
    json_decref(stat);
}

static void a_discarded_batch_leaves_nothing(void **state)
{
    (void)state;
    zcx_batch_discard(NULL);
    uint64_t before = count();
    zcx_batch *batch = begin();
    for (unsigned i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "d%u", i);
        add(batch, key, i * 100, i);
    }
    assert_true(loans() > 0);
    zcx_batch_discard(batch);
    assert_int_equal(loans(), 0);
    assert_int_equal(count(), before);
    OK(zcx_batch_commit(begin(), NULL, error)); /* an empty one is no error */
}

static void wrong_entries_are_refused_and_the_batch_goes_on(void **state)
{
    (void)state;
    char key[ZCX_KEY_MAX + 1] = {0};
    zcx_envelope envelope = {.struct_size = 3};
    zcx_batch *batch = begin();
    FAILS(ZCX_EINVAL, zcx_batch_put(batch, "", 0, "x", 1, NULL, error), "1 to 511");
    FAILS(ZCX_EINVAL, zcx_batch_put(batch, key, sizeof key, "x", 1, NULL, error), "not 512");
    FAILS(ZCX_EINVAL, zcx_batch_put(batch, "k", 1, "x", 1, &envelope, error), "struct_size");
    FAILS(ZCX_EINVAL, zcx_batch_delete(batch, "", 0, error), "1 to 511");
    zcx_loan *loan = lend(store, 5000);
    FAILS(ZCX_EINVAL, zcx_batch_publish(batch, loan, "", 0, 1, NULL, error), "1 to 511");
    FAILS(ZCX_EINVAL, zcx_batch_publish(batch, loan, "k", 1, 1 << 20, NULL, error), "the loan has");
    fill(zcx_loan_data(loan), 5000, 9); /* still ours */
    OK(zcx_batch_publish(batch, loan, "w", 1, 5000, NULL, error));
    OK(zcx_batch_commit(batch, NULL, error));
    assert_at(store, "w", 5000, 9);
    assert_int_equal(loans(), 0);
}

static void a_loan_of_another_store_is_refused(void **state)
{
    (void)state;
    char *elsewhere = make_directory(NULL);
    zcx_store *other = open_store(elsewhere, 64 * MIB);
    zcx_loan *loan = lend(other, 5000);
    zcx_batch *batch = begin();
    FAILS(ZCX_EINVAL, zcx_batch_publish(batch, loan, "k", 1, 10, NULL, error), path, elsewhere);
    zcx_loan_discard(loan);
    zcx_batch_discard(batch);
    close_store(other);
    free(elsewhere);
}

/* The most that a batch may have; all of it or nothing of it. */
static void a_batch_has_at_most_32768_changes(void **state)
{
    (void)state;
    uint64_t before = count();
    zcx_batch *batch = begin();
    for (unsigned i = 0; i < 32768; i++) {
        char key[16];
        snprintf(key, sizeof key, "m%u", i % 30000);
        if (i >= 30000)
            OK(zcx_batch_delete(batch, key, strlen(key), error));
        else
            add(batch, key, i % 64 ? 20 : 2000, i);
    }
    FAILS(ZCX_ELIMIT, try_add(batch, "more", 1, 1, error), "32768");
    FAILS(ZCX_ELIMIT, zcx_batch_delete(batch, "more", 4, error), "32768");
    assert_int_equal(count(), before);
    OK(zcx_batch_commit(batch, NULL, error));
    assert_int_equal(count(), before + 30000 - 2768);
    assert_int_equal(status_at(store, "m0"), ZCX_ENOTFOUND);
    assert_at(store, "m2768", 20, 2768);
    assert_at(store, "m29952", 2000, 29952);
    batch = begin();
    for (unsigned i = 0; i < 30000; i++) {
        char key[16];
        snprintf(key, sizeof key, "m%u", i);
        OK(zcx_batch_delete(batch, key, strlen(key), error));
    }
    OK(zcx_batch_commit(batch, NULL, error));
    assert_int_equal(count(), before);
}

/* Who writes pairs in batches is never seen with one half: by nobody, in no snapshot. */
static int write_pairs(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *mine = NULL;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, &error));
    for (uint32_t i = 1; i <= 2000; i++) {
        zcx_batch *batch;
        CHILD_EXPECTS(!zcx_store_batch(&batch, mine, &error));
        CHILD_EXPECTS(!zcx_batch_put(batch, "pair 1", 6, &i, sizeof i, NULL, &error));
        CHILD_EXPECTS(!zcx_batch_put(batch, "pair 2", 6, &i, sizeof i, NULL, &error));
        CHILD_EXPECTS(!zcx_batch_commit(batch, NULL, &error));
    }
    return 0;
}

static void half_a_batch_is_never_seen(void **state)
{
    (void)state;
    int status, pairs = 0;
    pid_t child = spawn(write_pairs, NULL);
    while (!waitpid(child, &status, WNOHANG)) {
        zcx_scan *scan;
        zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
        zcx_envelope envelopes[2] = {ZCX_ENVELOPE_INIT, ZCX_ENVELOPE_INIT};
        const void *key;
        size_t length, found = 0;
        options.prefix = "pair";
        options.prefix_length = 4;
        OK(zcx_store_scan(&scan, store, &options, error));
        while (found < 2 && !zcx_scan_next(scan, &key, &length, &envelopes[found], NULL))
            found++;
        zcx_scan_close(scan);
        assert_int_not_equal(found, 1);
        if (found == 2)
            assert_int_equal(envelopes[0].transaction, envelopes[1].transaction);
        pairs += found == 2;
    }
    assert_int_equal(status, 0);
    assert_true(pairs > 0);
}

static void a_loan_goes_into_one_batch(void **state)
{
    (void)state;
    zcx_batch *batch = begin();
    zcx_loan *loan;
    bool there;
    OK(zcx_store_loan(&loan, store, 5000, 0, error));
    memset(zcx_loan_data(loan), 1, 5000);
    OK(zcx_batch_publish(batch, loan, "twice", 5, 5000, NULL, error));
    FAILS(ZCX_EINVAL, zcx_batch_publish(batch, loan, "again", 5, 5000, NULL, error), "batch");
    FAILS(ZCX_EINVAL, zcx_loan_publish(loan, "again", 5, 5000, NULL, NULL, error), "batch");
    zcx_loan_discard(loan); /* the batch's: nothing happens */
    OK(zcx_batch_commit(batch, NULL, error));
    OK(zcx_store_exists(&there, store, "twice", 5, error));
    assert_true(there);
    OK(zcx_store_delete(store, "twice", 5, error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_seen_at_commit),
        cmocka_unit_test(later_entries_of_a_key_win),
        cmocka_unit_test(a_discarded_batch_leaves_nothing),
        cmocka_unit_test(wrong_entries_are_refused_and_the_batch_goes_on),
        cmocka_unit_test(a_loan_of_another_store_is_refused),
        cmocka_unit_test(a_loan_goes_into_one_batch),
        cmocka_unit_test(a_batch_has_at_most_32768_changes),
        cmocka_unit_test(half_a_batch_is_never_seen),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
