/* The thinnest path, and what every later test stands on. */
#include "fixture.h"

static zcx_store *open_at(const char *path)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = UINT64_C(256) << 20;
    OK(zcx_store_open(&store, path, &options, error));
    return store;
}

static void a_payload_travels(void **state)
{
    (void)state;
    char *path = make_directory(NULL);
    zcx_store *store = open_at(path);
    zcx_loan *loan;
    zcx_view *view;
    OK(zcx_store_loan(&loan, store, 1000000, 0, error));
    memset(zcx_loan_data(loan), 7, 1000000);
    OK(zcx_loan_publish(loan, "key", 3, 999999, NULL, NULL, error));
    OK(zcx_store_view(&view, store, "key", 3, error));
    assert_int_equal(zcx_view_length(view), 999999);
    assert_int_equal((uintptr_t)zcx_view_data(view) % ZCX_ALIGNMENT, 0);
    assert_int_equal(((const char *)zcx_view_data(view))[999998], 7);
    FAILS(ZCX_EBUSY, zcx_store_close(store, error), "1 views");
    zcx_view_release(view);
    OK(zcx_store_close(store, error));
    free(path);
}

static void a_published_loan_is_held(void **state)
{
    (void)state;
    char *path = make_directory(NULL);
    zcx_store *store = open_at(path);
    const uint64_t sizes[] = {0, 10, 1000, 1500, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        zcx_loan *loan;
        zcx_view *held;
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        uint64_t transaction = 0;
        OK(zcx_store_loan(&loan, store, sizes[i], 0, error));
        memset(zcx_loan_data(loan), 7, sizes[i]);
        FAILS(ZCX_EINVAL, zcx_loan_publish_view(&held, loan, "", 0, sizes[i], NULL, NULL, error), "key");
        OK(zcx_loan_publish_view(&held, loan, "held", 4, sizes[i], NULL, &transaction, error));
        for (int round = 0; round < 100; round++) { /* each may take a slot that nobody holds */
            OK(zcx_store_loan(&loan, store, sizes[i], 0, error));
            memset(zcx_loan_data(loan), 9, sizes[i]);
            OK(zcx_loan_publish(loan, "held", 4, sizes[i], NULL, NULL, error));
        }
        OK(zcx_view_envelope(held, &envelope, error));
        assert_int_equal(envelope.transaction, transaction);
        assert_int_equal(zcx_view_length(held), sizes[i]);
        for (uint64_t at = 0; at < sizes[i]; at++)
            assert_int_equal(((const char *)zcx_view_data(held))[at], 7);
        zcx_view_release(held);
    }
    OK(zcx_store_close(store, error));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_travels),
        cmocka_unit_test(a_published_loan_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
