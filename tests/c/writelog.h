/* What a process writes to the files of one directory, and what it syncs, in order. This program's own
 * write, msync, fdatasync and so on stand before libc's for LMDB and the core alike: each call is done,
 * and noted with its data in memory that outlives the process. Stores into shared maps cannot be seen:
 * who makes one tells of it by log_map. */
#ifndef ZCX_WRITELOG_H
#define ZCX_WRITELOG_H

#include "stores.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum noted {
    NOTED_WRITE, /* `length` bytes at `offset`, which follow */
    NOTED_MAP,   /* the same, by stores into a map */
    NOTED_PUNCH, /* zeros */
    NOTED_SIZE,  /* `offset`: the file's new one */
    NOTED_SYNC,  /* what calls of the first `upto` entries wrote to these `length` bytes is on disk */
    NOTED_MSYNC, /* and what stores wrote, too */
    NOTED_NAME,  /* of a new file; follows */
    NOTED_RENAME, /* both names follow */
    NOTED_UNLINK, /* the name follows */
    NOTED_OTHER,  /* what the test notes */
};

struct entry {
    uint32_t kind, file; /* file 0: the directory */
    uint64_t offset, length, upto;
    uint64_t size; /* of the bytes that follow, filled up to a multiple of 8 */
    uint8_t bytes[];
};

#define LOG_MOST (UINT64_C(1) << 30)
#define LOG_FILES 64

struct log {
    uint64_t used, count;
    char entries[];
};

/* What a broken store would leave out: the call is answered, and neither done nor noted. */
enum omit { OMIT_NOTHING, OMIT_MSYNC, OMIT_FDATASYNC, OMIT_DSYNC };

static struct {
    struct log *log; /* shared with the parent; NULL: nothing is noted */
    const char *directory;
    enum omit omit;
    pthread_mutex_t mutex;
    ino_t inodes[LOG_FILES]; /* by file; of the directory first */
    uint32_t files;
    const char *map; /* of data.mdb */
    uint64_t map_size;
    uint32_t map_file;
} writing = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static inline struct log *log_make(void)
{
    return mmap(NULL, LOG_MOST, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
}

static inline uint64_t log_now(void)
{
    pthread_mutex_lock(&writing.mutex);
    uint64_t now = writing.log->count;
    pthread_mutex_unlock(&writing.mutex);
    return now;
}

static inline void log_note(struct entry head, const void *bytes, uint64_t size)
{
    pthread_mutex_lock(&writing.mutex);
    struct log *log = writing.log;
    struct entry *entry = (void *)(log->entries + log->used);
    if (log->used + sizeof head + size + 4096 > LOG_MOST) abort();
    head.size = (size + 7) / 8 * 8;
    *entry = head;
    if (size) memcpy(entry->bytes, bytes, size);
    log->used += sizeof head + head.size;
    log->count++;
    pthread_mutex_unlock(&writing.mutex);
}

/* A store into the map of data.mdb. */
static inline void log_map(const void *data, uint64_t length)
{
    const char *at = data;
    if (at < writing.map || at >= writing.map + writing.map_size) return; /* a small loan's own memory */
    log_note((struct entry){NOTED_MAP, writing.map_file, (uint64_t)(at - writing.map), length, 0, 0},
             data, length);
}

/* ---- files --------------------------------------------------------------------------------------------- */

static inline bool file_noted(int file, uint32_t *which)
{
    struct stat info;
    if (!writing.log || fstat(file, &info)) return false;
    for (*which = 0; *which < writing.files; ++*which)
        if (writing.inodes[*which] == info.st_ino) return true;
    return false;
}

/* A file of the directory that was opened, and may be new. */
static inline void note_opened(int file)
{
    char link[64], path[300];
    uint32_t which;
    struct stat info;
    size_t length = strlen(writing.directory ? writing.directory : "");
    if (!writing.log || file < 0 || file_noted(file, &which) || fstat(file, &info)) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return;
    path[size] = 0;
    if (strncmp(path, writing.directory, length) || (path[length] && path[length] != '/')) return;
    if (writing.files == LOG_FILES) abort();
    which = writing.files;
    writing.inodes[writing.files++] = info.st_ino;
    if (which)
        log_note((struct entry){NOTED_NAME, which, 0, 0, 0, 0}, path + length + 1,
                 strlen(path + length + 1) + 1);
}

static inline void note_written(int file, uint64_t offset, const void *data, uint64_t length)
{
    uint32_t which;
    if (file_noted(file, &which))
        log_note((struct entry){NOTED_WRITE, which, offset, length, 0, 0}, data, length);
}

static inline void note_synced(int file, uint64_t upto)
{
    uint32_t which;
    if (file_noted(file, &which))
        log_note((struct entry){NOTED_SYNC, which, 0, UINT64_MAX, upto, 0}, NULL, 0);
}

/* ---- libc's calls -------------------------------------------------------------------------------------- */

#pragma GCC visibility push(default) /* for LMDB, which is another object */

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, flags, va_arg(arguments, int));
    va_end(arguments);
    note_opened(file);
    return file;
}

