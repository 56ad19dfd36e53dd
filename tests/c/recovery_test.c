/* The board lost, damaged, or of another boot: rebuilt from data.mdb, or refused by name; the process
 * table full; the holder of a lock stopped. */
#include "stores.h"

#include "accounting.h"
#include "child.h"
#include "manifest.h"
#include "payload.h"

enum { RECORDS = 40, BUDGET = 64 << 20 };

static char *path;

static int make_path(void **state)
{
    (void)state;
    path = make_directory(NULL);
    child_report[0] = 0;
    return 0;
}

static int free_path(void **state)
{
    (void)state;
    free(path);
    return 0;
}

static const char *in_path(const char *name)
{
    static char text[300];
    snprintf(text, sizeof text, "%s/%s", path, name);
    return text;
}

static zcx_status open_database(zcx_store **store, const char *database, zcx_durability durability,
                                zcx_error *error)
{
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.database = database;
    options.budget = BUDGET;
    options.durability = durability;
    options.lock_timeout_ms = 200;
    return zcx_store_open(store, path, &options, error);
}

/* ---- a store with some of everything -------------------------------------------------------------------- */

static const char *const databases[] = {"default", "one", "two"};

static uint64_t length_of(int i)
{
    return i % 4 ? 1000 + (uint64_t)i * 977 : 100 + (uint64_t)i; /* every fourth inline */
}

/* Overwritten a few times, so that generations differ; some deleted, so that slots are idle. */
static int fill_store(void *context)
{
    zcx_durability durability = *(zcx_durability *)context;
    char key[16];
    for (size_t d = 0; d < 3; d++) {
        zcx_store *store;
        MUST(open_database(&store, databases[d], durability, error));
        for (int i = 0; i < 4 * RECORDS; i++) {
            snprintf(key, sizeof key, "k%d", i % RECORDS);
            MUST(try_put(store, key, length_of(i % RECORDS), (unsigned)(i % RECORDS), NULL, error));
            if (i % 5 == 0) MUST(zcx_store_put(store, "gone", 4, "x", 1, NULL, NULL, error));
            if (i % 5 == 0) MUST(zcx_store_delete(store, "gone", 4, error));
        }
        for (int i = 3; i < RECORDS; i += 10) {
            snprintf(key, sizeof key, "k%d", i);
            MUST(zcx_store_delete(store, key, strlen(key), error));
        }
        MUST(zcx_store_close(store, error));
    }
    return 0;
}

static void make_store(zcx_durability durability)
{
    if (exit_status(spawn(fill_store, &durability))) fail_msg("%s", child_report);
}

static void assert_sound(zcx_store *store, uint32_t loans, uint32_t pins)
{
    struct account account;
    const char *fault = account_for(store, &account);
    if (fault) fail_msg("%s", fault);
    assert_int_equal(account.loans, loans);
    assert_int_equal(account.pins, pins);
}

static void assert_all_there(zcx_store *store)
{
    char key[16];
    for (int i = 0; i < RECORDS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        if (i % 10 == 3)
            assert_int_equal(status_at(store, key), ZCX_ENOTFOUND);
        else
            assert_at(store, key, length_of(i), (unsigned)i);
    }
}

/* Everything is there in every database, and life goes on. */
static void assert_whole(void)
{
    zcx_store *stores[3];
    char key[16];
    for (size_t d = 0; d < 3; d++)
        OK(open_database(&stores[d], databases[d], 0, error));
    for (size_t d = 0; d < 3; d++)
        assert_all_there(stores[d]);
    assert_sound(stores[0], 0, 0);
    zcx_view *held = view_of(stores[1], "k6");
    for (int i = 0; i < 5 * RECORDS; i++) {
        snprintf(key, sizeof key, "k%d", i % RECORDS);
        put(stores[1], key, length_of(i % RECORDS + 1), (unsigned)i);
    }
    assert_view(held, length_of(6), 6);
    assert_sound(stores[0], 0, 1);
    zcx_view_release(held);
    assert_all_there(stores[0]);
    for (size_t d = 0; d < 3; d++)
        close_store(stores[d]);
}

/* ---- the board ------------------------------------------------------------------------------------------------ */

static void a_lost_board_is_rebuilt(void **state)
{
    (void)state;
    make_store(ZCX_DURABILITY_NONE);
    assert_int_equal(unlink(in_path("board")), 0);
    assert_whole();
}

static void a_truncated_board_is_rebuilt(void **state)
{
    (void)state;
    make_store(ZCX_DURABILITY_NONE);
    assert_int_equal(truncate(in_path("board"), 100000), 0);
    assert_whole();
}

