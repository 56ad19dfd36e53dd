#include "start.h"

#include "access.h"
#include "journal.h"
#include "lmdb_layout.h"
#include "lock.h"
#include "owners.h"
#include "path.h"
#include "readers.h"
#include "recover.h"
#include "registry.h"
#include "room.h"
#include "verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the manifest --------------------------------------------------------------------------------------- */

/* An ephemeral store of before a restart may be torn: NOSYNC|WRITEMAP promises nothing about it. */
static zcx_status discard_stale(struct zcxi_env *env, zcx_error *error)
{
    const char *names[] = {"data.mdb", "lock.mdb", "board", "store.json"};
    if (zcxi_board_recent(env->directory))
        return zcxi_fail(error, ZCX_ECORRUPT, 0,
                         "%s/store.json: \"boot_id\" is of an earlier boot, but the store's board is "
                         "of this one", env->path);
    if (zcxi_ofd_taken(env->open_lock, F_WRLCK, ZCXI_LIFE_BYTE))
        return zcxi_fail(error, ZCX_ESTALE, 0, "%s is of an earlier boot, yet open elsewhere",
                         env->path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlinkat(env->directory, names[i], 0) && errno != ENOENT)
            return zcxi_fail_errno(error, errno, "cannot discard the files of", env->path);
    env->discarded = true;
    return ZCX_OK;
}

/* A durable store outlives its machine's run, and its container: whoever opens it first in a new one
 * makes it this one's, so that another pid namespace's processes are refused again. */
static zcx_status move_here(struct zcxi_env *env, zcx_error *error)
{
    struct zcxi_manifest moved = env->manifest;
    if (moved.durability != ZCX_DURABILITY_COMMIT ||
        zcxi_ofd_taken(env->open_lock, F_WRLCK, ZCXI_LIFE_BYTE) || !zcxi_manifest_move(&moved))
        return ZCX_OK;
    zcx_status status = zcxi_manifest_write(&moved, env->directory, env->path, error);
    if (!status) env->manifest = moved;
    return status;
}

static zcx_status settle_manifest(struct zcxi_env *env, const zcx_store_options *options,
                                  zcx_error *error)
{
    struct zcxi_manifest *manifest = &env->manifest;
    zcx_error absent = ZCX_ERROR_INIT;
    zcx_status status = zcxi_manifest_read(manifest, env->directory, env->path, &absent);
    if (!status && manifest->durability != ZCX_DURABILITY_COMMIT && zcxi_manifest_stale(manifest)) {
        status = discard_stale(env, error);
        if (status) return status;
        absent = (zcx_error)ZCX_ERROR_INIT;
        status = zcxi_fail(&absent, ZCX_ENOTFOUND, 0, "%s was of an earlier boot, and was discarded",
                           env->path);
    }
    if (status == ZCX_ENOTFOUND && !(options->flags & ZCX_OPEN_EXISTING)) {
        struct stat data;
        if (!fstatat(env->directory, "data.mdb", &data, AT_SYMLINK_NOFOLLOW))
            return zcxi_fail(error, ZCX_ECORRUPT, 0,
                             "%s has a data.mdb but no store.json: not a store of zcx", env->path);
        status = zcxi_manifest_make(manifest, env->directory, env->path, options, error);
        return status ? status
                      : zcxi_manifest_write(manifest, env->directory, env->path, error);
    }
    if (status) {
        if (error && !error->status) *error = absent;
        return status;
    }
    status = move_here(env, error);
    return status ? status : zcxi_manifest_accept(manifest, env->path, options, error);
}

/* For ZCX_OPEN_REBUILD: nothing of it is kept then. */
static zcx_status empty_board(struct zcxi_env *env, zcx_error *error)
{
    int board;
    if (zcxi_ofd_taken(env->open_lock, F_WRLCK, ZCXI_LIFE_BYTE))
        return zcxi_fail(error, ZCX_EBUSY, 0,
                         "processes have %s open: its board can be made anew when they have ended",
                         env->path);
    if (faccessat(env->directory, "board", F_OK, AT_SYMLINK_NOFOLLOW)) return ZCX_OK;
    zcx_status status = zcxi_access_file(&board, env->directory, "board", O_RDWR, env->path, error);
    if (status) return status;
    if (ftruncate(board, 0))
        status = zcxi_fail_errno(error, errno, "cannot empty the board of", env->path);
    close(board);
    return status;
}

