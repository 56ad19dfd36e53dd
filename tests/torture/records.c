/* Actors that publish, view and wait for records. */
#include "actor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

enum { HELD = 6, BATCHED = 3, MANY = 150, LATE_MS = 100, HUNG_MS = 5000, WAIT_MS = 200 };

/* ---- publishing ------------------------------------------------------------------------------------------ */

/* Publishes a new payload of that sequence. False when the store is full, which is no fault: somebody
 * holds much, or nobody swept. */
static bool publish(zcx_store *store, uint64_t key, uint64_t sequence, int64_t ttl_ms,
                    uint64_t *transaction)
{
    const uint64_t length = random_length();
    const struct key_text name = key_text(key);
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_error failure = ZCX_ERROR_INIT;
    zcx_loan *loan;
    envelope.ttl_ms = ttl_ms;
    if (below(8) == 0) envelope.flags = ZCX_FLAG_CHECKSUM;
    zcx_status status = zcx_store_loan(&loan, store, length, 0, &failure);
    if (!status) {
        payload_fill(zcx_loan_data(loan), key, sequence, length);
        status = zcx_loan_publish(loan, name.text, name.length, length, &envelope, transaction, &failure);
        if (status) zcx_loan_discard(loan);
    }
    if (status && status != ZCX_EFULL) complain("publish: %s", failure.message);
    atomic_fetch_add(status ? &mine->full : &mine->published, 1);
    return !status;
}

/* OK, ENOTFOUND, or EFULL: no room to delete. */
static zcx_status delete_at(zcx_store *store, uint64_t key)
{
    const struct key_text name = key_text(key);
    zcx_error failure = ZCX_ERROR_INIT;
    zcx_status status = zcx_store_delete(store, name.text, name.length, &failure);
    if (status && status != ZCX_ENOTFOUND && status != ZCX_EFULL)
        complain("delete: %s", failure.message);
    return status;
}

void publish_shared(zcx_store *store)
{
    uint64_t transaction, key = below(SHARED);
    if (!publish(store, key, next_sequence(), ZCX_TTL_NEVER, &transaction)) return;
    if (transaction < atomic_load(&mine->told[key]))
        complain("key %" PRIu64 ": transaction %" PRIu64 " came after %" PRIu64, key, transaction,
                 atomic_load(&mine->told[key]));
    atomic_store(&mine->when[key], 0);
    atomic_store(&mine->told[key], transaction);
    atomic_store(&mine->when[key], monotonic());
}

/* ---- own keys ---------------------------------------------------------------------------------------------- */

static uint64_t own_key(uint64_t i)
{
    return OWN_KEYS + place * OWN + i;
}

/* The operation on key i is over: it did what was intended, or nothing. */
static void settle(uint64_t i, bool happened)
{
    if (happened)
        atomic_store(&mine->done[i], atomic_load(&mine->intent[i]));
    else
        atomic_store(&mine->intent[i], atomic_load(&mine->done[i]));
}

/* Publishes the first own keys and deletes the one after them, in one transaction; and, to make it a
 * large one, at loose keys. */
static void commit_batch(zcx_store *store)
{
    zcx_batch *batch;
    zcx_error failure = ZCX_ERROR_INIT;
    zcx_status status = ZCX_OK;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.ttl_ms = ZCX_TTL_NEVER;
    MUST(zcx_store_batch(&batch, store, error));
    for (uint64_t i = 0; i < BATCHED - 1 && !status; i++) {
        static uint64_t data[200000 / 8];
        const uint64_t sequence = next_sequence(), length = 24 + below(25000 - 3) * 8;
        const struct key_text name = key_text(own_key(i));
        payload_fill(data, own_key(i), sequence, length);
        atomic_store(&mine->intent[i], sequence);
        status = zcx_batch_put(batch, name.text, name.length, data, length, &envelope, &failure);
    }
    for (uint64_t left = below(4) ? 0 : MANY; left && !status; left--) {
        uint64_t data[800 / 8], key = LOOSE + below(LOOSE_KEYS);
        const struct key_text name = key_text(key);
        payload_fill(data, key, next_sequence(), sizeof data);
        status = zcx_batch_put(batch, name.text, name.length, data, sizeof data, &envelope, &failure);
    }
    const struct key_text name = key_text(own_key(BATCHED - 1));
    atomic_store(&mine->intent[BATCHED - 1], 0);
    if (!status) status = zcx_batch_delete(batch, name.text, name.length, &failure);
    if (!status) status = zcx_batch_commit(batch, NULL, &failure);
    if (status && status != ZCX_EFULL) complain("batch: %s", failure.message);
    if (status) zcx_batch_discard(batch);
    for (uint64_t i = 0; i < BATCHED; i++)
        settle(i, !status);
    atomic_fetch_add(status ? &mine->full : &mine->published, 1);
}

