/* Locks that another process holds: the wait ends, and the message says whose they are. */
#include "stores.h"

#include "store.h"

#include <sys/file.h>

static char *path;
static int ready[2], go[2];

static int make_path(void **state)
{
    (void)state;
    path = make_directory(NULL);
    return pipe(ready) | pipe(go);
}

static int free_path(void **state)
{
    (void)state;
    free(path);
    return 0;
}

static zcx_status open_briefly(zcx_store **store, zcx_error *error)
{
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 64 * MIB;
    options.lock_timeout_ms = 30;
    return zcx_store_open(store, path, &options, error);
}

/* As one that is stopped in the middle of a publish. */
static int hold_the_mutex(void *context)
{
    char byte = 0;
    zcx_store *store;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&store, path, NULL, NULL));
    CHILD_EXPECTS(!zcxi_env_lock(store->env, NULL));
    CHILD_EXPECTS(write(ready[1], &byte, 1) == 1);
    CHILD_EXPECTS(read(go[0], &byte, 1) == 1);
    zcxi_env_unlock(store->env);
    return zcx_store_close(store, NULL);
}

static void who_has_the_mutex_is_named(void **state)
{
    (void)state;
    zcx_store *store, *other;
    zcx_batch *batch;
    char byte = 0, pid[32], *json;
    OK(open_briefly(&store, error));
    put(store, "k", 5000, 1);
    zcx_loan *loan = lend(store, 5000);
    fill(zcx_loan_data(loan), 5000, 2);
    OK(zcx_store_batch(&batch, store, error));
    OK(zcx_batch_put(batch, "b", 1, "x", 1, NULL, error));
    pid_t child = spawn(hold_the_mutex, NULL);
    snprintf(pid, sizeof pid, "process %d", child);
    assert_int_equal(read(ready[0], &byte, 1), 1);

    FAILS(ZCX_ETIMEDOUT, try_put(store, "k", 10, 1, NULL, error), "30 ms", pid, path);
    FAILS(ZCX_ETIMEDOUT, zcx_loan_publish(loan, "k", 1, 5000, NULL, NULL, error), pid);
    FAILS(ZCX_ETIMEDOUT, zcx_batch_commit(batch, NULL, error), pid);
    FAILS(ZCX_ETIMEDOUT, zcx_store_delete(store, "k", 1, error), pid);
    FAILS(ZCX_ETIMEDOUT, zcx_store_sweep(&json, store, 0, error), pid);
    zcx_store_options options = {.struct_size = sizeof options, .database = "another"};
    FAILS(ZCX_ETIMEDOUT, zcx_store_open(&other, path, &options, error), pid);
    assert_at(store, "k", 5000, 1); /* views take no lock */
    zcx_loan_discard(lend(store, 100));

    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(exit_status(child), 0);
    OK(zcx_loan_publish(loan, "k", 1, 5000, NULL, NULL, error)); /* nothing was lost */
    OK(zcx_batch_commit(batch, NULL, error));
    assert_at(store, "k", 5000, 2);
    close_store(store);
}

static int hold_open_lock(void *context)
{
    char byte = 0, name[300];
    (void)context;
    snprintf(name, sizeof name, "%s/open.lock", path);
    int file = open(name, O_RDWR);
    CHILD_EXPECTS(file >= 0 && !flock(file, LOCK_EX));
    CHILD_EXPECTS(write(ready[1], &byte, 1) == 1);
    return read(go[0], &byte, 1) != 1;
}

static void who_is_opening_is_named(void **state)
{
    (void)state;
    zcx_store *store;
    char byte = 0, pid[32];
    OK(open_briefly(&store, error));
    close_store(store);
    pid_t child = spawn(hold_open_lock, NULL);
    snprintf(pid, sizeof pid, "(%d)", child);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    FAILS(ZCX_EBUSY, open_briefly(&store, error), "opening or closing", path, "30 ms", pid);
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(exit_status(child), 0);
    OK(open_briefly(&store, error));
    close_store(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(who_has_the_mutex_is_named),
        TEST(who_is_opening_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
