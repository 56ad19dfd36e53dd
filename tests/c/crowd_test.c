/* Four processes and their workers fill a store at once by every operation there is: a budget, a
 * tmpfs, a disk, a durable store on a disk, and a tmpfs that somebody else fills meanwhile. Mounts
 * in a namespace of its own; skipped where that is not allowed. */
#include "crowd.h"

#include "accounting.h"
#include "mounts.h"

#include <errno.h>
#include <sys/stat.h>

enum { MEMBERS = 4, WORKERS = 2 };

static char *base, path[300], store_path[320], holder[64];
static struct member members[MEMBERS];
static char config[1024];

/* ---- places ---------------------------------------------------------------------------------------------- */

static void make_place(const char *type, const char *options)
{
    static int count;
    snprintf(path, sizeof path, "%s/%d", base, count++);
    snprintf(store_path, sizeof store_path, "%s/store", path);
    assert_int_equal(mkdir(path, 0700), 0);
    if (!strcmp(type, "tmpfs")) {
        assert_int_equal(mount("none", path, type, 0, options), 0);
        return;
    }
    char command[1300];
    snprintf(command, sizeof command,
             "truncate -s 64m %s.img && mkfs.ext4 -q -m 0 %s.img && mount -o loop %s.img %s", path,
             path, path, path);
    if (system(command)) { /* no loop devices in most containers */
        print_message("skipped: no ext4 on a loop device here\n");
        skip();
    }
}

static int end_place(void **state)
{
    (void)state;
    umount(path); /* which frees the loop device */
    return 0;
}

static void name_place(char *name, size_t size, const char *file)
{
    snprintf(name, size, "%s/%s", path, file);
}

/* Somebody else, who leaves nothing of the file system, a MiB at a time. */
static int take_the_rest(void *context)
{
    char name[320];
    (void)context;
    name_place(name, sizeof name, "other");
    int file = open(name, O_RDWR | O_CREAT, 0600);
    for (off_t at = 0, step = 1 << 20; step;) {
        if (fallocate(file, 0, at, step))
            step = step > 4096 ? 4096 : 0;
        else
            at += step;
        usleep(1000);
    }
    return 0;
}

/* ---- the crowd ------------------------------------------------------------------------------------------- */

static int serve(void *context)
{
    zcx_worker *worker;
    zcx_call *call;
    const void *data;
    void *out;
    uint64_t length;
    (void)context;
    MUST(zcx_worker_open(&worker, config, error));
    for (;;) {
        zcx_error error = ZCX_ERROR_INIT;
        zcx_status status = zcx_worker_take(&call, worker, -1, &error);
        if (!status) status = zcx_call_read(&data, &length, NULL, call, &error);
        if (status) complain("a worker: %s", error.message);
        status = zcx_call_output(&out, call, length, &error);
        if (!status) memcpy(out, data, length);
        if (!status) status = zcx_call_answer(call, length, NULL, &error);
        if (status && status != ZCX_EFULL) complain("a worker's answer: %s", error.message);
        if (status) zcx_call_fail(call, error.message, NULL);
        zcx_call_close(call);
    }
}

static void ignore_warning(void *context, char level, const char *message)
{
    (void)context, (void)level, (void)message; /* of calls that go directly */
}

static int fill_as_member(void *context)
{
    struct member *member = context;
    char here[1024];
    alarm(100); /* it hangs */
    zcx_log_set(ignore_warning, NULL);
    snprintf(here, sizeof here,
             "{\"name\": \"here\", \"lmdb_enabled\": true, \"lmdb_db_path\": \"%s\"}", store_path);
    MUST(zcx_store_open(&member->store, store_path, NULL, error));
    MUST(zcx_exchange_open(&member->here, here, error));
    MUST(zcx_calculator_open(&member->workers, config, error));
    fill_up(member);
    for (unsigned entry = 0; entry < KEPT; entry++) /* half of it, all while others fill */
        if (member->count > 1 && entry % 2) delete_one(member);
    zcx_exchange_close(member->here);
    MUST(zcx_calculator_close(member->workers, error));
    MUST(zcx_store_close(member->store, error));
    return 0;
}

static int hog(void *context)
{
    zcx_store *store;
    zcx_loan *loan;
    (void)context;
    MUST(zcx_store_open(&store, store_path, NULL, error));
    MUST(zcx_store_loan(&loan, store, 4 * MIB, 0, error));
    raise(SIGSTOP);
    return 0;
}

static pid_t start_hog(void)
{
    int status;
    pid_t child = spawn(hog, NULL);
    waitpid(child, &status, WUNTRACED);
    assert_true(WIFSTOPPED(status));
    return child;
}

