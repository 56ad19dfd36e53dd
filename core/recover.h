/* Recovery: what a process that died in the middle left behind. By whoever gets the mutex and finds
 * a commit under way, dead owner or not, and by every opener. The mutex is held. */
#ifndef ZCXI_RECOVER_H
#define ZCXI_RECOVER_H

#include "env.h"

/* The meta guard, LMDB's own repair, the journal. */
zcx_status zcxi_recover_commit(struct zcxi_env *env, zcx_error *error);

/* Slots made but not entered, and the budget's count. `fresh`: the board is new, so every slot's
 * word is made from the records: a record's slot is published, every other may be recycled. */
zcx_status zcxi_recover_slots(struct zcxi_env *env, bool fresh, zcx_error *error);

#endif
