/* Sets the wall clock of a process, as somebody would who steps the machine's: LD_PRELOAD it, and write
 * nanoseconds (signed, 8 bytes) to the file that ZCX_CLOCK names. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *step;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find_step(void)
{
    const char *path = getenv("ZCX_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) step = map;
    if (file >= 0) close(file);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (result || !step || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
    int64_t ns = now->tv_nsec + now->tv_sec * INT64_C(1000000000) + atomic_load(step);
    *now = (struct timespec){ns / 1000000000, ns % 1000000000};
    return 0;
}
