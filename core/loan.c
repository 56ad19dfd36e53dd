#include "clock.h"
#include "full.h"
#include "readers.h"
#include "record.h"
#include "transact.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CLASSES_UP 3           /* a slot of up to three classes larger will do, and of less than twice */
#define PATIENCE (2 * ZCXI_MS) /* with readers that alone stand in the way */

/* ---- taking a slot that is there ------------------------------------------------------------------------- */

static uint32_t class_within_slack(uint32_t class)
{
    uint32_t up = class;
    while (up < class + CLASSES_UP && up + 1 < zcxi_class_count() &&
           zcxi_class_pages(up + 1) <= 2 * zcxi_class_pages(class))
        up++;
    return up;
}

static uint32_t take_between(struct zcxi_env *env, uint32_t class, uint32_t up, uint64_t *word,
                             struct zcxi_obstacle *obstacle)
{
    for (; class <= up; class++) {
        uint32_t slot = zcxi_slot_take(&env->board, &env->self, class, word, obstacle);
        if (slot) return slot;
    }
    return 0;
}

/* When only readers stand in the way it waits for them: a viewer preempted inside its transaction
 * would else make a producer create slot after slot. Once for the same stuck snapshot. */
static uint32_t take(struct zcxi_env *env, uint32_t class, uint32_t up, uint64_t *word)
{
    uint64_t deadline = 0;
    for (int look = 0;; look++) {
        struct zcxi_obstacle obstacle = {false, false};
        uint32_t slot = take_between(env, class, up, word, &obstacle);
        if (slot || !obstacle.unsafe) return slot;
        uint64_t before = atomic_load(&env->board.header->safe);
        uint64_t safe = zcxi_safe_raise(env);
        if (safe > before) continue;
        if (safe == zcxi_env_last_transaction(env, NULL)) return 0; /* retired just now */
        if (safe == atomic_load(&env->board.header->stuck)) return 0;
        uint64_t now = zcxi_monotonic();
        if (!deadline) deadline = now + PATIENCE;
        if (now > deadline) {
            int dead = 0;
            atomic_store(&env->board.header->stuck, safe);
            ZCXI_POINT(loan.stuck);
            if (mdb_reader_check(env->lmdb, &dead) || !dead) return 0;
        }
        if (look > 20) sched_yield();
    }
}

/* ---- creating one ------------------------------------------------------------------------------------------- */

struct creation {
    uint32_t number, pages;
    uint64_t page, last;
};

static zcx_status put_slot(struct zcxi_env *env, MDB_txn *transaction, void *context,
                           zcx_error *error)
{
    struct creation *creation = context;
    MDB_val key = {sizeof creation->number, &creation->number};
    MDB_val value = {(size_t)creation->pages * env->page_size - env->page_header, NULL};
    int result = mdb_put(transaction, env->slots_db, &key, &value, MDB_RESERVE | MDB_APPEND);
    if (result) return zcxi_fail_lmdb(error, result, "cannot create a slot");
    zcxi_env_last_transaction(env, &creation->last);
    creation->page = zcxi_value_page(env, value.mv_data);
    return ZCX_OK;
}

/* Not backed yet: that is done outside the lock, by who owns the loan. */
static zcx_status create(struct zcxi_env *env, uint32_t pages, uint32_t *slot, uint64_t *word,
                         zcx_error *error)
{
    zcx_status status = zcxi_env_lock(env, error);
    if (status) return status;
    struct creation creation = {atomic_load(&env->board.header->slots), pages, 0, 0};
    const struct zcxi_need need = {.changes = 1, .pages = pages};
    if (!zcxi_room_fits(env, pages)) {
        status = ZCX_EFULL; /* the message is made by who gives up */
        goto done;
    }
    status = zcxi_board_back(&env->board, creation.number, error);
    if (!status) status = zcxi_transact_locked(env, &need, put_slot, &creation, error);
    if (status) goto done;
    ZCXI_POINT(create.committed);
    zcxi_room_created(env, creation.last, pages);
    ZCXI_POINT(create.backed);
    *slot = creation.number;
    *word = zcxi_word_loaned(&env->self, 0, false);
    zcxi_slot_enter(&env->board, *slot, creation.page, pages, *word);
    ZCXI_POINT(create.entered);
    zcxi_room_charge(env, *slot);
    ZCXI_POINT(create.charged);
    atomic_fetch_add(&env->board.header->counters.created, 1);
done:
    zcxi_env_unlock(env);
    return status;
}

