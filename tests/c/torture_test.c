/* Producers, viewers and a sweeper work against each other in processes of their own, and are killed
 * at random. Every payload that is seen is whole and no older than what was published before; held
 * views never change; and in the pauses the store is sound to the last page. */
#include "accounting.h"
#include "child.h"
#include "payload.h"

#include <sched.h>

enum { NAMES = 24, PROCESSES = 6, HELD = 6, LEAST = 256, MOST = 400000 };
enum role { PRODUCER, VIEWER, SWEEPER };

static struct shared { /* by all processes, and outliving them */
    _Atomic uint64_t sequence, steps, published, viewed, full;
    _Atomic uint64_t committed[NAMES]; /* the last transaction that a producer was told of */
    char path[256];
} *shared;

static uint64_t seed;

/* ---- the workers ---------------------------------------------------------------------------------------- */

static uint64_t below(uint64_t most)
{
    return next_random(&seed) % most;
}

static uint64_t random_length(void)
{
    uint64_t length = LEAST;
    while (length < MOST && below(12))
        length += length / 2;
    return (length + below(length)) / 8 * 8;
}

static size_t name_key(char name[8], uint64_t key)
{
    return (size_t)snprintf(name, 8, "k%" PRIu64, key);
}

static void note_commit(uint64_t key, uint64_t transaction)
{
    uint64_t before = atomic_load(&shared->committed[key]);
    while (before < transaction &&
           !atomic_compare_exchange_weak(&shared->committed[key], &before, transaction))
        ;
    atomic_fetch_add(&shared->published, 1);
}

/* NULL when the store is full, which is no fault here: someone holds much, or nobody swept. */
static zcx_loan *lend_filled(zcx_store *store, uint64_t key, uint64_t length)
{
    zcx_loan *loan;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = zcx_store_loan(&loan, store, length, 0, &error);
    if (status == ZCX_EFULL) {
        atomic_fetch_add(&shared->full, 1);
        return NULL;
    }
    if (status) complain("loan: %s", error.message);
    payload_fill(zcx_loan_data(loan), key, atomic_fetch_add(&shared->sequence, 1), length);
    return loan;
}

static void publish_one(zcx_store *store)
{
    char name[8];
    uint64_t key = below(NAMES), length = random_length(), transaction;
    zcx_loan *loan = lend_filled(store, key, length);
    if (!loan) return;
    if (below(30) == 0) {
        zcx_loan_discard(loan);
        return;
    }
    zcx_error error = ZCX_ERROR_INIT;
    size_t size = name_key(name, key);
    zcx_status status = zcx_loan_publish(loan, name, size, length, NULL, &transaction, &error);
    if (status == ZCX_EFULL)
        zcx_loan_discard(loan);
    else if (status)
        complain("publish: %s", error.message);
    else
        note_commit(key, transaction);
}

static void commit_some(zcx_store *store)
{
    zcx_batch *batch;
    char name[8];
    uint64_t keys[3], transaction;
    int count = 0;
    zcx_error failure = ZCX_ERROR_INIT;
    MUST(zcx_store_batch(&batch, store, error));
    while (count < 3) {
        uint64_t length = random_length();
        zcx_loan *loan = lend_filled(store, keys[count] = below(NAMES), length);
        if (!loan) break;
        size_t size = name_key(name, keys[count++]);
        MUST(zcx_batch_publish(batch, loan, name, size, length, NULL, error));
    }
    zcx_status status = zcx_batch_commit(batch, &transaction, &failure);
    if (status && status != ZCX_EFULL) complain("batch: %s", failure.message);
    if (status) zcx_batch_discard(batch);
    for (int i = 0; i < count && !status; i++)
        note_commit(keys[i], transaction);
}

static void delete_one(zcx_store *store)
{
    char name[8];
    zcx_error error = ZCX_ERROR_INIT;
    size_t size = name_key(name, below(NAMES));
    zcx_status status = zcx_store_delete(store, name, size, &error);
    if (status && status != ZCX_ENOTFOUND && status != ZCX_EFULL)
        complain("delete: %s", error.message);
}

static void produce(zcx_store *store)
{
    for (;; atomic_fetch_add(&shared->steps, 1)) {
        uint64_t what = below(20);
        if (what == 0)
            delete_one(store);
        else if (what == 1)
            commit_some(store);
        else
            publish_one(store);
    }
}

