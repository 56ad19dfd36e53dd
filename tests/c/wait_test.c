/* Waiting for a key, and for any commit: what each answer looks like, and what a lost wake costs. */
#include "queues.h"

#include <dlfcn.h>
#include <sys/resource.h>

struct deed {
    const char *key;
    bool error, delete, first;
    int64_t ttl_ms;
};

/* Does it as soon as the parent sleeps: a thread of it then waits on a futex. */
static int do_deed(void *context)
{
    const struct deed *deed = context;
    zcx_store *store = open_here();
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    size_t length = strlen(deed->key);
    envelope.ttl_ms = deed->ttl_ms;
    if (!deed->first) usleep(20000);
    if (deed->error)
        MUST(zcx_store_put_error(store, deed->key, length, "it rained", "at noon", 0, error));
    else if (deed->delete)
        MUST(zcx_store_delete(store, deed->key, length, error));
    else
        MUST(zcx_store_put(store, deed->key, length, "sun", 3, &envelope, NULL, error));
    return 0;
}

static void a_key_is_waited_for(void **state)
{
    (void)state;
    zcx_view *view = NULL;
    zcx_store *store = open_here();
    struct deed deed = {.key = "later"};
    pid_t child = spawn(do_deed, &deed);
    OK(zcx_store_wait(&view, store, "later", 5, 0, 5000, error));
    assert_memory_equal(zcx_view_data(view), "sun", 3);
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    OK(zcx_view_envelope(view, &envelope, error));
    zcx_view_release(view);
    assert_int_equal(exit_status(child), 0);

    FAILS(ZCX_ETIMEDOUT,
          zcx_store_wait(&view, store, "later", 5, envelope.transaction, 60, error), "later", "60 ms");
    FAILS(ZCX_ETIMEDOUT, zcx_store_wait(&view, store, "never", 5, 0, 0, error), "never", "0 ms");
    child = spawn(do_deed, &deed);
    OK(zcx_store_wait(&view, store, "later", 5, envelope.transaction, 5000, error));
    zcx_view_release(view);
    assert_int_equal(exit_status(child), 0);
    OK(zcx_store_delete(store, "later", 5, error));
    OK(zcx_store_close(store, error));
}

static void answers_of_a_wait_differ(void **state)
{
    (void)state;
    zcx_view *view = NULL;
    uint64_t transaction;
    zcx_store *store = open_here();
    struct deed fails = {.key = "failure", .error = true}, gone = {.key = "gone", .delete = true};
    pid_t child = spawn(do_deed, &fails);
    FAILS(ZCX_EFAILED, zcx_store_wait(&view, store, "failure", 7, 0, 5000, error), "it rained");
    assert_int_equal(exit_status(child), 0);
    OK(zcx_store_delete(store, "failure", 7, error));

    OK(zcx_store_put(store, "gone", 4, "x", 1, NULL, &transaction, error));
    child = spawn(do_deed, &gone);
    FAILS(ZCX_EDELETED, zcx_store_wait(&view, store, "gone", 4, transaction, 5000, error), "gone");
    assert_int_equal(exit_status(child), 0);

    struct deed short_lived = {.key = "brief", .first = true, .ttl_ms = 1};
    assert_int_equal(exit_status(spawn(do_deed, &short_lived)), 0);
    usleep(5000);
    FAILS(ZCX_EEXPIRED, zcx_store_wait(&view, store, "brief", 5, 0, 5000, error), "brief");
    OK(zcx_store_close(store, error));
}

/* It publishes and is killed before it wakes anybody: the waiter's slice finds the record. */
static int publish_silently(void *context)
{
    (void)context;
    zcx_store *store = open_here();
    usleep(20000);
    MUST(zcx_store_put(store, "silent", 6, "x", 1, NULL, NULL, error));
    raise(SIGKILL);
    return 0;
}

static void a_lost_wake_costs_a_slice(void **state)
{
    (void)state;
    zcx_view *view = NULL;
    zcx_store *store = open_here();
    pid_t child = spawn(publish_silently, NULL);
    OK(zcx_store_wait(&view, store, "silent", 6, 0, 5000, error));
    zcx_view_release(view);
    assert_int_equal(exit_status(child), 128 + SIGKILL);
    OK(zcx_store_delete(store, "silent", 6, error));
    OK(zcx_store_close(store, error));
}

