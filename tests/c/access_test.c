/* Who may open what: owners, modes, options, namespaces, file systems. */
#include "mounts.h"
#include "place.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>

/* ---- owners and modes ------------------------------------------------------------------------------------ */

static void a_store_is_its_owners_only(void **state)
{
    (void)state;
    struct stat about;
    mode_t before = umask(0);
    zcx_store *store = open_store(in_path("new"), 64 * MIB);
    put(store, "k", 100000, 1);
    umask(before);
    assert_int_equal(stat(in_path("new"), &about), 0);
    assert_int_equal(about.st_mode & 07777, 0700);
    const char *const names[] = {"new/data.mdb", "new/lock.mdb", "new/board", "new/open.lock",
                                 "new/store.json"};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(stat(in_path(names[i]), &about), 0);
        assert_int_equal(about.st_mode & 07777, 0600);
    }
    close_store(store);
}

static int open_as_nobody(void *where)
{
    zcx_error error = ZCX_ERROR_INIT;
    CHILD_EXPECTS(!setgid(65534) && !setuid(65534));
    CHILD_EXPECTS(try_open(where, ZCX_OPEN_EXISTING, &error) == ZCX_EACCES);
    CHILD_EXPECTS(strstr(error.message, where));
    return 0;
}

static void another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0) skip();
    char *where = strdup(in_path("mine"));
    assert_int_equal(try_open(where, 0, NULL), ZCX_OK);
    assert_int_equal(chmod(path, 0711), 0);
    assert_int_equal(exit_status(spawn(open_as_nobody, where)), 0); /* 0700: not to be read */
    assert_int_equal(chmod(where, 0755), 0);
    assert_int_equal(exit_status(spawn(open_as_nobody, where)), 0); /* readable, but ours */
    assert_int_equal(chown(where, 12345, 12345), 0); /* whose it is, root does not use either */
    FAILS(ZCX_EACCES, try_open(where, 0, error), where, "12345", "user 0");
    free(where);
}

static void what_others_may_write_to_is_refused(void **state)
{
    (void)state;
    char *where = strdup(in_path("wide"));
    assert_int_equal(mkdir(where, 0700), 0);
    assert_int_equal(chmod(where, 0770), 0);
    FAILS(ZCX_EACCES, try_open(where, 0, error), where, "0770", "chmod 700");
    assert_int_equal(chmod(where, 0700), 0);
    assert_int_equal(try_open(where, 0, NULL), ZCX_OK);
    assert_int_equal(symlink(where, in_path("link")), 0);
    FAILS(ZCX_EACCES, try_open(in_path("link"), 0, error), "link", "symbolic link");
    FAILS(ZCX_EACCES, try_open(in_path("link/"), 0, error), "symbolic link");
    free(where);
}

/* A file of the store that somebody made a link: nothing is followed out of the directory. */
static void links_inside_are_not_followed(void **state)
{
    (void)state;
    const char *const names[] = {"data.mdb", "lock.mdb", "board", "open.lock", "store.json"};
    for (int i = 0; i < 5; i++) {
        char inner[64];
        snprintf(inner, sizeof inner, "s%d", i);
        assert_int_equal(mkdir(in_path(inner), 0700), 0);
        char *target = strdup(in_path("precious"));
        FILE *file = fopen(target, "w");
        fputs("precious", file);
        fclose(file);
        snprintf(inner, sizeof inner, "s%d/%s", i, names[i]);
        assert_int_equal(symlink(target, in_path(inner)), 0);
        snprintf(inner, sizeof inner, "s%d", i);
        assert_int_not_equal(try_open(in_path(inner), 0, NULL), ZCX_OK);
        char text[16] = {0};
        file = fopen(target, "r");
        assert_int_equal(fread(text, 1, sizeof text, file), 8);
        fclose(file);
        assert_string_equal(text, "precious");
        free(target);
    }
}

/* ---- existing, or not ------------------------------------------------------------------------------------- */

