/* View. */
#include "zcxjni.h"

static jlong viewOpen(JNIEnv *env, jclass class, jlong store, jbyteArray key)
{
    (void)class;
    struct zcxj_key at;
    zcx_view *view = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcxj_key(env, &at, key);
    (void)!zcx_store_view(&view, HANDLE(zcx_store, store), at.bytes, at.length, &error);
    zcxj_throw(env, &error);
    return NUMBER(view);
}

static jlong viewWait(JNIEnv *env, jclass class, jlong store, jbyteArray key, jlong after,
                      jlong timeout_ms)
{
    (void)class;
    struct zcxj_key at;
    zcx_view *view = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcxj_key(env, &at, key);
    (void)!zcx_store_wait(&view, HANDLE(zcx_store, store), at.bytes, at.length, (uint64_t)after,
                          timeout_ms, &error);
    zcxj_throw(env, &error);
    return NUMBER(view);
}

static jlong viewData(JNIEnv *env, jclass class, jlong view)
{
    (void)env, (void)class;
    return NUMBER(zcx_view_data(HANDLE(zcx_view, view)));
}

static jlong viewLength(JNIEnv *env, jclass class, jlong view)
{
    (void)env, (void)class;
    return (jlong)zcx_view_length(HANDLE(zcx_view, view));
}

static jbyteArray viewKey(JNIEnv *env, jclass class, jlong view)
{
    (void)class;
    size_t length;
    const void *key = zcx_view_key(HANDLE(zcx_view, view), &length);
    return zcxj_array(env, key, length);
}

static jbyteArray viewEnvelope(JNIEnv *env, jclass class, jlong view)
{
    (void)class;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_view_envelope(HANDLE(zcx_view, view), &envelope, &error);
    return zcxj_throw(env, &error) ? NULL : zcxj_pack_envelope(env, &envelope);
}

/* False when it has no checksum. */
static jboolean viewVerify(JNIEnv *env, jclass class, jlong view)
{
    (void)class;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = zcx_view_verify(HANDLE(zcx_view, view), &error);
    if (status == ZCX_ENOTFOUND) return JNI_FALSE;
    return !zcxj_throw(env, &error);
}

static void viewRelease(JNIEnv *env, jclass class, jlong view)
{
    (void)env, (void)class;
    zcx_view_release(HANDLE(zcx_view, view));
}

static const JNINativeMethod methods[] = {
    NATIVE(viewOpen, "(J[B)J"),    NATIVE(viewWait, "(J[BJJ)J"),  NATIVE(viewData, "(J)J"),
    NATIVE(viewLength, "(J)J"),    NATIVE(viewKey, "(J)[B"),      NATIVE(viewEnvelope, "(J)[B"),
    NATIVE(viewVerify, "(J)Z"),    NATIVE(viewRelease, "(J)V"),
};
const struct zcxj_natives zcxj_view = NATIVES(methods);
