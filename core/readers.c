#include "readers.h"

#include "clock.h"

#include <fcntl.h>
#include <sched.h>

#define CLAIMED_AT_OPEN 2 /* LMDB's table has 1,024 at least, for 256 processes */
#define PATIENCE (100 * ZCXI_MS)

/* The first reader of its kind becomes BUSY, ours; false when there is none. */
static bool claim(struct zcxi_env *env, uint32_t kind, uint32_t *index)
{
    for (uint32_t i = 0; i < ZCXI_READERS; i++) {
        uint32_t found = atomic_load_explicit(&env->readers[i].state, memory_order_relaxed);
        if (found != kind ||
            !atomic_compare_exchange_strong(&env->readers[i].state, &found, ZCXI_READER_BUSY))
            continue;
        *index = i;
        return true;
    }
    return false;
}

static void leave(struct zcxi_env *env, uint32_t index, uint32_t kind)
{
    atomic_store_explicit(&env->readers[index].state, kind, memory_order_release);
}

static zcx_status begin(struct zcxi_env *env, uint32_t index, MDB_txn **out, zcx_error *error)
{
    int dead, result = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, out);
    if (result == MDB_READERS_FULL && !mdb_reader_check(env->lmdb, &dead) && dead)
        result = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, out);
    if (result) return zcxi_fail_lmdb(error, result, "cannot begin a read transaction");
    env->readers[index].transaction = *out;
    return ZCX_OK;
}

/* A second LMDB's close in this process drops the lock that says we live, and the next who checks
 * the readers clears ours. Such a slot may be another's now: it is left alone, and so is the
 * transaction that points to it. */
static zcx_status renew(struct zcxi_env *env, uint32_t index, MDB_txn **out, zcx_error *error)
{
    *out = env->readers[index].transaction;
    int result = mdb_txn_renew(*out);
    if (!result) return ZCX_OK;
    if (result != MDB_BAD_RSLOT)
        return zcxi_fail_lmdb(error, result, "cannot renew a read transaction");
    zcxi_env_assert_locks(env);
    return begin(env, index, out, error);
}

zcx_status zcxi_reader_renew(struct zcxi_env *env, uint32_t index, MDB_txn **out,
                             zcx_error *error)
{
    mdb_txn_reset(env->readers[index].transaction);
    return renew(env, index, out, error);
}

zcx_status zcxi_readers_claim(struct zcxi_env *env, zcx_error *error)
{
    MDB_txn *reader;
    uint32_t taken = 0, index;
    zcx_status status = ZCX_OK;
    for (; taken < CLAIMED_AT_OPEN && !status; taken += !status)
        status = zcxi_reader_take(env, &reader, &index, error);
    while (taken)
        zcxi_reader_give(env, --taken); /* nobody else has the environment yet */
    return status;
}

void zcxi_readers_end(struct zcxi_env *env)
{
    for (uint32_t i = 0; i < ZCXI_READERS; i++)
        if (env->readers[i].transaction && !mdb_txn_renew(env->readers[i].transaction))
            mdb_txn_abort(env->readers[i].transaction);
}

zcx_status zcxi_reader_take(struct zcxi_env *env, MDB_txn **out, uint32_t *index, zcx_error *error)
{
    zcx_status status;
    for (uint64_t deadline = 0;;) {
        if (claim(env, ZCXI_READER_IDLE, index)) {
            status = renew(env, *index, out, error);
            if (status) leave(env, *index, ZCXI_READER_IDLE);
            return status;
        }
        if (claim(env, ZCXI_READER_NONE, index)) {
            status = begin(env, *index, out, error);
            if (status) leave(env, *index, ZCXI_READER_NONE);
            return status;
        }
        uint64_t now = zcxi_monotonic();
        if (!deadline) deadline = now + PATIENCE;
        if (now > deadline)
            return zcxi_fail(error, ZCX_ELIMIT, 0,
                             "%d read transactions of this process are in use", ZCXI_READERS);
        sched_yield();
    }
}

void zcxi_reader_give(struct zcxi_env *env, uint32_t index)
{
    mdb_txn_reset(env->readers[index].transaction);
    leave(env, index, ZCXI_READER_IDLE);
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

/* LMDB's sign of life is a lock on the byte of the pid. */
static bool lives(const struct zcxi_env *env, uint32_t pid)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)pid, .l_len = 1};
    return pid == (uint32_t)env->pid || fcntl(env->guard, F_GETLK, &lock) || lock.l_type != F_UNLCK;
}

uint32_t zcxi_readers_stale(const struct zcxi_env *env)
{
    uint32_t stale = 0, count = atomic_load((_Atomic uint32_t *)(env->lock_map + READER_COUNT));
    uint32_t most = (uint32_t)((env->lock_size - READER_TABLE) / READER_SIZE);
    for (uint32_t i = 0; i < count && i < most; i++) {
        struct reader *reader = (void *)(env->lock_map + READER_TABLE + (size_t)i * READER_SIZE);
        uint32_t owner = atomic_load(&reader->pid);
        stale += owner && !lives(env, owner);
    }
    return stale;
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
    ZCXI_POINT(safe.raised);
    return atomic_load(shared);
}
