/* Store and Loan. */
#include "zcxjni.h"

static jlong storeOpen(JNIEnv *env, jclass class, jbyteArray path, jbyteArray database, jbyteArray group,
                       jlong budget, jlong map_size, jint durability, jint readers, jint flags, jlong timeout_ms)
{
    (void)class;
    zcx_store *store = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    char *where = zcxj_bytes(env, path), *name = zcxj_bytes(env, database);
    char *shared = zcxj_bytes(env, group);
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.database = name;
    options.group = shared;
    options.budget = (uint64_t)budget;
    options.map_size = (uint64_t)map_size;
    options.durability = (zcx_durability)durability;
    options.max_readers = (uint32_t)readers;
    options.flags = (uint32_t)flags;
    options.lock_timeout_ms = timeout_ms;
    (void)!zcx_store_open(&store, where, &options, &error);
    zcxj_bytes_end(env, path, where);
    zcxj_bytes_end(env, database, name);
    zcxj_bytes_end(env, group, shared);
    zcxj_throw(env, &error);
    return NUMBER(store);
}

static void storeClose(JNIEnv *env, jclass class, jlong store)
{
    (void)env, (void)class;
    (void)zcx_store_close(HANDLE(zcx_store, store), NULL);
}

static jbyteArray storePath(JNIEnv *env, jclass class, jlong store)
{
    (void)class;
    return zcxj_text(env, zcx_store_path(HANDLE(zcx_store, store)));
}

static jbyteArray storeDatabase(JNIEnv *env, jclass class, jlong store)
{
    (void)class;
    return zcxj_text(env, zcx_store_database(HANDLE(zcx_store, store)));
}

static void storePutError(JNIEnv *env, jclass class, jlong store, jbyteArray key, jbyteArray message,
                          jbyteArray trace, jlong ttl_ms)
{
    (void)class;
    struct zcxj_key at;
    zcx_error error = ZCX_ERROR_INIT;
    zcxj_key(env, &at, key);
    char *said = zcxj_bytes(env, message), *where = zcxj_bytes(env, trace);
    if (said)
        (void)!zcx_store_put_error(HANDLE(zcx_store, store), at.bytes, at.length, said, where, ttl_ms,
                                   &error);
    zcxj_bytes_end(env, message, said);
    zcxj_bytes_end(env, trace, where);
    zcxj_throw(env, &error);
}

static jboolean storeDelete(JNIEnv *env, jclass class, jlong store, jbyteArray key)
{
    (void)class;
    struct zcxj_key at;
    zcx_error error = ZCX_ERROR_INIT;
    zcxj_key(env, &at, key);
    zcx_status status = zcx_store_delete(HANDLE(zcx_store, store), at.bytes, at.length, &error);
    if (status == ZCX_ENOTFOUND) return JNI_FALSE;
    return !zcxj_throw(env, &error);
}

static jboolean storeExists(JNIEnv *env, jclass class, jlong store, jbyteArray key)
{
    (void)class;
    struct zcxj_key at;
    bool found = false;
    zcx_error error = ZCX_ERROR_INIT;
    zcxj_key(env, &at, key);
    (void)!zcx_store_exists(&found, HANDLE(zcx_store, store), at.bytes, at.length, &error);
    zcxj_throw(env, &error);
    return found;
}

static jlong storeCount(JNIEnv *env, jclass class, jlong store)
{
    (void)class;
    uint64_t count = 0;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_store_count(&count, HANDLE(zcx_store, store), &error);
    zcxj_throw(env, &error);
    return (jlong)count;
}

static jbyteArray storeStat(JNIEnv *env, jclass class, jlong store)
{
    (void)class;
    char *json = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_store_stat(&json, HANDLE(zcx_store, store), &error);
    return zcxj_throw(env, &error) ? NULL : zcxj_take_text(env, json);
}

static jbyteArray storeSweep(JNIEnv *env, jclass class, jlong store, jint flags)
{
    (void)class;
    char *json = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_store_sweep(&json, HANDLE(zcx_store, store), (uint32_t)flags, &error);
    return zcxj_throw(env, &error) ? NULL : zcxj_take_text(env, json);
}

static jbyteArray storeCheck(JNIEnv *env, jclass class, jlong store)
{
    (void)class;
    char *json = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_store_check(&json, HANDLE(zcx_store, store), &error);
    return zcxj_throw(env, &error) ? NULL : zcxj_take_text(env, json);
}

/* ---- loan --------------------------------------------------------------------------------------- */

static jlong loanOpen(JNIEnv *env, jclass class, jlong store, jlong size, jlong timeout_ms)
{
    (void)class;
    zcx_loan *loan = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_store_loan(&loan, HANDLE(zcx_store, store), (uint64_t)size, timeout_ms, &error);
    zcxj_throw(env, &error);
    return NUMBER(loan);
}

static jlong loanData(JNIEnv *env, jclass class, jlong loan)
{
    (void)env, (void)class;
    return NUMBER(zcx_loan_data(HANDLE(zcx_loan, loan)));
}

static jlong loanPublish(JNIEnv *env, jclass class, jlong loan, jbyteArray key, jlong length,
                         jbyteArray envelope)
{
    (void)class;
    struct zcxj_key at;
    uint64_t transaction = 0;
    zcx_envelope about;
    zcx_error error = ZCX_ERROR_INIT;
    zcxj_key(env, &at, key);
    void *packed = zcxj_bytes(env, envelope);
    (void)!zcx_loan_publish(HANDLE(zcx_loan, loan), at.bytes, at.length, (uint64_t)length,
                            zcxj_envelope(&about, packed), &transaction, &error);
    zcxj_bytes_end(env, envelope, packed);
    zcxj_throw(env, &error);
    return (jlong)transaction;
}

static void loanDiscard(JNIEnv *env, jclass class, jlong loan)
{
    (void)env, (void)class;
    zcx_loan_discard(HANDLE(zcx_loan, loan));
}

static const JNINativeMethod methods[] = {
    NATIVE(storeOpen, "([B[B[BJJIIIJ)J"),
    NATIVE(storeClose, "(J)V"),
    NATIVE(storePath, "(J)[B"),
    NATIVE(storeDatabase, "(J)[B"),
    NATIVE(storePutError, "(J[B[B[BJ)V"),
    NATIVE(storeDelete, "(J[B)Z"),
    NATIVE(storeExists, "(J[B)Z"),
    NATIVE(storeCount, "(J)J"),
    NATIVE(storeStat, "(J)[B"),
    NATIVE(storeSweep, "(JI)[B"),
    NATIVE(storeCheck, "(J)[B"),
    NATIVE(loanOpen, "(JJJ)J"),
    NATIVE(loanData, "(J)J"),
    NATIVE(loanPublish, "(J[BJ[B)J"),
    NATIVE(loanDiscard, "(J)V"),
};
const struct zcxj_natives zcxj_store = NATIVES(methods);
