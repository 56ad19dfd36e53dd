/* A line on stderr for what takes longer than a second, drawn by a thread of its own, because the
 * work may be one long call. */
#include "command.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static struct {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stop;
    bool running, stopping;
    const char *what;
    uint64_t began;
    atomic_uint_fast64_t done, total;
} progress = {.mutex = PTHREAD_MUTEX_INITIALIZER, .stop = PTHREAD_COND_INITIALIZER};

static void draw(void)
{
    char done[TEXT_SIZE], total[TEXT_SIZE], age[TEXT_SIZE];
    uint64_t bytes = atomic_load(&progress.done), all = atomic_load(&progress.total);
    fprintf(stderr, "\r\x1b[K%s", progress.what);
    if (bytes) fprintf(stderr, " %s", size_text(done, bytes, false));
    if (bytes && all) fprintf(stderr, " of %s", size_text(total, all, false));
    fprintf(stderr, ", %s", span_text(age, now_ns() - progress.began, false));
    fflush(stderr);
}

static void *run(void *unused)
{
    bool drawn = false;
    struct timespec next;
    clock_gettime(CLOCK_REALTIME, &next);
    pthread_mutex_lock(&progress.mutex);
    while (!progress.stopping) {
        next.tv_sec += 1;
        while (!progress.stopping &&
               pthread_cond_timedwait(&progress.stop, &progress.mutex, &next) == 0)
            ;
        if (progress.stopping) break;
        draw();
        drawn = true;
    }
    pthread_mutex_unlock(&progress.mutex);
    if (drawn) fputs("\r\x1b[K", stderr);
    return unused;
}

void progress_begin(const char *what, uint64_t total)
{
    if (!isatty(STDERR_FILENO)) return;
    progress.what = what;
    progress_total(total);
    progress.began = now_ns();
    progress.stopping = false;
    atomic_store(&progress.done, 0);
    progress.running = pthread_create(&progress.thread, NULL, run, NULL) == 0;
}

void progress_total(uint64_t total)
{
    atomic_store_explicit(&progress.total, total, memory_order_relaxed);
}

void progress_add(uint64_t bytes)
{
    atomic_fetch_add_explicit(&progress.done, bytes, memory_order_relaxed);
}

void progress_end(void)
{
    if (!progress.running) return;
    pthread_mutex_lock(&progress.mutex);
    progress.stopping = true;
    pthread_cond_signal(&progress.stop);
    pthread_mutex_unlock(&progress.mutex);
    pthread_join(progress.thread, NULL);
    progress.running = false;
}