int openat(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int file = (int)syscall(SYS_openat, directory, path, flags, va_arg(arguments, int));
    va_end(arguments);
    note_opened(file);
    return file;
}

static ssize_t written_at(int file, const void *data, size_t length, off_t offset)
{
    uint32_t which;
    bool dsync = writing.log && fcntl(file, F_GETFL) & O_DSYNC;
    note_written(file, (uint64_t)offset, data, length); /* some of it may be there before the call ends */
    uint64_t upto = writing.log ? log_now() : 0;
    ssize_t result = syscall(SYS_pwrite64, file, data, length, offset);
    if (dsync && result == (ssize_t)length && writing.omit != OMIT_DSYNC && file_noted(file, &which))
        log_note((struct entry){NOTED_SYNC, which, (uint64_t)offset, length, upto, 0}, NULL, 0);
    return result;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t offset)
{
    return written_at(file, data, length, offset);
}

ssize_t write(int file, const void *data, size_t length)
{
    uint32_t which;
    if (file_noted(file, &which)) note_written(file, (uint64_t)lseek(file, 0, SEEK_CUR), data, length);
    return syscall(SYS_write, file, data, length);
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
    uint32_t which;
    if (file_noted(file, &which)) {
        uint64_t offset = (uint64_t)lseek(file, 0, SEEK_CUR);
        for (int i = 0; i < count; offset += parts[i++].iov_len)
            note_written(file, offset, parts[i].iov_base, parts[i].iov_len);
    }
    return syscall(SYS_writev, file, parts, count);
}

int fdatasync(int file)
{
    if (!writing.log) return (int)syscall(SYS_fdatasync, file);
    if (writing.omit == OMIT_FDATASYNC) return 0;
    uint64_t upto = log_now();
    int result = (int)syscall(SYS_fdatasync, file);
    nanosleep(&(struct timespec){0, 200000}, NULL); /* a slow disk, that groups of commits form */
    if (!result) note_synced(file, upto);
    return result;
}

int fsync(int file)
{
    uint64_t upto = writing.log ? log_now() : 0;
    int result = (int)syscall(SYS_fsync, file);
    if (!result) note_synced(file, upto);
    return result;
}

int msync(void *start, size_t length, int flags)
{
    const char *at = start;
    bool noted = writing.log && at >= writing.map && at < writing.map + writing.map_size;
    if (noted && writing.omit == OMIT_MSYNC) return 0;
    uint64_t upto = noted ? log_now() : 0;
    int result = (int)syscall(SYS_msync, start, length, flags);
    if (noted && !result && flags & MS_SYNC)
        log_note((struct entry){NOTED_MSYNC, writing.map_file, (uint64_t)(at - writing.map), length, upto,
                                0}, NULL, 0);
    return result;
}

int ftruncate(int file, off_t size)
{
    uint32_t which;
    if (file_noted(file, &which))
        log_note((struct entry){NOTED_SIZE, which, (uint64_t)size, 0, 0, 0}, NULL, 0);
    return (int)syscall(SYS_ftruncate, file, size);
}

int fallocate(int file, int mode, off_t offset, off_t length)
{
    uint32_t which;
    if (file_noted(file, &which)) {
        if (mode & FALLOC_FL_PUNCH_HOLE)
            log_note((struct entry){NOTED_PUNCH, which, (uint64_t)offset, (uint64_t)length, 0, 0}, NULL, 0);
        else if (!(mode & FALLOC_FL_KEEP_SIZE))
            log_note((struct entry){NOTED_SIZE, which, (uint64_t)(offset + length), 0, 0, 0}, NULL, 0);
    }
    return (int)syscall(SYS_fallocate, file, mode, offset, length);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    char names[600];
    uint32_t which;
    if (file_noted(from_directory, &which) && !which) {
        snprintf(names, sizeof names, "%s%c%s", from, 0, to);
        size_t length = strlen(from) + 1;
        log_note((struct entry){NOTED_RENAME, 0, length, 0, 0, 0}, names, length + strlen(to) + 1);
    }
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, 0);
}

int unlinkat(int directory, const char *name, int flags)
{
    uint32_t which;
    int result = (int)syscall(SYS_unlinkat, directory, name, flags);
    if (!result && file_noted(directory, &which) && !which)
        log_note((struct entry){NOTED_UNLINK, 0, 0, 0, 0, 0}, name, strlen(name) + 1);
    return result;
}

#pragma GCC visibility pop

#endif
