/* Actors that call a calculator through a queue, and that answer: the answer is another payload of the
 * same sequence. */
#include "actor.h"
#include "zcx_calculator.h"

#include <string.h>
#include <unistd.h>

static const char *config(void)
{
    static char json[800];
    snprintf(json, sizeof json,
             "{\"name\": \"torture\", \"queue\": \"torture\", \"lmdb_enabled\": true, \"lmdb_db_path\": \"%s\", "
             "\"lmdb_data_format\": \"raw\", \"lmdb_ttl\": 20, \"lmdb_wait_timeout\": 20000}", store_path);
    return json;
}

static void check(zcx_call *call, uint64_t key, uint64_t sequence)
{
    const void *data;
    uint64_t length;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    MUST(zcx_call_result(&data, &length, &envelope, call, error));
    if (!payload_whole(data, key + ANSWERS, length) || payload_sequence(data) != sequence)
        complain("the answer to sequence %#lx is not whole, or another's", (unsigned long)sequence);
}

/* A store may be full, and a worker tells of it; three workers may have died over the request. */
static void accept_failure(zcx_status status, const zcx_error *error)
{
    if (status == ZCX_EDEAD)
        atomic_fetch_add(&mine->dead, 1);
    else if (status == ZCX_EFULL || (status == ZCX_EFAILED && strstr(error->message, "no room")))
        atomic_fetch_add(&mine->full, 1);
    else
        complain("a call: %s: %s", zcx_status_name(status), error->message);
}

static void call_once(zcx_calculator *calculator)
{
    const uint64_t key = CALL_KEYS + place, sequence = next_sequence(), length = random_length();
    const uint64_t what = below(20);
    zcx_error failure = ZCX_ERROR_INIT;
    zcx_call *call;
    void *data;
    MUST(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    zcx_status status = zcx_call_input(&data, call, length, &failure);
    if (!status) {
        payload_fill(data, key, sequence, length);
        status = zcx_call_submit(call, length, NULL, &failure);
    }
    if (!status && what == 0) status = zcx_calculator_send(calculator, call, &failure);
    if (!status && what == 0 && below(2)) status = zcx_call_cancel(call, &failure);
    if (!status && what) {
        status = zcx_calculator_call(calculator, call, &failure);
        if (!status) check(call, key, sequence);
    }
    if (status) accept_failure(status, &failure);
    zcx_call_close(call);
    atomic_fetch_add(&mine->calls, 1);
    atomic_store(&mine->when[0], monotonic());
}

void call(void)
{
    zcx_calculator *calculator;
    zcx_store *store = open_store();
    MUST(zcx_calculator_open(&calculator, config(), error));
    (void)store;
    for (;; atomic_fetch_add(&mine->steps, 1))
        call_once(calculator);
}

static void answer(zcx_call *call)
{
    const void *data;
    void *out;
    uint64_t length;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_error failure = ZCX_ERROR_INIT;
    MUST(zcx_call_read(&data, &length, &envelope, call, error));
    const struct payload *payload = data;
    const uint64_t key = payload->key, sequence = payload->sequence, size = random_length();
    if (key < CALL_KEYS || key >= CALL_KEYS + ANSWERS || !payload_whole(data, key, length))
        complain("a request's input is not whole");
    zcx_status status = zcx_call_output(&out, call, size, &failure);
    if (!status) {
        payload_fill(out, key + ANSWERS, sequence, size);
        if (!payload_whole(data, key, length) || payload_sequence(data) != sequence)
            complain("a request's input changed while it was worked on");
        status = zcx_call_answer(call, size, NULL, &failure);
    }
    /* Who called may have been killed, or have given up, or the store may be full. */
    if (status == ZCX_EFULL) zcx_call_fail(call, failure.message, NULL);
    if (status && status != ZCX_EFULL && status != ZCX_ECANCELLED)
        complain("an answer: %s: %s", zcx_status_name(status), failure.message);
}

void work(void)
{
    zcx_worker *worker;
    zcx_store *store = open_store();
    MUST(zcx_worker_open(&worker, config(), error));
    (void)store;
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        zcx_call *taken;
        zcx_error failure = ZCX_ERROR_INIT;
        zcx_status status = zcx_worker_take(&taken, worker, 1000, &failure);
        if (status == ZCX_ETIMEDOUT) continue;
        if (status == ZCX_EFULL) {
            usleep(1000);
            continue;
        }
        if (status) complain("take: %s", failure.message);
        answer(taken);
        zcx_call_close(taken);
        atomic_fetch_add(&mine->calls, 1);
    }
}