void produce_own(zcx_store *store)
{
    const uint64_t i = below(OWN);
    if (below(4) == 0) {
        commit_batch(store);
    } else if (below(3) == 0) {
        atomic_store(&mine->intent[i], 0);
        zcx_status status = delete_at(store, own_key(i));
        const uint64_t was = atomic_load(&mine->done[i]);
        if (status == ZCX_ENOTFOUND && was && !(was & MAY_GO))
            complain("own key %" PRIu64 " is gone: it had sequence %#" PRIx64, own_key(i), was);
        settle(i, status != ZCX_EFULL);
    } else {
        /* With a time to live it is swept at some time: never one of a batch's. */
        int64_t ttl_ms = i >= BATCHED && below(3) == 0 ? 1 + (int64_t)below(30) : ZCX_TTL_NEVER;
        uint64_t sequence = next_sequence();
        atomic_store(&mine->intent[i], sequence | (ttl_ms > 0 ? MAY_GO : 0));
        settle(i, publish(store, own_key(i), sequence, ttl_ms, NULL));
    }
}

/* The sequence that is at a key; 0: there is none. */
static uint64_t sequence_at(zcx_store *store, uint64_t key)
{
    const struct key_text name = key_text(key);
    zcx_error failure = ZCX_ERROR_INIT;
    zcx_view *view;
    zcx_status status = zcx_store_view(&view, store, name.text, name.length, &failure);
    if (status == ZCX_ENOTFOUND || status == ZCX_EEXPIRED) return 0;
    if (status) complain("view of an own key: %s", failure.message);
    must_be_whole(view, "after a kill");
    uint64_t sequence = payload_sequence(zcx_view_data(view));
    zcx_view_release(view);
    return sequence;
}

void settle_own(zcx_store *store)
{
    int happened = -1; /* what all unsettled keys say */
    for (uint64_t i = 0; i < OWN; i++) {
        const uint64_t intent = atomic_load(&mine->intent[i]), done = atomic_load(&mine->done[i]);
        const uint64_t found = sequence_at(store, own_key(i));
        const bool new = found == (intent & ~MAY_GO), old = found == (done & ~MAY_GO);
        const bool gone = !found && (intent | done) & MAY_GO;
        if (!new && !old && !gone)
            complain("own key %" PRIu64 " has sequence %#" PRIx64 " after a kill: it was %#" PRIx64
                     ", and was to be %#" PRIx64, own_key(i), found, done, intent);
        if (intent != done && i < BATCHED) {
            if (happened == !new) complain("half a batch was committed: own key %" PRIu64, own_key(i));
            happened = new;
        }
        /* What expired comes back when the clock is set back, unless it is deleted. */
        if (gone && delete_at(store, own_key(i)) == ZCX_EFULL) continue;
        uint64_t flag = new ? intent & MAY_GO : done & MAY_GO;
        atomic_store(&mine->done[i], gone ? 0 : found | flag);
        atomic_store(&mine->intent[i], gone ? 0 : found | flag);
    }
}

/* ---- a producer ---------------------------------------------------------------------------------------------- */

void produce_one(zcx_store *store)
{
    const uint64_t what = below(20);
    zcx_loan *loan;
    if (what < 12) {
        publish_shared(store);
    } else if (what < 15) {
        produce_own(store);
    } else if (what < 18) {
        uint64_t key = LOOSE + below(LOOSE_KEYS);
        (void)publish(store, key, next_sequence(), below(4) ? ZCX_TTL_NEVER : 1 + (int64_t)below(50), NULL);
    } else if (what == 18) {
        (void)delete_at(store, LOOSE + below(LOOSE_KEYS));
    } else if (!zcx_store_loan(&loan, store, random_length(), 0, NULL)) {
        zcx_loan_discard(loan);
    }
}

void produce(void)
{
    zcx_store *store = open_store();
    settle_own(store);
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        rest_if_asked(NULL, 0, 0);
        produce_one(store);
    }
}

/* ---- viewing ----------------------------------------------------------------------------------------------------- */

static bool losing; /* its snapshots */

static uint64_t told_of(uint64_t key)
{
    uint64_t last = 0;
    for (uint64_t i = 0; i < atomic_load(&head->places); i++) {
        uint64_t told = atomic_load(&place_of(i)->told[key]);
        if (told > last) last = told;
    }
    return last;
}

zcx_view *view_one(zcx_store *store)
{
    const uint64_t kind = below(4);
    const uint64_t key = kind < 2    ? below(SHARED)
                         : kind == 2 ? LOOSE + below(LOOSE_KEYS)
                                     : OWN_KEYS + below(atomic_load(&head->places) * OWN);
    const struct key_text name = key_text(key);
    const uint64_t told = key < SHARED ? told_of(key) : 0;
    zcx_view *view;
    zcx_error failure = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_status status = zcx_store_view(&view, store, name.text, name.length, &failure);
    if ((status == ZCX_ENOTFOUND && !told) || status == ZCX_EEXPIRED) return NULL;
    if (status && losing) return NULL;
    if (status) complain("view: %s", failure.message);
    MUST(zcx_view_envelope(view, &envelope, error));
    if (envelope.transaction < told && !losing)
        complain("key %" PRIu64 " is of transaction %" PRIu64 ", but %" PRIu64 " was committed", key,
                 envelope.transaction, told);
    must_be_whole(view, "in a new view");
    if (envelope.flags & ZCX_FLAG_CHECKSUM) MUST(zcx_view_verify(view, error));
    atomic_fetch_add(&mine->viewed, 1);
    return view;
}

