/* Call and Result: one call's input, output and references. */
#include "zcxjni.h"

static jlong callOpen(JNIEnv *env, jclass class, jlong exchange)
{
    (void)class;
    zcx_call *call = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_call_open(&call, HANDLE(zcx_exchange, exchange), &error);
    zcxj_throw(env, &error);
    return NUMBER(call);
}

static void callClose(JNIEnv *env, jclass class, jlong call)
{
    (void)env, (void)class;
    zcx_call_close(HANDLE(zcx_call, call));
}

static jbyteArray callId(JNIEnv *env, jclass class, jlong call)
{
    (void)class;
    return zcxj_text(env, zcx_call_id(HANDLE(zcx_call, call)));
}

/* ---- the caller --------------------------------------------------------------------------------- */

static jlong callInput(JNIEnv *env, jclass class, jlong call, jlong size)
{
    (void)class;
    void *data = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_call_input(&data, HANDLE(zcx_call, call), (uint64_t)size, &error);
    zcxj_throw(env, &error);
    return NUMBER(data);
}

static void callSubmit(JNIEnv *env, jclass class, jlong call, jlong length, jbyteArray envelope)
{
    (void)class;
    zcx_envelope about;
    zcx_error error = ZCX_ERROR_INIT;
    void *packed = zcxj_bytes(env, envelope);
    (void)!zcx_call_submit(HANDLE(zcx_call, call), (uint64_t)length, zcxj_envelope(&about, packed),
                           &error);
    zcxj_bytes_end(env, envelope, packed);
    zcxj_throw(env, &error);
}

static void callInputView(JNIEnv *env, jclass class, jlong call, jlong view)
{
    (void)class;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_call_input_view(HANDLE(zcx_call, call), HANDLE(zcx_view, view), &error);
    zcxj_throw(env, &error);
}

static void callInputReference(JNIEnv *env, jclass class, jlong call, jbyteArray encoded)
{
    (void)class;
    zcx_reference *reference = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    void *data = zcxj_bytes(env, encoded);
    if (!data) return;
    zcx_status status = zcx_reference_parse(&reference, ZCX_ENCODING_MSGPACK, data,
                                            (uint64_t)(*env)->GetArrayLength(env, encoded), &error);
    if (!status) (void)!zcx_call_input_reference(HANDLE(zcx_call, call), reference, &error);
    zcx_reference_free(reference);
    zcxj_bytes_end(env, encoded, data);
    zcxj_throw(env, &error);
}

/* Puts address and length of a payload into `where`. */
static jbyteArray show(JNIEnv *env, const void *data, uint64_t length, const zcx_envelope *envelope,
                       jlongArray where)
{
    const jlong found[] = {NUMBER(data), (jlong)length};
    (*env)->SetLongArrayRegion(env, where, 0, 2, found);
    return zcxj_pack_envelope(env, envelope);
}

static jbyteArray callResult(JNIEnv *env, jclass class, jlong call, jlongArray where)
{
    (void)class;
    const void *data = NULL;
    uint64_t length = 0;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_call_result(&data, &length, &envelope, HANDLE(zcx_call, call), &error);
    return zcxj_throw(env, &error) ? NULL : show(env, data, length, &envelope, where);
}

static jlong callResultView(JNIEnv *env, jclass class, jlong call)
{
    (void)env, (void)class;
    return NUMBER(zcx_call_result_view(HANDLE(zcx_call, call)));
}

/* Frees the reference. */
static jbyteArray write_reference(JNIEnv *env, zcx_reference *reference, zcx_encoding encoding,
                                  zcx_error *error)
{
    uint64_t length = 0;
    jbyteArray out = NULL;
    if (!zcx_reference_write(&length, reference, encoding, NULL, 0, error) &&
        (out = (*env)->NewByteArray(env, (jsize)length)) != NULL) {
        void *bytes = zcxj_bytes(env, out);
        if (bytes) {
            (void)!zcx_reference_write(&length, reference, encoding, bytes, length, error);
            (*env)->ReleaseByteArrayElements(env, out, bytes, 0);
        }
    }
    zcx_reference_free(reference);
    return zcxj_throw(env, error) ? NULL : out;
}

/* In msgpack; null when it came directly. */
static jbyteArray callResultReference(JNIEnv *env, jclass class, jlong call)
{
    (void)class;
    zcx_reference *reference = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_call_result_reference(&reference, HANDLE(zcx_call, call), &error);
    if (zcxj_throw(env, &error) || !reference) return NULL;
    return write_reference(env, reference, ZCX_ENCODING_MSGPACK, &error);
}

