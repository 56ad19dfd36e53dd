#include "wait.h"

#include "clock.h"
#include "envelope.h"
#include "readers.h"
#include "store.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLEEPS 1u                 /* bit 0 of a word */
#define LOOKS 20 /* between two yields */
#define SPIN UINT64_C(50000)     /* ns: what a wake-up costs where cores are taken */

uint32_t zcxi_wait_hash(const char *database, const void *key, size_t key_length)
{
    return zcxi_crc32c(zcxi_crc32c(0, database, strlen(database)), key, key_length);
}

static _Atomic uint32_t *word_of(const struct zcxi_env *env, uint64_t hash)
{
    if (hash == ZCXI_ANY_COMMIT) return &env->board.header->commits;
    return &env->board.waits[hash % ZCXI_WAITS].word;
}

/* The sleeper sets its bit and then looks; we committed and then look for its bit. */
static void wake(_Atomic uint32_t *word)
{
    uint32_t found = atomic_load(word);
    while (found & SLEEPS)
        if (atomic_compare_exchange_weak(word, &found, (found & ~SLEEPS) + 2)) {
            ZCXI_POINT(wake.raised);
            syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
            return;
        }
}

void zcxi_wake(const struct zcxi_env *env, uint32_t hash)
{
    atomic_thread_fence(memory_order_seq_cst);
    wake(word_of(env, hash));
    ZCXI_POINT(wake.one);
    wake(word_of(env, ZCXI_ANY_COMMIT));
}

void zcxi_wake_all(const struct zcxi_env *env)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load(&env->board.header->slept)) return; /* spares a recovery 4,096 looks */
    for (uint32_t i = 0; i < ZCXI_WAITS; i++)
        wake(&env->board.waits[i].word);
    wake(word_of(env, ZCXI_ANY_COMMIT));
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value, uint64_t ns)
{
    struct timespec time = {(time_t)(ns / ZCXI_S), (long)(ns % ZCXI_S)};
    syscall(SYS_futex, word, FUTEX_WAIT, value, &time, NULL, 0);
}

/* Looks for about as long as a yield takes. */
static bool committed(struct zcxi_env *env, uint64_t before)
{
    for (int i = 0; i < LOOKS; i++) {
        if (zcxi_env_last_transaction(env, NULL) != before) return true;
        zcxi_pause();
    }
    return false;
}

zcx_status zcxi_wait(struct zcxi_env *env, uint64_t hash, int64_t timeout_ms, zcxi_look look,
                     void *context, zcx_error *error)
{
    if (!zcxi_env_alive(env)) return zcxi_fail_fork(env, error);
    _Atomic uint32_t *word = word_of(env, hash);
    const uint64_t start = zcxi_monotonic(), slice = ZCXI_SLICE_MS * ZCXI_MS;
    const uint64_t timeout = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * ZCXI_MS;
    /* Costly looks come each slice, whatever ends the sleeps between: a signal, another's wake; and at
     * once for who does not wait. */
    uint64_t looked = 0, passed = 0;
    for (;;) {
        zcx_status status;
        uint64_t before = zcxi_env_last_transaction(env, NULL);
        bool idle = !timeout || passed - looked >= slice;
        if (idle) {
            looked = passed;
            if (!zcxi_env_alive(env)) return zcxi_fail_fork(env, error);
            zcxi_env_visit(env);
            status = zcxi_env_fresh(env, error);
            if (status) return status;
        }
        if (look(env, context, idle, &status, error)) return status;
        while ((passed = zcxi_monotonic() - start) < SPIN && passed < timeout &&
               !committed(env, before))
            sched_yield();
        if (passed >= timeout) return ZCX_ETIMEDOUT;
        if (passed < SPIN) continue;
        if (!atomic_load(&env->board.header->slept)) atomic_store(&env->board.header->slept, true);
        uint32_t value = atomic_fetch_or(word, SLEEPS) | SLEEPS;
        ZCXI_POINT(wait.marked);
        if (look(env, context, false, &status, error)) return status;
        uint64_t left = timeout - passed;
        _Atomic uint32_t *sleepers = &env->board.owners[env->self.owner].sleepers;
        atomic_fetch_add(sleepers, 1);
        sleep_on(word, value, left < slice ? left : slice);
        atomic_fetch_sub(sleepers, 1);
        passed = zcxi_monotonic() - start;
    }
}