static void drop(zcx_view *view)
{
    if (!view) return;
    must_be_whole(view, "held");
    zcx_view_release(view);
}

void view(void)
{
    zcx_view *held[HELD] = {NULL};
    zcx_store *store = open_store();
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        rest_if_asked(held, HELD, 0);
        uint64_t i = below(HELD);
        drop(held[i]);
        held[i] = view_one(store);
        if (below(3)) {
            drop(held[i]);
            held[i] = NULL;
        }
    }
}

/* As a second LMDB does that closes the store in this process: it drops LMDB's locks, and whoever looks
 * after the readers then clears ours. A view may fail then, but never show another payload. */
__attribute__((noreturn)) static void *drop_locks(void *unused)
{
    char name[400];
    (void)unused;
    snprintf(name, sizeof name, "%s/lock.mdb", store_path);
    for (;; usleep(500))
        close(open(name, O_RDONLY | O_CLOEXEC));
}

void lose(void)
{
    pthread_t thread;
    zcx_store *store = open_store();
    losing = true;
    if (pthread_create(&thread, NULL, drop_locks, NULL)) complain("no thread");
    for (;; atomic_fetch_add(&mine->steps, 1))
        zcx_view_release(view_one(store));
}

/* ---- waiting ------------------------------------------------------------------------------------------------------ */

/* ns that this process was ready to run and did not. */
static uint64_t delayed(void)
{
    char text[100] = {0};
    unsigned long ran = 0, waited = 0;
    int file = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
    if (file >= 0 && read(file, text, sizeof text - 1) > 0) sscanf(text, "%lu %lu", &ran, &waited);
    close(file);
    return waited;
}

/* How long after a publish returned its waiter had the answer, but for what the waiter itself had to
 * wait for a processor. */
static void measure(uint64_t key, uint64_t transaction, uint64_t now, uint64_t starved)
{
    for (uint64_t i = 0; i < atomic_load(&head->places); i++) {
        const struct ledger *other = place_of(i);
        uint64_t when = atomic_load(&other->when[key]);
        if (!when || atomic_load(&other->told[key]) != transaction || when != atomic_load(&other->when[key]))
            continue;
        uint64_t passed = now > when + starved ? now - when - starved : 0;
        if (passed > atomic_load(&mine->longest)) atomic_store(&mine->longest, passed);
        atomic_fetch_add(&mine->waits, 1);
        atomic_fetch_add(&mine->late, passed > LATE_MS * UINT64_C(1000000));
        if (passed > HUNG_MS * UINT64_C(1000000))
            complain("a wait for key %" PRIu64 " was answered %" PRIu64 " ms after the publish", key,
                     passed / 1000000);
    }
}

void wait_for_publishes(void)
{
    zcx_store *store = open_store();
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        rest_if_asked(NULL, 0, 0);
        const uint64_t key = below(SHARED), after = told_of(key), before = delayed();
        const struct key_text name = key_text(key);
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        zcx_error failure = ZCX_ERROR_INIT;
        zcx_view *view;
        const uint64_t start = monotonic();
        zcx_status status = zcx_store_wait(&view, store, name.text, name.length, after, WAIT_MS, &failure);
        uint64_t now = monotonic(), starved = delayed() - before;
        if (status == ZCX_ETIMEDOUT && now - start < WAIT_MS * UINT64_C(1000000))
            complain("a wait of %d ms gave up after %" PRIu64 " ns", WAIT_MS, now - start);
        if (status == ZCX_ETIMEDOUT && now - start > HUNG_MS * UINT64_C(1000000) + starved)
            complain("a wait of %d ms gave up after %" PRIu64 " ns", WAIT_MS, now - start);
        if (status == ZCX_ETIMEDOUT) continue;
        if (status) complain("wait: %s", failure.message);
        MUST(zcx_view_envelope(view, &envelope, error));
        if (envelope.transaction <= after) complain("a wait was answered with what was there before");
        must_be_whole(view, "after a wait");
        measure(key, envelope.transaction, now, starved);
        zcx_view_release(view);
    }
}

/* ---- one key, for who measures ----------------------------------------------------------------------------- */

void publish_first(void)
{
    zcx_store *store = open_store();
    for (;; usleep(1000)) {
        atomic_store(&mine->when[0], monotonic()); /* before: what comes then is committed, or nothing */
        (void)publish(store, 0, next_sequence(), ZCX_TTL_NEVER, NULL);
    }
}

void await_first(void)
{
    zcx_store *store = open_store();
    for (;;) {
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        zcx_view *view;
        MUST(zcx_store_wait(&view, store, "0", 1, atomic_load(&mine->told[0]), -1, error));
        atomic_store(&mine->when[0], monotonic());
        MUST(zcx_view_envelope(view, &envelope, error));
        atomic_store(&mine->told[0], envelope.transaction);
        zcx_view_release(view);
    }
}
