#include "lock.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SPINS 100 /* about as long as a publish holds the mutex */
#define SLICE 50  /* ms */
#define NAP_MOST (16 * ZCXI_MS) /* between two looks at open.lock: hundreds may wait for it */

int zcxi_mutex_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    int result = pthread_mutexattr_init(&attributes);
    if (result) return result;
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    result = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return result;
}

static struct timespec after(clockid_t clock, int64_t timeout_ms)
{
    uint64_t when = zcxi_clock(clock) + (uint64_t)timeout_ms * ZCXI_MS;
    return (struct timespec){(time_t)(when / ZCXI_S), (long)(when % ZCXI_S)};
}

static int lock_until(pthread_mutex_t *mutex, int64_t timeout_ms)
{
#ifdef __SANITIZE_THREAD__ /* gcc 12's ThreadSanitizer does not know pthread_mutex_clocklock */
    struct timespec until = after(CLOCK_REALTIME, timeout_ms);
    return pthread_mutex_timedlock(mutex, &until);
#else
    struct timespec until = after(CLOCK_MONOTONIC, timeout_ms);
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
#endif
}

int zcxi_mutex_lock(pthread_mutex_t *mutex, int64_t timeout_ms)
{
    for (int spin = 0; spin < SPINS; spin++) {
        int result = pthread_mutex_trylock(mutex);
        if (result != EBUSY) return result;
        for (int i = 0; i < 20; i++)
            zcxi_pause();
    }
    /* In slices, for a wake-up can be lost: when a waiter is killed between being woken and taking
     * the mutex, and another took it meanwhile without seeing that more wait. */
    uint64_t start = zcxi_monotonic();
    for (;;) {
        int64_t left = timeout_ms - (int64_t)((zcxi_monotonic() - start) / ZCXI_MS);
        int result = lock_until(mutex, left < SLICE ? left : SLICE);
        if (result != ETIMEDOUT || left <= SLICE) return result;
    }
}

bool zcxi_ofd_lock(int file, short type, off_t byte)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(file, F_OFD_SETLK, &lock) == 0;
}

bool zcxi_ofd_taken(int file, short type, off_t byte)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int zcxi_flock(int file, int64_t timeout_ms)
{
    uint64_t until = zcxi_monotonic() + (uint64_t)timeout_ms * ZCXI_MS, nap = ZCXI_MS;
    while (flock(file, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) return errno;
        if (zcxi_monotonic() >= until) return ETIMEDOUT;
        zcxi_sleep(nap);
        if (nap < NAP_MOST) nap *= 2;
    }
    return 0;
}

pid_t zcxi_flock_holder(int file)
{
    struct stat about;
    char line[256];
    int holder = 0;
    FILE *locks = fstat(file, &about) ? NULL : fopen("/proc/locks", "re");
    while (locks && !holder && fgets(line, sizeof line, locks)) {
        int pid;
        unsigned long inode;
        if (sscanf(line, "%*d: FLOCK %*s WRITE %d %*x:%*x:%lu", &pid, &inode) == 2 &&
            inode == about.st_ino)
            holder = pid;
    }
    if (locks) fclose(locks);
    return holder;
}
