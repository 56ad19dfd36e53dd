/* Backups: complete, of one moment, whole whatever happens meanwhile, and there at once or not at all. */
#include "payload.h"
#include "place.h"
#include "queue.h"
#include "store.h"

#include <sys/file.h>
#include <sys/stat.h>

#define KEYS 8
#define SIZE 300000

static char copy[300], partial[320];

static zcx_store *open_source(void)
{
    snprintf(copy, sizeof copy, "%s/copy", path);
    snprintf(partial, sizeof partial, "%s.partial", copy);
    return open_store(in_path("source"), 64 * MIB);
}

static json_t *back_up(zcx_store *store, bool (*progress)(void *, uint64_t, uint64_t), void *context)
{
    char *text;
    zcx_backup_options options = ZCX_BACKUP_OPTIONS_INIT;
    options.progress = progress;
    options.context = context;
    OK(zcx_store_backup(&text, store, copy, &options, error));
    assert_int_not_equal(access(partial, F_OK), 0);
    return parsed(text);
}

static zcx_store *open_copy(void)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.flags = ZCX_OPEN_EXISTING;
    OK(zcx_store_open(&store, copy, &options, error));
    return store;
}

static void assert_sound(zcx_store *store)
{
    char *text;
    OK(zcx_store_check(&text, store, error));
    if (!strstr(text, "\"sound\":true,")) fail_msg("%s", text);
    zcx_free(text);
}

static void put_payload(zcx_store *store, const char *key, uint64_t number, uint64_t sequence,
                        uint64_t length)
{
    zcx_loan *loan = lend(store, length);
    payload_fill(zcx_loan_data(loan), number, sequence, length);
    OK(zcx_loan_publish(loan, key, strlen(key), length, NULL, NULL, error));
}

/* ---- complete ------------------------------------------------------------------------------------------ */

static zcx_status push_raw(struct zcxi_env *env, MDB_txn *transaction, void *context, zcx_error *error)
{
    MDB_val key = {10, (void *)"q\0\0\0\0\0\0\0\0\7"}, value = {80, context};
    (void)error;
    return mdb_put(transaction, env->queue_db, &key, &value, 0) ? ZCX_ESYSTEM : ZCX_OK;
}

static void put_one_of_each(zcx_store *store)
{
    const uint64_t shape[] = {50, 1000};
    zcx_envelope numpy = {.struct_size = sizeof numpy, .format = ZCX_NUMPY, .dtype = "<f8",
                          .shape = shape, .ndim = 2, .order = 'F', .source = "me"};
    zcx_envelope json = {.struct_size = sizeof json, .format = ZCX_JSON, .ttl_ms = ZCX_TTL_NEVER};
    zcx_envelope checked = {.struct_size = sizeof checked, .flags = ZCX_FLAG_CHECKSUM, .format = ZCX_ARROW};
    zcx_envelope brief = {.struct_size = sizeof brief, .ttl_ms = 1};
    struct zcxi_request request = {.magic = ZCXI_REQUEST_MAGIC, .version = ZCXI_REQUEST_VERSION};
    uint8_t value[80] = {0};
    OK(try_put(store, "numpy", 400000, 1, &numpy, error));
    OK(zcx_store_put(store, "json", 4, "{}", 2, &json, NULL, error));
    OK(try_put(store, "arrow", 5000, 2, &checked, error));
    put(store, "empty", 0, 0);
    put(store, "leaf", 1900, 3);
    OK(zcx_store_put_error(store, "error", 5, "it broke", "line 7", 0, error));
    OK(try_put(store, "brief", 5000, 4, &brief, error));
    EVENTUALLY(status_at(store, "brief") == ZCX_EEXPIRED);
    memcpy(value, &request, sizeof request);
    OK(zcxi_transact(store->env, &(struct zcxi_need){.changes = 1}, push_raw, value, error));
}

