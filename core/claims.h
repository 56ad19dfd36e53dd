/* Claims: which worker has which request. They lie in the board, for they live as long as their
 * owners at most; so a claim costs no transaction. An entry is made and cleared under the mutex:
 * cleared by the commit that ends its request or offers it again (ZCXI_UNCLAIM), or when its owner
 * gives it back. */
#ifndef ZCXI_CLAIMS_H
#define ZCXI_CLAIMS_H

#include "env.h"

struct zcxi_claimed {
    uint32_t index; /* in the board */
    uint32_t owner, incarnation;
    uint64_t time; /* Unix ns */
};

/* Has somebody, alive or dead, the request of that sequence? */
bool zcxi_claim_find(const struct zcxi_env *env, uint64_t sequence, struct zcxi_claimed *out);

/* Does its owner live? */
bool zcxi_claim_alive(struct zcxi_env *env, const struct zcxi_claimed *claim);
bool zcxi_claim_ours(const struct zcxi_env *env, const struct zcxi_claimed *claim);

/* The mutex is held. Enters our claim of a request that nobody has. */
zcx_status zcxi_claim_enter(struct zcxi_env *env, uint64_t sequence, zcx_error *error);
void zcxi_claim_clear(const struct zcxi_board *board, uint32_t index);

#endif
