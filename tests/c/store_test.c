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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_travels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