static int put_late(void *context)
{
    (void)context;
    zcx_store *store = open_here();
    usleep(120000); /* the parent sleeps */
    MUST(zcx_store_put(store, "late", 4, "x", 1, NULL, NULL, error));
    MUST(zcx_store_delete(store, "late", 4, error));
    return 0;
}

static void any_commit_is_waited_for(void **state)
{
    (void)state;
    uint64_t seen = 0, before;
    zcx_store *store = open_here();
    OK(zcx_store_wait_commit(store, &seen, 0, error)); /* the store's own */
    assert_true(seen);
    before = seen;
    FAILS(ZCX_ETIMEDOUT, zcx_store_wait_commit(store, &seen, 20, error), path, "20 ms");
    assert_int_equal(seen, before);
    pid_t child = spawn(put_late, NULL);
    OK(zcx_store_wait_commit(store, &seen, 10000, error));
    assert_true(seen > before);
    assert_int_equal(exit_status(child), 0);
    OK(zcx_store_close(store, error));
}

static _Atomic int meta_delay; /* µs: what a disk takes to write a meta page, in a child */

static ssize_t write_slowly(const char *name, int file, const void *data, size_t size, off_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off_t);
    *(void **)&next = dlsym(RTLD_NEXT, name);
    ssize_t written = next(file, data, size, offset);
    if (atomic_load(&meta_delay) && size <= 256 && offset < 8192) usleep((useconds_t)meta_delay);
    return written;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset)
{
    return write_slowly("pwrite", file, data, size, offset);
}

ssize_t pwrite64(int file, const void *data, size_t size, off_t offset)
{
    return write_slowly("pwrite64", file, data, size, offset);
}

static zcx_store *open_durable(void)
{
    char durable[300];
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 64 << 20;
    options.durability = ZCX_DURABILITY_COMMIT;
    snprintf(durable, sizeof durable, "%s-durable", path);
    MUST(zcx_store_open(&store, durable, &options, error));
    return store;
}

static int put_slowly(void *context)
{
    (void)context;
    zcx_store *store = open_durable();
    atomic_store(&meta_delay, 20000);
    for (char i = 0; i < 10; i++) {
        usleep(80000);
        MUST(zcx_store_put(store, &i, 1, "x", 1, NULL, NULL, error));
    }
    return 0;
}

/* A meta page that is written says more than readers see yet. */
static void who_waits_for_commits_can_see_them(void **state)
{
    (void)state;
    uint64_t seen = 0;
    zcx_store *store = open_durable();
    pid_t child = spawn(put_slowly, NULL);
    for (char i = 0; i < 10;) {
        bool there;
        OK(zcx_store_wait_commit(store, &seen, 30000, error)); /* the last one is no exception */
        OK(zcx_store_exists(&there, store, &i, 1, error));
        i += there;
    }
    assert_int_equal(exit_status(child), 0);
    OK(zcx_store_close(store, error));
    char command[320];
    snprintf(command, sizeof command, "rm -r %s-durable", path);
    assert_int_equal(system(command), 0);
}

static void waiters_use_no_processor(void **state)
{
    (void)state;
    struct rusage before, after;
    zcx_view *view = NULL;
    zcx_store *store = open_here();
    getrusage(RUSAGE_SELF, &before);
    FAILS(ZCX_ETIMEDOUT, zcx_store_wait(&view, store, "idle", 4, 0, 1000, error), "idle");
    getrusage(RUSAGE_SELF, &after);
    long switches = after.ru_nvcsw - before.ru_nvcsw;
    assert_true(switches < 1000); /* 20 slices, and the yields of a tenth of a millisecond */
    OK(zcx_store_close(store, error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_waited_for),
        cmocka_unit_test(answers_of_a_wait_differ),
        cmocka_unit_test(a_lost_wake_costs_a_slice),
        cmocka_unit_test(any_commit_is_waited_for),
        cmocka_unit_test(who_waits_for_commits_can_see_them),
        cmocka_unit_test(waiters_use_no_processor),
    };
    return run_in_directory(tests, sizeof tests / sizeof *tests);
}
