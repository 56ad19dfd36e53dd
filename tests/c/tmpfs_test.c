/* A tmpfs that is really full, of 64 MiB as in many containers: errors, never a SIGBUS, and whatever
 * frees goes on working. Mounts in a namespace of its own; skipped where that is not allowed. */
#include "mounts.h"
#include "stores.h"

#include <errno.h>
#include <sys/stat.h>

static char *base, path[280]; /* base: removed from outside of the namespace, whatever happens */

static int mount_one(void **state)
{
    static int count;
    (void)state;
    snprintf(path, sizeof path, "%s/%d", base, count++);
    if (mkdir(path, 0700)) return -1;
    return mount("none", path, "tmpfs", 0, "size=64m,mode=0700");
}

static int unmount_one(void **state)
{
    (void)state;
    return umount(path);
}

static char *store_path(void)
{
    static char full[300];
    snprintf(full, sizeof full, "%s/store", path);
    return full;
}

/* Another user of the file system, who leaves nothing of it. */
static void take_the_rest(void)
{
    char name[300];
    snprintf(name, sizeof name, "%s/other", path);
    int file = open(name, O_RDWR | O_CREAT, 0600);
    for (off_t at = 0, step = 1 << 20; step;) {
        if (fallocate(file, 0, at, step))
            step = step > 4096 ? 4096 : 0;
        else
            at += step;
    }
    close(file);
}

static void give_the_rest_back(void)
{
    char name[300];
    snprintf(name, sizeof name, "%s/other", path);
    assert_int_equal(unlink(name), 0);
}

struct filler {
    const char *prefix;
    uint64_t length;
};

/* A put as bindings do it that build the payload in place. */
static zcx_status put_by_loan(zcx_store *store, const char *key, uint64_t length)
{
    zcx_loan *loan;
    zcx_status status = zcx_store_loan(&loan, store, length, 0, NULL);
    if (status) return status;
    memset(zcx_loan_data(loan), 1, length);
    status = zcx_loan_publish(loan, key, strlen(key), length, NULL, NULL, NULL);
    if (status) zcx_loan_discard(loan);
    return status;
}

/* Puts until the store is full; how many it took, or -1. */
static int fill_store(zcx_store *store, const struct filler *filler)
{
    for (int i = 0;; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%06d", filler->prefix, i);
        zcx_status status = try_put(store, key, filler->length, (unsigned)i, NULL, NULL);
        if (status == ZCX_EFULL) return i;
        if (status) return -1;
    }
}

static int fill_from_a_process(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store;
    CHILD_EXPECTS(!zcx_store_open(&store, store_path(), NULL, &error));
    int count = fill_store(store, context);
    CHILD_EXPECTS(count >= 0);
    for (int i = 0; i < count; i++) {
        char key[32];
        zcx_view *view;
        snprintf(key, sizeof key, "%s%06d", ((struct filler *)context)->prefix, i);
        CHILD_EXPECTS(!zcx_store_view(&view, store, key, strlen(key), &error));
        CHILD_EXPECTS(filled(zcx_view_data(view), zcx_view_length(view), (unsigned)i));
        zcx_view_release(view);
    }
    CHILD_EXPECTS(!zcx_store_close(store, &error));
    return 0;
}

static uint64_t records(zcx_store *store)
{
    uint64_t count;
    OK(zcx_store_count(&count, store, error));
    return count;
}

static void two_processes_fill_it(void **state)
{
    (void)state;
    const uint64_t sizes[] = {3000000, 200000, 3000, 1000};
    for (int i = 0; i < 4; i++) {
        zcx_store *store = open_store(store_path(), 1024 * MIB); /* more than there is */
        struct filler one = {"one", sizes[i]}, two = {"two", sizes[i] + 500};
        pid_t children[] = {spawn(fill_from_a_process, &one), spawn(fill_from_a_process, &two)};
        assert_int_equal(exit_status(children[0]), 0);
        assert_int_equal(exit_status(children[1]), 0);
        assert_true(records(store) * sizes[i] > 16 * MIB);
        take_the_rest();
        FAILS(ZCX_EFULL, try_put(store, "k", sizes[i], 1, NULL, error), "MiB");
        delete_all(store);
        assert_int_equal(records(store), 0);
        give_the_rest_back();
        OK(try_put(store, "on", sizes[i], 1, NULL, error)); /* and goes on */
        assert_true(fill_store(store, &one) > 0);
        close_store(store);
        char command[400];
        snprintf(command, sizeof command, "rm -r %s", store_path());
        assert_int_equal(system(command), 0);
    }
}