/* Memory for a loan that has none: new, or trimmed since. On failure the slot is given back. */
static zcx_status back(struct zcxi_env *env, uint32_t slot, uint64_t *word, zcx_error *error)
{
    zcx_status status = zcxi_env_lock(env, error);
    if (!status) {
        status = zcxi_room_charge(env, slot);
        zcxi_env_unlock(env);
    }
    ZCXI_POINT(back.charged);
    int result = status ? 0 : zcxi_room_payload(env, slot);
    ZCXI_POINT(back.allocated);
    if (!status && !result) {
        zcxi_slot_set_backed(&env->board, slot, word, true);
        ZCXI_POINT(back.backed);
        return ZCX_OK;
    }
    if (result && !zcxi_env_lock(env, NULL)) {
        if (!zcxi_room_punch(env, slot)) /* a part of it may have been allocated */
            zcxi_room_discharge(env, slot);
        zcxi_env_unlock(env);
    }
    zcxi_slot_give_back(&env->board, slot, *word);
    if (result == ENOSPC || result == ENOMEM) return ZCX_EFULL;
    return result ? zcxi_fail_errno(error, result, "cannot allocate memory of", env->path) : status;
}

/* ---- the loan ------------------------------------------------------------------------------------------------- */

struct wanted {
    uint64_t size;
    uint32_t slot;
    uint64_t word;
};

static zcx_status create_backed(struct zcxi_env *env, uint32_t class, struct wanted *wanted,
                                zcx_error *error)
{
    zcx_status status = create(env, zcxi_class_pages(class), &wanted->slot, &wanted->word, error);
    return status ? status : back(env, wanted->slot, &wanted->word, error);
}

static zcx_status attempt(struct zcxi_env *env, void *context, bool last, zcx_error *error)
{
    struct wanted *wanted = context;
    zcx_status status = ZCX_EFULL;
    uint32_t class = zcxi_class_of(zcxi_payload_pages(env, wanted->size));
    uint32_t up = class_within_slack(class);
    wanted->slot = take(env, class, up, &wanted->word);
    if (wanted->slot && wanted->word & ZCXI_BACKED) return ZCX_OK;
    if (wanted->slot) status = back(env, wanted->slot, &wanted->word, error);
    if (status == ZCX_EFULL) status = create_backed(env, class, wanted, error);
    if (status != ZCX_EFULL || !last) return status;
    /* Sooner a slot of any size than none, such as when the map has no addresses for one more. */
    wanted->slot = take(env, class, zcxi_class_count() - 1, &wanted->word);
    if (!wanted->slot) return ZCX_EFULL;
    return wanted->word & ZCXI_BACKED ? ZCX_OK : back(env, wanted->slot, &wanted->word, error);
}

static zcx_status take_slot(zcx_loan *loan, uint64_t size, int64_t timeout_ms, zcx_error *error)
{
    struct zcxi_env *env = loan->store->env;
    struct wanted wanted = {.size = size};
    zcx_status status = zcxi_until_room(env, size, timeout_ms, attempt, &wanted, error);
    if (status) return status;
    struct zcxi_slot *slot = &env->board.slots[wanted.slot];
    if (!zcxi_room_holds(env, wanted.slot))
        return zcxi_fail(error, ZCX_ECORRUPT, 0,
                         "the board of %s has slot %u at page %" PRIu64 " of %u pages", env->path,
                         wanted.slot, slot->page, slot->pages);
    loan->slot = wanted.slot;
    loan->word = wanted.word;
    loan->data = env->writing + zcxi_payload_position(env, slot->page);
    loan->capacity = zcxi_payload_capacity(env, slot->pages);
    return ZCX_OK;
}

/* The record is to have a place when the loan is published. */
static zcx_status attempt_small(struct zcxi_env *env, void *context, bool last, zcx_error *error)
{
    (void)context, (void)last, (void)error;
    return zcxi_room_small(env) ? ZCX_OK : ZCX_EFULL;
}

static zcx_status take_private(zcx_loan *loan, uint64_t size, int64_t timeout_ms, zcx_error *error)
{
    loan->slot = 0;
    loan->data = loan->private;
    loan->capacity = ZCXI_LOAN_PRIVATE;
    return zcxi_until_room(loan->store->env, size, timeout_ms, attempt_small, NULL, error);
}

zcx_status zcx_store_loan(zcx_loan **out, zcx_store *store, uint64_t size, int64_t timeout_ms,
                          zcx_error *error)
{
    zcx_status status = zcxi_store_enter(store, error);
    if (status) return status;
    if (size > ZCX_PAYLOAD_MAX)
        return zcxi_fail(error, ZCX_ELIMIT, 0,
                         "a loan of %" PRIu64 " bytes is over the limit of %" PRIu64, size,
                         ZCX_PAYLOAD_MAX);
    zcx_loan *loan = zcxi_pool_take(&store->loans);
    if (!loan) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a loan's handle");
    loan->store = store;
    loan->batched = false;
    status = size <= ZCXI_LOAN_PRIVATE ? take_private(loan, size, timeout_ms, error)
                                       : take_slot(loan, size, timeout_ms, error);
    if (status) {
        zcxi_pool_give(&store->loans, &loan->pooled);
        return status;
    }
    *out = loan;
    return ZCX_OK;
}

