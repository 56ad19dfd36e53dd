#include "claims.h"

#include "clock.h"
#include "owners.h"

static uint32_t used(const struct zcxi_board *board)
{
    uint32_t claims = atomic_load(&board->header->claims);
    return claims < ZCXI_CLAIMS ? claims : ZCXI_CLAIMS;
}

/* The sequence is read last too: an entry that changed while it was read is none of ours. */
bool zcxi_claim_find(const struct zcxi_env *env, uint64_t sequence, struct zcxi_claimed *out)
{
    const struct zcxi_board *board = &env->board;
    for (uint32_t i = 0, end = used(board); i < end; i++) {
        const struct zcxi_claim *claim = &board->claims[i];
        if (atomic_load(&claim->sequence) != sequence) continue;
        *out = (struct zcxi_claimed){i, atomic_load(&claim->owner),
                                     atomic_load(&claim->incarnation), atomic_load(&claim->time)};
        if (atomic_load(&claim->sequence) == sequence) return true;
    }
    return false;
}

bool zcxi_claim_alive(struct zcxi_env *env, const struct zcxi_claimed *claim)
{
    if (claim->owner >= ZCXI_OWNERS) return false;
    const struct zcxi_owner *owner = &env->board.owners[claim->owner];
    return atomic_load(&owner->state) == ZCXI_OWNER_LIVE &&
           owner->incarnation == claim->incarnation && zcxi_owner_alive(env, claim->owner);
}

bool zcxi_claim_ours(const struct zcxi_env *env, const struct zcxi_claimed *claim)
{
    return claim->owner == env->self.owner && claim->incarnation == env->self.incarnation;
}

zcx_status zcxi_claim_enter(struct zcxi_env *env, uint64_t sequence, zcx_error *error)
{
    const struct zcxi_board *board = &env->board;
    uint32_t i = 0, end = used(board);
    while (i < end && atomic_load(&board->claims[i].sequence))
        i++;
    if (i == ZCXI_CLAIMS)
        return zcxi_fail(error, ZCX_ELIMIT, 0, "%d requests of %s are being worked on, the most "
                         "that may", ZCXI_CLAIMS, env->path);
    if (i == end) atomic_store(&board->header->claims, end + 1);
    struct zcxi_claim *claim = &board->claims[i];
    atomic_store(&claim->owner, env->self.owner);
    atomic_store(&claim->incarnation, env->self.incarnation);
    atomic_store(&claim->time, zcxi_now());
    atomic_store(&claim->sequence, sequence);
    return ZCX_OK;
}

void zcxi_claim_clear(const struct zcxi_board *board, uint32_t index)
{
    if (index >= ZCXI_CLAIMS) return;
    atomic_store(&board->claims[index].sequence, 0);
    uint32_t end = used(board);
    while (end && !atomic_load(&board->claims[end - 1].sequence))
        end--;
    atomic_store(&board->header->claims, end);
}
