/* What group commit gains: threads that publish into a durable store, each change acknowledged when it
 * is on disk. They commit in groups, or (as batches of one change, which are never grouped) each for
 * itself; both in turns, in one run. Usage: zcx-bench-durable [DIRECTORY], on the disk to measure. */
#include "bench.h"

#include <pthread.h>

#define ROUNDS 7
#define ROUND 0.5 /* seconds */
#define MOST 64

struct work {
    zcx_store *store;
    uint64_t size;
    int threads;
    bool grouped;
    double until;
    double done[MOST]; /* changes of each thread; a double keeps `median` in one type */
};

struct thread {
    struct work *work;
    int number;
    pthread_t id;
};

static void publish(zcx_store *store, const char *key, const void *data, uint64_t size, bool grouped)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_batch *batch;
    if (grouped) {
        check(zcx_store_put(store, key, strlen(key), data, size, NULL, NULL, &error), &error);
        return;
    }
    check(zcx_store_batch(&batch, store, &error), &error);
    check(zcx_batch_put(batch, key, strlen(key), data, size, NULL, &error), &error);
    check(zcx_batch_commit(batch, NULL, &error), &error);
}

static void *run(void *context)
{
    struct thread *thread = context;
    struct work *work = thread->work;
    char key[16];
    void *data = calloc(1, work->size);
    snprintf(key, sizeof key, "%d", thread->number);
    while (now() < work->until) {
        publish(work->store, key, data, work->size, work->grouped);
        work->done[thread->number]++;
    }
    free(data);
    return NULL;
}

/* Changes a second. */
static double measure(struct work *work)
{
    struct thread threads[MOST];
    double start = now(), sum = 0;
    work->until = start + ROUND * 1e9;
    for (int i = 0; i < work->threads; i++) {
        threads[i] = (struct thread){work, i, 0};
        work->done[i] = 0;
        if (pthread_create(&threads[i].id, NULL, run, &threads[i])) abort();
    }
    for (int i = 0; i < work->threads; i++) {
        pthread_join(threads[i].id, NULL);
        sum += work->done[i];
    }
    return sum / ((now() - start) / 1e9);
}

static void compare_at(zcx_store *store, uint64_t size, int threads, double least)
{
    struct work work = {.store = store, .size = size, .threads = threads};
    double grouped[ROUNDS], single[ROUNDS];
    char name[64];
    for (int i = 0; i < ROUNDS; i++) {
        work.grouped = true;
        grouped[i] = measure(&work);
        work.grouped = false;
        single[i] = measure(&work);
    }
    double together = median(grouped, ROUNDS), alone = median(single, ROUNDS);
    snprintf(name, sizeof name, "durable publishes, %lu bytes, %d threads", (unsigned long)size, threads);
    printf("%-44s %10.0f /s   %-34s %10.0f  ratio %.2f (at least %.2f)\n", name, together,
           "each commits for itself", alone, together / alone, least);
}

int main(int argc, char **argv)
{
    make_directory_in(argc > 1 ? argv[1] : ZCX_BENCH_DISK);
    char path[300];
    zcx_store *store;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = UINT64_C(256) << 20;
    options.durability = ZCX_DURABILITY_COMMIT;
    snprintf(path, sizeof path, "%s/store", directory);
    check(zcx_store_open(&store, path, &options, &error), &error);
    compare_at(store, 200, 4, 1.5);
    compare_at(store, 200, 16, 3);
    compare_at(store, 65536, 16, 1);
    return zcx_store_close(store, &error);
}
