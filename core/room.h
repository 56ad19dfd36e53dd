/* Room: memory under what LMDB and we are about to write, so that full is an error and no SIGBUS;
 * and what the budget counts. The mutex is held, but for zcxi_room_payload. */
#ifndef ZCXI_ROOM_H
#define ZCXI_ROOM_H

#include "env.h"

/* What a write transaction is about to do. */
struct zcxi_need {
    uint64_t changes; /* puts and deletes */
    uint64_t bytes;   /* of inline records: counted against the budget. 0: of none, or of those that
                         may use the reserve, which deletes and publishes have in a full store */
    uint64_t pages;   /* of the slot that it creates, or 0 */
};

/* Before the first put of a write transaction. EFULL where there is no memory, or no budget. */
zcx_status zcxi_room(struct zcxi_env *env, const struct zcxi_need *need, zcx_error *error);

/* How many changes a transaction may make for which no memory is taken and given back each time. */
uint64_t zcxi_room_changes(const struct zcxi_env *env);

/* Takes a MiB of the memory ahead that a transaction of `changes` deletes needs; false when it is
 * there, or is not to be had. So it is taken in several brief holds of the mutex. */
bool zcxi_room_ahead(struct zcxi_env *env, uint64_t changes);

/* After the commit of a transaction of many changes: gives back what it did not take. */
void zcxi_room_return(struct zcxi_env *env);

/* Is there room for one more inline record? Without the mutex, a hint. */
bool zcxi_room_small(struct zcxi_env *env);

/* After the commit that created a slot: `last` is the last page before it. */
void zcxi_room_created(struct zcxi_env *env, uint64_t last, uint64_t pages);

/* Bytes that count against the budget now: slots with memory, LMDB's tree and its free pages, the
 * first page of each slot, which is never given back, and the board's tables. */
uint64_t zcxi_room_used(const struct zcxi_env *env);

/* EFULL, without a message, when `pages` more would pass the budget less its reserve. */
zcx_status zcxi_room_charge(struct zcxi_env *env, uint32_t slot);
void zcxi_room_discharge(struct zcxi_env *env, uint32_t slot);
bool zcxi_room_fits(const struct zcxi_env *env, uint64_t pages);
/* Bytes that a trim must free before anything fits: what foreign readers made the tree grow by. */
uint64_t zcxi_room_over(const struct zcxi_env *env);

/* Counts again, from the slots: after a crash under the mutex. */
void zcxi_room_recount(struct zcxi_env *env);

/* Whether the slot lies inside the map, as a damaged board may deny. */
bool zcxi_room_holds(const struct zcxi_env *env, uint32_t slot);

/* Has it any memory behind its first page? */
bool zcxi_room_filled(const struct zcxi_env *env, uint32_t slot);

/* Gives a slot's payload memory; the caller owns the slot as a loan. Returns an errno. */
int zcxi_room_payload(struct zcxi_env *env, uint32_t slot);

/* Punches all but the slot's first page, where LMDB's page count is. Likewise. Returns an errno. */
int zcxi_room_punch(struct zcxi_env *env, uint32_t slot);

#endif
