/* A small store of which every payload is known and has a checksum; its files as they were when it was
 * closed; and what a process may find in them after somebody altered a byte: an error, or what was
 * put. Shared by the tests that flip bytes and the fuzzers that alter more. */
#ifndef ZCX_MUTATED_H
#define ZCX_MUTATED_H

#include "stores.h"

#include <sys/stat.h>

enum { MUTATED_RECORDS = 24, MUTATED_BUDGET = 16 << 20, MUTATED_MOST = 4 << 20 };

static const char *const mutated_databases[] = {"default", "second"};
enum { MUTATED_DATABASES = 2 };

struct image { /* of a file, as far as it is used */
    const char *name;
    uint8_t *bytes;
    size_t used;
    off_t size;
};

static inline zcx_status open_mutated(zcx_store **store, const char *path, const char *database,
                                      zcx_durability durability, zcx_error *error)
{
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.database = database;
    options.budget = MUTATED_BUDGET;
    options.durability = durability;
    options.lock_timeout_ms = 500;
    return zcx_store_open(store, path, &options, error);
}

static inline void mutated_key(char key[16], int i)
{
    snprintf(key, 16, "record-%03d", i);
}

/* Some inline, and enough for a tree of two levels; some in slots of one to three pages. */
static inline uint64_t mutated_length(int i)
{
    return i % 4 ? 700 + (uint64_t)i * 10 : 1000 + (uint64_t)i * 400;
}

static inline zcx_status put_mutated(zcx_store *store, int i, zcx_error *error)
{
    char key[16];
    uint64_t shape[] = {mutated_length(i)};
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.flags = ZCX_FLAG_CHECKSUM;
    envelope.ttl_ms = ZCX_TTL_NEVER;
    if (i % 3 == 0) {
        envelope.format = ZCX_NUMPY;
        envelope.dtype = "|u1";
        envelope.shape = shape;
        envelope.ndim = 1;
    }
    mutated_key(key, i);
    return try_put(store, key, mutated_length(i), (unsigned)i, &envelope, error);
}

/* The last commits change no record, so that the snapshot before the last is as good as the last. */
static inline zcx_status make_mutated(const char *path, zcx_durability durability, zcx_error *error)
{
    zcx_status status = ZCX_OK;
    for (int d = 0; d < MUTATED_DATABASES && !status; d++) {
        zcx_store *store;
        status = open_mutated(&store, path, mutated_databases[d], durability, error);
        if (status) return status;
        for (int i = 0; i < 2 * MUTATED_RECORDS && !status; i++)
            status = put_mutated(store, i % MUTATED_RECORDS, error);
        for (int i = 0; i < 4 && !status; i++) {
            status = try_put(store, "gone", 3000, 1, NULL, error);
            if (!status) status = zcx_store_delete(store, "gone", 4, error);
        }
        if (!status) status = zcx_store_close(store, error);
    }
    return status;
}

/* ---- the files ------------------------------------------------------------------------------------------ */

static inline bool read_image(struct image *image, const char *path, const char *name)
{
    char full[300];
    struct stat about;
    snprintf(full, sizeof full, "%s/%s", path, name);
    int file = open(full, O_RDONLY | O_CLOEXEC);
    image->name = name;
    image->bytes = malloc(MUTATED_MOST);
    ssize_t length = file < 0 || fstat(file, &about) ? -1 : read(file, image->bytes, MUTATED_MOST);
    if (file >= 0) close(file);
    if (length < 0) return false;
    image->size = about.st_size;
    image->used = (size_t)length;
    while (image->used && !image->bytes[image->used - 1])
        image->used--;
    return true;
}

static inline bool write_image(const struct image *image, const char *path)
{
    char full[300];
    snprintf(full, sizeof full, "%s/%s", path, image->name);
    int file = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return false;
    bool whole = !ftruncate(file, image->size) &&
                 pwrite(file, image->bytes, image->used, 0) == (ssize_t)image->used;
    close(file);
    return whole;
}

/* ---- what may be found ---------------------------------------------------------------------------------- */

static inline bool is_mutated_payload(const void *data, uint64_t length, int i)
{
    static uint8_t *payloads[MUTATED_RECORDS];
    if (length != mutated_length(i)) return false;
    if (!payloads[i]) fill(payloads[i] = malloc(length), length, (unsigned)i);
    return !memcmp(data, payloads[i], length);
}

enum found { FOUND_RIGHT, FOUND_ERROR, FOUND_NOTHING, FOUND_WRONG };

static inline enum found find_mutated(zcx_store *store, int i)
{
    char key[16];
    zcx_view *view;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    mutated_key(key, i);
    zcx_status status = zcx_store_view(&view, store, key, strlen(key), NULL);
    if (status == ZCX_ENOTFOUND) return FOUND_NOTHING;
    if (status) return FOUND_ERROR;
    status = zcx_view_envelope(view, &envelope, NULL);
    if (!status) status = zcx_view_verify(view, NULL);
    bool right = false;
    for (int j = 0; j < MUTATED_RECORDS && !status && !right; j++) /* a key may be another's now */
        right = is_mutated_payload(zcx_view_data(view), zcx_view_length(view), j);
    zcx_view_release(view);
    return status ? FOUND_ERROR : right ? FOUND_RIGHT : FOUND_WRONG;
}

/* Looks at, writes to, sweeps and checks a store, whatever it says to that. NULL, or what was wrong:
 * a payload that was not put, or one that was right and is not any more after others were written. */
static inline const char *live_in_mutated(zcx_store *store)
{
    char *text;
    const void *key;
    size_t key_length;
    uint64_t count;
    zcx_scan *scan;
    zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    enum found before[MUTATED_RECORDS];
    options.flags = ZCX_SCAN_EXPIRED;
    if (!zcx_store_scan(&scan, store, &options, NULL)) {
        for (int i = 0; i < 1000; i++)
            if (zcx_scan_next(scan, &key, &key_length, &envelope, NULL) == ZCX_ENOTFOUND) break;
        zcx_scan_close(scan);
    }
    (void)!zcx_store_count(&count, store, NULL);
    for (int i = 0; i < MUTATED_RECORDS; i++) {
        before[i] = find_mutated(store, i);
        if (before[i] == FOUND_WRONG) return "a view has another payload than was put";
    }
    for (int i = 0; i < 12; i++) {
        char name[] = {'n', (char)('a' + i), 0};
        (void)!try_put(store, name, i % 2 ? 600 : 3000 * (uint64_t)i, 7, NULL, NULL);
        if (i % 3 == 0) (void)!put_mutated(store, i, NULL);
        if (i % 5 == 4) (void)!zcx_store_delete(store, name, 2, NULL);
    }
    for (uint32_t flags = 0; flags <= ZCX_SWEEP_TRIM; flags++)
        if (!zcx_store_sweep(&text, store, flags, NULL)) zcx_free(text);
    if (!zcx_store_stat(&text, store, NULL)) zcx_free(text);
    if (!zcx_store_check(&text, store, NULL)) zcx_free(text);
    for (int i = 0; i < MUTATED_RECORDS; i++) {
        enum found now = find_mutated(store, i);
        if (now == FOUND_WRONG) return "a view has another payload than was put, after writing";
        if (before[i] == FOUND_RIGHT && now != FOUND_RIGHT) return "writing has damaged a payload";
    }
    return NULL;
}

#endif
