/* Repairs: each damage is found, is left alone by a check, and is made good; also beside processes that
 * write and die. */
#include "lock.h"
#include "payload.h"
#include "place.h"
#include "queue.h"
#include "raw.h"
#include "store.h"
#include "transact.h"

#include <errno.h>

#define SIZE 100000

static json_t *check_of(zcx_store *store)
{
    char *text;
    OK(zcx_store_check(&text, store, error));
    return parsed(text);
}

static bool sound(zcx_store *store)
{
    json_t *report = check_of(store);
    bool is = json_is_true(json_object_get(report, "sound"));
    json_decref(report);
    return is;
}

/* Does one of the texts in the list (of findings, by their `name`) have these words? */
static bool says(const json_t *list, const char *name, const char *words)
{
    size_t index;
    json_t *one;
    json_array_foreach(list, index, one)
    {
        const char *text = json_string_value(name ? json_object_get(one, name) : one);
        if (text && strstr(text, words)) return true;
    }
    return false;
}

/* A check finds it twice, and changes nothing; the repair says what it did, and then all is sound. */
static void found_and_repaired(zcx_store *store, uint32_t flags, const char *finding,
                               const char *would, const char *did)
{
    char *text;
    for (int i = 0; i < 2; i++) {
        json_t *report = check_of(store);
        const json_t *findings = json_object_get(report, "findings");
        char *all = json_dumps(report, 0);
        if (!says(findings, "text", finding)) fail_msg("no \"%s\" in %s", finding, all);
        if (!says(findings, "repair", would)) fail_msg("no \"%s\" in %s", would, all);
        free(all);
        json_decref(report);
    }
    OK(zcx_store_repair(&text, store, flags, error));
    json_t *report = json_loads(text, 0, NULL);
    if (!says(json_object_get(report, "repaired"), NULL, did) ||
        !json_is_true(json_object_get(report, "sound")))
        fail_msg("no \"%s\", or not sound: %s", did, text);
    zcx_free(text);
    json_decref(report);
}

static zcx_store *open_here(void)
{
    return open_store(in_path("r"), 64 * MIB);
}

static struct zcxi_slot *slot_at(zcx_store *store, const char *key)
{
    zcx_view *view = view_of(store, key);
    struct zcxi_slot *slot = &store->env->board.slots[view->slot];
    zcx_view_release(view);
    return slot;
}

/* Whoever asks for the mutex for the n-th time finds that a slot went from a record to one of another
 * database just before; or `before_each` looks what others would see. */
static int calls_to_go;
static zcx_store *movers[2];
static void (*before_each)(void);
zcx_status __real_zcxi_env_lock(struct zcxi_env *env, zcx_error *error);
zcx_status __wrap_zcxi_env_lock(struct zcxi_env *env, zcx_error *error);
zcx_status __wrap_zcxi_env_lock(struct zcxi_env *env, zcx_error *error)
{
    if (calls_to_go && !--calls_to_go) {
        (void)del(movers[0], "mine");
        for (int i = 0; i < 3; i++)
            put(movers[0], "x", 10, 1); /* so that the slot may be lent again */
        put(movers[1], "mine", SIZE, 2);
    }
    if (before_each) before_each();
    return __real_zcxi_env_lock(env, error);
}

static void what_moves_meanwhile_is_sound(void **state)
{
    (void)state;
    bool ended = false;
    uint32_t slots = 0;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = 64 * MIB;
    for (int i = 0; i < 2; i++) {
        options.database = i ? "later" : "early";
        OK(zcx_store_open(&movers[i], in_path("r"), &options, error));
    }
    put(movers[0], "x", 10, 1); /* both exist */
    put(movers[1], "x", 10, 1);
    for (int call = 1; !ended; call++) {
        char *text;
        put(movers[0], "mine", SIZE, 1);
        calls_to_go = call;
        OK(zcx_store_repair(&text, movers[0], ZCX_REPAIR_RECORDS, error));
        ended = calls_to_go;
        calls_to_go = 0;
        if (strstr(text, "deleted") || !strstr(text, "\"findings\":[]")) fail_msg("%s", text);
        zcx_free(text);
        if (!ended) assert_at(movers[1], "mine", SIZE, 2);
        (void)del(movers[1], "mine");
        for (int i = 0; i < 3; i++)
            put(movers[0], "x", 10, 1);
        if (!slots) slots = atomic_load(&movers[0]->env->board.header->slots);
        assert_true(call < 50);
    }
    assert_int_equal(atomic_load(&movers[0]->env->board.header->slots), slots); /* it was that slot */
    close_store(movers[1]);
    close_store(movers[0]);
}

