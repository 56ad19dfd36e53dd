/* Trimming: memory of idle slots goes back to the system. */
#ifndef ZCXI_TRIM_H
#define ZCXI_TRIM_H

#include "env.h"

/* Of slots that were lent or retired last at `before` (Unix ns), or earlier; until `enough` bytes were
 * freed. Returns how many were. */
uint64_t zcxi_trim(struct zcxi_env *env, uint64_t enough, uint64_t before);

/* Is there such memory that one or two more commits would let go? */
bool zcxi_trim_waits(struct zcxi_env *env, uint64_t before);

#endif
