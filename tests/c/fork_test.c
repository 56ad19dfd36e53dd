/* Fork: the child may call nothing on what it inherited, and harms nothing of its parent's. */
#include "stores.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static char *path;
static zcx_store *store;

static int open_one(void **state)
{
    (void)state;
    path = make_directory(NULL);
    store = open_store(path, 256 * MIB);
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    close_store(store);
    free(path);
    return 0;
}

struct inherited {
    zcx_loan *loan, *small;
    zcx_view *view, *copied;
    zcx_scan *scan;
    zcx_batch *batch;
};

/* What each call answers in the child. */
static int call_everything(void *context)
{
    struct inherited *all = context;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_loan *loan;
    zcx_view *view;
    zcx_scan *scan;
    zcx_batch *batch;
    char *json;
    bool exists;
    uint64_t count;
    const void *key;
    size_t length;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
#define IS_FORK(call) CHILD_EXPECTS((call) == ZCX_EFORK)
    IS_FORK(zcx_store_put(store, "k", 1, "x", 1, NULL, NULL, &error));
    CHILD_EXPECTS(strstr(error.message, "fork") && strstr(error.message, path));
    IS_FORK(zcx_store_put_error(store, "k", 1, "m", NULL, 0, NULL));
    IS_FORK(zcx_store_delete(store, "slot", 4, NULL));
    IS_FORK(zcx_store_exists(&exists, store, "slot", 4, NULL));
    IS_FORK(zcx_store_count(&count, store, NULL));
    IS_FORK(zcx_store_loan(&loan, store, 10, 0, NULL));
    IS_FORK(zcx_store_loan(&loan, store, 10000, 100, NULL));
    IS_FORK(zcx_loan_publish(all->loan, "k", 1, 1, NULL, NULL, NULL));
    IS_FORK(zcx_loan_publish(all->small, "k", 1, 1, NULL, NULL, NULL));
    IS_FORK(zcx_loan_publish_view(&view, all->loan, "k", 1, 1, NULL, NULL, NULL));
    IS_FORK(zcx_store_view(&view, store, "slot", 4, NULL));
    IS_FORK(zcx_view_envelope(all->view, &envelope, NULL));
    IS_FORK(zcx_view_verify(all->view, NULL));
    IS_FORK(zcx_store_scan(&scan, store, NULL, NULL));
    IS_FORK(zcx_scan_next(all->scan, &key, &length, NULL, NULL));
    IS_FORK(zcx_store_batch(&batch, store, NULL));
    IS_FORK(zcx_batch_put(all->batch, "k", 1, "x", 1, NULL, NULL));
    IS_FORK(zcx_batch_publish(all->batch, all->loan, "k", 1, 1, NULL, NULL));
    IS_FORK(zcx_batch_delete(all->batch, "k", 1, NULL));
    IS_FORK(zcx_batch_commit(all->batch, NULL, NULL));
    IS_FORK(zcx_store_stat(&json, store, NULL));
    IS_FORK(zcx_store_sweep(&json, store, ZCX_SWEEP_TRIM, NULL));
    IS_FORK(zcx_store_check(&json, store, NULL));
    return 0;
}

static struct inherited hold_everything(void)
{
    struct inherited all;
    const void *key;
    size_t length;
    put(store, "inline", 100, 1);
    put(store, "slot", 100000, 2);
    all.loan = lend(store, 5000);
    all.small = lend(store, 50);
    all.view = view_of(store, "slot");
    all.copied = view_of(store, "inline");
    OK(zcx_store_scan(&all.scan, store, NULL, error));
    OK(zcx_scan_next(all.scan, &key, &length, NULL, error)); /* with more to show */
    OK(zcx_store_batch(&all.batch, store, error));
    OK(zcx_batch_put(all.batch, "batched", 7, "x", 1, NULL, error));
    return all;
}

