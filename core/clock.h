/* The three clocks: records carry the wall clock, waits the monotonic one. All in nanoseconds. */
#ifndef ZCXI_CLOCK_H
#define ZCXI_CLOCK_H

#include <stdint.h>
#include <time.h>

#define ZCXI_MS UINT64_C(1000000)
#define ZCXI_S UINT64_C(1000000000)

static inline uint64_t zcxi_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * ZCXI_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t zcxi_now(void) { return zcxi_clock(CLOCK_REALTIME); }

/* A few ns to read, up to 4 ms old: for expiry and ages. */
static inline uint64_t zcxi_now_coarse(void) { return zcxi_clock(CLOCK_REALTIME_COARSE); }

static inline uint64_t zcxi_monotonic(void) { return zcxi_clock(CLOCK_MONOTONIC); }

/* Sleeps that long, less when a signal comes. */
static inline void zcxi_sleep(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / ZCXI_S), (long)(ns % ZCXI_S)};
    nanosleep(&time, NULL);
}

static inline void zcxi_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
