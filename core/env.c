#include "env.h"

#include "access.h"
#include "clock.h"
#include "journal.h"
#include "lock.h"
#include "owners.h"
#include "path.h"
#include "readers.h"
#include "recover.h"
#include "registry.h"
#include "room.h"
#include "start.h"
#include "store.h"
#include "transact.h"
#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_TRIES 50
#define MODE_PAUSE (4 * ZCXI_MS)

zcx_status zcxi_fail_fork(const struct zcxi_env *env, zcx_error *error)
{
    return zcxi_fail(error, ZCX_EFORK, 0,
                     "this handle of %s was inherited over fork: open the store in the child",
                     env->path);
}

/* ---- the mutex ---------------------------------------------------------------------------------------- */

/* The mutex was taken with `result`: 0, or EOWNERDEAD. */
static zcx_status locked(struct zcxi_env *env, int result, zcx_error *error)
{
    struct zcxi_board_header *header = env->board.header;
    atomic_store_explicit(&header->holder, env->pid, memory_order_relaxed);
    ZCXI_POINT(lock.taken);
    if (result == EOWNERDEAD) header->unsettled = true;
    ZCXI_POINT(lock.noted);
    if (header->unsettled || atomic_load(&header->journal.transaction)) {
        zcx_status status = zcxi_meta_guard(env, error); /* an opener does the rest later */
        atomic_fetch_add(&header->counters.recovered, 1);
        if (!status && env->lmdb) status = zcxi_recover_commit(env, error);
        if (!status && env->lmdb) status = zcxi_recover_slots(env, false, error);
        /* Consistent in any case: `unsettled` stays set, so that the next one tries again. */
        if (result == EOWNERDEAD) pthread_mutex_consistent(&header->mutex);
        ZCXI_POINT(lock.consistent);
        zcxi_wake_all(env);
        ZCXI_POINT(lock.woken);
        if (status) {
            zcxi_env_unlock(env);
            return status;
        }
    }
    return ZCX_OK;
}

zcx_status zcxi_env_lock(struct zcxi_env *env, zcx_error *error)
{
    struct zcxi_board_header *header = env->board.header;
    if (!zcxi_env_alive(env)) return zcxi_fail_fork(env, error);
    int result = zcxi_mutex_lock(&header->mutex, env->lock_timeout_ms);
    if (result == ETIMEDOUT) atomic_fetch_add(&header->counters.late, 1);
    if (result == ETIMEDOUT)
        return zcxi_fail(error, ZCX_ETIMEDOUT, result,
                         "the lock of %s was not to be had in %ld ms: process %d has it",
                         env->path, (long)env->lock_timeout_ms, (int)atomic_load(&header->holder));
    if (result && result != EOWNERDEAD)
        return zcxi_fail_errno(error, result, "cannot take the lock of", env->path);
    return locked(env, result, error);
}

void zcxi_env_visit(struct zcxi_env *env)
{
    if (!zcxi_env_alive(env)) return;
    zcxi_env_assert_locks(env);
    int result = pthread_mutex_trylock(&env->board.header->mutex);
    if (result && result != EOWNERDEAD) return;
    if (!locked(env, result, NULL)) zcxi_env_unlock(env);
}

void zcxi_env_unlock(struct zcxi_env *env)
{
    ZCXI_POINT(unlock.before);
    if (zcxi_env_alive(env)) pthread_mutex_unlock(&env->board.header->mutex);
    ZCXI_POINT(unlock.after);
}

zcx_status zcxi_env_fresh(struct zcxi_env *env, zcx_error *error)
{
    struct stat board, data;
    if (fstat(env->board.file, &board) || fstat(env->data_file, &data))
        return zcxi_fail_errno(error, errno, "cannot stat the files of", env->path);
    if (board.st_nlink && data.st_nlink) return ZCX_OK;
    return zcxi_fail(error, ZCX_ESTALE, 0,
                     "%s was removed while this process has it open: close it and open it again",
                     env->path);
}

/* What LMDB set when it opened: a shared lock on byte 0, and its life sign on the byte of our pid. */
void zcxi_env_assert_locks(struct zcxi_env *env)
{
    struct flock shared = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    struct flock alive = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = getpid(), .l_len = 1};
    fcntl(env->guard, F_SETLK, &shared);
    fcntl(env->guard, F_SETLK, &alive);
}

/* ---- slots, located ------------------------------------------------------------------------------------ */

