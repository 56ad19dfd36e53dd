/* One process killed at each instruction of the end of a commit: of a publish, of a slot's creation,
 * of a delete. The place is found by watching the meta pages, so it is right for any build of LMDB.
 * Each kill is followed by a recovery, by a survivor or by the next opener, and by a full account of
 * the store. Built a second time without the meta guard, the same test must see the store break. */
#ifndef __x86_64__ /* breakpoints and registers are x86-64's, and so is the torn meta page */
int main(void)
{
    return 77;
}
#else

#include "journal.h"
#include "recover.h"
#include "scene.h"

/* Under a sanitizer there are some five times as many instructions, and the same are as good. */
#if defined(__SANITIZE_ADDRESS__) && !defined(ZCX_WITHOUT_META_GUARD)
enum { STRIDE = 5 };
#else
enum { STRIDE = 1 };
#endif

enum operation { PUBLISH, CREATE, DELETE };
static const char *const names[] = {"publish", "creation", "delete"};

static enum operation operation;

/* The second build, linked with --wrap=zcxi_meta_guard: recovery goes without the guard. */
#ifdef ZCX_WITHOUT_META_GUARD
zcx_status __wrap_zcxi_meta_guard(struct zcxi_env *env, zcx_error *error);
zcx_status __wrap_zcxi_meta_guard(struct zcxi_env *env, zcx_error *error)
{
    (void)env, (void)error;
    return ZCX_OK;
}
enum { GUARDED = 0 };
#else
enum { GUARDED = 1 };
#endif

/* ---- what the processes do ---------------------------------------------------------------------------- */

/* Whoever is killed: prepares, halts, does one thing, halts. */
static int victim(void *context)
{
    (void)context;
    zcx_loan *loan = NULL;
    zcx_store *store = open_scene();
    for (int i = 0; i < 3; i++)
        publish(store, TARGET, OLD);
    if (operation == PUBLISH) {
        MUST(zcx_store_loan(&loan, store, LENGTH, 0, error));
        payload_fill(zcx_loan_data(loan), TARGET, NEW, LENGTH);
    }
    if (operation == CREATE) use_up(store);
    halt();
    if (operation == PUBLISH)
        MUST(zcx_loan_publish(loan, "3", 1, LENGTH, NULL, NULL, error));
    if (operation == CREATE) MUST(zcx_store_loan(&loan, store, CREATED_LENGTH, 0, error));
    if (operation == DELETE) MUST(zcx_store_delete(store, "3", 1, error));
    halt();
    return 0;
}

static const char *accept(const uint64_t sequences[KEYS])
{
    for (uint64_t key = 0; key < KEYS; key++) {
        uint64_t sequence = sequences[key];
        bool may_be_gone = key == TARGET && operation == DELETE;
        bool may_be_new = key == TARGET && operation == PUBLISH;
        if (sequence == GONE && !may_be_gone) return "a key is gone";
        if (sequence == NEW && !may_be_new) return "a key has a payload that was not published";
        if (key == TARGET && sequence != OLD && sequence != NEW && sequence != GONE)
            return "a key's payload is neither the old nor the new one";
    }
    return NULL;
}

/* ---- where to kill ------------------------------------------------------------------------------------ */

struct window {
    unsigned long edge; /* the instruction before which the meta pages are as they were */
    long settled;       /* instructions from there to where the journal is clear again */
    long length;        /* … to the end of the call */
    bool torn;          /* this LMDB stores a meta page's id before its root … */
    long torn_at;       /* … and does so here */
};

enum { META_WORDS = 17, METAS = 2 };

