#include "path.h"

#include "access.h"
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

/* A default's bounds. The upper one keeps three maps of four budgets within 47 bits of addresses.
 */
#define BUDGET_USUAL (256 * MIB)
#define BUDGET_MOST (UINT64_C(1) << 40)

/* ---- The path -------------------------------------------------------------------------------- */

zcx_status zcxi_path_choose(char *out, const char *path, zcx_error *error)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    unsigned user = geteuid();
    int length;
    if (!path || !*path) path = secure_getenv("ZCX_PATH");
    if (path && *path)
        length = snprintf(out, PATH_MAX, "%s", path);
    else if (access("/dev/shm", W_OK | X_OK) == 0)
        length = snprintf(out, PATH_MAX, "/dev/shm/zcx-%u", user);
    else if (runtime && *runtime == '/')
        length = snprintf(out, PATH_MAX, "%s/zcx", runtime);
    else
        length = snprintf(out, PATH_MAX, "/tmp/zcx-%u", user);
    if (length >= PATH_MAX)
        return zcxi_fail(error, ZCX_EINVAL, ENAMETOOLONG,
                         "the store's path is %d bytes long, the most is %d", length, PATH_MAX - 1);
    /* O_NOFOLLOW follows "link/". */
    while (length > 1 && out[length - 1] == '/')
        out[--length] = '\0';
    return ZCX_OK;
}

/* ---- The file system ------------------------------------------------------------------------- */

enum kind { LOCAL, TRIED, REFUSED }; /* TRIED: works if it passes probe() */

static enum kind kind_of(const struct statfs *about, const char **name)
{
    static const struct {
        uint32_t magic;
        enum kind kind;
        const char *name;
    } table[] = {
        {TMPFS_MAGIC, LOCAL, "tmpfs"},
        {EXT4_SUPER_MAGIC, LOCAL, "ext4"},
        {XFS_SUPER_MAGIC, LOCAL, "xfs"},
        {OVERLAYFS_SUPER_MAGIC, TRIED, "overlayfs"},
        {BTRFS_SUPER_MAGIC, TRIED, "btrfs"},
        {F2FS_SUPER_MAGIC, TRIED, "f2fs"},
        {0x2FC12FC1, TRIED, "zfs"},
        {0xCA451A4E, TRIED, "bcachefs"},
        {NFS_SUPER_MAGIC, REFUSED, "NFS"},
        {CIFS_SUPER_MAGIC, REFUSED, "CIFS"},
        {SMB2_SUPER_MAGIC, REFUSED, "SMB"},
        {SMB_SUPER_MAGIC, REFUSED, "SMB"},
        {FUSE_SUPER_MAGIC, REFUSED, "FUSE"},
        {V9FS_MAGIC, REFUSED, "9p"},
        {CEPH_SUPER_MAGIC, REFUSED, "Ceph"},
        {AFS_SUPER_MAGIC, REFUSED, "AFS"},
        {AFS_FS_MAGIC, REFUSED, "AFS"},
        {CODA_SUPER_MAGIC, REFUSED, "Coda"},
        {0x0BD00BD0, REFUSED, "Lustre"},
        {0x47504653, REFUSED, "GPFS"},
        {0x19830326, REFUSED, "BeeGFS"},
        {0x01161970, REFUSED, "GFS2"},
        {OCFS2_SUPER_MAGIC, REFUSED, "OCFS2"},
        {HUGETLBFS_MAGIC, REFUSED, "hugetlbfs"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].magic == (uint32_t)about->f_type) {
            *name = table[i].name;
            return table[i].kind;
        }
    *name = "unknown";
    return TRIED;
}

/* Does what a store needs work here: fallocate, and a map that shows what was written to it? */
static bool probe(int directory)
{
    static const char mark[] = "zcx";
    char name[64], seen[sizeof mark] = {0};
    void *map = MAP_FAILED;
    bool works = false;
    snprintf(name, sizeof name, ".zcx-probe-%d-%lx", getpid(), (unsigned long)(uintptr_t)&name);
    int file = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return false;
    unlinkat(directory, name, 0);
    if (fallocate(file, 0, 0, 65536) < 0) goto done;
    map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) goto done;
    memcpy(map, mark, sizeof mark);
    works = pread(file, seen, sizeof seen, 0) == sizeof seen && !memcmp(seen, mark, sizeof mark);
done:
    if (map != MAP_FAILED) munmap(map, 65536);
    close(file);
    return works;
}

static zcx_status check_file_system(int directory, const char *path, zcx_error *error)
{
    static atomic_bool warned;
    struct statfs about;
    const char *name;
    if (fstatfs(directory, &about) < 0)
        return zcxi_fail_errno(error, errno, "cannot look at the file system of", path);
    enum kind kind = kind_of(&about, &name);
    if (kind == LOCAL) return ZCX_OK;
    if (kind == REFUSED)
        return zcxi_fail(error, ZCX_EUNSUPPORTED, 0,
                         "%s lies on %s, which cannot carry a store; use tmpfs (/dev/shm), ext4 "
                         "or xfs",
                         path, name);
    if (!probe(directory))
        return zcxi_fail(error, ZCX_EUNSUPPORTED, 0,
                         "%s lies on a file system (%s, type 0x%lx) on which fallocate or shared "
                         "maps do not work; use tmpfs (/dev/shm), ext4 or xfs",
                         path, name, (unsigned long)about.f_type);
    if (!atomic_exchange(&warned, true))
        zcxi_log('w', "%s lies on a file system (%s, type 0x%lx) that zcx is not tested on", path,
                 name, (unsigned long)about.f_type);
    return ZCX_OK;
}