static void an_empty_board_is_rebuilt(void **state)
{
    (void)state;
    make_store(ZCX_DURABILITY_NONE);
    assert_int_equal(truncate(in_path("board"), 0), 0);
    assert_whole();
}

static void overwrite(const char *name, uint64_t offset, const void *bytes, size_t length)
{
    int file = open(in_path(name), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(file, bytes, length, (off_t)offset), length);
    close(file);
}

static void a_board_of_garbage_is_rebuilt(void **state)
{
    (void)state;
    char garbage[65536];
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (char)(i * 37 + 11);
    make_store(ZCX_DURABILITY_NONE);
    overwrite("board", 0, garbage, sizeof garbage);
    assert_whole();
}

/* Holds the store open until it is told to end. */
static int hold_open(void *context)
{
    const int *pipes = context; /* to the parent, from the parent */
    char byte = 0;
    zcx_store *store, *other;
    MUST(open_database(&store, "default", 0, error));
    if (write(pipes[1], &byte, 1) != 1 || read(pipes[2], &byte, 1) != 1) return 1;
    zcx_error said = ZCX_ERROR_INIT;
    if (zcx_store_sweep(NULL, store, 0, &said) != ZCX_ESTALE || !strstr(said.message, "removed"))
        complain("a sweep after the board went: %s", said.message);
    said = (zcx_error)ZCX_ERROR_INIT;
    if (open_database(&other, "one", 0, &said) != ZCX_ESTALE)
        complain("another handle after the board went: %s", said.message);
    MUST(zcx_store_close(store, error));
    return 0;
}

static void a_board_removed_under_someone_is_stale(void **state)
{
    (void)state;
    int pipes[4];
    char byte = 0;
    zcx_store *store;
    make_store(ZCX_DURABILITY_NONE);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(pipes + 2), 0);
    pid_t child = spawn(hold_open, pipes);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(unlink(in_path("board")), 0);
    FAILS(ZCX_ESTALE, open_database(&store, "default", 0, error), "board", path, "removed");
    assert_int_equal(write(pipes[3], &byte, 1), 1);
    if (exit_status(child)) fail_msg("%s", child_report);
    assert_whole();
    for (int i = 0; i < 4; i++)
        close(pipes[i]);
}

/* ---- a board that lies ----------------------------------------------------------------------------------------- */

/* Everything a process does. It may fail, but it ends, and no signal ends it. */
static int live_with_lies(void *context)
{
    (void)context;
    zcx_store *store;
    char key[16], *text;
    alarm(60);
    zcx_error error = ZCX_ERROR_INIT;
    if (open_database(&store, "default", 0, &error)) return 0;
    for (int i = 0; i < 3 * RECORDS; i++) {
        zcx_view *view;
        snprintf(key, sizeof key, "k%d", i % RECORDS);
        if (!zcx_store_view(&view, store, key, strlen(key), NULL)) {
            filled(zcx_view_data(view), zcx_view_length(view), 0);
            zcx_view_release(view);
        }
        if (try_put(store, key, length_of(i % RECORDS), 0, NULL, NULL) && i % 3 == 0)
            del(store, key);
    }
    for (uint32_t flags = 0; flags <= ZCX_SWEEP_TRIM; flags++)
        if (!zcx_store_sweep(&text, store, flags, NULL)) zcx_free(text);
    if (!zcx_store_stat(&text, store, NULL)) zcx_free(text);
    if (!zcx_store_check(&text, store, NULL)) zcx_free(text);
    zcx_store_close(store, NULL);
    return 0;
}

/* Where the tables lie, by a process that may open the store. */
static int find_tables(void *context)
{
    uint64_t(*tables)[2] = context;
    zcx_store *store;
    MUST(open_database(&store, "default", 0, error));
    const struct zcxi_board *board = &store->env->board;
    const char *base = (const char *)board->header;
    uint32_t slots = atomic_load(&board->header->slots);
#define TABLE(i, from, bytes) tables[i][0] = (uint64_t)((const char *)(from) - base), tables[i][1] = bytes
    TABLE(0, &board->header->holder, sizeof *board->header - offsetof(struct zcxi_board_header, holder));
    TABLE(1, board->owners, 4 * sizeof *board->owners);
    TABLE(2, board->changes, 16 * sizeof *board->changes);
    TABLE(3, board->groups, slots / ZCXI_GROUP * sizeof *board->groups + sizeof *board->groups);
    TABLE(4, board->slots, slots * sizeof *board->slots);
    TABLE(5, board->pins, slots * ZCXI_OWNERS * sizeof *board->pins);
#undef TABLE
    MUST(zcx_store_close(store, error));
    return 0;
}

