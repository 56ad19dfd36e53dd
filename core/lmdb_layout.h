/* How LMDB 0.9 lays out its files (mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta, MDB_txninfo), for what must
 * look at them before LMDB does. Pages 0 and 1 of data.mdb are meta pages: a head, then a zcxi_lmdb_meta. */
#ifndef ZCXI_LMDB_LAYOUT_H
#define ZCXI_LMDB_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define ZCXI_LMDB_MAGIC 0xBEEFC0DEu /* of data.mdb's meta pages, and of lock.mdb */

/* lock.mdb of 0.9.24 to 0.9.31: magic, format, reader mutex (40 bytes), then mti_txnid. */
#define ZCXI_LMDB_LOCK_FORMAT 0x10001u /* lock version 1, with pid locks */
#define ZCXI_LMDB_LOCK_TRANSACTION 48

struct zcxi_lmdb_page { /* the head of each */
    uint64_t number;
    uint16_t pad, flags, lower, upper; /* overflow: lower and upper are its count of pages */
};

struct zcxi_lmdb_node {
    uint16_t low, high, flags, key; /* branch: a page's number in the first three. Then key, data */
};

struct zcxi_lmdb_tree { /* a database */
    uint32_t pad;
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
};

struct zcxi_lmdb_meta {
    uint32_t magic, version;
    uint64_t address, map_size;
    struct zcxi_lmdb_tree free, main; /* the page size is in free.pad */
    uint64_t last, transaction;
};

_Static_assert(sizeof(struct zcxi_lmdb_page) == 16 && sizeof(struct zcxi_lmdb_node) == 8 &&
                   sizeof(struct zcxi_lmdb_tree) == 48 && sizeof(struct zcxi_lmdb_meta) == 136,
               "as in LMDB's file");

#endif
