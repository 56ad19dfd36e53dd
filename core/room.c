#include "room.h"

#include "readers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define AHEAD 64           /* pages that the tree may grow by in one transaction of one change */
#define USUAL 16           /* and what it usually takes */
#define AHEAD_A_CHANGE 24  /* and for each further one */
#define STEP 1024          /* how far ahead memory is taken while there is plenty: 4 MiB, and no
                              more than a 64th of the budget */
#define RESERVE 256        /* pages that what grows the store leaves for deletes and publishes */

static int allocate_pages(struct zcxi_env *env, uint64_t from, uint64_t to)
{
    return zcxi_allocate(env->data_file, from * env->page_size, (to - from) * env->page_size);
}

static int punch_pages(struct zcxi_env *env, uint64_t from, uint64_t to)
{
    off_t length = (off_t)((to - from) * env->page_size);
    return fallocate(env->data_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     (off_t)(from * env->page_size), length) ? errno : 0;
}

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static uint64_t map_pages(const struct zcxi_env *env)
{
    return env->map_size / env->page_size;
}

/* Pages of LMDB's trees and its free list, and the first of each slot. */
static uint64_t tree_pages(const struct zcxi_env *env)
{
    uint64_t last, slots = env->board.header->slot_pages;
    zcxi_env_last_transaction((struct zcxi_env *)env, &last);
    return last + 1 > slots ? last + 1 - slots : 0;
}

/* How far the tree may grow, at most, beyond AHEAD. In a transaction of many changes no page of the
 * tree is copied twice, and what is put fills its pages to a third. */
static uint64_t growth(const struct zcxi_env *env, const struct zcxi_need *need)
{
    uint64_t more = need->changes > 1 ? need->changes - 1 : 0;
    if (!more) return 0;
    return least(AHEAD_A_CHANGE * more,
                 tree_pages(env) + 3 * need->bytes / env->page_size + more / 16);
}

static uint64_t step(const struct zcxi_env *env)
{
    return least(STEP, env->manifest.budget / 64 / env->page_size);
}

uint64_t zcxi_room_changes(const struct zcxi_env *env)
{
    return step(env) / AHEAD_A_CHANGE + 1;
}

/* Memory up to page `need`: more where there is plenty, and with the reserve if it must be. */
static int extend(struct zcxi_env *env, uint64_t last, uint64_t need, bool reserve)
{
    struct zcxi_board_header *header = env->board.header;
    uint64_t from = header->backed_to > last ? header->backed_to : last;
    const uint64_t wanted[] = {need + RESERVE + step(env), need + RESERVE, need};
    int result = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t to = least(wanted[i], map_pages(env));
        if (to <= header->backed_to) return 0;
        result = allocate_pages(env, from, to);
        ZCXI_POINT(room.allocated);
        if (!result) header->backed_to = to;
        ZCXI_POINT(room.known);
        if (result != ENOSPC || (i == 1 && reserve)) return result;
    }
    return result;
}

bool zcxi_room_ahead(struct zcxi_env *env, uint64_t changes)
{
    struct zcxi_board_header *header = env->board.header;
    const struct zcxi_need need = {.changes = changes};
    uint64_t last;
    zcxi_env_last_transaction(env, &last);
    uint64_t to = least(last + 1 + AHEAD + growth(env, &need) + RESERVE, map_pages(env));
    if (to <= header->backed_to) return false;
    uint64_t from = header->backed_to > last ? header->backed_to : last;
    to = least(to, from + (1 << 20) / env->page_size);
    if (allocate_pages(env, from, to)) return false;
    header->backed_to = to;
    return true;
}

static bool free_pages(struct zcxi_env *env, uint64_t pages);
static bool fits_small(struct zcxi_env *env, uint64_t pages);

