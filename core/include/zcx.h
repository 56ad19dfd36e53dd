/* zcx: hand large payloads between languages in place, by reference, over one LMDB file.
 *
 * A producer takes a loan (memory of the store), fills it, and publishes it at a key; a consumer
 * views the key and reads the payload where it lies. Nothing is copied, whatever the size.
 *
 * Conventions of every call
 * - A fallible call returns a zcx_status, writes its outputs only on ZCX_OK, and takes a nullable
 *   zcx_error last. The error is the caller's, must be zeroed before the first use
 *   (ZCX_ERROR_INIT), and keeps the first failure that is written to it.
 * - Keys are 1 to ZCX_KEY_MAX bytes, any bytes. Strings are NUL-terminated UTF-8.
 * - Sizes and lengths are bytes. Times of records are Unix nanoseconds; timeouts and times to live
 *   are milliseconds.
 * - Thread rule, unless a call says otherwise: a zcx_store may be used by all threads at once; a
 *   loan, scan, batch, packer or call by one thread at a time; a view is immutable, may be read by
 *   all threads, and is released once.
 * - After fork() the child may call nothing on an inherited handle (ZCX_EFORK): it opens its own.
 */
#ifndef ZCX_H
#define ZCX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZCX_API __attribute__((visibility("default")))
#define ZCX_CHECKED __attribute__((warn_unused_result))

/* ---- Statuses and errors ---------------------------------------------------------------------- */

/* number, name, message: the one table that every language's errors are compared with */
#define ZCX_STATUS_TABLE(X)                                                                        \
    X(0, OK, "ok")                                                                                 \
    X(1, ENOTFOUND, "not found")                                                                   \
    X(2, EEXPIRED, "expired")                                                                      \
    X(3, EINVAL, "invalid argument")                                                               \
    X(4, ELIMIT, "limit exceeded")                                                                 \
    X(5, EFULL, "store is full")                                                                   \
    X(6, EBUSY, "busy")                                                                            \
    X(7, ETIMEDOUT, "timed out")                                                                   \
    X(8, ECORRUPT, "corrupt data")                                                                 \
    X(9, EVERSION, "unsupported version")                                                          \
    X(10, EACCES, "access refused")                                                                \
    X(11, ELOST, "loan lost")                                                                      \
    X(12, ESTALE, "store was removed")                                                             \
    X(13, EFORK, "handle was inherited over fork")                                                 \
    X(14, ECLOSED, "closed")                                                                       \
    X(15, EUNSUPPORTED, "not supported")                                                           \
    X(16, ENOMEM, "out of memory")                                                                 \
    X(17, ESYSTEM, "system error")                                                                 \
    X(18, EFAILED, "calculator failed")                                                            \
    X(19, EDELETED, "deleted")                                                                     \
    X(20, EDEAD, "producer died")                                                                  \
    X(21, ECANCELLED, "cancelled")

typedef enum zcx_status {
#define ZCX_STATUS_ENUM(number, name, message) ZCX_##name = number,
    ZCX_STATUS_TABLE(ZCX_STATUS_ENUM)
#undef ZCX_STATUS_ENUM
} zcx_status;

typedef struct zcx_error {
    zcx_status status;
    int cause;         /* errno, or LMDB's code (negative), or 0 */
    char message[504]; /* one sentence, with the names and numbers that matter */
} zcx_error;

#define ZCX_ERROR_INIT {ZCX_OK, 0, {0}}

ZCX_API const char *zcx_status_name(zcx_status status);    /* "ZCX_EFULL"; static */
ZCX_API const char *zcx_status_message(zcx_status status); /* "store is full"; static */
ZCX_API const char *zcx_version(void);                     /* "0.1.0"; static */

/* Where warnings go (a full store bypassed, an unusual file system). level: 'w' warning, 'i' info.
 * NULL restores the default: warnings to stderr; ZCX_LOG=off|warn|info decides how much. May be
 * called from any thread, with no lock of zcx held; never from a hot path. */
typedef void (*zcx_log_function)(void *context, char level, const char *message);
ZCX_API void zcx_log_set(zcx_log_function function, void *context);

/* Frees text that a call below handed out (stat, sweep, references). free(NULL) is a no-op. */
ZCX_API void zcx_free(void *memory);

