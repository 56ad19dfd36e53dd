/* A second LMDB, or a second libzcx, in the process: refused where it came first, survived where it
 * came later. */
#include "stores.h"
#include "store.h"

#include "lock.h"

#include <dlfcn.h>
#include <limits.h>
#include <lmdb.h>

static char *path;

static int make_path(void **state)
{
    (void)state;
    path = make_directory(NULL);
    return 0;
}

static int free_path(void **state)
{
    (void)state;
    free(path);
    return 0;
}

/* A copy of a library under another name, as a binding bundles its own. */
static void *load_copy(const char *library, const char *name)
{
    char command[2 * PATH_MAX + 100], copy[300];
    snprintf(copy, sizeof copy, "%s-%s", path, name); /* beside the store, removed below */
    snprintf(command, sizeof command, "cp -L '%s' '%s'", library, copy);
    assert_int_equal(system(command), 0);
    void *loaded = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    unlink(copy);
    if (!loaded) fail_msg("%s", dlerror());
    return loaded;
}

/* What a binding calls, from its own copy. */
struct lmdb {
    int (*create)(MDB_env **);
    int (*set_mapsize)(MDB_env *, size_t);
    int (*set_maxdbs)(MDB_env *, MDB_dbi);
    int (*open)(MDB_env *, const char *, unsigned, mdb_mode_t);
    int (*begin)(MDB_env *, MDB_txn *, unsigned, MDB_txn **);
    int (*dbi)(MDB_txn *, const char *, unsigned, MDB_dbi *);
    int (*get)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *);
    void (*abort)(MDB_txn *);
    void (*close)(MDB_env *);
    MDB_env *env;
};

static struct lmdb second_lmdb(void)
{
    Dl_info info;
    struct lmdb lmdb = {0};
    assert_int_not_equal(dladdr((void *)mdb_env_create, &info), 0);
    void *loaded = load_copy(info.dli_fname, "second.so");
#define FIND(member, name) *(void **)&lmdb.member = dlsym(loaded, name)
    FIND(create, "mdb_env_create");
    FIND(set_mapsize, "mdb_env_set_mapsize");
    FIND(set_maxdbs, "mdb_env_set_maxdbs");
    FIND(open, "mdb_env_open");
    FIND(begin, "mdb_txn_begin");
    FIND(dbi, "mdb_dbi_open");
    FIND(get, "mdb_get");
    FIND(abort, "mdb_txn_abort");
    FIND(close, "mdb_env_close");
    assert_true((void *)lmdb.open != (void *)mdb_env_open);
    return lmdb;
}

static void open_second(struct lmdb *lmdb, size_t map_size)
{
    assert_int_equal(lmdb->create(&lmdb->env), 0);
    assert_int_equal(lmdb->set_mapsize(lmdb->env, map_size), 0);
    assert_int_equal(lmdb->set_maxdbs(lmdb->env, 8), 0);
    assert_int_equal(lmdb->open(lmdb->env, path, MDB_RDONLY | MDB_NOTLS, 0600), 0);
}

static void a_store_that_another_lmdb_has_open_is_refused(void **state)
{
    (void)state;
    zcx_store *store = open_store(path, 64 * MIB);
    put(store, "k", 5000, 1);
    close_store(store);
    struct lmdb lmdb = second_lmdb();
    open_second(&lmdb, 256 * MIB);
    for (int i = 0; i < 2; i++)
        FAILS(ZCX_EBUSY, zcx_store_open(&store, path, NULL, error), "LMDB", path);
    MDB_txn *transaction; /* which did the other one no harm */
    MDB_dbi database;
    MDB_val key = {1, "k"}, value;
    assert_int_equal(lmdb.begin(lmdb.env, NULL, MDB_RDONLY, &transaction), 0);
    assert_int_equal(lmdb.dbi(transaction, "default", 0, &database), 0);
    assert_int_equal(lmdb.get(transaction, database, &key, &value), 0);
    lmdb.abort(transaction);
    lmdb.close(lmdb.env);
    store = open_store(path, 0);
    assert_at(store, "k", 5000, 1);
    close_store(store);
}

