/* What is wrong with a store, and what can be done about it: found by check.c, done by repair.c. */
#ifndef ZCXI_CHECK_H
#define ZCXI_CHECK_H

#include "env.h"

#include <jansson.h>

enum zcxi_mend {
    ZCXI_MEND_NOTHING,
    ZCXI_MEND_PROCESS, /* free what a dead process held */
    ZCXI_MEND_READERS, /* clear LMDB's readers of dead processes */
    ZCXI_MEND_SLOT,    /* set a slot's state, or where it lies, by the records and zcx.slots */
    ZCXI_MEND_RECORD,  /* delete a damaged record: only when told to */
    ZCXI_MEND_REQUEST, /* remove a request that cannot be read */
};

/* A record or request that is damaged, as it was found. */
struct zcxi_damaged {
    enum zcxi_mend mend;
    MDB_dbi database;
    const char *name; /* of the database; as long as the check */
    uint32_t crc;     /* of its bytes */
    uint16_t key_length;
    uint8_t key[ZCX_KEY_MAX];
};

struct zcxi_check {
    json_t *findings; /* the first of those that were found */
    size_t found;
    bool sound;
    uint64_t records;
    struct zcxi_damaged *damaged;
    size_t count, capacity;
    struct zcxi_database *databases;
    int database_count;
    uint8_t *named;   /* by slot: how many records name it */
    uint64_t *before; /* by slot: its word before the records were looked through, if published */
};

/* Looks through everything. Whatever it returns, end it. */
zcx_status zcxi_check(struct zcxi_check *check, struct zcxi_env *env, zcx_error *error);
void zcxi_check_end(struct zcxi_check *check);

/* Where slot `number` lies, for who holds the mutex: false when its value in zcx.slots is not one. */
bool zcxi_slot_sound(struct zcxi_env *env, MDB_txn *transaction, uint32_t number, uint64_t *page,
                     uint32_t *pages);

#endif
