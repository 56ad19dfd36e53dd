/* Expired records: a read-only pass over all records finds them, and batches delete them. */
#ifndef ZCXI_EXPIRE_H
#define ZCXI_EXPIRE_H

#include "env.h"

/* Lets `ns` pass; false: stop. Called with no lock held, and no snapshot. */
typedef bool (*zcxi_rest)(void *context, uint64_t ns);

struct zcxi_pass {
    zcxi_rest rest; /* NULL: at full speed, without rests */
    void *context;
    uint64_t deleted, looked; /* out: records */
    uint64_t due;             /* out: Unix ns when the first of those that live expires, or UINT64_MAX */
    bool stopped;             /* out: by `rest`, before the end */
};

/* Goes through all databases, each record looked at in one snapshot with up to 1,023 others.
 *
 * The pace: after 1,024 records of which nothing or little had expired it rests for 32 times as long
 * as they took, so that a pass takes 3 % of a core at most; when a batch of 40 expired ones was found
 * it goes on at once. After a deletion it rests for as long as it held the mutex, so that writers have
 * half of it. A rest of less than a millisecond is saved up, one of over a second is cut.
 *
 * A batch's hold of the mutex ends after ZCXI_HOLD_MOST, with fewer deleted. Each record is looked at
 * again before it is deleted: it may have been published anew. */
zcx_status zcxi_expire(struct zcxi_env *env, struct zcxi_pass *pass, zcx_error *error);

#endif
