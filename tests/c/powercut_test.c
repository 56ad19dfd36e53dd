/* Durable stores after a power cut: whatever was acknowledged is there, whole; what was under way is
 * there whole, or not at all; the store opens and goes on. Threads write while everything that reaches
 * the files is noted (writelog.h); then the power is cut at every entry of that log (diskimage.h), and a
 * fresh process opens what is left. The same without one of the syncs must be seen to lose something. */
#include "child.h"
#include "diskimage.h"
#include "store.h"

#define THREADS 4
#define KEYS 6 /* of each thread */
#define OPENINGS 3
#define CHANGES 3 /* of a batch, at most */

/* What the writers note, as NOTED_OTHER: an operation begins, which sets these keys to these
 * sequences (0: deleted); or it is acknowledged. */
struct operation {
    uint32_t thread, count;
    bool acknowledged;
    uint32_t keys[CHANGES];
    uint64_t sequences[CHANGES];
};

static char *place; /* what is recorded; the image is in `place`-image */
static int operations;

static void name_key(char name[16], uint32_t thread, uint32_t key)
{
    snprintf(name, 16, "%u-%u", thread, key);
}

static zcx_store *open_durable(const char *path)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.durability = ZCX_DURABILITY_COMMIT;
    options.budget = 16 * MIB;
    options.map_size = 96 * MIB;
    MUST(zcx_store_open(&store, path, &options, error));
    return store;
}

/* ---- the writers ----------------------------------------------------------------------------------------- */

static zcx_loan *lend_filled(zcx_store *store, const struct operation *operation, uint32_t i,
                             uint64_t *length, uint64_t *seed)
{
    static const uint64_t lengths[] = {24, 200, 1000, 1200, 2400, 4000, 9000, 40000, 150000};
    zcx_loan *loan;
    *length = lengths[next_random(seed) % (sizeof lengths / sizeof *lengths)];
    MUST(zcx_store_loan(&loan, store, *length, 0, error));
    payload_fill(zcx_loan_data(loan), operation->thread * KEYS + operation->keys[i],
                 operation->sequences[i], *length);
    log_map(zcx_loan_data(loan), *length);
    return loan;
}

static void note(const struct operation *operation)
{
    log_note((struct entry){NOTED_OTHER, 0, 0, 0, 0, 0}, operation, sizeof *operation);
}

static void change_one(zcx_store *store, const struct operation *operation, uint64_t *seed)
{
    char key[16];
    uint64_t length;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.ttl_ms = ZCX_TTL_NEVER;
    envelope.flags = ZCX_FLAG_CHECKSUM;
    name_key(key, operation->thread, operation->keys[0]);
    if (!operation->sequences[0]) {
        zcx_status status = zcx_store_delete(store, key, strlen(key), NULL);
        if (status && status != ZCX_ENOTFOUND) complain("cannot delete: %d", status);
        return;
    }
    zcx_loan *loan = lend_filled(store, operation, 0, &length, seed);
    MUST(zcx_loan_publish(loan, key, strlen(key), length, &envelope, NULL, error));
}

static void change_some(zcx_store *store, const struct operation *operation, uint64_t *seed)
{
    char key[16];
    uint64_t length;
    zcx_batch *batch;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.ttl_ms = ZCX_TTL_NEVER;
    MUST(zcx_store_batch(&batch, store, error));
    for (uint32_t i = 0; i < operation->count; i++) {
        name_key(key, operation->thread, operation->keys[i]);
        if (!operation->sequences[i]) {
            MUST(zcx_batch_delete(batch, key, strlen(key), error));
            continue;
        }
        zcx_loan *loan = lend_filled(store, operation, i, &length, seed);
        MUST(zcx_batch_publish(batch, loan, key, strlen(key), length, &envelope, error));
    }
    MUST(zcx_batch_commit(batch, NULL, error));
}

struct writer {
    zcx_store *store;
    uint32_t thread;
    uint64_t seed, sequence;
};

static void *write_on(void *context)
{
    struct writer *writer = context;
    for (int i = 0; i < operations; i++) {
        struct operation operation = {.thread = writer->thread, .count = 1};
        uint32_t first = (uint32_t)(next_random(&writer->seed) % KEYS);
        if (next_random(&writer->seed) % 6 == 0) operation.count = CHANGES;
        for (uint32_t j = 0; j < operation.count; j++) {
            operation.keys[j] = (first + j) % KEYS;
            operation.sequences[j] = next_random(&writer->seed) % 8 ? ++writer->sequence : 0;
        }
        note(&operation);
        if (operation.count == 1)
            change_one(writer->store, &operation, &writer->seed);
        else
            change_some(writer->store, &operation, &writer->seed);
        operation.acknowledged = true;
        note(&operation);
    }
    return NULL;
}

