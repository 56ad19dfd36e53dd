#include "journal.h"

#include "claims.h"

#include <errno.h>
#include <unistd.h>

/* In a meta page's body: words of 8 bytes into it. */
#define META_BODY sizeof(struct zcxi_lmdb_page)
#define META_WORD(field) (offsetof(struct zcxi_lmdb_meta, field) / sizeof(uint64_t))
#define META_FREE_ROOT META_WORD(free.root)
#define META_MAIN_ROOT META_WORD(main.root)
#define META_TRANSACTION META_WORD(transaction)

static _Atomic uint64_t *meta_of(const struct zcxi_env *env, uint64_t transaction)
{
    return (void *)(env->writing + (transaction & 1) * env->page_size + META_BODY);
}

void zcxi_journal_begin(struct zcxi_env *env, uint64_t now)
{
    env->board.header->journal.time = now;
    ZCXI_POINT(journal.dated);
    env->board.header->journal.changes = 0;
    env->board.header->journal.records = 0;
}

void zcxi_journal_add(struct zcxi_env *env, uint32_t slot, enum zcxi_action action)
{
    struct zcxi_journal *journal = &env->board.header->journal;
    env->board.changes[journal->changes++] = (struct zcxi_change){slot, action};
    ZCXI_POINT(journal.noted);
}

/* Returns how many loans it published. */
static uint32_t turn_words(struct zcxi_env *env, uint64_t transaction)
{
    struct zcxi_journal *journal = &env->board.header->journal;
    uint32_t published = 0;
    uint32_t changes = journal->changes < ZCX_BATCH_MAX ? journal->changes : ZCX_BATCH_MAX;
    for (uint32_t i = 0; i < changes; i++) {
        struct zcxi_change change = env->board.changes[i];
        ZCXI_POINT(commit.turning);
        if (change.action == ZCXI_UNCLAIM) zcxi_claim_clear(&env->board, change.slot);
        if (!zcxi_slot_exists(&env->board, change.slot)) continue;
        if (change.action == ZCXI_PUBLISH) {
            zcxi_slot_publish(&env->board, change.slot);
            published++;
        }
        if (change.action == ZCXI_RETIRE)
            zcxi_slot_retire(&env->board, change.slot, transaction, journal->time);
    }
    return published;
}

/* The mutex is held: nobody else adds. */
static void add(_Atomic uint64_t *count, uint64_t more)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

zcx_status zcxi_journal_commit(struct zcxi_env *env, MDB_txn *transaction, zcx_error *error)
{
    struct zcxi_journal *journal = &env->board.header->journal;
    uint64_t id = mdb_txn_id(transaction);
    _Atomic uint64_t *meta = meta_of(env, id);
    for (size_t i = 0; i < ZCXI_META_WORDS; i++)
        journal->meta[i] = atomic_load_explicit(&meta[i], memory_order_relaxed);
    ZCXI_POINT(commit.saved);
    atomic_store_explicit(&journal->transaction, id, memory_order_release);
    ZCXI_POINT(commit.begun);

    int result = mdb_txn_commit(transaction);
    ZCXI_POINT(commit.committed);
    if (!result) {
        journal->last = id;
        ZCXI_POINT(commit.known);
        uint32_t published = turn_words(env, id);
        ZCXI_POINT(commit.turned);
        add(&journal->lent, published);
        add(&journal->published, journal->records);
    }
    atomic_store_explicit(&journal->transaction, 0, memory_order_release);
    return result ? zcxi_fail_lmdb(error, result, "cannot commit") : ZCX_OK;
}

void zcxi_journal_settle(struct zcxi_env *env)
{
    struct zcxi_journal *journal = &env->board.header->journal;
    uint64_t id = atomic_load(&journal->transaction);
    if (id && zcxi_env_last_transaction(env, NULL) >= id) {
        journal->last = id;
        ZCXI_POINT(settle.known);
        turn_words(env, id);
    }
    ZCXI_POINT(settle.turned);
    atomic_store_explicit(&journal->transaction, 0, memory_order_release);
}

void zcxi_journal_unclaim(struct zcxi_env *env)
{
    const struct zcxi_journal *journal = &env->board.header->journal;
    uint64_t id = atomic_load(&journal->transaction);
    if (!id || atomic_load(&meta_of(env, id)[META_TRANSACTION]) != id) return;
    for (uint32_t i = 0; i < journal->changes && i < ZCX_BATCH_MAX; i++)
        if (env->board.changes[i].action == ZCXI_UNCLAIM)
            zcxi_claim_clear(&env->board, env->board.changes[i].slot);
}

/* The cases are design.md's: m rolls back to its saved copy s when the commit had not changed its
 * id yet, or when the id is T's but the rest is not known to be. The id first: from there on T never
 * was. */
zcx_status zcxi_meta_guard(struct zcxi_env *env, zcx_error *error)
{
    struct zcxi_journal *journal = &env->board.header->journal;
    uint64_t id = atomic_load(&journal->transaction);
    if (!id || env->manifest.durability == ZCX_DURABILITY_COMMIT) return ZCX_OK;

    _Atomic uint64_t *meta = meta_of(env, id), *locked = (void *)(env->lock_map + ZCXI_LMDB_LOCK_TRANSACTION);
    const uint64_t *saved = journal->meta;
    if ((uint32_t)atomic_load(&meta[0]) != ZCXI_LMDB_MAGIC || (uint32_t)saved[0] != ZCXI_LMDB_MAGIC ||
        saved[META_TRANSACTION] >= id)
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "%s: the journal of commit %lu has no meta page",
                         env->path, (unsigned long)id);
    uint64_t found = atomic_load(&meta[META_TRANSACTION]);
    bool back = found == saved[META_TRANSACTION] ||
                (found == id && (atomic_load(locked) == id - 1 ||
                                 atomic_load(&meta[META_MAIN_ROOT]) == saved[META_MAIN_ROOT] ||
                                 atomic_load(&meta[META_FREE_ROOT]) == saved[META_FREE_ROOT]));
    if (!back) return ZCX_OK;
    if (found == id) atomic_fetch_add(&env->board.header->counters.rolled_back, 1);
    atomic_store(&meta[META_TRANSACTION], saved[META_TRANSACTION]);
    ZCXI_POINT(guard.numbered);
    for (size_t i = 2; i < META_TRANSACTION; i++) /* magic and version never change */
        atomic_store(&meta[i], saved[i]);
    ZCXI_POINT(guard.saved);
    if (atomic_load(locked) == id) atomic_store(locked, id - 1);
    return ZCX_OK;
}

zcx_status zcxi_meta_advance(int file, uint32_t page_size, uint64_t transaction, zcx_error *error)
{
    off_t at = (off_t)((transaction & 1) * page_size + META_BODY + META_TRANSACTION * sizeof transaction);
    if (pwrite(file, &transaction, sizeof transaction, at) == sizeof transaction) return ZCX_OK;
    return zcxi_fail_errno(error, errno, "cannot write", "a meta page");
}
