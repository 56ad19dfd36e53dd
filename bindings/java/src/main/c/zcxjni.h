/* What the files of the JNI library share. Each defines natives of io.zcx.Native: they marshal, call
 * the core, and throw ZcxException. That no handle is used after its end is seen to by Handle.java. */
#ifndef ZCXJNI_H
#define ZCXJNI_H

#include "zcx.h"

#include <jni.h>

#define HANDLE(type, value) ((type *)(intptr_t)(value))
#define NUMBER(pointer) ((jlong)(intptr_t)(pointer))

/* One row of a table for RegisterNatives. */
#define NATIVE(name, signature) {(char *)#name, (char *)(signature), (void *)name}
#define NATIVES(methods) {methods, sizeof methods / sizeof *methods}

struct zcxj_natives {
    const JNINativeMethod *methods;
    size_t count;
};
extern const struct zcxj_natives zcxj_store, zcxj_view, zcxj_many, zcxj_pack, zcxj_unpack,
    zcxj_exchange, zcxj_call, zcxj_worker;

/* Throws `error`; true if there was one. */
bool zcxj_throw(JNIEnv *env, const zcx_error *error);

/* A key's bytes. None (null), and longer ones than any key, have a length that the core refuses. */
struct zcxj_key {
    size_t length;
    jbyte bytes[ZCX_KEY_MAX];
};
void zcxj_key(JNIEnv *env, struct zcxj_key *out, jbyteArray key);

/* Bytes of a nullable array (text ends with a NUL already); give them back. */
void *zcxj_bytes(JNIEnv *env, jbyteArray array);
void zcxj_bytes_end(JNIEnv *env, jbyteArray array, void *bytes);

jbyteArray zcxj_array(JNIEnv *env, const void *data, size_t length);
jbyteArray zcxj_text(JNIEnv *env, const char *text);    /* NULL stays null */
jbyteArray zcxj_take_text(JNIEnv *env, char *text);     /* and frees it by zcx_free */

/* An envelope as Envelope.java packs it; `bytes` are those of a nullable array, which the result
 * points into. NULL for none. */
const zcx_envelope *zcxj_envelope(zcx_envelope *out, const void *bytes);
jbyteArray zcxj_pack_envelope(JNIEnv *env, const zcx_envelope *envelope);

/* Finds the classes and methods that unpack.c calls. */
bool zcxj_unpack_load(JNIEnv *env);

#endif
