#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODES 07777
#define OWNERS_DIRECTORY 0700
#define OWNERS_FILE 0600
#define SHARED_DIRECTORY 02770 /* its files inherit the group */
#define SHARED_FILE 0660

/* ---- the group ------------------------------------------------------------------------------------ */

static bool is_member(gid_t group)
{
    int count = getgroups(0, NULL);
    gid_t *groups = count > 0 ? calloc((size_t)count, sizeof *groups) : NULL;
    bool found = getegid() == group;
    if (groups) count = getgroups(count, groups);
    for (int i = 0; groups && i < count; i++)
        found |= groups[i] == group;
    free(groups);
    return found;
}

/* By name in the user database, else as a decimal number. */
static bool look_up(gid_t *out, const char *name)
{
    char text[16384], *end = "";
    struct group entry, *found = NULL;
    if (!getgrnam_r(name, &entry, text, sizeof text, &found) && found) {
        *out = found->gr_gid;
        return true;
    }
    unsigned long number = *name >= '0' && *name <= '9' ? strtoul(name, &end, 10) : ZCXI_NO_GROUP;
    if (number >= ZCXI_NO_GROUP || *end) return false;
    *out = (gid_t)number;
    return true;
}

zcx_status zcxi_access_group(gid_t *out, const char *name, zcx_error *error)
{
    *out = ZCXI_NO_GROUP;
    if (!name || !*name) return ZCX_OK;
    if (!look_up(out, name))
        return zcxi_fail(error, ZCX_EINVAL, 0, "there is no group '%.100s' to share a store with",
                         name);
    if (is_member(*out)) return ZCX_OK;
    return zcxi_fail(error, ZCX_EACCES, 0,
                     "user %u is no member of group '%.100s' (%u), and so cannot share its stores",
                     geteuid(), name, *out);
}

/* ---- the directory -------------------------------------------------------------------------------- */

/* Through /proc, because a directory that the umask left without modes opens by O_PATH only. */
zcx_status zcxi_access_made(const char *path, gid_t group, zcx_error *error)
{
    char link[64];
    struct stat about;
    mode_t mode = group == ZCXI_NO_GROUP ? OWNERS_DIRECTORY : SHARED_DIRECTORY;
    int handle = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    bool ours = handle >= 0 && !fstat(handle, &about) && about.st_uid == geteuid();
    bool done = ours && !fchownat(handle, "", (uid_t)-1, group, AT_EMPTY_PATH) && !chmod(link, mode);
    zcx_status status = ZCX_OK;
    if (handle >= 0 && !ours)
        status = zcxi_fail(error, ZCX_EACCES, 0, "%s was replaced while it was made", path);
    else if (!done)
        status = zcxi_fail_errno(error, errno, "cannot set the mode of", path);
    if (handle >= 0) close(handle);
    return status;
}

static zcx_status refuse_owner(uid_t owner, const char *path, zcx_error *error)
{
    return zcxi_fail(error, ZCX_EACCES, 0,
                     "%.300s belongs to user %u, not to user %u who opens it; a store is its owner's "
                     "only: choose another path, or set ZCX_PATH", path, owner, geteuid());
}

zcx_status zcxi_access_foreign(const char *path, zcx_error *error)
{
    struct stat about;
    if (lstat(path, &about) || about.st_uid == geteuid()) return ZCX_OK;
    return refuse_owner(about.st_uid, path, error);
}

zcx_status zcxi_access_directory(int directory, const char *path, gid_t group, zcx_error *error)
{
    struct stat about;
    if (fstat(directory, &about)) return zcxi_fail_errno(error, errno, "cannot look at", path);
    const unsigned mode = about.st_mode & MODES;
    if (group != ZCXI_NO_GROUP) {
        if (about.st_gid == group && mode == SHARED_DIRECTORY) return ZCX_OK;
        return zcxi_fail(error, ZCX_EACCES, 0,
                         "%.200s has group %u and mode %04o, so it is not shared with group %u; its "
                         "owner, user %u, may run: chgrp %u %.100s && chmod 2770 %.100s", path,
                         about.st_gid, mode, group, about.st_uid, group, path, path);
    }
    if (mode == SHARED_DIRECTORY)
        return zcxi_fail(error, ZCX_EACCES, 0,
                         "%.250s belongs to user %u and is shared with group %u: to use it, name that "
                         "group (option group), else choose another path, or set ZCX_PATH", path,
                         about.st_uid, about.st_gid);
    if (about.st_uid != geteuid()) return refuse_owner(about.st_uid, path, error);
    if (mode & (S_IWGRP | S_IWOTH))
        return zcxi_fail(error, ZCX_EACCES, 0,
                         "%.200s has mode %04o, so others may write to it; run: chmod 700 %.200s",
                         path, mode, path);
    return ZCX_OK;
}

