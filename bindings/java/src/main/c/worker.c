/* Worker, and calls to workers. */
#include "zcxjni.h"

static void calculatorSend(JNIEnv *env, jclass class, jlong calculator, jlong call)
{
    (void)class;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_calculator_send(HANDLE(zcx_calculator, calculator), HANDLE(zcx_call, call), &error);
    zcxj_throw(env, &error);
}

/* False: it is still under way. */
static jboolean callWait(JNIEnv *env, jclass class, jlong call, jlong timeout_ms)
{
    (void)class;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = zcx_call_wait(HANDLE(zcx_call, call), timeout_ms, &error);
    if (status == ZCX_ETIMEDOUT) return JNI_FALSE;
    return !zcxj_throw(env, &error);
}

static void callCancel(JNIEnv *env, jclass class, jlong call)
{
    (void)class;
    zcx_error error = ZCX_ERROR_INIT;
    (void)zcx_call_cancel(HANDLE(zcx_call, call), &error);
    zcxj_throw(env, &error);
}

static jlong workerOpen(JNIEnv *env, jclass class, jbyteArray json)
{
    (void)class;
    zcx_worker *worker = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    char *text = zcxj_bytes(env, json);
    if (!text) return 0;
    (void)!zcx_worker_open(&worker, text, &error);
    zcxj_bytes_end(env, json, text);
    zcxj_throw(env, &error);
    return NUMBER(worker);
}

/* 0 when none came in time. */
static jlong workerTake(JNIEnv *env, jclass class, jlong worker, jlong timeout_ms)
{
    (void)class;
    zcx_call *call = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = zcx_worker_take(&call, HANDLE(zcx_worker, worker), timeout_ms, &error);
    if (status != ZCX_ETIMEDOUT) zcxj_throw(env, &error);
    return NUMBER(call);
}

static void workerStop(JNIEnv *env, jclass class, jlong worker)
{
    (void)env, (void)class;
    zcx_worker_stop(HANDLE(zcx_worker, worker));
}

static void workerClose(JNIEnv *env, jclass class, jlong worker)
{
    (void)env, (void)class;
    (void)zcx_worker_close(HANDLE(zcx_worker, worker), NULL);
}

static const JNINativeMethod methods[] = {
    NATIVE(calculatorSend, "(JJ)V"), NATIVE(callWait, "(JJ)Z"),   NATIVE(callCancel, "(J)V"),
    NATIVE(workerOpen, "([B)J"),     NATIVE(workerTake, "(JJ)J"), NATIVE(workerStop, "(J)V"),
    NATIVE(workerClose, "(J)V"),
};
const struct zcxj_natives zcxj_worker = NATIVES(methods);
