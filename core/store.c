#include "full.h"
#include "group.h"
#include "readers.h"
#include "record.h"
#include "token.h"
#include "transact.h"
#include "wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening and closing -------------------------------------------------------------------------------- */

static zcx_status check_name(const char *name, zcx_error *error)
{
    size_t length = strlen(name);
    if (length == 0 || length > ZCX_DATABASE_MAX)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "a database's name has 1 to %d bytes, \"%.80s\" has %zu",
                         ZCX_DATABASE_MAX, name, length);
    if (!strncmp(name, "zcx.", 4))
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "the database name \"%s\" is reserved: \"zcx.\" is the store's own", name);
    return ZCX_OK;
}

static zcx_status check_options(const zcx_store_options *options, zcx_error *error)
{
    if (options->struct_size != sizeof *options)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the options' struct_size is %zu, not %zu",
                         options->struct_size, sizeof *options);
    if (options->flags & ~(ZCX_OPEN_EXISTING | ZCX_OPEN_REBUILD))
        return zcxi_fail(error, ZCX_EINVAL, 0, "flags %#x are not known", options->flags);
    if (options->lock_timeout_ms < 0)
        return zcxi_fail(error, ZCX_EINVAL, 0, "a lock timeout of %ld ms is negative",
                         (long)options->lock_timeout_ms);
    return check_name(options->database, error);
}

/* Within a process, LMDB gives one handle per name: opening a known one is no transaction of its
 * own, but it needs the lock. */
static zcx_status open_database(zcx_store *store, zcx_error *error)
{
    zcx_status status = zcxi_env_lock(store->env, error);
    if (status) return status;
    status = zcxi_env_database(store->env, &store->database, store->name, 0, error);
    zcxi_env_unlock(store->env);
    return status;
}

zcx_store *zcxi_handle_make(const char *name)
{
    zcx_store *store = calloc(1, sizeof *store);
    if (!store) return NULL;
    strcpy(store->name, name);
    zcxi_pool_init(&store->views, sizeof(struct zcx_view));
    zcxi_pool_init(&store->loans, sizeof(struct zcx_loan));
    return store;
}

void zcxi_handle_free(zcx_store *store)
{
    zcxi_pool_free(&store->views);
    zcxi_pool_free(&store->loans);
    free(store);
}

/* A handle of a database in an environment, whose reference it takes over. */
static zcx_status open_in(zcx_store **out, struct zcxi_env *env, const char *database,
                          zcx_error *error)
{
    zcx_status status = ZCX_OK;
    zcx_store *store = zcxi_handle_make(database);
    if (!store) status = zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a store's handle");
    if (!status) {
        store->env = env;
        status = open_database(store, error);
    }
    if (!status) {
        *out = store;
        return ZCX_OK;
    }
    if (store) zcxi_handle_free(store);
    zcxi_env_close(env);
    return status;
}

zcx_status zcx_store_open(zcx_store **out, const char *path, const zcx_store_options *options,
                          zcx_error *error)
{
    struct zcxi_env *env;
    zcx_store_options used = ZCX_STORE_OPTIONS_INIT;
    if (options) used = *options;
    if (!used.database) used.database = "default";
    zcx_status status = check_options(&used, error);
    if (!status) status = zcxi_env_open(&env, path, &used, error);
    return status ? status : open_in(out, env, used.database, error);
}

zcx_status zcxi_store_beside(zcx_store **out, struct zcxi_env *env, const char *database,
                             zcx_error *error)
{
    if (!database) database = "default";
    zcx_status status = check_name(database, error);
    return status ? status : open_in(out, zcxi_env_share(env), database, error);
}

zcx_status zcx_store_close(zcx_store *store, zcx_error *error)
{
    if (!store) return ZCX_OK;
    uint32_t children = atomic_load(&store->children) + zcxi_pool_out(&store->views) +
                        zcxi_pool_out(&store->loans);
    if (children && !zcxi_env_alive(store->env)) return ZCX_OK; /* they point to it */
    if (children)
        return zcxi_fail(error, ZCX_EBUSY, 0,
                         "%u views, loans, scans and batches of this handle of %s are alive",
                         children, store->env->path);
    zcxi_env_close(store->env);
    zcxi_handle_free(store);
    return ZCX_OK;
}

const char *zcx_store_path(const zcx_store *store)
{
    return store->env->path;
}

const char *zcx_store_database(const zcx_store *store)
{
    return store->name;
}

uint64_t zcxi_store_call_id(zcx_store *store)
{
    struct zcxi_env *env = store->env;
    uint64_t count = atomic_fetch_add(&env->calls, 1) & ((UINT64_C(1) << 36) - 1);
    return (uint64_t)env->self.owner << 56 |
           (uint64_t)(env->self.incarnation & ZCXI_INCARNATION_MASK) << 36 | count;
}

