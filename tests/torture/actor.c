/* actor ROLE STORE LEDGER PLACE SEED: see actor.h, and crew.py, which starts and kills it. */
#include "actor.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BUDGET = 16 << 20 }; /* which is full at times; torture.py creates the store with the same */

struct ledger_head *head;
struct ledger *mine;
uint64_t place;
const char *store_path, *ledger_path, *program;

static uint64_t seed;
static _Atomic uint64_t sequences;

void complain(const char *format, ...)
{
    static _Atomic bool complained;
    va_list arguments;
    va_start(arguments, format);
    if (!atomic_exchange(&complained, true) && !mine->complaint[0])
        vsnprintf(mine->complaint, sizeof mine->complaint, format, arguments);
    va_end(arguments);
    _exit(1);
}

struct ledger *place_of(uint64_t number)
{
    return (struct ledger *)((char *)head + (number + 1) * LEDGER_PAGE);
}

uint64_t below(uint64_t most)
{
    static _Atomic uint64_t threads;
    static _Thread_local uint64_t state;
    if (!state) state = (seed * 64 + atomic_fetch_add(&threads, 1) + 1) * UINT64_C(0x9E3779B97F4A7C15);
    next_random(&state);
    return (state >> 20) % most;
}

uint64_t next_sequence(void)
{
    return seed << 24 | (atomic_fetch_add(&sequences, 1) + 1);
}

uint64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct key_text key_text(uint64_t key)
{
    struct key_text text;
    text.length = (size_t)snprintf(text.text, sizeof text.text, "%lu", (unsigned long)key);
    return text;
}

uint64_t key_of(const zcx_view *view)
{
    char text[24] = {0};
    size_t length;
    const char *key = zcx_view_key(view, &length);
    memcpy(text, key, length < sizeof text ? length : sizeof text - 1);
    return strtoull(text, NULL, 10);
}

void must_be_whole(const zcx_view *view, const char *when)
{
    const struct payload *payload = zcx_view_data(view);
    uint64_t key = key_of(view), length = zcx_view_length(view);
    if (payload_whole(payload, key, length)) return;
    complain("a payload of %lu bytes at key %lu is not whole, %s: it says key %lu, sequence %#lx, "
             "%lu bytes", (unsigned long)length, (unsigned long)key, when, (unsigned long)payload->key,
             (unsigned long)payload->sequence, (unsigned long)payload->length);
}

uint64_t random_length(void)
{
    uint64_t length = below(4) ? 2304 : 24;
    while (length >= 2304 && length < 400000 && below(10))
        length += length / 2;
    return (length + below(length < 2304 ? 900 : length)) / 8 * 8;
}

zcx_store *open_store_at(const char *path)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = BUDGET;
    if (getenv("ZCX_DURABLE")) options.durability = ZCX_DURABILITY_COMMIT;
    options.lock_timeout_ms = 60000; /* on a busy machine, under a sanitizer */
    for (;;) {
        zcx_error error = ZCX_ERROR_INIT;
        zcx_status status = zcx_store_open(&store, path, &options, &error);
        if (!status) return store;
        /* A store may be full, of processes or of bytes. */
        if (status != ZCX_ELIMIT && status != ZCX_EFULL) complain("open: %s", error.message);
        if (status == ZCX_ELIMIT && !strstr(error.message, "256 processes"))
            complain("open: %s", error.message);
        atomic_fetch_add(&mine->full, 1);
        usleep(20000);
    }
}

zcx_store *open_store(void)
{
    return open_store_at(store_path);
}

void rest_if_asked(zcx_view *const *views, size_t count, uint64_t loans)
{
    uint64_t pause = atomic_load(&head->pause), pins = 0;
    if (!pause || pause == atomic_load(&mine->rests)) return;
    for (size_t i = 0; i < count; i++) {
        if (!views[i]) continue;
        must_be_whole(views[i], "held");
        pins += zcx_view_length(views[i]) > 1024;
    }
    atomic_store(&mine->pins, pins);
    atomic_store(&mine->loans, loans);
    atomic_store(&mine->rests, pause);
    while (atomic_load(&head->pause) == pause)
        usleep(300);
    for (size_t i = 0; i < count; i++)
        if (views[i]) must_be_whole(views[i], "held over a pause");
    atomic_store(&mine->rests, 0);
}

static void *map_file(const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    void *map = file < 0 ? MAP_FAILED
                         : mmap(NULL, (PLACES + 1) * LEDGER_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    close(file);
    return map;
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        void (*play)(void);
    } roles[] = {{"produce", produce}, {"view", view},   {"lose", lose},   {"wait", wait_for_publishes},
                 {"sweep", sweep},     {"visit", visit}, {"found", found},
                 {"leave", leave},     {"call", call},   {"work", work},
                 {"publish_first", publish_first}, {"await_first", await_first},
                 {"mend", mend},       {"once", once},       {"hold", hold},
                 {"keep_open", keep_open}};
    if (count != 6) {
        fprintf(stderr, "usage: actor ROLE STORE LEDGER PLACE SEED\n");
        return 2;
    }
    program = words[0];
    store_path = words[2];
    ledger_path = words[3];
    head = map_file(ledger_path);
    place = strtoull(words[4], NULL, 10);
    seed = strtoull(words[5], NULL, 10);
    mine = place_of(place);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (!strcmp(words[1], roles[i].name)) roles[i].play();
    return 0;
}
