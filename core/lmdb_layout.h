/* How LMDB 0.9 lays out data.mdb (mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta), for what must look at it
 * before LMDB does. Pages 0 and 1 are meta pages: a head, then a zcxi_lmdb_meta. */
#ifndef ZCXI_LMDB_LAYOUT_H
#define ZCXI_LMDB_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define ZCXI_LMDB_MAGIC 0xBEEFC0DEu /* of data.mdb's meta pages, and of lock.mdb */

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
