/* Where a traced child stores to what it shares with others: it is stepped once, with the board and
 * the meta pages watched from outside; later runs go to such a store by a breakpoint. */
#ifndef ZCX_WATCH_H
#define ZCX_WATCH_H

#include "scene.h"

enum { EVENTS = 2000, WATCHED = 8, WATCHED_SLOTS = 128, SAMPLES = 8, SOAK_SAMPLES = 500 };
enum { META_BYTES = 8192, READER_BYTES = 4096 };

struct event {
    unsigned long address; /* of the storing instruction … */
    long hit;              /* … executed for this time, from 1 */
    const char *what;
};

struct watched {
    const char *what;
    size_t offset, length; /* of the board, or of data.mdb */
    char *copy;
};

struct places { /* filled by a child, who may open the store */
    size_t board_size;
    struct watched watched[WATCHED];
    int count;
};

struct watch {
    struct places places;
    struct watched metas, readers;
    char *board, *data, *locks;
};

static int locate(void *context)
{
    struct places *places = context;
    const struct zcxi_board *board = &open_scene()->env->board;
    const char *base = (const char *)board->header;
    places->count = 0;
#define PLACE_OF(name, from, bytes)                                                                \
    places->watched[places->count++] =                                                             \
        (struct watched){name, (size_t)((const char *)(from) - base), bytes, NULL}
    PLACE_OF("the header", board->header, sizeof *board->header);
    PLACE_OF("the owners", board->owners, 16 * sizeof *board->owners);
    PLACE_OF("the journal", board->changes, 64 * sizeof *board->changes);
    PLACE_OF("the groups", board->groups, 2 * sizeof *board->groups);
    PLACE_OF("the slots", board->slots, WATCHED_SLOTS * sizeof *board->slots);
    PLACE_OF("the pins", board->pins, WATCHED_SLOTS * ZCXI_OWNERS * sizeof *board->pins);
#undef PLACE_OF
    places->board_size = board->size;
    return 0;
}

/* A file as it is, unseen by the children. */
static char *map_plain(const char *name, size_t length)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", scene.path, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, length, PROT_READ, MAP_SHARED | MAP_NORESERVE, file, 0);
    close(file);
    if (map == MAP_FAILED || madvise(map, length, MADV_DONTFORK)) fail_msg("cannot map %s", path);
    return map;
}

/* What changed since the last look, or NULL. */
static const char *changed(struct watched *watched, const char *base)
{
    if (watched->copy && !memcmp(watched->copy, base + watched->offset, watched->length))
        return NULL;
    if (!watched->copy) watched->copy = malloc(watched->length);
    memcpy(watched->copy, base + watched->offset, watched->length);
    return watched->what;
}

static const char *anything_changed(struct watch *watch)
{
    const char *what = changed(&watch->readers, watch->locks), *other = NULL;
    for (int i = 0; i < watch->places.count; i++)
        if ((other = changed(&watch->places.watched[i], watch->board))) what = other;
    if ((other = changed(&watch->metas, watch->data))) what = other;
    return what;
}

static struct watch begin_watch(void)
{
    static struct places *shared;
    const int both = PROT_READ | PROT_WRITE;
    if (!shared) shared = mmap(NULL, sizeof *shared, both, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (exit_status(spawn(locate, shared))) fail_msg("%s", child_report);
    struct watch watch = {.places = *shared,
                          .metas = {"a meta page", 0, META_BYTES, NULL},
                          .readers = {"LMDB's readers", 0, READER_BYTES, NULL}};
    watch.board = map_plain("board", watch.places.board_size);
    watch.data = map_plain("data.mdb", META_BYTES);
    watch.locks = map_plain("lock.mdb", READER_BYTES);
    anything_changed(&watch);
    return watch;
}

static void end_watch(struct watch *watch)
{
    for (int i = 0; i < watch->places.count; i++)
        free(watch->places.watched[i].copy);
    free(watch->metas.copy);
    free(watch->readers.copy);
    munmap(watch->board, watch->places.board_size);
    munmap(watch->data, META_BYTES);
    munmap(watch->locks, READER_BYTES);
}

static struct event event_at(const unsigned long *trail, long step, const char *what)
{
    struct event event = {trail[step], 0, what};
    for (long i = 0; i <= step; i++)
        event.hit += trail[i] == event.address;
    return event;
}

/* Some instructions in between, for what is not watched; not deep in a loop, which takes long. */
static int add_samples(struct event events[EVENTS], int count, const unsigned long *trail, long steps)
{
    long samples = soaking() ? SOAK_SAMPLES : SAMPLES;
    for (long i = 0; i < samples && count < EVENTS; i++) {
        struct event event = {0};
        for (long step = steps * i / samples; step < steps && (!event.hit || event.hit > 100); step++)
            event = event_at(trail, step, "what is not watched");
        if (event.hit) events[count++] = event;
    }
    return count;
}

/* Steps the halted child to its next halt; returns how many events there were. Ends the child. */
static int find_events(struct event events[EVENTS], pid_t child)
{
    static unsigned long trail[4000000];
    struct watch watch = begin_watch();
    int count = 0;
    long steps = 0;
    for (;; steps++) {
        trail[steps] = instruction(child);
        if (step_on(child, 1) != STEPPED) break;
        const char *what = anything_changed(&watch);
        if (what && count < EVENTS) events[count++] = event_at(trail, steps, what);
    }
    kill_child(child);
    end_watch(&watch);
    return add_samples(events, count, trail, steps);
}

/* Stops before the store. False when the child halted first: another run may take another way. */
static bool run_to_event(pid_t child, const struct event *event)
{
    for (long hit = 1;; hit++) {
        if (run_to(child, event->address) != STEPPED) return false;
        if (hit == event->hit) return true;
        if (step_on(child, 1) != STEPPED) return false;
    }
}

#endif
