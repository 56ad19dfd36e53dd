/* Room: memory under what LMDB and we are about to write, so that full is an error and no SIGBUS;
 * and what the budget counts. The mutex is held, but for zcxi_room_payload. */
#ifndef ZCXI_ROOM_H
#define ZCXI_ROOM_H

#include "env.h"

/* Before the first put of a write transaction of `changes` puts and deletes, which creates a slot of
 * `pages` (0: none). A creation leaves a reserve for the deletes and publishes of a full store. */
zcx_status zcxi_room(struct zcxi_env *env, uint64_t changes, uint64_t pages, zcx_error *error);

/* After the commit that created a slot: `last` is the last page before it. */
void zcxi_room_created(struct zcxi_env *env, uint64_t last, uint64_t pages);

/* Bytes that count against the budget now: slots with memory, LMDB's tree, the board's tables. */
uint64_t zcxi_room_used(const struct zcxi_env *env);

/* EFULL, without a message, when `pages` more would pass the budget less its reserve. */
zcx_status zcxi_room_charge(struct zcxi_env *env, uint32_t slot);
void zcxi_room_discharge(struct zcxi_env *env, uint32_t slot);
bool zcxi_room_fits(const struct zcxi_env *env, uint64_t pages);

/* Counts again, from the slots: after a crash under the mutex. */
void zcxi_room_recount(struct zcxi_env *env);

/* Gives a slot's payload memory; the caller owns the slot as a loan. Returns an errno. */
int zcxi_room_payload(struct zcxi_env *env, uint32_t slot);

/* Punches all but the slot's first page, where LMDB's page count is. Likewise. Returns an errno. */
int zcxi_room_punch(struct zcxi_env *env, uint32_t slot);

#endif
