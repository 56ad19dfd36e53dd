#include "claims.h"

#include "clock.h"
#include "owners.h"

#include <stdlib.h>

static uint32_t used(const struct zcxi_board *board)
{
    uint32_t claims = atomic_load(&board->header->claims);
    return claims < ZCXI_CLAIMS ? claims : ZCXI_CLAIMS;
}

/* False when it is free. The sequence is read last too: an entry that changed while it was read is
 * none. */
static bool read_claim(const struct zcxi_board *board, uint32_t index, struct zcxi_claimed *out)
{
    const struct zcxi_claim *claim = &board->claims[index];
    uint64_t sequence = atomic_load(&claim->sequence);
    if (!sequence) return false;
    *out = (struct zcxi_claimed){sequence, index, atomic_load(&claim->owner),
                                 atomic_load(&claim->incarnation), atomic_load(&claim->time)};
    return atomic_load(&claim->sequence) == sequence;
}

bool zcxi_claim_find(const struct zcxi_env *env, uint64_t sequence, struct zcxi_claimed *out)
{
    const struct zcxi_board *board = &env->board;
    for (uint32_t i = 0, end = used(board); i < end; i++)
        if (atomic_load(&board->claims[i].sequence) == sequence && read_claim(board, i, out))
            return out->sequence == sequence;
    return false;
}

static int by_sequence(const void *a, const void *b)
{
    const struct zcxi_claimed *one = a, *other = b;
    return (one->sequence > other->sequence) - (one->sequence < other->sequence);
}

zcx_status zcxi_claims_copy(struct zcxi_claims *out, const struct zcxi_env *env, zcx_error *error)
{
    const struct zcxi_board *board = &env->board;
    const uint32_t end = used(board);
    out->count = 0;
    out->list = out->few;
    if (end > sizeof out->few / sizeof *out->few)
        out->list = malloc(end * sizeof *out->list);
    if (!out->list) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a list of claims");
    for (uint32_t i = 0; i < end; i++)
        out->count += read_claim(board, i, &out->list[out->count]);
    if (out->count > 1) qsort(out->list, out->count, sizeof *out->list, by_sequence);
    return ZCX_OK;
}

const struct zcxi_claimed *zcxi_claims_find(const struct zcxi_claims *claims, uint64_t sequence)
{
    const struct zcxi_claimed key = {.sequence = sequence};
    return bsearch(&key, claims->list, claims->count, sizeof key, by_sequence);
}

void zcxi_claims_free(struct zcxi_claims *claims)
{
    if (claims->list != claims->few) free(claims->list);
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
    ZCXI_POINT(claims.counted);
    struct zcxi_claim *claim = &board->claims[i];
    atomic_store(&claim->owner, env->self.owner);
    atomic_store(&claim->incarnation, env->self.incarnation);
    atomic_store(&claim->time, zcxi_now());
    ZCXI_POINT(claims.described);
    atomic_store(&claim->sequence, sequence);
    ZCXI_POINT(claims.entered);
    return ZCX_OK;
}

void zcxi_claim_clear(const struct zcxi_board *board, uint32_t index)
{
    if (index >= ZCXI_CLAIMS) return;
    atomic_store(&board->claims[index].sequence, 0);
    ZCXI_POINT(claims.cleared);
    uint32_t end = used(board);
    while (end && !atomic_load(&board->claims[end - 1].sequence))
        end--;
    atomic_store(&board->header->claims, end);
}

zcx_status zcxi_claim_drop(struct zcxi_env *env, const struct zcxi_claimed *claim, zcx_error *error)
{
    struct zcxi_claimed now;
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    if (zcxi_claim_find(env, claim->sequence, &now) && now.owner == claim->owner &&
        now.incarnation == claim->incarnation)
        zcxi_claim_clear(&env->board, now.index);
    zcxi_env_unlock(env);
    return ZCX_OK;
}