/* In the parent everything is as before. */
static void use_everything(struct inherited *all)
{
    const void *key;
    size_t length;
    fill(zcx_loan_data(all->loan), 5000, 3);
    OK(zcx_loan_publish(all->loan, "lent", 4, 5000, NULL, NULL, error));
    assert_at(store, "lent", 5000, 3);
    zcx_loan_discard(all->small);
    OK(zcx_scan_next(all->scan, &key, &length, NULL, error));
    zcx_scan_close(all->scan);
    OK(zcx_batch_commit(all->batch, NULL, error));
    assert_view(all->view, 100000, 2);
    zcx_view_release(all->view);
    assert_view(all->copied, 100, 1);
    zcx_view_release(all->copied);
}

static void every_call_is_refused(void **state)
{
    (void)state;
    struct inherited all = hold_everything();
    assert_int_equal(exit_status(spawn(call_everything, &all)), 0);
    use_everything(&all);
}

/* As a garbage collector might: in any order, the store first too. */
static int let_go(void *context)
{
    struct inherited *all = context;
    CHILD_EXPECTS(!zcx_store_close(store, NULL));
    zcx_view_release(all->view);
    zcx_view_release(all->copied);
    zcx_loan_discard(all->loan);
    zcx_loan_discard(all->small);
    zcx_scan_close(all->scan);
    zcx_batch_discard(all->batch);
    exit(0); /* with its exit handlers */
}

static void a_child_that_lets_go_keeps_its_parents_hold(void **state)
{
    (void)state;
    struct inherited all = hold_everything();
    assert_int_equal(exit_status(spawn(let_go, &all)), 0);
    OK(zcx_store_delete(store, "slot", 4, error));
    for (unsigned i = 0; i < 50; i++) /* would take the slot if its pin were gone */
        put(store, "other", 100000, i);
    use_everything(&all);
}

/* ---- arrays in the child -------------------------------------------------------------------------------- */

static int ready[2], go[2];

static int read_on(void *context)
{
    struct inherited *all = context;
    char byte = 0;
    CHILD_EXPECTS(filled(zcx_view_data(all->view), 100000, 2));
    CHILD_EXPECTS(write(ready[1], &byte, 1) == 1);
    CHILD_EXPECTS(read(go[0], &byte, 1) == 1);
    CHILD_EXPECTS(filled(zcx_view_data(all->view), 100000, 2));
    CHILD_EXPECTS(filled(zcx_view_data(all->copied), 100, 1));
    CHILD_EXPECTS(zcx_view_length(all->view) == 100000);
    return 0;
}

static void arrays_stay_readable_in_the_child(void **state)
{
    (void)state;
    char byte = 0;
    assert_int_equal(pipe(ready) | pipe(go), 0);
    struct inherited all = hold_everything();
    pid_t child = spawn(read_on, &all);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    OK(zcx_store_delete(store, "slot", 4, error));
    for (unsigned i = 0; i < 100; i++)
        put(store, "other", 100000, i);
    json_decref(sweep(store, ZCX_SWEEP_TRIM));
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(exit_status(child), 0);
    use_everything(&all);
}

/* A child's stray write to a loan or to LMDB's map is its own end, not its parent's corruption. */
static int write_to_the_loan(void *context)
{
    struct inherited *all = context;
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)zcx_loan_data(all->loan) = 1;
    return 0;
}

static void a_child_cannot_write_to_its_parents_loan(void **state)
{
    (void)state;
    struct inherited all = hold_everything();
    fill(zcx_loan_data(all.loan), 5000, 9);
    assert_int_not_equal(exit_status(spawn(write_to_the_loan, &all)), 0);
    assert_true(filled(zcx_loan_data(all.loan), 5000, 9));
    use_everything(&all);
}

/* ---- stores of its own ------------------------------------------------------------------------------------ */

static int open_own(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *mine;
    zcx_view *view;
    uint32_t depth = *(uint32_t *)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, &error));
    CHILD_EXPECTS(!zcx_store_view(&view, mine, "slot", 4, &error));
    CHILD_EXPECTS(filled(zcx_view_data(view), 100000, 2));
    CHILD_EXPECTS(!zcx_store_put(mine, "from a child", 12, &depth, sizeof depth, NULL, NULL, &error));
    if (depth < 3) {
        depth++;
        CHILD_EXPECTS(exit_status(spawn(open_own, &depth)) == 0);
    }
    zcx_view_release(view);
    CHILD_EXPECTS(!zcx_store_close(mine, &error));
    return 0;
}

