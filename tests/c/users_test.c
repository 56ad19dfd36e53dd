/* What other users of the machine can do to a store, or to who wants to open one: nothing but refuse
 * service, and be named for it. As real users. */
#include "people.h"

#include "store.h"

#include <sys/sysmacros.h>

static const char *const files[] = {"data.mdb", "lock.mdb", "board", "open.lock", "store.json"};

static char *inside(const char *directory, const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* ---- reading and opening --------------------------------------------------------------------------------- */

static int make_store(void *path)
{
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 16 * MIB;
    umask(0);
    CHILD_EXPECTS(!zcx_store_open(&store, path, &options, NULL));
    CHILD_EXPECTS(!try_put(store, "secret", 100000, 1, NULL, NULL));
    return zcx_store_close(store, NULL);
}

static int steal(void *path)
{
    CHILD_EXPECTS(refuses(path, NULL, ZCX_EACCES, "60001"));
    for (int i = 0; i < 5; i++) {
        CHILD_EXPECTS(open(inside(path, files[i]), O_RDONLY) < 0 && errno == EACCES);
        CHILD_EXPECTS(open(inside(path, files[i]), O_WRONLY) < 0 && errno == EACCES);
    }
    return 0;
}

static int link_all(void *path)
{
    for (int i = 0; i < 5; i++)
        CHILD_EXPECTS(link(inside(path, files[i]), files[i]) < 0);
    return steal(path);
}

static void a_store_is_not_read_by_others(void **state)
{
    (void)state;
    as(&alice, make_store, "/dev/shm/hers");
    as(&mallory, link_all, "/dev/shm/hers");
    assert_int_equal(chmod("/dev/shm/hers", 0755), 0); /* her own doing: its files are still hers */
    as(&mallory, steal, "/dev/shm/hers");
}

/* ---- the default path -------------------------------------------------------------------------------------- */

static int find_it_taken(void *word)
{
    CHILD_EXPECTS(refuses(NULL, NULL, ZCX_EACCES, word));
    CHILD_EXPECTS(refuses(NULL, NULL, ZCX_EACCES, "ZCX_PATH"));
    return 0;
}

static int find_a_link(void *path)
{
    CHILD_EXPECTS(refuses(path, NULL, ZCX_EACCES, "symbolic link"));
    return 0;
}

static int link_to_mine(void *context)
{
    (void)context;
    return symlink("/dev/shm/theirs", "/dev/shm/zcx-60001");
}

/* Whoever comes first to /dev/shm/zcx-<uid>, it is refused, and says by whom it was made. */
static void a_default_path_that_another_made_is_refused(void **state)
{
    (void)state;
    const mode_t modes[] = {0700, 0755, 0777, 02770};
    for (int i = 0; i < 4; i++) {
        make_as(&mallory, "/dev/shm/zcx-60001", modes[i]);
        as(&alice, find_it_taken, "60003");
        assert_int_equal(rmdir("/dev/shm/zcx-60001"), 0);
    }
    as(&mallory, make_store, "/dev/shm/zcx-60001");
    as(&alice, find_it_taken, "60003");
    assert_int_equal(rename("/dev/shm/zcx-60001", "/dev/shm/theirs"), 0);
    assert_int_equal(chmod("/dev/shm/theirs", 0777), 0);
    as(&mallory, link_to_mine, NULL);
    as(&alice, find_a_link, NULL);
}

/* ---- what was put into a directory while others could write to it ------------------------------------------- */

enum plant { SYMLINK, HARD_LINK, FILE_OF_HERS, FILE_OF_THEIRS, FIFO, DEVICE, DIRECTORY, PLANTS };

static void plant(enum plant what, const char *name)
{
    int file = -1, failed = 0;
    if (what == SYMLINK) failed = symlink("/dev/shm/precious", name);
    if (what == HARD_LINK) failed = link("/dev/shm/precious", name); /* root may, whatever the sysctl */
    if (what == FIFO) failed = mkfifo(name, 0666);
    if (what == DEVICE) failed = mknod(name, S_IFCHR | 0666, makedev(1, 3));
    if (what == DIRECTORY) failed = mkdir(name, 0777);
    if (what == FILE_OF_HERS || what == FILE_OF_THEIRS) {
        file = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        failed = file < 0 || fchmod(file, 0666);
    }
    if (what >= FILE_OF_HERS && what != DEVICE) {
        uid_t owner = what == FILE_OF_HERS ? alice.uid : mallory.uid;
        failed |= lchown(name, owner, owner);
    }
    if (file >= 0) close(file);
    assert_int_equal(failed, 0);
}

static int open_planted(void *path)
{
    zcx_error error;
    CHILD_EXPECTS(try_open_shared(path, NULL, &error));
    CHILD_EXPECTS(strstr(error.message, path));
    return 0;
}

static void make_precious(void)
{
    int file = open("/dev/shm/precious", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(file, "precious", 8), 8);
    assert_int_equal(fchown(file, alice.uid, alice.uid), 0);
    close(file);
}

static void assert_precious(void)
{
    char text[16] = {0};
    int file = open("/dev/shm/precious", O_RDONLY);
    assert_int_equal(read(file, text, sizeof text), 8);
    assert_string_equal(text, "precious");
    close(file);
}

/* Nothing is followed, written to, waited for or used, whichever file of a store it stands for, in a
 * new store and in one that is there. */
static void what_others_planted_is_refused(void **state)
{
    (void)state;
    make_precious();
    for (int there = 0; there < 2; there++)
        for (int i = 0; i < 5; i++)
            for (int what = 0; what < PLANTS; what++) {
                if (there)
                    as(&alice, make_store, "/dev/shm/planted");
                else
                    make_as(&alice, "/dev/shm/planted", 0700);
                (void)unlink(inside("/dev/shm/planted", files[i]));
                plant(what, inside("/dev/shm/planted", files[i]));
                as(&alice, open_planted, "/dev/shm/planted");
                assert_precious();
                assert_int_equal(system("rm -r /dev/shm/planted"), 0);
            }
}

static int open_wide(void *path)
{
    const mode_t modes[] = {0640, 0620, 0604, 0602, 0666, 0777};
    for (int i = 0; i < 5; i++)
        for (int m = 0; m < 6; m++) {
            CHILD_EXPECTS(!chmod(inside(path, files[i]), modes[m]));
            CHILD_EXPECTS(refuses(path, NULL, ZCX_EACCES, "chmod 600"));
            CHILD_EXPECTS(!chmod(inside(path, files[i]), 0600));
        }
    zcx_error error;
    CHILD_EXPECTS(!try_open_shared(path, NULL, &error));
    return 0;
}

static void a_file_with_a_wide_mode_is_refused(void **state)
{
    (void)state;
    as(&alice, make_store, "/dev/shm/wide");
    as(&alice, open_wide, "/dev/shm/wide");
}

/* ---- umasks ---------------------------------------------------------------------------------------------------- */

static int make_under_umasks(void *context)
{
    const mode_t masks[] = {0, 022, 0277, 0777};
    (void)context;
    for (int i = 0; i < 4; i++) {
        char path[64];
        struct stat about;
        zcx_error error;
        snprintf(path, sizeof path, "/dev/shm/mask-%04o", masks[i]);
        umask(masks[i]);
        for (int again = 0; again < 2; again++)
            CHILD_EXPECTS(!try_open_shared(path, NULL, &error));
        CHILD_EXPECTS(!stat(path, &about) && (about.st_mode & 07777) == 0700);
        for (int f = 0; f < 5; f++)
            CHILD_EXPECTS(!stat(inside(path, files[f]), &about) && (about.st_mode & 07777) == 0600);
    }
    return 0;
}

static void a_umask_changes_nothing(void **state)
{
    (void)state;
    as(&alice, make_under_umasks, NULL);
}

/* ---- the way to it ------------------------------------------------------------------------------------------- */

static int find_theirs(void *path)
{
    CHILD_EXPECTS(refuses(path, NULL, ZCX_EACCES, "60003"));
    return 0;
}

/* A link above the store may lead anywhere: what it leads to must be the opener's own all the same. */
static void a_link_on_the_way_leads_to_no_store_of_theirs(void **state)
{
    (void)state;
    make_as(&mallory, "/dev/shm/a", 0777);
    make_as(&mallory, "/dev/shm/a/b", 0777);
    as(&mallory, make_store, "/dev/shm/a/b/store");
    assert_int_equal(chmod("/dev/shm/a/b/store", 0777), 0);
    assert_int_equal(symlink("/dev/shm/a", "/dev/shm/x") | symlink("/dev/shm/a/b", "/dev/shm/a/y"), 0);
    assert_int_equal(lchown("/dev/shm/x", mallory.uid, mallory.uid), 0);
    as(&alice, find_theirs, "/dev/shm/x/b/store");
    as(&alice, find_theirs, "/dev/shm/a/y/store");
    as(&alice, find_theirs, "/dev/shm/x/y/../b/store");
    assert_int_equal(symlink("/dev/shm/a/b/store", "/dev/shm/a/b/last"), 0);
    as(&alice, find_a_link, "/dev/shm/a/b/last");
}

/* ---- swapped between check and use ----------------------------------------------------------------------------- */

static bool swap; /* while LMDB opens */

int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);

