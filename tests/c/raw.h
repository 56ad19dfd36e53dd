/* A client that knows LMDB and protocol/SPEC.md only, in a process of its own: it changes records
 * behind the store's back, while nobody else writes. */
#ifndef ZCX_RAW_H
#define ZCX_RAW_H

#include "stores.h"

#include "envelope.h"

#include <lmdb.h>

struct raw {
    const char *path, *database;
    uint64_t map_size;
    const char *key;
    size_t at;                                   /* the byte to flip */
    void (*change)(uint8_t *record, size_t size); /* or what to do to a copy of the record */
};

static inline uint64_t map_size_of(zcx_store *store)
{
    json_t *stat = stat_of(store);
    uint64_t size = (uint64_t)number(stat, "store", "map_size", NULL);
    json_decref(stat);
    return size;
}

static inline int raw_edit(void *context)
{
    const struct raw *raw = context;
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi database;
    MDB_val key = {strlen(raw->key), (void *)raw->key}, value;
    uint8_t copy[65536];
    CHILD_EXPECTS(!mdb_env_create(&env));
    CHILD_EXPECTS(!mdb_env_set_mapsize(env, raw->map_size));
    CHILD_EXPECTS(!mdb_env_set_maxdbs(env, 8));
    CHILD_EXPECTS(!mdb_env_open(env, raw->path, MDB_WRITEMAP | MDB_NOSYNC, 0600));
    CHILD_EXPECTS(!mdb_txn_begin(env, NULL, 0, &transaction));
    CHILD_EXPECTS(!mdb_dbi_open(transaction, raw->database, 0, &database));
    CHILD_EXPECTS(!mdb_get(transaction, database, &key, &value));
    CHILD_EXPECTS(value.mv_size <= sizeof copy);
    memcpy(copy, value.mv_data, value.mv_size);
    value.mv_data = copy;
    if (raw->change)
        raw->change(copy, value.mv_size);
    else
        copy[raw->at] ^= 0xff;
    CHILD_EXPECTS(!mdb_put(transaction, database, &key, &value, 0));
    CHILD_EXPECTS(!mdb_txn_commit(transaction));
    mdb_env_close(env);
    return 0;
}

/* Seals a changed header, so that only what it says is wrong. */
static inline void reseal(uint8_t *record, const struct zcxi_header *header)
{
    struct zcxi_header sealed = *header;
    uint32_t crc = zcxi_crc32c(0, header, offsetof(struct zcxi_header, header_crc));
    sealed.header_crc = zcxi_crc32c(crc, record + sizeof sealed,
                                    header->header_length - sizeof sealed);
    memcpy(record, &sealed, sizeof sealed);
}

#endif
