#include "readers.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

#define STEP 1024 /* keys and envelopes of one snapshot */

struct entry {
    struct zcxi_header header;
    size_t key, key_length; /* offsets into `bytes`; the extras follow the key */
};

struct bound {
    uint8_t key[ZCX_KEY_MAX + 1];
    size_t length;
    bool set, inclusive;
};

struct zcx_scan {
    zcx_store *store;
    uint32_t flags;
    uint64_t left; /* records still to show */
    struct bound low, high;
    bool done; /* no further step */
    struct entry *entries;
    size_t count, next, capacity;
    uint8_t *bytes;
    size_t used, room;
    void *arena; /* of the envelope that was shown last */
};

/* ---- bounds ------------------------------------------------------------------------------------------------ */

static int compare(const void *one, size_t one_length, const void *other, size_t other_length)
{
    size_t shorter = one_length < other_length ? one_length : other_length;
    int order = memcmp(one, other, shorter);
    return order ? order : (one_length > other_length) - (one_length < other_length);
}

/* Narrows a bound to `key`, if that is narrower. */
static void narrow(struct bound *bound, bool low, const void *key, size_t length, bool inclusive)
{
    if (bound->set) {
        int order = compare(key, length, bound->key, bound->length);
        if (low ? order < 0 : order > 0) return;
    }
    if (length) memcpy(bound->key, key, length);
    bound->length = length;
    bound->inclusive = inclusive;
    bound->set = true;
}

/* The keys of a prefix end where its last byte that can be raised, is. */
static void narrow_to_prefix(zcx_scan *scan, const uint8_t *prefix, size_t length)
{
    uint8_t after[ZCX_KEY_MAX];
    narrow(&scan->low, true, prefix, length, true);
    memcpy(after, prefix, length);
    while (length && after[length - 1] == 0xff)
        length--;
    if (!length) return;
    after[length - 1]++;
    narrow(&scan->high, false, after, length, false);
}

static bool inside(const zcx_scan *scan, const MDB_val *key)
{
    if (scan->low.set) {
        int order = compare(key->mv_data, key->mv_size, scan->low.key, scan->low.length);
        if (order < 0 || (order == 0 && !scan->low.inclusive)) return false;
    }
    if (scan->high.set) {
        int order = compare(key->mv_data, key->mv_size, scan->high.key, scan->high.length);
        if (order > 0 || (order == 0 && !scan->high.inclusive)) return false;
    }
    return true;
}

/* ---- one step ------------------------------------------------------------------------------------------------ */

static int first(const zcx_scan *scan, MDB_cursor *cursor, MDB_val *key, MDB_val *value)
{
    const struct bound *bound = scan->flags & ZCX_SCAN_REVERSE ? &scan->high : &scan->low;
    if (!bound->set || !bound->length)
        return mdb_cursor_get(cursor, key, value,
                              scan->flags & ZCX_SCAN_REVERSE ? MDB_LAST : MDB_FIRST);
    *key = (MDB_val){bound->length, (void *)bound->key};
    int result = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (!(scan->flags & ZCX_SCAN_REVERSE)) {
        if (!result && !bound->inclusive &&
            !compare(key->mv_data, key->mv_size, bound->key, bound->length))
            result = mdb_cursor_get(cursor, key, value, MDB_NEXT);
        return result;
    }
    if (result == MDB_NOTFOUND) return mdb_cursor_get(cursor, key, value, MDB_LAST);
    if (!result && !(bound->inclusive &&
                     !compare(key->mv_data, key->mv_size, bound->key, bound->length)))
        result = mdb_cursor_get(cursor, key, value, MDB_PREV);
    return result;
}

static zcx_status keep(zcx_scan *scan, const MDB_val *key, const MDB_val *value,
                       const struct zcxi_header *header, zcx_error *error)
{
    size_t extras = header->header_length - sizeof *header, need = key->mv_size + extras;
    if (scan->count == scan->capacity) {
        size_t capacity = scan->capacity ? scan->capacity * 2 : STEP;
        struct entry *entries = realloc(scan->entries, capacity * sizeof *entries);
        if (!entries) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a scan");
        scan->entries = entries;
        scan->capacity = capacity;
    }
    if (scan->used + need > scan->room) {
        size_t room = (scan->used + need) * 2;
        uint8_t *bytes = realloc(scan->bytes, room);
        if (!bytes) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a scan");
        scan->bytes = bytes;
        scan->room = room;
    }
    scan->entries[scan->count++] = (struct entry){*header, scan->used, key->mv_size};
    memcpy(scan->bytes + scan->used, key->mv_data, key->mv_size);
    memcpy(scan->bytes + scan->used + key->mv_size,
           (const uint8_t *)value->mv_data + sizeof *header, extras);
    scan->used += need;
    return ZCX_OK;
}

static bool shown(const zcx_scan *scan, const struct zcxi_header *header)
{
    return scan->flags & ZCX_SCAN_EXPIRED || !zcxi_expired_by_now(header);
}

/* The next step resumes after this key. */
static void resume_after(zcx_scan *scan, const MDB_val *key)
{
    struct bound *resume = scan->flags & ZCX_SCAN_REVERSE ? &scan->high : &scan->low;
    memcpy(resume->key, key->mv_data, key->mv_size);
    resume->length = key->mv_size;
    resume->set = true;
    resume->inclusive = false;
}

/* One record: kept if it is to be shown. */
static zcx_status look_at(zcx_scan *scan, const MDB_val *key, const MDB_val *value,
                          zcx_error *error)
{
    struct zcxi_header header;
    zcx_status status = zcxi_header_read(&header, value->mv_data, value->mv_size, key->mv_data,
                                         key->mv_size, error);
    if (!status && shown(scan, &header)) status = keep(scan, key, value, &header, error);
    return status;
}

