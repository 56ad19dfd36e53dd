/* Stores that are not whole: of another version, boot or file, removed, and openers that fail. */
#include "place.h"
#include "store.h"
#include "transact.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void edit_manifest(const char *from, const char *to)
{
    char text[4096] = {0};
    FILE *file = fopen(in_path("v/store.json"), "r+");
    size_t length = fread(text, 1, sizeof text - 1, file);
    char *at = strstr(text, from);
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    rewind(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

static void another_version_is_refused(void **state)
{
    (void)state;
    assert_int_equal(try_open(in_path("v"), 0, NULL), ZCX_OK);
    edit_manifest("\"protocol\": 1", "\"protocol\": 7");
    FAILS(ZCX_EVERSION, try_open(in_path("v"), ZCX_OPEN_EXISTING, error), "version 7", "version 1");
    FAILS(ZCX_EVERSION, try_open(in_path("v"), 0, error), "version 7");
    edit_manifest("\"protocol\": 7", "\"protocol\": 1");
    edit_manifest("\"budget\"", "\"bidget\"");
    FAILS(ZCX_ECORRUPT, try_open(in_path("v"), ZCX_OPEN_EXISTING, error), "budget");
    edit_manifest("\"bidget\"", "\"budget\"");
    assert_int_equal(try_open(in_path("v"), ZCX_OPEN_EXISTING, NULL), ZCX_OK);
    assert_int_equal(unlink(in_path("v/store.json")), 0);
    FAILS(ZCX_ECORRUPT, try_open(in_path("v"), 0, error), "store.json", "data.mdb");
}

static void garbage_in_data_is_refused(void **state)
{
    (void)state;
    char page[4096];
    assert_int_equal(try_open(in_path("v"), 0, NULL), ZCX_OK);
    memset(page, 0x5a, sizeof page);
    FILE *file = fopen(in_path("v/data.mdb"), "r+");
    fwrite(page, 1, sizeof page, file);
    fwrite(page, 1, sizeof page, file);
    fclose(file);
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = try_open(in_path("v"), 0, &error);
    assert_true(status == ZCX_ECORRUPT || status == ZCX_EVERSION);
    assert_int_not_equal(strlen(error.message), 0);
}

/* Who has a removed store open is told so by what looks, and does not share it with a new one. */
static void a_removed_store_is_stale(void **state)
{
    (void)state;
    char *where = strdup(in_path("r")), command[500], *json;
    zcx_store *store = open_store(where, 64 * MIB), *other;
    put(store, "k", 5000, 1);
    zcx_view *view = view_of(store, "k");
    snprintf(command, sizeof command, "rm -r %s", where);
    assert_int_equal(system(command), 0);
    FAILS(ZCX_ESTALE, zcx_store_stat(&json, store, error), "removed");
    FAILS(ZCX_ESTALE, zcx_store_sweep(&json, store, 0, error), "removed");
    FAILS(ZCX_ESTALE, zcx_store_check(&json, store, error), "removed");
    assert_view(view, 5000, 1); /* held is held */
    other = open_store(where, 64 * MIB);
    assert_int_equal(status_at(other, "k"), ZCX_ENOTFOUND);
    put(other, "new", 100, 2);
    assert_int_equal(status_at(store, "new"), ZCX_ENOTFOUND);
    EVENTUALLY(try_put(store, "lost", 100, 1, NULL, NULL) == ZCX_ESTALE);
    zcx_view_release(view);
    close_store(store);
    close_store(other);
    free(where);
}

/* The files gone but not the directory: its inode is the old one, so the process must close first. */
static void a_store_emptied_under_us_is_stale(void **state)
{
    (void)state;
    char command[500];
    zcx_store *store = open_store(in_path("r"), 64 * MIB);
    snprintf(command, sizeof command, "rm %s/*", in_path("r"));
    assert_int_equal(system(command), 0);
    FAILS(ZCX_ESTALE, try_open(in_path("r"), 0, error), "removed", "close it");
    close_store(store);
    assert_int_equal(try_open(in_path("r"), 0, NULL), ZCX_OK);
}

/* ---- a data.mdb that the board does not belong to ---------------------------------------------------------- */

static void shell(const char *format, ...)
{
    char command[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    assert_int_equal(system(command), 0);
}

static void put_many(const char *prefix, int count)
{
    char key[16];
    zcx_store *store = open_store(in_path("d"), 64 * MIB);
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%s%d", prefix, i);
        put(store, key, 300000, (unsigned)i);
    }
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%s%d", prefix, i);
        assert_at(store, key, 300000, (unsigned)i);
        if (*prefix == 'x') OK(zcx_store_delete(store, key, strlen(key), error));
    }
    close_store(store);
}

static int hold_open(void *context)
{
    char byte = 0;
    const int *pipes = context; /* to the parent, from the parent */
    zcx_store *store = open_store(in_path("d"), 64 * MIB);
    bool told = write(pipes[1], &byte, 1) == 1 && read(pipes[2], &byte, 1) == 1;
    return zcx_store_close(store, NULL) || !told;
}

static void a_store_without_its_data_begins_anew(void **state)
{
    (void)state;
    char byte;
    int pipes[4];
    put_many("x", 20);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(pipes + 2), 0);
    pid_t child = spawn(hold_open, pipes);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    shell("rm %s", in_path("d/data.mdb"));
    FAILS(ZCX_ESTALE, try_open(in_path("d"), 0, error), "data.mdb", "removed");
    assert_int_equal(write(pipes[3], &byte, 1), 1);
    assert_int_equal(exit_status(child), 0);
    put_many("n", 90); /* the old board's slots would lie where the new tree is */
    for (int i = 0; i < 4; i++)
        close(pipes[i]);
}