static void existing_only_creates_nothing(void **state)
{
    (void)state;
    FAILS(ZCX_ENOTFOUND, try_open(in_path("none"), ZCX_OPEN_EXISTING, error), "none");
    assert_int_equal(access(in_path("none"), F_OK), -1);
    assert_int_equal(mkdir(in_path("empty"), 0700), 0);
    FAILS(ZCX_ENOTFOUND, try_open(in_path("empty"), ZCX_OPEN_EXISTING, error), "empty");
    assert_int_equal(rmdir(in_path("empty")), 0);
    assert_int_equal(try_open(in_path("one"), 0, NULL), ZCX_OK);
    assert_int_equal(try_open(in_path("one"), ZCX_OPEN_EXISTING, NULL), ZCX_OK);
    FAILS(ZCX_EINVAL, try_open(in_path("one"), 6, error), "0x6");
    assert_int_not_equal(try_open(in_path("no/such/parent"), 0, NULL), ZCX_OK);
    FILE *file = fopen(in_path("file"), "w");
    fclose(file);
    FAILS(ZCX_EINVAL, try_open(in_path("file"), 0, error), "file", "not a directory");
}

static zcx_status open_with(zcx_store_options options, zcx_error *error)
{
    zcx_store *store;
    zcx_status status = zcx_store_open(&store, in_path("o"), &options, error);
    if (!status) status = zcx_store_close(store, error);
    return status;
}

static int disagree(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    (void)context;
    CHILD_EXPECTS(open_with((zcx_store_options){.struct_size = sizeof(zcx_store_options),
                                                .budget = 128 * MIB}, &error) == ZCX_EBUSY);
    CHILD_EXPECTS(strstr(error.message, "134217728") && strstr(error.message, "67108864"));
    return 0;
}

static void openers_who_disagree_are_told_both_values(void **state)
{
    (void)state;
    zcx_store *store = open_store(in_path("o"), 64 * MIB);
#define ASKS(...) ((zcx_store_options){.struct_size = sizeof(zcx_store_options), __VA_ARGS__})
    FAILS(ZCX_EBUSY, open_with(ASKS(.budget = 128 * MIB), error), "budget", "134217728", "67108864");
    FAILS(ZCX_EBUSY, open_with(ASKS(.map_size = 512 * MIB), error), "map_size", "536870912", "268435456");
    FAILS(ZCX_EBUSY, open_with(ASKS(.max_readers = 5000), error), "max_readers", "5000", "1024");
    FAILS(ZCX_EBUSY, open_with(ASKS(.durability = ZCX_DURABILITY_COMMIT), error), "commit", "none");
    OK(open_with(ASKS(.budget = 64 * MIB, .max_readers = 1024, .map_size = 256 * MIB,
                      .durability = ZCX_DURABILITY_NONE), error));
    assert_int_equal(exit_status(spawn(disagree, NULL)), 0);
    FAILS(ZCX_EINVAL, open_with((zcx_store_options){.struct_size = 24}, error), "24");
    FAILS(ZCX_EINVAL, open_with(ASKS(.lock_timeout_ms = -1), error), "-1");
    FAILS(ZCX_EINVAL, open_with(ASKS(.flags = 8), error), "0x8");
    close_store(store);
}

/* Handles of one store in one process share what they see, whatever the path was called. */
static void handles_share_an_environment(void **state)
{
    (void)state;
    zcx_store *one = open_store(in_path("o"), 64 * MIB);
    char other[500];
    snprintf(other, sizeof other, "%s/./../%s/o///", path, strrchr(path, '/') + 1);
    zcx_store *two = open_store(other, 0);
    assert_string_equal(zcx_store_path(one), zcx_store_path(two));
    put(one, "k", 5000, 1);
    zcx_view *view = view_of(two, "k");
    close_store(one);
    assert_view(view, 5000, 1);
    zcx_view_release(view);
    json_t *stat = stat_of(two);
    assert_int_equal(json_array_size(json_object_get(stat, "holders")), 1);
    json_decref(stat);
    close_store(two);
}

/* ---- pid namespaces ----------------------------------------------------------------------------------------- */