gid_t zcxi_access_shared(int directory)
{
    struct stat about;
    if (fstat(directory, &about)) return ZCXI_NO_GROUP;
    return (about.st_mode & MODES) == SHARED_DIRECTORY ? about.st_gid : ZCXI_NO_GROUP;
}

/* ---- a file --------------------------------------------------------------------------------------- */

static zcx_status check_file(int file, const char *name, gid_t group, const char *path,
                             zcx_error *error)
{
    struct stat about;
    if (fstat(file, &about)) return zcxi_fail_errno(error, errno, "cannot look at a file of", path);
    const unsigned mode = about.st_mode & MODES;
    if (!S_ISREG(about.st_mode))
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "%s of %s is not a regular file", name, path);
    if (about.st_nlink > 1)
        return zcxi_fail(error, ZCX_EACCES, 0,
                         "%s of %s has %lu names (hard links): a store's files have one each", name,
                         path, (unsigned long)about.st_nlink);
    if (group != ZCXI_NO_GROUP && (about.st_gid != group || mode != SHARED_FILE))
        return zcxi_fail(error, ZCX_EACCES, 0,
                         "%s of %s has group %u and mode %04o, its directory is shared with group %u: "
                         "its owner, user %u, may give it that group and mode 0660", name, path,
                         about.st_gid, mode, group, about.st_uid);
    if (group == ZCXI_NO_GROUP && about.st_uid != geteuid())
        return zcxi_fail(error, ZCX_EACCES, 0, "%s of %s belongs to user %u, not to user %u", name,
                         path, about.st_uid, geteuid());
    if (group == ZCXI_NO_GROUP && mode & ~OWNERS_FILE)
        return zcxi_fail(error, ZCX_EACCES, 0,
                         "%s of %.200s has mode %04o, so others may use it; run: chmod 600 %.200s/%s",
                         name, path, mode, path, name);
    return ZCX_OK;
}

/* O_NONBLOCK, for who opens a FIFO would wait. Whoever creates a file sets its mode after that: the
 * umask may have left none. */
zcx_status zcxi_access_file(int *file, int directory, const char *name, int flags, const char *path,
                            zcx_error *error)
{
    const gid_t group = zcxi_access_shared(directory);
    const int always = (flags & ~O_CREAT) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int opened = openat(directory, name, always);
    if (opened < 0 && errno == ENOENT && flags & O_CREAT) {
        opened = openat(directory, name, always | O_CREAT | O_EXCL, OWNERS_FILE);
        if (opened < 0 && errno == EEXIST) /* somebody else did */
            opened = openat(directory, name, always);
        else if (opened >= 0 && fchmod(opened, group == ZCXI_NO_GROUP ? OWNERS_FILE : SHARED_FILE)) {
            close(opened);
            opened = -1;
        }
    }
    int cause = errno;
    if (opened < 0 && cause == ENOENT)
        return zcxi_fail(error, ZCX_ENOTFOUND, cause, "there is no store at %s: it has no %s", path, name);
    if (opened < 0 && cause == ELOOP)
        return zcxi_fail(error, ZCX_EACCES, cause, "%s of %s is a symbolic link", name, path);
    if (opened < 0) {
        char what[64];
        snprintf(what, sizeof what, "cannot open %s of", name);
        return zcxi_fail_errno(error, cause, what, path);
    }
    zcx_status status = check_file(opened, name, group, path, error);
    if (status)
        close(opened);
    else
        *file = opened;
    return status;
}
