/* Who may use a store: its owner only, or the members of a group, when that was asked for by name.
 * The one place that knows owners, modes and links; everything is asked of descriptors, so that
 * nothing can be swapped between a check and its use. */
#ifndef ZCXI_ACCESS_H
#define ZCXI_ACCESS_H

#include "error.h"

#include <sys/types.h>

#define ZCXI_NO_GROUP ((gid_t)-1)

/* The group of an option: NULL or "" is ZCXI_NO_GROUP. EINVAL when there is no such name or number,
 * EACCES when this process is not a member. */
zcx_status zcxi_access_group(gid_t *out, const char *name, zcx_error *error);

/* Gives the directory that was just made at `path` its group and mode, whatever the umask left. */
zcx_status zcxi_access_made(const char *path, gid_t group, zcx_error *error);

/* Refuses a directory that is not the opener's own and nobody else's to write to; with a group, one
 * that is not shared with just that group. */
zcx_status zcxi_access_directory(int directory, const char *path, gid_t group, zcx_error *error);

/* Says whose it is when what lies at `path` is somebody else's; else ZCX_OK. For who could not open
 * it, and for no other use: it looks at the path again. */
zcx_status zcxi_access_foreign(const char *path, zcx_error *error);

/* The group that a store's directory is shared with, or ZCXI_NO_GROUP. */
gid_t zcxi_access_shared(int directory);

/* Opens file `name` of the store in `directory`, which was checked, with O_RDONLY or O_RDWR and maybe
 * O_CREAT. Refuses what is no regular file, has a second name, or has an owner, a group or a mode
 * that the directory does not have; refuses before anything is written. ENOTFOUND without O_CREAT
 * when there is none. `path` is the store's, for messages. */
zcx_status zcxi_access_file(int *file, int directory, const char *name, int flags, const char *path,
                            zcx_error *error);

#endif
