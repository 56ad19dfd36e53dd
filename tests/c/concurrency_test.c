/* Many at once: threads of two processes on the same keys, views that outlive whatever happens to
 * their keys, foreign readers. Built again without the pins, and without the check of generations
 * (view_without.c), the tests of those rules must see payloads change. */
#include "accounting.h"
#include "work.h"

#include <pthread.h>
#include <sys/stat.h>

enum { BUDGET = 32 << 20, THREADS = 8, VIEWS = 70000 };

#ifdef ZCX_WITHOUT_PINS
enum { PINS = 0 };
#else
enum { PINS = 1 };
#endif
#ifdef ZCX_WITHOUT_GENERATIONS
enum { GENERATIONS = 0 };
#else
enum { GENERATIONS = 1 };
#endif

/* A child whose complaint is a failure; without the rule it is what we want to hear. */
static void expect_success(pid_t child, bool rule)
{
    int status = exit_status(child);
    bool saw = strstr(child_report, "changed") || strstr(child_report, "torn");
    if (rule && status) fail_msg("exit %d: %s", status, child_report);
    if (!rule && !saw) fail_msg("nothing was noticed: exit %d %s", status, child_report);
    if (!rule) print_message("noticed: %s\n", child_report);
}

static int check(void *context)
{
    (void)context;
    struct account account;
    alarm(300);
    zcx_store *store = open_shared(BUDGET);
    MUST(zcx_store_sweep(NULL, store, 0, error));
    must_be_sound(account_for(store, &account), "afterwards");
    if (account.loans || account.pins)
        complain("%u loans and %u pins are left", account.loans, account.pins);
    return 0;
}

/* ---- two processes, eight threads each ------------------------------------------------------------------ */

static int rounds(void)
{
    return soaking() ? 200000 : 1500;
}

struct worker {
    pthread_t thread;
    zcx_store *store;
    uint64_t seed;
    int number;
};

static void *work(void *context)
{
    struct worker *worker = context;
    zcx_view *held[HELD] = {NULL};
    seed = worker->seed;
    for (int i = 0; i < rounds(); i++) {
        if (worker->number % 2)
            produce_once(worker->store);
        else
            look_once(worker->store, held);
        if (worker->number == 1 && i % 50 == 0)
            MUST(zcx_store_sweep(NULL, worker->store, i % 100 ? 0 : ZCX_SWEEP_TRIM, error));
    }
    for (int i = 0; i < HELD; i++)
        drop_view(held[i]);
    return NULL;
}

static int run_threads(void *context)
{
    struct worker workers[THREADS];
    zcx_store *store = open_shared(BUDGET);
    alarm(500);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){0, store, *(uint64_t *)context * 1000 + (uint64_t)i + 1, i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) complain("no thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    MUST(zcx_store_close(store, error));
    return 0;
}

static void every_read_is_one_whole_payload(void **state)
{
    (void)state;
    uint64_t first = 1, second = 2;
    pid_t children[2] = {spawn(run_threads, &first), spawn(run_threads, &second)};
    if (PINS) {
        expect_success(children[0], true);
        expect_success(children[1], true);
        expect_success(spawn(check, NULL), true);
        print_message("%" PRIu64 " publishes, %" PRIu64 " views\n", atomic_load(&shared->published),
                      atomic_load(&shared->viewed));
    } else {
        exit_status(children[0]);
        expect_success(children[1], false);
    }
}

/* ---- views that are held ------------------------------------------------------------------------------------ */

enum { KEYS = 8 };
static const uint64_t lengths[KEYS] = {504, 2000, 2400, 4000, 8000, 40000, 400000, 3000000};

/* Overwrites, deletes, lets expire and sweeps, until it is killed. */
static int churn(void *context)
{
    (void)context;
    zcx_store *store = open_shared(BUDGET);
    static uint64_t data[3000000 / 8];
    for (uint64_t round = 1;; round++) {
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        uint64_t key = round % KEYS;
        char name = (char)('0' + key);
        envelope.ttl_ms = round % 5 ? ZCX_TTL_NEVER : 1;
        payload_fill(data, key, round, lengths[key]);
        MUST(zcx_store_put(store, &name, 1, data, lengths[key], &envelope, NULL, error));
        if (round % 7 == 0) { /* where it has not expired yet */
            zcx_status status = zcx_store_delete(store, &name, 1, NULL);
            if (status && status != ZCX_ENOTFOUND) complain("delete: %s", zcx_status_name(status));
        }
        if (round % 100 == 0) MUST(zcx_store_sweep(NULL, store, ZCX_SWEEP_TRIM, error));
        atomic_store(&shared->sequence, round);
    }
}

