/* What every call shares: statuses, errors, formats, the log, the default path, NULLs. */
#include "stores.h"

static const struct {
    int number;
    const char *name, *message;
} table[] = {
#define ROW(number, name, message) {number, "ZCX_" #name, message},
    ZCX_STATUS_TABLE(ROW)
#undef ROW
};

static void statuses_have_names_and_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(table[i].number, i);
        assert_string_equal(zcx_status_name((zcx_status)i), table[i].name);
        assert_string_equal(zcx_status_message((zcx_status)i), table[i].message);
    }
    assert_string_equal(zcx_status_name((zcx_status)999), "ZCX_UNKNOWN");
    assert_non_null(zcx_status_message((zcx_status)999));
    assert_string_equal(zcx_version(), ZCX_VERSION);
}

static void formats_have_names(void **state)
{
    (void)state;
    const char *const names[] = {"raw", "json", "msgpack", "numpy", "arrow"};
    for (unsigned i = 0; i < 5; i++) {
        zcx_format format = ZCX_RAW;
        assert_string_equal(zcx_format_name(i), names[i]);
        OK(zcx_format_parse(&format, names[i], error));
        assert_int_equal(format, i);
    }
    assert_string_equal(zcx_format_name(5), "unknown");
    zcx_format format = ZCX_ARROW;
    FAILS(ZCX_EINVAL, zcx_format_parse(&format, "pickle", error), "pickle", "msgpack");
    FAILS(ZCX_EINVAL, zcx_format_parse(&format, NULL, error), "format");
    assert_int_equal(format, ZCX_ARROW);
}

static void an_error_keeps_the_first_failure(void **state)
{
    (void)state;
    char *path = make_directory(NULL);
    zcx_store *store = open_store(path, 64 * MIB), *untouched = store;
    zcx_view *view = (zcx_view *)&path;
    zcx_error kept = ZCX_ERROR_INIT;
    assert_int_equal(zcx_store_view(&view, store, "first", 5, &kept), ZCX_ENOTFOUND);
    assert_int_equal(zcx_store_view(&view, store, "", 0, &kept), ZCX_EINVAL);
    assert_int_equal(kept.status, ZCX_ENOTFOUND);
    assert_non_null(strstr(kept.message, "first"));
    assert_ptr_equal(view, &path); /* outputs are written on success only */
    assert_int_equal(zcx_store_view(&view, store, "", 0, NULL), ZCX_EINVAL); /* none is asked for */
    assert_int_not_equal(zcx_store_open(&untouched, "/proc/none", NULL, NULL), ZCX_OK);
    assert_ptr_equal(untouched, store);
    FAILS(ZCX_EINVAL, zcx_store_put(NULL, "k", 1, "x", 1, NULL, NULL, error), "NULL");
    FAILS(ZCX_EINVAL, zcx_store_view(&view, NULL, "k", 1, error), "NULL");
    OK(zcx_store_put(store, "empty", 5, NULL, 0, NULL, NULL, error));
    assert_at(store, "empty", 0, 0);
    close_store(store);
    free(path);
}

static void what_is_null_is_closed_and_freed(void **state)
{
    (void)state;
    OK(zcx_store_close(NULL, error));
    zcx_view_release(NULL);
    zcx_loan_discard(NULL);
    zcx_scan_close(NULL);
    zcx_batch_discard(NULL);
    zcx_free(NULL);
}

static void the_environment_names_the_store(void **state)
{
    (void)state;
    char *path = make_directory(NULL), full[300];
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 64 * MIB;
    snprintf(full, sizeof full, "%s/named", path);
    setenv("ZCX_PATH", full, 1);
    OK(zcx_store_open(&store, NULL, &options, error));
    assert_string_equal(zcx_store_path(store), full);
    close_store(store);
    assert_int_equal(chdir(path), 0); /* a relative one is resolved */
    OK(zcx_store_open(&store, "named", NULL, error));
    assert_string_equal(zcx_store_path(store), full);
    assert_int_equal(chdir("/"), 0);
    put(store, "k", 10, 1);
    close_store(store);
    unsetenv("ZCX_PATH");
    free(path);
}

/* An ephemeral store of an earlier boot is discarded, with a word about it. */
static void note(void *context, char level, const char *message)
{
    snprintf(context, 700, "%c %s", level, message);
}

static void the_log_goes_where_it_is_told(void **state)
{
    (void)state;
    char *path = make_directory(NULL), name[300], text[4096] = {0}, logged[700] = "";
    zcx_store *store = open_store(path, 64 * MIB);
    put(store, "k", 10, 1);
    close_store(store);
    snprintf(name, sizeof name, "%s/store.json", path);
    FILE *file = fopen(name, "r+");
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    char *boot = strstr(text, "\"boot_id\": \"") + 12;
    *boot = *boot == '0' ? '1' : '0';
    rewind(file);
    fputs(text, file);
    fclose(file);
    snprintf(name, sizeof name, "%s/board", path);
    assert_int_equal(unlink(name), 0); /* which would say that it is of this boot */
    zcx_log_set(note, logged);
    store = open_store(path, 64 * MIB);
    zcx_log_set(NULL, NULL);
    assert_int_equal(logged[0], 'i');
    assert_non_null(strstr(logged, "earlier boot"));
    assert_non_null(strstr(logged, path));
    assert_int_equal(status_at(store, "k"), ZCX_ENOTFOUND);
    close_store(store);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_have_names_and_messages),
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(an_error_keeps_the_first_failure),
        cmocka_unit_test(what_is_null_is_closed_and_freed),
        cmocka_unit_test(the_environment_names_the_store),
        cmocka_unit_test(the_log_goes_where_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
