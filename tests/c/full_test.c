/* A full store is an error that says who holds what; freeing goes on working, and then all the rest. */
#include "raw.h"

#include <sys/stat.h>

#define BUDGET (32 * MIB)

static char *path;
static zcx_store *store;

static int open_one(void **state)
{
    (void)state;
    path = make_directory(NULL);
    store = open_store(path, BUDGET);
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    close_store(store);
    free(path);
    return 0;
}

static char *name_of(unsigned i)
{
    static char name[16];
    snprintf(name, sizeof name, "f%06u", i);
    return name;
}

/* Puts until the store is full; how many it took. */
static unsigned fill_up(uint64_t length)
{
    for (unsigned i = 0;; i++) {
        zcx_status status = try_put(store, name_of(i), length, i, NULL, NULL);
        if (status == ZCX_EFULL) return i;
        if (status) fail_msg("%u: %s", i, zcx_status_name(status));
    }
}

static void delete_from(unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        OK(zcx_store_delete(store, name_of(i), 7, error));
}

/* All that the store's files take, beside what lies in wait for the next transactions. */
static void assert_within_budget(void)
{
    const char *const names[] = {"data.mdb", "board"};
    uint64_t allocated = 0;
    for (int i = 0; i < 2; i++) {
        char file[300];
        struct stat about;
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        assert_int_equal(stat(file, &about), 0);
        allocated += (uint64_t)about.st_blocks * 512;
    }
    json_t *stat = stat_of(store);
    if (number(stat, "store", "used", NULL) > (double)BUDGET || allocated > BUDGET + 3 * MIB)
        fail_msg("%.0f bytes are used, %lu allocated, of %lu", number(stat, "store", "used", NULL),
                 (unsigned long)allocated, (unsigned long)BUDGET);
    json_decref(stat);
}

/* ---- full, and on again ---------------------------------------------------------------------------------- */

static void a_store_of_any_size_of_payloads_fills_and_goes_on(void **state)
{
    (void)state;
    const uint64_t sizes[] = {5000000, 1000000, 100000, 10000, 3000, 1500, 1000, 100};
    for (int i = 0; i < 8; i++) {
        const int rounds = sizes[i] < 1000 ? 1 : 3; /* 100 bytes take 100,000 puts */
        for (int round = 0; round < rounds; round++) {
            unsigned count = fill_up(sizes[i]);
            if (count * (sizes[i] + 72) < BUDGET / 3) /* the rest: a class's slack, half-full leaves */
                fail_msg("full of %u payloads of %lu bytes", count, (unsigned long)sizes[i]);
            assert_within_budget();
            assert_at(store, name_of(count - 1), sizes[i], count - 1);
            assert_int_equal(try_put(store, "one more", sizes[i], 1, NULL, NULL), ZCX_EFULL);
            unsigned some = count > 1000 ? 1000 : 1;
            delete_from(0, some);
            put(store, name_of(0), sizes[i], 77);
            assert_at(store, name_of(0), sizes[i], 77);
            delete_from(0, 1);
            delete_from(some, count);
        }
        close_one(NULL);
        open_one(NULL);
    }
}

/* Slots of one size give their memory to those of another, down and up again. */
static void sizes_may_change(void **state)
{
    (void)state;
    const uint64_t sizes[] = {10000000, 2000000, 500000, 100000, 2000000, 10000000};
    for (int i = 0; i < 6; i++) {
        unsigned count = fill_up(sizes[i]);
        if (count * sizes[i] < BUDGET / 2)
            fail_msg("full of %u payloads of %lu bytes", count, (unsigned long)sizes[i]);
        assert_within_budget();
        delete_from(0, count);
    }
    json_decref(sweep(store, ZCX_SWEEP_TRIM));
    json_t *stat = stat_of(store);
    assert_true(number(stat, "store", "used", NULL) < (double)BUDGET / 10);
    json_decref(stat);
}

/* Slots keep their addresses: the map is used up by ever larger payloads, and the message says so. */
static void the_message_tells_of_used_up_addresses(void **state)
{
    (void)state;
    close_one(NULL);
    path = make_directory(NULL);
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = BUDGET;
    options.map_size = BUDGET + 64 * MIB;
    OK(zcx_store_open(&store, path, &options, error));
    zcx_error error_found = ZCX_ERROR_INIT;
    uint64_t size = 20000;
    for (; !try_put(store, "k", size, 1, NULL, &error_found); size = size * 3 / 2) {
        delete_from(0, fill_up(size));
        if (size > BUDGET) fail_msg("all of the map's addresses were used again");
        OK(zcx_store_delete(store, "k", 1, error));
    }
    assert_int_equal(error_found.status, ZCX_EFULL);
    assert_non_null(strstr(error_found.message, "of addresses"));
    put(store, "k", 15000, 1); /* what fits the slots that are there */
}