/* Holds views of what the first writer wrote, while it and its successors write on and are killed. */
static int hold_views(void *context)
{
    (void)context;
    zcx_view *views[KEYS];
    uint64_t sequences[KEYS];
    zcx_store *store = open_shared(BUDGET);
    for (uint64_t key = 0; key < KEYS;) {
        char name = (char)('0' + key);
        if (zcx_store_view(&views[key], store, &name, 1, NULL)) continue;
        sequences[key] = payload_sequence(zcx_view_data(views[key]));
        key++;
    }
    atomic_store(&shared->viewed, 1);
    while (atomic_load(&shared->viewed)) /* until the writers are dead */
        for (uint64_t key = 0; key < KEYS; key++)
            if (!payload_whole(zcx_view_data(views[key]), key, lengths[key]) ||
                payload_sequence(zcx_view_data(views[key])) != sequences[key])
                complain("a held view of key %" PRIu64 " changed", key);
    for (uint64_t key = 0; key < KEYS; key++)
        zcx_view_release(views[key]);
    MUST(zcx_store_close(store, error));
    return 0;
}

static void held_views_never_change(void **state)
{
    (void)state;
    const uint64_t overwrites = 1000 * KEYS;
    atomic_store(&shared->viewed, 0);
    pid_t writer = spawn(churn, NULL), holder = spawn(hold_views, NULL);
    while (!atomic_load(&shared->viewed))
        if (waitpid(writer, NULL, WNOHANG) == writer) fail_msg("%s", child_report);
    for (int life = 0; life < 3; life++) {
        uint64_t until = atomic_load(&shared->sequence) + overwrites / 2;
        while (atomic_load(&shared->sequence) < until) {
            if (waitpid(writer, NULL, WNOHANG) == writer) fail_msg("%s", child_report);
            usleep(200);
        }
        kill_child(writer);
        atomic_store(&shared->sequence, 0);
        writer = spawn(churn, NULL);
    }
    kill_child(writer);
    atomic_store(&shared->viewed, 0);
    expect_success(holder, PINS);
    if (PINS) expect_success(spawn(check, NULL), true);
}

/* ---- very many views of one key ------------------------------------------------------------------------------ */

struct viewer {
    pthread_t thread;
    zcx_store *store;
    zcx_view *views[VIEWS / 2];
    int count;
};

static void *view_often(void *context)
{
    struct viewer *viewer = context;
    for (int i = 0; i < VIEWS / 2; i++) {
        zcx_error error = ZCX_ERROR_INIT;
        zcx_status status = zcx_store_view(&viewer->views[viewer->count], viewer->store, "k9", 2,
                                           &error);
        if (!status)
            viewer->count++;
        else if (status != ZCX_ELIMIT || !strstr(error.message, "32768") ||
                 !strstr(error.message, "slot "))
            complain("view %d: %s", i, error.message);
    }
    return NULL;
}

static int view_too_often(void *context)
{
    (void)context;
    static struct viewer viewers[2];
    static uint64_t data[1000];
    struct account account;
    zcx_store *store = open_shared(BUDGET);
    payload_fill(data, 9, 9, sizeof data);
    MUST(zcx_store_put(store, "k9", 2, data, sizeof data, NULL, NULL, error));
    for (int i = 0; i < 2; i++) {
        viewers[i].store = store;
        if (pthread_create(&viewers[i].thread, NULL, view_often, &viewers[i])) complain("no thread");
    }
    for (int i = 0; i < 2; i++)
        pthread_join(viewers[i].thread, NULL);
    if (viewers[0].count + viewers[1].count != 32768)
        complain("%d views of one key", viewers[0].count + viewers[1].count);
    for (uint64_t i = 0; i < 100; i++) { /* whatever happens to the key */
        payload_fill(data, 9, 10 + i, sizeof data);
        MUST(zcx_store_put(store, "k9", 2, data, sizeof data, NULL, NULL, error));
    }
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < viewers[i].count; k++) {
            const void *seen = zcx_view_data(viewers[i].views[k]);
            if (!payload_whole(seen, 9, sizeof data) || payload_sequence(seen) != 9)
                complain("a view of k9 changed");
            zcx_view_release(viewers[i].views[k]);
        }
    must_be_sound(account_for(store, &account), "after many views");
    if (account.pins) complain("%u pins are left", account.pins);
    MUST(zcx_store_close(store, error));
    return 0;
}