/* Who lives has the old data.mdb mapped, and would not share a new one. */
static zcx_status check_not_removed(struct zcxi_env *env, bool alone, zcx_error *error)
{
    if (alone || !faccessat(env->directory, "data.mdb", F_OK, AT_SYMLINK_NOFOLLOW) || errno != ENOENT)
        return ZCX_OK;
    return zcxi_fail(error, ZCX_ESTALE, 0,
                     "data.mdb of %s was removed while processes have it open: end them, then open it "
                     "again", env->path);
}

/* Or another was put in its place, such as a backup. */
static zcx_status check_same_data(struct zcxi_env *env, zcx_error *error)
{
    uint64_t last = zcxi_env_last_transaction(env, NULL), known = env->board.header->journal.last;
    if (known <= last + 1) return ZCX_OK;
    return zcxi_fail(error, ZCX_ESTALE, 0,
                     "data.mdb of %s is at transaction %lu, its board at %lu: it was replaced while "
                     "processes have it open: end them, then open it again",
                     env->path, (unsigned long)last, (unsigned long)known);
}

/* ---- files and maps --------------------------------------------------------------------------------------- */

static zcx_status open_file(struct zcxi_env *env, int *file, const char *name, zcx_error *error)
{
    return zcxi_access_file(file, env->directory, name, O_RDWR | O_CREAT, env->path, error);
}

static zcx_status map_data(struct zcxi_env *env, zcx_error *error)
{
    size_t length;
    zcx_status status = open_file(env, &env->data_file, "data.mdb", error);
    if (status) return status;
    void *reading = mmap(NULL, env->map_size, PROT_READ, MAP_SHARED | MAP_NORESERVE,
                         env->data_file, 0);
    if (reading == MAP_FAILED) return zcxi_fail_errno(error, errno, "cannot map", env->path);
    env->reading = reading;
    zcxi_no_readahead(reading, env->map_size);
    if (zcxi_registry_foreign_map(env, &length))
        return zcxi_fail(error, ZCX_EBUSY, 0,
                         "another LMDB or libzcx in this process has %s/data.mdb open: load one "
                         "libzcx only, and open its stores with no other LMDB binding", env->path);
    void *writing = mmap(NULL, env->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                         env->data_file, 0);
    if (writing == MAP_FAILED) return zcxi_fail_errno(error, errno, "cannot map", env->path);
    env->writing = writing;
    zcxi_no_readahead(writing, env->map_size);
    madvise(writing, env->map_size, MADV_DONTFORK);
    return ZCX_OK;
}

/* lock.mdb, allocated whole: each hole would be a SIGBUS on a full tmpfs. */
static zcx_status map_lock(struct zcxi_env *env, zcx_error *error)
{
    zcx_status status = open_file(env, &env->guard, "lock.mdb", error);
    if (status) return status;
    env->lock_size = ((size_t)(env->manifest.max_readers + 64) * 64 + 4095) / 4096 * 4096;
    int result = fallocate(env->guard, 0, 0, (off_t)env->lock_size) ? errno : 0;
    if (result) return zcxi_fail_errno(error, result, "cannot allocate lock.mdb of", env->path);
    void *map = mmap(NULL, env->lock_size, PROT_READ | PROT_WRITE, MAP_SHARED, env->guard, 0);
    if (map == MAP_FAILED) return zcxi_fail_errno(error, errno, "cannot map lock.mdb of",
                                                       env->path);
    zcxi_no_readahead(map, env->lock_size);
    madvise(map, env->lock_size, MADV_DONTFORK); /* a child's map would keep the guard's lock alive */
    env->lock_map = map;
    uint32_t words[2];
    memcpy(words, map, sizeof words);
    if (words[0] && (words[0] != ZCXI_LMDB_MAGIC || words[1] != ZCXI_LMDB_LOCK_FORMAT))
        return zcxi_fail(error, ZCX_EVERSION, 0,
                         "lock.mdb of %s has format %#x, which is not LMDB 0.9's %#x", env->path,
                         words[1], ZCXI_LMDB_LOCK_FORMAT);
    return ZCX_OK;
}

/* A data file comes to be at once: LMDB's first two pages, of which a power cut, or a kill, could leave
 * one, are there before its name is. */
