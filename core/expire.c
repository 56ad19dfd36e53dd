#include "expire.h"

#include "hold.h"
#include "readers.h"
#include "record.h"
#include "transact.h"
#include "wait.h"
#include "walk.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 40   /* deletes of one transaction, at most */
#define FEW 8      /* of them that are deleted between two looks at the clock */
#define SLICE 1024 /* records that one snapshot is looked through for */
#define IDLE 32    /* rests for each ns of looking where little had expired … */
#define MOST ZCXI_S /* … and at a time: it may have been stopped while it looked */

struct found {
    uint16_t length;
    uint8_t key[ZCX_KEY_MAX];
};

struct search { /* of one database */
    struct zcxi_pass *pass;
    MDB_dbi database;
    const char *name;
    struct found expired[BATCH], last;
    size_t count, from, to; /* from, to: those that a transaction deletes */
    uint64_t now, deleted, until, owed;
    bool more;
};

/* ---- looking ----------------------------------------------------------------------------------------- */

static void keep(struct found *found, const MDB_val *key)
{
    found->length = (uint16_t)key->mv_size;
    memcpy(found->key, key->mv_data, key->mv_size);
}

static void look_at(struct search *search, const MDB_val *key, const MDB_val *value)
{
    struct zcxi_header header;
    if (zcxi_header_read(&header, value->mv_data, value->mv_size, key->mv_data, key->mv_size, NULL))
        return;
    if (zcxi_expired(&header, search->now))
        keep(&search->expired[search->count++], key);
    else if (header.expires && header.expires < search->pass->due)
        search->pass->due = header.expires;
}

/* Notes what expired, from the last key on; stops when it has a batch, or looked long enough. */
static int look_through(MDB_txn *reader, MDB_cursor *cursor, struct search *search)
{
    const struct found from = search->last;
    MDB_val key = {from.length, (void *)from.key}, value, start = key;
    int result = mdb_cursor_get(cursor, &key, &value, from.length ? MDB_SET_RANGE : MDB_FIRST);
    for (size_t seen = 0; !result; result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (key.mv_size > ZCX_KEY_MAX) continue;
        if (search->count < BATCH && seen++ < SLICE) {
            look_at(search, &key, &value);
            search->pass->looked++;
            continue;
        }
        /* In a damaged tree keys may fall, and a sweep would not end. */
        if (start.mv_size && mdb_cmp(reader, search->database, &key, &start) <= 0)
            return MDB_CORRUPTED;
        keep(&search->last, &key);
        search->more = true;
        return 0;
    }
    return result;
}

static zcx_status look(struct zcxi_env *env, struct search *search, zcx_error *error)
{
    MDB_txn *reader;
    MDB_cursor *cursor;
    uint32_t index;
    zcx_status status = zcxi_reader_take(env, &reader, &index, error);
    if (status) return status;
    search->count = 0;
    search->more = false;
    int result = mdb_cursor_open(reader, search->database, &cursor);
    if (!result) {
        result = look_through(reader, cursor, search);
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(env, index);
    if (result && result != MDB_NOTFOUND) return zcxi_fail_lmdb(error, result, "cannot sweep");
    return ZCX_OK;
}

/* ---- deleting ---------------------------------------------------------------------------------------- */

static zcx_status delete_found(struct zcxi_env *env, MDB_txn *transaction, void *context,
                               zcx_error *error)
{
    struct search *search = context;
    zcx_status status = ZCX_OK;
    size_t i = search->from;
    search->deleted = 0;
    while (i < search->to && !status &&
           ((i - search->from) % FEW || i == search->from || zcxi_monotonic() < search->until)) {
        bool gone, live;
        const struct found *found = &search->expired[i++];
        status = zcxi_record_delete(env, transaction, search->database, found->key, found->length,
                                    search->now, &gone, &live, error);
        search->deleted += gone;
    }
    search->to = i;
    return status;
}

/* One hold of the mutex, and before it, where that is needed, one for each MiB of memory ahead. */
static zcx_status delete_some(struct zcxi_env *env, struct search *search, size_t most,
                              zcx_error *error)
{
    struct zcxi_hold hold;
    const struct zcxi_need need = {.changes = most};
    for (bool more = true; more;) {
        zcx_status status = zcxi_hold_begin(&hold, env, error);
        if (status) return status;
        more = zcxi_room_ahead(env, most);
        if (more) search->owed += zcxi_hold_end(&hold);
    }
    search->to = search->from + most;
    if (search->to > search->count) search->to = search->count;
    search->until = hold.began + ZCXI_HOLD_MOST;
    zcx_status status = zcxi_transact_locked(env, &need, delete_found, search, error);
    search->owed += zcxi_hold_end(&hold);
    return status;
}

/* In one transaction as far as its time goes, and memory that is there; one by one where a full store
 * has no memory ahead. */
static zcx_status delete_all(struct zcxi_env *env, struct search *search, zcx_error *error)
{
    size_t most = zcxi_room_changes(env);
    if (most > search->count) most = search->count;
    for (search->from = 0; search->from < search->count; search->from = search->to) {
        zcx_error failure = ZCX_ERROR_INIT;
        zcx_status status = delete_some(env, search, most, &failure);
        if (status == ZCX_EFULL && most > 1) {
            most = 1;
            search->to = search->from;
            continue;
        }
        if (status) {
            if (error && !error->status) *error = failure;
            return status;
        }
        ZCXI_POINT(sweep.committed);
        search->pass->deleted += search->deleted;
        atomic_fetch_add(&env->board.header->counters.expired, search->deleted);
        for (size_t i = search->from; i < search->to; i++)
            zcxi_wake(env, zcxi_wait_hash(search->name, search->expired[i].key,
                                          search->expired[i].length));
    }
    return ZCX_OK;
}

/* ---- the pass ------------------------------------------------------------------------------------------ */

static void rest(struct search *search)
{
    struct zcxi_pass *pass = search->pass;
    if (!pass->rest || search->owed < ZCXI_MS) return;
    if (search->owed > MOST) search->owed = MOST;
    pass->stopped = !pass->rest(pass->context, search->owed);
    search->owed = 0;
}

static zcx_status expire_in(struct zcxi_env *env, MDB_dbi database, const char *name, void *context,
                            zcx_error *error)
{
    struct zcxi_pass *pass = context;
    zcx_status status = ZCX_OK;
    struct search *search = pass->stopped ? NULL : calloc(1, sizeof *search);
    if (!search)
        return pass->stopped ? ZCX_OK : zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to sweep");
    search->pass = pass;
    search->database = database;
    search->name = name;
    do {
        uint64_t began = zcxi_monotonic();
        search->now = zcxi_now();
        status = look(env, search, error);
        if (search->count < BATCH) search->owed += IDLE * (zcxi_monotonic() - began);
        if (!status && search->count) status = delete_all(env, search, error);
        if (!status) rest(search);
    } while (!status && search->more && !pass->stopped);
    free(search);
    return status;
}

zcx_status zcxi_expire(struct zcxi_env *env, struct zcxi_pass *pass, zcx_error *error)
{
    pass->deleted = pass->looked = 0;
    pass->due = UINT64_MAX;
    pass->stopped = false;
    return zcxi_walk_databases(env, expire_in, pass, error);
}