/* ---- records ---------------------------------------------------------------------------------------------- */

zcx_status zcxi_key_check(const void *key, size_t key_length, zcx_error *error)
{
    if (key && key_length && key_length <= ZCX_KEY_MAX) return ZCX_OK;
    return zcxi_fail(error, ZCX_EINVAL, 0, "a key has 1 to %d bytes, not %zu", ZCX_KEY_MAX,
                     key ? key_length : 0);
}

static zcx_status put_in_slot(zcx_store *store, const void *key, size_t key_length,
                              const void *data, uint64_t length, const zcx_envelope *envelope,
                              const struct zcxi_also *also, uint64_t *transaction,
                              zcx_error *error)
{
    zcx_loan *loan;
    uint64_t least = length > ZCXI_LOAN_PRIVATE ? length : ZCXI_LOAN_PRIVATE + 1;
    zcx_status status = zcx_store_loan(&loan, store, least, 0, error);
    if (status) return status;
    zcx_copy(zcx_loan_data(loan), data, length);
    status = zcxi_loan_publish(NULL, loan, key, key_length, length, envelope, also, transaction,
                               error);
    if (status) zcx_loan_discard(loan);
    return status;
}

struct inline_put {
    zcx_store *store;
    const void *key;
    size_t key_length;
    struct zcxi_record *record;
    const struct zcxi_also *also;
    uint64_t *transaction;
};

static zcx_status attempt_inline(struct zcxi_env *env, void *context, bool last, zcx_error *error)
{
    struct inline_put *put = context;
    (void)env, (void)last;
    return zcxi_record_publish(put->store, put->key, put->key_length, put->record, NULL,
                               put->also, put->transaction, error);
}

zcx_status zcx_store_put(zcx_store *store, const void *key, size_t key_length, const void *data,
                         uint64_t length, const zcx_envelope *envelope, uint64_t *transaction,
                         zcx_error *error)
{
    return zcxi_store_put(store, key, key_length, data, length, envelope, NULL, transaction, error);
}

zcx_status zcxi_store_put(zcx_store *store, const void *key, size_t key_length, const void *data,
                          uint64_t length, const zcx_envelope *envelope,
                          const struct zcxi_also *also, uint64_t *transaction, zcx_error *error)
{
    struct zcxi_record record;
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_key_check(key, key_length, error);
    if (!status) status = zcxi_record_make(&record, envelope, length, error);
    if (status) return status;
    if (zcxi_record_fits(store->env, &record, key_length)) {
        struct inline_put put = {store, key, key_length, &record, also, transaction};
        status = zcxi_record_inline(&record, data, error);
        if (!status)
            status = zcxi_until_room(store->env, length, 0, attempt_inline, &put, error);
        zcxi_record_free(&record);
        return status;
    }
    zcxi_record_free(&record);
    return put_in_slot(store, key, key_length, data, length, envelope, also, transaction, error);
}

#define SHORT 400 /* bytes of a message that a full store has room for, in a leaf */

/* Whatever text it is, who waits for a result must hear that there is none. */
static void pack_text(zcx_packer *packer, const char *name, const char *text)
{
    size_t length = strlen(text);
    char *plain = NULL;
    if (!zcxi_utf8(text, length) && (plain = strdup(text))) {
        for (char *byte = plain; *byte; byte++)
            if (*byte & 0x80) *byte = '?';
        text = plain;
    }
    zcx_pack_str(packer, name, strlen(name));
    zcx_pack_str(packer, text, length);
    free(plain);
}

zcx_status zcx_store_put_error(zcx_store *store, const void *key, size_t key_length,
                               const char *message, const char *trace, int64_t ttl_ms,
                               zcx_error *error)
{
    return zcxi_store_put_error(store, key, key_length, ZCX_EFAILED, message, trace, ttl_ms, NULL,
                                error);
}

