/* Claims: which worker has which request. They lie in the board, for they live as long as their
 * owners at most; so a claim costs no transaction. An entry is made and cleared under the mutex:
 * cleared by the commit that ends its request or offers it again (ZCXI_UNCLAIM), or when its owner
 * gives it back. */
#ifndef ZCXI_CLAIMS_H
#define ZCXI_CLAIMS_H

#include "env.h"

struct zcxi_claimed {
    uint64_t sequence; /* of the request */
    uint32_t index;    /* in the board */
    uint32_t owner, incarnation;
    uint64_t time; /* Unix ns */
};

/* Has somebody, alive or dead, the request of that sequence? */
bool zcxi_claim_find(const struct zcxi_env *env, uint64_t sequence, struct zcxi_claimed *out);

/* The claims of a moment, for who asks about many requests. */
struct zcxi_claims {
    size_t count;
    struct zcxi_claimed *list; /* by sequence */
    struct zcxi_claimed few[32];
};
zcx_status zcxi_claims_copy(struct zcxi_claims *out, const struct zcxi_env *env, zcx_error *error);
const struct zcxi_claimed *zcxi_claims_find(const struct zcxi_claims *claims, uint64_t sequence);
void zcxi_claims_free(struct zcxi_claims *claims);

/* Does its owner live? */
bool zcxi_claim_alive(struct zcxi_env *env, const struct zcxi_claimed *claim);
bool zcxi_claim_ours(const struct zcxi_env *env, const struct zcxi_claimed *claim);

/* The mutex is held. Enters our claim of a request that nobody has. */
zcx_status zcxi_claim_enter(struct zcxi_env *env, uint64_t sequence, zcx_error *error);
void zcxi_claim_clear(const struct zcxi_board *board, uint32_t index);

/* Clears it, if it is that claim still, under the mutex, which it takes. */
zcx_status zcxi_claim_drop(struct zcxi_env *env, const struct zcxi_claimed *claim, zcx_error *error);

#endif
