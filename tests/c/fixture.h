/* What the C tests share: a directory of its own for each test, gone afterwards also when the test
 * is killed; and assertions on statuses that show the error's sentence. */
#ifndef ZCX_FIXTURE_H
#define ZCX_FIXTURE_H

#include "zcx.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The call must succeed; `error` in its arguments is the one that is made here. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        zcx_error error_ = ZCX_ERROR_INIT, *error = &error_;                                       \
        zcx_status status_ = (call);                                                               \
        if (status_)                                                                               \
            fail_msg("%s: %s: %s", #call, zcx_status_name(status_), error_.message);               \
    } while (0)

/* The call must fail with that status, and say each of the words (a string list ending in NULL). */
#define FAILS(expected, call, ...)                                                                 \
    do {                                                                                           \
        zcx_error error_ = ZCX_ERROR_INIT, *error = &error_;                                       \
        zcx_status status_ = (call);                                                               \
        const char *words_[] = {__VA_ARGS__, NULL};                                                \
        if (status_ != (expected))                                                                 \
            fail_msg("%s: %s, not %s: %s", #call, zcx_status_name(status_),                        \
                     zcx_status_name(expected), error_.message);                                   \
        for (const char **word_ = words_; *word_; word_++)                                         \
            if (!strstr(error_.message, *word_))                                                   \
                fail_msg("%s: no \"%s\" in: %s", #call, *word_, error_.message);                   \
    } while (0)

/* A new directory under `parent` (NULL: /dev/shm). A process that outlives us, whatever kills us,
 * removes it: it waits for the end of a pipe that only we and our children hold open. It is nobody's
 * child, for a test runner's time-out kills all of ours. The path is ours to free. */
static inline char *make_directory(const char *parent)
{
    char *path = malloc(256);
    int ends[2];
    snprintf(path, 256, "%s/zcx-test-XXXXXX", parent ? parent : "/dev/shm");
    if (!mkdtemp(path) || pipe(ends)) {
        perror("cannot make a directory for the test");
        exit(1);
    }
    pid_t middle = fork();
    if (middle == 0) {
        char byte;
        if (fork()) _exit(0);
        setsid();
        close(ends[1]);
        for (int file = 3; file < 64; file++)
            if (file != ends[0]) close(file);
        while (read(ends[0], &byte, 1) > 0)
            ;
        execlp("rm", "rm", "-rf", path, (char *)NULL);
        _exit(1);
    }
    waitpid(middle, NULL, 0);
    close(ends[0]);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return path;
}

/* Ends a child at once; in the build that measures coverage, with what it has reached. */
#ifdef ZCX_COVERAGE
void __gcov_dump(void);
#else
static inline void __gcov_dump(void)
{
}
#endif

/* A forked child that dies with us. Call it in the parent before any store is open, or let the child
 * open its own. `work` returns the exit status. */
static inline pid_t spawn(int (*work)(void *), void *context)
{
    fflush(NULL);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1); /* it died before that */
        signal(SIGSEGV, SIG_DFL); /* cmocka's handlers would go on with the next test */
        signal(SIGBUS, SIG_DFL);
        int status = work(context);
        __gcov_dump();
        _exit(status);
    }
    return child;
}

static inline int exit_status(pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