/* ---- Limits and formats ----------------------------------------------------------------------- */

#define ZCX_KEY_MAX 511                            /* bytes */
#define ZCX_DATABASE_MAX 64                        /* bytes of a database's name */
#define ZCX_PAYLOAD_MAX (UINT64_C(0x100000000) - 65536) /* bytes: 4 GiB - 64 KiB */
#define ZCX_DIMENSIONS_MAX 64
#define ZCX_ALIGNMENT 64                           /* of every payload and typed array, in bytes */
#define ZCX_NESTING_MAX 512                        /* containers in containers, in msgpack */
#define ZCX_PROCESSES_MAX 256                      /* that have one store open at a time */
#define ZCX_BATCH_MAX 65536                        /* slots that one batch may change */

typedef enum zcx_format {
    ZCX_RAW = 0,
    ZCX_JSON = 1,
    ZCX_MSGPACK = 2,
    ZCX_NUMPY = 3, /* one array's elements; dtype, shape and order are in the envelope */
    ZCX_ARROW = 4, /* an Arrow IPC stream */
} zcx_format;

/* "raw", "json", …; "unknown" for another tag (its payload is read as raw). Static. */
ZCX_API const char *zcx_format_name(uint32_t format);
ZCX_API ZCX_CHECKED zcx_status zcx_format_parse(zcx_format *out, const char *name, zcx_error *error);

/* ---- Envelope --------------------------------------------------------------------------------- */

#define ZCX_TTL_DEFAULT 0 /* five minutes */
#define ZCX_TTL_NEVER (-1) /* until deleted */
#define ZCX_TTL_DEFAULT_MS 300000

#define ZCX_FLAG_ERROR 2u    /* the payload is a msgpack map {message, trace}, not a result */
#define ZCX_FLAG_CHECKSUM 4u /* the payload's CRC32C is stored, and can be verified */

/* What a record says about its payload. Given to put and publish (fields marked "in"), and filled
 * by zcx_view_envelope and zcx_scan_next. Strings and shape of a filled one belong to the view, or
 * are valid until the next zcx_scan_next. Zeroed with ZCX_ENVELOPE_INIT: raw, default TTL. */
typedef struct zcx_envelope {
    size_t struct_size;
    uint32_t format;          /* in: a zcx_format; out: may be a tag that this version doesn't know */
    uint32_t flags;           /* in: ZCX_FLAG_* */
    int64_t ttl_ms;           /* in: milliseconds, ZCX_TTL_DEFAULT or ZCX_TTL_NEVER; out: 0 */
    const char *source;       /* in, nullable: who wrote it */
    const char *target;       /* in, nullable: for whom */
    const char *content_type; /* in, nullable: a media type */
    const char *dtype;        /* in, numpy: an array-protocol type string, "<f8", or for structured
                                 types NumPy's dtype.descr as JSON text, [["a", "<i4"], …] */
    const uint64_t *shape;    /* in, numpy: ndim sizes */
    uint32_t ndim;            /* in, numpy */
    char order;               /* in, numpy: 'C' or 'F'; 0 is 'C' */
    bool in_slot;             /* out: the payload lies in a slot, not in the record */
    uint32_t slot;            /* out */
    uint32_t generation;      /* out */
    uint32_t checksum;        /* out: CRC32C of the payload if ZCX_FLAG_CHECKSUM */
    uint64_t length;          /* out: the payload's bytes */
    uint64_t transaction;     /* out: LMDB's id of the transaction that published it */
    uint64_t created;         /* out: Unix ns */
    uint64_t expires;         /* out: Unix ns, 0: never */
} zcx_envelope;

#define ZCX_ENVELOPE_INIT {.struct_size = sizeof(zcx_envelope)}

/* ---- Store ------------------------------------------------------------------------------------ */

typedef struct zcx_store zcx_store;
typedef struct zcx_loan zcx_loan;
typedef struct zcx_view zcx_view;
typedef struct zcx_scan zcx_scan;
typedef struct zcx_batch zcx_batch;

