#include "readers.h"

#include "clock.h"

#include <sched.h>

#define CLAIMED_AT_OPEN 2 /* LMDB's table has 1,024 at least, for 256 processes */
#define PATIENCE (100 * ZCXI_MS)

static zcx_status add(struct zcxi_env *env, uint32_t *index, zcx_error *error)
{
    uint32_t number = atomic_fetch_add(&env->reader_count, 1);
    if (number >= ZCXI_READERS) {
        atomic_fetch_sub(&env->reader_count, 1);
        return ZCX_EBUSY; /* no message: the caller waits */
    }
    MDB_txn *reader;
    int result = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &reader);
    int dead;
    if (result == MDB_READERS_FULL && !mdb_reader_check(env->lmdb, &dead) && dead)
        result = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &reader);
    if (result) {
        atomic_fetch_sub(&env->reader_count, 1);
        return zcxi_fail_lmdb(error, result, "cannot begin a read transaction");
    }
    mdb_txn_reset(reader);
    for (number = 0;; number = (number + 1) % ZCXI_READERS) {
        MDB_txn *none = NULL;
        if (atomic_compare_exchange_strong(&env->readers[number], &none, reader)) break;
    }
    *index = number;
    return ZCX_OK;
}

zcx_status zcxi_readers_claim(struct zcxi_env *env, zcx_error *error)
{
    for (int i = 0; i < CLAIMED_AT_OPEN; i++) {
        uint32_t index;
        zcx_status status = add(env, &index, error);
        if (status) return status;
        zcxi_reader_give(env, index);
    }
    return ZCX_OK;
}

/* A second LMDB's close in this process drops the lock that says we live, and the next who checks
 * the readers clears ours. Such a slot may be another's now: it is left alone, and so is the
 * transaction that points to it. */
static zcx_status renew(struct zcxi_env *env, uint32_t index, MDB_txn **out, zcx_error *error)
{
    *out = atomic_load_explicit(&env->readers[index], memory_order_relaxed);
    int result = mdb_txn_renew(*out);
    if (result == MDB_BAD_RSLOT) {
        zcxi_env_assert_locks(env);
        result = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, out);
        if (!result) atomic_store(&env->readers[index], *out);
    }
    return result ? zcxi_fail_lmdb(error, result, "cannot renew a read transaction") : ZCX_OK;
}

zcx_status zcxi_reader_renew(struct zcxi_env *env, uint32_t index, MDB_txn **out,
                             zcx_error *error)
{
    mdb_txn_reset(atomic_load_explicit(&env->readers[index], memory_order_relaxed));
    return renew(env, index, out, error);
}

void zcxi_readers_end(struct zcxi_env *env)
{
    for (uint32_t i = 0; i < ZCXI_READERS; i++)
        if (env->readers[i] && !mdb_txn_renew(env->readers[i])) mdb_txn_abort(env->readers[i]);
}

zcx_status zcxi_reader_take(struct zcxi_env *env, MDB_txn **out, uint32_t *index, zcx_error *error)
{
    uint64_t deadline = 0;
    for (;;) {
        uint64_t idle = atomic_load_explicit(&env->idle_readers, memory_order_relaxed);
        while (idle) {
            uint32_t lowest = (uint32_t)__builtin_ctzll(idle);
            if (!atomic_compare_exchange_weak(&env->idle_readers, &idle, idle & (idle - 1)))
                continue;
            *index = lowest;
            zcx_status status = renew(env, lowest, out, error);
            if (status) atomic_fetch_or(&env->idle_readers, UINT64_C(1) << lowest); /* at rest still */
            return status;
        }
        uint32_t added;
        zcx_status status = add(env, &added, error);
        if (!status) {
            zcxi_reader_give(env, added);
        } else if (status != ZCX_EBUSY) {
            return status;
        } else {
            uint64_t now = zcxi_monotonic();
            if (!deadline) deadline = now + PATIENCE;
            if (now > deadline)
                return zcxi_fail(error, ZCX_ELIMIT, 0,
                                 "%d read transactions of this process are in use", ZCXI_READERS);
            sched_yield();
        }
    }
}

void zcxi_reader_give(struct zcxi_env *env, uint32_t index)
{
    mdb_txn_reset(atomic_load_explicit(&env->readers[index], memory_order_relaxed));
    atomic_fetch_or(&env->idle_readers, UINT64_C(1) << index);
}

/* ---- the oldest snapshot ------------------------------------------------------------------------------ */

/* LMDB's reader table in lock.mdb, as every 0.9 with this lock format has it: the count behind the
 * head, then entries of a cache line. mdb_reader_list says the same in text, at 0.1 µs a reader. */
#define READER_COUNT 56
#define READER_TABLE 128
#define READER_SIZE 64

struct reader {
    _Atomic uint64_t snapshot; /* all ones: at rest */
    _Atomic uint32_t pid;      /* 0: free */
};

uint64_t zcxi_oldest_snapshot(const struct zcxi_env *env, uint64_t last, int *pid)
{
    uint32_t count = atomic_load((_Atomic uint32_t *)(env->lock_map + READER_COUNT));
    uint32_t most = (uint32_t)((env->lock_size - READER_TABLE) / READER_SIZE);
    for (uint32_t i = 0; i < count && i < most; i++) {
        struct reader *reader = (void *)(env->lock_map + READER_TABLE + (size_t)i * READER_SIZE);
        uint32_t owner = atomic_load(&reader->pid);
        uint64_t snapshot = atomic_load(&reader->snapshot);
        if (!owner || snapshot >= last) continue;
        last = snapshot;
        if (pid) *pid = (int)owner;
    }
    return last;
}

/* The last transaction is read before the scan: a reader that begins after it sees at least that. */
uint64_t zcxi_safe_raise(struct zcxi_env *env)
{
    uint64_t last = zcxi_env_last_transaction(env, NULL);
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t safe = zcxi_oldest_snapshot(env, last, NULL);
    _Atomic uint64_t *shared = &env->board.header->safe;
    uint64_t found = atomic_load(shared);
    while (found < safe && !atomic_compare_exchange_weak(shared, &found, safe))
        ;
    return atomic_load(shared);
}
