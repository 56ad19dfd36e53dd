/* Scan and Batch. */
#include "zcxjni.h"

static jlong scanOpen(JNIEnv *env, jclass class, jlong store, jbyteArray prefix, jbyteArray from,
                      jbyteArray to, jlong limit, jint flags)
{
    (void)class;
    zcx_scan *scan = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_scan_options options = ZCX_SCAN_OPTIONS_INIT;
    void *at[3] = {zcxj_bytes(env, prefix), zcxj_bytes(env, from), zcxj_bytes(env, to)};
    options.prefix = at[0];
    options.prefix_length = prefix ? (size_t)(*env)->GetArrayLength(env, prefix) : 0;
    options.from = at[1];
    options.from_length = from ? (size_t)(*env)->GetArrayLength(env, from) : 0;
    options.to = at[2];
    options.to_length = to ? (size_t)(*env)->GetArrayLength(env, to) : 0;
    options.limit = (uint64_t)limit;
    options.flags = (uint32_t)flags;
    (void)!zcx_store_scan(&scan, HANDLE(zcx_store, store), &options, &error);
    zcxj_bytes_end(env, prefix, at[0]);
    zcxj_bytes_end(env, from, at[1]);
    zcxj_bytes_end(env, to, at[2]);
    zcxj_throw(env, &error);
    return NUMBER(scan);
}

/* The next key, its packed envelope in envelope[0]; null at the end. */
static jbyteArray scanNext(JNIEnv *env, jclass class, jlong scan, jobjectArray envelope)
{
    (void)class;
    const void *key;
    size_t length;
    zcx_envelope about = ZCX_ENVELOPE_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = zcx_scan_next(HANDLE(zcx_scan, scan), &key, &length,
                                      envelope ? &about : NULL, &error);
    if (status == ZCX_ENOTFOUND || zcxj_throw(env, &error)) return NULL;
    if (envelope) {
        jbyteArray packed = zcxj_pack_envelope(env, &about);
        if (!packed) return NULL;
        (*env)->SetObjectArrayElement(env, envelope, 0, packed);
        if ((*env)->ExceptionCheck(env)) return NULL;
    }
    return zcxj_array(env, key, length);
}

static void scanClose(JNIEnv *env, jclass class, jlong scan)
{
    (void)env, (void)class;
    zcx_scan_close(HANDLE(zcx_scan, scan));
}

/* ---- batch -------------------------------------------------------------------------------------- */

static jlong batchOpen(JNIEnv *env, jclass class, jlong store)
{
    (void)class;
    zcx_batch *batch = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_store_batch(&batch, HANDLE(zcx_store, store), &error);
    zcxj_throw(env, &error);
    return NUMBER(batch);
}

static void batchPublish(JNIEnv *env, jclass class, jlong batch, jlong loan, jbyteArray key,
                         jlong length, jbyteArray envelope)
{
    (void)class;
    struct zcxj_key at;
    zcx_envelope about;
    zcx_error error = ZCX_ERROR_INIT;
    zcxj_key(env, &at, key);
    void *packed = zcxj_bytes(env, envelope);
    (void)!zcx_batch_publish(HANDLE(zcx_batch, batch), HANDLE(zcx_loan, loan), at.bytes, at.length,
                             (uint64_t)length, zcxj_envelope(&about, packed), &error);
    zcxj_bytes_end(env, envelope, packed);
    zcxj_throw(env, &error);
}

static void batchDelete(JNIEnv *env, jclass class, jlong batch, jbyteArray key)
{
    (void)class;
    struct zcxj_key at;
    zcx_error error = ZCX_ERROR_INIT;
    zcxj_key(env, &at, key);
    (void)!zcx_batch_delete(HANDLE(zcx_batch, batch), at.bytes, at.length, &error);
    zcxj_throw(env, &error);
}

static jlong batchCommit(JNIEnv *env, jclass class, jlong batch)
{
    (void)class;
    uint64_t transaction = 0;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_batch_commit(HANDLE(zcx_batch, batch), &transaction, &error);
    zcxj_throw(env, &error);
    return (jlong)transaction;
}

static void batchDiscard(JNIEnv *env, jclass class, jlong batch)
{
    (void)env, (void)class;
    zcx_batch_discard(HANDLE(zcx_batch, batch));
}

static const JNINativeMethod methods[] = {
    NATIVE(scanOpen, "(J[B[B[BJI)J"), NATIVE(scanNext, "(J[[B)[B"),
    NATIVE(scanClose, "(J)V"),        NATIVE(batchOpen, "(J)J"),
    NATIVE(batchPublish, "(JJ[BJ[B)V"), NATIVE(batchDelete, "(J[B)V"),
    NATIVE(batchCommit, "(J)J"),      NATIVE(batchDiscard, "(J)V"),
};
const struct zcxj_natives zcxj_many = NATIVES(methods);
