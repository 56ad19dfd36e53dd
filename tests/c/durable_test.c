/* Durability "commit": all that an ephemeral store does, and a payload is on disk before its record. */
#include "traced.h"

#include <sys/mman.h>

static char *path;

static zcx_store *open_durable(void)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.durability = ZCX_DURABILITY_COMMIT;
    options.budget = 64 * MIB;
    if (zcx_store_open(&store, path, &options, NULL)) abort();
    return store;
}

static int make_path(void **state)
{
    (void)state;
    path = make_directory("/var/tmp"); /* a disk, where there is one */
    return 0;
}

static int free_path(void **state)
{
    (void)state;
    free(path);
    return 0;
}

static void payloads_travel_and_stay(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0, 1, 1024, 1025, 1900, 2038, 4096, 100000, 5000000};
    zcx_store *store = open_durable();
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 9; i++) {
            char key[8];
            snprintf(key, sizeof key, "%u", i);
            put(store, key, sizes[i], i + (unsigned)round);
            assert_at(store, key, sizes[i], i + (unsigned)round);
        }
        close_store(store);
        store = open_durable();
        for (unsigned i = 0; i < 9; i++) {
            char key[8];
            snprintf(key, sizeof key, "%u", i);
            assert_at(store, key, sizes[i], i + (unsigned)round);
        }
    }
    json_t *stat = stat_of(store);
    assert_string_equal(json_string_value(json_object_get(json_object_get(stat, "store"), "durability")),
                        "commit");
    json_decref(stat);
    close_store(store);
}

static void held_views_batches_and_sweeps(void **state)
{
    (void)state;
    zcx_store *store = open_durable();
    zcx_batch *batch;
    zcx_envelope brief = ZCX_ENVELOPE_INIT;
    put(store, "held", 100000, 1);
    zcx_view *view = view_of(store, "held");
    for (unsigned i = 0; i < 100; i++)
        put(store, "held", 100000, i);
    OK(zcx_store_batch(&batch, store, error));
    zcx_loan *loan = lend(store, 200000);
    fill(zcx_loan_data(loan), 200000, 7);
    OK(zcx_batch_publish(batch, loan, "lent", 4, 200000, NULL, error));
    OK(zcx_batch_delete(batch, "held", 4, error));
    OK(zcx_batch_commit(batch, NULL, error));
    assert_at(store, "lent", 200000, 7);
    assert_int_equal(status_at(store, "held"), ZCX_ENOTFOUND);
    brief.ttl_ms = 1;
    OK(try_put(store, "brief", 5000, 1, &brief, error));
    EVENTUALLY(status_at(store, "brief") == ZCX_EEXPIRED);
    json_t *report = sweep(store, ZCX_SWEEP_TRIM);
    assert_int_equal(number(report, "expired", NULL), 1);
    assert_true(number(report, "trimmed_bytes", NULL) > 0);
    json_decref(report);
    assert_view(view, 100000, 1);
    zcx_view_release(view);
    for (unsigned i = 0; i < 20; i++) { /* slots that were trimmed, backed again */
        put(store, "after", 100000, i);
        assert_at(store, "after", 100000, i);
    }
    char *json;
    OK(zcx_store_check(&json, store, error));
    assert_non_null(strstr(json, "\"sound\":true"));
    zcx_free(json);
    close_store(store);
}

static int fill_up(void *context)
{
    zcx_store *store = open_durable();
    int count = 0;
    (void)context;
    for (char key[16]; snprintf(key, sizeof key, "%d", count), !try_put(store, key, 3000000, 1, NULL, NULL);)
        count++;
    CHILD_EXPECTS(count > 10);
    zcx_error error = ZCX_ERROR_INIT;
    CHILD_EXPECTS(try_put(store, "k", 3000000, 1, NULL, &error) == ZCX_EFULL);
    CHILD_EXPECTS(!zcx_store_delete(store, "0", 1, NULL));
    CHILD_EXPECTS(!try_put(store, "k", 3000000, 1, NULL, &error));
    return zcx_store_close(store, NULL);
}

static void it_fills_and_goes_on(void **state)
{
    (void)state;
    assert_int_equal(exit_status(spawn(fill_up, NULL)), 0);
}

/* The machine restarts: its boot id is another, and the board worth nothing. */
static void a_restart_costs_nothing(void **state)
{
    (void)state;
    char name[300], text[4096] = {0};
    zcx_store *store = open_durable();
    put(store, "small", 100, 1);
    put(store, "large", 1000000, 2);
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
    assert_int_equal(unlink(name), 0);
    store = open_durable();
    assert_at(store, "small", 100, 1);
    assert_at(store, "large", 1000000, 2);
    put(store, "large", 1000000, 3);
    assert_at(store, "large", 1000000, 3);
    close_store(store);
}

/* ---- what is called, in which order ------------------------------------------------------------------------- */

#define LENGTH 300000

static const void **payload; /* shared: where the child's loan was */

static void publish_once(void *context)
{
    zcx_store *store = open_durable();
    (void)context;
    for (int i = 0; i < 5; i++) { /* a recycled slot, so that nothing is created between the marks */
        zcx_loan *loan;
        if (zcx_store_loan(&loan, store, LENGTH, 0, NULL)) abort();
        fill(zcx_loan_data(loan), LENGTH, 1);
        *payload = zcx_loan_data(loan);
        if (i == 4) mark();
        if (zcx_loan_publish(loan, "key", 3, LENGTH, NULL, NULL, NULL)) abort();
        if (i == 4) mark();
    }
    if (zcx_store_close(store, NULL)) abort();
}

static void the_payload_is_written_before_its_record(void **state)
{
    (void)state;
    struct call calls[200];
    payload = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int count = trace(publish_once, NULL, calls, 200), synced = 0, written = 0;
    if (count < 0) skip();
    assert_in_range(count, 2, 200);
    for (int i = 0; i < count; i++) {
        uintptr_t from = calls[i].arguments[0], to = from + calls[i].arguments[1];
        if (calls[i].number == SYS_msync) {
            assert_int_equal(written, 0);
            assert_int_equal(calls[i].arguments[2], MS_SYNC);
            assert_true(from <= (uintptr_t)*payload && to >= (uintptr_t)*payload + LENGTH);
            assert_true(to - from <= LENGTH + 4096 * 2); /* not the slot, not the store */
            synced++;
        }
        written += calls[i].number == SYS_pwrite64 || calls[i].number == SYS_pwritev ||
                   calls[i].number == SYS_write || calls[i].number == SYS_fdatasync;
    }
    assert_int_equal(synced, 1);
    assert_true(written >= 2); /* LMDB's pages, and its sync of them */
    munmap(payload, 4096);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(payloads_travel_and_stay),
        TEST(held_views_batches_and_sweeps),
        TEST(it_fills_and_goes_on),
        TEST(a_restart_costs_nothing),
        TEST(the_payload_is_written_before_its_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