typedef enum zcx_durability {
    ZCX_DURABILITY_DEFAULT = 0, /* what the store was created with; a new one: none */
    ZCX_DURABILITY_NONE = 1,    /* ephemeral: gone when the machine restarts */
    ZCX_DURABILITY_COMMIT = 2,  /* a publish returns after its payload and record are on disk */
} zcx_durability;

#define ZCX_OPEN_EXISTING 1u /* never create: ZCX_ENOTFOUND when there is no store at the path */
#define ZCX_OPEN_REBUILD 2u  /* make the board anew from data.mdb: ZCX_EBUSY while anybody has the store
                                open. For a store that does not open otherwise */

typedef struct zcx_store_options {
    size_t struct_size;
    const char *database;      /* records' database; NULL: "default". "zcx." is reserved */
    uint64_t budget;           /* bytes that the store may use; fixed at creation; 0: see zcx_store_open */
    uint64_t map_size;         /* address space in bytes; fixed at creation; 0: four times the budget */
    zcx_durability durability; /* fixed at creation */
    uint32_t max_readers;      /* LMDB reader slots; fixed at creation; 0: 1024, the least */
    uint32_t flags;            /* ZCX_OPEN_* */
    int64_t lock_timeout_ms;   /* for any lock that another process holds; 0: 10,000. The last
                                  handle of a process that asks decides for all of a store's */
    const char *group;         /* name or number of a group whose members share the store; NULL: it is
                                  its owner's only. Every opener names it */
} zcx_store_options;

#define ZCX_STORE_OPTIONS_INIT {.struct_size = sizeof(zcx_store_options)}

/* Opens the store at directory `path` (NULL: $ZCX_PATH, else /dev/shm/zcx-<uid>, else
 * $XDG_RUNTIME_DIR/zcx, else /tmp/zcx-<uid>), creating it unless told not to: with mode 0700, or with
 * a group, of which the opener must be a member, with mode 2770, and then all members may read, write
 * and remove what is in it. A store's budget, map size, durability and readers are set at creation; an
 * opener that asks for others gets ZCX_EBUSY, which names both values. The default budget is half of
 * the least of the file system's free space, available memory (tmpfs) and the room under the cgroup's
 * memory limit, and at least 256 MiB where that is free. Within a process, handles of one store share
 * one environment.
 * Errors: EACCES (not ours, not the group's, or others may write to it), EUNSUPPORTED (file system,
 * pid namespace), EVERSION, EBUSY (another LMDB in this process; a lock held: names the pid), EFULL,
 * ECORRUPT, ELIMIT (process table; RLIMIT_FSIZE below the map size), ESTALE, EINVAL (database name). */
ZCX_API ZCX_CHECKED zcx_status zcx_store_open(zcx_store **out, const char *path,
                                              const zcx_store_options *options, zcx_error *error);

/* Closes a handle. EBUSY while views, loans, scans or batches of it live: nothing is freed under
 * them, and the handle stays open. In a forked child it frees the handle's memory at most.
 * NULL is a no-op. No other call may run on the handle meanwhile. */
ZCX_API zcx_status zcx_store_close(zcx_store *store, zcx_error *error);

ZCX_API const char *zcx_store_path(const zcx_store *store);     /* absolute; as long as the handle */
ZCX_API const char *zcx_store_database(const zcx_store *store); /* as long as the handle */

/* Publishes a copy of `length` bytes at `key` in one step. What fits an LMDB leaf with its
 * envelope (about 1.9 KB) is kept in the record, else in a slot. `transaction` (nullable) gets
 * LMDB's transaction id. Errors: EINVAL, ELIMIT, EFULL, ETIMEDOUT (the lock: names the pid). */
ZCX_API ZCX_CHECKED zcx_status zcx_store_put(zcx_store *store, const void *key, size_t key_length,
                                             const void *data, uint64_t length,
                                             const zcx_envelope *envelope, uint64_t *transaction,
                                             zcx_error *error);