static void assert_same_envelope(zcx_store *store, zcx_store *other, const char *key)
{
    zcx_view *one = view_of(store, key), *two = view_of(other, key);
    zcx_envelope a = envelope_of(one), b = envelope_of(two);
    assert_int_equal(a.format, b.format);
    assert_int_equal(a.flags, b.flags);
    assert_int_equal(a.transaction, b.transaction);
    assert_int_equal(a.created, b.created);
    assert_int_equal(a.expires, b.expires);
    assert_int_equal(a.ndim, b.ndim);
    assert_int_equal(a.order, b.order);
    if (a.dtype) assert_string_equal(a.dtype, b.dtype);
    assert_int_equal(zcx_view_length(one), zcx_view_length(two));
    assert_memory_equal(zcx_view_data(one), zcx_view_data(two), zcx_view_length(one));
    zcx_view_release(one);
    zcx_view_release(two);
}

static void seen(struct zcxi_env *env, const struct zcxi_ticket *ticket, const struct zcxi_request *request,
                 const struct zcxi_claimed *claim, void *context)
{
    (void)env, (void)request, (void)claim;
    if (!strcmp(ticket->queue, "q") && ticket->sequence == 7) ++*(int *)context;
}

static void everything_is_in_it(void **state)
{
    (void)state;
    const char *keys[] = {"numpy", "json", "arrow", "empty", "leaf", "error"};
    int requests = 0;
    zcx_store *store = open_source(), *other = NULL, *backup;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.database = "other";
    put_one_of_each(store);
    OK(zcx_store_open(&other, in_path("source"), &options, error));
    for (unsigned i = 0; i < 2000; i++)
        put(other, (char[]){(char)(i % 251 + 1), (char)(i / 251 + 1), 0}, i, i);
    json_t *report = back_up(store, NULL, NULL);
    assert_int_equal(number(report, "records", NULL), 2006);
    assert_int_equal(number(report, "requests", NULL), 1);
    assert_int_equal(json_array_size(json_object_get(report, "left_out")), 0);
    uint64_t snapshot = (uint64_t)number(report, "transaction", NULL);
    json_decref(report);
    backup = open_copy();
    for (int i = 0; i < 6; i++)
        assert_same_envelope(store, backup, keys[i]);
    close_store(other);
    OK(zcx_store_open(&other, copy, &options, error));
    for (unsigned i = 0; i < 2000; i++)
        assert_at(other, (char[]){(char)(i % 251 + 1), (char)(i / 251 + 1), 0}, i, i);
    assert_int_equal(status_at(backup, "brief"), ZCX_ENOTFOUND);
    OK(zcxi_queue_walk(backup->env, seen, &requests, error));
    assert_int_equal(requests, 1);
    assert_sound(backup);
    put(backup, "numpy", 100, 9); /* it goes on, and from there */
    zcx_view *view = view_of(backup, "numpy");
    assert_true(envelope_of(view).transaction > snapshot);
    zcx_view_release(view);
    json_t *stat = stat_of(backup);
    assert_string_equal(json_string_value(json_object_get(json_object_get(stat, "store"), "durability")),
                        "commit");
    json_decref(stat);
    close_store(other);
    close_store(backup);
    close_store(store);
}

/* ---- of one moment ---------------------------------------------------------------------------------------- */

struct meanwhile {
    zcx_store *store;
    int calls, act_at;
};

/* Everything is overwritten, often enough for every slot to be recycled that may be. */
static bool overwrite(void *context, uint64_t done, uint64_t total)
{
    struct meanwhile *meanwhile = context;
    char key[8];
    assert_true(done <= total);
    if (meanwhile->calls++ != meanwhile->act_at) return true;
    for (uint64_t round = 100; round < 110; round++)
        for (uint64_t i = 0; i < KEYS; i++) {
            snprintf(key, sizeof key, "%lu", (unsigned long)i);
            put_payload(meanwhile->store, key, i, round, SIZE);
        }
    json_decref(sweep(meanwhile->store, ZCX_SWEEP_TRIM));
    return true;
}

