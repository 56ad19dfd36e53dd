#include "trim.h"

#include "hold.h"
#include "readers.h"
#include "room.h"

/* What is charged may have memory though it is not backed: whoever allocated or punched it was
 * killed. The first page stays. */
static bool has_memory(const struct zcxi_slot *slot, uint64_t before)
{
    return atomic_load(&slot->charged) && slot->pages > 1 && atomic_load(&slot->since) <= before;
}

/* As a loan, so that nobody else has the slot meanwhile; *backed* is cleared before the punch. */
static uint64_t trim_slot(struct zcxi_env *env, uint32_t slot)
{
    uint64_t word, freed = 0;
    struct zcxi_slot *entry = &env->board.slots[slot];
    struct zcxi_obstacle obstacle;
    struct zcxi_hold hold;
    if (!zcxi_slot_take_idle(&env->board, &env->self, slot, &word, &obstacle)) return 0;
    ZCXI_POINT(trim.taken);
    zcxi_slot_set_backed(&env->board, slot, &word, false);
    ZCXI_POINT(trim.unbacked);
    bool punched = !zcxi_room_punch(env, slot);
    ZCXI_POINT(trim.punched);
    if (punched && !zcxi_hold_begin(&hold, env, NULL)) {
        zcxi_room_discharge(env, slot);
        zcxi_hold_end(&hold);
        freed = (uint64_t)(entry->pages - 1) * env->page_size;
    }
    ZCXI_POINT(trim.discharged);
    zcxi_slot_give_back(&env->board, slot, word);
    return freed;
}

static uint32_t slot_count(const struct zcxi_env *env)
{
    uint32_t slots = atomic_load(&env->board.header->slots);
    return slots < env->board.slots_max ? slots : env->board.slots_max;
}

uint64_t zcxi_trim(struct zcxi_env *env, uint64_t enough, uint64_t before)
{
    uint64_t freed = 0;
    for (uint32_t slot = slot_count(env); slot-- > 1 && freed < enough;)
        if (has_memory(&env->board.slots[slot], before))
            freed += trim_slot(env, slot); /* the last ones: the first are reused first */
    atomic_fetch_add(&env->board.header->counters.trimmed, freed);
    return freed;
}

bool zcxi_trim_waits(struct zcxi_env *env, uint64_t before)
{
    uint64_t safe = zcxi_safe_raise(env);
    for (uint32_t slot = slot_count(env); slot-- > 1;) {
        const struct zcxi_slot *entry = &env->board.slots[slot];
        if (has_memory(entry, before) && atomic_load(&entry->retired) + 2 > safe &&
            zcxi_word_state(atomic_load(&entry->word)) == ZCXI_RETIRED)
            return true;
    }
    return false;
}
