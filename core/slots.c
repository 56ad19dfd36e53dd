#include "slots.h"

#include "clock.h"

/* ---- classes ---------------------------------------------------------------------------------------- */

#define PAGES_MOST (1u << 20) /* n * 4096 - 16 bytes is the largest value LMDB keeps */

static uint32_t class_pages[ZCXI_CLASSES];
static uint32_t class_count;

__attribute__((constructor)) static void make_classes(void)
{
    uint32_t pages = 1;
    while (pages < PAGES_MOST) {
        class_pages[class_count++] = pages;
        pages += pages < 4 ? 1 : pages / 4;
    }
    class_pages[class_count++] = PAGES_MOST;
}

uint32_t zcxi_class_pages(uint32_t class)
{
    return class_pages[class];
}

uint32_t zcxi_class_count(void)
{
    return class_count;
}

uint32_t zcxi_class_of(uint64_t pages)
{
    uint32_t low = 0, high = class_count - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (class_pages[middle] < pages)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- words ------------------------------------------------------------------------------------------ */

uint64_t zcxi_word_idle(enum zcxi_state state, uint32_t generation, bool backed)
{
    return (uint64_t)generation << ZCXI_GENERATION_SHIFT | (backed ? ZCXI_BACKED : 0) | state;
}

uint64_t zcxi_word_loaned(const struct zcxi_self *self, uint32_t generation, bool backed)
{
    return zcxi_word_idle(ZCXI_LOANED, generation, backed) |
           (uint64_t)self->owner << ZCXI_OWNER_SHIFT |
           (uint64_t)(self->incarnation & ZCXI_INCARNATION_MASK) << ZCXI_INCARNATION_SHIFT;
}

/* The same generation and backing in another idle state. */
static uint64_t turned(uint64_t word, enum zcxi_state state)
{
    return zcxi_word_idle(state, zcxi_word_generation(word), word & ZCXI_BACKED);
}

/* ---- available slots: two levels of bitmaps, hints only ------------------------------------------ */

static _Atomic uint64_t *class_word(const struct zcxi_board *board, uint32_t class, uint32_t group)
{
    return &board->class_maps[(size_t)class * board->class_words + group / 64];
}

void zcxi_slot_offer(const struct zcxi_board *board, uint32_t slot)
{
    uint32_t group = slot / ZCXI_GROUP, class = board->slots[slot].class;
    if (class >= class_count) return;
    _Atomic uint64_t *map = class_word(board, class, group);
    uint64_t bit = UINT64_C(1) << group % 64;
    atomic_fetch_or(&board->groups[group].available[class], UINT64_C(1) << slot % ZCXI_GROUP);
    ZCXI_POINT(offer.slot);
    if (!(atomic_load(map) & bit)) atomic_fetch_or(map, bit);
    ZCXI_POINT(offer.group);
}

/* The second look is for an offer between the two: without it the group's bit could stay clear. */
static void withdraw(const struct zcxi_board *board, uint32_t slot, uint32_t class)
{
    uint32_t group = slot / ZCXI_GROUP;
    uint64_t bit = UINT64_C(1) << slot % ZCXI_GROUP;
    _Atomic uint64_t *slots = &board->groups[group].available[class];
    if (atomic_fetch_and(slots, ~bit) & ~bit) return;
    ZCXI_POINT(withdraw.slot);
    _Atomic uint64_t *map = class_word(board, class, group);
    atomic_fetch_and(map, ~(UINT64_C(1) << group % 64));
    ZCXI_POINT(withdraw.group);
    if (atomic_load(slots)) atomic_fetch_or(map, UINT64_C(1) << group % 64);
}

/* ---- pins ------------------------------------------------------------------------------------------- */

bool zcxi_pinned(const struct zcxi_board *board, uint32_t slot)
{
    uint32_t owners = atomic_load(&board->header->owners);
    if (owners > ZCXI_OWNERS) owners = ZCXI_OWNERS;
    for (uint32_t owner = 0; owner < owners; owner++)
        if (atomic_load(zcxi_pin(board, slot, owner))) return true;
    return false;
}

void zcxi_pin_drop(const struct zcxi_board *board, uint32_t slot, uint32_t owner)
{
    if (atomic_fetch_sub(zcxi_pin(board, slot, owner), 1) != 1) return;
    ZCXI_POINT(pin.dropped);
    if (zcxi_word_state(atomic_load(&board->slots[slot].word)) == ZCXI_RETIRED)
        zcxi_slot_offer(board, slot);
}

/* ---- taking ----------------------------------------------------------------------------------------- */

/* Recycles: raise the generation, then look at the pins, then lend. A viewer either pinned before
 * that look, or sees the new generation. A pinned slot is withdrawn, so that the next producers do
 * not meet it again, and offered by who drops its last pin; the look afterwards is for a pin that
 * was dropped in between. */
static bool recycle(struct zcxi_board *board, const struct zcxi_self *self, uint32_t slot,
                    uint64_t *word, struct zcxi_obstacle *obstacle)
{
    struct zcxi_slot *entry = &board->slots[slot];
    uint64_t raised = *word + ZCXI_GENERATION_ONE;
    uint64_t retired = atomic_load(&entry->retired);
    if (retired + 2 > atomic_load(&board->header->safe)) {
        obstacle->unsafe = true;
        return false;
    }
    if (!atomic_compare_exchange_strong(&entry->word, word, raised)) return false;
    ZCXI_POINT(recycle.raised);
    if (zcxi_pinned(board, slot)) {
        obstacle->pinned = true;
        withdraw(board, slot, entry->class);
        ZCXI_POINT(recycle.pinned);
        if (!zcxi_pinned(board, slot)) zcxi_slot_offer(board, slot);
        return false;
    }
    *word = zcxi_word_loaned(self, zcxi_word_generation(raised), raised & ZCXI_BACKED);
    return atomic_compare_exchange_strong(&entry->word, &raised, *word);
}

bool zcxi_slot_take_idle(struct zcxi_board *board, const struct zcxi_self *self, uint32_t slot,
                         uint64_t *word, struct zcxi_obstacle *obstacle)
{
    struct zcxi_slot *entry = &board->slots[slot];
    bool taken = false;
    *word = atomic_load(&entry->word);
    if (zcxi_word_state(*word) == ZCXI_RETIRED) {
        taken = recycle(board, self, slot, word, obstacle);
    } else if (zcxi_word_state(*word) == ZCXI_FREE) {
        uint64_t found = *word;
        *word = zcxi_word_loaned(self, zcxi_word_generation(found), found & ZCXI_BACKED);
        taken = atomic_compare_exchange_strong(&entry->word, &found, *word);
    }
    if (taken) {
        ZCXI_POINT(take.lent);
        atomic_store_explicit(&entry->since, zcxi_now_coarse(), memory_order_relaxed);
        ZCXI_POINT(take.dated);
        withdraw(board, slot, entry->class);
    }
    return taken;
}

uint32_t zcxi_slot_take(struct zcxi_board *board, const struct zcxi_self *self, uint32_t class,
                        uint64_t *word, struct zcxi_obstacle *obstacle)
{
    uint32_t slots = atomic_load(&board->header->slots);
    if (slots > board->slots_max) slots = board->slots_max;
    for (uint32_t first = 0; first < slots; first += 64 * ZCXI_GROUP) {
        uint64_t groups = atomic_load(class_word(board, class, first / ZCXI_GROUP));
        for (; groups; groups &= groups - 1) {
            uint32_t group = first / ZCXI_GROUP + (uint32_t)__builtin_ctzll(groups);
            if (group * ZCXI_GROUP >= slots) break;
            uint64_t bits = atomic_load(&board->groups[group].available[class]);
            for (; bits; bits &= bits - 1) {
                uint32_t slot = group * ZCXI_GROUP + (uint32_t)__builtin_ctzll(bits);
                if (slot >= slots) break;
                if (zcxi_slot_take_idle(board, self, slot, word, obstacle)) return slot;
            }
        }
    }
    return 0;
}

/* ---- the other transitions --------------------------------------------------------------------------- */

void zcxi_slot_enter(struct zcxi_board *board, uint32_t slot, uint64_t page, uint32_t pages,
                     uint64_t word)
{
    struct zcxi_slot *entry = &board->slots[slot];
    entry->page = page;
    entry->pages = pages;
    entry->class = (uint8_t)zcxi_class_of(pages);
    entry->charged = false;
    ZCXI_POINT(enter.described);
    atomic_store(&entry->retired, 0);
    atomic_store(&entry->since, zcxi_now_coarse());
    ZCXI_POINT(enter.dated);
    board->header->slot_pages += pages - 1;
    ZCXI_POINT(enter.counted);
    atomic_store(&entry->word, word);
    ZCXI_POINT(enter.worded);
    if (slot >= atomic_load(&board->header->slots))
        atomic_store(&board->header->slots, slot + 1);
    ZCXI_POINT(enter.known);
    if (zcxi_word_state(word) == ZCXI_FREE) zcxi_slot_offer(board, slot);
}

void zcxi_slot_adopt(struct zcxi_board *board, uint32_t slot, uint32_t generation)
{
    struct zcxi_slot *entry = &board->slots[slot];
    entry->charged = true;
    ZCXI_POINT(adopt.charged);
    /* Not backed: who is lent it makes sure, for who copied the file may have made holes. */
    atomic_store(&entry->word, zcxi_word_idle(ZCXI_PUBLISHED, generation, false));
    ZCXI_POINT(adopt.published);
    withdraw(board, slot, entry->class);
}

void zcxi_slot_give_back(struct zcxi_board *board, uint32_t slot, uint64_t word)
{
    if (!atomic_compare_exchange_strong(&board->slots[slot].word, &word, turned(word, ZCXI_FREE)))
        return;
    ZCXI_POINT(give_back.freed);
    zcxi_slot_offer(board, slot);
}

void zcxi_slot_publish(struct zcxi_board *board, uint32_t slot)
{
    _Atomic uint64_t *word = &board->slots[slot].word;
    uint64_t found = atomic_load(word);
    if (zcxi_word_state(found) == ZCXI_LOANED) atomic_store(word, turned(found, ZCXI_PUBLISHED));
}

void zcxi_slot_retire(struct zcxi_board *board, uint32_t slot, uint64_t transaction, uint64_t now)
{
    struct zcxi_slot *entry = &board->slots[slot];
    uint64_t found = atomic_load(&entry->word);
    if (zcxi_word_state(found) != ZCXI_PUBLISHED) return;
    atomic_store(&entry->retired, transaction);
    ZCXI_POINT(retire.numbered);
    atomic_store_explicit(&entry->since, now, memory_order_relaxed);
    ZCXI_POINT(retire.dated);
    atomic_store(&entry->word, turned(found, ZCXI_RETIRED));
    ZCXI_POINT(retire.worded);
    zcxi_slot_offer(board, slot);
}

void zcxi_slot_set_backed(struct zcxi_board *board, uint32_t slot, uint64_t *word, bool backed)
{
    uint64_t changed = backed ? *word | ZCXI_BACKED : *word & ~ZCXI_BACKED;
    if (atomic_compare_exchange_strong(&board->slots[slot].word, word, changed)) *word = changed;
}