/* Publishes an error record at `key`: who views it sees ZCX_FLAG_ERROR. `trace` is nullable. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_put_error(zcx_store *store, const void *key,
                                                   size_t key_length, const char *message,
                                                   const char *trace, int64_t ttl_ms,
                                                   zcx_error *error);

/* ENOTFOUND when no record was there. Views of it stay valid. An expired one is deleted, and
 * reported as ENOTFOUND. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_delete(zcx_store *store, const void *key,
                                                size_t key_length, zcx_error *error);

/* An expired record does not exist. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_exists(bool *out, zcx_store *store, const void *key,
                                                size_t key_length, zcx_error *error);

/* Records in the database, expired ones that no sweep has met yet included. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_count(uint64_t *out, zcx_store *store, zcx_error *error);

/* ---- Loan: memory of the store, to build a payload in ------------------------------------------ */

/* Lends at least `size` writable bytes, 64-byte aligned, not zeroed (they may hold older
 * payloads). Takes no lock when a slot of the size is free. When the store is full it first frees
 * what expired and what dead processes held, then waits up to `timeout_ms` (0: not at all) for
 * room. Errors: ELIMIT (size over ZCX_PAYLOAD_MAX), EFULL (names the holders), ETIMEDOUT. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_loan(zcx_loan **out, zcx_store *store, uint64_t size,
                                              int64_t timeout_ms, zcx_error *error);
ZCX_API void *zcx_loan_data(zcx_loan *loan);             /* valid until publish or discard */
ZCX_API uint64_t zcx_loan_capacity(const zcx_loan *loan); /* bytes, at least what was asked for */

/* memcpy, for putting what lies elsewhere into a loan: faster for large payloads. */
ZCX_API void zcx_copy(void *to, const void *from, size_t length);

/* Makes the first `length` bytes the payload at `key`, atomically, in place; whoever held a view of
 * what was there keeps it. On ZCX_OK the loan is gone and nobody may write its memory any more; on
 * an error the loan is still the caller's. Errors: EINVAL, ELIMIT, EFULL, ELOST, ETIMEDOUT. */
ZCX_API ZCX_CHECKED zcx_status zcx_loan_publish(zcx_loan *loan, const void *key, size_t key_length,
                                                uint64_t length, const zcx_envelope *envelope,
                                                uint64_t *transaction, zcx_error *error);
/* The same, and *view holds what was published: it is the loan's payload even when another writer
 * overwrites the key at once. For who goes on reading the memory that it wrote. */
ZCX_API ZCX_CHECKED zcx_status zcx_loan_publish_view(zcx_view **view, zcx_loan *loan,
                                                     const void *key, size_t key_length,
                                                     uint64_t length, const zcx_envelope *envelope,
                                                     uint64_t *transaction, zcx_error *error);
ZCX_API void zcx_loan_discard(zcx_loan *loan); /* NULL is a no-op */

/* ---- View: a payload, read where it lies -------------------------------------------------------- */

/* Pins the payload at `key`: its bytes do not change until the release, whatever is overwritten,
 * deleted, expired or killed meanwhile. Costs no lock, no system call and no allocation in the
 * steady state. Errors: ENOTFOUND, EEXPIRED, EINVAL, ECORRUPT, ELIMIT (32,768 views of one payload
 * in one process). A record in the database that says ZCX_FLAG_ERROR is returned like any other. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_view(zcx_view **out, zcx_store *store, const void *key,
                                              size_t key_length, zcx_error *error);
/* Waits until the key has a record of a later transaction than `after` (0: any), at most
 * `timeout_ms` (negative: for ever), and views it. Errors, besides those of zcx_store_view:
 * ETIMEDOUT, EDELETED (`after` is not 0, and there is none any more), EEXPIRED (it came, and
 * expired), EFAILED, or what it stands for, with its message, when it is an error record, ESTALE.
 * Spins for up to 0.05 ms, then sleeps without using the processor. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_wait(zcx_view **out, zcx_store *store, const void *key,
                                              size_t key_length, uint64_t after, int64_t timeout_ms,
                                              zcx_error *error);
/* Waits until the store has a transaction later than *transaction, which it then is: for who shows
 * all that comes. Anything that is put, deleted, sent to a queue or answered is one. Errors:
 * ETIMEDOUT, ESTALE. Sleeps as zcx_store_wait does. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_wait_commit(zcx_store *store, uint64_t *transaction,
                                                     int64_t timeout_ms, zcx_error *error);
ZCX_API const void *zcx_view_data(const zcx_view *view);      /* 64-byte aligned */
ZCX_API uint64_t zcx_view_length(const zcx_view *view);       /* bytes */
ZCX_API const void *zcx_view_key(const zcx_view *view, size_t *length);
ZCX_API zcx_store *zcx_view_store(const zcx_view *view);
/* Fills *envelope (its struct_size set by the caller). ECORRUPT when the extras are not valid. */
ZCX_API ZCX_CHECKED zcx_status zcx_view_envelope(const zcx_view *view, zcx_envelope *envelope,
                                                 zcx_error *error);
