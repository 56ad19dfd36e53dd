/* zcx's calculators: what configures one, how a call carries its payloads to one and back, and how
 * a plug-in is called in this process. Included by zcx.h.
 *
 * A call has two legs, the input and the output. Each goes directly (private memory of the call) or
 * by reference (a record of the store), and this file's functions decide which, in every language
 * alike: by reference if the configuration enables the store, `lmdb_exchange_mode` covers the leg,
 * and the encoded payload has at least `lmdb_min_size` bytes (in mode "reference": at any size).
 *
 *     caller                                    callee
 *     zcx_call_open
 *     zcx_call_input, fill, zcx_call_submit  →  zcx_call_read, compute,
 *                                               zcx_call_output, fill, zcx_call_answer
 *     zcx_call_result                        ←
 *     zcx_call_close (the result's release)
 *
 * zcx_calculator_call plays the callee's part for a C plug-in. A callee in the caller's process
 * that wants references gets one by zcx_call_request, and answers by zcx_call_accept.
 *
 * Full store: when there is no room, or the store could not be opened, a leg goes directly, with
 * one logged warning per exchange. In mode "reference" that is an error, because only a record can
 * be referred to. */
#ifndef ZCX_CALCULATOR_H
#define ZCX_CALCULATOR_H

#ifndef ZCX_H
#include "zcx.h"
#endif
#include "zcx_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Exchange: one calculator's configuration and store -------------------------------------- */

typedef struct zcx_exchange zcx_exchange;

typedef enum zcx_mode {
    ZCX_MODE_INPUT = 1,
    ZCX_MODE_OUTPUT = 2,
    ZCX_MODE_BOTH = 3,
    ZCX_MODE_REFERENCE = 4,
} zcx_mode;

/* Reads a calculator's configuration, one JSON object, and opens its store when it is enabled.
 *
 *   name               "…"        required; 1 to 487 bytes; part of the keys
 *   calculator         "…"        c, cpp, rust, java or python
 *   type               "…"        the exported name or class
 *   plugin             "/…"       absolute path of a shared object; or:
 *   queue              "…"        workers' queue
 *   options            {}         the calculator's own; a plug-in's create() reads them
 *   lmdb_enabled       false
 *   lmdb_db_path       "/…"       default: as zcx_store_open
 *   lmdb_db_group      "…"        a group that shares the store; default: it is its owner's only
 *   lmdb_db_name       "default"
 *   lmdb_min_size      1024       bytes
 *   lmdb_exchange_mode "both"     input, output, both or reference
 *   lmdb_data_format   "msgpack"  json, msgpack, raw, numpy or arrow
 *   lmdb_ttl           300        seconds; 0: until deleted
 *   lmdb_wait_timeout  30000      milliseconds
 *   lmdb_map_size      bytes      the store's budget; default: as zcx_store_open
 *   lmdb_max_readers   1024       a smaller number means 1024, the least of every store
 *
 * Any other name, and any wrong value, is ZCX_EINVAL with a sentence that names the option, the
 * value and what is allowed. A store that cannot be opened is no error here (see above).
 * An exchange may be used by all threads at once. */
ZCX_API ZCX_CHECKED zcx_status zcx_exchange_open(zcx_exchange **out, const char *json,
                                                 zcx_error *error);

/* Deletes the records that released results left, and closes the store. Calls and results that
 * still live keep what they need of it: theirs are deleted by the next zcx_exchange_open, _sweep or
 * _close, or zcx_call_open, of any exchange in the process, never in zcx_call_close. NULL is a
 * no-op. */
ZCX_API void zcx_exchange_close(zcx_exchange *exchange);

/* Deletes the records that released results left, now; zcx_call_open does so too. What a lock, or
 * a full store, kept from deletion stays queued, and is the error. */
ZCX_API zcx_status zcx_exchange_sweep(zcx_exchange *exchange, zcx_error *error);

/* What the configuration says; text is valid as long as the exchange. */
ZCX_API const char *zcx_exchange_name(const zcx_exchange *exchange);
ZCX_API const char *zcx_exchange_language(const zcx_exchange *exchange); /* `calculator`, or NULL */
ZCX_API bool zcx_exchange_enabled(const zcx_exchange *exchange);         /* lmdb_enabled */
ZCX_API zcx_mode zcx_exchange_mode(const zcx_exchange *exchange);
ZCX_API zcx_format zcx_exchange_format(const zcx_exchange *exchange);
ZCX_API int64_t zcx_exchange_wait_timeout_ms(const zcx_exchange *exchange);
/* Its handle of the store, NULL when disabled or when it could not be opened. */
ZCX_API zcx_store *zcx_exchange_store(const zcx_exchange *exchange);

