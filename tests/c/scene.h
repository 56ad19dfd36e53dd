/* A small store in which somebody is to be killed: eight keys with payloads in slots, and what must
 * hold afterwards for a survivor, who has the store open, and for the next opener. */
#ifndef ZCX_SCENE_H
#define ZCX_SCENE_H

#include "accounting.h"
#include "child.h"
#include "payload.h"

#include <sys/stat.h>

enum { AHEAD_PAGES = 512 }; /* behind a slot that was made last */
enum { KEYS = 8, TARGET = 3, OLD = 777, NEW = 888, LENGTH = 4000, CREATED_LENGTH = 60000 };
#define GONE UINT64_MAX /* the sequence number of a key that has no record */

static struct {
    char *path;
    zcx_durability durability;
    /* Whether these sequence numbers may be there now, one a key; NULL, or what is wrong. */
    const char *(*accept)(const uint64_t sequences[KEYS]);
} scene;

/* ---- working in it ------------------------------------------------------------------------------------ */

static inline zcx_store *open_scene(void)
{
    zcx_store *store = NULL;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = UINT64_C(64) << 20;
    options.durability = scene.durability;
    MUST(zcx_store_open(&store, scene.path, &options, error));
    return store;
}

static inline void publish(zcx_store *store, uint64_t key, uint64_t sequence)
{
    zcx_loan *loan;
    char name[2] = {(char)('0' + key), 0};
    MUST(zcx_store_loan(&loan, store, LENGTH, 0, error));
    payload_fill(zcx_loan_data(loan), key, sequence, LENGTH);
    MUST(zcx_loan_publish(loan, name, 1, LENGTH, NULL, NULL, error));
}

static inline int create_scene(void *context)
{
    (void)context;
    zcx_store *store = open_scene();
    for (uint64_t i = 0; i < 3 * KEYS; i++)
        publish(store, i % KEYS, OLD);
    MUST(zcx_store_put(store, "inline", 6, "small", 5, NULL, NULL, error));
    return 0;
}