/* Reads a reference in one encoding, and writes it in another. */
static jbyteArray referenceConvert(JNIEnv *env, jclass class, jbyteArray encoded, jint from, jint to)
{
    (void)class;
    zcx_reference *reference = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    void *data = zcxj_bytes(env, encoded);
    if (!data) return NULL;
    (void)!zcx_reference_parse(&reference, (zcx_encoding)from, data,
                               (uint64_t)(*env)->GetArrayLength(env, encoded), &error);
    zcxj_bytes_end(env, encoded, data);
    if (zcxj_throw(env, &error)) return NULL;
    return write_reference(env, reference, (zcx_encoding)to, &error);
}

/* A view of the result's own, which may outlive the call and its record; 0 when it came directly. */
static jlong callPinResult(JNIEnv *env, jclass class, jlong call)
{
    (void)env, (void)class;
    size_t length;
    zcx_envelope one = ZCX_ENVELOPE_INIT, other = ZCX_ENVELOPE_INIT;
    zcx_view *view = zcx_call_result_view(HANDLE(zcx_call, call)), *again;
    if (!view) return 0;
    const void *key = zcx_view_key(view, &length);
    if (zcx_store_view(&again, zcx_view_store(view), key, length, NULL)) return 0;
    if (!zcx_view_envelope(view, &one, NULL) && !zcx_view_envelope(again, &other, NULL) &&
        one.transaction == other.transaction)
        return NUMBER(again);
    zcx_view_release(again); /* somebody has overwritten it already */
    return 0;
}

static void callKeepResult(JNIEnv *env, jclass class, jlong call)
{
    (void)env, (void)class;
    zcx_call_keep_result(HANDLE(zcx_call, call));
}

static jbyteArray callTrace(JNIEnv *env, jclass class, jlong call)
{
    (void)class;
    return zcxj_text(env, zcx_call_trace(HANDLE(zcx_call, call)));
}

/* ---- the callee --------------------------------------------------------------------------------- */

static jbyteArray callRead(JNIEnv *env, jclass class, jlong call, jlongArray where)
{
    (void)class;
    const void *data = NULL;
    uint64_t length = 0;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_call_read(&data, &length, &envelope, HANDLE(zcx_call, call), &error);
    return zcxj_throw(env, &error) ? NULL : show(env, data, length, &envelope, where);
}

/* 0 when it went directly, or was given as a view. */
static jlong callTakeInput(JNIEnv *env, jclass class, jlong call)
{
    (void)env, (void)class;
    return NUMBER(zcx_call_take_input(HANDLE(zcx_call, call)));
}

static jlong callOutput(JNIEnv *env, jclass class, jlong call, jlong size)
{
    (void)class;
    void *data = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_call_output(&data, HANDLE(zcx_call, call), (uint64_t)size, &error);
    zcxj_throw(env, &error);
    return NUMBER(data);
}

static void callAnswer(JNIEnv *env, jclass class, jlong call, jlong length, jbyteArray envelope)
{
    (void)class;
    zcx_envelope about;
    zcx_error error = ZCX_ERROR_INIT;
    void *packed = zcxj_bytes(env, envelope);
    (void)!zcx_call_answer(HANDLE(zcx_call, call), (uint64_t)length, zcxj_envelope(&about, packed),
                           &error);
    zcxj_bytes_end(env, envelope, packed);
    zcxj_throw(env, &error);
}

static void callFail(JNIEnv *env, jclass class, jlong call, jbyteArray message, jbyteArray trace)
{
    (void)class;
    char *said = zcxj_bytes(env, message), *where = zcxj_bytes(env, trace);
    if (said) zcx_call_fail(HANDLE(zcx_call, call), said, where);
    zcxj_bytes_end(env, message, said);
    zcxj_bytes_end(env, trace, where);
}

static const JNINativeMethod methods[] = {
    NATIVE(callOpen, "(J)J"),         NATIVE(callClose, "(J)V"),
    NATIVE(callId, "(J)[B"),          NATIVE(callInput, "(JJ)J"),
    NATIVE(callSubmit, "(JJ[B)V"),    NATIVE(callInputView, "(JJ)V"),
    NATIVE(callInputReference, "(J[B)V"), NATIVE(callResult, "(J[J)[B"),
    NATIVE(callResultView, "(J)J"),   NATIVE(callResultReference, "(J)[B"),
    NATIVE(callPinResult, "(J)J"),    NATIVE(callKeepResult, "(J)V"),   NATIVE(callTrace, "(J)[B"),
    NATIVE(callRead, "(J[J)[B"),      NATIVE(callTakeInput, "(J)J"),
    NATIVE(callOutput, "(JJ)J"),      NATIVE(callAnswer, "(JJ[B)V"),
    NATIVE(callFail, "(J[B[B)V"),     NATIVE(referenceConvert, "([BII)[B"),
};
const struct zcxj_natives zcxj_call = NATIVES(methods);
