#include "walk.h"

#include "readers.h"

#include <stdlib.h>
#include <string.h>

/* The unnamed database holds the names of the others. */
static zcx_status list(struct zcxi_env *env, struct zcxi_database names[ZCXI_DATABASES], int *count,
                       zcx_error *error)
{
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val key, value;
    MDB_dbi unnamed;
    uint32_t index;
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    *count = 0;
    int result = mdb_dbi_open(reader, NULL, 0, &unnamed);
    if (!result) result = mdb_cursor_open(reader, unnamed, &cursor);
    if (!result) {
        while (*count < ZCXI_DATABASES && !(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
            if (key.mv_size > ZCX_DATABASE_MAX) continue;
            if (key.mv_size >= 4 && !memcmp(key.mv_data, "zcx.", 4)) continue;
            memcpy(names[*count].name, key.mv_data, key.mv_size);
            names[(*count)++].name[key.mv_size] = 0;
        }
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
    if (result && result != MDB_NOTFOUND)
        return zcxi_fail_lmdb(error, result, "cannot list the databases");
    return ZCX_OK;
}

zcx_status zcxi_list_databases(struct zcxi_env *env, struct zcxi_database **out, int *count,
                               zcx_error *error)
{
    int found, opened = 0;
    struct zcxi_database *databases = malloc(ZCXI_DATABASES * sizeof *databases);
    if (!databases) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to list the databases");
    zcx_status status = list(env, databases, &found, error);
    for (int i = 0; i < found && !status; i++) {
        zcx_error failure = ZCX_ERROR_INIT;
        databases[opened] = databases[i];
        status = zcxi_env_database(env, &databases[opened].handle, databases[opened].name, 0, &failure);
        opened += !status;
        if (failure.cause == MDB_INCOMPATIBLE) /* somebody's key, and no database */
            status = ZCX_OK;
        else if (status && error && !error->status)
            *error = failure;
    }
    if (status) {
        free(databases);
        return status;
    }
    *out = databases;
    *count = opened;
    return ZCX_OK;
}

zcx_status zcxi_walk_databases(struct zcxi_env *env, zcxi_database_function function,
                               void *context, zcx_error *error)
{
    struct zcxi_database *databases;
    int count;
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    status = zcxi_list_databases(env, &databases, &count, error);
    zcxi_env_unlock(env);
    if (status) return status;
    for (int i = 0; i < count && !status; i++)
        status = function(env, databases[i].handle, databases[i].name, context, error);
    free(databases);
    return status;
}
