/* Loans: memory of the store, filled in place, published or given back. */
#include "one_store.h"

#include <pthread.h>

static void a_loan_has_what_was_asked_for(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0, 1, 1023, 1024, 1025, 4032, 4033, 8128, 8129, 1000000, 100000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        zcx_loan *loan = lend(store, sizes[i]);
        assert_true(zcx_loan_capacity(loan) >= sizes[i]);
        assert_int_equal((uintptr_t)zcx_loan_data(loan) % ZCX_ALIGNMENT, 0);
        uint64_t all = zcx_loan_capacity(loan); /* every byte of it is the borrower's */
        fill(zcx_loan_data(loan), all, (unsigned)i);
        OK(zcx_loan_publish(loan, "loan", 4, all, NULL, NULL, error));
        assert_at(store, "loan", all, (unsigned)i);
    }
}

static void less_than_the_loan_may_be_published(void **state)
{
    (void)state;
    const uint64_t sizes[] = {1024, 1025, 100000}, lengths[] = {0, 1, 1000};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            zcx_loan *loan = lend(store, sizes[i]);
            fill(zcx_loan_data(loan), sizes[i], 5);
            OK(zcx_loan_publish(loan, "less", 4, lengths[j], NULL, NULL, error));
            assert_at(store, "less", lengths[j], 5);
        }
}

static void a_loan_of_up_to_1024_bytes_is_published_in_the_record(void **state)
{
    (void)state;
    for (uint64_t size = 1024; size <= 1025; size++) {
        zcx_loan *loan = lend(store, size);
        fill(zcx_loan_data(loan), size, 1);
        OK(zcx_loan_publish(loan, "small", 5, size, NULL, NULL, error));
        zcx_view *view = view_of(store, "small");
        assert_int_equal(envelope_of(view).in_slot, size == 1025);
        zcx_view_release(view);
    }
}

/* 1,024 bytes of a loan and a source of 1,500 do not fit a leaf together. */
static void a_small_loan_with_a_large_envelope_goes_to_a_slot(void **state)
{
    (void)state;
    char source[1501];
    memset(source, 's', sizeof source - 1);
    source[sizeof source - 1] = 0;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.source = source;
    zcx_loan *loan = lend(store, 1000);
    fill(zcx_loan_data(loan), 1000, 6);
    OK(zcx_loan_publish(loan, "wide", 4, 1000, &envelope, NULL, error));
    zcx_view *view = view_of(store, "wide");
    assert_view(view, 1000, 6);
    assert_true(envelope_of(view).in_slot);
    assert_string_equal(envelope_of(view).source, source);
    zcx_view_release(view);
}

static void a_refused_publish_leaves_the_loan(void **state)
{
    (void)state;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    char key[ZCX_KEY_MAX + 1] = {0};
    const uint64_t sizes[] = {100, 100000};
    for (int i = 0; i < 2; i++) {
        zcx_loan *loan = lend(store, sizes[i]);
        uint64_t capacity = zcx_loan_capacity(loan), transaction = 77;
        fill(zcx_loan_data(loan), sizes[i], 8);
        FAILS(ZCX_EINVAL, zcx_loan_publish(loan, "", 0, 1, NULL, NULL, error), "1 to 511", "not 0");
        FAILS(ZCX_EINVAL, zcx_loan_publish(loan, NULL, 5, 1, NULL, NULL, error), "not 0");
        FAILS(ZCX_EINVAL, zcx_loan_publish(loan, key, sizeof key, 1, NULL, &transaction, error),
              "1 to 511", "not 512");
        FAILS(ZCX_EINVAL, zcx_loan_publish(loan, "k", 1, capacity + 1, NULL, NULL, error), "the loan has");
        envelope.struct_size = 8;
        FAILS(ZCX_EINVAL, zcx_loan_publish(loan, "k", 1, 1, &envelope, NULL, error), "struct_size", "8");
        envelope = (zcx_envelope)ZCX_ENVELOPE_INIT;
        envelope.ttl_ms = -2;
        FAILS(ZCX_EINVAL, zcx_loan_publish(loan, "k", 1, 1, &envelope, NULL, error), "-2");
        assert_int_equal(transaction, 77);
        assert_int_equal(status_at(store, "k"), ZCX_ENOTFOUND);
        OK(zcx_loan_publish(loan, "refused", 7, sizes[i], NULL, NULL, error));
        assert_at(store, "refused", sizes[i], 8);
    }
}