static void what_is_overwritten_meanwhile_is_whole(void **state)
{
    (void)state;
    char key[8];
    zcx_store *store = open_source();
    struct meanwhile meanwhile = {store, 0, 0};
    for (uint64_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%lu", (unsigned long)i);
        put_payload(store, key, i, 1, SIZE);
    }
    json_decref(back_up(store, overwrite, &meanwhile));
    assert_true(meanwhile.calls >= KEYS);
    zcx_store *backup = open_copy();
    for (uint64_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%lu", (unsigned long)i);
        zcx_view *view = view_of(backup, key);
        assert_true(payload_whole(zcx_view_data(view), i, zcx_view_length(view)));
        assert_int_equal(payload_sequence(zcx_view_data(view)), 1);
        zcx_view_release(view);
    }
    close_store(backup);
    json_t *stat = stat_of(store); /* no pin is left */
    size_t index;
    json_t *holder;
    json_array_foreach(json_object_get(stat, "holders"), index, holder)
        assert_int_equal(number(holder, "views", NULL), 0);
    json_decref(stat);
    assert_sound(store);
    close_store(store);
}

/* Two keys that change together, for as long as the parent lives. */
static int write_pairs(void *context)
{
    uint64_t seed = (uint64_t)(uintptr_t)context + 7;
    zcx_store *store = open_store(in_path("source"), 64 * MIB);
    for (uint64_t sequence = 1;; sequence++) {
        zcx_batch *batch;
        char key[16];
        uint64_t pair = next_random(&seed) % 3, length = 24 + next_random(&seed) % 20000 * 8;
        CHILD_EXPECTS(!zcx_store_batch(&batch, store, NULL));
        for (uint64_t side = 0; side < 2; side++) {
            zcx_loan *loan;
            snprintf(key, sizeof key, "%lu-%lu-%lu", (unsigned long)(uintptr_t)context,
                     (unsigned long)pair, (unsigned long)side);
            CHILD_EXPECTS(!zcx_store_loan(&loan, store, length, 2000, NULL));
            payload_fill(zcx_loan_data(loan), pair, sequence, length);
            CHILD_EXPECTS(!zcx_batch_publish(batch, loan, key, strlen(key), length, NULL, NULL));
        }
        CHILD_EXPECTS(!zcx_batch_commit(batch, NULL, NULL));
    }
}

static uint64_t sequence_of(zcx_store *store, int writer, int pair, int side)
{
    char key[16];
    snprintf(key, sizeof key, "%d-%d-%d", writer, pair, side);
    if (status_at(store, key) == ZCX_ENOTFOUND) return 0;
    zcx_view *view = view_of(store, key);
    assert_true(payload_whole(zcx_view_data(view), (uint64_t)pair, zcx_view_length(view)));
    uint64_t sequence = payload_sequence(zcx_view_data(view));
    zcx_view_release(view);
    return sequence;
}

static void it_is_of_one_moment(void **state)
{
    (void)state;
    const int rounds = getenv("ZCX_SOAK") ? 200 : 8;
    zcx_store *store = open_source();
    pid_t writers[2];
    for (int i = 0; i < 2; i++)
        writers[i] = spawn(write_pairs, (void *)(uintptr_t)i);
    for (int round = 0; round < rounds; round++) {
        if (round % 4 == 3) { /* a writer dies in the middle of something */
            kill(writers[1], SIGKILL);
            exit_status(writers[1]);
            writers[1] = spawn(write_pairs, (void *)(uintptr_t)1);
        }
        EVENTUALLY(sequence_of(store, 0, 0, 0) && sequence_of(store, 1, 0, 0));
        json_decref(back_up(store, NULL, NULL));
        zcx_store *backup = open_copy();
        for (int writer = 0; writer < 2; writer++)
            for (int pair = 0; pair < 3; pair++)
                assert_int_equal(sequence_of(backup, writer, pair, 0), sequence_of(backup, writer, pair, 1));
        assert_sound(backup);
        close_store(backup);
        char command[400];
        snprintf(command, sizeof command, "rm -r %s", copy);
        assert_int_equal(system(command), 0);
    }
    for (int i = 0; i < 2; i++) {
        kill(writers[i], SIGKILL);
        exit_status(writers[i]);
    }
    close_store(store);
}

/* ---- at once, or not at all --------------------------------------------------------------------------------- */

static bool die(void *context, uint64_t done, uint64_t total)
{
    int *left = context;
    (void)done, (void)total;
    if (!(*left)--) raise(SIGKILL);
    return true;
}