static void a_board_that_lies_kills_nobody(void **state)
{
    (void)state;
    uint64_t random = 77, (*tables)[2];
    const uint64_t values[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(0x7fffffff)};
    tables = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < (soaking() ? 3000 : 60); round++) {
        char command[300];
        snprintf(command, sizeof command, "rm -f %s/*", path);
        assert_int_equal(system(command), 0);
        make_store(ZCX_DURABILITY_NONE);
        if (exit_status(spawn(find_tables, tables))) fail_msg("%s", child_report);
        uint64_t table = next_random(&random) % 6, word = next_random(&random) % (tables[table][1] / 8);
        uint64_t pick = next_random(&random) % 8, at = tables[table][0] + word * 8;
        uint64_t value = pick < 5 ? values[pick] : next_random(&random);
        overwrite("board", at, &value, sizeof value);
        int status = exit_status(spawn(live_with_lies, NULL));
        if (status)
            fail_msg("table %" PRIu64 ", word %" PRIu64 ", value %#" PRIx64 ": exit %d %s", table, word,
                     value, status, child_report);
    }
    munmap(tables, 4096);
}

/* ---- another boot ----------------------------------------------------------------------------------------------- */

/* store.json and the board say that the store is of an earlier boot, as after a restart. */
static void pretend_a_restart(void)
{
    char boot[37], earlier[37], text[4096] = {0};
    assert_true(zcxi_boot_id(boot));
    memcpy(earlier, boot, sizeof earlier);
    earlier[0] = boot[0] == '0' ? '1' : '0';
    int file = open(in_path("store.json"), O_RDWR | O_CLOEXEC);
    assert_true(read(file, text, sizeof text - 1) > 0);
    char *at = strstr(text, boot);
    assert_non_null(at);
    memcpy(at, earlier, 36);
    assert_int_equal(pwrite(file, text, strlen(text), 0), strlen(text));
    close(file);
    overwrite("board", offsetof(struct zcxi_board_header, boot_id), earlier, sizeof earlier);
}

static void an_ephemeral_store_ends_with_the_boot(void **state)
{
    (void)state;
    zcx_store *store;
    make_store(ZCX_DURABILITY_NONE);
    pretend_a_restart();
    OK(open_database(&store, "default", 0, error));
    assert_int_equal(status_at(store, "k1"), ZCX_ENOTFOUND);
    uint64_t count = 1;
    OK(zcx_store_count(&count, store, error));
    assert_int_equal(count, 0);
    put(store, "k1", 5000, 1);
    assert_sound(store, 0, 0);
    close_store(store);
}

static void a_durable_store_outlives_the_boot(void **state)
{
    (void)state;
    make_store(ZCX_DURABILITY_COMMIT);
    pretend_a_restart();
    assert_whole();
}

/* What was lent or pinned before the restart is not, afterwards. */
static int die_holding(void *context)
{
    (void)context;
    zcx_store *store;
    zcx_loan *loan;
    zcx_view *view;
    MUST(open_database(&store, "default", 0, error));
    MUST(zcx_store_loan(&loan, store, 100000, 0, error));
    MUST(zcx_store_view(&view, store, "k1", 2, error));
    return 0;
}

static void nothing_is_held_after_a_restart(void **state)
{
    (void)state;
    zcx_store *store;
    make_store(ZCX_DURABILITY_COMMIT);
    assert_int_equal(exit_status(spawn(die_holding, NULL)), 0);
    pretend_a_restart();
    OK(open_database(&store, "default", 0, error));
    assert_sound(store, 0, 0);
    close_store(store);
}

/* ---- the process table ------------------------------------------------------------------------------------------ */

/* Opens, says how that went, and stays until it is told to go: without a close, as many programs. */
static int occupy(void *context)
{
    const int *pipes = context;
    zcx_store *store;
    zcx_error error = ZCX_ERROR_INIT;
    char byte = (char)open_database(&store, "default", 0, &error);
    snprintf(child_report, 4096, "%s", error.message);
    if (write(pipes[1], &byte, 1) != 1 || byte) return 0;
    return read(pipes[2], &byte, 1) != 1;
}

static zcx_status start_occupant(const int *pipes, pid_t *child)
{
    char answer = -1;
    *child = spawn(occupy, (void *)pipes);
    assert_int_equal(read(pipes[0], &answer, 1), 1);
    return (zcx_status)answer;
}