/* ---- the dead -------------------------------------------------------------------------------------------- */

static int hold_and_die(void *context)
{
    (void)context;
    zcx_store *store = open_here();
    zcx_view *view;
    zcx_loan *loan;
    if (zcx_store_view(&view, store, "k", 1, NULL) || zcx_store_loan(&loan, store, SIZE, 0, NULL)) return 1;
    return raise(SIGKILL);
}

static int board_file;
static uint32_t dead_owner;
static int seen_alive, looked;

static void look_at_the_dead(void)
{
    looked++;
    seen_alive += zcxi_ofd_taken(board_file, F_WRLCK, ZCXI_OWNER_BYTE + dead_owner);
}

/* A sweeper may be stopped wherever it does not have the mutex: nobody counts as alive for that. */
static void the_dead_are_dead_between_a_sweepers_turns(void **state)
{
    (void)state;
    char key[16];
    zcx_store *store = open_here();
    for (int i = 0; i < 1200; i++) { /* slots for a few turns */
        snprintf(key, sizeof key, "%d", i);
        put(store, key, 5000, 1);
    }
    put(store, "k", SIZE, 1);
    pid_t child = spawn(hold_and_die, NULL);
    assert_int_equal(exit_status(child), 128 + SIGKILL);
    const struct zcxi_owner *owners = store->env->board.owners;
    for (dead_owner = 0; owners[dead_owner].pid != child; dead_owner++)
        assert_in_range(dead_owner, 0, ZCXI_OWNERS - 1);
    board_file = open(in_path("r/board"), O_RDWR | O_CLOEXEC); /* by another description: as others do */
    looked = seen_alive = 0;
    before_each = look_at_the_dead;
    json_t *report = sweep(store, 0);
    before_each = NULL;
    close(board_file);
    assert_int_equal(number(report, "dead_processes", NULL), 1);
    json_decref(report);
    assert_in_range(looked, 5, 1000);
    assert_int_equal(seen_alive, 0);
    close_store(store);
}

static void what_the_dead_held_is_freed(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    put(store, "k", SIZE, 1);
    assert_int_equal(exit_status(spawn(hold_and_die, NULL)), 128 + SIGKILL);
    json_t *report = check_of(store);
    assert_true(says(json_object_get(report, "findings"), "text", "LMDB's readers"));
    json_decref(report);
    found_and_repaired(store, 0, "died", "free what it held", "1 dead process");
    report = check_of(store);
    assert_int_equal(json_array_size(json_object_get(report, "findings")), 0);
    json_decref(report);
    close_store(store);
}

static void a_board_that_lies_about_much_makes_a_short_report(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    put(store, "k", SIZE, 1);
    _Atomic uint32_t *slots = &store->env->board.header->slots;
    const uint32_t before = atomic_exchange(slots, 5000);
    json_t *report = check_of(store), *findings = json_object_get(report, "findings");
    atomic_store(slots, before);
    assert_false(json_is_true(json_object_get(report, "sound")));
    assert_int_equal(json_array_size(findings), 1001);
    char words[30];
    snprintf(words, sizeof words, "and %u more", 5000 - before - 1000);
    assert_true(says(findings, "text", words));
    json_decref(report);
    assert_true(sound(store));
    close_store(store);
}

/* ---- slots ------------------------------------------------------------------------------------------------ */