static zcx_status make_data(struct zcxi_env *env, zcx_error *error)
{
    char name[ZCXI_PATH_OWN];
    int file;
    MDB_env *lmdb;
    if (!faccessat(env->directory, "data.mdb", F_OK, AT_SYMLINK_NOFOLLOW)) return ZCX_OK;
    unlinkat(env->directory, "data.mdb.new", 0); /* a leftover of a creator that was killed */
    zcx_status status = open_file(env, &file, "data.mdb.new", error); /* with a store's modes */
    if (status) return status;
    close(file);
    int result = mdb_env_create(&lmdb);
    if (result) return zcxi_fail_lmdb(error, result, "LMDB cannot make the store");
    result = mdb_env_set_mapsize(lmdb, env->map_size);
    if (!result)
        result = mdb_env_open(lmdb, zcxi_path_own(name, env->directory, "data.mdb.new"),
                              MDB_NOSUBDIR | MDB_NOLOCK, 0600);
    if (!result) result = mdb_env_sync(lmdb, 1);
    mdb_env_close(lmdb);
    if (result) return zcxi_fail_lmdb(error, result, "LMDB cannot make the store");
    if (!renameat(env->directory, "data.mdb.new", env->directory, "data.mdb")) return ZCX_OK;
    return zcxi_fail_errno(error, errno, "cannot name data.mdb of", env->path);
}

/* Nobody has the store open, so nothing is believed that lies around: an unfinished commit is made
 * good by the old board's journal, the board is made anew, and LMDB gets only a file that it can read. */
static zcx_status begin_alone(struct zcxi_env *env, zcx_error *error)
{
    struct stat data;
    zcx_status status = ZCX_OK;
    if (fstat(env->data_file, &data))
        return zcxi_fail_errno(error, errno, "cannot stat data.mdb of", env->path);
    uint64_t size = (uint64_t)data.st_size;
    const bool known = env->board.known;
    if (known && size >= 2 * (uint64_t)env->page_size) status = zcxi_meta_guard(env, error);
    if (!status) status = zcxi_verify_metas(env, size, error);
    if (!status && known) zcxi_journal_unclaim(env);
    if (!status) status = zcxi_board_make(&env->board, &env->manifest, env->path, error);
    return status;
}

/* ---- LMDB --------------------------------------------------------------------------------------------------- */

static zcx_status open_lmdb(struct zcxi_env *env, zcx_error *error)
{
    unsigned flags = MDB_NOTLS | MDB_NOMEMINIT | MDB_NORDAHEAD;
    if (env->manifest.durability != ZCX_DURABILITY_COMMIT) flags |= MDB_WRITEMAP | MDB_NOSYNC;
    int major, minor;
    mdb_version(&major, &minor, NULL);
    if (major != 0 || minor != 9)
        return zcxi_fail(error, ZCX_EVERSION, 0, "zcx knows LMDB 0.9, not %d.%d", major, minor);
    char where[ZCXI_PATH_OWN];
    int result = mdb_env_create(&env->lmdb);
    if (!result) result = mdb_env_set_mapsize(env->lmdb, env->map_size);
    if (!result) result = mdb_env_set_maxdbs(env->lmdb, ZCXI_DATABASES);
    if (!result) result = mdb_env_set_maxreaders(env->lmdb, env->manifest.max_readers);
    if (!result) result = mdb_env_open(env->lmdb, zcxi_path_own(where, env->directory, ""), flags, 0600);
    if (result) {
        mdb_env_close(env->lmdb);
        env->lmdb = NULL;
        return zcxi_fail_lmdb(error, result, "LMDB cannot open the store");
    }
    zcxi_ofd_lock(env->guard, F_RDLCK, 0); /* keeps a second LMDB from the exclusive lock */

    struct stat info;
    if (fstat(env->data_file, &info) ||
        ((uint64_t)info.st_size < env->map_size && ftruncate(env->data_file, (off_t)env->map_size)))
        return zcxi_fail_errno(error, errno, "cannot size data.mdb of", env->path);
    size_t length;
    void *map = zcxi_registry_foreign_map(env, &length); /* LMDB's own, this time */
    if (map) madvise(map, length, MADV_DONTFORK);

    MDB_stat stat;
    mdb_env_stat(env->lmdb, &stat);
    if (stat.ms_psize != env->manifest.page_size)
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "%s has pages of %u bytes, store.json says %u",
                         env->path, stat.ms_psize, env->manifest.page_size);
    return ZCX_OK;
}

