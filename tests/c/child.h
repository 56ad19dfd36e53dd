/* Children of a test that are made to die: what they report, and how they are stepped and killed.
 * cmocka's assertions jump, so a child uses MUST instead. */
#ifndef ZCX_CHILD_H
#define ZCX_CHILD_H

#include "fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <time.h>

static char *child_report; /* 4096 bytes shared by all children: the first complaint */

static inline void make_report(void)
{
    if (!child_report)
        child_report = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child_report[0] = 0;
}

/* Ends this child with a sentence that its parent reads. */
__attribute__((format(printf, 1, 2), noreturn)) static inline void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!child_report[0]) vsnprintf(child_report, 4096, format, arguments);
    va_end(arguments);
    _exit(1);
}

/* The call must succeed, in a child; `error` in its arguments is the one that is made here. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        zcx_error error_ = ZCX_ERROR_INIT, *error = &error_;                                       \
        zcx_status status_ = (call);                                                               \
        if (status_)                                                                               \
            complain("%s: %s: %s", #call, zcx_status_name(status_), error_.message);               \
    } while (0)

static inline void must_be_sound(const char *fault, const char *when)
{
    if (fault) complain("%s: %s", when, fault);
}

/* The long tier: `make soak`. */
static inline bool soaking(void)
{
    return getenv("ZCX_SOAK") != NULL;
}

/* ---- under ptrace ------------------------------------------------------------------------------------ */

/* A traced child that is about to stop itself by `halt()`: once before what is stepped, once after. */
static inline pid_t spawn_traced(int (*work)(void *), void *context)
{
    fflush(NULL);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1); /* it died before that */
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        _exit(work(context));
    }
    return child;
}

static inline void halt(void)
{
    raise(SIGSTOP);
}

enum stepped { STEPPED, HALTED, ENDED };

/* How the child stopped. A signal of its own (an abort, a fault) counts as ENDED, and kills it. */
static inline enum stepped stopped(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return ENDED;
    if ((WSTOPSIG(status) & 0x7f) == SIGTRAP) return STEPPED; /* 0x80: of a system call */
    if (WSTOPSIG(status) == SIGSTOP) return HALTED;
    return ENDED;
}

static inline enum stepped run_on(pid_t child)
{
    ptrace(PTRACE_CONT, child, 0, 0);
    return stopped(child);
}

static inline enum stepped step_on(pid_t child, long steps)
{
    enum stepped how = STEPPED;
    for (long i = 0; i < steps && how == STEPPED; i++) {
        ptrace(PTRACE_SINGLESTEP, child, 0, 0);
        how = stopped(child);
    }
    return how;
}

static inline void kill_child(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

#ifdef __x86_64__
static inline unsigned long instruction(pid_t child)
{
    struct user_regs_struct registers;
    ptrace(PTRACE_GETREGS, child, 0, &registers);
    return registers.rip;
}

/* Runs until the instruction at `address` is next. */
static inline enum stepped run_to(pid_t child, unsigned long address)
{
    struct user_regs_struct registers;
    long word = ptrace(PTRACE_PEEKTEXT, child, address, 0);
    ptrace(PTRACE_POKETEXT, child, address, (word & ~0xffL) | 0xcc);
    enum stepped how = run_on(child);
    if (how != STEPPED) return how;
    ptrace(PTRACE_POKETEXT, child, address, word);
    ptrace(PTRACE_GETREGS, child, 0, &registers);
    registers.rip--;
    ptrace(PTRACE_SETREGS, child, 0, &registers);
    return STEPPED;
}
#endif

#endif
