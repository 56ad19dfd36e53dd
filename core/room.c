#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define AHEAD 64           /* pages that the tree may grow by in one transaction of one change */
#define AHEAD_A_CHANGE 24  /* and for each further one */
#define STEP 1024          /* 4 MiB: how far ahead memory is taken while there is plenty */
#define RESERVE 256        /* pages that a creation leaves for deletes and publishes */

static bool ahead_needed(const struct zcxi_env *env)
{
    return env->manifest.durability != ZCX_DURABILITY_COMMIT; /* pwrite reports a full disk itself */
}

static int allocate_pages(struct zcxi_env *env, uint64_t from, uint64_t to)
{
    return zcxi_allocate(env->data_file, from * env->page_size, (to - from) * env->page_size);
}

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

zcx_status zcxi_room(struct zcxi_env *env, uint64_t changes, uint64_t pages, zcx_error *error)
{
    struct zcxi_board_header *header = env->board.header;
    uint64_t last, end = env->map_size / env->page_size;
    if (!ahead_needed(env)) return ZCX_OK;
    zcxi_env_last_transaction(env, &last);
    uint64_t need = last + 1 + AHEAD + AHEAD_A_CHANGE * (changes ? changes - 1 : 0);
    if (pages) need += RESERVE;
    int result = 0;
    if (need > end || need + pages > end) {
        need = least(need, end);
        if (pages) result = ENOSPC;
    }
    if (!result && need > header->backed_to) {
        uint64_t from = header->backed_to > last ? header->backed_to : last;
        uint64_t to = least(need + STEP, end);
        result = allocate_pages(env, from, to);
        if (result == ENOSPC) result = allocate_pages(env, from, to = need);
        if (!result) header->backed_to = to;
    }
    if (!result && pages) {
        uint64_t from = last + 1 + pages;
        result = allocate_pages(env, from, least(from + 2 * AHEAD + RESERVE, end));
    }
    if (!result) return ZCX_OK;
    return zcxi_fail(error, result == ENOSPC ? ZCX_EFULL : ZCX_ESYSTEM, result,
                     "%s has no room for %lu pages after page %lu: %s", env->path,
                     (unsigned long)(need + pages - last), (unsigned long)last, strerror(result));
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
}

/* ---- the budget --------------------------------------------------------------------------------------- */

uint64_t zcxi_room_used(const struct zcxi_env *env)
{
    const struct zcxi_board_header *header = env->board.header;
    uint64_t last;
    zcxi_env_last_transaction((struct zcxi_env *)env, &last);
    uint64_t tree = last + 1 > header->slot_pages ? last + 1 - header->slot_pages : 0;
    uint64_t tables = (uint64_t)header->groups * ZCXI_GROUP *
                      (sizeof(struct zcxi_slot) + ZCXI_OWNERS * sizeof(uint16_t));
    return (header->charged + tree) * env->page_size + tables;
}

bool zcxi_room_fits(const struct zcxi_env *env, uint64_t pages)
{
    uint64_t reserve = least(RESERVE * env->page_size, env->manifest.budget / 64);
    uint64_t used = zcxi_room_used(env) + reserve;
    return used <= env->manifest.budget &&
           pages * env->page_size <= env->manifest.budget - used;
}

zcx_status zcxi_room_charge(struct zcxi_env *env, uint32_t slot)
{
    struct zcxi_slot *entry = &env->board.slots[slot];
    if (entry->charged) return ZCX_OK;
    if (!zcxi_room_fits(env, entry->pages)) return ZCX_EFULL;
    entry->charged = true;
    env->board.header->charged += entry->pages;
    return ZCX_OK;
}

void zcxi_room_discharge(struct zcxi_env *env, uint32_t slot)
{
    struct zcxi_slot *entry = &env->board.slots[slot];
    if (!entry->charged) return;
    entry->charged = false;
    env->board.header->charged -= entry->pages;
}

void zcxi_room_recount(struct zcxi_env *env)
{
    struct zcxi_board *board = &env->board;
    uint64_t charged = 0, pages = 0;
    uint32_t slots = atomic_load(&board->header->slots);
    for (uint32_t slot = 1; slot < slots && slot < board->slots_max; slot++) {
        pages += board->slots[slot].pages;
        if (board->slots[slot].charged) charged += board->slots[slot].pages;
    }
    board->header->charged = charged;
    board->header->slot_pages = pages;
}

/* ---- a slot's memory ------------------------------------------------------------------------------------ */

int zcxi_room_payload(struct zcxi_env *env, uint32_t slot)
{
    struct zcxi_slot *entry = &env->board.slots[slot];
    return allocate_pages(env, entry->page, entry->page + entry->pages);
}

int zcxi_room_punch(struct zcxi_env *env, uint32_t slot)
{
    struct zcxi_slot *entry = &env->board.slots[slot];
    off_t from = (off_t)((entry->page + 1) * env->page_size);
    off_t length = (off_t)((uint64_t)(entry->pages - 1) * env->page_size);
    if (!length) return 0;
    return fallocate(env->data_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, length)
               ? errno
               : 0;
}
