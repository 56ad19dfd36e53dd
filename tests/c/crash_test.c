/* A process killed in the middle of each call: before and after every store to the board and to LMDB's
 * meta pages, as a first run under ptrace found them, and at every system call of the longer ones.
 * After each: what must hold (scene.h), for a survivor and for the next opener. */
#ifndef __x86_64__ /* breakpoints and registers are x86-64's */
int main(void)
{
    return 77;
}
#else

#include "scene.h"
#include "watch.h"

/* ---- the calls ---------------------------------------------------------------------------------------- */

enum { LARGE = 9 << 20, EXPIRING = 3 };

static zcx_store *store;
static zcx_loan *loan;
static zcx_view *view;
static zcx_batch *batch;

static void nothing(void)
{
}

static void open_it(void)
{
    store = open_scene();
}

static void lend(void)
{
    MUST(zcx_store_loan(&loan, store, LENGTH, 0, error));
}

static void fill(void)
{
    payload_fill(zcx_loan_data(loan), TARGET, NEW, LENGTH);
}

static void lend_filled(void)
{
    lend();
    fill();
}

static void publish_it(void)
{
    MUST(zcx_loan_publish(loan, "3", 1, LENGTH, NULL, NULL, error));
}

static void put_inline(void)
{
    MUST(zcx_store_put(store, "inline", 6, "other", 5, NULL, NULL, error));
}

static void use_up_slots(void)
{
    use_up(store);
}

static void create(void)
{
    MUST(zcx_store_loan(&loan, store, CREATED_LENGTH, 0, error));
}

static void create_large(void)
{
    MUST(zcx_store_loan(&loan, store, LARGE, 0, error));
}

static void discard(void)
{
    zcx_loan_discard(loan);
}

static void view_it(void)
{
    MUST(zcx_store_view(&view, store, "3", 1, error));
}

static void release_it(void)
{
    zcx_view_release(view);
}

static void delete_it(void)
{
    MUST(zcx_store_delete(store, "3", 1, error));
}

/* Keys 1 to 3 get new payloads, key 4 goes: all of it or nothing. */
static void fill_batch(void)
{
    MUST(zcx_store_batch(&batch, store, error));
    for (uint64_t key = 1; key <= TARGET; key++) {
        char name = (char)('0' + key);
        lend();
        payload_fill(zcx_loan_data(loan), key, NEW, LENGTH);
        MUST(zcx_batch_publish(batch, loan, &name, 1, LENGTH, NULL, error));
    }
    MUST(zcx_batch_delete(batch, "4", 1, error));
}

static void commit(void)
{
    MUST(zcx_batch_commit(batch, NULL, error));
}

static void put_expiring(void)
{
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    char name[8];
    envelope.ttl_ms = 1;
    for (int i = 0; i < EXPIRING; i++) {
        bool there = true;
        snprintf(name, sizeof name, "gone%d", i);
        lend_filled();
        MUST(zcx_loan_publish(loan, name, strlen(name), LENGTH, &envelope, NULL, error));
        while (there)
            MUST(zcx_store_exists(&there, store, name, strlen(name), error));
    }
}

static void sweep(void)
{
    MUST(zcx_store_sweep(NULL, store, 0, error));
}

static void trim(void)
{
    MUST(zcx_store_sweep(NULL, store, ZCX_SWEEP_TRIM, error));
}

static void close_it(void)
{
    MUST(zcx_store_close(store, error));
}

/* ---- what may be there afterwards -------------------------------------------------------------------- */

static const char *accept_old(const uint64_t sequences[KEYS])
{
    for (int key = 0; key < KEYS; key++)
        if (sequences[key] != OLD) return "a key does not have its old payload";
    return NULL;
}

static const char *accept_target(const uint64_t sequences[KEYS])
{
    uint64_t all[KEYS];
    memcpy(all, sequences, sizeof all);
    if (all[TARGET] == NEW) all[TARGET] = OLD;
    return accept_old(all);
}

static const char *accept_target_gone(const uint64_t sequences[KEYS])
{
    uint64_t all[KEYS];
    memcpy(all, sequences, sizeof all);
    if (all[TARGET] == GONE) all[TARGET] = OLD;
    return accept_old(all);
}