/* ---- The directory --------------------------------------------------------------------------- */

/* Why open(O_DIRECTORY|O_NOFOLLOW) failed. */
static zcx_status refuse_open(int cause, const char *path, zcx_error *error)
{
    struct stat about;
    if (cause == ENOENT)
        return zcxi_fail(error, ZCX_ENOTFOUND, cause, "there is no store at %s", path);
    if (lstat(path, &about) == 0 && S_ISLNK(about.st_mode))
        return zcxi_fail(error, ZCX_EACCES, cause,
                         "%s is a symbolic link, which a store's path may not be", path);
    if (cause == ENOTDIR) return zcxi_fail(error, ZCX_EINVAL, cause, "%s is not a directory", path);
    if (cause == EACCES) {
        zcx_status status = zcxi_access_foreign(path, error);
        if (status) return status;
    }
    return zcxi_fail_errno(error, cause, "cannot open the store", path);
}

static zcx_status resolve(char *resolved, int directory, const char *path, zcx_error *error)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, resolved, PATH_MAX - 1);
    if (length < 0) return zcxi_fail_errno(error, errno, "cannot resolve (is /proc there?)", path);
    resolved[length] = '\0';
    return ZCX_OK;
}

zcx_status zcxi_path_open(int *directory, char *resolved, const char *path, gid_t group, bool create,
                          zcx_error *error)
{
    int file = -1;
    bool made = create && mkdir(path, 0700) == 0;
    if (create && !made && errno != EEXIST)
        return zcxi_fail_errno(error, errno, "cannot make the store's directory", path);
    zcx_status status = made ? zcxi_access_made(path, group, error) : ZCX_OK;
    if (!status) {
        file = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (file < 0) status = refuse_open(errno, path, error);
    }
    if (!status) status = zcxi_access_directory(file, path, group, error);
    if (!status) status = check_file_system(file, path, error);
    if (!status) status = resolve(resolved, file, path, error);
    if (!status) *directory = file;
    if (status && file >= 0) close(file);
    if (status && made) rmdir(path);
    return status;
}

const char *zcxi_path_own(char out[ZCXI_PATH_OWN], int directory, const char *name)
{
    snprintf(out, ZCXI_PATH_OWN, "/proc/self/fd/%d/%s", directory, name);
    return out;
}

/* ---- The budget ------------------------------------------------------------------------------ */

/* MemAvailable in bytes; UINT64_MAX where the kernel does not say. */
static uint64_t memory_available(void)
{
    uint64_t kib = 0;
    char line[128];
    bool found = false;
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file) return UINT64_MAX;
    while (!found && fgets(line, sizeof line, file))
        found = sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1;
    fclose(file);
    return found ? kib * 1024 : UINT64_MAX;
}

zcx_status zcxi_path_budget(uint64_t *out, int directory, const char *path, zcx_error *error)
{
    struct statfs about;
    if (fstatfs(directory, &about) < 0)
        return zcxi_fail_errno(error, errno, "cannot look at the file system of", path);
    const char *what = "of its file system";
    uint64_t least = UINT64_MAX, memory = UINT64_MAX;
    if (__builtin_mul_overflow((uint64_t)about.f_bavail, (uint64_t)about.f_bsize, &least))
        least = UINT64_MAX;
    /* A tmpfs mounted without a size says that it has no blocks at all. */
    if (about.f_blocks == 0) least = UINT64_MAX;
    if (about.f_type == TMPFS_MAGIC) memory = memory_available();
    if (memory < least) least = memory, what = "of the machine's memory";
    memory = zcxi_cgroup_room("/proc/self/cgroup", "/proc/self/mountinfo");
    if (memory < least) least = memory, what = "under its cgroup's memory limit";

    uint64_t budget = least / 2;
    if (budget < BUDGET_USUAL && least >= BUDGET_USUAL) budget = BUDGET_USUAL;
    if (budget > BUDGET_MOST) budget = BUDGET_MOST;
    if (budget < ZCXI_BUDGET_LEAST)
        return zcxi_fail(error, ZCX_EFULL, 0,
                         "no room for a store at %s: %" PRIu64 " bytes %s are free, the least is "
                         "%" PRIu64,
                         path, least, what, 2 * ZCXI_BUDGET_LEAST);
    *out = budget / 4096 * 4096;
    return ZCX_OK;
}

zcx_status zcxi_path_file_limit(uint64_t size, const char *path, zcx_error *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < size)
        return zcxi_fail(error, ZCX_ELIMIT, 0,
                         "RLIMIT_FSIZE (ulimit -f) lets this process write files of %" PRIu64
                         " bytes; the store at %s has one of %" PRIu64,
                         (uint64_t)limit.rlim_cur, path, size);
    return ZCX_OK;
}
