/* Calculator: its configuration and, for a native one, its plug-in or queue. */
#include "zcxjni.h"

static jlong exchangeOpen(JNIEnv *env, jclass class, jbyteArray json)
{
    (void)class;
    zcx_exchange *exchange = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    char *text = zcxj_bytes(env, json);
    if (!text) return 0;
    (void)!zcx_exchange_open(&exchange, text, &error);
    zcxj_bytes_end(env, json, text);
    zcxj_throw(env, &error);
    return NUMBER(exchange);
}

static void exchangeClose(JNIEnv *env, jclass class, jlong exchange)
{
    (void)env, (void)class;
    zcx_exchange_close(HANDLE(zcx_exchange, exchange));
}

static void exchangeSweep(JNIEnv *env, jclass class, jlong exchange)
{
    (void)class;
    zcx_error error = ZCX_ERROR_INIT;
    (void)zcx_exchange_sweep(HANDLE(zcx_exchange, exchange), &error);
    zcxj_throw(env, &error);
}

static jbyteArray exchangeName(JNIEnv *env, jclass class, jlong exchange)
{
    (void)class;
    return zcxj_text(env, zcx_exchange_name(HANDLE(zcx_exchange, exchange)));
}

static jbyteArray exchangeLanguage(JNIEnv *env, jclass class, jlong exchange)
{
    (void)class;
    return zcxj_text(env, zcx_exchange_language(HANDLE(zcx_exchange, exchange)));
}

static jint exchangeFormat(JNIEnv *env, jclass class, jlong exchange)
{
    (void)env, (void)class;
    return (jint)zcx_exchange_format(HANDLE(zcx_exchange, exchange));
}

static jlong calculatorOpen(JNIEnv *env, jclass class, jbyteArray json)
{
    (void)class;
    zcx_calculator *calculator = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    char *text = zcxj_bytes(env, json);
    if (!text) return 0;
    (void)!zcx_calculator_open(&calculator, text, &error);
    zcxj_bytes_end(env, json, text);
    zcxj_throw(env, &error);
    return NUMBER(calculator);
}

static void calculatorClose(JNIEnv *env, jclass class, jlong calculator)
{
    (void)env, (void)class;
    (void)zcx_calculator_close(HANDLE(zcx_calculator, calculator), NULL);
}

static jlong calculatorExchange(JNIEnv *env, jclass class, jlong calculator)
{
    (void)env, (void)class;
    return NUMBER(zcx_calculator_exchange(HANDLE(zcx_calculator, calculator)));
}

static void calculatorCall(JNIEnv *env, jclass class, jlong calculator, jlong call)
{
    (void)class;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_calculator_call(HANDLE(zcx_calculator, calculator), HANDLE(zcx_call, call), &error);
    zcxj_throw(env, &error);
}

static const JNINativeMethod methods[] = {
    NATIVE(exchangeOpen, "([B)J"),      NATIVE(exchangeClose, "(J)V"),
    NATIVE(exchangeSweep, "(J)V"),      NATIVE(exchangeName, "(J)[B"),
    NATIVE(exchangeLanguage, "(J)[B"),  NATIVE(exchangeFormat, "(J)I"),
    NATIVE(calculatorOpen, "([B)J"),    NATIVE(calculatorClose, "(J)V"),
    NATIVE(calculatorExchange, "(J)J"), NATIVE(calculatorCall, "(JJ)V"),
};
const struct zcxj_natives zcxj_exchange = NATIVES(methods);
