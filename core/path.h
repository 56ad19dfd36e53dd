/* Where a store may lie: the default path, who may use it, which file systems carry it. */
#ifndef ZCXI_PATH_H
#define ZCXI_PATH_H

#include "error.h"

#include <limits.h>
#include <sys/types.h>

/* The least budget that a store can work with, in bytes. */
#define ZCXI_BUDGET_LEAST (UINT64_C(8) << 20)

/* NULL or "" becomes the default path; `out` is PATH_MAX bytes. */
zcx_status zcxi_path_choose(char *out, const char *path, zcx_error *error);

/* Opens the store's directory (O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC), making it when `create`, for the
 * opener only, or for the members of `group` (else ZCXI_NO_GROUP); `resolved` (PATH_MAX bytes) is its
 * absolute path. Refuses by name: a symlink, what access.h refuses, NFS and its like; warns of local
 * file systems that are not tmpfs, ext4 or xfs. ENOTFOUND without `create` when there is none. */
zcx_status zcxi_path_open(int *directory, char *resolved, const char *path, gid_t group, bool create,
                          zcx_error *error);

/* For LMDB, which takes paths: `name` in the directory that was checked, whatever its own path leads to
 * by now. Returns `out`. */
#define ZCXI_PATH_OWN 64
const char *zcxi_path_own(char out[ZCXI_PATH_OWN], int directory, const char *name);

/* The default budget in bytes for a new store in `directory`, as zcx_store_open says. EFULL when
 * not even the least that a store needs is free. */
zcx_status zcxi_path_budget(uint64_t *out, int directory, const char *path, zcx_error *error);

/* ELIMIT when RLIMIT_FSIZE is below `size`: making or writing the file would be a SIGXFSZ. */
zcx_status zcxi_path_file_limit(uint64_t size, const char *path, zcx_error *error);

#endif
