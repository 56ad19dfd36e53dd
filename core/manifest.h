/* store.json: what a store was created with. Written once; every opener obeys it. */
#ifndef ZCXI_MANIFEST_H
#define ZCXI_MANIFEST_H

#include "error.h"

#include <sys/types.h>

#define ZCXI_PROTOCOL 1

struct zcxi_manifest {
    uint32_t protocol;
    char uuid[37];
    uint64_t map_size; /* bytes, a multiple of the page size */
    uint64_t budget;   /* bytes */
    zcx_durability durability;
    uint32_t max_readers;
    uint32_t page_size; /* LMDB's */
    char lmdb[16];      /* "0.9.24", the creator's */
    char boot_id[37];
    uint64_t pid_namespace; /* inode of /proc/self/ns/pid */
    uint64_t created;       /* Unix ns */
    gid_t gid;              /* whose members share it, or ZCXI_NO_GROUP: "gid" is not there */
};

/* A new store's manifest from the options and the defaults: new uuid, this boot, this namespace.
 * EINVAL names the option. ELIMIT when RLIMIT_FSIZE is below the map size. */
zcx_status zcxi_manifest_make(struct zcxi_manifest *out, int directory, const char *path,
                              const zcx_store_options *options, zcx_error *error);

/* ENOTFOUND when there is no store.json; ECORRUPT names the field; EACCES when it was created for
 * others than its directory is shared with. Trusts nothing in it. */
zcx_status zcxi_manifest_read(struct zcxi_manifest *out, int directory, const char *path,
                              zcx_error *error);

/* Writes it by a temporary file, fsync and rename; its blocks are allocated first. */
zcx_status zcxi_manifest_write(const struct zcxi_manifest *manifest, int directory,
                               const char *path, zcx_error *error);

/* May this process use it: protocol version, pid namespace, RLIMIT_FSIZE, and the options where they
 * ask for something (EBUSY names both values). */
zcx_status zcxi_manifest_accept(const struct zcxi_manifest *manifest, const char *path,
                                const zcx_store_options *options, zcx_error *error);

/* This boot's id. False when the kernel does not tell. */
bool zcxi_boot_id(char out[37]);

/* To this boot and pid namespace; false when it is of them already, or they cannot be told. */
bool zcxi_manifest_move(struct zcxi_manifest *manifest);

/* The machine was restarted since the store was created. */
bool zcxi_manifest_stale(const struct zcxi_manifest *manifest);

#endif
