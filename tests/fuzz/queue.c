/* Requests in zcx.queue, as somebody may have put them: claimed by a worker, revived and given up by a
 * sweep, shown by stat. What the worker takes it can read, answer or fail. */
#include "fuzz.h"
#include "mutated.h"

#include "queue.h"
#include "reference.h"
#include "store.h"
#include "zcx_calculator.h"

static char *path;
static zcx_store *store;
static zcx_worker *worker;

static void begin(void)
{
    char json[600];
    if (path) return;
    path = make_directory(NULL);
    MUST_HOLD(!open_mutated(&store, path, "default", ZCX_DURABILITY_NONE, NULL));
    MUST_HOLD(!put_mutated(store, 1, NULL) && !put_mutated(store, 4, NULL));
    snprintf(json, sizeof json, "{\"name\": \"w\", \"queue\": \"q\", \"lmdb_enabled\": true, "
             "\"lmdb_db_path\": \"%s\"}", path);
    MUST_HOLD(!zcx_worker_open(&worker, json, NULL));
}

struct raw {
    MDB_val key, value;
};

static zcx_status put_raw(struct zcxi_env *env, MDB_txn *transaction, void *context, zcx_error *error)
{
    struct raw *raw = context;
    (void)error;
    return mdb_put(transaction, env->queue_db, &raw->key, &raw->value, 0) ? ZCX_EINVAL : ZCX_OK;
}

static zcx_status empty(struct zcxi_env *env, MDB_txn *transaction, void *context, zcx_error *error)
{
    (void)context, (void)error;
    return mdb_drop(transaction, env->queue_db, 0) ? ZCX_ESYSTEM : ZCX_OK;
}

/* A reference whose fields the input chooses: some valid, some not there. */
static uint64_t make_reference(uint8_t *out, uint64_t capacity, uint32_t fields)
{
    static const char *const inputs[] = {NULL, "record-001", "record-004", "nothing"};
    static const char *const outputs[] = {NULL, "answer", "record-001", "record-004"};
    static const char *const bases[] = {"default", "second", "none", NULL};
    static const char *const formats[] = {"raw", "numpy", "msgpack", NULL};
    const char *text[ZCXI_REFERENCE_FIELDS] = {NULL};
    zcx_reference *reference;
    uint64_t length = 0;
    text[ZCX_REFERENCE_INPUT_KEY] = inputs[fields & 3];
    text[ZCX_REFERENCE_OUTPUT_KEY] = outputs[fields >> 2 & 3];
    text[ZCX_REFERENCE_DB_NAME] = bases[fields >> 4 & 3];
    text[ZCX_REFERENCE_FORMAT] = formats[fields >> 6 & 3];
    text[ZCX_REFERENCE_DB_PATH] = fields >> 8 & 1 ? "/elsewhere" : path;
    text[ZCX_REFERENCE_CALL_ID] = fields >> 9 & 1 ? NULL : "0123456789abcdef";
    if (zcxi_reference_make(&reference, text, "data", fields >> 10 & 1 ? 4 : 0, fields >> 11 & 1, NULL))
        return 0;
    MUST_HOLD(!zcx_reference_write(&length, reference, ZCX_ENCODING_MSGPACK, out, capacity, NULL));
    zcx_reference_free(reference);
    return length;
}

/* The input: a byte of choices, the number of the queue's key, a head, then a reference's bytes or
 * four bytes that choose its fields. */
static bool push(const uint8_t **data, size_t *size)
{
    uint8_t key[16] = "q", value[2048] = {0};
    uint8_t how = choice(data, size), length = choice(data, size);
    struct zcxi_request *head = (void *)value;
    size_t used = *size < sizeof *head ? *size : sizeof *head;
    memcpy(value, *data, used);
    *data += used;
    *size -= used;
    key[9] = length;
    if (how & 1) key[1] = length; /* perhaps no request's key */
    if (!(how & 2)) head->magic = ZCXI_REQUEST_MAGIC;
    if (!(how & 4)) head->version = ZCXI_REQUEST_VERSION;
    if (!(how & 8)) head->attempts = 0;
    if (!(how & 16)) head->deadline = 0;
    used = sizeof *head;
    if (how & 32) {
        size_t part = *size < 1024 ? *size : 1024;
        memcpy(value + used, *data, part);
        *data += part;
        *size -= part;
        used += part;
    } else {
        uint32_t fields = 0;
        for (int i = 0; i < 4; i++)
            fields = fields << 8 | choice(data, size);
        used += make_reference(value + used, sizeof value - used, fields);
    }
    if (how & 64) used = used * length / 256;
    struct raw raw = {{how & 128 ? (size_t)length % 12 : 10, key}, {used, value}};
    return !zcxi_transact(store->env, &(struct zcxi_need){.changes = 1}, put_raw, &raw, NULL);
}

static void work(void)
{
    zcx_call *call;
    for (int i = 0; i < 8 && !zcx_worker_take(&call, worker, 0, NULL); i++) {
        const void *data;
        uint64_t length;
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        if (!zcx_call_read(&data, &length, &envelope, call, NULL))
            MUST_HOLD(!length || data);
        if (i % 2) zcx_view_release(zcx_call_take_input(call));
        if (i % 3 == 0) {
            void *output;
            envelope = (zcx_envelope)ZCX_ENVELOPE_INIT;
            if (!zcx_call_output(&output, call, 2000, NULL)) memset(output, 1, 2000);
            WHATEVER(zcx_call_answer(call, 2000, &envelope, NULL));
        } else if (i % 3 == 1) {
            zcx_call_fail(call, "no", NULL);
        }
        zcx_call_close(call);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;
    begin();
    for (int i = 0; i < 4 && size; i++)
        (void)push(&data, &size);
    if (!zcx_store_stat(&text, store, NULL)) zcx_free(text);
    work();
    if (!zcx_store_sweep(&text, store, 0, NULL)) zcx_free(text);
    if (!zcx_store_check(&text, store, NULL)) zcx_free(text);
    MUST_HOLD(!zcxi_transact(store->env, &(struct zcxi_need){.changes = 1}, empty, NULL, NULL));
    WHATEVER(zcx_store_delete(store, "answer", 6, NULL));
    WHATEVER(put_mutated(store, 1, NULL));
    WHATEVER(put_mutated(store, 4, NULL));
    return 0;
}
