/* Actors that come and go: they open and close, found stores and tear them down, and end in every way
 * that a process can. */
#include "actor.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VIEWS = 4 };

/* ---- opening and closing ----------------------------------------------------------------------------------- */

void visit(void)
{
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        rest_if_asked(NULL, 0, 0);
        zcx_store *store = open_store();
        settle_own(store);
        for (uint64_t left = below(4); left; left--) {
            zcx_view *view = view_one(store);
            produce_one(store);
            if (view) must_be_whole(view, "held");
            zcx_view_release(view);
        }
        MUST(zcx_store_close(store, error));
    }
}

/* ---- a store of one's own ------------------------------------------------------------------------------------- */

static void remove_file(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    unlink(path);
}

/* Nobody has it open. Its records are gone with it, all at once. */
static void tear_down(const char *path)
{
    for (uint64_t i = 0; i < OWN; i++)
        atomic_store(&mine->intent[i], 0);
    remove_file(path, "data.mdb");
    remove_file(path, "lock.mdb");
    remove_file(path, "board");
    remove_file(path, "store.json");
    for (uint64_t i = 0; i < OWN; i++)
        atomic_store(&mine->done[i], 0);
}

/* Creates a store, opens it again without its board, which is then made anew from the records, and
 * begins again. */
void found(void)
{
    char path[400];
    snprintf(path, sizeof path, "%s-%lu", store_path, (unsigned long)place);
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        zcx_store *store = open_store_at(path);
        settle_own(store);
        for (uint64_t left = below(8); left; left--)
            produce_own(store);
        if (below(4) == 0) MUST(zcx_store_sweep(NULL, store, ZCX_SWEEP_TRIM, error));
        MUST(zcx_store_close(store, error));
        if (below(2)) remove_file(path, "board");
        if (below(4) == 0) tear_down(path);
    }
}

/* ---- leaving ------------------------------------------------------------------------------------------------------ */

static zcx_view *views[VIEWS];

static void take_views(zcx_store *store)
{
    for (int i = 0; i < VIEWS; i++)
        if (!views[i]) views[i] = view_one(store);
}

static void drop_views(const char *when)
{
    for (int i = 0; i < VIEWS; i++) {
        if (views[i]) must_be_whole(views[i], when);
        zcx_view_release(views[i]);
        views[i] = NULL;
    }
}

static void *take_in_a_thread(void *store)
{
    take_views(store);
    produce_own(store);
    return NULL;
}

static void end_a_thread(zcx_store *store)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, take_in_a_thread, store)) complain("no thread");
    pthread_join(thread, NULL);
    for (int i = 0; i < 20; i++)
        produce_one(store);
    drop_views("held by a thread that ended");
}

static _Atomic bool over;

static void *produce_meanwhile(void *store)
{
    while (!atomic_load(&over))
        produce_one(store);
    return NULL;
}

/* What it inherited is of no use but for reading; then it works on the store as any other process. */
static void live_as_a_child(zcx_store *inherited)
{
    zcx_error failure = ZCX_ERROR_INIT;
    zcx_loan *loan;
    if (zcx_store_put(inherited, "0", 1, "x", 1, NULL, NULL, &failure) != ZCX_EFORK)
        complain("a child publishes through what it inherited: %s", failure.message);
    if (zcx_store_loan(&loan, inherited, 5000, 0, NULL) != ZCX_EFORK)
        complain("a child takes a loan of what it inherited");
    for (int i = 0; i < VIEWS; i++)
        if (views[i]) must_be_whole(views[i], "inherited over a fork");
    if (below(2)) drop_views("inherited"); /* which must not clear the parent's pins */
    zcx_store *store = open_store();
    for (int i = 0; i < 5; i++)
        zcx_view_release(view_one(store));
    if (below(2)) exit(0);
    _exit(0);
}

static void fork_amid_everything(zcx_store *store)
{
    pthread_t thread;
    int status;
    atomic_store(&over, false);
    if (pthread_create(&thread, NULL, produce_meanwhile, store)) complain("no thread");
    pid_t child = fork();
    if (child == 0) live_as_a_child(store);
    waitpid(child, &status, 0);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    if (status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        complain("a forked child ended with status %#x", status);
    drop_views("over a fork");
}

static void *outlive_main(void *store)
{
    for (int i = 0; i < 20; i++)
        produce_one(store);
    drop_views("held by a main thread that ended");
    if (below(2)) exit(0);
    _exit(0);
}

static void become_another(void)
{
    char number[24], seed[32];
    snprintf(number, sizeof number, "%" PRIu64, place);
    snprintf(seed, sizeof seed, "%" PRIu64, below(UINT64_C(1) << 38));
    execl(program, program, "visit", store_path, ledger_path, number, seed, (char *)NULL);
    complain("exec");
}

/* With views, loans and what else it has. */
void leave(void)
{
    pthread_t thread;
    zcx_loan *loan;
    zcx_store *store = open_store();
    settle_own(store);
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        take_views(store);
        produce_one(store);
        uint64_t way = below(8);
        if (way < 2) end_a_thread(store);
        if (way == 2 || way == 3) fork_amid_everything(store);
        if (way < 4) continue;
        (void)!zcx_store_loan(&loan, store, random_length(), 0, NULL);
        if (way == 4) _exit(0);
        if (way == 5) exit(0);
        if (way == 6 && below(2)) execlp("true", "true", (char *)NULL);
        if (way == 6) become_another();
        if (pthread_create(&thread, NULL, outlive_main, store)) complain("no thread");
        pthread_exit(NULL);
    }
}

/* ---- many at a time ------------------------------------------------------------------------------------------------ */

static void wait_for_the_others(void)
{
    while (atomic_load(&head->pause))
        usleep(50000); /* hundreds look */
}

/* A short life. */
void once(void)
{
    wait_for_the_others();
    zcx_store *store = open_store();
    for (int i = 0; i < 3; i++) {
        zcx_view_release(view_one(store));
        publish_shared(store);
    }
    take_views(store);
    atomic_fetch_add(&mine->steps, 1);
    if (below(3) == 0) raise(SIGKILL);
    if (below(2)) _exit(0);
    drop_views("held for a short life");
    MUST(zcx_store_close(store, error));
}

/* A long one, with views and a loan in hand. */
void hold(void)
{
    zcx_loan *loan;
    zcx_store *store = open_store();
    take_views(store);
    (void)!zcx_store_loan(&loan, store, 3000, 0, NULL);
    atomic_fetch_add(&mine->steps, 1);
    for (;; usleep(50000))
        rest_if_asked(views, VIEWS, 0);
}