/* A durable store's files are there after a crash: their names, and the directory's own. */
static zcx_status sync_names(struct zcxi_env *env, zcx_error *error)
{
    if (env->manifest.durability != ZCX_DURABILITY_COMMIT) return ZCX_OK;
    int result = fsync(env->directory) ? errno : 0;
    if (result) return zcxi_fail_errno(error, result, "cannot write to disk the directory", env->path);
    int parent = openat(env->directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 && errno == EACCES) return ZCX_OK; /* then he did not make the directory either */
    result = parent < 0 || fsync(parent) ? errno : 0;
    if (parent >= 0) close(parent);
    if (!result) return ZCX_OK;
    return zcxi_fail_errno(error, result, "cannot write to disk the directory", env->path);
}

static zcx_status verify(struct zcxi_env *env, zcx_error *error)
{
    MDB_txn *reader;
    int result = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &reader);
    if (result) return zcxi_fail_lmdb(error, result, "cannot begin a transaction to verify");
    zcx_status status = zcxi_verify_tree(env, reader, error);
    mdb_txn_abort(reader);
    return status;
}

static zcx_status settle_store(struct zcxi_env *env, bool alone, zcx_error *error)
{
    zcx_status status = zcxi_recover_commit(env, error); /* before anything is committed */
    if (!status) status = alone ? verify(env, error) : check_same_data(env, error);
    if (!status) status = zcxi_env_database(env, &env->slots_db, "zcx.slots", MDB_INTEGERKEY, error);
    ZCXI_POINT(start.slots);
    if (!status) status = zcxi_env_database(env, &env->queue_db, "zcx.queue", 0, error);
    ZCXI_POINT(start.queue);
    if (!status) status = zcxi_recover_slots(env, alone, error);
    if (!status) status = zcxi_owner_claim(env, error);
    ZCXI_POINT(start.owner);
    if (!status) status = zcxi_readers_claim(env, error);
    ZCXI_POINT(start.readers);
    if (!status) status = sync_names(env, error);
    return status;
}

/* Under open.lock, the mutex over everything from the guard to the owner's entry. */
zcx_status zcxi_start(struct zcxi_env *env, const zcx_store_options *options, zcx_error *error)
{
    bool alone;
    zcx_status status = settle_manifest(env, options, error);
    ZCXI_POINT(start.manifest);
    if (status) return status;
    if (options->flags & ZCX_OPEN_REBUILD) status = empty_board(env, error);
    if (status) return status;
    env->map_size = env->manifest.map_size;
    env->page_size = env->manifest.page_size;
    env->page_header = sizeof(struct zcxi_lmdb_page);
    env->leaf_most = ((env->page_size - env->page_header) / 2 & ~1u) - 2;
    status = zcxi_board_open(&env->board, &alone, env->directory, env->open_lock, &env->manifest,
                             env->path, error);
    if (!status) status = check_not_removed(env, alone, error);
    if (!status) status = make_data(env, error);
    if (!status) status = map_data(env, error);
    ZCXI_POINT(start.data);
    if (!status) status = map_lock(env, error);
    ZCXI_POINT(start.lock_file);
    if (!status && alone) status = begin_alone(env, error);
    ZCXI_POINT(start.board);
    if (status) return status;
    size_t table = env->board.slots_max * sizeof *env->verified;
    env->verified = mmap(NULL, table, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (env->verified == MAP_FAILED) {
        env->verified = NULL;
        return zcxi_fail_errno(error, errno, "cannot map the table of slots of", env->path);
    }
    status = zcxi_env_lock(env, error); /* runs the meta guard, before LMDB looks */
    if (status) return status;
    ZCXI_POINT(start.locked);
    status = open_lmdb(env, error);
    ZCXI_POINT(start.lmdb);
    if (!status) status = settle_store(env, alone, error);
    zcxi_env_unlock(env);
    return status;
}

void zcxi_start_undo(struct zcxi_env *env)
{
    if (env->lmdb) zcxi_readers_end(env);
    if (env->lmdb) mdb_env_close(env->lmdb);
    if (env->lock_map) munmap(env->lock_map, env->lock_size);
    if (env->guard >= 0) close(env->guard); /* after LMDB: closing it drops LMDB's locks */
    if (env->reading) munmap((void *)env->reading, env->map_size);
    if (env->writing) munmap(env->writing, env->map_size);
    if (env->verified) munmap(env->verified, env->board.slots_max * sizeof *env->verified);
    if (env->data_file >= 0) close(env->data_file);
    zcxi_board_close(&env->board);
}