static zcx_view *view_one(zcx_store *store)
{
    char name[8];
    zcx_view *view;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_error failure = ZCX_ERROR_INIT;
    uint64_t key = below(NAMES), committed = atomic_load(&shared->committed[key]);
    size_t size = name_key(name, key);
    zcx_status status = zcx_store_view(&view, store, name, size, &failure);
    if (status == ZCX_ENOTFOUND) return NULL;
    if (status) complain("view: %s", failure.message);
    MUST(zcx_view_envelope(view, &envelope, error));
    if (envelope.transaction < committed)
        complain("%s is of transaction %" PRIu64 ", but %" PRIu64 " was committed", name,
                 envelope.transaction, committed);
    if (!payload_whole(zcx_view_data(view), key, zcx_view_length(view)))
        complain("a torn payload in a new view of %s, transaction %" PRIu64, name,
                 envelope.transaction);
    atomic_fetch_add(&shared->viewed, 1);
    return view;
}

static void drop_view(zcx_view *view)
{
    size_t size;
    char name[8] = {0};
    if (!view) return;
    const char *key = zcx_view_key(view, &size);
    memcpy(name, key, size);
    if (!payload_whole(zcx_view_data(view), strtoull(name + 1, NULL, 10), zcx_view_length(view)))
        complain("a held view of %s changed", name);
    zcx_view_release(view);
}

static void look(zcx_store *store)
{
    zcx_view *held[HELD] = {NULL};
    for (;; atomic_fetch_add(&shared->steps, 1)) {
        uint64_t place = below(HELD);
        drop_view(held[place]);
        held[place] = NULL;
        zcx_view *view = view_one(store);
        if (below(3))
            drop_view(view);
        else
            held[place] = view;
    }
}

static void sweep(zcx_store *store)
{
    for (;; atomic_fetch_add(&shared->steps, 1)) {
        zcx_error error = ZCX_ERROR_INIT;
        zcx_status status =
            zcx_store_sweep(NULL, store, below(8) ? 0 : ZCX_SWEEP_TRIM, &error);
        if (status && status != ZCX_EFULL) complain("sweep: %s", error.message);
        sched_yield();
    }
}

static zcx_store *open_it(void)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = UINT64_C(12) << 20;
    options.lock_timeout_ms = 60000; /* where one is traced by a sanitizer, on a busy machine */
    MUST(zcx_store_open(&store, shared->path, &options, error));
    return store;
}

struct job {
    enum role role;
    uint64_t seed;
};

static int work(void *context)
{
    struct job *job = context;
    seed = job->seed;
    zcx_store *store = open_it();
    if (job->role == PRODUCER) produce(store);
    if (job->role == VIEWER) look(store);
    sweep(store);
    return 0;
}

/* ---- the killing ---------------------------------------------------------------------------------------- */

static pid_t start(int place, uint64_t *random)
{
    static const enum role roles[PROCESSES] = {PRODUCER, PRODUCER, PRODUCER, VIEWER, VIEWER, SWEEPER};
    struct job job = {roles[place], next_random(random)};
    return spawn(work, &job);
}

/* Nobody ends but by our hand. */
static void expect_alive(const pid_t *children)
{
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        if (waitpid(children[i], &status, WNOHANG) == children[i])
            fail_msg("a worker ended, status %#x: %s", status, child_report);
    }
}

/* Returns when the workers have done so many steps more. */
static void let_work(const pid_t *children, uint64_t steps)
{
    uint64_t until = atomic_load(&shared->steps) + steps;
    while (atomic_load(&shared->steps) < until) {
        expect_alive(children);
        usleep(200);
    }
}

static int check(void *context)
{
    (void)context;
    struct account account;
    alarm(120);
    zcx_store *store = open_it();
    must_be_sound(account_for(store, NULL), "before the reaping");
    MUST(zcx_store_sweep(NULL, store, 0, error));
    must_be_sound(account_for(store, &account), "after the reaping");
    if (account.loans || account.pins)
        complain("%u loans and %u pins are left", account.loans, account.pins);
    for (int i = 0; i < 20 * NAMES; i++)
        drop_view(view_one(store));
    return 0;
}

static void killed_at_random(void **state)
{
    (void)state;
    pid_t children[PROCESSES];
    uint64_t random = UINT64_C(0x5EED);
    const int rounds = soaking() ? 400 : 12, kills = 40;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < PROCESSES; i++)
            children[i] = start(i, &random);
        for (int kill = 0; kill < kills; kill++) {
            uint64_t place = next_random(&random) % PROCESSES;
            let_work(children, next_random(&random) % 300);
            kill_child(children[place]);
            children[place] = start((int)place, &random);
        }
        expect_alive(children);
        for (int i = 0; i < PROCESSES; i++)
            kill_child(children[i]);
        if (exit_status(spawn(check, NULL))) fail_msg("round %d: %s", round, child_report);
    }
    print_message("%d kills among %" PRIu64 " publishes, %" PRIu64 " views; full %" PRIu64 " times\n",
                  rounds * (kills + PROCESSES), atomic_load(&shared->published),
                  atomic_load(&shared->viewed), atomic_load(&shared->full));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_random),
    };
    make_report();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    seed = 1;
    snprintf(shared->path, sizeof shared->path, "%s", make_directory(NULL));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