static void seventy_thousand_views(void **state)
{
    (void)state;
    expect_success(spawn(view_too_often, NULL), true);
}

/* ---- a foreign LMDB client ------------------------------------------------------------------------------------ */

struct foreign {
    MDB_env *env;
    MDB_dbi records, slots;
};

/* Every record that this snapshot has is whole; returns the sum of their sequence numbers. */
static uint64_t read_all(const struct foreign *foreign, MDB_txn *transaction, const char *when)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t sum = 0;
    if (mdb_cursor_open(transaction, foreign->records, &cursor)) complain("no cursor");
    while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct zcxi_header header;
        char name[8] = {0};
        memcpy(&header, value.mv_data, sizeof header);
        memcpy(name, key.mv_data, key.mv_size);
        const char *data = (char *)value.mv_data + header.payload_offset;
        if (header.flags & ZCXI_FLAG_SLOT) {
            MDB_val slot = {sizeof header.slot, &header.slot};
            if (mdb_get(transaction, foreign->slots, &slot, &value)) complain("no slot %u", header.slot);
            data = (char *)value.mv_data + header.payload_offset;
        } else {
            data = memcpy(malloc(header.payload_length), data, header.payload_length); /* aligned */
        }
        if (!payload_whole(data, strtoull(name + 1, NULL, 10), header.payload_length))
            complain("a torn payload at %s in a snapshot, %s", name, when);
        sum += payload_sequence(data) * (header.slot + 1);
        if (!(header.flags & ZCXI_FLAG_SLOT)) free((char *)data);
    }
    mdb_cursor_close(cursor);
    return sum;
}

static struct foreign open_foreign(void)
{
    struct foreign foreign;
    MDB_txn *transaction;
    if (mdb_env_create(&foreign.env) || mdb_env_set_maxdbs(foreign.env, 4) ||
        mdb_env_open(foreign.env, shared->path, MDB_RDONLY | MDB_NOTLS, 0600) ||
        mdb_txn_begin(foreign.env, NULL, MDB_RDONLY, &transaction) ||
        mdb_dbi_open(transaction, "default", 0, &foreign.records) ||
        mdb_dbi_open(transaction, "zcx.slots", 0, &foreign.slots) || mdb_txn_commit(transaction))
        complain("a plain LMDB client cannot open the store");
    return foreign;
}

/* Reads short snapshots, or holds one, until the producers are done. */
static int read_foreign(void *held)
{
    struct foreign foreign = open_foreign();
    MDB_txn *transaction;
    uint64_t before, count = 0;
    if (mdb_txn_begin(foreign.env, NULL, MDB_RDONLY, &transaction)) complain("no snapshot");
    before = read_all(&foreign, transaction, "at first");
    for (atomic_store(&shared->steps, 1); atomic_load(&shared->steps); count++) {
        uint64_t now = read_all(&foreign, transaction, held ? "held" : "short");
        if (held && now != before) complain("a held snapshot changed");
        if (held) continue;
        mdb_txn_reset(transaction);
        if (mdb_txn_renew(transaction)) complain("no snapshot");
    }
    if (read_all(&foreign, transaction, "at last") != before && held)
        complain("a held snapshot changed");
    return 0;
}

struct production {
    uint64_t seed;
    int publishes;
};

static int produce_some(void *context)
{
    struct production *production = context;
    seed = production->seed;
    zcx_store *store = open_shared(BUDGET);
    for (int i = 0; i < production->publishes; i++)
        publish_one(store);
    return 0;
}

static uint64_t slots_made(void)
{
    struct stat board;
    struct zcxi_board_header header;
    char name[300];
    snprintf(name, sizeof name, "%s/board", shared->path);
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (fstat(file, &board) || pread(file, &header, sizeof header, 0) != sizeof header)
        fail_msg("cannot read %s", name);
    close(file);
    return atomic_load(&header.slots);
}

/* Producers end all the same; with a snapshot held they make new slots instead of recycling, or find
 * the store full. */
static void foreign_snapshots_do_not_change(void **state)
{
    (void)state;
    for (int held = 0; held < 2; held++) {
        int publishes = held ? 200 : rounds() * 4;
        struct production first = {3, publishes}, second = {4, publishes};
        uint64_t slots = slots_made(), full = atomic_load(&shared->full);
        atomic_store(&shared->steps, 0);
        pid_t reader = spawn(read_foreign, held ? &first : NULL);
        while (!atomic_load(&shared->steps))
            if (waitpid(reader, NULL, WNOHANG) == reader) fail_msg("%s", child_report);
        pid_t producers[2] = {spawn(produce_some, &first), spawn(produce_some, &second)};
        expect_success(producers[0], true);
        expect_success(producers[1], true);
        atomic_store(&shared->steps, 0);
        expect_success(reader, true);
        expect_success(spawn(check, NULL), true);
        if (held && slots_made() <= slots && atomic_load(&shared->full) == full)
            fail_msg("nothing grew beside a held snapshot");
    }
}