zcx_status zcxi_room(struct zcxi_env *env, const struct zcxi_need *need, zcx_error *error)
{
    struct zcxi_board_header *header = env->board.header;
    uint64_t last, pages = need->pages, more = growth(env, need), end = map_pages(env);
    if (need->bytes && !fits_small(env, more))
        return zcxi_fail(error, ZCX_EFULL, ENOSPC, "%s has no room in its budget", env->path);
    zcxi_env_last_transaction(env, &last);
    bool grows = pages || need->bytes;
    uint64_t to = last + 1 + AHEAD + more;
    int result = 0;
    if (pages && to + RESERVE + pages > end) result = ENOSPC;
    if (!result && to + RESERVE > header->backed_to)
        result = extend(env, last, least(to, end), grows);
    if (result == ENOSPC && !pages && grows && free_pages(env, more + USUAL))
        result = extend(env, last, least(to, end), false); /* for it takes those */
    if (result == ENOSPC && !grows && free_pages(env, more + AHEAD)) result = 0; /* likewise */
    if (!result && pages) {
        uint64_t behind = last + 1 + pages, stop = least(behind + 2 * AHEAD + RESERVE, end);
        /* Without WRITEMAP the commit writes the slot itself: of a full disk it says "I/O error". */
        bool written = env->manifest.durability == ZCX_DURABILITY_COMMIT;
        uint64_t from = !written ? behind : header->backed_to;
        if (from < stop) result = allocate_pages(env, from, stop);
        ZCXI_POINT(room.ahead);
        if (result && written) (void)punch_pages(env, from, stop);
    }
    if (!result) return ZCX_OK;
    return zcxi_fail(error, result == ENOSPC ? ZCX_EFULL : ZCX_ESYSTEM, result,
                     "%s has no room for %lu pages after page %lu: %s", env->path,
                     (unsigned long)(to + pages - last), (unsigned long)last, strerror(result));
}

void zcxi_room_return(struct zcxi_env *env)
{
    struct zcxi_board_header *header = env->board.header;
    uint64_t last, from, to = header->backed_to;
    zcxi_env_last_transaction(env, &last);
    from = last + 1 + AHEAD + RESERVE + step(env);
    if (to <= from + step(env)) return;
    header->backed_to = from;
    ZCXI_POINT(room.lowered);
    (void)punch_pages(env, from, to);
}

/* LMDB puts a large value behind the last page, where zcxi_room allocated what follows it; when it
 * found free pages instead, what was known still stands. */
void zcxi_room_created(struct zcxi_env *env, uint64_t last, uint64_t pages)
{
    uint64_t now, end = env->map_size / env->page_size;
    zcxi_env_last_transaction(env, &now);
    if (now < last + pages) return;
    uint64_t to = least(last + 1 + pages + 2 * AHEAD + RESERVE, end);
    if (env->board.header->backed_to < to) env->board.header->backed_to = to;
    ZCXI_POINT(room.created);
}

/* ---- the budget --------------------------------------------------------------------------------------- */

uint64_t zcxi_room_used(const struct zcxi_env *env)
{
    const struct zcxi_board_header *header = env->board.header;
    uint64_t tables = (uint64_t)header->groups * ZCXI_GROUP *
                      (sizeof(struct zcxi_slot) + ZCXI_OWNERS * sizeof(uint16_t));
    return (header->charged + tree_pages(env)) * env->page_size + tables;
}

/* What new payloads may not use, or use already. */
static uint64_t used_or_reserved(const struct zcxi_env *env)
{
    return zcxi_room_used(env) + least(RESERVE * env->page_size, env->manifest.budget / 64);
}

uint64_t zcxi_room_over(const struct zcxi_env *env)
{
    uint64_t used = used_or_reserved(env);
    return used > env->manifest.budget ? used - env->manifest.budget : 0;
}

bool zcxi_room_fits(const struct zcxi_env *env, uint64_t pages)
{
    uint64_t used = used_or_reserved(env);
    return used <= env->manifest.budget &&
           pages * env->page_size <= env->manifest.budget - used;
}

/* Has LMDB `pages` free ones, which no snapshot sees any more? Its free list is database 0: by the
 * transaction that freed them, a count and the pages. */
