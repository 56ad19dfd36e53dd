#include "access.h"
#include "copier.h"
#include "path.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTIAL ".partial"

struct target {
    char path[PATH_MAX], partial[PATH_MAX]; /* absolute */
    int directory, file;
    MDB_env *lmdb;
};

/* ---- the directory ---------------------------------------------------------------------------------------- */

/* What a backup that was killed left there, or ours that failed. */
static void empty(struct target *target)
{
    const char *names[] = {"data.mdb", "store.json", "store.json.new"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(target->directory, names[i], 0);
}

/* Ours alone: the lock goes with whoever dies. A directory that was renamed, or removed, between our
 * opening and our locking it was another's. */
static zcx_status own(struct target *target, zcx_error *error)
{
    struct stat ours, there;
    if (flock(target->directory, LOCK_EX | LOCK_NB) || fstat(target->directory, &ours) ||
        stat(target->partial, &there) || ours.st_dev != there.st_dev || ours.st_ino != there.st_ino)
        return zcxi_fail(error, ZCX_EBUSY, 0, "another process writes a backup to %s", target->path);
    empty(target);
    return ZCX_OK;
}

static zcx_status fail_taken(const char *path, zcx_error *error)
{
    return zcxi_fail(error, ZCX_EINVAL, EEXIST, "%s exists: a backup goes to a new path", path);
}

static zcx_status open_directory(struct target *target, const char *destination, zcx_error *error)
{
    char chosen[PATH_MAX], partial[PATH_MAX + sizeof PARTIAL];
    struct stat info;
    if (!destination || !*destination)
        return zcxi_fail(error, ZCX_EINVAL, 0, "a backup needs a path to go to");
    zcx_status status = zcxi_path_choose(chosen, destination, error);
    if (status) return status;
    if (!lstat(chosen, &info)) return fail_taken(chosen, error);
    snprintf(partial, sizeof partial, "%s" PARTIAL, chosen);
    status = zcxi_path_open(&target->directory, target->partial, partial, ZCXI_NO_GROUP, true,
                            error);
    if (status) return status;
    memcpy(target->path, target->partial, sizeof target->path);
    target->path[strlen(target->path) - strlen(PARTIAL)] = 0;
    return own(target, error);
}

static zcx_status open_data(struct target *target, const struct zcxi_env *env, zcx_error *error)
{
    char where[ZCXI_PATH_OWN];
    zcx_status status = zcxi_access_file(&target->file, target->directory, "data.mdb",
                                         O_RDWR | O_CREAT, target->partial, error);
    if (status) return status;
    int result = mdb_env_create(&target->lmdb);
    if (!result) result = mdb_env_set_mapsize(target->lmdb, env->map_size);
    if (!result) result = mdb_env_set_maxdbs(target->lmdb, ZCXI_DATABASES);
    if (!result)
        result = mdb_env_open(target->lmdb, zcxi_path_own(where, target->directory, ""),
                              /* nobody else's, so without locks */
                              MDB_WRITEMAP | MDB_NOSYNC | MDB_NOLOCK | MDB_NORDAHEAD, 0600);
    return result ? zcxi_fail_lmdb(error, result, "LMDB cannot write a backup") : ZCX_OK;
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

/* On disk first, then named: whatever happens, what has the name is whole. */
static zcx_status finish_data(struct target *target, const struct zcxi_env *env, zcx_error *error)
{
    MDB_envinfo info;
    mdb_env_info(target->lmdb, &info);
    off_t end = (off_t)((info.me_last_pgno + 1) * env->page_size), size = (off_t)env->map_size;
    if (end < size) /* memory that was taken ahead */
        fallocate(target->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, end, size - end);
    int result = mdb_env_sync(target->lmdb, 1);
    if (result) return zcxi_fail_lmdb(error, result, "cannot write a backup to the disk");
    if (!fsync(target->file)) return ZCX_OK;
    return zcxi_fail_errno(error, errno, "cannot write to disk", target->partial);
}

static zcx_status name(struct target *target, zcx_error *error)
{
    char parent[PATH_MAX];
    strcpy(parent, target->path);
    int directory = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = directory < 0 ? errno : 0;
    if (!result && renameat2(AT_FDCWD, target->partial, AT_FDCWD, target->path, RENAME_NOREPLACE))
        result = errno;
    if (!result) strcpy(target->partial, target->path); /* what a failure removes from now on */
    if (!result && fsync(directory)) result = errno;
    if (directory >= 0) close(directory);
    if (result == EEXIST) return fail_taken(target->path, error);
    return result ? zcxi_fail_errno(error, result, "cannot name the backup", target->path) : ZCX_OK;
}

static zcx_status write_backup(struct zcxi_copier *copier, struct target *target, zcx_error *error)
{
    struct zcxi_manifest manifest;
    const struct zcxi_env *env = copier->env;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = env->manifest.budget;
    options.map_size = env->manifest.map_size;
    options.max_readers = env->manifest.max_readers;
    options.durability = copier->options->durability ? copier->options->durability
                                                     : ZCX_DURABILITY_COMMIT;
    zcx_status status = zcxi_manifest_make(&manifest, target->directory, target->path, &options, error);
    if (!status) status = open_data(target, env, error);
    if (status) return status;
    copier->target = target->lmdb;
    copier->file = target->file;
    status = zcxi_copy(copier, error);
    if (!status) status = finish_data(target, env, error);
    if (!status) status = zcxi_manifest_write(&manifest, target->directory, target->partial, error);
    return status ? status : name(target, error);
}

static zcx_status report(char **json, const struct zcxi_copier *copier, const struct target *target,
                         zcx_error *error)
{
    json_t *object = json_pack("{sssIsIsIsIsO}", "path", target->path, "transaction",
                               (json_int_t)copier->transaction, "records", (json_int_t)copier->records,
                               "requests", (json_int_t)copier->requests, "payload_bytes",
                               (json_int_t)copier->bytes, "left_out", copier->left_out);
    *json = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return *json ? ZCX_OK : zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for the report of a backup");
}

zcx_status zcx_store_backup(char **json, zcx_store *store, const char *destination,
                            const zcx_backup_options *options, zcx_error *error)
{
    static const zcx_backup_options usual = ZCX_BACKUP_OPTIONS_INIT;
    struct target target = {.directory = -1, .file = -1};
    zcx_status status = zcxi_store_enter(store, error);
    if (!options) options = &usual;
    if (!status && options->struct_size != sizeof *options)
        status = zcxi_fail(error, ZCX_EINVAL, 0, "the options' struct_size is %zu, not %zu",
                           options->struct_size, sizeof *options);
    if (!status) status = zcxi_env_fresh(store->env, error);
    if (status) return status;
    struct zcxi_copier copier = {.env = store->env, .options = options, .left_out = json_array()};
    bool ours = !(status = open_directory(&target, destination, error));
    if (ours) status = write_backup(&copier, &target, error);
    zcxi_copier_end(&copier);
    if (target.lmdb) mdb_env_close(target.lmdb);
    if (target.file >= 0) close(target.file);
    if (status && ours) {
        empty(&target);
        rmdir(target.partial);
    }
    if (target.directory >= 0) close(target.directory);
    if (!status && json) status = report(json, &copier, &target, error);
    json_decref(copier.left_out);
    return status;
}