static void the_message_names_who_lends_and_how_much(void **state)
{
    (void)state;
    zcx_loan *loans[100], *more;
    int count = 0;
    char pid[32];
    snprintf(pid, sizeof pid, "process %d (full_test)", getpid());
    while (!zcx_store_loan(&loans[count], store, MIB, 0, NULL))
        count++;
    assert_in_range(count, 24, 31);
    FAILS(ZCX_EFULL, zcx_store_loan(&more, store, MIB, 0, error), pid, "loans of", "MiB", "1048576",
          "of 32.0 MiB");
    FAILS(ZCX_ETIMEDOUT, zcx_store_loan(&more, store, MIB, 1, error), pid, "MiB");
    FAILS(ZCX_EFULL, try_put(store, "k", MIB, 1, NULL, error), pid);
    while (count)
        zcx_loan_discard(loans[--count]);
    put(store, "k", MIB, 1);
}

static void the_message_names_who_views_what_is_deleted(void **state)
{
    (void)state;
    zcx_loan *more;
    char pid[32];
    snprintf(pid, sizeof pid, "process %d (full_test)", getpid());
    put(store, "held", 20 * MIB, 1);
    zcx_view *view = view_of(store, "held");
    OK(zcx_store_delete(store, "held", 4, error));
    FAILS(ZCX_EFULL, zcx_store_loan(&more, store, 20 * MIB, 0, error), pid, "views 2", "MiB of deleted");
    assert_view(view, 20 * MIB, 1);
    zcx_view_release(view);
    put(store, "held", 20 * MIB, 2);
}

/* ---- what a full store still does -------------------------------------------------------------------------- */

static void publishing_a_loan_deleting_and_sweeping_still_work(void **state)
{
    (void)state;
    zcx_loan *large = lend(store, MIB), *small = lend(store, 1000);
    unsigned count = fill_up(100000);
    fill(zcx_loan_data(large), MIB, 1);
    OK(zcx_loan_publish(large, "large", 5, MIB, NULL, NULL, error));
    fill(zcx_loan_data(small), 1000, 2);
    OK(zcx_loan_publish(small, "small", 5, 1000, NULL, NULL, error));
    OK(zcx_store_put_error(store, "failed", 6, "no room for the result", NULL, 0, error));
    assert_at(store, "large", MIB, 1);
    assert_at(store, "small", 1000, 2);
    json_decref(sweep(store, ZCX_SWEEP_TRIM));
    json_decref(stat_of(store));
    char *json;
    OK(zcx_store_check(&json, store, error));
    zcx_free(json);
    delete_from(0, count);
    put(store, "again", 10 * MIB, 3);
}

/* 10 times the budget, each expired before the next: a loan sweeps before it fails. */
static void what_expired_makes_room(void **state)
{
    (void)state;
    zcx_envelope brief = ZCX_ENVELOPE_INIT;
    brief.ttl_ms = 1;
    const uint64_t sizes[] = {2 * MIB, 1000};
    for (int s = 0; s < 2; s++)
        for (unsigned i = 0; i * sizes[s] < 3 * BUDGET; i++) {
            zcx_status status;
            EVENTUALLY(!(status = try_put(store, name_of(i), sizes[s], i, &brief, NULL)));
        }
    assert_within_budget();
}

static int die_with_loans(void *context)
{
    zcx_store *mine;
    zcx_loan *loan;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, NULL));
    while (!zcx_store_loan(&loan, mine, MIB, 0, NULL))
        ;
    return 0;
}

static void what_the_dead_held_makes_room(void **state)
{
    (void)state;
    assert_int_equal(exit_status(spawn(die_with_loans, NULL)), 0);
    put(store, "k", 20 * MIB, 1); /* of another class: theirs give their memory back */
    assert_at(store, "k", 20 * MIB, 1);
}

/* Nothing of a batch that does not fit, and what it had is free again. */
static void a_batch_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    uint64_t before, after;
    put(store, "stays", 1000, 1);
    OK(zcx_store_count(&before, store, error));
    const uint64_t sizes[] = {MIB, 1000};
    for (int i = 0; i < 2; i++) {
        zcx_batch *batch;
        void *data = calloc(1, sizes[i]);
        zcx_status status = ZCX_OK;
        OK(zcx_store_batch(&batch, store, error));
        OK(zcx_batch_delete(batch, "stays", 5, error));
        for (unsigned n = 0; !status && n < 32767; n++)
            status = zcx_batch_put(batch, name_of(n), 7, data, sizes[i], NULL, NULL);
        if (!status) status = zcx_batch_commit(batch, NULL, NULL);
        free(data);
        assert_int_equal(status, ZCX_EFULL);
        zcx_batch_discard(batch);
        OK(zcx_store_count(&after, store, error));
        assert_int_equal(after, before);
        assert_at(store, "stays", 1000, 1);
        assert_within_budget();
        put(store, "fits", 10 * MIB, 2);
        OK(zcx_store_delete(store, "fits", 4, error));
    }
}

