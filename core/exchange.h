/* One calculator's configuration and store, and the records that its released calls left to be
 * deleted. The public part is in zcx_calculator.h. */
#ifndef ZCXI_EXCHANGE_H
#define ZCXI_EXCHANGE_H

#include "config.h"

#include <stdatomic.h>

struct zcx_exchange {
    struct zcxi_config config;
    zcx_store *store;   /* NULL: every leg goes directly */
    zcx_error no_store; /* why */
    _Atomic bool warned;
    _Atomic uint32_t references; /* the handle, and each call until its records are deleted */
    zcx_call *_Atomic released;  /* closed calls that own records; any thread pushes */
    struct zcx_exchange *next;   /* in the list of closed exchanges whose calls live on */
};

/* Says once per exchange why a payload goes directly that was to go by reference. */
void zcxi_exchange_warn(zcx_exchange *exchange, const zcx_error *why);

/* ZCX_OK, or why there is no store to make or read references with. */
zcx_status zcxi_exchange_need_store(const zcx_exchange *exchange, zcx_error *error);

/* Queues a closed call; takes no lock. zcxi_call_finish is called on it later. */
void zcxi_exchange_release(zcx_exchange *exchange, zcx_call *call);

/* At most `most` of the queued ones, linked by `next`: the caller deletes what they own, and ends
 * them. */
zcx_call *zcxi_exchange_take_released(zcx_exchange *exchange, int most);

/* What each call begins with: deletes what is queued, here and in closed exchanges. */
zcx_status zcxi_exchange_tidy(zcx_exchange *exchange, zcx_error *error);

#endif
