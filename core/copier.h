/* What a backup consists of: the records of one snapshot, and the payloads that they name. The snapshot
 * is held as long as it takes to read the records, and they are copied meanwhile; the payloads, which
 * take longer, are each held by a pin alone, as views hold them, so that the store goes on. */
#ifndef ZCXI_COPIER_H
#define ZCXI_COPIER_H

#include "env.h"

#include <jansson.h>

struct zcxi_copier {
    struct zcxi_env *env; /* of the store that is copied */
    MDB_env *target;      /* WRITEMAP, nobody else's */
    int file;             /* its data.mdb */
    const zcx_backup_options *options;

    MDB_dbi slots_db, queue_db; /* the target's */
    uint64_t transaction;       /* of the snapshot, and from there on the target's */
    uint64_t records, requests, bytes, done;
    json_t *left_out; /* texts: records that are damaged */
    struct zcxi_held *held; /* payloads that are pinned, in the order of the target's slots */
    size_t count, copied, capacity;
};

/* Copies everything. */
zcx_status zcxi_copy(struct zcxi_copier *copier, zcx_error *error);

/* Takes the pins off that are left, whatever came. */
void zcxi_copier_end(struct zcxi_copier *copier);

#endif
