/* The environment: what a process has of one store, shared by all its handles. LMDB's environment
 * and the guard around it, the board, and two maps of data.mdb of our own: a PROT_READ one that
 * views come from (a stray write of a calculator is its own SIGSEGV), a PROT_WRITE one for loans. */
#ifndef ZCXI_ENV_H
#define ZCXI_ENV_H

#include "slots.h"

#include <limits.h>
#include <lmdb.h>
#include <string.h>

#define ZCXI_READERS ZCXI_COUNTS /* read transactions that a process pools at most */
#define ZCXI_DATABASES 128 /* of a store, its own two included: what LMDB is told of */

enum { ZCXI_READER_NONE, ZCXI_READER_IDLE, ZCXI_READER_BUSY };

struct zcxi_reader { /* on a cache line of its own: each is another thread's */
    _Alignas(64) _Atomic uint32_t state;
    MDB_txn *transaction; /* of who has it BUSY */
};

struct zcxi_line { /* group.h: who waits to commit */
    pthread_mutex_t mutex;
    struct zcxi_member *first, *last;
    bool led; /* somebody commits */
};

struct zcxi_env {
    struct zcxi_env *next; /* in the process's registry */
    uint32_t references;   /* under the registry's mutex, as is all of opening and closing */
    dev_t device;
    ino_t inode;
    pid_t pid;
    char path[PATH_MAX];
    struct zcxi_manifest manifest;
    _Atomic int64_t lock_timeout_ms;
    bool discarded; /* the store that was here before: of an earlier boot */
    const _Atomic uint32_t *token; /* on a MADV_WIPEONFORK page: 1, and 0 in a forked child */

    int directory, open_lock, data_file, guard; /* guard: lock.mdb, kept while LMDB is open */
    struct zcxi_board board;
    struct zcxi_self self;
    _Atomic uint64_t calls;  /* counter of call ids */
    _Atomic uint64_t looked; /* Unix ns: when the files were last seen to be there */
    struct zcxi_count *counts; /* of our entry, a reader's each */

    MDB_env *lmdb;
    MDB_dbi slots_db, queue_db;
    uint32_t page_size;
    uint32_t page_header; /* bytes before an overflow value: 16 in LMDB 0.9 */
    uint32_t leaf_most;   /* a node's header, key and value that still fit a leaf */
    uint64_t map_size;
    const char *reading;
    char *writing;
    char *lock_map; /* lock.mdb, through `guard` */
    size_t lock_size;

    struct zcxi_reader readers[ZCXI_READERS];
    struct zcxi_line line;

    _Atomic uint64_t *verified; /* [slots_max]: page << 21 | pages of slots found sound, else 0 */
};

/* Opens, or shares, the process's environment of the store at `path`. */
zcx_status zcxi_env_open(struct zcxi_env **out, const char *path, const zcx_store_options *options,
                         zcx_error *error);
/* One more reference. */
struct zcxi_env *zcxi_env_share(struct zcxi_env *env);
/* Gives one reference back; the last closes it. */
void zcxi_env_close(struct zcxi_env *env);

static inline bool zcxi_env_alive(const struct zcxi_env *env)
{
    return atomic_load_explicit(env->token, memory_order_relaxed) == 1;
}

__attribute__((cold)) zcx_status zcxi_fail_fork(const struct zcxi_env *env, zcx_error *error);

/* The board mutex, and recovery where the last holder died or left a commit unfinished. */
zcx_status zcxi_env_lock(struct zcxi_env *env, zcx_error *error);
void zcxi_env_unlock(struct zcxi_env *env);

/* What who waits does now and then: recovers from a holder of the mutex who died, and re-asserts
 * LMDB's locks. Waits for nobody. */
void zcxi_env_visit(struct zcxi_env *env);

/* ESTALE when somebody removed the store's files under us. A system call or two: for slow paths. */
zcx_status zcxi_env_fresh(struct zcxi_env *env, zcx_error *error);

/* Opens a database by name, or creates it in a transaction of its own; the mutex is held. */
zcx_status zcxi_env_database(struct zcxi_env *env, MDB_dbi *out, const char *name, unsigned flags,
                             zcx_error *error);

/* Re-asserts LMDB's POSIX locks on lock.mdb, which another LMDB's close in this process drops. */
void zcxi_env_assert_locks(struct zcxi_env *env);

static inline uint64_t zcxi_env_last_transaction(struct zcxi_env *env, uint64_t *last_page)
{
    MDB_envinfo info;
    mdb_env_info(env->lmdb, &info);
    if (last_page) *last_page = info.me_last_pgno;
    return info.me_last_txnid;
}

/* ---- a slot's payload ------------------------------------------------------------------------------ */

/* In a slot's value the payload begins at the first 64-byte boundary of the file. */
static inline uint32_t zcxi_payload_offset(const struct zcxi_env *env)
{
    return ZCX_ALIGNMENT - env->page_header % ZCX_ALIGNMENT;
}

static inline uint64_t zcxi_payload_position(const struct zcxi_env *env, uint64_t page)
{
    return page * env->page_size + env->page_header + zcxi_payload_offset(env);
}

static inline uint64_t zcxi_payload_capacity(const struct zcxi_env *env, uint32_t pages)
{
    return (uint64_t)pages * env->page_size - env->page_header - zcxi_payload_offset(env);
}

static inline uint64_t zcxi_payload_pages(const struct zcxi_env *env, uint64_t length)
{
    uint64_t bytes = length + env->page_header + zcxi_payload_offset(env);
    return (bytes + env->page_size - 1) / env->page_size;
}

/* The page that an overflow value begins on: LMDB writes its number at the page's head. */
static inline uint64_t zcxi_value_page(const struct zcxi_env *env, const void *value)
{
    uint64_t page;
    memcpy(&page, (const char *)value - env->page_header, sizeof page);
    return page;
}

/* Where slot `number`'s value lies, as zcx.slots says in this transaction, every number checked
 * against the map. Kept for the next time: a slot never moves. */
zcx_status zcxi_env_locate(struct zcxi_env *env, MDB_txn *transaction, uint32_t number,
                           uint64_t *page, uint32_t *pages, zcx_error *error);

/* The same, and looked at anew. */
zcx_status zcxi_env_read_slot(struct zcxi_env *env, MDB_txn *transaction, uint32_t number,
                              uint64_t *page, uint32_t *pages, zcx_error *error);

#endif