static int raw_delete(void *context)
{
    const struct raw *raw = context;
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi database;
    MDB_val key = {strlen(raw->key), (void *)raw->key};
    CHILD_EXPECTS(!mdb_env_create(&env) && !mdb_env_set_mapsize(env, raw->map_size));
    CHILD_EXPECTS(!mdb_env_set_maxdbs(env, 8));
    CHILD_EXPECTS(!mdb_env_open(env, raw->path, MDB_WRITEMAP | MDB_NOSYNC, 0600));
    CHILD_EXPECTS(!mdb_txn_begin(env, NULL, 0, &transaction));
    CHILD_EXPECTS(!mdb_dbi_open(transaction, raw->database, 0, &database));
    CHILD_EXPECTS(!mdb_del(transaction, database, &key, NULL) && !mdb_txn_commit(transaction));
    mdb_env_close(env);
    return 0;
}

static void a_slot_without_a_record_is_used_again(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    struct raw raw = {in_path("r"), "default", map_size_of(store), "lost", 0, NULL};
    char path_here[400];
    strcpy(path_here, raw.path);
    raw.path = path_here;
    put(store, "lost", SIZE, 1);
    put(store, "kept", SIZE, 2);
    struct zcxi_slot *slot = slot_at(store, "lost");
    assert_int_equal(exit_status(spawn(raw_delete, &raw)), 0);
    assert_int_equal(zcxi_word_state(atomic_load(&slot->word)), ZCXI_PUBLISHED);
    found_and_repaired(store, 0, "no record names it", "set the slot right", "1 slots");
    assert_int_equal(zcxi_word_state(atomic_load(&slot->word)), ZCXI_RETIRED);
    assert_at(store, "kept", SIZE, 2);
    uint32_t generation = zcxi_word_generation(atomic_load(&slot->word));
    for (unsigned i = 0; i < 20; i++)
        put(store, "again", SIZE, i);
    assert_true(zcxi_word_generation(atomic_load(&slot->word)) > generation);
    close_store(store);
}

static void a_slot_with_a_wrong_state_gets_its_own(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    for (enum zcxi_state wrong = ZCXI_NONE; wrong <= 7; wrong++) {
        if (wrong == ZCXI_LOANED || wrong == ZCXI_PUBLISHED) continue;
        put(store, "k", SIZE, wrong);
        struct zcxi_slot *slot = slot_at(store, "k");
        atomic_store(&slot->word, (atomic_load(&slot->word) & ~UINT64_C(7)) | wrong);
        found_and_repaired(store, 0, "names slot", "set the slot right", "1 slots");
        assert_int_equal(zcxi_word_state(atomic_load(&slot->word)), ZCXI_PUBLISHED);
        for (unsigned i = 0; i < 5; i++)
            put(store, "other", SIZE, i);
        assert_at(store, "k", SIZE, wrong);
    }
    close_store(store);
}

static void a_slot_lies_where_its_value_is(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    put(store, "k", SIZE, 1);
    struct zcxi_slot *slot = slot_at(store, "k");
    slot->page += 3;
    found_and_repaired(store, 0, "but the board has", "set the slot right", "1 slots");
    for (unsigned i = 0; i < 10; i++)
        put(store, "k", SIZE, i);
    assert_at(store, "k", SIZE, 9);
    close_store(store);
}

static int shrink_value(void *context)
{
    const struct raw *raw = context;
    uint32_t number = (uint32_t)raw->at;
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi database;
    MDB_val key = {sizeof number, &number}, value = {5, (void *)"short"};
    CHILD_EXPECTS(!mdb_env_create(&env) && !mdb_env_set_mapsize(env, raw->map_size));
    CHILD_EXPECTS(!mdb_env_set_maxdbs(env, 8));
    CHILD_EXPECTS(!mdb_env_open(env, raw->path, MDB_WRITEMAP | MDB_NOSYNC, 0600));
    CHILD_EXPECTS(!mdb_txn_begin(env, NULL, 0, &transaction));
    CHILD_EXPECTS(!mdb_dbi_open(transaction, "zcx.slots", 0, &database));
    CHILD_EXPECTS(!mdb_put(transaction, database, &key, &value, 0) && !mdb_txn_commit(transaction));
    mdb_env_close(env);
    return 0;
}