static zcx_status walk(zcx_scan *scan, MDB_cursor *cursor, zcx_error *error)
{
    MDB_val key, value;
    zcx_error failure = ZCX_ERROR_INIT;
    bool snapshot = scan->flags & ZCX_SCAN_SNAPSHOT;
    int result = first(scan, cursor, &key, &value);
    for (size_t seen = 0; !result && inside(scan, &key); seen++) {
        if (seen == STEP && !snapshot) return ZCX_OK;
        if (scan->count == scan->left) {
            scan->done = snapshot; /* else some may expire before they are shown */
            return ZCX_OK;
        }
        zcx_status status = look_at(scan, &key, &value, &failure);
        if (status && scan->count && !snapshot) return ZCX_OK; /* show what comes before it first */
        resume_after(scan, &key); /* also past a damaged one: it is told of once */
        if (status) {
            if (error && !error->status) *error = failure;
            return status;
        }
        result = mdb_cursor_get(cursor, &key, &value,
                                scan->flags & ZCX_SCAN_REVERSE ? MDB_PREV : MDB_NEXT);
    }
    if (result && result != MDB_NOTFOUND) return zcxi_fail_lmdb(error, result, "cannot scan");
    scan->done = true;
    return ZCX_OK;
}

static zcx_status step(zcx_scan *scan, zcx_error *error)
{
    MDB_txn *reader;
    MDB_cursor *cursor;
    uint32_t index;
    zcx_status status = zcxi_store_enter(scan->store, error);
    if (!status) status = zcxi_reader_take(scan->store->env, &reader, &index, error);
    if (status) return status;
    scan->count = scan->next = scan->used = 0;
    int result = mdb_cursor_open(reader, scan->store->database, &cursor);
    if (result) {
        status = zcxi_fail_lmdb(error, result, "cannot open a cursor");
    } else {
        status = walk(scan, cursor, error);
        mdb_cursor_close(cursor);
    }
    zcxi_reader_give(scan->store->env, index);
    return status;
}

/* ---- the scan -------------------------------------------------------------------------------------------------- */

zcx_status zcx_store_scan(zcx_scan **out, zcx_store *store, const zcx_scan_options *options,
                          zcx_error *error)
{
    static const zcx_scan_options all = ZCX_SCAN_OPTIONS_INIT;
    if (!options) options = &all;
    zcx_status status = zcxi_store_enter(store, error);
    if (status) return status;
    if (options->struct_size != sizeof *options || options->flags & ~7u)
        return zcxi_fail(error, ZCX_EINVAL, 0, "scan options of %zu bytes with flags %#x",
                         options->struct_size, options->flags);
    if (options->prefix_length > ZCX_KEY_MAX || options->from_length > ZCX_KEY_MAX ||
        options->to_length > ZCX_KEY_MAX)
        return zcxi_fail(error, ZCX_EINVAL, 0, "a bound of a scan is over %d bytes", ZCX_KEY_MAX);
    zcx_scan *scan = calloc(1, sizeof *scan);
    if (!scan) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a scan");
    scan->store = store;
    scan->flags = options->flags;
    scan->left = options->limit ? options->limit : UINT64_MAX;
    if (options->from) narrow(&scan->low, true, options->from, options->from_length, true);
    if (options->to) narrow(&scan->high, false, options->to, options->to_length, false);
    if (options->prefix) narrow_to_prefix(scan, options->prefix, options->prefix_length);
    if (options->flags & ZCX_SCAN_SNAPSHOT) {
        status = step(scan, error);
        if (status) {
            free(scan->entries);
            free(scan->bytes);
            free(scan);
            return status;
        }
    }
    atomic_fetch_add(&store->children, 1);
    *out = scan;
    return ZCX_OK;
}

zcx_status zcx_scan_next(zcx_scan *scan, const void **key, size_t *key_length,
                         zcx_envelope *envelope, zcx_error *error)
{
    zcx_status status = zcxi_store_enter(scan->store, error);
    if (status) return status;
    if (envelope && envelope->struct_size != sizeof *envelope)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the envelope's struct_size is %zu, not %zu",
                         envelope->struct_size, sizeof *envelope);
    for (;;) { /* to the next that did not expire since its step */
        for (; scan->next < scan->count; scan->next++)
            if (shown(scan, &scan->entries[scan->next].header)) break;
        if (scan->next < scan->count) break;
        if (scan->done || !scan->left) return ZCX_ENOTFOUND;
        status = step(scan, error);
        if (status) return status;
    }
    const struct entry *entry = &scan->entries[scan->next];
    const uint8_t *bytes = scan->bytes + entry->key;
    if (envelope) {
        size_t extras = entry->header.header_length - sizeof entry->header;
        zcx_envelope found = {.struct_size = sizeof found};
        void *arena = realloc(scan->arena, ZCXI_ARENA_SIZE(extras));
        if (!arena) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a scan");
        scan->arena = arena;
        zcxi_header_show(&found, &entry->header);
        status = zcxi_extras_decode(&found, bytes + entry->key_length, extras, arena, error);
        if (status) return status;
        *envelope = found;
    }
    *key = bytes;
    *key_length = entry->key_length;
    scan->next++;
    scan->left--;
    return ZCX_OK;
}

void zcx_scan_close(zcx_scan *scan)
{
    if (!scan) return;
    zcx_store *store = scan->store;
    free(scan->entries);
    free(scan->bytes);
    free(scan->arena);
    free(scan);
    atomic_fetch_sub(&store->children, 1);
}