static bool free_pages(struct zcxi_env *env, uint64_t pages)
{
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val key, value;
    uint32_t index;
    uint64_t found = 0, freed, count, safe = zcxi_safe_raise(env);
    if (zcxi_reader_take(env, &reader, &index, NULL)) return false;
    if (!mdb_cursor_open(reader, 0, &cursor)) {
        while (found < pages && !mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
            memcpy(&freed, key.mv_data, sizeof freed);
            memcpy(&count, value.mv_data, sizeof count);
            if (freed >= safe) break;
            found += count;
        }
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
    return found >= pages;
}

/* Inline records live in LMDB's tree, which never gives a page back but uses it again. */
static bool fits_small(struct zcxi_env *env, uint64_t pages)
{
    return zcxi_room_fits(env, pages + 1) || free_pages(env, pages + USUAL);
}

bool zcxi_room_small(struct zcxi_env *env)
{
    uint64_t last;
    zcxi_env_last_transaction(env, &last);
    bool memory = env->board.header->backed_to >= last + 1 + AHEAD + RESERVE / 2 ||
                  free_pages(env, AHEAD);
    return memory && fits_small(env, 0);
}

zcx_status zcxi_room_charge(struct zcxi_env *env, uint32_t slot)
{
    struct zcxi_slot *entry = &env->board.slots[slot];
    if (entry->charged) return ZCX_OK;
    if (!zcxi_room_fits(env, entry->pages - 1)) return ZCX_EFULL;
    entry->charged = true;
    ZCXI_POINT(charge.marked);
    env->board.header->charged += entry->pages - 1;
    ZCXI_POINT(charge.counted);
    return ZCX_OK;
}

void zcxi_room_discharge(struct zcxi_env *env, uint32_t slot)
{
    struct zcxi_slot *entry = &env->board.slots[slot];
    if (!entry->charged) return;
    entry->charged = false;
    ZCXI_POINT(discharge.marked);
    env->board.header->charged -= entry->pages - 1;
    ZCXI_POINT(discharge.counted);
}

void zcxi_room_recount(struct zcxi_env *env)
{
    struct zcxi_board *board = &env->board;
    uint64_t charged = 0, pages = 0;
    uint32_t slots = atomic_load(&board->header->slots);
    for (uint32_t slot = 1; slot < slots && slot < board->slots_max; slot++) {
        pages += board->slots[slot].pages - 1;
        if (board->slots[slot].charged) charged += board->slots[slot].pages - 1;
    }
    board->header->charged = charged;
    ZCXI_POINT(recount.charged);
    board->header->slot_pages = pages;
    ZCXI_POINT(recount.pages);
}

/* ---- a slot's memory ------------------------------------------------------------------------------------ */

bool zcxi_room_holds(const struct zcxi_env *env, uint32_t slot)
{
    const struct zcxi_slot *entry = &env->board.slots[slot];
    uint64_t end = map_pages(env);
    return entry->pages && entry->page >= 2 && entry->page < end &&
           entry->pages <= end - entry->page;
}

bool zcxi_room_filled(const struct zcxi_env *env, uint32_t slot)
{
    const struct zcxi_slot *entry = &env->board.slots[slot];
    off_t end = (off_t)((entry->page + entry->pages) * env->page_size);
    off_t data = lseek(env->data_file, (off_t)((entry->page + 1) * env->page_size), SEEK_DATA);
    return data >= 0 ? data < end : errno != ENXIO;
}

int zcxi_room_payload(struct zcxi_env *env, uint32_t slot)
{
    struct zcxi_slot *entry = &env->board.slots[slot];
    if (!zcxi_room_holds(env, slot)) return EINVAL;
    return allocate_pages(env, entry->page, entry->page + entry->pages);
}

int zcxi_room_punch(struct zcxi_env *env, uint32_t slot)
{
    struct zcxi_slot *entry = &env->board.slots[slot];
    if (!zcxi_room_holds(env, slot)) return EINVAL;
    return entry->pages == 1 ? 0 : punch_pages(env, entry->page + 1, entry->page + entry->pages);
}