/* ---- a reader that was cleared ------------------------------------------------------------------------------------ */

zcx_status __real_zcxi_env_locate(struct zcxi_env *env, MDB_txn *transaction, uint32_t number,
                                  uint64_t *page, uint32_t *pages, zcx_error *error);
zcx_status __wrap_zcxi_env_locate(struct zcxi_env *env, MDB_txn *transaction, uint32_t number,
                                  uint64_t *page, uint32_t *pages, zcx_error *error);

static int orders[2], answers[2];
static bool armed;

/* Between a viewer's reading of its record and its pin: another LMDB of this process closes the store,
 * which drops our locks, and another process clears our reader and recycles the slot. */
zcx_status __wrap_zcxi_env_locate(struct zcxi_env *env, MDB_txn *transaction, uint32_t number,
                                  uint64_t *page, uint32_t *pages, zcx_error *error)
{
    char byte = 0, name[300];
    if (armed) {
        armed = false;
        snprintf(name, sizeof name, "%s/lock.mdb", shared->path);
        close(open(name, O_RDONLY | O_CLOEXEC));
        if (write(orders[1], &byte, 1) != 1 || read(answers[0], &byte, 1) != 1)
            complain("the recycler died");
    }
    return __real_zcxi_env_locate(env, transaction, number, page, pages, error);
}

static void put_at(zcx_store *store, uint64_t key, uint64_t sequence)
{
    static uint64_t data[500];
    char name = (char)('0' + key);
    payload_fill(data, key, sequence, sizeof data);
    MUST(zcx_store_put(store, &name, 1, data, sizeof data, NULL, NULL, error));
}

/* When told to, so often that every slot of the size was used again. */
static int recycle(void *context)
{
    (void)context;
    char byte = 0;
    zcx_store *store = open_shared(BUDGET);
    put_at(store, 1, 1);
    if (write(answers[1], &byte, 1) != 1 || read(orders[0], &byte, 1) != 1) return 0;
    MUST(zcx_store_sweep(NULL, store, 0, error));
    for (uint64_t round = 0; round < 100; round++)
        put_at(store, 1 + round % 3, 2 + round);
    return write(answers[1], &byte, 1) != 1;
}

static int view_once(void *context)
{
    (void)context;
    zcx_view *view;
    char byte = 0;
    if (read(answers[0], &byte, 1) != 1) return 1;
    zcx_store *store = open_shared(BUDGET);
    armed = true;
    MUST(zcx_store_view(&view, store, "1", 1, error));
    if (armed) complain("the view was not caught in the middle");
    if (!payload_whole(zcx_view_data(view), 1, zcx_view_length(view)))
        complain("a torn payload in a view whose reader was cleared");
    zcx_view_release(view);
    MUST(zcx_store_close(store, error));
    return 0;
}

static void a_cleared_reader_sees_no_recycled_slot(void **state)
{
    (void)state;
    if (pipe(orders) || pipe(answers)) fail_msg("no pipes");
    pid_t recycler = spawn(recycle, NULL);
    expect_success(spawn(view_once, NULL), GENERATIONS);
    if (GENERATIONS) expect_success(recycler, true);
}

static int forget(void **state)
{
    (void)state;
    child_report[0] = 0;
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, forget)
    const struct CMUnitTest whole[] = {
        TEST(every_read_is_one_whole_payload),
        TEST(seventy_thousand_views),
        TEST(foreign_snapshots_do_not_change),
        TEST(held_views_never_change),
        TEST(a_cleared_reader_sees_no_recycled_slot),
    };
    const struct CMUnitTest without_pins[] = {
        TEST(every_read_is_one_whole_payload),
        TEST(held_views_never_change),
    };
    const struct CMUnitTest without_generations[] = {
        TEST(a_cleared_reader_sees_no_recycled_slot),
    };
    make_report();
    make_shared();
    if (!PINS) return cmocka_run_group_tests(without_pins, NULL, NULL);
    if (!GENERATIONS) return cmocka_run_group_tests(without_generations, NULL, NULL);
    return cmocka_run_group_tests(whole, NULL, NULL);
}