static const char *accept_batch(const uint64_t sequences[KEYS])
{
    uint64_t all[KEYS];
    memcpy(all, sequences, sizeof all);
    if (all[1] == OLD) return accept_old(all);
    for (int key = 1; key <= TARGET; key++)
        if (all[key] == NEW) all[key] = OLD;
    if (all[4] != GONE) return "half a batch is there";
    all[4] = OLD;
    return accept_old(all);
}

struct call {
    const char *name;
    void (*prepare)(void), (*act)(void);
    const char *(*accept)(const uint64_t sequences[KEYS]);
    bool durable;
};

static const struct call by_store[] = {
    {"loan", nothing, lend, accept_old, false},
    {"fill", lend, fill, accept_old, false},
    {"publish", lend_filled, publish_it, accept_target, false},
    {"put", nothing, put_inline, accept_old, false},
    {"creation", use_up_slots, create, accept_old, false},
    {"discard", lend, discard, accept_old, false},
    {"batch", fill_batch, commit, accept_batch, false},
    {"delete", nothing, delete_it, accept_target_gone, false},
    {"view", nothing, view_it, accept_old, false},
    {"release", view_it, release_it, accept_old, false},
    {"sweep", put_expiring, sweep, accept_old, false},
    {"trim", lend_filled, trim, accept_old, false},
    {"durable publish", lend_filled, publish_it, accept_target, true},
    {"durable creation", use_up_slots, create, accept_old, true},
    {"durable batch", fill_batch, commit, accept_batch, true},
};

static const struct call by_system_call[] = {
    {"large creation", nothing, create_large, accept_old, false},
    {"trim", lend_filled, trim, accept_old, false},
    {"open", NULL, open_it, accept_old, false},
    {"close", nothing, close_it, accept_old, false},
    {"durable publish", lend_filled, publish_it, accept_target, true},
    {"durable open", NULL, open_it, accept_old, true},
};

/* ---- one by one --------------------------------------------------------------------------------------- */

static int victim(void *context)
{
    const struct call *call = context;
    if (call->prepare) {
        store = open_scene();
        for (uint64_t key = 0; key < KEYS; key++)
            publish(store, key, OLD);
        call->prepare();
    }
    halt();
    call->act();
    halt();
    return 0;
}

static int refresh(void *context)
{
    (void)context;
    store = open_scene();
    for (uint64_t key = 0; key < KEYS; key++)
        publish(store, key, OLD);
    return 0;
}

static pid_t start(const struct call *call)
{
    pid_t child;
    if (!call->prepare && exit_status(spawn(refresh, NULL))) fail_msg("%s", child_report);
    child = spawn_traced(victim, (void *)call);
    if (stopped(child) != HALTED) fail_msg("%s: did not start: %s", call->name, child_report);
    return child;
}

enum { FRESH = 40, ATTEMPTS = 4 };

static long kills;
static struct survivor survivor;

static void begin(const struct call *call)
{
    if (survivor.pid) stop_survivor(&survivor);
    survivor = (struct survivor){0};
    scene.accept = call->accept;
    scene.durability = call->durable ? ZCX_DURABILITY_COMMIT : ZCX_DURABILITY_DEFAULT;
    new_scene();
}

/* Before every kill: whoever survives it, with or without something in hand. */
static pid_t start_among(const struct call *call, bool survived, bool holding)
{
    if (kills++ % FRESH == 0) begin(call);
    if (survived && !survivor.pid) survivor = start_survivor();
    pid_t child = start(call);
    if (survived && holding && !order(&survivor, 'h')) fail_msg("%s", child_report);
    return child;
}

static void kill_and_check(pid_t child, const struct call *call, bool survived, const char *where)
{
    kill_child(child);
    if (survived ? !order(&survivor, 'c') : exit_status(spawn(next_opener, NULL)) != 0)
        fail_msg("%s, killed %s, %s: %s", call->name, where, survived ? "a survivor" : "the next opener",
                 child_report[0] ? child_report : "it died");
}

/* ---- before and after each store ------------------------------------------------------------------------ */

/* Under a sanitizer, which makes them slow, a sample of the same stores. */
#ifdef __SANITIZE_ADDRESS__
enum { EACH = 3 };
#else
enum { EACH = 1 };
#endif

