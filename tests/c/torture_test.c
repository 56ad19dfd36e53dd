/* Producers, viewers and a sweeper work against each other in processes of their own, and are killed
 * at random. Every payload that is seen is whole and no older than what was published before; held
 * views never change; and in the pauses the store is sound to the last page. */
#include "accounting.h"
#include "work.h"

#include <sched.h>

enum { PROCESSES = 6, BUDGET = 12 << 20 }; /* which is full at times */
enum role { PRODUCER, VIEWER, SWEEPER };

static void produce(zcx_store *store)
{
    for (;; atomic_fetch_add(&shared->steps, 1))
        produce_once(store);
}

static void look(zcx_store *store)
{
    zcx_view *held[HELD] = {NULL};
    for (;; atomic_fetch_add(&shared->steps, 1))
        look_once(store, held);
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

struct job {
    enum role role;
    uint64_t seed;
};

static int work(void *context)
{
    struct job *job = context;
    seed = job->seed;
    zcx_store *store = open_shared(BUDGET);
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
    zcx_store *store = open_shared(BUDGET);
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
    make_shared();
    seed = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