/* ---- a key --------------------------------------------------------------------------------------------- */

struct awaited {
    zcx_store *store;
    const void *key;
    size_t key_length;
    uint64_t after;
    zcx_view *view;
};

static zcx_status fail_with_record(zcx_view *view, zcx_error *error)
{
    char *message = zcxi_error_text(view, "message");
    zcx_status status = zcxi_fail(error, zcxi_error_status(view), 0, "%s",
                                  message ? message : "an error record without a message");
    free(message);
    zcx_view_release(view);
    return status;
}

static bool look_at_key(struct zcxi_env *env, void *context, bool idle, zcx_status *status,
                        zcx_error *error)
{
    struct awaited *what = context;
    zcx_view *view;
    uint64_t transaction = 0;
    (void)env, (void)idle;
    *status = zcxi_view_find(&view, what->store, what->key, what->key_length, &transaction, NULL);
    if (*status == ZCX_ENOTFOUND && !what->after) return false;
    if ((!*status || *status == ZCX_EEXPIRED) && transaction <= what->after) {
        if (!*status) zcx_view_release(view);
        return false;
    }
    char text[ZCXI_KEY_TEXT];
    if (*status == ZCX_ENOTFOUND)
        *status = zcxi_fail(error, ZCX_EDELETED, 0, "%s of %s was deleted",
                            zcxi_key_text(text, what->key, what->key_length), what->store->name);
    else if (*status == ZCX_EEXPIRED)
        *status = zcxi_fail(error, ZCX_EEXPIRED, 0, "%s of %s expired before it was read",
                            zcxi_key_text(text, what->key, what->key_length), what->store->name);
    else if (*status) { /* once more, for the message */
        zcx_error why = ZCX_ERROR_INIT;
        *status = zcxi_view_find(&view, what->store, what->key, what->key_length, NULL, &why);
        if (*status == ZCX_ENOTFOUND && !what->after) return false;
        if (*status && error && !error->status) *error = why;
    }
    if (*status) return true;
    if (view->header.flags & ZCX_FLAG_ERROR)
        *status = fail_with_record(view, error);
    else
        what->view = view;
    return true;
}

zcx_status zcx_store_wait(zcx_view **out, zcx_store *store, const void *key, size_t key_length,
                          uint64_t after, int64_t timeout_ms, zcx_error *error)
{
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_key_check(key, key_length, error);
    if (status) return status;
    char text[ZCXI_KEY_TEXT];
    struct awaited what = {store, key, key_length, after, NULL};
    status = zcxi_wait(store->env, zcxi_wait_hash(store->name, key, key_length), timeout_ms,
                       look_at_key, &what, error);
    if (what.view) *out = what.view;
    if (status == ZCX_ETIMEDOUT)
        return zcxi_fail(error, ZCX_ETIMEDOUT, 0, "nothing came to %s of %s in %ld ms",
                         zcxi_key_text(text, key, key_length), store->name, (long)timeout_ms);
    return status;
}

/* ---- any commit ------------------------------------------------------------------------------------------ */

/* What a snapshot shows, not what the last meta page says: a commit writes that first, and only then
 * do readers see the transaction. */
static bool look_for_commit(struct zcxi_env *env, void *context, bool idle, zcx_status *status,
                            zcx_error *error)
{
    MDB_txn *reader;
    uint32_t index;
    uint64_t *transaction = context, before = *transaction;
    (void)idle;
    if (zcxi_env_last_transaction(env, NULL) == before) return false;
    *status = zcxi_reader_take(env, &reader, &index, error);
    if (*status) return true;
    *transaction = mdb_txn_id(reader);
    zcxi_reader_give(env, index);
    return *transaction != before;
}

zcx_status zcx_store_wait_commit(zcx_store *store, uint64_t *transaction, int64_t timeout_ms,
                                 zcx_error *error)
{
    zcx_status status = zcxi_store_enter(store, error);
    if (status) return status;
    status = zcxi_wait(store->env, ZCXI_ANY_COMMIT, timeout_ms, look_for_commit, transaction, error);
    if (status == ZCX_ETIMEDOUT)
        return zcxi_fail(error, ZCX_ETIMEDOUT, 0, "nothing was committed to %s in %ld ms",
                         store->env->path, (long)timeout_ms);
    return status;
}