/* ---- zcx first ------------------------------------------------------------------------------------------ */

/* In another process: who holds the lock on this byte of lock.mdb? */
static pid_t holder_of(const char *file_path, off_t byte)
{
    int ends[2];
    pid_t holder = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char name[300];
        snprintf(name, sizeof name, "%s/lock.mdb", file_path);
        int file = open(name, O_RDWR);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
        CHILD_EXPECTS(file >= 0 && !fcntl(file, F_GETLK, &lock));
        holder = lock.l_type == F_UNLCK ? 0 : lock.l_pid;
        CHILD_EXPECTS(write(ends[1], &holder, sizeof holder) == sizeof holder);
        _exit(0);
    }
    assert_int_equal(exit_status(child), 0);
    assert_int_equal(read(ends[0], &holder, sizeof holder), sizeof holder);
    close(ends[0]);
    close(ends[1]);
    return holder;
}

static int ask[2], answer[2];

/* A process that was forked before the second LMDB came: opens the store whenever it is asked. */
static int open_when_asked(void *context)
{
    char byte;
    (void)context;
    close(ask[1]);
    while (read(ask[0], &byte, 1) == 1) {
        zcx_error error = ZCX_ERROR_INIT;
        zcx_store *mine;
        zcx_view *view;
        CHILD_EXPECTS(!zcx_store_open(&mine, path, NULL, &error));
        CHILD_EXPECTS(!zcx_store_view(&view, mine, "k", 1, &error));
        zcx_view_release(view);
        CHILD_EXPECTS(!zcx_store_put(mine, "from", 4, "x", 1, NULL, NULL, &error));
        CHILD_EXPECTS(!zcx_store_sweep(NULL, mine, 0, &error)); /* clears readers that seem dead */
        CHILD_EXPECTS(!zcx_store_close(mine, &error));
        CHILD_EXPECTS(write(answer[1], &byte, 1) == 1);
    }
    return 0;
}

static void another_process_opens_it(void)
{
    char byte = 0;
    assert_int_equal(write(ask[1], &byte, 1), 1);
    assert_int_equal(read(answer[0], &byte, 1), 1);
}

/* LMDB's own readers of this process: those with our pid in the table. */
static double readers(zcx_store *store)
{
    json_t *stat = stat_of(store);
    double count = number(stat, "lmdb", "readers", NULL);
    json_decref(stat);
    return count;
}

/* Documented as not to be done; when it is done, nothing is lost: the reader table is not wiped, and
 * the locks that its close dropped are set again by the next sweep. */
static void another_lmdb_that_comes_later_does_no_harm(void **state)
{
    (void)state;
    assert_int_equal(pipe(ask) | pipe(answer), 0);
    pid_t child = spawn(open_when_asked, NULL);
    close(answer[1]);
    zcx_store *store = open_store(path, 64 * MIB);
    for (unsigned i = 0; i < 10; i++)
        put(store, "k", 5000, i);
    zcx_view *view = view_of(store, "k");
    double before = readers(store);
    struct lmdb lmdb = second_lmdb();
    open_second(&lmdb, 256 * MIB);
    assert_int_equal(readers(store), before);
    assert_at(store, "k", 5000, 9);
    put(store, "k", 5000, 10);
    another_process_opens_it();
    assert_int_not_equal(holder_of(path, 0), 0);
    lmdb.close(lmdb.env);
    another_process_opens_it();
    assert_at(store, "k", 5000, 10); /* although its readers were cleared meanwhile */
    zcx_view_release(view_of(store, "from"));
    json_decref(sweep(store, 0));
    assert_int_equal(holder_of(path, getpid()), getpid());
    assert_int_not_equal(holder_of(path, 0), 0);
    another_process_opens_it();
    assert_true(readers(store) > 0);
    for (unsigned i = 0; i < 20; i++)
        put(store, "k", 5000, 20 + i);
    assert_at(store, "k", 5000, 39);
    assert_view(view, 5000, 9);
    zcx_view_release(view);
    close(ask[1]);
    assert_int_equal(exit_status(child), 0);
    close_store(store);
}

