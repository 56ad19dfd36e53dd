/* Is a store sound? Every page of data.mdb accounted for exactly once (tree, overflow, free list),
 * every slot in exactly one state and to be found by producers, the budget's counts as a recount
 * finds them. For moments when nobody else writes or lends. */
#ifndef ZCX_ACCOUNTING_H
#define ZCX_ACCOUNTING_H

#include "envelope.h"
#include "owners.h"
#include "room.h"
#include "store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct account {
    struct zcxi_env *env;
    char fault[400]; /* the first that was found; empty: sound */
    uint64_t transaction, root, free_root, last; /* of the newest meta page */
    uint8_t *seen;                               /* [last + 1] */
    uint8_t *named;                              /* [slots]: by how many records */
    uint32_t slots, loans, published, idle, pins, records;
};

__attribute__((format(printf, 2, 3))) static inline void fault(struct account *account,
                                                               const char *format, ...)
{
    va_list arguments;
    if (account->fault[0]) return;
    va_start(arguments, format);
    vsnprintf(account->fault, sizeof account->fault, format, arguments);
    va_end(arguments);
}

/* ---- pages, as LMDB 0.9 lays them out -------------------------------------------------------------- */

enum { PAGE_LEAF = 2, PAGE_BRANCH = 1, NODE_BIG = 1, NODE_DATABASE = 2, PAGE_HEAD = 16 };
enum { META_MAPSIZE = 2, META_FREE = 3, META_MAIN = 9, META_LAST = 15, META_ID = 16 }; /* words */
enum { DB_BRANCHES = 1, DB_LEAVES, DB_OVERFLOWS, DB_ENTRIES, DB_ROOT };                /* words */

struct tree { /* what a database's tree has: counted, to be compared with what it says */
    uint64_t counts[5]; /* by DB_* */
    bool free_list, main;
};

static inline uint64_t word_at(const char *base, size_t word)
{
    uint64_t value;
    memcpy(&value, base + word * sizeof value, sizeof value);
    return value;
}

static inline void account_pages(struct account *account, uint64_t first, uint64_t count,
                                 const char *use)
{
    for (uint64_t page = first; page < first + count; page++) {
        if (page < 2 || page > account->last) {
            fault(account, "page %" PRIu64 " (%s) is past the last, %" PRIu64, page, use,
                  account->last);
            return;
        }
        if (account->seen[page]++) fault(account, "page %" PRIu64 " (%s) is used twice", page, use);
    }
}

static inline void account_tree(struct account *account, const char *database, bool free_list,
                                bool main);

static inline void account_leaf_node(struct account *account, struct tree *tree, const char *node)
{
    uint16_t head[4]; /* size low, size high, flags, key's size */
    memcpy(head, node, sizeof head);
    const char *data = node + sizeof head + head[3];
    tree->counts[DB_ENTRIES]++;
    if (head[2] & NODE_BIG) {
        uint64_t page = word_at(data, 0);
        uint32_t count = 0;
        if (page <= account->last)
            memcpy(&count, account->env->reading + page * account->env->page_size + 12, 4);
        account_pages(account, page, count, "overflow");
        tree->counts[DB_OVERFLOWS] += count;
        data = account->env->reading + page * account->env->page_size + PAGE_HEAD;
    }
    if (account->fault[0]) return;
    if (tree->main && head[2] & NODE_DATABASE) account_tree(account, data, false, false);
    for (uint64_t i = 1; tree->free_list && i <= word_at(data, 0) && !account->fault[0]; i++)
        account_pages(account, word_at(data, i), 1, "free");
}

static inline void account_page(struct account *account, struct tree *tree, uint64_t number,
                                int depth)
{
    account_pages(account, number, 1, "tree");
    const char *page = account->env->reading + number * account->env->page_size;
    uint16_t flags, lower;
    memcpy(&flags, page + 10, sizeof flags);
    memcpy(&lower, page + 12, sizeof lower);
    if (account->fault[0]) return;
    if (word_at(page, 0) != number || !(flags & (PAGE_LEAF | PAGE_BRANCH)) || depth > 32 ||
        lower < PAGE_HEAD || lower > account->env->page_size) {
        fault(account, "page %" PRIu64 " says number %" PRIu64 ", flags %#x, lower %u, depth %d",
              number, word_at(page, 0), flags, lower, depth);
        return;
    }
    tree->counts[flags & PAGE_LEAF ? DB_LEAVES : DB_BRANCHES]++;
    for (size_t i = 0; i < (lower - PAGE_HEAD) / 2u && !account->fault[0]; i++) {
        uint16_t at, part[3];
        memcpy(&at, page + PAGE_HEAD + 2 * i, sizeof at);
        memcpy(part, page + at, sizeof part);
        if (flags & PAGE_LEAF)
            account_leaf_node(account, tree, page + at);
        else
            account_page(account, tree,
                         part[0] | (uint64_t)part[1] << 16 | (uint64_t)part[2] << 32, depth + 1);
    }
}

