/* Which system calls does some work make? Counted one by one under ptrace, between two marks. */
#ifndef ZCX_TRACED_H
#define ZCX_TRACED_H

#include "stores.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#define MARK (-77L)

static inline void mark(void)
{
    syscall(SYS_getpgid, MARK); /* which answers ESRCH */
}

struct call {
    uint64_t number, arguments[6];
};

static inline void traced_child(void (*work)(void *), void *context)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(77);
    raise(SIGSTOP);
    work(context);
    _exit(0);
}

/* Runs `work`, which calls mark() twice, in a child; returns how many calls it made in between, the
 * first `most` of them in `calls`; -1 where tracing is not allowed. */
static inline int trace(void (*work)(void *), void *context, struct call *calls, int most)
{
    int status, count = 0, marks = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) traced_child(work, context);
    waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) return -1;
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    for (;;) {
        struct __ptrace_syscall_info info = {0};
        ptrace(PTRACE_SYSCALL, child, 0, 0);
        waitpid(child, &status, 0);
        if (!WIFSTOPPED(status)) break;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
        if (info.entry.nr == SYS_getpgid && (long)info.entry.args[0] == MARK) {
            marks++;
        } else if (marks == 1) {
            if (count < most) {
                calls[count].number = info.entry.nr;
                memcpy(calls[count].arguments, info.entry.args, sizeof calls->arguments);
            }
            count++;
        }
    }
    assert_int_equal(status, 0);
    assert_int_equal(marks, 2);
    return count;
}

#endif