static int record(void *context)
{
    const enum omit *omit = context;
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    writing.directory = place;
    int directory = open(place, O_RDONLY | O_DIRECTORY); /* file 0 */
    for (int opening = 0; opening < OPENINGS; opening++) {
        zcx_store *store = open_durable(place);
        uint32_t data;
        if (!file_noted(store->env->data_file, &data)) return 1;
        writing.omit = *omit; /* now that the store is there */
        writing.map = store->env->writing;
        writing.map_size = store->env->map_size;
        writing.map_file = data;
        for (uint32_t i = 0; i < THREADS; i++) {
            if (!opening) writers[i] = (struct writer){.thread = i, .seed = 77 + i};
            writers[i].store = store;
            if (pthread_create(&threads[i], NULL, write_on, &writers[i])) return 1;
        }
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        MUST(zcx_store_sweep(NULL, store, ZCX_SWEEP_TRIM, error));
        writing.map_size = 0;
        MUST(zcx_store_close(store, error));
    }
    close(directory);
    return 0;
}

/* ---- what must be there ------------------------------------------------------------------------------------ */

struct expected {
    uint64_t sequences[THREADS][KEYS]; /* acknowledged; 0: none */
    struct operation under_way[THREADS]; /* count 0: none */
    uint64_t acknowledged;
};

static void expect(struct expected *expected, const struct operation *operation)
{
    expected->under_way[operation->thread] = *operation;
    if (!operation->acknowledged) return;
    for (uint32_t i = 0; i < operation->count; i++)
        expected->sequences[operation->thread][operation->keys[i]] = operation->sequences[i];
    expected->under_way[operation->thread].count = 0;
    expected->acknowledged++;
}

/* The sequence at a key, 0 for none; it must be whole. */
static uint64_t sequence_at(zcx_store *store, uint32_t thread, uint32_t key)
{
    char name[16];
    zcx_view *view;
    zcx_error error = ZCX_ERROR_INIT;
    name_key(name, thread, key);
    zcx_status status = zcx_store_view(&view, store, name, strlen(name), &error);
    if (status == ZCX_ENOTFOUND) return 0;
    if (status) complain("%s: %s", name, error.message);
    const void *data = zcx_view_data(view);
    if (!payload_whole(data, thread * KEYS + key, zcx_view_length(view)))
        complain("%s is not whole", name);
    uint64_t sequence = payload_sequence(data);
    zcx_view_release(view);
    return sequence;
}

/* The keys of an operation are all as before it, or all as after it; all others are as acknowledged. */
static void check_thread(const struct expected *expected, zcx_store *store, uint32_t thread)
{
    const struct operation *under_way = &expected->under_way[thread];
    bool before = true, after = true;
    for (uint32_t key = 0; key < KEYS; key++) {
        uint64_t found = sequence_at(store, thread, key), old = expected->sequences[thread][key];
        uint64_t new = old;
        for (uint32_t i = 0; i < under_way->count; i++)
            if (under_way->keys[i] == key) new = under_way->sequences[i];
        if (found != old && found != new)
            complain("%u-%u has sequence %lu; acknowledged is %lu, under way %lu", thread, key,
                     (unsigned long)found, (unsigned long)old, (unsigned long)new);
        before = before && found == old;
        after = after && found == new;
    }
    if (!before && !after) complain("a batch of thread %u is there in part", thread);
}

static void go_on(zcx_store *store)
{
    char *json;
    struct operation operation = {.count = 1, .keys = {0}, .sequences = {1}};
    uint64_t seed = 5;
    for (operation.sequences[0] = 1; operation.sequences[0] < 6; operation.sequences[0]++)
        change_one(store, &operation, &seed);
    if (sequence_at(store, 0, 0) != 5) complain("what was put afterwards is not there");
    MUST(zcx_store_check(&json, store, error));
    if (!strstr(json, "\"sound\":true")) complain("%s", json);
    zcx_free(json);
}

static int open_what_is_left(void *context)
{
    const struct expected *expected = context;
    char path[300];
    snprintf(path, sizeof path, "%s-image", place);
    zcx_store *store = open_durable(path);
    for (uint32_t thread = 0; thread < THREADS; thread++)
        check_thread(expected, store, thread);
    go_on(store);
    MUST(zcx_store_close(store, error));
    return 0;
}

/* ---- replays ------------------------------------------------------------------------------------------------- */

static void empty_image(char path[300])
{
    char name[400];
    snprintf(path, 300, "%s-image", place);
    static const char *const names[] = {"data.mdb", "data.mdb.new", "store.json", "store.json.new",
                                        "board", "lock.mdb", "open.lock"};
    mkdir(path, 0700);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "%s/%s", path, names[i]);
        unlink(name);
    }
}