/* An opening asserts the locks as a sweep does. */
static void an_opening_sets_the_locks_again(void **state)
{
    (void)state;
    zcx_store *store = open_store(path, 64 * MIB);
    struct lmdb lmdb = second_lmdb();
    open_second(&lmdb, 256 * MIB);
    lmdb.close(lmdb.env);
    assert_int_equal(holder_of(path, getpid()), 0);
    zcx_store *again = open_store(path, 0);
    assert_int_equal(holder_of(path, getpid()), getpid());
    close_store(again);
    close_store(store);
}

/* Read transactions whose slot may be another process's now are left alone, and so leaked. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:mdb_txn_begin";
}

/* ---- libzcx --------------------------------------------------------------------------------------------- */

static void a_second_libzcx_is_refused(void **state)
{
    (void)state;
    zcx_store *store = open_store(path, 64 * MIB), *other;
    put(store, "k", 5000, 1);
    void *loaded = load_copy(ZCX_BINARY_DIR "/core/libzcx.so", "libzcx.so");
    zcx_status (*second_open)(zcx_store **, const char *, const zcx_store_options *, zcx_error *);
    zcx_status (*second_close)(zcx_store *, zcx_error *);
    *(void **)&second_open = dlsym(loaded, "zcx_store_open");
    *(void **)&second_close = dlsym(loaded, "zcx_store_close");
    assert_true((void *)second_open != (void *)zcx_store_open);
    FAILS(ZCX_EBUSY, second_open(&other, path, NULL, error), path);
    put(store, "k", 5000, 2); /* the first goes on */
    assert_at(store, "k", 5000, 2);
    json_t *stat = stat_of(store);
    assert_int_equal(json_array_size(json_object_get(stat, "holders")), 1);
    json_decref(stat);
    assert_int_equal(holder_of(path, getpid()), getpid());
    close_store(store);
    OK(second_open(&other, path, NULL, error)); /* and then the second is the only one */
    FAILS(ZCX_EBUSY, zcx_store_open(&store, path, NULL, error), path);
    OK(second_close(other, error));
}

/* Keeps its pid and its time of start, and lets go of what it had. */
static int open_and_call_exec(void *input)
{
    open_store(path, 0);
    if (dup2(*(int *)input, STDIN_FILENO) || !freopen("/dev/null", "w", stdout)) return 1;
    execl("/bin/sh", "sh", "-c", "read line; exec \"$0\" ls --path \"$1\"",
          ZCX_BINARY_DIR "/command/zcx", path, (char *)NULL);
    return 1;
}

static uint32_t find_owner(const zcx_store *store, pid_t pid)
{
    uint32_t owner = 0;
    while (owner < ZCXI_OWNERS && store->env->board.owners[owner].pid != pid)
        owner++;
    return owner;
}

/* Also while the entry of its former life is being reaped, by somebody who is stopped there. */
static void who_called_exec_is_no_second(void **state)
{
    (void)state;
    int input[2];
    char board[300];
    zcx_store *store = open_store(path, 64 * MIB);
    assert_int_equal(pipe(input), 0);
    pid_t child = spawn(open_and_call_exec, &input[0]);
    EVENTUALLY(find_owner(store, child) < ZCXI_OWNERS);
    snprintf(board, sizeof board, "%s/board", path);
    int file = open(board, O_RDWR | O_CLOEXEC);
    EVENTUALLY(zcxi_ofd_lock(file, F_WRLCK, ZCXI_OWNER_BYTE + find_owner(store, child)));
    assert_int_equal(write(input[1], "\n", 1), 1);
    assert_int_equal(exit_status(child), 0);
    close(file);
    for (int i = 0; i < 2; i++)
        close(input[i]);
    close_store(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(a_store_that_another_lmdb_has_open_is_refused),
        TEST(another_lmdb_that_comes_later_does_no_harm),
        TEST(an_opening_sets_the_locks_again),
        TEST(a_second_libzcx_is_refused),
        TEST(who_called_exec_is_no_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