zcx_status zcxi_env_read_slot(struct zcxi_env *env, MDB_txn *transaction, uint32_t number,
                              uint64_t *page, uint32_t *pages, zcx_error *error)
{
    MDB_val key = {sizeof number, &number}, value;
    int result = mdb_get(transaction, env->slots_db, &key, &value);
    if (result == MDB_NOTFOUND)
        return zcxi_fail(error, ZCX_ECORRUPT, result, "slot %u is not in zcx.slots", number);
    if (result) return zcxi_fail_lmdb(error, result, "cannot read zcx.slots");
    uint64_t count = (value.mv_size + env->page_header) / env->page_size;
    uint64_t at = zcxi_value_page(env, value.mv_data);
    if (count == 0 || (value.mv_size + env->page_header) % env->page_size ||
        at < 2 || at > env->map_size / env->page_size ||
        count > env->map_size / env->page_size - at || count >= UINT64_C(1) << 21)
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "slot %u has %zu bytes at page %lu", number,
                         value.mv_size, (unsigned long)at);
    *page = at;
    *pages = (uint32_t)count;
    return ZCX_OK;
}

zcx_status zcxi_env_locate(struct zcxi_env *env, MDB_txn *transaction, uint32_t number,
                           uint64_t *page, uint32_t *pages, zcx_error *error)
{
    if (!number || number >= env->board.slots_max)
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "slot %u is not one of the store's 1 to %u",
                         number, env->board.slots_max - 1);
    uint64_t known = atomic_load_explicit(&env->verified[number], memory_order_relaxed);
    if (!known) {
        zcx_status status = zcxi_env_read_slot(env, transaction, number, page, pages, error);
        if (status) return status;
        known = *page << 21 | *pages;
        atomic_store_explicit(&env->verified[number], known, memory_order_relaxed);
    }
    *page = known >> 21;
    *pages = (uint32_t)(known & ((1u << 21) - 1));
    return ZCX_OK;
}

/* In a read transaction: an existing database needs no room, which a full store has not. */
static bool open_existing(struct zcxi_env *env, MDB_dbi *out, const char *name, unsigned flags)
{
    MDB_txn *reader;
    MDB_dbi database;
    if (mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &reader)) return false;
    if (mdb_dbi_open(reader, name, flags, &database)) {
        mdb_txn_abort(reader);
        return false;
    }
    if (mdb_txn_commit(reader)) return false; /* which keeps the handle */
    *out = database;
    return true;
}

struct naming {
    const char *name;
    unsigned flags;
    MDB_dbi database;
};

static zcx_status create_named(struct zcxi_env *env, MDB_txn *transaction, void *context,
                               zcx_error *error)
{
    struct naming *naming = context;
    MDB_dbi names;
    MDB_stat stat;
    int result = mdb_dbi_open(transaction, NULL, 0, &names);
    if (!result) result = mdb_stat(transaction, names, &stat);
    if (!result && stat.ms_entries >= ZCXI_DATABASES)
        return zcxi_fail(error, ZCX_ELIMIT, 0,
                         "cannot create database \"%s\": %s has %d of them, the most that it may",
                         naming->name, env->path, ZCXI_DATABASES - 2);
    if (!result)
        result = mdb_dbi_open(transaction, naming->name, MDB_CREATE | naming->flags,
                              &naming->database);
    return result ? zcxi_fail_lmdb(error, result, "cannot create a database") : ZCX_OK;
}

zcx_status zcxi_env_database(struct zcxi_env *env, MDB_dbi *out, const char *name, unsigned flags,
                             zcx_error *error)
{
    struct naming naming = {name, flags, 0};
    if (open_existing(env, out, name, flags)) return ZCX_OK;
    zcx_status status = zcxi_transact_locked(env, &(struct zcxi_need){.changes = 1}, create_named,
                                             &naming, error);
    if (!status) *out = naming.database;
    return status;
}

/* ---- opening and closing -------------------------------------------------------------------------------- */

static zcx_status lock_open(struct zcxi_env *env, const zcx_store_options *options,
                            zcx_error *error)
{
    /* Who may not create a store leaves nothing in a directory that holds none. */
    bool create = !(options->flags & ZCX_OPEN_EXISTING) ||
                  !faccessat(env->directory, "store.json", F_OK, AT_SYMLINK_NOFOLLOW);
    zcx_status status = zcxi_access_file(&env->open_lock, env->directory, "open.lock",
                                         O_RDWR | (create ? O_CREAT : 0), env->path, error);
    if (status) return status;
    int result = zcxi_flock(env->open_lock, env->lock_timeout_ms);
    if (result == ETIMEDOUT)
        return zcxi_fail(error, ZCX_EBUSY, result,
                         "another process (%d) has been opening or closing %s for %ld ms",
                         (int)zcxi_flock_holder(env->open_lock), env->path,
                         (long)env->lock_timeout_ms);
    return result ? zcxi_fail_errno(error, result, "cannot lock open.lock of", env->path) : ZCX_OK;
}

static void free_env(struct zcxi_env *env)
{
    zcxi_start_undo(env);
    if (env->open_lock >= 0) close(env->open_lock);
    if (env->directory >= 0) close(env->directory);
    if (env->token) munmap((void *)env->token, 4096);
    free(env);
}