/* One power cut; NULL, or what was wrong. */
static const char *cut(const struct disk *disk, const struct expected *expected, uint64_t *seed)
{
    char path[300];
    make_report();
    empty_image(path);
    lay_out(disk, path, (enum luck)(next_random(seed) % 4 > 1 ? ANYTHING : next_random(seed) % 2), seed);
    int status = exit_status(spawn(open_what_is_left, (void *)expected));
    if (status && !child_report[0]) snprintf(child_report, 4096, "it ended with %d", status);
    return status ? child_report : NULL;
}

struct outcome {
    uint64_t entries, cuts, losses, acknowledged, commits;
};

/* `cuts` of them, spread over the log. Says of the first loss what it was, if `losses` are not wanted. */
static struct outcome replay(const struct log *log, uint64_t cuts, bool losses, uint64_t seed)
{
    struct outcome outcome = {.entries = log->count};
    struct disk *disk = calloc(1, sizeof *disk);
    struct expected expected = {.acknowledged = 0};
    const char *at = log->entries;
    assert_non_null(disk);
    for (uint64_t i = 0; i <= log->count; i++) {
        for (; outcome.cuts < (i + 1) * cuts / (log->count + 1); outcome.cuts++) {
            const char *wrong = cut(disk, &expected, &seed);
            if (!wrong) continue;
            if (!losses)
                fail_msg("the power was cut at entry %lu of %lu: %s", (unsigned long)i,
                         (unsigned long)log->count, wrong);
            outcome.losses++;
        }
        if (i == log->count || (losses && outcome.losses)) break;
        const struct entry *entry = (const void *)at;
        if (entry->kind == NOTED_OTHER)
            expect(&expected, (const void *)entry->bytes);
        else
            take_up(disk, entry, i);
        outcome.commits += entry->kind == NOTED_SYNC && entry->length < PAGE && entry->file && entry->offset < 2 * PAGE;
        at += sizeof *entry + entry->size;
    }
    outcome.acknowledged = expected.acknowledged;
    free_disk(disk);
    return outcome;
}

static struct outcome record_and_replay(enum omit omit, uint64_t cuts)
{
    struct log *log = writing.log = log_make();
    assert_true(log != MAP_FAILED);
    make_report();
    writing.files = 0;
    int status = exit_status(spawn(record, &omit));
    writing.log = NULL;
    if (status) fail_msg("the writers ended with %d: %s", status, child_report);
    struct outcome outcome = replay(log, cuts, omit != OMIT_NOTHING, 88172645463325252u);
    munmap(log, LOG_MOST);
    return outcome;
}

static uint64_t wanted_cuts(void)
{
    return soaking() ? 10000 : 400;
}

static void nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    operations = soaking() ? 60 : 20;
    struct outcome outcome = record_and_replay(OMIT_NOTHING, wanted_cuts());
    print_message("%lu power cuts in %lu entries; %lu changes acknowledged, in %lu commits\n",
                  (unsigned long)outcome.cuts, (unsigned long)outcome.entries,
                  (unsigned long)outcome.acknowledged, (unsigned long)outcome.commits);
    assert_int_equal(outcome.losses, 0);
    assert_int_equal(outcome.acknowledged, THREADS * OPENINGS * operations);
}

static void expect_a_loss(enum omit omit)
{
    operations = 20;
    struct outcome outcome = record_and_replay(omit, 400);
    if (!outcome.losses) fail_msg("%lu power cuts, and nothing was lost", (unsigned long)outcome.cuts);
    print_message("seen after %lu power cuts: %s\n", (unsigned long)outcome.cuts, child_report);
}

static void without_its_msync_payloads_are_lost(void **state)
{
    (void)state;
    expect_a_loss(OMIT_MSYNC);
}

static void without_lmdbs_sync_pages_are_lost(void **state)
{
    (void)state;
    expect_a_loss(OMIT_FDATASYNC);
}

static void without_a_synchronous_meta_page_records_are_lost(void **state)
{
    (void)state;
    expect_a_loss(OMIT_DSYNC);
}

static int make_place(void **state)
{
    (void)state;
    char *directory = make_directory(NULL);
    place = malloc(300);
    snprintf(place, 300, "%s/store", directory);
    free(directory);
    return mkdir(place, 0700);
}

static int free_place(void **state)
{
    (void)state;
    free(place);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, free_place)
    const struct CMUnitTest tests[] = {
        TEST(nothing_acknowledged_is_lost),
        TEST(without_its_msync_payloads_are_lost),
        TEST(without_lmdbs_sync_pages_are_lost),
        TEST(without_a_synchronous_meta_page_records_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
