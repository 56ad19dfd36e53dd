/* Owners: the processes that have the store open, and reaping what dead ones held. An entry is
 * changed only under the board mutex and the OFD write lock on its byte, which the kernel drops when
 * its process dies: liveness needs no pid and no clock. */
#ifndef ZCXI_OWNERS_H
#define ZCXI_OWNERS_H

#include "env.h"

/* Claims an entry for this process, after reaping the dead. ELIMIT when all are alive. The mutex
 * is held. */
zcx_status zcxi_owner_claim(struct zcxi_env *env, zcx_error *error);

/* Gives this process's entry back. The mutex is held. */
void zcxi_owner_release(struct zcxi_env *env);

/* Frees what dead processes held: loans, pins, entries. Returns how many there were. The mutex is
 * held, and recovery was done: a dead publisher's finished commit is not its loan any more. */
uint32_t zcxi_owners_reap(struct zcxi_env *env);

/* The same for a sweep: takes the mutex itself, for a fraction of a millisecond at a time. */
zcx_status zcxi_owners_reap_in_turns(struct zcxi_env *env, uint32_t *count, zcx_error *error);

/* Whether the process of an entry lives. */
bool zcxi_owner_alive(struct zcxi_env *env, uint32_t owner);

#endif