static int open_in_another_pid_namespace(void *context)
{
    (void)context;
    if (unshare(CLONE_NEWPID)) return 77;
    pid_t child = fork();
    if (child == 0) {
        zcx_error error = ZCX_ERROR_INIT;
        CHILD_EXPECTS(try_open(in_path("p"), ZCX_OPEN_EXISTING, &error) == ZCX_EUNSUPPORTED);
        CHILD_EXPECTS(strstr(error.message, "pid namespace"));
        _exit(0);
    }
    return exit_status(child);
}

static void another_pid_namespace_is_refused(void **state)
{
    (void)state;
    assert_int_equal(try_open(in_path("p"), 0, NULL), ZCX_OK);
    int status = exit_status(spawn(open_in_another_pid_namespace, NULL));
    if (status == 77) skip();
    assert_int_equal(status, 0);
}

/* ---- file systems -------------------------------------------------------------------------------------------- */

static void count_warning(void *context, char level, const char *message)
{
    if (level == 'w' && strstr(message, "overlayfs")) ++*(int *)context;
}

/* NFS, of the refused, cannot be had here. */
static int open_on_other_file_systems(void *context)
{
    (void)context;
    zcx_error error = ZCX_ERROR_INIT;
    char options[1500];
    int warnings = 0;
    if (!own_mounts()) return 77;
    const char *const names[] = {"fs", "fs/up", "fs/work", "fs/low", "fs/over", "fs/ram", "fs/huge"};
    CHILD_EXPECTS(!mkdir(in_path(names[0]), 0700) && !mount("none", in_path("fs"), "tmpfs", 0, "size=128m"));
    CHILD_EXPECTS(!chmod(in_path("fs"), 0700));
    for (int i = 1; i < 7; i++)
        CHILD_EXPECTS(!mkdir(in_path(names[i]), 0700));
    snprintf(options, sizeof options, "lowerdir=%s/fs/low,upperdir=%s/fs/up,workdir=%s/fs/work", path,
             path, path);
    if (!mount("overlay", in_path("fs/over"), "overlay", 0, options)) {
        zcx_log_set(count_warning, &warnings);
        zcx_store *store;
        zcx_store_options small = ZCX_STORE_OPTIONS_INIT;
        small.budget = 32 * MIB;
        CHILD_EXPECTS(!zcx_store_open(&store, in_path("fs/over/s"), &small, &error));
        CHILD_EXPECTS(warnings == 1);
        put(store, "k", 1000000, 1);
        assert_at(store, "k", 1000000, 1);
        pid_t child = fork(); /* here, too, LMDB's map is not inherited, and the child opens its own */
        if (child == 0) {
            zcx_store *mine;
            CHILD_EXPECTS(!zcx_store_open(&mine, in_path("fs/over/s"), NULL, &error));
            assert_at(mine, "k", 1000000, 1);
            _exit(zcx_store_close(mine, NULL));
        }
        CHILD_EXPECTS(exit_status(child) == 0);
        CHILD_EXPECTS(!zcx_store_close(store, &error));
    }
    if (!mount("none", in_path("fs/ram"), "ramfs", 0, "mode=0700")) {
        CHILD_EXPECTS(try_open(in_path("fs/ram"), 0, &error) == ZCX_EUNSUPPORTED);
        CHILD_EXPECTS(strstr(error.message, "fallocate"));
    }
    error = (zcx_error)ZCX_ERROR_INIT;
    if (!mount("none", in_path("fs/huge"), "hugetlbfs", 0, "mode=0700")) {
        CHILD_EXPECTS(try_open(in_path("fs/huge"), 0, &error) == ZCX_EUNSUPPORTED);
        CHILD_EXPECTS(strstr(error.message, "hugetlbfs"));
    }
    return 0;
}

static void other_file_systems_warn_or_refuse(void **state)
{
    (void)state;
    int status = exit_status(spawn(open_on_other_file_systems, NULL));
    if (status == 77) skip();
    assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(a_store_is_its_owners_only),
        TEST(another_user_is_refused),
        TEST(what_others_may_write_to_is_refused),
        TEST(links_inside_are_not_followed),
        TEST(existing_only_creates_nothing),
        TEST(openers_who_disagree_are_told_both_values),
        TEST(handles_share_an_environment),
        TEST(another_pid_namespace_is_refused),
        TEST(other_file_systems_warn_or_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
