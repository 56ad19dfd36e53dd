/* Records: an envelope, and the inline payload if there is one, as they are put at a key; and the
 * slots that change with them. */
#ifndef ZCXI_RECORD_H
#define ZCXI_RECORD_H

#include "clock.h"
#include "store.h"
#include "transact.h"

#define ZCXI_RECORD_SMALL 2048

struct zcxi_record {
    struct zcxi_header header; /* transaction, slot and generation are set while it is put */
    uint32_t slot;             /* the loan that it publishes; 0: the payload is inline */
    size_t size;
    uint8_t *bytes; /* `small`, or memory of its own */
    uint8_t small[ZCXI_RECORD_SMALL];
};

/* Header and extras for a payload of `length` bytes; fields that the slot decides come later. */
zcx_status zcxi_record_make(struct zcxi_record *record, const zcx_envelope *envelope,
                            uint64_t length, zcx_error *error);
void zcxi_record_free(struct zcxi_record *record);

/* Does the payload fit the record, and the record an LMDB leaf? */
bool zcxi_record_fits(const struct zcxi_env *env, const struct zcxi_record *record,
                      size_t key_length);

/* Puts an inline payload into the record (which grows if need be), or names the loan's slot. */
zcx_status zcxi_record_inline(struct zcxi_record *record, const void *data, zcx_error *error);
void zcxi_record_in_slot(struct zcxi_record *record, const zcx_loan *loan);

/* In a write transaction, under the mutex: puts the record, and notes in the journal what becomes
 * published and what is retired. */
zcx_status zcxi_record_put(struct zcxi_env *env, MDB_txn *transaction, MDB_dbi database,
                           const void *key, size_t key_length, struct zcxi_record *record,
                           zcx_error *error);

/* Likewise deletes it; `only_expired` at that time (0: in any case) and still there: *deleted says
 * whether it was, and *live whether it had not expired. */
zcx_status zcxi_record_delete(struct zcxi_env *env, MDB_txn *transaction, MDB_dbi database,
                              const void *key, size_t key_length, uint64_t only_expired,
                              bool *deleted, bool *live, zcx_error *error);

/* Puts one record as a transaction of its own, with what `also` (nullable) does, and wakes who waits
 * for it; `loan`, if there is one, is checked to be ours still, and may use the store's reserve, as
 * an error record may. EFULL has no holders in its message. */
zcx_status zcxi_record_publish(zcx_store *store, const void *key, size_t key_length,
                               struct zcxi_record *record, const zcx_loan *loan,
                               const struct zcxi_also *also, uint64_t *transaction,
                               zcx_error *error);

/* zcx_loan_publish, zcx_loan_publish_view (`view` is nullable), zcx_store_put and
 * zcx_store_put_error, each with more in its transaction. `as`: what an error record stands for. */
zcx_status zcxi_loan_publish(zcx_view **view, zcx_loan *loan, const void *key, size_t key_length,
                             uint64_t length, const zcx_envelope *envelope,
                             const struct zcxi_also *also, uint64_t *transaction, zcx_error *error);
zcx_status zcxi_store_put(zcx_store *store, const void *key, size_t key_length, const void *data,
                          uint64_t length, const zcx_envelope *envelope,
                          const struct zcxi_also *also, uint64_t *transaction, zcx_error *error);
zcx_status zcxi_store_put_error(zcx_store *store, const void *key, size_t key_length,
                                zcx_status as, const char *message, const char *trace,
                                int64_t ttl_ms, const struct zcxi_also *also, zcx_error *error);

/* The record that publishes a loan's first `length` bytes; frees itself on failure. */
zcx_status zcxi_loan_record(zcx_loan *loan, struct zcxi_record *record, size_t key_length,
                            uint64_t length, const zcx_envelope *envelope, zcx_error *error);

/* A view of what a loan is about to publish; zcxi_view_published completes it when that is done. */
zcx_status zcxi_view_of_loan(zcx_view **out, const zcx_loan *loan, const struct zcxi_record *record,
                             const void *key, size_t key_length, zcx_error *error);
void zcxi_view_published(zcx_view *view, const struct zcxi_record *record);

/* ELOST when the loan's slot is not ours any more. The mutex is held. */
zcx_status zcxi_loan_check(const zcx_loan *loan, zcx_error *error);

/* Gives the handle of a loan back whose slot is published now. */
void zcxi_loan_end(zcx_loan *loan);

static inline bool zcxi_expired(const struct zcxi_header *header, uint64_t now)
{
    return header->expires && header->expires <= now;
}

/* The coarse clock is a tick late, 10 ms or more where ticks are lost: it decides all but the last
 * second of a record's life. */
static inline bool zcxi_expired_by_now(const struct zcxi_header *header)
{
    uint64_t now = zcxi_now_coarse();
    return zcxi_expired(header, now) ||
           (zcxi_expired(header, now + ZCXI_S) && zcxi_expired(header, zcxi_now()));
}

#endif