/* Compares the payload with its stored checksum: ECORRUPT, or ENOTFOUND when it has none. */
ZCX_API ZCX_CHECKED zcx_status zcx_view_verify(const zcx_view *view, zcx_error *error);
ZCX_API void zcx_view_release(zcx_view *view); /* NULL is a no-op; from any thread */

/* ---- Scan: keys and envelopes in order ----------------------------------------------------------- */

#define ZCX_SCAN_REVERSE 1u
#define ZCX_SCAN_SNAPSHOT 2u /* copy all keys from one snapshot first, whatever that takes */
#define ZCX_SCAN_EXPIRED 4u  /* show expired records too */

typedef struct zcx_scan_options {
    size_t struct_size;
    const void *prefix; /* nullable */
    size_t prefix_length;
    const void *from; /* nullable; inclusive; the lower bound, in reverse too */
    size_t from_length;
    const void *to; /* nullable; exclusive; the upper bound */
    size_t to_length;
    uint64_t limit; /* records; 0: all */
    uint32_t flags; /* ZCX_SCAN_* */
} zcx_scan_options;

#define ZCX_SCAN_OPTIONS_INIT {.struct_size = sizeof(zcx_scan_options)}

/* Walks the keys in byte order in steps of at most 1,024: each step is one snapshot, no read
 * transaction is open between steps, and the next step resumes after the last key. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_scan(zcx_scan **out, zcx_store *store,
                                              const zcx_scan_options *options, zcx_error *error);
/* The next key (valid until the next call), and its envelope where asked for. ENOTFOUND at the end
 * (no message is written). A damaged envelope is ECORRUPT once; the next call goes on behind it. */
ZCX_API ZCX_CHECKED zcx_status zcx_scan_next(zcx_scan *scan, const void **key, size_t *key_length,
                                             zcx_envelope *envelope, zcx_error *error);
ZCX_API void zcx_scan_close(zcx_scan *scan);

/* ---- Batch: many puts and deletes in one atomic transaction --------------------------------------- */

ZCX_API ZCX_CHECKED zcx_status zcx_store_batch(zcx_batch **out, zcx_store *store, zcx_error *error);
/* Copies the payload now; it is seen by others at commit. Later entries of a key win. */
ZCX_API ZCX_CHECKED zcx_status zcx_batch_put(zcx_batch *batch, const void *key, size_t key_length,
                                             const void *data, uint64_t length,
                                             const zcx_envelope *envelope, zcx_error *error);
/* Takes a loan over, without a copy; on an error it stays the caller's. */
ZCX_API ZCX_CHECKED zcx_status zcx_batch_publish(zcx_batch *batch, zcx_loan *loan, const void *key,
                                                 size_t key_length, uint64_t length,
                                                 const zcx_envelope *envelope, zcx_error *error);
/* Deleting what is not there is no error. */
ZCX_API ZCX_CHECKED zcx_status zcx_batch_delete(zcx_batch *batch, const void *key,
                                                size_t key_length, zcx_error *error);
/* All or nothing. On ZCX_OK the batch is gone; on an error it is still the caller's. */
ZCX_API ZCX_CHECKED zcx_status zcx_batch_commit(zcx_batch *batch, uint64_t *transaction,
                                                zcx_error *error);
ZCX_API void zcx_batch_discard(zcx_batch *batch); /* NULL is a no-op */

/* ---- Looking after a store -------------------------------------------------------------------------- */

/* What the store is and holds, as one JSON object (keys in docs/stat.md): store, databases, slots
 * by state and class, bytes, holders with pid, age, pins and loans. Free with zcx_free. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_stat(char **json, zcx_store *store, zcx_error *error);

#define ZCX_SWEEP_TRIM 1u /* give the memory of idle slots back */