static void a_child_opens_its_own_and_so_does_its_child(void **state)
{
    (void)state;
    uint32_t depth = 0;
    struct inherited all = hold_everything();
    assert_int_equal(exit_status(spawn(open_own, &depth)), 0);
    zcx_view *view = view_of(store, "from a child");
    assert_int_equal(*(const uint32_t *)zcx_view_data(view), 3);
    zcx_view_release(view);
    use_everything(&all);
}

/* The parent ends while its child lives: nothing of the parent's may stay locked or held by it. */
static int die_and_leave_a_child(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *mine;
    zcx_view *view;
    zcx_loan *loan;
    char byte;
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, &error));
    CHILD_EXPECTS(!zcx_store_view(&view, mine, "slot", 4, &error));
    CHILD_EXPECTS(!zcx_store_loan(&loan, mine, 1000000, 0, &error));
    pid_t child = fork();
    if (child == 0) { /* until the test closes its end */
        child = getpid();
        close(go[1]);
        CHILD_EXPECTS(write(ready[1], &child, sizeof child) == sizeof child);
        _exit(read(go[0], &byte, 1) < 0);
    }
    kill(getpid(), SIGKILL);
    return 0;
}

/* A sweep frees what the dead parent held, while `alive`, which it left, still lives. */
static void expect_only_us(pid_t alive)
{
    bool lives = !kill(alive, 0);
    json_t *report = sweep(store, 0), *stat = stat_of(store);
    kill(alive, SIGKILL);
    assert_true(lives);
    assert_int_equal(number(report, "dead_processes", NULL), 1);
    json_decref(report);
    assert_int_equal(number(stat, "slots", "loaned", "slots", NULL), 0);
    assert_int_equal(json_array_size(json_object_get(stat, "holders")), 1);
    json_decref(stat);
}

static void a_child_keeps_no_lock_of_a_dead_parent(void **state)
{
    (void)state;
    pid_t grandchild;
    put(store, "slot", 100000, 2);
    assert_int_equal(pipe(ready) | pipe(go), 0);
    assert_int_equal(exit_status(spawn(die_and_leave_a_child, NULL)), 128 + SIGKILL);
    assert_int_equal(read(ready[0], &grandchild, sizeof grandchild), sizeof grandchild);
    expect_only_us(grandchild);
    close(go[1]);
}

/* Whoever shares a process's memory keeps its maps, as ps does for the moment that it reads there. */
__attribute__((noreturn)) static int share_memory(void *unused)
{
    (void)unused;
    syscall(SYS_close_range, 3, ~0u, 0);
    for (;;)
        pause();
}

static int die_and_leave_memory(void *unused)
{
    (void)unused;
    static char stack[65536];
    zcx_store *mine;
    zcx_loan *loan;
    CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, NULL));
    CHILD_EXPECTS(!zcx_store_loan(&loan, mine, 100000, 0, NULL));
    pid_t child = clone(share_memory, stack + sizeof stack, CLONE_VM, NULL);
    CHILD_EXPECTS(write(ready[1], &child, sizeof child) == sizeof child);
    CHILD_EXPECTS(read(go[0], stack, 1) == 1); /* its files are closed */
    kill(getpid(), SIGKILL);
    return 0;
}

