/* What else may run out: inodes, and the memory of a control group. */
#include "mounts.h"
#include "stores.h"

#include <errno.h>
#include <sys/stat.h>

static char *base;

static char *in_base(const char *name)
{
    static char full[300];
    snprintf(full, sizeof full, "%s/%s", base, name);
    return full;
}

/* ---- inodes ------------------------------------------------------------------------------------------------ */

/* A store has a directory and five files, and a sixth for a moment: wherever they run out, it says so,
 * and what is there already is no obstacle later. */
static void a_file_system_without_inodes_is_full(void **state)
{
    (void)state;
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 16 * MIB;
    assert_int_equal(mkdir(in_base("few"), 0700), 0);
    char *few = strdup(in_base("few")), *where = strdup(in_base("few/store"));
    for (int inodes = 2; inodes < 7; inodes++) { /* the first is the root's */
        char data[64];
        snprintf(data, sizeof data, "size=64m,mode=0700,nr_inodes=%d", inodes - 1);
        assert_int_equal(mount("none", few, "tmpfs", 0, data), 0);
        FAILS(ZCX_EFULL, zcx_store_open(&store, where, &options, error), where);
        FAILS(ZCX_EFULL, zcx_store_open(&store, where, &options, error), where);
        assert_int_equal(mount("none", few, "tmpfs", MS_REMOUNT, "size=64m,mode=0700,nr_inodes=20"), 0);
        OK(zcx_store_open(&store, where, &options, error));
        put(store, "k", 100000, 1);
        assert_at(store, "k", 100000, 1);
        close_store(store);
        assert_int_equal(umount(few), 0);
    }
    free(few);
    free(where);
}

/* ---- a control group's memory ------------------------------------------------------------------------------- */

#define GROUP_LIMIT (UINT64_C(96) << 20)

static char group[300];

static bool write_to(const char *file, const char *text)
{
    char name[400];
    snprintf(name, sizeof name, "%s/%s", group, file);
    int to = open(name, O_WRONLY | O_CLOEXEC);
    bool written = to >= 0 && write(to, text, strlen(text)) == (ssize_t)strlen(text);
    if (to >= 0) close(to);
    return written;
}

/* Of either version. A child outlives us and removes it, as make_directory's does. */
static bool make_group(void)
{
    const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
    const char *const limits[] = {"memory.limit_in_bytes", "memory.max"};
    char limit[32];
    int ends[2];
    snprintf(limit, sizeof limit, "%lu", (unsigned long)GROUP_LIMIT);
    for (int i = 0; i < 2; i++) {
        snprintf(group, sizeof group, "%s/zcx-test-%d", roots[i], getpid());
        if (mkdir(group, 0755)) continue;
        if (!pipe(ends) && fork() == 0) {
            char byte;
            setsid();
            close(ends[1]);
            while (read(ends[0], &byte, 1) > 0)
                ;
            for (int tries = 0; rmdir(group) && tries < 100; tries++)
                usleep(100000);
            _exit(0);
        }
        close(ends[0]);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        if (write_to(limits[i], limit)) return true;
    }
    return false;
}

static zcx_status fill_here(uint64_t budget)
{
    zcx_store *store;
    zcx_status status = ZCX_OK;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = budget;
    CHILD_EXPECTS(write_to("cgroup.procs", "0"));
    CHILD_EXPECTS(!zcx_store_open(&store, in_base("grouped"), &options, NULL));
    for (unsigned i = 0; !status && i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        status = try_put(store, key, MIB, i, NULL, NULL);
    }
    json_t *stat = stat_of(store);
    CHILD_EXPECTS(budget || number(stat, "store", "budget", NULL) <= (double)GROUP_LIMIT / 2);
    json_decref(stat);
    return status;
}

static int fill_default_budget(void *context)
{
    (void)context;
    CHILD_EXPECTS(fill_here(0) == ZCX_EFULL);
    return 0;
}

static int fill_past_the_limit(void *context)
{
    (void)context;
    return fill_here(4 * GROUP_LIMIT) == ZCX_EFULL ? 0 : 1;
}

static void remove_store(void)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s", in_base("grouped"));
    assert_int_equal(system(command), 0);
}

/* A default budget keeps below the limit. Past it, by a budget given by hand, fallocate does not fail:
 * the kernel kills, which costs who was killed, not the store. */
static void a_default_budget_keeps_below_a_groups_limit(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("skipped: ThreadSanitizer's shadow counts against the group\n");
    skip();
#endif
    if (!make_group()) {
        print_message("skipped: no control group of our own: %s\n", strerror(errno));
        skip();
    }
    assert_int_equal(exit_status(spawn(fill_default_budget, NULL)), 0);
    zcx_store *store = open_store(in_base("grouped"), 0);
    assert_at(store, "0", MIB, 0);
    close_store(store);
    remove_store();
    int status = exit_status(spawn(fill_past_the_limit, NULL));
    if (status && status != 128 + SIGKILL) fail_msg("past the limit a process ended with %d", status);
    store = open_store(in_base("grouped"), 0);
    assert_at(store, "0", MIB, 0);
    json_decref(sweep(store, ZCX_SWEEP_TRIM));
    close_store(store);
    remove_store();
}

int main(void)
{
    base = make_directory(NULL);
    if (!own_mounts()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_system_without_inodes_is_full),
        cmocka_unit_test(a_default_budget_keeps_below_a_groups_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