static long kill_at_stores(const struct call *call, bool survived)
{
    static struct event events[EVENTS];
    begin(call);
    long missed = 0;
    int count = find_events(events, start(call));
    for (int i = 0; i < count; i += EACH) {
        bool met = false;
        /* What the last kill left decides which way the call goes: a place is tried again, at last in a
         * new store as the one in which it was found. */
        for (int attempt = 0; attempt < ATTEMPTS && !met; attempt++) {
            char where[100];
            if (attempt == ATTEMPTS - 2) begin(call);
            bool after = i % 2 == survived;
            pid_t child = start_among(call, survived, (i / 2 + attempt) % 2);
            met = run_to_event(child, &events[i]);
            if (met && after) step_on(child, 1);
            snprintf(where, sizeof where, "%s store %d of %d, to %s", after ? "after" : "before", i,
                     count, events[i].what);
            kill_and_check(child, call, survived, where);
        }
        missed += !met;
    }
    /* A sweep notes how long it took, and once a second what there was: not in every run. */
    if (missed > count / 3) fail_msg("%s: %ld of %d places were missed", call->name, missed, count);
    return count;
}

static void at_every_store(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof by_store / sizeof *by_store; i++) {
        kills = 0;
        long places = kill_at_stores(&by_store[i], false);
        begin(&by_store[i]);
        kill_at_stores(&by_store[i], true);
        print_message("%s: %ld kills, at %ld places\n", by_store[i].name, kills, places);
    }
}

/* ---- at each system call ---------------------------------------------------------------------------------- */

/* Before and after the n-th. False when there were fewer. */
static bool kill_at_system_call(const struct call *call, bool survived, int n)
{
    char where[100];
    bool there = true;
    pid_t child = start_among(call, survived, n % 2);
    for (int i = 0; i < n && there; i++) {
        ptrace(PTRACE_SYSCALL, child, 0, 0);
        there = stopped(child) == STEPPED;
    }
    snprintf(where, sizeof where, "%s system call %d", n % 2 ? "before" : "after", n / 2);
    kill_and_check(child, call, survived, where);
    return there;
}

static void at_every_system_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof by_system_call / sizeof *by_system_call; i++) {
        kills = 0;
        for (int survived = 0; survived < 2; survived++) {
            begin(&by_system_call[i]);
            for (int n = 0; kill_at_system_call(&by_system_call[i], survived, n); n++)
                ;
        }
        print_message("%s: %ld kills\n", by_system_call[i].name, kills);
    }
}

/* ---- a store that is being created ------------------------------------------------------------------------ */

static int create_store(void *context)
{
    (void)context;
    halt();
    store = open_scene();
    halt();
    return 0;
}

static int next_creator(void *context)
{
    (void)context;
    alarm(60);
    store = open_scene();
    for (uint64_t key = 0; key < KEYS; key++)
        publish(store, key, OLD);
    check_store(store, 0);
    return 0;
}

static bool kill_creator(int n)
{
    bool there = true;
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s/*", scene.path);
    if (system(command)) fail_msg("cannot empty %s", scene.path);
    pid_t child = spawn_traced(create_store, NULL);
    if (stopped(child) != HALTED) fail_msg("did not start: %s", child_report);
    for (int i = 0; i < n && there; i++) {
        ptrace(PTRACE_SYSCALL, child, 0, 0);
        there = stopped(child) == STEPPED;
    }
    kill_child(child);
    if (exit_status(spawn(next_creator, NULL)))
        fail_msg("a store's creator, killed %s system call %d: %s", n % 2 ? "before" : "after", n / 2,
                 child_report[0] ? child_report : "the next opener died");
    kills++;
    return there;
}

static void while_a_store_is_created(void **state)
{
    (void)state;
    kills = 0;
    scene.accept = accept_old;
    for (scene.durability = ZCX_DURABILITY_NONE; scene.durability <= ZCX_DURABILITY_COMMIT;
         scene.durability++)
        for (int n = 0; kill_creator(n); n++)
            ;
    print_message("a store's creation: %ld kills\n", kills);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_a_store_is_created),
        cmocka_unit_test(at_every_store),
        cmocka_unit_test(at_every_system_call),
    };
    make_report();
    scene.path = make_directory(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
