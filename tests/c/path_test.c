/* Where a store may lie, who may use it, and how much it may take by default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access.h"
#include "cgroup.h"
#include "path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[64];

static int make_base(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/dev/shm/zcx-path-test-%d", getpid());
    return mkdir(base, 0755);
}

static int remove_base(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command);
}

/* A path below `base`; the last four results are valid. */
static const char *in_base(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", base, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_base(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* What opening says; *error has the sentence. */
static zcx_status try_open(const char *path, bool create, zcx_error *error)
{
    char chosen[PATH_MAX], resolved[PATH_MAX];
    int directory = -1;
    *error = (zcx_error)ZCX_ERROR_INIT;
    zcx_status status = zcxi_path_choose(chosen, path, error);
    if (!status) status = zcxi_path_open(&directory, resolved, chosen, ZCXI_NO_GROUP, create, error);
    if (!status) close(directory);
    return status;
}

static void default_path_follows_the_environment(void **state)
{
    char path[PATH_MAX], expected[64];
    (void)state;
    setenv("ZCX_PATH", "/somewhere/else/", 1);
    assert_int_equal(zcxi_path_choose(path, NULL, NULL), ZCX_OK);
    assert_string_equal(path, "/somewhere/else");
    assert_int_equal(zcxi_path_choose(path, "/named//", NULL), ZCX_OK);
    assert_string_equal(path, "/named");
    unsetenv("ZCX_PATH");
    snprintf(expected, sizeof expected, "/dev/shm/zcx-%u", geteuid());
    assert_int_equal(zcxi_path_choose(path, "", NULL), ZCX_OK);
    assert_string_equal(path, expected);
}

static void a_path_too_long_is_refused(void **state)
{
    char path[PATH_MAX], huge[PATH_MAX + 10];
    zcx_error error = ZCX_ERROR_INIT;
    (void)state;
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_int_equal(zcxi_path_choose(path, huge, &error), ZCX_EINVAL);
    assert_non_null(strstr(error.message, "4105"));
}

static void a_new_directory_is_its_owners_only(void **state)
{
    zcx_error error;
    struct stat about;
    (void)state;
    assert_int_equal(try_open(in_base("new"), false, &error), ZCX_ENOTFOUND);
    assert_int_equal(access(in_base("new"), F_OK), -1);
    mode_t mask = umask(0);
    assert_int_equal(try_open(in_base("new"), true, &error), ZCX_OK);
    umask(0277);
    assert_int_equal(try_open(in_base("masked"), true, &error), ZCX_OK);
    umask(mask);
    assert_int_equal(stat(in_base("new"), &about), 0);
    assert_int_equal(about.st_mode & 07777, 0700);
    assert_int_equal(stat(in_base("masked"), &about), 0);
    assert_int_equal(about.st_mode & 07777, 0700);
}

static void resolved_is_absolute(void **state)
{
    char resolved[PATH_MAX];
    int directory;
    (void)state;
    assert_int_equal(chdir(base), 0);
    assert_int_equal(zcxi_path_open(&directory, resolved, "relative", ZCXI_NO_GROUP, true, NULL), ZCX_OK);
    assert_string_equal(resolved, in_base("relative"));
    close(directory);
    assert_int_equal(chdir("/"), 0);
}

static void links_files_and_wide_modes_are_refused(void **state)
{
    zcx_error error;
    (void)state;
    assert_int_equal(try_open(in_base("real"), true, &error), ZCX_OK);
    assert_int_equal(symlink(in_base("real"), in_base("link")), 0);
    assert_int_equal(try_open(in_base("link"), true, &error), ZCX_EACCES);
    assert_non_null(strstr(error.message, "symbolic link"));
    assert_int_equal(try_open(in_base("link/"), true, &error), ZCX_EACCES);

    write_file("file", "");
    assert_int_equal(try_open(in_base("file"), true, &error), ZCX_EINVAL);
    assert_non_null(strstr(error.message, "is not a directory"));

    for (mode_t wide = 020; wide; wide = wide == 020 ? 002 : 0) {
        assert_int_equal(chmod(in_base("real"), 0700 | wide), 0);
        assert_int_equal(try_open(in_base("real"), true, &error), ZCX_EACCES);
        assert_non_null(strstr(error.message, "chmod 700"));
    }
    assert_int_equal(chmod(in_base("real"), 0755), 0);
    assert_int_equal(try_open(in_base("real"), true, &error), ZCX_OK);
}

static void a_foreign_directory_is_refused(void **state)
{
    zcx_error error;
    (void)state;
    if (geteuid() != 0) skip();
    assert_int_equal(mkdir(in_base("foreign"), 0700), 0);
    assert_int_equal(chown(in_base("foreign"), 12345, 12345), 0);
    assert_int_equal(try_open(in_base("foreign"), true, &error), ZCX_EACCES);
    assert_non_null(strstr(error.message, "12345"));
}

static void file_systems_that_cannot_carry_a_store_are_refused(void **state)
{
    zcx_error error;
    (void)state;
    if (geteuid() != 0) skip(); /* /proc is root's: for others the owner is refused first */
    assert_int_equal(try_open("/proc", false, &error), ZCX_EUNSUPPORTED);
    assert_non_null(strstr(error.message, "fallocate"));
}

static void a_default_budget_is_at_most_half_of_what_is_free(void **state)
{
    char resolved[PATH_MAX];
    int directory;
    uint64_t budget = 0;
    (void)state;
    assert_int_equal(zcxi_path_open(&directory, resolved, in_base("budget"), ZCXI_NO_GROUP, true, NULL),
                     ZCX_OK);
    assert_int_equal(zcxi_path_budget(&budget, directory, resolved, NULL), ZCX_OK);
    assert_true(budget >= ZCXI_BUDGET_LEAST);
    assert_int_equal(budget % 4096, 0);
    close(directory);
}

static uint64_t room_with(const char *groups, const char *mounts)
{
    write_file("groups", groups);
    write_file("mounts", mounts);
    return zcxi_cgroup_room(in_base("groups"), in_base("mounts"));
}

static void a_control_group_of_version_2_limits(void **state)
{
    char mounts[256];
    (void)state;
    snprintf(mounts, sizeof mounts, "30 23 0:26 / %s rw - cgroup2 cgroup2 rw\n", in_base("v2"));
    assert_int_equal(mkdir(in_base("v2"), 0755), 0);
    assert_int_equal(mkdir(in_base("v2/a"), 0755), 0);
    assert_int_equal(mkdir(in_base("v2/a/b"), 0755), 0);
    assert_true(room_with("0::/a/b\n", mounts) == UINT64_MAX);

    write_file("v2/a/b/memory.max", "max\n");
    write_file("v2/a/b/memory.current", "500\n");
    assert_true(room_with("0::/a/b\n", mounts) == UINT64_MAX);

    write_file("v2/a/memory.max", "1000\n");
    write_file("v2/a/memory.current", "700\n");
    assert_int_equal(room_with("0::/a/b\n", mounts), 300);
    write_file("v2/a/memory.stat", "anon 5\ninactive_file 100\nactive_file 50\nshmem 9\n");
    assert_int_equal(room_with("0::/a/b\n", mounts), 450);
    write_file("v2/a/b/memory.max", "600\n");
    assert_int_equal(room_with("0::/a/b\n", mounts), 100);
    write_file("v2/a/memory.current", "1200\n");
    assert_int_equal(room_with("0::/a/b\n", mounts), 0);
    assert_true(room_with("0::/\n", mounts) == UINT64_MAX);
}

static void a_control_group_of_version_1_limits(void **state)
{
    char mounts[256];
    (void)state;
    snprintf(mounts, sizeof mounts,
             "31 23 0:27 / /nowhere rw - cgroup cgroup rw,cpu\n"
             "35 31 0:32 /docker/x %s rw - cgroup cgroup rw,memory\n",
             in_base("v1"));
    assert_int_equal(mkdir(in_base("v1"), 0755), 0);
    write_file("v1/memory.limit_in_bytes", "1000\n");
    write_file("v1/memory.usage_in_bytes", "900\n");
    write_file("v1/memory.stat", "inactive_file 1\ntotal_inactive_file 200\n");
    /* Inside a container the group is the mounted root; a group outside it falls back to that. */
    assert_int_equal(room_with("5:cpu:/\n4:memory:/docker/x\n0::/\n", mounts), 300);
    assert_int_equal(room_with("4:hugetlb,memory:/docker/x\n", mounts), 300);
    assert_true(room_with("4:memoryx:/docker/x\n", mounts) == UINT64_MAX);
    assert_true(zcxi_cgroup_room("/nowhere", "/nowhere") == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_path_follows_the_environment),
        cmocka_unit_test(a_path_too_long_is_refused),
        cmocka_unit_test(a_new_directory_is_its_owners_only),
        cmocka_unit_test(resolved_is_absolute),
        cmocka_unit_test(links_files_and_wide_modes_are_refused),
        cmocka_unit_test(a_foreign_directory_is_refused),
        cmocka_unit_test(file_systems_that_cannot_carry_a_store_are_refused),
        cmocka_unit_test(a_default_budget_is_at_most_half_of_what_is_free),
        cmocka_unit_test(a_control_group_of_version_2_limits),
        cmocka_unit_test(a_control_group_of_version_1_limits),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
