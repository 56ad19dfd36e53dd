/* The handles: what a caller holds of a store. */
#ifndef ZCXI_STORE_H
#define ZCXI_STORE_H

#include "env.h"
#include "envelope.h"
#include "pool.h"

struct zcx_store {
    struct zcxi_env *env;
    MDB_dbi database;
    struct zcxi_pool views, loans;
    _Atomic uint32_t children; /* scans and batches that live */
    char name[ZCX_DATABASE_MAX + 1];
};

#define ZCXI_LOAN_PRIVATE 1024 /* bytes: up to here a loan is private memory, published inline */

struct zcx_loan {
    struct zcxi_pooled pooled;
    zcx_store *store;
    void *data;
    uint64_t capacity;
    uint32_t slot; /* 0: private memory */
    bool batched;  /* a batch's: it publishes or discards it */
    uint64_t word;
    _Alignas(ZCX_ALIGNMENT) uint8_t private[ZCXI_LOAN_PRIVATE];
};

#define ZCXI_VIEW_BYTES 2048

struct zcx_view {
    struct zcxi_pooled pooled;
    zcx_store *store;
    const void *data;
    uint64_t length;
    uint32_t slot; /* 0: the payload was inline, and is a copy in `bytes` or `large` */
    struct zcxi_header header;
    uint16_t key_length;
    uint8_t key[ZCX_KEY_MAX];
    const uint8_t *extras;
    uint8_t *large;        /* what does not fit `bytes`; freed at release */
    void *_Atomic decoded; /* extras, decoded on demand; freed at release */
    _Alignas(ZCX_ALIGNMENT) uint8_t bytes[ZCXI_VIEW_BYTES]; /* extras, then the inline payload */
};

/* One more handle, of a database (NULL: "default") of a store that this process has open;
 * zcx_store_close closes it. */
zcx_status zcxi_store_beside(zcx_store **out, struct zcxi_env *env, const char *database,
                             zcx_error *error);

/* A handle without an environment yet; NULL without memory. */
zcx_store *zcxi_handle_make(const char *name);
void zcxi_handle_free(zcx_store *store);

zcx_status zcxi_key_check(const void *key, size_t key_length, zcx_error *error);

/* What every call on a store begins with. */
static inline zcx_status zcxi_store_enter(const zcx_store *store, zcx_error *error)
{
    if (!store) return zcxi_fail(error, ZCX_EINVAL, 0, "the store is NULL");
    return zcxi_env_alive(store->env) ? ZCX_OK : zcxi_fail_fork(store->env, error);
}

/* As zcx_store_view; *transaction (nullable) is that of the record, also if it expired. */
zcx_status zcxi_view_find(zcx_view **out, zcx_store *store, const void *key, size_t key_length,
                          uint64_t *transaction, zcx_error *error);

/* What an error record says: a copy of its text at `name` ("message", "trace"), NULL when there is
 * none; and the status that it stands for, ZCX_EFAILED unless it names another. */
char *zcxi_error_text(const zcx_view *view, const char *name);
zcx_status zcxi_error_status(const zcx_view *view);

/* An id for a call, unique in the store, made without a lock: owner (8 bits), incarnation (20),
 * counter (36). */
uint64_t zcxi_store_call_id(zcx_store *store);

/* "12.0 MiB in 3 loans of process 17 (python) since 4 s, …": who holds the store's memory. */
void zcxi_holders_text(struct zcxi_env *env, char *text, size_t size);

#endif