/* The board of who has the store open is of another file; who opens it alone makes his own. */
static void a_data_file_put_back_is_refused_while_the_store_is_open(void **state)
{
    (void)state;
    char byte;
    int pipes[4];
    put_many("k", 3);
    char *data = strdup(in_path("d/data.mdb"));
    shell("cp %s %s.old", data, data);
    put_many("x", 20);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(pipes + 2), 0);
    pid_t child = spawn(hold_open, pipes);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    shell("mv %s %s.new && mv %s.old %s", data, data, data, data);
    FAILS(ZCX_ESTALE, try_open(in_path("d"), 0, error), "replaced", "end them");
    assert_int_equal(write(pipes[3], &byte, 1), 1);
    assert_int_equal(exit_status(child), 0);
    for (int i = 0; i < 4; i++)
        close(pipes[i]);
    free(data);
    zcx_store *store = open_store(in_path("d"), 64 * MIB);
    for (unsigned i = 0; i < 3; i++)
        assert_at(store, (char[]){'k', (char)('0' + i), 0}, 300000, i);
    close_store(store);
}

/* ---- a store of an earlier boot ----------------------------------------------------------------------------- */

static void open_another(void *context, char level, const char *message)
{
    if (level != 'i' || !strstr(message, "earlier boot")) return;
    *(zcx_status *)context = try_open(in_path("other"), 0, NULL);
}

static void what_is_logged_may_be_logged_with_zcx(void **state)
{
    (void)state;
    char boot[37], earlier[37];
    zcx_status status = ZCX_EFAILED;
    assert_int_equal(try_open(in_path("v"), 0, NULL), ZCX_OK);
    assert_true(zcxi_boot_id(boot));
    strcpy(earlier, boot);
    *earlier = *boot == '0' ? '1' : '0';
    edit_manifest(boot, earlier);
    FAILS(ZCX_ECORRUPT, try_open(in_path("v"), 0, error), "boot_id", "board"); /* it is not so */
    assert_int_equal(unlink(in_path("v/board")), 0);
    zcx_log_set(open_another, &status);
    alarm(20); /* it waited for the lock that it held */
    assert_int_equal(try_open(in_path("v"), 0, NULL), ZCX_OK);
    alarm(0);
    zcx_log_set(NULL, NULL);
    assert_int_equal(status, ZCX_OK);
}

/* ---- an opener that fails ----------------------------------------------------------------------------------- */

static zcx_status put_slot(struct zcxi_env *env, MDB_txn *transaction, void *context,
                           zcx_error *error)
{
    (void)context, (void)error;
    uint32_t number = atomic_load(&env->board.header->slots);
    MDB_val key = {sizeof number, &number}, value = {100 * 4096 - env->page_header, NULL};
    return mdb_put(transaction, env->slots_db, &key, &value, MDB_RESERVE) ? ZCX_ESYSTEM : ZCX_OK;
}

/* As a loan that needs a new slot and is killed between its commit and the board's entry. */
static int die_creating(void *context)
{
    (void)context;
    zcx_store *store = open_store(in_path("o"), 0);
    const struct zcxi_need need = {.changes = 1, .pages = 100};
    if (zcxi_env_lock(store->env, NULL)) return 1;
    if (zcxi_transact_locked(store->env, &need, put_slot, NULL, NULL)) return 1;
    return raise(SIGKILL);
}

static int open_with_few_files(void *files)
{
    struct rlimit few = {*(rlim_t *)files, *(rlim_t *)files};
    if (setrlimit(RLIMIT_NOFILE, &few)) return 100;
    return (int)try_open(in_path("o"), ZCX_OPEN_EXISTING, NULL);
}

/* It takes the mutex first, and with it the word that its last owner died. */
static void an_opener_that_fails_leaves_the_recovery_to_others(void **state)
{
    (void)state;
    zcx_loan *loans[64] = {NULL};
    int status = -1;
    zcx_store *store = open_store(in_path("o"), 64 * MIB);
    for (rlim_t files = 4; status != ZCX_OK && files < 64; files++) {
        assert_int_equal(exit_status(spawn(die_creating, NULL)), 128 + SIGKILL);
        status = exit_status(spawn(open_with_few_files, &files));
        loans[files] = lend(store, 1000000); /* which needs a new slot, each time */
    }
    assert_int_equal(status, ZCX_OK);
    for (int i = 0; i < 64; i++)
        zcx_loan_discard(loans[i]);
    close_store(store);
}
int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(another_version_is_refused),
        TEST(garbage_in_data_is_refused),
        TEST(what_is_logged_may_be_logged_with_zcx),
        TEST(an_opener_that_fails_leaves_the_recovery_to_others),
        TEST(a_removed_store_is_stale),
        TEST(a_store_without_its_data_begins_anew),
        TEST(a_data_file_put_back_is_refused_while_the_store_is_open),
        TEST(a_store_emptied_under_us_is_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