zcx_status zcxi_store_put_error(zcx_store *store, const void *key, size_t key_length,
                                zcx_status as, const char *message, const char *trace,
                                int64_t ttl_ms, const struct zcxi_also *also, zcx_error *error)
{
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.format = ZCX_MSGPACK;
    envelope.flags = ZCX_FLAG_ERROR;
    envelope.ttl_ms = ttl_ms;
    void *buffer = NULL;
    uint64_t length = 0;
    zcx_status status = ZCX_OK;
    for (int pass = 0; pass < 2 && !status; pass++) {
        zcx_packer *packer;
        uint64_t size = (length + ZCX_ALIGNMENT - 1) / ZCX_ALIGNMENT * ZCX_ALIGNMENT;
        if (pass && !(buffer = aligned_alloc(ZCX_ALIGNMENT, size)))
            return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for an error record");
        status = zcx_packer_open(&packer, buffer, length, error);
        if (status) break;
        zcx_pack_map(packer, 1 + (trace != NULL) + (as != ZCX_EFAILED));
        pack_text(packer, "message", message);
        if (trace) pack_text(packer, "trace", trace);
        if (as != ZCX_EFAILED) {
            zcx_pack_str(packer, "status", strlen("status"));
            zcx_pack_uint(packer, as);
        }
        status = zcx_packer_close(packer, &length, error);
    }
    zcx_error why = ZCX_ERROR_INIT;
    if (!status)
        status = zcxi_store_put(store, key, key_length, buffer, length, &envelope, also, NULL, &why);
    free(buffer);
    if (!status) atomic_fetch_add(&store->env->board.header->counters.failures, 1);
    if (status == ZCX_EFULL && (trace || strlen(message) > SHORT)) { /* what the reserve has room for */
        char start[SHORT + 1];
        snprintf(start, sizeof start, "%s", message);
        return zcxi_store_put_error(store, key, key_length, as, start, NULL, ttl_ms, also, error);
    }
    if (why.status && error && !error->status) *error = why;
    return status;
}

static bool error_field(const zcx_view *view, const char *name, struct zcxi_token *token)
{
    const uint8_t *data = view->data;
    struct zcxi_cursor cursor = {data, data + view->length};
    if (!zcxi_token_next(&cursor, token) || token->kind != ZCXI_TOKEN_MAP) return false;
    for (uint64_t left = token->number; left; left--) {
        if (!zcxi_token_next(&cursor, token)) return false;
        if (zcxi_token_is(token, name)) return zcxi_token_next(&cursor, token);
        if (!zcxi_token_skip(&cursor)) return false;
    }
    return false;
}

char *zcxi_error_text(const zcx_view *view, const char *name)
{
    struct zcxi_token token;
    if (!error_field(view, name, &token) || token.kind != ZCXI_TOKEN_STR) return NULL;
    return strndup((const char *)token.data, token.length);
}

zcx_status zcxi_error_status(const zcx_view *view)
{
    struct zcxi_token token;
    if (!error_field(view, "status", &token) || token.kind != ZCXI_TOKEN_UINT ||
        token.number == ZCX_OK || token.number > ZCX_ECANCELLED)
        return ZCX_EFAILED;
    return (zcx_status)token.number;
}

struct deletion {
    MDB_dbi database;
    const void *key;
    size_t key_length;
    bool deleted, live;
};

static zcx_status delete(struct zcxi_env *env, MDB_txn *transaction, void *context,
                         zcx_error *error)
{
    struct deletion *what = context;
    return zcxi_record_delete(env, transaction, what->database, what->key, what->key_length, 0,
                              &what->deleted, &what->live, error);
}

zcx_status zcx_store_delete(zcx_store *store, const void *key, size_t key_length, zcx_error *error)
{
    char text[ZCXI_KEY_TEXT];
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_key_check(key, key_length, error);
    if (status) return status;
    struct deletion what = {.database = store->database, .key = key, .key_length = key_length};
    uint32_t hash = zcxi_wait_hash(store->name, key, key_length);
    status = zcxi_transact_one(store->env, &(struct zcxi_need){.changes = 1}, hash, delete, &what,
                               error);
    ZCXI_POINT(delete.committed);
    if (!status) zcxi_wake(store->env, hash);
    if (status || what.live) return status;
    return zcxi_fail(error, ZCX_ENOTFOUND, 0, "there is no %s in %s of %s",
                     zcxi_key_text(text, key, key_length), store->name, store->env->path);
}

zcx_status zcx_store_exists(bool *out, zcx_store *store, const void *key, size_t key_length,
                            zcx_error *error)
{
    MDB_txn *reader;
    uint32_t index;
    struct zcxi_header header;
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_key_check(key, key_length, error);
    if (!status) status = zcxi_reader_take(store->env, &reader, &index, error);
    if (status) return status;
    MDB_val where = {key_length, (void *)key}, value;
    int result = mdb_get(reader, store->database, &where, &value);
    if (!result)
        status = zcxi_header_read(&header, value.mv_data, value.mv_size, key, key_length, error);
    else if (result != MDB_NOTFOUND)
        status = zcxi_fail_lmdb(error, result, "cannot read a record");
    if (!status) *out = !result && !zcxi_expired_by_now(&header);
    zcxi_reader_give(store->env, index);
    return status;
}

zcx_status zcx_store_count(uint64_t *out, zcx_store *store, zcx_error *error)
{
    MDB_txn *reader;
    uint32_t index;
    MDB_stat stat;
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_reader_take(store->env, &reader, &index, error);
    if (status) return status;
    int result = mdb_stat(reader, store->database, &stat);
    zcxi_reader_give(store->env, index);
    if (result) return zcxi_fail_lmdb(error, result, "cannot count the records");
    *out = stat.ms_entries;
    return ZCX_OK;
}