void *zcx_loan_data(zcx_loan *loan)
{
    return loan->data;
}

uint64_t zcx_loan_capacity(const zcx_loan *loan)
{
    return loan->capacity;
}

static void end(zcx_loan *loan)
{
    zcxi_pool_give(&loan->store->loans, &loan->pooled);
}

void zcx_loan_discard(zcx_loan *loan)
{
    if (!loan || loan->batched || !zcxi_env_alive(loan->store->env)) return;
    struct zcxi_board *board = &loan->store->env->board;
    if (loan->slot) {
        zcxi_slot_give_back(board, loan->slot, loan->word);
        atomic_fetch_add_explicit(&board->header->counters.given_back, 1, memory_order_relaxed);
    }
    end(loan);
}

void zcxi_loan_end(zcx_loan *loan)
{
    end(loan);
}

/* A private loan whose envelope leaves no room in a leaf goes to a slot after all. */
static zcx_status move_to_slot(zcx_loan *loan, uint64_t length, zcx_error *error)
{
    void *from = loan->data;
    zcx_status status = take_slot(loan, length, 0, error);
    if (!status) memcpy(loan->data, from, length);
    return status;
}

zcx_status zcxi_loan_check(const zcx_loan *loan, zcx_error *error)
{
    struct zcxi_slot *slots = loan->store->env->board.slots;
    if (!loan->slot || atomic_load(&slots[loan->slot].word) == loan->word) return ZCX_OK;
    return zcxi_fail(error, ZCX_ELOST, 0, "the loan of slot %u was taken away", loan->slot);
}

/* With durability "commit" a payload is on disk before the record that names it: its pages are
 * written here, outside the lock. */
static zcx_status sync_payload(const zcx_loan *loan, uint64_t length, zcx_error *error)
{
    struct zcxi_env *env = loan->store->env;
    if (env->manifest.durability != ZCX_DURABILITY_COMMIT || !length) return ZCX_OK;
    uintptr_t before = (uintptr_t)loan->data % (uintptr_t)sysconf(_SC_PAGESIZE);
    if (!msync((char *)loan->data - before, before + length, MS_SYNC)) return ZCX_OK;
    return zcxi_fail_errno(error, errno, "cannot write a payload to the disk of", env->path);
}

zcx_status zcxi_loan_record(zcx_loan *loan, struct zcxi_record *record, size_t key_length,
                            uint64_t length, const zcx_envelope *envelope, zcx_error *error)
{
    if (length > loan->capacity)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "%" PRIu64 " bytes to publish, but the loan has %" PRIu64, length,
                         loan->capacity);
    zcx_status status = zcxi_record_make(record, envelope, length, error);
    if (status) return status;
    if (!loan->slot && !zcxi_record_fits(loan->store->env, record, key_length))
        status = move_to_slot(loan, length, error);
    if (!status && !loan->slot) status = zcxi_record_inline(record, loan->data, error);
    if (!status && loan->slot) {
        zcxi_record_in_slot(record, loan);
        status = sync_payload(loan, length, error);
    }
    if (status) zcxi_record_free(record);
    return status;
}

zcx_status zcxi_loan_publish(zcx_view **view, zcx_loan *loan, const void *key, size_t key_length,
                             uint64_t length, const zcx_envelope *envelope,
                             const struct zcxi_also *also, uint64_t *transaction, zcx_error *error)
{
    struct zcxi_record record;
    zcx_view *held = NULL;
    zcx_status status = zcxi_store_enter(loan->store, error);
    if (!status && loan->batched)
        status = zcxi_fail(error, ZCX_EINVAL, 0, "the loan belongs to a batch, which publishes it");
    if (!status) status = zcxi_key_check(key, key_length, error);
    if (!status) status = zcxi_loan_record(loan, &record, key_length, length, envelope, error);
    if (status) return status;
    if (view) status = zcxi_view_of_loan(&held, loan, &record, key, key_length, error);
    if (!status)
        status = zcxi_record_publish(loan->store, key, key_length, &record, loan, also, transaction,
                                     error);
    if (!status) {
        if (held) zcxi_view_published(held, &record);
        if (view) *view = held;
        end(loan);
    } else {
        zcx_view_release(held);
    }
    zcxi_record_free(&record);
    return status;
}

zcx_status zcx_loan_publish(zcx_loan *loan, const void *key, size_t key_length, uint64_t length,
                            const zcx_envelope *envelope, uint64_t *transaction, zcx_error *error)
{
    return zcxi_loan_publish(NULL, loan, key, key_length, length, envelope, NULL, transaction, error);
}

zcx_status zcx_loan_publish_view(zcx_view **view, zcx_loan *loan, const void *key,
                                 size_t key_length, uint64_t length, const zcx_envelope *envelope,
                                 uint64_t *transaction, zcx_error *error)
{
    return zcxi_loan_publish(view, loan, key, key_length, length, envelope, NULL, transaction, error);
}