/* `database` is LMDB's MDB_db, where it lies in the file. */
static inline void account_tree(struct account *account, const char *database, bool free_list,
                                bool main)
{
    struct tree tree = {.free_list = free_list, .main = main};
    uint64_t root = word_at(database, DB_ROOT);
    if (root != UINT64_MAX) account_page(account, &tree, root, 0);
    for (int i = DB_BRANCHES; i <= DB_ENTRIES && !account->fault[0]; i++)
        if (tree.counts[i] != word_at(database, (size_t)i))
            fault(account, "the database at root %" PRIu64 " says count %d is %" PRIu64
                  ", it is %" PRIu64, root, i, word_at(database, (size_t)i), tree.counts[i]);
}

static inline void account_file(struct account *account)
{
    const char *metas[2];
    for (int i = 0; i < 2; i++)
        metas[i] = account->env->reading + (size_t)i * account->env->page_size + PAGE_HEAD;
    const char *meta = metas[word_at(metas[1], META_ID) > word_at(metas[0], META_ID)];
    account->last = word_at(meta, META_LAST);
    if (account->last >= account->env->map_size / account->env->page_size) {
        fault(account, "the last page is %" PRIu64 ", past the map", account->last);
        return;
    }
    account->seen = calloc(account->last + 1, 1);
    account_tree(account, meta + META_FREE * 8, true, false);
    account_tree(account, meta + META_MAIN * 8, false, true);
    for (uint64_t page = 2; page <= account->last && !account->fault[0]; page++)
        if (!account->seen[page])
            fault(account, "page %" PRIu64 " of %" PRIu64 " is lost", page, account->last);
    free(account->seen);
}

/* ---- records and slots ------------------------------------------------------------------------------- */

static inline void account_record(struct account *account, const MDB_val *key, const MDB_val *value)
{
    struct zcxi_header header;
    zcx_error error = ZCX_ERROR_INIT;
    account->records++;
    if (zcxi_header_read(&header, value->mv_data, value->mv_size, key->mv_data, key->mv_size,
                         &error)) {
        fault(account, "%s", error.message);
        return;
    }
    if (!(header.flags & ZCXI_FLAG_SLOT)) return;
    if (header.slot < 1 || header.slot >= account->slots) {
        fault(account, "%.*s names slot %u of %u", (int)key->mv_size, (char *)key->mv_data,
              header.slot, account->slots - 1);
        return;
    }
    uint64_t word = atomic_load(&account->env->board.slots[header.slot].word);
    if (zcxi_word_state(word) != ZCXI_PUBLISHED ||
        zcxi_word_generation(word) != header.generation || account->named[header.slot]++)
        fault(account, "%.*s names generation %u of slot %u, whose word is %#" PRIx64
              ", named %d times", (int)key->mv_size, (char *)key->mv_data, header.generation,
              header.slot, word, account->named[header.slot]);
}

static inline void account_records(struct account *account, MDB_txn *transaction, const char *name)
{
    MDB_dbi database;
    MDB_cursor *cursor;
    MDB_val key, value;
    int result = mdb_dbi_open(transaction, name, 0, &database);
    if (!result) result = mdb_cursor_open(transaction, database, &cursor);
    if (result) {
        fault(account, "database %s: %s", name ? name : "(names)", mdb_strerror(result));
        return;
    }
    while (!(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        char text[ZCX_DATABASE_MAX + 1] = {0};
        if (name)
            account_record(account, &key, &value);
        else if (key.mv_size <= ZCX_DATABASE_MAX && memcmp(key.mv_data, "zcx.", 4))
            account_records(account, transaction, memcpy(text, key.mv_data, key.mv_size));
    }
    mdb_cursor_close(cursor);
    if (result != MDB_NOTFOUND) fault(account, "cannot read: %s", mdb_strerror(result));
}

/* zcx.slots and the board agree on which slots there are and where. */
static inline void account_places(struct account *account, MDB_txn *transaction)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint32_t expected = 1;
    struct zcxi_env *env = account->env;
    if (mdb_cursor_open(transaction, env->slots_db, &cursor)) {
        fault(account, "cannot read zcx.slots");
        return;
    }
    while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        uint32_t number;
        memcpy(&number, key.mv_data, sizeof number);
        const struct zcxi_slot *slot = &env->board.slots[number];
        uint64_t page = zcxi_value_page(env, value.mv_data), known = env->verified[number];
        if (number != expected++ || number >= account->slots || slot->page != page ||
            (uint64_t)slot->pages * env->page_size != value.mv_size + env->page_header ||
            (known && known != (page << 21 | slot->pages)))
            fault(account, "slot %u of %u: %zu bytes at page %" PRIu64 ", the board says %u pages at %"
                  PRIu64, number, account->slots - 1, value.mv_size, page, slot->pages, slot->page);
    }
    mdb_cursor_close(cursor);
    if (expected != account->slots)
        fault(account, "zcx.slots has %u slots, the board %u", expected - 1, account->slots - 1);
}