/* Everybody may rename in that directory: here she does it herself, in just that moment. */
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    if (swap) {
        CHILD_EXPECTS(!rename("/dev/shm/open/store", "/dev/shm/open/hers"));
        CHILD_EXPECTS(!rename("/dev/shm/open/theirs", "/dev/shm/open/store"));
    }
    return __real_mdb_env_open(env, path, flags, mode);
}

static int open_what_is_swapped(void *context)
{
    zcx_store *store;
    zcx_error error;
    struct stat lmdb, hers;
    mdb_filehandle_t file;
    (void)context;
    CHILD_EXPECTS(!try_open_shared("/dev/shm/open/store", NULL, &error));
    swap = true;
    CHILD_EXPECTS(!zcx_store_open(&store, "/dev/shm/open/store", NULL, NULL));
    swap = false;
    CHILD_EXPECTS(!mdb_env_get_fd(store->env->lmdb, &file) && !fstat(file, &lmdb));
    CHILD_EXPECTS(!stat("/dev/shm/open/hers/data.mdb", &hers));
    CHILD_EXPECTS(lmdb.st_uid == alice.uid && lmdb.st_ino == hers.st_ino);
    CHILD_EXPECTS(!try_put(store, "secret", 100000, 1, NULL, NULL));
    CHILD_EXPECTS(!zcx_store_close(store, NULL));
    CHILD_EXPECTS(refuses("/dev/shm/open/store", NULL, ZCX_EACCES, "60003"));
    return 0;
}

