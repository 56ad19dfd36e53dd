/* Who holds the store's memory: one pass over the slots and their pins. */
#ifndef ZCXI_HOLDERS_H
#define ZCXI_HOLDERS_H

#include "env.h"

struct zcxi_holding {
    uint64_t loans, loan_bytes;
    uint64_t pins, pinned_slots, pinned_bytes;
    uint64_t held_bytes;  /* of retired slots: memory that only its pins keep */
    uint64_t oldest_loan; /* Unix ns, 0: none */
    uint64_t oldest_held; /* Unix ns when the longest held slot was retired, 0: none */
};

struct zcxi_state_tally {
    uint64_t slots, bytes, backed_bytes;
};

struct zcxi_tally {
    struct zcxi_holding owners[ZCXI_OWNERS];
    struct zcxi_state_tally states[5];                       /* by enum zcxi_state */
    uint32_t classes[ZCXI_CLASSES][5];
    uint32_t held[ZCXI_CLASSES]; /* of the retired ones: those that somebody views */
};

/* A picture taken while everything moves: each number is right for its slot when it was read. */
void zcxi_tally(struct zcxi_env *env, struct zcxi_tally *out);

#endif