/* ---- Reference: what travels instead of a payload -------------------------------------------- */

/* A request or an answer of the reference protocol (protocol/SPEC.md): a map, in msgpack or JSON.
 * Immutable; may be read by all threads. */
typedef struct zcx_reference zcx_reference;

typedef enum zcx_encoding {
    ZCX_ENCODING_MSGPACK = 0,
    ZCX_ENCODING_JSON = 1,
} zcx_encoding;

typedef enum zcx_reference_field {
    ZCX_REFERENCE_INPUT_KEY = 0,  /* _lmdb_input_key */
    ZCX_REFERENCE_OUTPUT_KEY = 1, /* _lmdb_output_key */
    ZCX_REFERENCE_DB_PATH = 2,    /* _lmdb_db_path */
    ZCX_REFERENCE_DB_NAME = 3,    /* _lmdb_db_name */
    ZCX_REFERENCE_FORMAT = 4,     /* _lmdb_format */
    ZCX_REFERENCE_CALL_ID = 5,    /* _txn_id: 16 hex digits */
} zcx_reference_field;

/* Reads a reference that came from anywhere. `_lmdb_ref` true is required, or
 * `_lmdb_output_written` in an answer. A request also needs `_lmdb_db_path`, `_lmdb_db_name`,
 * `_lmdb_format`, `_txn_id`, and
 * `_lmdb_input_key` or `_lmdb_output_key`; an answer may leave out everything else. `_lmdb_data` is
 * the payload: bin in msgpack, base64 text in JSON; not beside an `_lmdb_input_key`. Other names
 * are skipped, names that come twice refused. EINVAL (a field missing, of another type or out of
 * its bounds: names it), ECORRUPT (not one whole map). Everything is copied out of `data`. */
ZCX_API ZCX_CHECKED zcx_status zcx_reference_parse(zcx_reference **out, zcx_encoding encoding,
                                                   const void *data, uint64_t length,
                                                   zcx_error *error);

/* Does this look like a reference to somebody who may also get plain payloads: a map that has
 * `_lmdb_ref` or `_lmdb_output_written`? Never fails: what cannot be read is none. */
ZCX_API bool zcx_reference_is(zcx_encoding encoding, const void *data, uint64_t length);

/* The answer to a request whose output was written. EINVAL when it asked for none. */
ZCX_API ZCX_CHECKED zcx_status zcx_reference_answer(zcx_reference **out,
                                                    const zcx_reference *request, zcx_error *error);

/* *length: the bytes that it takes. Writes them, at most `capacity`, unless buffer is NULL. ELIMIT
 * when they do not fit. */
ZCX_API ZCX_CHECKED zcx_status zcx_reference_write(uint64_t *length, const zcx_reference *reference,
                                                   zcx_encoding encoding, void *buffer,
                                                   uint64_t capacity, zcx_error *error);

/* NULL when the reference does not have the field. Valid as long as the reference. */
ZCX_API const char *zcx_reference_text(const zcx_reference *reference, zcx_reference_field field);
/* `_lmdb_data`; NULL when it has none. */
ZCX_API const void *zcx_reference_data(const zcx_reference *reference, uint64_t *length);
/* `_lmdb_output_written` is there and true. */
ZCX_API bool zcx_reference_written(const zcx_reference *reference);
ZCX_API void zcx_reference_free(zcx_reference *reference); /* NULL is a no-op */

/* ---- Call ------------------------------------------------------------------------------------ */

/* One call of one calculator, and its result for as long as it lives. */

/* Makes the call's id: unique in the store, without a lock. Deletes first what released results
 * left; with a `queue` the next request's transaction does that. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_open(zcx_call **out, zcx_exchange *exchange,
                                             zcx_error *error);
ZCX_API const char *zcx_call_id(const zcx_call *call); /* 16 hex digits */

/* Releases the call and its result: everything that its functions handed out ends. The records that
 * it owns are queued for deletion. Waits for nobody, so a finaliser may call it, from any thread; but
 * a call that a worker took and did not answer is answered here, which takes the store's lock. NULL
 * is a no-op. */
ZCX_API void zcx_call_close(zcx_call *call);

/* Would a leg of `size` encoded bytes go by reference? For a binding that can pass its own object
 * when it would not. */