static void a_directory_that_is_swapped_while_it_opens_is_not_used(void **state)
{
    (void)state;
    make_as(&mallory, "/dev/shm/open", 0777); /* not sticky */
    as(&mallory, make_store, "/dev/shm/open/theirs");
    assert_int_equal(system("chmod 777 /dev/shm/open/theirs; chmod 666 /dev/shm/open/theirs/*"), 0);
    as(&alice, open_what_is_swapped, NULL);
}

/* ---- no room ------------------------------------------------------------------------------------------------------ */

static int take_all_room(void *context)
{
    int file = open("/dev/shm/small/theirs", O_RDWR | O_CREAT, 0600);
    (void)context;
    for (off_t at = 0; !fallocate(file, 0, at, 4096); at += 4096)
        ;
    return errno != ENOSPC;
}

static int find_no_room(void *context)
{
    (void)context;
    CHILD_EXPECTS(refuses("/dev/shm/small/store", NULL, ZCX_EFULL, "/dev/shm/small/store"));
    return 0;
}

static void a_file_system_that_others_filled_is_full(void **state)
{
    (void)state;
    assert_int_equal(mkdir("/dev/shm/small", 0700), 0);
    assert_int_equal(mount("none", "/dev/shm/small", "tmpfs", 0, "size=16m,mode=1777"), 0);
    as(&mallory, take_all_room, NULL);
    as(&alice, find_no_room, NULL);
    assert_int_equal(unlink("/dev/shm/small/theirs"), 0);
    as(&alice, make_store, "/dev/shm/small/store");
    assert_int_equal(umount("/dev/shm/small"), 0);
}

int main(void)
{
    if (!have_world()) return 77;
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, end_world)
    const struct CMUnitTest tests[] = {
        TEST(a_store_is_not_read_by_others),
        TEST(a_default_path_that_another_made_is_refused),
        TEST(what_others_planted_is_refused),
        TEST(a_file_with_a_wide_mode_is_refused),
        TEST(a_umask_changes_nothing),
        TEST(a_link_on_the_way_leads_to_no_store_of_theirs),
        TEST(a_directory_that_is_swapped_while_it_opens_is_not_used),
        TEST(a_file_system_that_others_filled_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