static int files_of(pid_t process)
{
    char name[64];
    int count = 0;
    snprintf(name, sizeof name, "/proc/%d/fd", process);
    DIR *directory = opendir(name);
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void whose_memory_is_looked_at_is_dead_all_the_same(void **state)
{
    (void)state;
    pid_t sharer;
    put(store, "slot", 100000, 2);
    assert_int_equal(pipe(ready) | pipe(go), 0);
    pid_t child = spawn(die_and_leave_memory, NULL);
    assert_int_equal(read(ready[0], &sharer, sizeof sharer), sizeof sharer);
    while (files_of(sharer) > 5) /* two dots, and the standard ones */
        usleep(1000);
    assert_int_equal(write(go[1], "", 1), 1);
    assert_int_equal(exit_status(child), 128 + SIGKILL);
    expect_only_us(sharer);
    close(go[1]);
}

/* With the parent gone and the child alive nobody has the store open: its board may be rebuilt. */
static int open_and_leave(void *context)
{
    char byte;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *mine;
    CHILD_EXPECTS(!zcx_store_open(&mine, context, NULL, &error));
    CHILD_EXPECTS(!zcx_store_put(mine, "k", 1, "v", 1, NULL, NULL, &error));
    if (fork() == 0) {
        close(go[1]);
        CHILD_EXPECTS(write(ready[1], "", 1) == 1);
        _exit(read(go[0], &byte, 1) < 0);
    }
    kill(getpid(), SIGKILL);
    return 0;
}

static void a_child_is_no_opener(void **state)
{
    (void)state;
    char *elsewhere = make_directory(NULL), board[300], byte;
    assert_int_equal(pipe(ready) | pipe(go), 0);
    assert_int_equal(exit_status(spawn(open_and_leave, elsewhere)), 128 + SIGKILL);
    assert_int_equal(read(ready[0], &byte, 1), 1); /* the grandchild is past its fork */
    snprintf(board, sizeof board, "%s/board", elsewhere);
    assert_int_equal(unlink(board), 0);
    zcx_store *other = open_store(elsewhere, 0); /* ESTALE if somebody lived */
    zcx_view *view = view_of(other, "k");
    assert_memory_equal(zcx_view_data(view), "v", 1);
    zcx_view_release(view);
    close_store(other);
    close(go[1]);
    free(elsewhere);
}

/* ---- forks of a process that is busy ------------------------------------------------------------------------ */

enum { FORKS = 200 };

static atomic_bool enough;

static void *open_and_close(void *json)
{
    while (!atomic_load(&enough)) {
        zcx_exchange *exchange;
        if (zcx_exchange_open(&exchange, json, NULL)) return json;
        zcx_exchange_close(exchange);
    }
    return NULL;
}

static int close_an_own_exchange(void *unused)
{
    (void)unused;
    zcx_exchange *exchange;
    alarm(10); /* a lock of the parent's thread would keep it for ever */
    if (zcx_exchange_open(&exchange, "{\"name\": \"direct\", \"lmdb_enabled\": false}", NULL)) return 1;
    zcx_exchange_close(exchange);
    return 0;
}

static void a_child_waits_for_no_thread_of_its_parent(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("skipped: AddressSanitizer's own allocator keeps its locks over fork\n");
    skip();
#endif
    char json[400];
    pthread_t threads[2];
    void *failed;
    snprintf(json, sizeof json, "{\"name\": \"c\", \"lmdb_enabled\": true, \"lmdb_db_path\": \"%s\"}",
             path);
    atomic_store(&enough, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, json), 0);
    int status = 0;
    for (int i = 0; i < FORKS && !status; i++)
        status = exit_status(spawn(close_an_own_exchange, NULL));
    atomic_store(&enough, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_call_is_refused, open_one, close_one),
        cmocka_unit_test_setup_teardown(a_child_that_lets_go_keeps_its_parents_hold, open_one, close_one),
        cmocka_unit_test_setup_teardown(arrays_stay_readable_in_the_child, open_one, close_one),
        cmocka_unit_test_setup_teardown(a_child_cannot_write_to_its_parents_loan, open_one, close_one),
        cmocka_unit_test_setup_teardown(a_child_opens_its_own_and_so_does_its_child, open_one, close_one),
        cmocka_unit_test_setup_teardown(a_child_keeps_no_lock_of_a_dead_parent, open_one, close_one),
        cmocka_unit_test_setup_teardown(whose_memory_is_looked_at_is_dead_all_the_same, open_one, close_one),
        cmocka_unit_test_setup_teardown(a_child_is_no_opener, open_one, close_one),
        cmocka_unit_test_setup_teardown(a_child_waits_for_no_thread_of_its_parent, open_one, close_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