static void only_so_many_processes_may_open_a_store(void **state)
{
    (void)state;
    int pipes[4];
    pid_t children[ZCX_PROCESSES_MAX], late;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(pipes + 2), 0);
    make_store(ZCX_DURABILITY_NONE);
    for (int i = 0; i < ZCX_PROCESSES_MAX; i++)
        if (start_occupant(pipes, &children[i])) fail_msg("process %d: %s", i, child_report);
    assert_int_equal(start_occupant(pipes, &late), ZCX_ELIMIT);
    assert_non_null(strstr(child_report, "256 processes"));
    assert_non_null(strstr(child_report, path));
    exit_status(late);
    kill_child(children[7]); /* the next one gets its place, and what it held */
    assert_int_equal(start_occupant(pipes, &children[7]), ZCX_OK);
    for (int i = 0; i < ZCX_PROCESSES_MAX; i++)
        kill_child(children[i]);
    assert_whole();
    for (int i = 0; i < 4; i++)
        close(pipes[i]);
}

/* ---- a lock whose holder is stopped ------------------------------------------------------------------------------ */

static int publish_for_ever(void *context)
{
    zcx_store *store;
    (void)context;
    MUST(open_database(&store, "default", 0, error));
    for (;;)
        MUST(try_put(store, "k1", length_of(1), 1, NULL, error));
}

/* Stopped at random, until it is with the lock in its hand: others hear who has it, and go on as soon
 * as it does. */
static void a_stopped_holder_is_named(void **state)
{
    (void)state;
    zcx_store *store;
    zcx_error said = ZCX_ERROR_INIT;
    char pid[32];
    make_store(ZCX_DURABILITY_NONE);
    OK(open_database(&store, "default", 0, error));
    pid_t child = spawn(publish_for_ever, NULL);
    snprintf(pid, sizeof pid, "process %d", child);
    zcx_status status = ZCX_OK;
    for (uint64_t tries = 0; !status; tries++) {
        uint64_t before = zcxi_env_last_transaction(store->env, NULL);
        EVENTUALLY(zcxi_env_last_transaction(store->env, NULL) > before + tries % 7);
        assert_int_equal(kill(child, SIGSTOP), 0);
        assert_int_equal(waitpid(child, NULL, WUNTRACED), child);
        status = try_put(store, "k2", length_of(2), 2, NULL, &said);
        if (!status) assert_int_equal(kill(child, SIGCONT), 0);
    }
    assert_int_equal(status, ZCX_ETIMEDOUT);
    assert_non_null(strstr(said.message, pid));
    assert_non_null(strstr(said.message, "200 ms"));
    assert_at(store, "k5", length_of(5), 5); /* readers need no lock */
    assert_int_equal(kill(child, SIGCONT), 0);
    put(store, "k2", length_of(2), 2);
    kill_child(child);
    put(store, "k2", length_of(2), 2);
    json_decref(sweep(store, 0));
    assert_sound(store, 0, 0);
    close_store(store);
}

/* ---- store.json ---------------------------------------------------------------------------------------------------- */

static void a_damaged_manifest_is_named(void **state)
{
    (void)state;
    const char *const damages[] = {"", "{", "[]", "{\"protocol\": 1}", "\x80\xff", "null"};
    zcx_store *store;
    char good[4096];
    make_store(ZCX_DURABILITY_NONE);
    int file = open(in_path("store.json"), O_RDWR | O_CLOEXEC);
    ssize_t length = read(file, good, sizeof good);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        assert_int_equal(ftruncate(file, 0), 0);
        assert_int_equal(pwrite(file, damages[i], strlen(damages[i]), 0), strlen(damages[i]));
        FAILS(ZCX_ECORRUPT, open_database(&store, "default", 0, error), "store.json", path);
    }
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(pwrite(file, good, (size_t)length, 0), length);
    close(file);
    assert_whole(); /* nothing was touched */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(a_lost_board_is_rebuilt),
        TEST(a_truncated_board_is_rebuilt),
        TEST(an_empty_board_is_rebuilt),
        TEST(a_board_of_garbage_is_rebuilt),
        TEST(a_board_removed_under_someone_is_stale),
        TEST(a_board_that_lies_kills_nobody),
        TEST(an_ephemeral_store_ends_with_the_boot),
        TEST(a_durable_store_outlives_the_boot),
        TEST(nothing_is_held_after_a_restart),
        TEST(only_so_many_processes_may_open_a_store),
        TEST(a_stopped_holder_is_named),
        TEST(a_damaged_manifest_is_named),
    };
    make_report();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
