/* Waiting: a word of the board per hash of a key. Bit 0 says that someone sleeps on it; whoever
 * commits a change at the key raises the word, clears the bit and wakes all. A killed waiter leaves
 * a bit, never a count; a kill between commit and wake costs the sleepers one slice. */
#ifndef ZCXI_WAIT_H
#define ZCXI_WAIT_H

#include "env.h"

#define ZCXI_SLICE_MS 50 /* the longest sleep between two looks */

uint32_t zcxi_wait_hash(const char *database, const void *key, size_t key_length);
#define ZCXI_ANY_COMMIT UINT64_MAX /* instead of a hash, for zcxi_wait */

/* The transaction is committed. A fence and two loads when nobody sleeps. */
void zcxi_wake(const struct zcxi_env *env, uint32_t hash);
void zcxi_wake_all(const struct zcxi_env *env);

/* A look for what is waited for: true when the wait is over, with *status. `idle`: a slice passed
 * without a wake, so it is time for costly looks. */
typedef bool (*zcxi_look)(struct zcxi_env *env, void *context, bool idle, zcx_status *status,
                          zcx_error *error);

/* Looks until that says it is over, or `timeout_ms` passed (negative: never): ETIMEDOUT, without a
 * message. Spins a little, yielding, before it sleeps. */
zcx_status zcxi_wait(struct zcxi_env *env, uint64_t hash, int64_t timeout_ms, zcxi_look look,
                     void *context, zcx_error *error);

#endif
