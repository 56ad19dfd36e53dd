/* What a named point of the core (core/point.h) does: it counts who passes, and when the control file
 * that ZCX_POINTS names says so, sends itself a signal or lingers. Built into the libraries that the
 * torture tests load, and into nothing else. */
#include "point.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* As points.py's Points has it. */
struct entry {
    _Atomic uint32_t armed;  /* so many passes from now one gets the signal; 0: none */
    _Atomic uint32_t signal; /* SIGKILL, SIGSTOP */
    _Atomic uint32_t linger; /* one pass in so many sleeps … (0: none) */
    _Atomic uint32_t most;   /* … for up to this many µs */
    _Atomic uint64_t passes;
    _Atomic uint64_t met; /* signals that were sent */
    char name[40];
};

struct control {
    _Atomic uint32_t count; /* of entries, which the library writes */
    char padding[60];
    struct entry entries[];
};

__attribute__((visibility("hidden"))) extern const struct zcxi_point __start_zcx_points[],
    __stop_zcx_points[];

static struct control *control;

__attribute__((constructor)) static void find_control(void)
{
    struct stat info;
    const char *path = getenv("ZCX_POINTS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    const uint32_t count = (uint32_t)(__stop_zcx_points - __start_zcx_points);
    if (file < 0) return;
    if (!fstat(file, &info) && (uint64_t)info.st_size >= sizeof *control + count * sizeof(struct entry)) {
        void *map = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (map != MAP_FAILED) control = map;
    }
    close(file);
    if (!control) abort();
    for (uint32_t i = 0; i < count; i++)
        strncpy(control->entries[i].name, __start_zcx_points[i].name, sizeof control->entries->name - 1);
    atomic_store(&control->count, count);
}

static void linger(uint32_t one_in, uint32_t most)
{
    static _Thread_local uint64_t random;
    if (!random) random = (uint64_t)getpid() * 0x9E3779B97F4A7C15u + (uintptr_t)&random;
    random = random * 6364136223846793005u + 1442695040888963407u;
    if ((random >> 33) % one_in) return;
    usleep((useconds_t)((random >> 40) % (most + 1)));
}

void zcxi_point(const struct zcxi_point *point)
{
    if (!control) return;
    struct entry *entry = &control->entries[point - __start_zcx_points];
    atomic_fetch_add(&entry->passes, 1);
    uint32_t one_in = atomic_load(&entry->linger);
    if (one_in) linger(one_in, atomic_load(&entry->most));
    uint32_t armed = atomic_load(&entry->armed);
    while (armed && !atomic_compare_exchange_weak(&entry->armed, &armed, armed - 1))
        ;
    if (armed != 1) return;
    atomic_fetch_add(&entry->met, 1);
    kill(getpid(), (int)atomic_load(&entry->signal));
}