static void all_fill_it(bool somebody_else)
{
    pid_t children[MEMBERS], workers[WORKERS], other = 0;
    for (int i = 0; i < WORKERS; i++)
        workers[i] = spawn(serve, NULL);
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = (struct member){.path = store_path, .holder = holder, .number = i, .random = i + 1};
        children[i] = spawn(fill_as_member, &members[i]);
    }
    if (somebody_else) other = spawn(take_the_rest, NULL);
    for (int i = 0; i < MEMBERS; i++) {
        int status = exit_status(children[i]);
        if (status) fail_msg("member %d ended with %d: %s", i, status, child_report);
    }
    for (int i = 0; i < WORKERS; i++) {
        int status;
        if (waitpid(workers[i], &status, WNOHANG)) fail_msg("a worker ended: %s", child_report);
        kill_child(workers[i]);
    }
    if (other) assert_int_equal(exit_status(other), 0);
}

/* ---- and afterwards ---------------------------------------------------------------------------------------- */

static void assert_sound(zcx_store *store, uint32_t loans, uint32_t pins)
{
    struct account account;
    const char *fault = account_for(store, &account);
    if (fault) fail_msg("not sound: %s", fault);
    if (account.loans != loans || account.pins != pins)
        fail_msg("%u loans and %u pins", account.loans, account.pins);
}

static void fill_and_go_on(zcx_durability durability, uint64_t budget, bool somebody_else)
{
    zcx_store *store;
    char other[320];
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = budget;
    options.durability = durability;
    make_report();
    OK(zcx_store_open(&store, store_path, &options, error));
    snprintf(holder, sizeof holder, "process %d (crowd_test) has 1 loan", getpid());
    snprintf(config, sizeof config,
             "{\"name\": \"echo\", \"queue\": \"echoes\", \"lmdb_enabled\": true, "
             "\"lmdb_db_path\": \"%s\"}", store_path);
    put(store, "held", 500000, 7);
    zcx_view *view = view_of(store, "held");
    OK(zcx_store_delete(store, "held", 4, error));
    zcx_loan *loan = lend(store, MIB);
    pid_t child = start_hog();
    for (int round = 0; round < 2; round++) {
        all_fill_it(somebody_else && !round);
        assert_view(view, 500000, 7);
        if (!round) kill_child(child);
        json_t *report = sweep(store, ZCX_SWEEP_TRIM);
        assert_true(number(report, "dead_processes", NULL) >= WORKERS + !round);
        json_decref(report);
        delete_all(store);
        json_decref(sweep(store, ZCX_SWEEP_TRIM));
        assert_sound(store, 1, 1);
        name_place(other, sizeof other, "other");
        if (somebody_else && !round) assert_int_equal(unlink(other), 0);
        put(store, "on", 6 * MIB, 8); /* and it goes on */
        assert_at(store, "on", 6 * MIB, 8);
        OK(zcx_store_delete(store, "on", 2, error));
    }
    zcx_view_release(view);
    fill(zcx_loan_data(loan), MIB, 9);
    OK(zcx_loan_publish(loan, "kept", 4, MIB, NULL, NULL, error));
    close_store(store);
    store = open_store(store_path, 0);
    assert_at(store, "kept", MIB, 9);
    close_store(store);
}

static void a_budget(void **state)
{
    (void)state;
    make_place("tmpfs", "size=256m,mode=0700");
    fill_and_go_on(ZCX_DURABILITY_NONE, 32 * MIB, false);
}

static void a_tmpfs(void **state)
{
    (void)state;
    make_place("tmpfs", "size=64m,mode=0700");
    fill_and_go_on(ZCX_DURABILITY_NONE, 1024 * MIB, false);
}

static void a_tmpfs_that_somebody_else_fills(void **state)
{
    (void)state;
    make_place("tmpfs", "size=96m,mode=0700");
    fill_and_go_on(ZCX_DURABILITY_NONE, 64 * MIB, true);
}

static void a_disk(void **state)
{
    (void)state;
    make_place("ext4", NULL);
    fill_and_go_on(ZCX_DURABILITY_NONE, 1024 * MIB, false);
}

static void a_disk_that_somebody_else_fills(void **state)
{
    (void)state;
    make_place("ext4", NULL);
    fill_and_go_on(ZCX_DURABILITY_NONE, 48 * MIB, true);
}

static void a_durable_store_on_a_disk(void **state)
{
    (void)state;
    make_place("ext4", NULL);
    fill_and_go_on(ZCX_DURABILITY_COMMIT, 1024 * MIB, false);
}

int main(void)
{
    base = make_directory(NULL);
    if (!own_mounts()) return 77;
#define TEST(name) cmocka_unit_test_teardown(name, end_place)
    const struct CMUnitTest tests[] = {
        TEST(a_budget),
        TEST(a_tmpfs),
        TEST(a_tmpfs_that_somebody_else_fills),
        TEST(a_disk),
        TEST(a_disk_that_somebody_else_fills),
        TEST(a_durable_store_on_a_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