static void what_frees_works_without_a_page_to_be_had(void **state)
{
    (void)state;
    char *json, key[16];
    zcx_envelope brief = ZCX_ENVELOPE_INIT;
    zcx_store *store = open_store(store_path(), 1024 * MIB);
    zcx_loan *loan = lend(store, 100000), *small = lend(store, 100);
    brief.ttl_ms = 100;
    for (int i = 0; i < 3000; i++) { /* of more pages than a sweep may touch at once */
        snprintf(key, sizeof key, "b%05d", (i * 7919) % 3000);
        OK(try_put(store, key, i % 10 ? 500 : 5000, 1, &brief, error));
    }
    struct filler slots = {"s", 300000}, inlines = {"i", 1000};
    assert_true(fill_store(store, &slots) > 0);
    fill_store(store, &inlines);
    take_the_rest();
    for (int i = 0, status = ZCX_OK; !status; i++) { /* these may not take the reserve */
        snprintf(key, sizeof key, "l%05d", i);
        status = put_by_loan(store, key, 1000);
        assert_true(!status || status == ZCX_EFULL);
    }
    fill(zcx_loan_data(loan), 100000, 5);
    OK(zcx_loan_publish(loan, "loan", 4, 100000, NULL, NULL, error));
    fill(zcx_loan_data(small), 100, 6);
    OK(zcx_loan_publish(small, "small", 5, 100, NULL, NULL, error));
    OK(zcx_store_put_error(store, "failed", 6, "there was no room", NULL, 0, error));
    assert_at(store, "loan", 100000, 5);
    json_decref(stat_of(store));
    OK(zcx_store_check(&json, store, error));
    zcx_free(json);
    EVENTUALLY(status_at(store, "b00000") != ZCX_OK);
    json_decref(sweep(store, ZCX_SWEEP_TRIM));
    assert_int_equal(status_at(store, "b00000"), ZCX_ENOTFOUND);
    delete_all(store);
    assert_int_equal(records(store), 0);
    json_t *report = sweep(store, ZCX_SWEEP_TRIM);
    json_decref(report);
    put(store, "again", 1000000, 1);
    assert_at(store, "again", 1000000, 1);
    give_the_rest_back();
    put(store, "again", 10000000, 2);
    assert_at(store, "again", 10000000, 2);
    close_store(store);
}

/* 20 openers, each with its readers: all that they touch was allocated when the store was made. */
static int open_and_view(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store;
    zcx_view *views[100];
    (void)context;
    CHILD_EXPECTS(!zcx_store_open(&store, store_path(), NULL, &error));
    for (int i = 0; i < 100; i++)
        CHILD_EXPECTS(!zcx_store_view(&views[i], store, "k", 1, &error));
    for (int i = 0; i < 100; i++)
        zcx_view_release(views[i]);
    CHILD_EXPECTS(!zcx_store_close(store, &error));
    return 0;
}

static void a_full_store_is_opened_and_read(void **state)
{
    (void)state;
    zcx_store *store = open_store(store_path(), 1024 * MIB);
    put(store, "k", 100000, 1);
    take_the_rest();
    pid_t children[20];
    for (int i = 0; i < 20; i++)
        children[i] = spawn(open_and_view, NULL);
    for (int i = 0; i < 20; i++)
        assert_int_equal(exit_status(children[i]), 0);
    close_store(store); /* with nobody left, too */
    store = open_store(store_path(), 0);
    assert_at(store, "k", 100000, 1);
    OK(zcx_store_delete(store, "k", 1, error));
    close_store(store);
}

/* No file of a new store may be half there: the next opener finds nothing, or all of it. */
static void a_store_is_not_made_where_there_is_no_room(void **state)
{
    (void)state;
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 32 * MIB;
    take_the_rest();
    FAILS(ZCX_EFULL, zcx_store_open(&store, store_path(), &options, error), path);
    give_the_rest_back();
    OK(zcx_store_open(&store, store_path(), &options, error));
    put(store, "k", 100000, 1);
    close_store(store);
}

/* A batch of more than there is, on the file system's last pages. */
static void a_batch_that_finds_no_memory_leaves_nothing(void **state)
{
    (void)state;
    static const char data[1500];
    zcx_store *store = open_store(store_path(), 1024 * MIB);
    put(store, "stays", 1000, 1);
    for (int round = 0; round < 2; round++) {
        zcx_batch *batch;
        OK(zcx_store_batch(&batch, store, error));
        if (round) take_the_rest();
        for (int i = 0; i < 32000; i++) {
            char key[16];
            snprintf(key, sizeof key, "b%05d", (i * 7919) % 32000);
            zcx_status status = zcx_batch_put(batch, key, 6, data, 900, NULL, NULL);
            assert_true(!status || (round && status == ZCX_EFULL));
            if (status) break;
        }
        FAILS(ZCX_EFULL, zcx_batch_commit(batch, NULL, error), "MiB");
        zcx_batch_discard(batch);
        assert_int_equal(records(store), 1);
        assert_at(store, "stays", 1000, 1);
    }
    OK(zcx_store_delete(store, "stays", 5, error));
    give_the_rest_back();
    put(store, "goes on", 10000000, 1);
    close_store(store);
}

int main(void)
{
    base = make_directory(NULL);
    if (!own_mounts()) return 77;
#define TEST(name) cmocka_unit_test_setup_teardown(name, mount_one, unmount_one)
    const struct CMUnitTest tests[] = {
        TEST(two_processes_fill_it),
        TEST(what_frees_works_without_a_page_to_be_had),
        TEST(a_full_store_is_opened_and_read),
        TEST(a_store_is_not_made_where_there_is_no_room),
        TEST(a_batch_that_finds_no_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
