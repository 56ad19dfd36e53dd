/* The commit: the one function that every committing write transaction goes through, and what it
 * leaves in the board so that a kill at any instruction can be made good. The mutex is held. */
#ifndef ZCXI_JOURNAL_H
#define ZCXI_JOURNAL_H

#include "env.h"

/* Begins an empty one, of a transaction at the time `now` (Unix ns). */
void zcxi_journal_begin(struct zcxi_env *env, uint64_t now);

/* Notes what this transaction does to a slot; done after the commit, in this order. */
void zcxi_journal_add(struct zcxi_env *env, uint32_t slot, enum zcxi_action action);

/* Commits: copies the meta page that the commit overwrites, stores T, commits, turns the slots'
 * words, clears T. The transaction is gone, whatever it returns. */
zcx_status zcxi_journal_commit(struct zcxi_env *env, MDB_txn *transaction, zcx_error *error);

/* Recovery's part: turns the words of a commit T that is in the store; forgets one that is not. */
void zcxi_journal_settle(struct zcxi_env *env);

/* As much of that as outlives the board, which is about to be made anew: the claims that T ended. After
 * the meta guard, before LMDB is open. */
void zcxi_journal_unclaim(struct zcxi_env *env);

/* Recovery's part, before any call of LMDB: puts a torn meta page right. design.md "Meta guard". */
zcx_status zcxi_meta_guard(struct zcxi_env *env, zcx_error *error);

/* In a data file that LMDB made and nobody has written to: its next transaction is the one after this. */
zcx_status zcxi_meta_advance(int file, uint32_t page_size, uint64_t transaction, zcx_error *error);

#endif