static void discarded_loans_are_lent_again(void **state)
{
    (void)state;
    zcx_loan_discard(NULL);
    zcx_loan_discard(lend(store, 50000000));
    json_t *before = stat_of(store);
    for (int i = 0; i < 100; i++)
        zcx_loan_discard(lend(store, 50000000));
    json_t *after = stat_of(store);
    assert_int_equal(number(after, "slots", "count", NULL), number(before, "slots", "count", NULL));
    assert_int_equal(number(after, "slots", "loaned", "slots", NULL), 0);
    json_decref(before);
    json_decref(after);
}

/* A slot is recycled once its successor's transaction is safe: a few are enough for a key that is
 * overwritten for ever. */
static void overwriting_a_key_makes_no_slots(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        put(store, "again", 100000, i);
    json_t *before = stat_of(store);
    for (unsigned i = 0; i < 1000; i++)
        put(store, "again", 100000, i);
    assert_at(store, "again", 100000, 999);
    json_t *after = stat_of(store);
    assert_int_equal(number(after, "slots", "count", NULL), number(before, "slots", "count", NULL));
    json_decref(before);
    json_decref(after);
}

static void loans_do_not_overlap(void **state)
{
    (void)state;
    zcx_loan *loans[200];
    for (unsigned i = 0; i < 200; i++) {
        loans[i] = lend(store, 1 + i * 500);
        fill(zcx_loan_data(loans[i]), zcx_loan_capacity(loans[i]), i);
    }
    for (unsigned i = 0; i < 200; i++) {
        assert_true(filled(zcx_loan_data(loans[i]), zcx_loan_capacity(loans[i]), i));
        zcx_loan_discard(loans[i]);
    }
}

static void a_published_loan_is_held(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0, 10, 1000, 1500, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        zcx_view *held;
        uint64_t transaction = 0;
        zcx_loan *loan = lend(store, sizes[i]);
        fill(zcx_loan_data(loan), sizes[i], 7);
        FAILS(ZCX_EINVAL, zcx_loan_publish_view(&held, loan, "", 0, sizes[i], NULL, NULL, error), "key");
        OK(zcx_loan_publish_view(&held, loan, "held", 4, sizes[i], NULL, &transaction, error));
        for (int round = 0; round < 100; round++) /* each may take a slot that nobody holds */
            put(store, "held", sizes[i], 9);
        assert_int_equal(envelope_of(held).transaction, transaction);
        assert_view(held, sizes[i], 7);
        zcx_view_release(held);
    }
}

/* A loan and its publish may be on different threads; a view may be released on a third. */
static void *publish_it(void *loan)
{
    OK(zcx_loan_publish(loan, "thread", 6, 5000, NULL, NULL, error));
    zcx_view *view = view_of(store, "thread");
    return view;
}

static void loans_pass_between_threads(void **state)
{
    (void)state;
    pthread_t thread;
    void *view;
    zcx_loan *loan = lend(store, 5000);
    fill(zcx_loan_data(loan), 5000, 3);
    pthread_create(&thread, NULL, publish_it, loan);
    pthread_join(thread, &view);
    assert_view(view, 5000, 3);
    zcx_view_release(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loan_has_what_was_asked_for),
        cmocka_unit_test(less_than_the_loan_may_be_published),
        cmocka_unit_test(a_loan_of_up_to_1024_bytes_is_published_in_the_record),
        cmocka_unit_test(a_small_loan_with_a_large_envelope_goes_to_a_slot),
        cmocka_unit_test(a_refused_publish_leaves_the_loan),
        cmocka_unit_test(discarded_loans_are_lent_again),
        cmocka_unit_test(overwriting_a_key_makes_no_slots),
        cmocka_unit_test(loans_do_not_overlap),
        cmocka_unit_test(a_published_loan_is_held),
        cmocka_unit_test(loans_pass_between_threads),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
