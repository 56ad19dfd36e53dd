#include "exchange.h"

#include "call.h"
#include "store.h"

#include <pthread.h>
#include <stdlib.h>

/* Exchanges that were closed while calls of theirs lived. Their stores are closed, and the records
 * that those calls own deleted, by a later call into this file, never by the call's release: that
 * may run in a finaliser, which must not wait for a lock. */
static pthread_mutex_t closed_mutex = PTHREAD_MUTEX_INITIALIZER;
static zcx_exchange *closed;
static _Atomic uint32_t closed_count;

/* A thread of the parent may have been at them: what it left is the parent's, and so is its lock. */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&closed_mutex, NULL);
    closed = NULL;
    atomic_store(&closed_count, 0);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

/* ---- The store ------------------------------------------------------------------------------- */

void zcxi_exchange_warn(zcx_exchange *exchange, const zcx_error *why)
{
    if (!atomic_exchange(&exchange->warned, true))
        zcxi_log('w', "calculator '%s': payloads go directly, not through the store: %s",
                 exchange->config.name, why->message);
}

zcx_status zcxi_exchange_need_store(const zcx_exchange *exchange, zcx_error *error)
{
    if (exchange->store) return ZCX_OK;
    return zcxi_fail(error, exchange->no_store.status, exchange->no_store.cause,
                     "calculator '%.100s' has no store for references: %.350s",
                     exchange->config.name, exchange->no_store.message);
}

/* No store is no error: its calls go directly. */
static void open_store(zcx_exchange *exchange)
{
    const struct zcxi_config *config = &exchange->config;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.database = config->database;
    options.group = config->group;
    options.budget = (uint64_t)config->map_size;
    if (config->max_readers > 1024) options.max_readers = (uint32_t)config->max_readers;
    if (zcx_store_open(&exchange->store, config->path, &options, &exchange->no_store)) {
        exchange->store = NULL;
        zcxi_exchange_warn(exchange, &exchange->no_store);
    }
}

zcx_status zcx_exchange_open(zcx_exchange **out, const char *json, zcx_error *error)
{
    zcxi_exchange_tidy(NULL, NULL);
    zcx_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for an exchange");
    zcx_status status = zcxi_config_parse(&exchange->config, json, error);
    if (status) {
        free(exchange);
        return status;
    }
    atomic_init(&exchange->references, 1);
    if (exchange->config.enabled)
        open_store(exchange);
    else
        zcxi_fail(&exchange->no_store, ZCX_EINVAL, 0, "option 'lmdb_enabled' is false");
    *out = exchange;
    return ZCX_OK;
}

/* ---- Clean-up -------------------------------------------------------------------------------- */

void zcxi_exchange_release(zcx_exchange *exchange, zcx_call *call)
{
    call->next = atomic_load(&exchange->released);
    while (!atomic_compare_exchange_weak(&exchange->released, &call->next, call))
        ;
}

zcx_call *zcxi_exchange_take_released(zcx_exchange *exchange, int most)
{
    if (!atomic_load_explicit(&exchange->released, memory_order_relaxed)) return NULL;
    zcx_call *first = atomic_exchange(&exchange->released, NULL), *last = first;
    if (!first) return NULL;
    while (--most && last->next)
        last = last->next;
    zcx_call *rest = last->next;
    last->next = NULL;
    for (zcx_call *next; rest; rest = next) {
        next = rest->next;
        zcxi_exchange_release(exchange, rest);
    }
    return first;
}

static zcx_status delete_released(zcx_exchange *exchange, zcx_error *error)
{
    zcx_status first = ZCX_OK;
    if (!atomic_load_explicit(&exchange->released, memory_order_relaxed)) return ZCX_OK;
    for (zcx_call *call = atomic_exchange(&exchange->released, NULL), *next; call; call = next) {
        next = call->next;
        zcx_status status = zcxi_call_finish(call, error);
        if (status) zcxi_exchange_release(exchange, call);
        if (!first) first = status;
    }
    return first;
}

/* False while something of its store is still in use, by a view that a callee took. */
static bool destroy(zcx_exchange *exchange)
{
    if (exchange->store && zcx_store_close(exchange->store, NULL)) return false;
    zcxi_config_free(&exchange->config);
    free(exchange);
    return true;
}

static void tidy_closed(void)
{
    if (pthread_mutex_trylock(&closed_mutex)) return; /* somebody is at it */
    for (zcx_exchange **at = &closed; *at;) {
        zcx_exchange *exchange = *at, *next = exchange->next;
        (void)delete_released(exchange, NULL);
        if (!atomic_load(&exchange->references) && destroy(exchange)) {
            *at = next;
            atomic_fetch_sub(&closed_count, 1);
        } else {
            at = &exchange->next;
        }
    }
    pthread_mutex_unlock(&closed_mutex);
}

zcx_status zcxi_exchange_tidy(zcx_exchange *exchange, zcx_error *error)
{
    if (atomic_load_explicit(&closed_count, memory_order_relaxed)) tidy_closed();
    return exchange ? delete_released(exchange, error) : ZCX_OK;
}

zcx_status zcx_exchange_sweep(zcx_exchange *exchange, zcx_error *error)
{
    return zcxi_exchange_tidy(exchange, error);
}

void zcx_exchange_close(zcx_exchange *exchange)
{
    if (!exchange) return;
    pthread_mutex_lock(&closed_mutex);
    exchange->next = closed;
    closed = exchange;
    atomic_fetch_add(&closed_count, 1);
    atomic_fetch_sub(&exchange->references, 1);
    pthread_mutex_unlock(&closed_mutex);
    tidy_closed();
}

/* ---- What the configuration says ------------------------------------------------------------- */

const char *zcx_exchange_name(const zcx_exchange *exchange)
{
    return exchange->config.name;
}

const char *zcx_exchange_language(const zcx_exchange *exchange)
{
    return exchange->config.language;
}

bool zcx_exchange_enabled(const zcx_exchange *exchange)
{
    return exchange->config.enabled;
}

zcx_mode zcx_exchange_mode(const zcx_exchange *exchange)
{
    return exchange->config.mode;
}

zcx_format zcx_exchange_format(const zcx_exchange *exchange)
{
    return exchange->config.format;
}

int64_t zcx_exchange_wait_timeout_ms(const zcx_exchange *exchange)
{
    return exchange->config.wait_timeout;
}

zcx_store *zcx_exchange_store(const zcx_exchange *exchange)
{
    return exchange->store;
}