static inline void new_scene(void)
{
    child_report[0] = 0;
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s/*", scene.path);
    if (system(command) || exit_status(spawn(create_scene, NULL)))
        fail_msg("no store: %s", child_report);
}

/* Loans until one had to be made: the next one has to be, too. */
static inline void use_up(zcx_store *store)
{
    zcx_loan *loan;
    _Atomic uint64_t *created = &store->env->board.header->counters.created;
    for (uint64_t before = atomic_load(created); atomic_load(created) == before;)
        MUST(zcx_store_loan(&loan, store, CREATED_LENGTH, 0, error));
}

/* ---- what must hold ---------------------------------------------------------------------------------- */

static inline uint64_t read_key(zcx_store *store, uint64_t key)
{
    zcx_view *view;
    zcx_error error = ZCX_ERROR_INIT;
    char name = (char)('0' + key);
    zcx_status status = zcx_store_view(&view, store, &name, 1, &error);
    if (status == ZCX_ENOTFOUND) return GONE;
    if (status) complain("key %c: %s", name, error.message);
    if (!payload_whole(zcx_view_data(view), key, zcx_view_length(view)))
        complain("key %c has a torn payload", name);
    uint64_t sequence = payload_sequence(zcx_view_data(view));
    zcx_view_release(view);
    return sequence;
}

static inline void check_account(zcx_store *store, uint32_t pins, const char *when)
{
    struct account account;
    must_be_sound(account_for(store, &account), when);
    if (account.loans || account.pins != pins)
        complain("%s: %u loans and %u pins are left", when, account.loans, account.pins);
}

/* Recovers, then looks at everything, reaps, and goes on working. */
static inline void check_store(zcx_store *store, uint32_t pins)
{
    uint64_t sequences[KEYS];
    MUST(zcxi_env_lock(store->env, error));
    zcxi_env_unlock(store->env);
    must_be_sound(account_for_pages(store), "after the recovery");
    for (uint64_t key = 0; key < KEYS; key++)
        sequences[key] = read_key(store, key);
    must_be_sound(scene.accept(sequences), "after the recovery");
    MUST(zcx_store_sweep(NULL, store, 0, error));
    check_account(store, pins, "after the reaping");
    for (uint64_t i = 0; i < 50; i++) {
        publish(store, i % KEYS, i);
        if (i % 13 == 5) MUST(zcx_store_delete(store, "0", 1, error));
        if (i % 13 == 5) publish(store, 0, i);
        must_be_sound(account_for_pages(store), "after further commits");
    }
    check_account(store, pins, "after fifty publishes");
}

/* Gives the memory of all idle slots back: what is charged then is published, and data.mdb has no
 * more memory than its tree, its published slots, the first page of the others, and what is taken
 * ahead. */
static inline void check_trim(zcx_store *store)
{
    struct zcxi_env *env = store->env;
    struct stat data;
    uint64_t last, published = 0, slots = atomic_load(&env->board.header->slots);
    for (int i = 0; i < 2; i++) /* the last retired must get old enough */
        MUST(zcx_store_put(store, "inline", 6, "small", 5, NULL, NULL, error));
    MUST(zcx_store_sweep(NULL, store, ZCX_SWEEP_TRIM, error));
    check_account(store, 0, "after a trim");
    for (uint32_t slot = 1; slot < slots; slot++) {
        const struct zcxi_slot *entry = &env->board.slots[slot];
        if (zcxi_word_state(atomic_load(&entry->word)) == ZCXI_PUBLISHED) published += entry->pages;
        else if (entry->charged && entry->pages > 1) complain("slot %u is idle and trimmed, yet charged", slot);
    }
    zcxi_env_last_transaction(env, &last);
    uint64_t tree = last + 1 - env->board.header->slot_pages, backed = env->board.header->backed_to;
    uint64_t most = tree + published + slots + (backed > last ? backed - last : 0) + AHEAD_PAGES;
    if (fstat(env->data_file, &data) || (uint64_t)data.st_blocks * 512 > most * env->page_size)
        complain("data.mdb has %ld pages of memory, not at most %" PRIu64, (long)data.st_blocks / 8,
                 most);
}

static inline int next_opener(void *context)
{
    (void)context;
    alarm(60);
    zcx_store *store = open_scene();
    check_store(store, 0);
    check_trim(store);
    return 0;
}

/* ---- the survivor ---------------------------------------------------------------------------------------- */

struct held { /* what a survivor has from before the kill: a view, and a snapshot as foreigners have */
    zcx_view *view;
    MDB_txn *snapshot;
    struct zcxi_header headers[KEYS];
};

static inline void read_snapshot(zcx_store *store, MDB_txn *snapshot, uint64_t key,
                          struct zcxi_header *header, const void **data)
{
    char name = (char)('0' + key);
    MDB_val where = {1, &name}, value;
    if (mdb_get(snapshot, store->database, &where, &value)) complain("key %c left a snapshot", name);
    memcpy(header, value.mv_data, sizeof *header);
    where = (MDB_val){sizeof header->slot, &header->slot};
    if (mdb_get(snapshot, store->env->slots_db, &where, &value))
        complain("slot %u left a snapshot", header->slot);
    *data = (char *)value.mv_data + header->payload_offset;
}

static inline void hold(zcx_store *store, struct held *held)
{
    const void *data;
    MUST(zcx_store_view(&held->view, store, "3", 1, error));
    if (mdb_txn_begin(store->env->lmdb, NULL, MDB_RDONLY, &held->snapshot))
        complain("cannot begin a snapshot");
    for (uint64_t key = 0; key < KEYS; key++)
        read_snapshot(store, held->snapshot, key, &held->headers[key], &data);
}

static inline void let_go(zcx_store *store, struct held *held)
{
    const void *data = zcx_view_data(held->view);
    if (!payload_whole(data, TARGET, LENGTH) || payload_sequence(data) != OLD)
        complain("a held view changed");
    for (uint64_t key = 0; key < KEYS; key++) {
        struct zcxi_header header;
        read_snapshot(store, held->snapshot, key, &header, &data);
        if (memcmp(&header, &held->headers[key], sizeof header) ||
            !payload_whole(data, key, LENGTH))
            complain("key %" PRIu64 " changed in a snapshot", key);
    }
    zcx_view_release(held->view);
    mdb_txn_abort(held->snapshot);
    *held = (struct held){0};
}

struct survivor {
    pid_t pid;
    int orders, answers;
};

static inline int survive(void *context)
{
    struct survivor *survivor = context;
    struct held held = {0};
    char order = 0;
    zcx_store *store = open_scene();
    zcx_view *view; /* makes the reader and the read-only map, before anybody dies */
    MUST(zcx_store_view(&view, store, "5", 1, error));
    zcx_view_release(view);
    while (write(survivor->answers, &order, 1) == 1 && read(survivor->orders, &order, 1) == 1) {
        alarm(60);
        if (order == 'h') hold(store, &held);
        if (order == 'c') check_store(store, held.view ? 1 : 0);
        if (order == 'c' && held.view) let_go(store, &held);
        alarm(0);
    }
    return 0;
}

/* False when it died of what it saw. */
static inline bool order(struct survivor *survivor, char what)
{
    char answer;
    return write(survivor->orders, &what, 1) == 1 && read(survivor->answers, &answer, 1) == 1;
}

static inline struct survivor start_survivor(void)
{
    int down[2], up[2];
    char answer;
    if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC)) fail_msg("no pipes");
    struct survivor inside = {.orders = down[0], .answers = up[1]};
    struct survivor out = {spawn(survive, &inside), down[1], up[0]};
    close(down[0]);
    close(up[1]);
    if (read(out.answers, &answer, 1) != 1) fail_msg("the survivor did not start: %s", child_report);
    return out;
}

static inline void stop_survivor(struct survivor *survivor)
{
    close(survivor->orders);
    close(survivor->answers);
    kill_child(survivor->pid);
}

#endif