static zcx_status make_env(struct zcxi_env **out, int directory, const char *path,
                           const struct stat *info, const zcx_store_options *options,
                           zcx_error *error)
{
    struct zcxi_env *env = aligned_alloc(64, sizeof *env);
    if (!env) return zcxi_fail(error, ZCX_ENOMEM, errno, "no memory to open %s", path);
    *env = (struct zcxi_env){.references = 1, .device = info->st_dev, .inode = info->st_ino,
                             .pid = getpid(), .directory = directory, .open_lock = -1,
                             .data_file = -1, .guard = -1, .board = {.file = -1},
                             .self = {UINT32_MAX, 0},
                             .line = {.mutex = PTHREAD_MUTEX_INITIALIZER}};
    strcpy(env->path, path);
    env->lock_timeout_ms = options->lock_timeout_ms ? options->lock_timeout_ms : 10000;
    void *token = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (token == MAP_FAILED || madvise(token, 4096, MADV_WIPEONFORK)) {
        zcx_status status = zcxi_fail_errno(error, errno, "cannot make the fork token of", path);
        free_env(env);
        return status;
    }
    env->token = token;
    atomic_store((_Atomic uint32_t *)token, 1);
    zcx_status status = lock_open(env, options, error);
    if (!status) status = zcxi_start(env, options, error);
    if (status) {
        free_env(env); /* under open.lock, which closing it unlocks */
        return status;
    }
    flock(env->open_lock, LOCK_UN);
    *out = env;
    return ZCX_OK;
}

static zcx_status open_at(struct zcxi_env **out, const char *path, gid_t group,
                          const zcx_store_options *options, zcx_error *error)
{
    char resolved[PATH_MAX];
    int directory;
    struct stat info;
    bool discarded = false;
    zcx_status status = zcxi_path_open(&directory, resolved, path, group,
                                       !(options->flags & ZCX_OPEN_EXISTING), error);
    if (status) return status;
    zcxi_registry_lock();
    struct zcxi_env *env = NULL;
    if (fstat(directory, &info))
        status = zcxi_fail_errno(error, errno, "cannot stat", resolved);
    else
        env = zcxi_registry_find(info.st_dev, info.st_ino);
    if (env) {
        status = zcxi_env_fresh(env, error);
        if (!status && options->flags & ZCX_OPEN_REBUILD)
            status = zcxi_fail(error, ZCX_EBUSY, 0, "this process has %s open", env->path);
        if (!status) status = zcxi_manifest_accept(&env->manifest, env->path, options, error);
        if (!status) {
            env->references++;
            if (options->lock_timeout_ms) env->lock_timeout_ms = options->lock_timeout_ms;
            zcxi_env_assert_locks(env);
            *out = env;
        }
        close(directory);
    } else if (!status) {
        status = make_env(&env, directory, resolved, &info, options, error); /* owns directory */
        if (!status) {
            zcxi_registry_add(env);
            discarded = env->discarded;
            *out = env;
        }
    } else {
        close(directory);
    }
    zcxi_registry_unlock();
    if (discarded) /* now that nothing is locked: it may be logged by who uses zcx, or needs the GIL */
        zcxi_log('i', "%s was of an earlier boot, and was discarded", resolved);
    return status;
}

/* Another member of the group may be making the directory or open.lock just now: they have their
 * modes a moment after their names. */
zcx_status zcxi_env_open(struct zcxi_env **out, const char *path, const zcx_store_options *options,
                         zcx_error *error)
{
    char chosen[PATH_MAX];
    gid_t group;
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = zcxi_path_choose(chosen, path, &why);
    if (!status) status = zcxi_access_group(&group, options->group, &why);
    const int tries = status ? 0 : group == ZCXI_NO_GROUP ? 1 : MODE_TRIES;
    for (int i = 0; i < tries && (!i || status == ZCX_EACCES); i++) {
        if (i) zcxi_sleep(MODE_PAUSE);
        why = (zcx_error)ZCX_ERROR_INIT;
        status = open_at(out, chosen, group, options, &why);
    }
    if (status && error && !error->status) *error = why;
    return status;
}

struct zcxi_env *zcxi_env_share(struct zcxi_env *env)
{
    zcxi_registry_lock();
    env->references++;
    zcxi_registry_unlock();
    return env;
}

void zcxi_env_close(struct zcxi_env *env)
{
    if (!zcxi_env_alive(env)) return; /* a forked child's copy; its maps go with the process */
    zcxi_registry_lock();
    if (--env->references == 0) {
        zcxi_registry_remove(env);
        zcxi_flock(env->open_lock, env->lock_timeout_ms); /* best effort: closing goes on */
        if (!zcxi_env_lock(env, NULL)) {
            zcxi_owner_release(env);
            zcxi_env_unlock(env);
        }
        ZCXI_POINT(close.released);
        free_env(env); /* closes open.lock, which unlocks it */
    }
    zcxi_registry_unlock();
}