ZCX_API bool zcx_call_input_by_reference(const zcx_call *call, uint64_t size);
ZCX_API bool zcx_call_output_by_reference(const zcx_call *call, uint64_t size);

/* -- The caller gives the input, in one of three ways, or none */

/* 1. *data: memory for `size` bytes, 64-byte aligned, not zeroed; a loan when it goes by reference.
 * Then submit its true length (at most `size`) and what it is; the envelope's TTL is the
 * configuration's, its source and target are the calculator's unless they are set. Every pointer in
 * the envelope is copied. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_input(void **data, zcx_call *call, uint64_t size,
                                              zcx_error *error);
ZCX_API ZCX_CHECKED zcx_status zcx_call_submit(zcx_call *call, uint64_t length,
                                               const zcx_envelope *envelope, zcx_error *error);

/* 2. A view that the caller has, whole: nothing is put. It travels by the record that it has
 * already when that is in this exchange's store and still the same; it is never deleted by the
 * call. The view stays the caller's, who releases it when the answer is in. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_input_view(zcx_call *call, zcx_view *view,
                                                   zcx_error *error);

/* 3. A reference that an earlier call returned: its written output is the input, as in 2. EINVAL
 * when it is of another store or database (names both), ENOTFOUND, EEXPIRED; EFAILED when the
 * record is an error record. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_input_reference(zcx_call *call,
                                                        const zcx_reference *reference,
                                                        zcx_error *error);

/* Nothing is given: the callee, in the caller's own language, has the input by itself. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_skip_input(zcx_call *call, zcx_error *error);

/* -- The callee */

/* The input, where it lies; valid until the answer is in. *envelope (nullable; struct_size set) has
 * what came with it. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_read(const void **data, uint64_t *length,
                                             zcx_envelope *envelope, zcx_call *call,
                                             zcx_error *error);
/* Hands over the input's view, for a callee whose objects may outlive the call: the caller of this
 * releases it; the call cannot be read any more (EINVAL). NULL when the input went directly, was
 * given as a view, or was taken before. */
ZCX_API zcx_view *zcx_call_take_input(zcx_call *call);

/* As zcx_call_input and zcx_call_submit, for the result. A byte written past `size` is found here:
 * EFAILED. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_output(void **data, zcx_call *call, uint64_t size,
                                               zcx_error *error);
ZCX_API ZCX_CHECKED zcx_status zcx_call_answer(zcx_call *call, uint64_t length,
                                               const zcx_envelope *envelope, zcx_error *error);
/* There is no result: `message` (one sentence) and `trace` (nullable) say why. The first one of a
 * call is kept. */
ZCX_API void zcx_call_fail(zcx_call *call, const char *message, const char *trace);

/* The request to a callee that understands references, of a call whose input is given. NULL when
 * the payload itself goes to it (the mode and size ask for no reference, or there is no store):
 * then it reads and answers as above. mode       small input                            large input
 *   input      NULL                                   _lmdb_input_key
 *   output     _lmdb_data, _lmdb_output_key           the same
 *   both       _lmdb_data, _lmdb_output_key           _lmdb_input_key, _lmdb_output_key
 *   reference  _lmdb_input_key, _lmdb_output_key      the same
 * Free with zcx_reference_free. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_request(zcx_reference **out, zcx_call *call,
                                                zcx_error *error);
/* Its answer to a request that had an `_lmdb_output_key`: NULL when it answered with anything but a
 * reference. EFAILED at once unless it says that the output of this call was written and the record
 * is there. A request without that key is answered by zcx_call_output and zcx_call_answer. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_accept(zcx_call *call, const zcx_reference *answer,
                                               zcx_error *error);

/* -- The caller reads the result */

/* Valid until zcx_call_close. EFAILED, with the callee's message, when it failed. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_result(const void **data, uint64_t *length,
                                               zcx_envelope *envelope, zcx_call *call,
                                               zcx_error *error);
/* The result as a view, to chain it on or make arrays of; NULL when it came directly. It belongs to
 * the call: never release it. */
ZCX_API zcx_view *zcx_call_result_view(zcx_call *call);
/* The result as a reference, which a later call's zcx_call_input_reference accepts; NULL when it
 * came directly. Free with zcx_reference_free. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_result_reference(zcx_reference **out, zcx_call *call,
                                                         zcx_error *error);
/* Leaves the result's record to its TTL instead of deleting it at the call's release, for a
 * reference that is sent elsewhere. */
ZCX_API void zcx_call_keep_result(zcx_call *call);
ZCX_API const char *zcx_call_trace(const zcx_call *call); /* of a failed callee; NULL when none */