/* One sweep: deletes what expired, frees what dead processes held, clears LMDB's stale readers, and
 * trims when told to; as fast as it can. `json` (nullable) gets what it did. Several sweepers do no harm. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_sweep(char **json, zcx_store *store, uint32_t flags,
                                               zcx_error *error);

/* How a sweep goes about it. Zeroed with ZCX_SWEEP_OPTIONS_INIT it is zcx_store_sweep's. */
typedef struct zcx_sweep_options {
    size_t struct_size;
    uint32_t flags;   /* ZCX_SWEEP_* */
    int64_t idle_ms;  /* with ZCX_SWEEP_TRIM: only memory that nobody has used for so long */
    int64_t every_ms; /* it is one of a series, so often. Then it shares the work with other processes'
                         sweeps, skips what cannot have changed since the last one, and looks for idle
                         memory eight times in `idle_ms`. 0: everything, now */
    /* Not NULL: it paces itself. It calls this to let `ns` pass, with no lock and no snapshot held, in
     * the calling thread; false ends the sweep early. So it takes 3 % of a core while little expired,
     * and half of the writers' lock while much did. */
    bool (*rest)(void *context, uint64_t ns);
    void *context;
} zcx_sweep_options;

#define ZCX_SWEEP_OPTIONS_INIT {.struct_size = sizeof(zcx_sweep_options)}

/* As zcx_store_sweep; what a daemon does in a loop. ESTALE when the store was removed: close it. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_sweep_by(char **json, zcx_store *store,
                                                  const zcx_sweep_options *options,
                                                  zcx_error *error);

/* Sound or not, as one JSON object: {"sound": bool, "records": n, "findings": [{"level", "text",
 * "advice", "repair"}]}, where `repair` is what zcx_store_repair does about it; after 1,000 of them a last one
 * says how many more there are. Reads every record, request and slot, and every payload that has a
 * checksum. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_check(char **json, zcx_store *store, zcx_error *error);

#define ZCX_REPAIR_RECORDS 1u /* delete damaged records */

/* Checks, does what can be done about what was found, while the store goes on, and checks again: `json`
 * gets the second check's report, with "repaired": [text]. Frees what dead processes held, clears LMDB's
 * stale readers, sets slots right by the records that name them, removes requests that cannot be
 * read, and deletes damaged records when told to. A board that keeps a store from being opened is made
 * anew by ZCX_OPEN_REBUILD. */
ZCX_API ZCX_CHECKED zcx_status zcx_store_repair(char **json, zcx_store *store, uint32_t flags,
                                                zcx_error *error);

typedef struct zcx_backup_options {
    size_t struct_size;
    zcx_durability durability; /* of the copy: ZCX_DURABILITY_COMMIT, also for 0, lasts; a copy with
                                  ZCX_DURABILITY_NONE ends with this boot, as in /dev/shm it does */
    /* Nullable: called now and then, in the caller's thread and with no lock held, with the payload
     * bytes copied so far and in all; false ends the backup: ECANCELLED. */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
} zcx_backup_options;

#define ZCX_BACKUP_OPTIONS_INIT {.struct_size = sizeof(zcx_backup_options)}

/* Copies the whole store, as it is at one moment, to a new store at `destination`, which must not
 * exist: it appears, complete and on disk, when the copy is done. Until then there is a directory
 * `destination`.partial, which opens as no store, and which the next backup to there takes over when
 * this process is killed. The store goes on meanwhile; payloads that are overwritten before they are
 * copied are held, as by views. Expired records are left out, and so are damaged ones. `json`
 * (nullable) gets what was copied: {"path", "transaction", "records", "requests", "payload_bytes",
 * "left_out": [text]}. Errors: EINVAL (destination exists), EBUSY (another backup to there), EFULL,
 * EACCES, EUNSUPPORTED, ECANCELLED, ECORRUPT (the store's tree is damaged). */
ZCX_API ZCX_CHECKED zcx_status zcx_store_backup(char **json, zcx_store *store,
                                                const char *destination,
                                                const zcx_backup_options *options,
                                                zcx_error *error);

#ifdef __cplusplus
}
#endif

#include "zcx_msgpack.h"
#include "zcx_calculator.h"

#endif
