/* Who opens a store that nobody has open makes its board anew: what must outlive that, and what a crash
 * or a foreign client left. */
#include "child.h"
#include "place.h"
#include "store.h"

#include "claims.h"
#include "clock.h"
#include "journal.h"

#include <lmdb.h>

#define SIZE 1000000

static zcx_store *open_here(void)
{
    return open_store(in_path("s"), 256 * MIB);
}

static uint32_t slots_of(const zcx_store *store)
{
    return atomic_load(&store->env->board.header->slots) - 1;
}

/* One after the other, as a command in a loop is. */
static void who_come_and_go_use_the_same_slots(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        zcx_store *store = open_here();
        if (i) assert_at(store, "k", SIZE, i - 1);
        put(store, "k", SIZE, i);
        assert_in_range(slots_of(store), 1, 3);
        close_store(store);
    }
}

struct snapshot { /* a client that knows LMDB only, and reads the first value of zcx.slots */
    uint64_t map_size;
    int ready, go;
};

static int keep_a_snapshot(void *context)
{
    const struct snapshot *what = context;
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi database;
    uint32_t slot = 1;
    MDB_val key = {sizeof slot, &slot}, value;
    char byte = 1;
    CHILD_EXPECTS(!mdb_env_create(&env));
    CHILD_EXPECTS(!mdb_env_set_mapsize(env, what->map_size));
    CHILD_EXPECTS(!mdb_env_set_maxdbs(env, 8));
    CHILD_EXPECTS(!mdb_env_open(env, in_path("s"), MDB_RDONLY, 0600));
    CHILD_EXPECTS(!mdb_txn_begin(env, NULL, MDB_RDONLY, &transaction));
    CHILD_EXPECTS(!mdb_dbi_open(transaction, "zcx.slots", MDB_INTEGERKEY, &database));
    CHILD_EXPECTS(!mdb_get(transaction, database, &key, &value));
    CHILD_EXPECTS(write(what->ready, &byte, 1) == 1);
    CHILD_EXPECTS(read(what->go, &byte, 1) == 1);
    CHILD_EXPECTS(filled((char *)value.mv_data + 48, SIZE, 1)); /* page header 16, payload at 64 */
    mdb_txn_abort(transaction);
    mdb_env_close(env);
    return 0;
}

static void what_an_old_snapshot_sees_is_not_lent(void **state)
{
    (void)state;
    int ready[2], go[2];
    char byte = 1;
    json_t *stat;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    zcx_store *store = open_here();
    put(store, "k", SIZE, 1);
    stat = stat_of(store);
    struct snapshot what = {(uint64_t)number(stat, "store", "map_size", NULL), ready[1], go[0]};
    json_decref(stat);
    close_store(store);
    pid_t child = spawn(keep_a_snapshot, &what);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    for (unsigned i = 2; i < 8; i++) {
        store = open_here();
        put(store, "k", SIZE, i);
        close_store(store);
    }
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(exit_status(child), 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
}

static int compare(const void *one, const void *other)
{
    uint64_t a, b;
    memcpy(&a, one, sizeof a);
    memcpy(&b, other, sizeof b);
    return (a > b) - (a < b);
}

static void call_ids_do_not_come_again(void **state)
{
    (void)state;
    enum { OPENINGS = 1000 };
    static uint64_t ids[OPENINGS];
    for (int i = 0; i < OPENINGS; i++) {
        zcx_store *store = open_here();
        ids[i] = zcxi_store_call_id(store);
        close_store(store);
    }
    qsort(ids, OPENINGS, sizeof *ids, compare);
    for (int i = 1; i < OPENINGS; i++)
        assert_int_not_equal(ids[i - 1], ids[i]);
}

struct ending {
    bool committed;
};

/* Dies where a commit that ended a claim is in the store, or is not, and its journal is not settled. */
static int end_a_claim_and_die(void *context)
{
    const struct ending *what = context;
    zcx_store *store = open_here();
    struct zcxi_env *env = store->env;
    put(store, "k", 10, 1);
    MUST(zcxi_env_lock(env, error));
    MUST(zcxi_claim_enter(env, UINT64_C(1) << 32, error));
    zcxi_journal_begin(env, zcxi_now());
    zcxi_journal_add(env, 0, ZCXI_UNCLAIM);
    uint64_t last = zcxi_env_last_transaction(env, NULL);
    struct zcxi_journal *journal = &env->board.header->journal;
    const char *saved = env->reading + ((last + !what->committed) & 1) * env->page_size + 16;
    memcpy((void *)journal->meta, saved, sizeof journal->meta);
    if (what->committed) ((uint64_t *)journal->meta)[16] = last - 2; /* what the meta page said before */
    if (what->committed) ((uint64_t *)journal->meta)[14] = 2;        /* another root, */
    if (what->committed) ((uint64_t *)journal->meta)[8] = 2;         /* in both trees */
    atomic_store(&journal->transaction, last + !what->committed);
    raise(SIGKILL);
    return 0;
}

static void a_claim_that_ended_stays_ended(void **state)
{
    (void)state;
    for (int committed = 0; committed < 2; committed++) {
        struct ending what = {committed};
        make_report();
        assert_int_equal(exit_status(spawn(end_a_claim_and_die, &what)), 128 + SIGKILL);
        zcx_store *store = open_here();
        assert_at(store, "k", 10, 1);
        assert_int_equal(atomic_load(&store->env->board.header->claims), !committed);
        json_decref(sweep(store, 0));
        close_store(store);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_come_and_go_use_the_same_slots),
        TEST(what_an_old_snapshot_sees_is_not_lent),
        TEST(call_ids_do_not_come_again),
        TEST(a_claim_that_ended_stays_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
