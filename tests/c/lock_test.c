/* The board's mutex when those who wait for it are killed. */
#include "child.h"
#include "lock.h"

#include <linux/ptrace.h>
#include <sys/syscall.h>

static pthread_mutex_t *mutex; /* shared by all */

/* With a time-out that only a lost wake-up reaches. */
static int wait_for_it(void *traced)
{
    if (traced) halt();
    int result = zcxi_mutex_lock(mutex, 20000);
    if (result) complain("a waiter got: %s", strerror(result));
    pthread_mutex_unlock(mutex);
    return 0;
}

/* All that a waiter sleeps in is the mutex. */
static void wait_until_asleep(pid_t child)
{
    char path[64], text[512], *state = NULL;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    while (!state || state[2] != 'S') {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = read(file, text, sizeof text - 1);
        close(file);
        text[length > 0 ? length : 0] = 0;
        state = strrchr(text, ')');
        usleep(100);
    }
}

/* Runs a traced waiter to where it enters its next futex call. */
static void run_to_futex(pid_t child)
{
    struct __ptrace_syscall_info info = {0};
    do {
        ptrace(PTRACE_SYSCALL, child, 0, 0);
        if (stopped(child) != STEPPED) fail_msg("the waiter ended: %s", child_report);
        ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
    } while (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_futex);
}

/* One waiter is woken, and killed before it has taken the mutex; somebody else takes it meanwhile.
 * The second waiter must get it all the same. False when the first was not the one that was woken. */
static bool kill_as_it_wakes(void)
{
    assert_int_equal(pthread_mutex_lock(mutex), 0);
    pid_t first = spawn_traced(wait_for_it, mutex);
    if (stopped(first) != HALTED) fail_msg("%s", child_report);
    ptrace(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACESYSGOOD);
    run_to_futex(first);
    ptrace(PTRACE_SYSCALL, first, 0, 0);
    wait_until_asleep(first);
    pid_t second = spawn(wait_for_it, NULL);
    wait_until_asleep(second);
    pthread_mutex_unlock(mutex);

    struct __ptrace_syscall_info info = {0};
    stopped(first); /* at its return from there */
    ptrace(PTRACE_GET_SYSCALL_INFO, first, sizeof info, &info);
    bool woken = info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == 0;
    bool taken = !pthread_mutex_trylock(mutex);
    kill_child(first);
    if (taken) pthread_mutex_unlock(mutex);
    if (exit_status(second)) fail_msg("%s", child_report);
    return woken && taken;
}

static void a_waiter_is_killed_as_it_wakes(void **state)
{
    (void)state;
    while (!kill_as_it_wakes())
        ;
}

static int die_with_it(void *context)
{
    (void)context;
    int result = zcxi_mutex_lock(mutex, 20000);
    if (result) complain("%s", strerror(result));
    raise(SIGKILL);
    return 0;
}

static void its_owner_is_killed(void **state)
{
    (void)state;
    exit_status(spawn(die_with_it, NULL));
    assert_int_equal(zcxi_mutex_lock(mutex, 20000), EOWNERDEAD);
    assert_int_equal(pthread_mutex_consistent(mutex), 0);
    pid_t waiter = spawn(wait_for_it, NULL);
    wait_until_asleep(waiter);
    assert_int_equal(pthread_mutex_unlock(mutex), 0);
    assert_int_equal(exit_status(waiter), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_waiter_is_killed_as_it_wakes),
        cmocka_unit_test(its_owner_is_killed),
    };
    make_report();
    mutex = mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (zcxi_mutex_init(mutex)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