static inline void account_slot(struct account *account, uint32_t number)
{
    const struct zcxi_board *board = &account->env->board;
    const struct zcxi_slot *slot = &board->slots[number];
    uint64_t word = atomic_load(&slot->word);
    enum zcxi_state state = zcxi_word_state(word);
    uint32_t group = number / ZCXI_GROUP, pins = 0;
    for (uint32_t owner = 0; owner < ZCXI_OWNERS; owner++)
        pins += atomic_load(zcxi_pin(board, number, owner));
    account->pins += pins;
    account->loans += state == ZCXI_LOANED;
    account->published += state == ZCXI_PUBLISHED;
    account->idle += state == ZCXI_FREE || state == ZCXI_RETIRED;
    bool offered =
        board->groups[group].available[slot->class] >> number % ZCXI_GROUP & 1 &&
        board->class_maps[slot->class * board->class_words + group / 64] >> group % 64 & 1;
    if (state == ZCXI_NONE || state > ZCXI_RETIRED)
        fault(account, "slot %u has no state: %#" PRIx64, number, word);
    if (state == ZCXI_PUBLISHED && !account->named[number])
        fault(account, "slot %u is published, but no record names it: lost", number);
    if ((state == ZCXI_FREE || state == ZCXI_RETIRED) && !pins && !offered)
        fault(account, "slot %u is idle, but no producer finds it: lost", number);
    if (state == ZCXI_LOANED && !zcxi_owner_alive(account->env, zcxi_word_owner(word)))
        fault(account, "slot %u is lent to owner %u, who is dead", number, zcxi_word_owner(word));
    if (word & ZCXI_BACKED && !slot->charged)
        fault(account, "slot %u has memory that is not charged", number);
}

static inline void account_budget(struct account *account)
{
    const struct zcxi_board *board = &account->env->board;
    uint64_t charged = 0, pages = 0;
    for (uint32_t slot = 1; slot < account->slots; slot++) {
        pages += board->slots[slot].pages - 1; /* the first of each is never given back */
        if (board->slots[slot].charged) charged += board->slots[slot].pages - 1;
    }
    uint64_t tables = (uint64_t)board->header->groups * ZCXI_GROUP * (64 + 2 * ZCXI_OWNERS);
    uint64_t used = (charged + account->last + 1 - pages) * account->env->page_size + tables;
    if (board->header->charged != charged || board->header->slot_pages != pages)
        fault(account, "%" PRIu64 " of %" PRIu64 " slot pages are charged, the board says %" PRIu64
              " of %" PRIu64, charged, pages, board->header->charged, board->header->slot_pages);
    if (zcxi_room_used(account->env) != used)
        fault(account, "%" PRIu64 " bytes are used, the board says %" PRIu64, used,
              zcxi_room_used(account->env));
}

/* ---- all of it --------------------------------------------------------------------------------------- */

/* Takes the mutex, and so recovers what there is to recover. Returns NULL when the store is sound,
 * else the first fault, valid until the next call; `out` (nullable) gets the counts. */
static inline const char *account_for(zcx_store *store, struct account *out)
{
    static struct account account;
    zcx_error error = ZCX_ERROR_INIT;
    MDB_txn *transaction;
    struct zcxi_env *env = store->env;
    account = (struct account){.env = env};
    if (zcxi_env_lock(env, &error)) {
        fault(&account, "%s", error.message);
        return account.fault;
    }
    account.slots = atomic_load(&env->board.header->slots);
    account.named = calloc(account.slots, 1);
    account_file(&account);
    if (!account.fault[0] && mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &transaction))
        fault(&account, "cannot begin a read transaction");
    if (!account.fault[0]) {
        account_places(&account, transaction);
        account_records(&account, transaction, NULL);
        mdb_txn_abort(transaction);
        for (uint32_t slot = 1; slot < account.slots; slot++)
            account_slot(&account, slot);
        account_budget(&account);
    }
    free(account.named);
    zcxi_env_unlock(env);
    if (out) *out = account;
    return account.fault[0] ? account.fault : NULL;
}

/* The pages alone: cheap enough for after every commit. */
static inline const char *account_for_pages(zcx_store *store)
{
    static struct account account;
    account = (struct account){.env = store->env};
    account_file(&account);
    return account.fault[0] ? account.fault : NULL;
}

#endif
