/* Slots: the word of each, and the only functions that move it from one state to another.
 *
 *   free ──take──▶ loaned ──publish──▶ published ──retire──▶ retired ──take──▶ loaned (generation + 1)
 *     ▲── give back ──┘
 *
 * The word: state (3 bits), backed (1), owner (8), incarnation (20), generation (32). A retired
 * slot's transaction is in a field that is written before the word: who reads it, then changes the
 * word by CAS, has seen that word's transaction, for every recycling raises the generation. */
#ifndef ZCXI_SLOTS_H
#define ZCXI_SLOTS_H

#include "board.h"

enum zcxi_state {
    ZCXI_NONE = 0, /* no such slot yet */
    ZCXI_FREE = 1,
    ZCXI_LOANED = 2,
    ZCXI_PUBLISHED = 3,
    ZCXI_RETIRED = 4,
};

#define ZCXI_BACKED UINT64_C(8)
#define ZCXI_OWNER_SHIFT 4
#define ZCXI_INCARNATION_SHIFT 12
#define ZCXI_INCARNATION_MASK 0xfffffu
#define ZCXI_GENERATION_SHIFT 32
#define ZCXI_GENERATION_ONE (UINT64_C(1) << ZCXI_GENERATION_SHIFT)

static inline enum zcxi_state zcxi_word_state(uint64_t word) { return word & 7; }
static inline uint32_t zcxi_word_owner(uint64_t word) { return word >> ZCXI_OWNER_SHIFT & 255; }
static inline uint32_t zcxi_word_generation(uint64_t word)
{
    return (uint32_t)(word >> ZCXI_GENERATION_SHIFT);
}

/* Who takes loans: this process's entry among the owners. */
struct zcxi_self {
    uint32_t owner;
    uint32_t incarnation;
};

/* ---- pins ---------------------------------------------------------------------------------------- */

#define ZCXI_PINS_MOST 0x8000u

static inline _Atomic uint16_t *zcxi_pin(const struct zcxi_board *board, uint32_t slot,
                                         uint32_t owner)
{
    return &board->pins[(size_t)slot * ZCXI_OWNERS + owner];
}

bool zcxi_pinned(const struct zcxi_board *board, uint32_t slot);

/* Takes a pin off; the last one of a retired slot makes it available again. */
void zcxi_pin_drop(const struct zcxi_board *board, uint32_t slot, uint32_t owner);

/* Adds a pin; false, and undone, when the process has too many of the slot. */
static inline bool zcxi_pin_add(const struct zcxi_board *board, uint32_t slot, uint32_t owner)
{
    if (atomic_fetch_add(zcxi_pin(board, slot, owner), 1) < ZCXI_PINS_MOST) return true;
    zcxi_pin_drop(board, slot, owner);
    return false;
}

/* ---- classes ---------------------------------------------------------------------------------------- */

/* Pages of class i; classes grow by a quarter, up to a value's 4 GiB. */
uint32_t zcxi_class_pages(uint32_t class);
uint32_t zcxi_class_count(void);
/* The least class of that many pages. */
uint32_t zcxi_class_of(uint64_t pages);

/* ---- transitions ------------------------------------------------------------------------------------ */

/* What stood in the way when nothing was taken. */
struct zcxi_obstacle {
    bool unsafe; /* a slot was retired too lately for the snapshots in use */
    bool pinned;
};

/* Takes a free or recyclable slot of the class as a loan; 0 when there is none. */
uint32_t zcxi_slot_take(struct zcxi_board *board, const struct zcxi_self *self, uint32_t class,
                        uint64_t *word, struct zcxi_obstacle *obstacle);

/* Takes this slot as a loan, if it is free or recyclable. */
bool zcxi_slot_take_idle(struct zcxi_board *board, const struct zcxi_self *self, uint32_t slot,
                         uint64_t *word, struct zcxi_obstacle *obstacle);

/* Enters a new slot, whose tables are allocated: everything else first, its word last. */
void zcxi_slot_enter(struct zcxi_board *board, uint32_t slot, uint64_t page, uint32_t pages,
                     uint64_t word);

/* free → published, on a board that is being made: a record names this generation of the slot. */
void zcxi_slot_adopt(struct zcxi_board *board, uint32_t slot, uint32_t generation);

/* loaned → free, by the loan's owner (`word` is the loan's) or by who reaps it. */
void zcxi_slot_give_back(struct zcxi_board *board, uint32_t slot, uint64_t word);

/* loaned → published and published → retired: the mutex is held, the transaction is committed. Done
 * again after a crash, they change nothing. */
void zcxi_slot_publish(struct zcxi_board *board, uint32_t slot);
void zcxi_slot_retire(struct zcxi_board *board, uint32_t slot, uint64_t transaction, uint64_t now);

/* The loan's owner says that the slot's payload has memory, or (before punching) that it has not. */
void zcxi_slot_set_backed(struct zcxi_board *board, uint32_t slot, uint64_t *word, bool backed);

/* The word of a new loan, or of a free or published slot. */
uint64_t zcxi_word_loaned(const struct zcxi_self *self, uint32_t generation, bool backed);
uint64_t zcxi_word_idle(enum zcxi_state state, uint32_t generation, bool backed);

/* Marks a slot as available, a hint for zcxi_slot_take. */
void zcxi_slot_offer(const struct zcxi_board *board, uint32_t slot);

#endif