/* ---- waiting for room ------------------------------------------------------------------------------------------ */

static int ready[2], go[2];

static int lend_all_until_told(void *context)
{
    char byte = 0;
    zcx_store *mine;
    zcx_loan *loan;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, NULL));
    CHILD_EXPECTS(!zcx_store_loan(&loan, mine, 20 * MIB, 0, NULL));
    CHILD_EXPECTS(write(ready[1], &byte, 1) == 1);
    CHILD_EXPECTS(read(go[0], &byte, 1) == 1);
    zcx_loan_discard(loan);
    return zcx_store_close(mine, NULL);
}

static void a_loan_waits_for_another_process_to_free(void **state)
{
    (void)state;
    char byte = 0;
    zcx_loan *loan;
    assert_int_equal(pipe(ready) | pipe(go), 0);
    pid_t child = spawn(lend_all_until_told, NULL);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    FAILS(ZCX_EFULL, zcx_store_loan(&loan, store, 20 * MIB, 0, error), "process", "full_test");
    FAILS(ZCX_ETIMEDOUT, zcx_store_loan(&loan, store, 20 * MIB, 20, error), "process", "full_test");
    assert_int_equal(write(go[1], &byte, 1), 1); /* it frees while we wait, or before */
    OK(zcx_store_loan(&loan, store, 20 * MIB, 60000, error));
    zcx_loan_discard(loan);
    assert_int_equal(exit_status(child), 0);
}

/* ---- a foreign reader ------------------------------------------------------------------------------------------- */

static uint64_t map_size;

/* Any LMDB client may read; while it does, what was retired since cannot be recycled. */
static int read_until_told(void *context)
{
    char byte = 0;
    MDB_env *env;
    MDB_txn *transaction;
    (void)context;
    CHILD_EXPECTS(!mdb_env_create(&env) && !mdb_env_set_mapsize(env, map_size));
    CHILD_EXPECTS(!mdb_env_open(env, path, MDB_RDONLY | MDB_NOTLS, 0600));
    CHILD_EXPECTS(!mdb_txn_begin(env, NULL, MDB_RDONLY, &transaction));
    CHILD_EXPECTS(write(ready[1], &byte, 1) == 1);
    CHILD_EXPECTS(read(go[0], &byte, 1) == 1);
    mdb_txn_abort(transaction);
    CHILD_EXPECTS(write(ready[1], &byte, 1) == 1);
    CHILD_EXPECTS(read(go[0], &byte, 1) == 1);
    return 0;
}

static void a_foreign_reader_in_the_way_is_named(void **state)
{
    (void)state;
    char byte = 0, pid[32];
    zcx_error error_found = ZCX_ERROR_INIT;
    map_size = map_size_of(store);
    put(store, "k", MIB, 0);
    assert_int_equal(pipe(ready) | pipe(go), 0);
    pid_t child = spawn(read_until_told, NULL);
    snprintf(pid, sizeof pid, "process %d reads", child);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    unsigned count = 0;
    while (!try_put(store, "k", MIB, count, NULL, &error_found))
        if (++count > 1000) fail_msg("what the reader sees was recycled");
    assert_int_equal(error_found.status, ZCX_EFULL);
    assert_non_null(strstr(error_found.message, pid));
    assert_at(store, "k", MIB, count - 1);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1); /* it let go */
    for (unsigned i = 0; i < 100; i++)
        put(store, "k", MIB, i);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(exit_status(child), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)
    const struct CMUnitTest tests[] = {
        TEST(a_store_of_any_size_of_payloads_fills_and_goes_on),
        TEST(sizes_may_change),
        TEST(the_message_tells_of_used_up_addresses),
        TEST(the_message_names_who_lends_and_how_much),
        TEST(the_message_names_who_views_what_is_deleted),
        TEST(publishing_a_loan_deleting_and_sweeping_still_work),
        TEST(what_expired_makes_room),
        TEST(what_the_dead_held_makes_room),
        TEST(a_batch_that_does_not_fit_leaves_nothing),
        TEST(a_loan_waits_for_another_process_to_free),
        TEST(a_foreign_reader_in_the_way_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