static int back_up_and_die(void *context)
{
    zcx_store *store = open_store(in_path("source"), 64 * MIB);
    zcx_backup_options options = ZCX_BACKUP_OPTIONS_INIT;
    options.progress = die;
    options.context = context;
    return (int)zcx_store_backup(NULL, store, copy, &options, NULL);
}

static void one_that_is_killed_opens_as_nothing(void **state)
{
    (void)state;
    char key[8];
    zcx_store *store = open_source();
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%u", i);
        put(store, key, SIZE, i);
    }
    for (int after = 0; after < KEYS; after++) {
        assert_int_equal(exit_status(spawn(back_up_and_die, &after)), 128 + SIGKILL);
        assert_int_not_equal(access(copy, F_OK), 0);
        assert_int_equal(access(partial, F_OK), 0);
        FAILS(ZCX_ECORRUPT, try_open(partial, 0, error), "not a store");
        FAILS(ZCX_ENOTFOUND, try_open(copy, ZCX_OPEN_EXISTING, error), "no store");
    }
    json_decref(back_up(store, NULL, NULL)); /* which takes over what they left */
    zcx_store *backup = open_copy();
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_at(backup, key, SIZE, i);
    }
    close_store(backup);
    close_store(store);
}

static bool stop(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    return false;
}

static void what_is_there_is_not_touched(void **state)
{
    (void)state;
    zcx_store *store = open_source();
    zcx_backup_options options = {sizeof options, ZCX_DURABILITY_DEFAULT, stop, NULL};
    put(store, "k", SIZE, 1);
    FAILS(ZCX_EINVAL, zcx_store_backup(NULL, store, zcx_store_path(store), NULL, error), "exists");
    FAILS(ZCX_EINVAL, zcx_store_backup(NULL, store, "/dev/null", NULL, error), "exists");
    FAILS(ZCX_EINVAL, zcx_store_backup(NULL, store, "", NULL, error), "path");
    FAILS(ZCX_ESYSTEM, zcx_store_backup(NULL, store, in_path("no/where"), NULL, error), "no/where");
    FAILS(ZCX_ECANCELLED, zcx_store_backup(NULL, store, copy, &options, error), "stopped");
    assert_int_not_equal(access(copy, F_OK), 0);
    assert_int_not_equal(access(partial, F_OK), 0);
    assert_int_equal(mkdir(partial, 0700), 0);
    int other = open(partial, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(other, LOCK_EX), 0);
    FAILS(ZCX_EBUSY, zcx_store_backup(NULL, store, copy, NULL, error), "another process", copy);
    close(other);
    assert_int_equal(symlink("/nowhere", in_path("link")), 0);
    FAILS(ZCX_EINVAL, zcx_store_backup(NULL, store, in_path("link"), NULL, error), "exists");
    json_decref(back_up(store, NULL, NULL));
    close_store(store);
}

static void a_damaged_record_is_left_out_and_named(void **state)
{
    (void)state;
    zcx_store *store = open_source();
    put(store, "good", SIZE, 1);
    put(store, "bad", SIZE, 2);
    zcx_view *view = view_of(store, "bad");
    struct zcxi_slot *slot = &store->env->board.slots[view->slot];
    zcx_view_release(view);
    atomic_fetch_add(&slot->word, ZCXI_GENERATION_ONE);
    json_t *report = back_up(store, NULL, NULL);
    assert_int_equal(number(report, "records", NULL), 1);
    const json_t *left_out = json_object_get(report, "left_out");
    assert_int_equal(json_array_size(left_out), 1);
    assert_non_null(strstr(json_string_value(json_array_get(left_out, 0)), "bad"));
    json_decref(report);
    zcx_store *backup = open_copy();
    assert_at(backup, "good", SIZE, 1);
    assert_int_equal(status_at(backup, "bad"), ZCX_ENOTFOUND);
    close_store(backup);
    close_store(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(everything_is_in_it),
        TEST(what_is_overwritten_meanwhile_is_whole),
        TEST(it_is_of_one_moment),
        TEST(one_that_is_killed_opens_as_nothing),
        TEST(what_is_there_is_not_touched),
        TEST(a_damaged_record_is_left_out_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
