/* msgpack, written: Packer.java walks the objects, the core writes. The core keeps the first failure
 * until the packer is closed. */
#include "zcxjni.h"

static jlong packerOpen(JNIEnv *env, jclass class, jlong address, jlong capacity)
{
    (void)class;
    zcx_packer *packer = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_packer_open(&packer, HANDLE(void, address), (uint64_t)capacity, &error);
    zcxj_throw(env, &error);
    return NUMBER(packer);
}

static void packNil(JNIEnv *env, jclass class, jlong packer)
{
    (void)env, (void)class;
    (void)zcx_pack_nil(HANDLE(zcx_packer, packer));
}

static void packBool(JNIEnv *env, jclass class, jlong packer, jboolean value)
{
    (void)env, (void)class;
    (void)zcx_pack_bool(HANDLE(zcx_packer, packer), value);
}

static void packInt(JNIEnv *env, jclass class, jlong packer, jlong value)
{
    (void)env, (void)class;
    (void)zcx_pack_int(HANDLE(zcx_packer, packer), value);
}

static void packUint(JNIEnv *env, jclass class, jlong packer, jlong value)
{
    (void)env, (void)class;
    (void)zcx_pack_uint(HANDLE(zcx_packer, packer), (uint64_t)value);
}

static void packDouble(JNIEnv *env, jclass class, jlong packer, jdouble value)
{
    (void)env, (void)class;
    (void)zcx_pack_double(HANDLE(zcx_packer, packer), value);
}

/* str or bin */
static void packBytes(JNIEnv *env, jclass class, jlong packer, jbyteArray bytes, jboolean text)
{
    (void)class;
    void *data = zcxj_bytes(env, bytes);
    if (!data) return;
    uint64_t length = (uint64_t)(*env)->GetArrayLength(env, bytes);
    if (text)
        (void)zcx_pack_str(HANDLE(zcx_packer, packer), data, length);
    else
        (void)zcx_pack_bin(HANDLE(zcx_packer, packer), data, length);
    zcxj_bytes_end(env, bytes, data);
}

static void packList(JNIEnv *env, jclass class, jlong packer, jlong items)
{
    (void)env, (void)class;
    (void)zcx_pack_list(HANDLE(zcx_packer, packer), (uint64_t)items);
}

static void packMap(JNIEnv *env, jclass class, jlong packer, jlong pairs)
{
    (void)env, (void)class;
    (void)zcx_pack_map(HANDLE(zcx_packer, packer), (uint64_t)pairs);
}

/* The address for the elements; 0 while counting, and after a failure. */
static jlong packArray(JNIEnv *env, jclass class, jlong packer, jbyteArray dtype, jlongArray shape,
                       jchar order, jlong nbytes)
{
    (void)class;
    uint64_t sizes[ZCX_DIMENSIONS_MAX];
    void *data = NULL;
    jsize ndim = (*env)->GetArrayLength(env, shape), known = ndim;
    if (known > ZCX_DIMENSIONS_MAX) known = ZCX_DIMENSIONS_MAX; /* the core refuses the rest */
    (*env)->GetLongArrayRegion(env, shape, 0, known, (jlong *)sizes);
    char *type = zcxj_bytes(env, dtype);
    if (!type) return 0;
    zcx_array array = {.struct_size = sizeof array, .dtype = type, .shape = sizes,
                       .ndim = (uint32_t)ndim, .order = (char)order, .nbytes = (uint64_t)nbytes};
    if (zcx_pack_array(HANDLE(zcx_packer, packer), &array, &data)) data = NULL;
    zcxj_bytes_end(env, dtype, type);
    return NUMBER(data);
}

static jlong packerClose(JNIEnv *env, jclass class, jlong packer)
{
    (void)class;
    uint64_t length = 0;
    zcx_error error = ZCX_ERROR_INIT;
    (void)!zcx_packer_close(HANDLE(zcx_packer, packer), &length, &error);
    zcxj_throw(env, &error);
    return (jlong)length;
}

static const JNINativeMethod methods[] = {
    NATIVE(packerOpen, "(JJ)J"),     NATIVE(packNil, "(J)V"),
    NATIVE(packBool, "(JZ)V"),       NATIVE(packInt, "(JJ)V"),
    NATIVE(packUint, "(JJ)V"),       NATIVE(packDouble, "(JD)V"),
    NATIVE(packBytes, "(J[BZ)V"),    NATIVE(packList, "(JJ)V"),
    NATIVE(packMap, "(JJ)V"),        NATIVE(packArray, "(J[B[JCJ)J"),
    NATIVE(packerClose, "(J)J"),
};
const struct zcxj_natives zcxj_pack = NATIVES(methods);
