/* A closed store whose files are altered, mostly data.mdb where LMDB's own numbers are; then opened,
 * read, written to, swept and checked. What it shows must have been put. */
#include "alterations.h"
#include "mutated.h"

enum { DATA, LOCK, BOARD, JSON, FILES };
static const char *const names[FILES] = {"data.mdb", "lock.mdb", "board", "store.json"};
static char *path;
static struct image images[2][FILES]; /* ephemeral, durable */

static void begin(void)
{
    if (path) return;
    path = make_directory(NULL);
    for (int durable = 0; durable < 2; durable++) {
        MUST_HOLD(!make_mutated(path, durable ? ZCX_DURABILITY_COMMIT : ZCX_DURABILITY_NONE, NULL));
        for (int i = 0; i < FILES; i++) {
            char name[300];
            MUST_HOLD(read_image(&images[durable][i], path, names[i]));
            snprintf(name, sizeof name, "%s/%s", path, names[i]);
            MUST_HOLD(!unlink(name));
        }
    }
}

/* The head of a page, its nodes' offsets, a node, or anything. */
static size_t place_in(const struct alteration *what, const uint8_t *page)
{
    uint16_t node;
    switch (what->where >> 6) {
    case 0: return what->at % 24;
    case 1: return 16 + 2 * (what->at % 32);
    case 2:
        memcpy(&node, page + 16 + 2 * (what->at % 32), sizeof node);
        return node % 4096 + (what->at >> 8) % 24;
    }
    return what->at % 4096;
}

static void alter(const struct alteration *what, struct image *files, const struct image *kept)
{
    int file = (what->where & 15) > 2 ? DATA : 1 + (what->where & 15);
    struct image *image = &files[file];
    if (!image->used) return;
    if (!image->bytes) image->bytes = exactly(kept[file].bytes, image->used);
    size_t page = what->block % (image->used / 4096 + 1) * 4096;
    if (page + 4096 > image->used) page = 0;
    size_t place = file == DATA ? page + place_in(what, image->bytes + page) : what->at % image->used;
    apply(what, image->bytes, image->used, place);
}

static void live(void)
{
    zcx_store *stores[MUTATED_DATABASES] = {NULL};
    for (int d = 0; d < MUTATED_DATABASES; d++) {
        zcx_error error = ZCX_ERROR_INIT;
        if (open_mutated(&stores[d], path, mutated_databases[d], ZCX_DURABILITY_DEFAULT, &error)) {
            MUST_HOLD(error.status && error.message[0]);
            stores[d] = NULL;
            continue;
        }
        const char *wrong = live_in_mutated(stores[d]);
        if (wrong) fprintf(stderr, "%s\n", wrong);
        MUST_HOLD(!wrong);
    }
    for (int d = 0; d < MUTATED_DATABASES; d++)
        MUST_HOLD(!zcx_store_close(stores[d], NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct alteration what;
    struct image files[FILES];
    begin();
    const struct image *kept = images[choice(&data, &size) & 1];
    for (int i = 0; i < FILES; i++) {
        files[i] = kept[i];
        files[i].bytes = NULL;
    }
    while (next_alteration(&what, &data, &size))
        alter(&what, files, kept);
    for (int i = 0; i < FILES; i++) {
        const struct image *image = files[i].bytes ? &files[i] : &kept[i];
        bool stays = image == &kept[i] && (i == LOCK || i == BOARD); /* is made anew anyway */
        MUST_HOLD(stays || write_image(image, path));
        free(files[i].bytes);
    }
    live();
    return 0;
}
