#include "recover.h"

#include "clock.h"
#include "envelope.h"
#include "journal.h"
#include "readers.h"
#include "room.h"

#include <string.h>

/* A slot that a creation committed but did not live to enter; or, on a fresh board, any. */
static zcx_status enter_slots(struct zcxi_env *env, MDB_txn *transaction, bool fresh,
                              zcx_error *error)
{
    uint32_t known = atomic_load(&env->board.header->slots);
    MDB_val key = {sizeof known, &known}, value;
    MDB_cursor *cursor;
    zcx_status status = ZCX_OK;
    int result = mdb_cursor_open(transaction, env->slots_db, &cursor);
    if (result) return zcxi_fail_lmdb(error, result, "cannot read zcx.slots");
    result = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; !result && !status; result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        uint32_t number, pages = 1;
        uint64_t page = 0;
        memcpy(&number, key.mv_data, sizeof number);
        /* One whose value is damaged is nobody's: published, without a record. */
        bool sound = !zcxi_env_locate(env, transaction, number, &page, &pages, NULL);
        status = zcxi_board_back(&env->board, number, error);
        if (status) break;
        /* Whether it has memory only the board said; if that was lost, a trim finds out. */
        bool charged = !fresh || !env->board.known ||
                       atomic_load(&env->board.slots[number].charged);
        zcxi_slot_enter(&env->board, number, page, pages,
                        zcxi_word_idle(sound ? ZCXI_FREE : ZCXI_PUBLISHED, 0, false));
        ZCXI_POINT(recover.entered);
        if (sound)
            atomic_store(&env->board.slots[number].charged,
                         charged || zcxi_room_filled(env, number));
    }
    mdb_cursor_close(cursor);
    if (!status && result != MDB_NOTFOUND)
        status = zcxi_fail_lmdb(error, result, "cannot read zcx.slots");
    return status;
}

/* ---- a fresh board -------------------------------------------------------------------------------------- */

/* A record that is not sound, or whose slot another record has, is left to `zcx doctor`. */
static void adopt_record(struct zcxi_env *env, const MDB_val *key, const MDB_val *value)
{
    struct zcxi_header header;
    if (zcxi_header_read(&header, value->mv_data, value->mv_size, key->mv_data, key->mv_size,
                         NULL) ||
        !(header.flags & ZCXI_FLAG_SLOT) || !zcxi_slot_exists(&env->board, header.slot))
        return;
    uint64_t word = atomic_load(&env->board.slots[header.slot].word);
    if (zcxi_word_state(word) == ZCXI_FREE)
        zcxi_slot_adopt(&env->board, header.slot, header.generation);
}

static zcx_status adopt_database(struct zcxi_env *env, MDB_txn *transaction, const char *name,
                                 zcx_error *error)
{
    MDB_dbi database;
    MDB_cursor *cursor;
    MDB_val key, value;
    int result = mdb_dbi_open(transaction, name, 0, &database);
    if (!result) result = mdb_cursor_open(transaction, database, &cursor);
    if (result) return zcxi_fail_lmdb(error, result, "cannot read a database");
    while (!(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)))
        adopt_record(env, &key, &value);
    mdb_cursor_close(cursor);
    return result == MDB_NOTFOUND ? ZCX_OK
                                  : zcxi_fail_lmdb(error, result, "cannot read a database");
}

/* The unnamed database holds the names of the others. */
static zcx_status adopt_records(struct zcxi_env *env, MDB_txn *transaction, zcx_error *error)
{
    MDB_dbi names;
    MDB_cursor *cursor;
    MDB_val key, value;
    zcx_status status = ZCX_OK;
    int result = mdb_dbi_open(transaction, NULL, 0, &names);
    if (!result) result = mdb_cursor_open(transaction, names, &cursor);
    if (result) return zcxi_fail_lmdb(error, result, "cannot read the list of databases");
    while (!status && !(result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        char name[ZCX_DATABASE_MAX + 1];
        if (key.mv_size > ZCX_DATABASE_MAX) continue;
        memcpy(name, key.mv_data, key.mv_size);
        name[key.mv_size] = 0;
        if (strncmp(name, "zcx.", 4)) status = adopt_database(env, transaction, name, error);
    }
    mdb_cursor_close(cursor);
    if (!status && result != MDB_NOTFOUND)
        status = zcxi_fail_lmdb(error, result, "cannot read the list of databases");
    return status;
}

/* A slot without a record was retired at the latest by the last transaction: a foreign client may
 * still read it in an older snapshot. Where there is none, it stays free. */
static void retire_others(struct zcxi_env *env, uint64_t last)
{
    struct zcxi_board *board = &env->board;
    int dead;
    mdb_reader_check(env->lmdb, &dead);
    if (zcxi_oldest_snapshot(env, last, NULL) >= last) return;
    for (uint32_t slot = 1; slot < atomic_load(&board->header->slots); slot++) {
        struct zcxi_slot *entry = &board->slots[slot];
        if (zcxi_word_state(atomic_load(&entry->word)) != ZCXI_FREE) continue;
        atomic_store(&entry->retired, last);
        ZCXI_POINT(adopt.numbered);
        atomic_store(&entry->word, zcxi_word_idle(ZCXI_RETIRED, 0, false));
        ZCXI_POINT(adopt.retired);
    }
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

zcx_status zcxi_recover_commit(struct zcxi_env *env, zcx_error *error)
{
    MDB_txn *transaction = NULL;
    zcx_status status = zcxi_meta_guard(env, error);
    ZCXI_POINT(recover.guarded);
    if (status) return status;
    int result = mdb_txn_begin(env->lmdb, NULL, 0, &transaction); /* LMDB repairs its lock file */
    if (result) return zcxi_fail_lmdb(error, result, "cannot begin a transaction to recover");
    mdb_txn_abort(transaction);
    ZCXI_POINT(recover.repaired);
    zcxi_journal_settle(env);
    ZCXI_POINT(recover.settled);
    return ZCX_OK;
}

zcx_status zcxi_recover_slots(struct zcxi_env *env, bool fresh, zcx_error *error)
{
    MDB_txn *transaction = NULL;
    int result = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &transaction);
    if (result) return zcxi_fail_lmdb(error, result, "cannot begin a transaction to recover");
    zcx_status status = enter_slots(env, transaction, fresh, error);
    if (!status && fresh) {
        status = adopt_records(env, transaction, error);
        retire_others(env, mdb_txn_id(transaction));
        env->board.header->journal.last = mdb_txn_id(transaction);
    }
    mdb_txn_abort(transaction);
    zcxi_room_recount(env);
    ZCXI_POINT(recover.counted);
    if (!status) env->board.header->unsettled = false;
    ZCXI_POINT(recover.done);
    if (!status && fresh) env->board.header->magic = ZCXI_BOARD_MAGIC;
    return status;
}