static void a_slot_without_a_value_is_not_lent_any_more(void **state)
{
    (void)state;
    char path_here[400];
    zcx_store *store = open_here();
    strcpy(path_here, in_path("r"));
    struct raw raw = {path_here, NULL, map_size_of(store), NULL, 0, NULL};
    put(store, "k", SIZE, 1);
    zcx_view *view = view_of(store, "k");
    raw.at = view->slot;
    zcx_view_release(view);
    assert_int_equal(del(store, "k"), ZCX_OK);
    OK(zcxi_advance(store->env, error));
    assert_int_equal(exit_status(spawn(shrink_value, &raw)), 0);
    found_and_repaired(store, 0, "no sound value", "set the slot right", "1 slots");
    for (unsigned i = 0; i < 10; i++) {
        zcx_loan *loan = lend(store, SIZE);
        assert_int_not_equal(loan->slot, raw.at);
        OK(zcx_loan_publish(loan, "k", 1, SIZE, NULL, NULL, error));
    }
    assert_true(sound(store));
    close_store(store);
    assert_int_equal(unlink(in_path("r/board")), 0); /* as after a restart */
    store = open_here();
    assert_int_equal(status_at(store, "k"), ZCX_OK);
    assert_true(sound(store));
    close_store(store);
}

/* ---- records and requests ---------------------------------------------------------------------------------- */

static void a_damaged_record_is_deleted_when_told_to(void **state)
{
    (void)state;
    char path_here[400], *text;
    zcx_store *store = open_here();
    strcpy(path_here, in_path("r"));
    struct raw raw = {path_here, "default", map_size_of(store), "bad", 20, NULL};
    put(store, "bad", SIZE, 1);
    put(store, "good", SIZE, 2);
    struct zcxi_slot *slot = slot_at(store, "bad");
    assert_int_equal(exit_status(spawn(raw_edit, &raw)), 0);
    OK(zcx_store_repair(&text, store, 0, error)); /* not told to */
    assert_non_null(strstr(text, "\"sound\":false"));
    zcx_free(text);
    assert_int_equal(status_at(store, "bad"), ZCX_ECORRUPT);
    found_and_repaired(store, ZCX_REPAIR_RECORDS, "bad", "--delete-damaged", "deleted \"bad\" from default");
    assert_int_equal(status_at(store, "bad"), ZCX_ENOTFOUND);
    assert_int_equal(zcxi_word_state(atomic_load(&slot->word)), ZCXI_RETIRED);
    assert_at(store, "good", SIZE, 2);
    close_store(store);
}

static zcx_status push_rubbish(struct zcxi_env *env, MDB_txn *transaction, void *context,
                               zcx_error *error)
{
    MDB_val key = {10, (void *)"q\0\0\0\0\0\0\0\0\7"}, value = {100, context};
    (void)error;
    return mdb_put(transaction, env->queue_db, &key, &value, 0) ? ZCX_ESYSTEM : ZCX_OK;
}

static void a_request_that_cannot_be_read_is_removed(void **state)
{
    (void)state;
    char rubbish[100] = "rubbish";
    zcx_store *store = open_here();
    OK(zcxi_transact(store->env, &(struct zcxi_need){.changes = 1}, push_rubbish, rubbish, error));
    found_and_repaired(store, 0, "no request", "remove the request", "from zcx.queue");
    close_store(store);
}

/* ---- the board ---------------------------------------------------------------------------------------------- */

static zcx_status rebuild(zcx_error *error)
{
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.flags = ZCX_OPEN_EXISTING | ZCX_OPEN_REBUILD;
    zcx_status status = zcx_store_open(&store, in_path("r"), &options, error);
    if (!status) status = zcx_store_close(store, error);
    return status;
}

static int rebuild_elsewhere(void *context)
{
    (void)context;
    return (int)rebuild(NULL);
}

static int open_elsewhere(void *context)
{
    (void)context;
    return (int)try_open(in_path("r"), ZCX_OPEN_EXISTING, NULL);
}