/* ---- Calculator: a plug-in in this process --------------------------------------------------- */

typedef struct zcx_calculator zcx_calculator;

/* Opens the exchange of `json` and loads its `plugin`, whose descriptor's name has to be `type`.
 * Its code runs with all rights of this process, and its crash is ours. EINVAL (configuration,
 * plug-in's options), ENOTFOUND (no such file), EVERSION (another ABI), EFAILED (create),
 * EUNSUPPORTED (`calculator` is java or python, and there is no `queue`). May be used by all threads at once: calls of a
 * plug-in that is not thread-safe wait for each other. */
ZCX_API ZCX_CHECKED zcx_status zcx_calculator_open(zcx_calculator **out, const char *json,
                                                   zcx_error *error);
/* EBUSY while calls run in it. Results stay valid. NULL is a no-op. */
ZCX_API zcx_status zcx_calculator_close(zcx_calculator *calculator, zcx_error *error);
ZCX_API zcx_exchange *zcx_calculator_exchange(const zcx_calculator *calculator);

/* Runs the plug-in on a call (of zcx_calculator_exchange) whose input is given; on ZCX_OK its
 * result is there. EFAILED, with a sentence that names the calculator: it failed, gave no answer,
 * answered twice, or wrote past its output. */
ZCX_API ZCX_CHECKED zcx_status zcx_calculator_call(zcx_calculator *calculator, zcx_call *call,
                                                   zcx_error *error);

/* ---- Calls to workers: a configuration with `queue` --------------------------------------------- */

/* zcx_calculator_open takes such a configuration too (`lmdb_enabled` has to be true; `plugin`, `type`
 * and `options` are the worker's). Then a request goes through the store to whichever worker takes it
 * first; payloads of more than 1,024 bytes always go by reference. zcx_calculator_call waits for the
 * answer, at most `lmdb_wait_timeout`: ETIMEDOUT cancels the request. EDEAD: three workers died over
 * it. */

/* Begins a call whose input is given, without waiting; over a queue only (in process: does the whole
 * call). zcx_call_submit has begun it already when its input went by reference. */
ZCX_API ZCX_CHECKED zcx_status zcx_calculator_send(zcx_calculator *calculator, zcx_call *call,
                                                   zcx_error *error);
/* ZCX_OK when the answer is there. ETIMEDOUT: it is still under way. EFAILED (the calculator's
 * message), EDEAD, EDELETED (the request, its input or its answer is gone), EEXPIRED (so is the answer,
 * or no worker took the request within `lmdb_wait_timeout`), ECANCELLED end the call. */
ZCX_API ZCX_CHECKED zcx_status zcx_call_wait(zcx_call *call, int64_t timeout_ms, zcx_error *error);
/* Nobody wants the answer any more: a request that no worker has is gone, the answer of one that has
 * it is dropped. Closing an unanswered call does the same, later. */
ZCX_API zcx_status zcx_call_cancel(zcx_call *call, zcx_error *error);

/* A worker takes requests from the `queue` of a configuration, which is its callers' but for
 * `options`. Used by all threads at once. */
typedef struct zcx_worker zcx_worker;

/* EINVAL (no `queue`, or lmdb_enabled false), and what zcx_store_open fails with. */
ZCX_API ZCX_CHECKED zcx_status zcx_worker_open(zcx_worker **out, const char *json,
                                               zcx_error *error);
/* Claims the next request and makes it a call whose input is given: the callee's functions above
 * answer or fail it, and zcx_calculator_call runs a plug-in of this process on it; zcx_call_close
 * ends it, as failed when it was not answered. zcx_call_answer returns ECANCELLED when nobody wants
 * the answer any more. A request that cannot be read is answered with an error record here. Waits at
 * most `timeout_ms` (negative: for ever). ETIMEDOUT; ECLOSED after zcx_worker_stop; ESTALE. */
ZCX_API ZCX_CHECKED zcx_status zcx_worker_take(zcx_call **out, zcx_worker *worker,
                                               int64_t timeout_ms, zcx_error *error);
/* From now on nothing is taken, and waiting takes return ECLOSED. May be called in a signal handler. */
ZCX_API void zcx_worker_stop(zcx_worker *worker);
/* EBUSY while a take waits. Calls that were taken stay valid. NULL is a no-op. */
ZCX_API zcx_status zcx_worker_close(zcx_worker *worker, zcx_error *error);

#ifdef __cplusplus
}
#endif

#endif
