/* The board of a store that is open, altered, then used. It may lie about anything but the mutex, which
 * is glibc's, and the page that the meta guard would put back: then calls may fail, and payloads may be
 * lost to a slot that was said to be free, but nobody dies, and calls end. */
#include "alterations.h"
#include "mutated.h"

#include "store.h"

static char *path;
static struct image data_image, json_image;

static void begin(void)
{
    if (path) return;
    path = make_directory(NULL);
    MUST_HOLD(!make_mutated(path, ZCX_DURABILITY_NONE, NULL));
    MUST_HOLD(read_image(&data_image, path, "data.mdb"));
    MUST_HOLD(read_image(&json_image, path, "store.json"));
}

struct table {
    void *bytes;
    size_t size, record; /* of one entry */
};

static void alter(const struct alteration *what, struct zcxi_board *board)
{
    struct zcxi_board_header *header = board->header;
    uint32_t slots = atomic_load(&header->slots) % 64;
#define PART(from, to) {&header->from, (size_t)((char *)&header->to - (char *)&header->from), 8}
#define TABLE(name, count) {board->name, (count) * sizeof *board->name, sizeof *board->name}
    const struct table tables[] = {
        {board->slots, slots * sizeof *board->slots, sizeof *board->slots},
        {board->slots, slots * sizeof *board->slots, sizeof *board->slots},
        {&header->holder, 4, 4},
        PART(journal.time, backed_to),
        PART(journal.last, journal.meta),
        PART(backed_to, counters),
        TABLE(owners, 4),
        TABLE(waits, 64),
        TABLE(changes, 64),
        TABLE(claims, 16),
        TABLE(class_maps, 8 * board->class_words),
        TABLE(groups, 1),
        {board->pins, slots * ZCXI_OWNERS * sizeof *board->pins, 2},
    };
    const struct table *table = &tables[what->where % (sizeof tables / sizeof *tables)];
    size_t at = what->block * table->record + what->at % table->record;
    if (table->size) apply(what, table->bytes, table->size, at % table->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct alteration what;
    zcx_store *stores[MUTATED_DATABASES];
    zcx_view *view = NULL;
    zcx_loan *loan = NULL;
    begin();
    MUST_HOLD(write_image(&data_image, path) && write_image(&json_image, path));
    for (int d = 0; d < MUTATED_DATABASES; d++)
        MUST_HOLD(!open_mutated(&stores[d], path, mutated_databases[d], ZCX_DURABILITY_DEFAULT, NULL));
    bool viewed = !zcx_store_view(&view, stores[0], "record-004", 10, NULL);
    bool lent = !zcx_store_loan(&loan, stores[0], 5000, 0, NULL);
    MUST_HOLD(viewed && lent);
    while (next_alteration(&what, &data, &size))
        alter(&what, &stores[0]->env->board);
    if (zcx_loan_publish(loan, "lent", 4, 5000, NULL, NULL, NULL)) zcx_loan_discard(loan);
    for (int d = 0; d < MUTATED_DATABASES; d++)
        (void)live_in_mutated(stores[d]);
    zcx_view_release(view);
    for (int d = 0; d < MUTATED_DATABASES; d++)
        MUST_HOLD(!zcx_store_close(stores[d], NULL));
    return 0;
}