static void a_board_that_is_in_the_way_is_made_anew(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    put(store, "k", SIZE, 1);
    FAILS(ZCX_EBUSY, rebuild(error), "open");
    assert_int_equal(exit_status(spawn(rebuild_elsewhere, NULL)), ZCX_EBUSY);
    assert_at(store, "k", SIZE, 1);
    store->env->board.header->journal.last += 1000; /* a board of later than its data.mdb */
    assert_int_equal(exit_status(spawn(open_elsewhere, NULL)), ZCX_ESTALE);
    close_store(store); /* the last one: who opens it next believes no board */
    OK(rebuild(error));
    store = open_here();
    assert_at(store, "k", SIZE, 1);
    assert_true(sound(store));
    close_store(store);
}

/* ---- beside others -------------------------------------------------------------------------------------------- */

static int write_on(void *context)
{
    uint64_t seed = (uint64_t)(uintptr_t)context + 3;
    zcx_store *store = open_here();
    for (uint64_t sequence = 1;; sequence++) {
        char key[16];
        uint64_t which = next_random(&seed) % 5, length = 24 + next_random(&seed) % 10000 * 8;
        zcx_loan *loan;
        zcx_view *view;
        snprintf(key, sizeof key, "%lu-%lu", (unsigned long)(uintptr_t)context, (unsigned long)which);
        CHILD_EXPECTS(!zcx_store_loan(&loan, store, length, 5000, NULL));
        payload_fill(zcx_loan_data(loan), which, sequence, length);
        CHILD_EXPECTS(!zcx_loan_publish(loan, key, strlen(key), length, NULL, NULL, NULL));
        CHILD_EXPECTS(!zcx_store_view(&view, store, key, strlen(key), NULL));
        CHILD_EXPECTS(payload_whole(zcx_view_data(view), which, zcx_view_length(view)));
        CHILD_EXPECTS(payload_sequence(zcx_view_data(view)) == sequence);
        if (next_random(&seed) % 50 == 0) CHILD_EXPECTS(!zcx_store_delete(store, key, strlen(key), NULL));
        zcx_view_release(view);
    }
}

static void it_repairs_beside_who_writes_and_dies(void **state)
{
    (void)state;
    const int rounds = getenv("ZCX_SOAK") ? 1000 : 30;
    char *text;
    pid_t writers[3];
    zcx_store *store = open_here();
    for (int i = 0; i < 3; i++)
        writers[i] = spawn(write_on, (void *)(uintptr_t)i);
    for (int round = 0; round < rounds; round++) {
        EVENTUALLY(status_at(store, "0-0") == ZCX_OK);
        if (round % 2) {
            kill(writers[round % 3], SIGKILL);
            assert_int_equal(exit_status(writers[round % 3]), 128 + SIGKILL);
        }
        OK(zcx_store_repair(&text, store, ZCX_REPAIR_RECORDS, error));
        if (strstr(text, "\"level\":\"error\"") || strstr(text, "slots right") || strstr(text, "deleted"))
            fail_msg("round %d: %s", round, text); /* there was nothing to repair but the dead */
        zcx_free(text);
        if (round % 2) writers[round % 3] = spawn(write_on, (void *)(uintptr_t)(round % 3));
    }
    for (int i = 0; i < 3; i++) {
        kill(writers[i], SIGKILL);
        assert_int_equal(exit_status(writers[i]), 128 + SIGKILL);
    }
    close_store(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(what_moves_meanwhile_is_sound),
        TEST(what_the_dead_held_is_freed),
        TEST(the_dead_are_dead_between_a_sweepers_turns),
        TEST(a_board_that_lies_about_much_makes_a_short_report),
        TEST(a_slot_without_a_record_is_used_again),
        TEST(a_slot_with_a_wrong_state_gets_its_own),
        TEST(a_slot_lies_where_its_value_is),
        TEST(a_slot_without_a_value_is_not_lent_any_more),
        TEST(a_damaged_record_is_deleted_when_told_to),
        TEST(a_request_that_cannot_be_read_is_removed),
        TEST(a_board_that_is_in_the_way_is_made_anew),
        TEST(it_repairs_beside_who_writes_and_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