/* This process never opens the store: it reads the files as plain bytes. */
static int open_plain(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", scene.path, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void read_metas(int data, uint64_t metas[METAS][META_WORDS])
{
    for (int i = 0; i < METAS; i++)
        if (pread(data, metas[i], sizeof metas[i], i * sysconf(_SC_PAGESIZE) + PAGE_HEAD) !=
            sizeof metas[i])
            fail_msg("cannot read data.mdb");
}

static bool journal_is_clear(int board)
{
    uint64_t transaction = 0;
    off_t at = offsetof(struct zcxi_board_header, journal.transaction);
    return pread(board, &transaction, sizeof transaction, at) == sizeof transaction && !transaction;
}

static pid_t start_victim(void)
{
    pid_t child = spawn_traced(victim, NULL);
    if (stopped(child) != HALTED) fail_msg("the victim did not start: %s", child_report);
    return child;
}

static struct window find_window(void)
{
    struct window window = {0};
    uint64_t before[METAS][META_WORDS], now[METAS][META_WORDS];
    int data = open_plain("data.mdb"), board = open_plain("board");
    pid_t child = start_victim();
    read_metas(data, before);
    for (;; window.length += window.edge != 0) {
        unsigned long at = instruction(child);
        enum stepped how = step_on(child, 1);
        if (how == HALTED) break;
        if (how == ENDED) fail_msg("the victim ended: %s", child_report);
        read_metas(data, now);
        if (!window.edge && memcmp(before, now, sizeof now)) window.edge = at;
        if (window.edge && !journal_is_clear(board)) window.settled = window.length + 1;
        for (int i = 0; i < METAS; i++) {
            if (now[i][META_ID] == before[i][META_ID] ||
                now[i][META_MAIN + DB_ROOT] != before[i][META_MAIN + DB_ROOT])
                continue;
            window.torn = true;
            window.torn_at = window.length + 1;
        }
    }
    kill_child(child);
    close(data);
    close(board);
    return window;
}

/* ---- the runs ------------------------------------------------------------------------------------------- */

static long kills;

/* Kills the victim `steps` instructions after the window's edge. */
static void kill_victim(const struct window *window, struct survivor *survivor, bool holds,
                        long steps)
{
    pid_t child = start_victim();
    if (holds && !order(survivor, 'h')) fail_msg("cannot hold: %s", child_report);
    if (run_to(child, window->edge) != STEPPED) fail_msg("the victim missed the window's edge");
    step_on(child, steps);
    kill_child(child);
    kills++;
}

enum { FRESH = 40 }; /* kills in one store: the slots that creations leave make the rest slow */

/* Each instruction up to where the journal is clear; from there on a sample, or when soaking each.
 * Returns the instruction at which what must hold did not; -1: there was none. */
static long kill_everywhere(const struct window *window, bool survived)
{
    struct survivor survivor = {0};
    long found = -1, runs = 0;
    for (long steps = 0; steps <= window->length && found < 0; runs++) {
        if (runs % FRESH == 0) {
            if (survivor.pid) stop_survivor(&survivor);
            new_scene();
            if (survived) survivor = start_survivor();
        }
        kill_victim(window, &survivor, survived && steps % 2, steps);
        if (survived ? !order(&survivor, 'c') : exit_status(spawn(next_opener, NULL)) != 0)
            found = steps;
        steps += steps < window->settled || soaking() ? STRIDE : 9 * STRIDE;
    }
    if (survivor.pid) stop_survivor(&survivor);
    return found;
}

static void every_instruction(enum operation which)
{
    operation = which;
    new_scene();
    struct window window = find_window();
    long found = -1;
    kills = 0;
    if (!GUARDED && !window.torn) skip(); /* a build of LMDB that needs no guard */
    for (int survived = 0; survived < 2 && found < 0; survived++) {
        found = kill_everywhere(&window, survived);
        if (GUARDED && found >= 0)
            fail_msg("%s, killed %ld instructions after the meta page's first change, %s: %s",
                     names[operation], found, survived ? "a survivor" : "the next opener",
                     child_report[0] ? child_report : "it died");
    }
    if (!GUARDED && found < 0) fail_msg("%s: nothing broke without the guard", names[operation]);
    print_message("%s: %ld kills in the %ld instructions from the meta page's first change, dense in "
                  "the %ld until the journal is clear%s\n", names[operation], kills, window.length,
                  window.settled, window.torn ? "; it is torn in between" : "");
    if (!GUARDED)
        print_message("without the guard: %s\n", child_report[0] ? child_report : "LMDB aborted");
}

/* ---- the recoverer dies, too --------------------------------------------------------------------------- */

static int recoverer(void *context)
{
    bool opens = *(bool *)context;
    zcx_store *store = opens ? NULL : open_scene();
    halt();
    if (opens) store = open_scene();
    MUST(zcxi_env_lock(store->env, error));
    zcxi_env_unlock(store->env);
    halt();
    return 0;
}

/* Where in the recovery: so many instructions after that function began. */
struct place {
    const char *name;
    unsigned long function;
    long after;
};

/* Kills the victim, then who recovers from it. False when the recovery was over before. */
static bool kill_both(const struct window *window, struct survivor *survivor, bool opens,
                      long victim_steps, const struct place *place)
{
    bool inside = false;
    pid_t child = spawn_traced(recoverer, &opens);
    if (stopped(child) != HALTED) fail_msg("the recoverer did not start: %s", child_report);
    kill_victim(window, survivor, !opens && place->after % 2, victim_steps);
    if (run_to(child, place->function) == STEPPED) inside = step_on(child, place->after) == STEPPED;
    kill_child(child);
    kills++;
    return inside;
}

/* `most` instructions from the place on, a sample of them. */
static void kill_recoverers(const struct window *window, bool opens, long victim_steps,
                            struct place place, long most)
{
    struct survivor survivor = {0};
    long stride = STRIDE * (soaking() ? 13 : opens ? 331 : 997);
    bool inside = true;
    for (long run = 0; inside && place.after < most; run++, place.after += stride) {
        if (run % FRESH == 0) {
            if (survivor.pid) stop_survivor(&survivor);
            new_scene();
            if (!opens) survivor = start_survivor();
        }
        inside = kill_both(window, &survivor, opens, victim_steps, &place);
        if (opens ? exit_status(spawn(next_opener, NULL)) != 0 : !order(&survivor, 'c'))
            fail_msg("%s, killed %ld instructions after the meta page's first change, and then %s, "
                     "%ld instructions into %s: %s", names[operation], victim_steps,
                     opens ? "the next opener" : "a survivor", place.after, place.name,
                     child_report[0] ? child_report : "who came next died");
    }
    if (survivor.pid) stop_survivor(&survivor);
}

#define PLACE(function) {#function, (unsigned long)function, 0}

/* A survivor is sampled from the guard to the end of the recovery; an opener, which does much more,
 * where the recovery's steps begin. */
static void the_recoverer(void **state)
{
    (void)state;
    if (!GUARDED) skip();
    const struct place guard = PLACE(zcxi_meta_guard);
    const struct place places[] = {PLACE(zcxi_meta_guard), PLACE(zcxi_recover_commit),
                                   PLACE(zcxi_journal_settle), PLACE(zcxi_recover_slots),
                                   PLACE(zcxi_owner_claim)};
    kills = 0;
    for (operation = PUBLISH; operation <= CREATE; operation++) {
        new_scene();
        struct window window = find_window();
        long points[] = {window.torn_at, window.settled * 2 / 3, window.settled - 2};
        for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
            kill_recoverers(&window, false, points[i], guard, LONG_MAX);
            for (size_t k = 0; k < sizeof places / sizeof *places; k++)
                kill_recoverers(&window, true, points[i], places[k], 1000);
        }
    }
    print_message("%ld kills of a victim and of who recovered from it\n", kills);
}

static void a_publish(void **state)
{
    (void)state;
    every_instruction(PUBLISH);
}

static void a_creation(void **state)
{
    (void)state;
    every_instruction(CREATE);
}

static void a_delete(void **state)
{
    (void)state;
    every_instruction(DELETE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publish),
        cmocka_unit_test(a_creation),
        cmocka_unit_test(a_delete),
        cmocka_unit_test(the_recoverer),
    };
    make_report();
    scene.accept = accept;
    scene.path = make_directory(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
