/* Loading: registers the natives, and what all files use. */
#include "zcxjni.h"

#include <stdlib.h>
#include <string.h>

static jclass exception;
static jmethodID make_exception;

bool zcxj_throw(JNIEnv *env, const zcx_error *error)
{
    if (!error->status) return false;
    if ((*env)->ExceptionCheck(env)) return true;
    jbyteArray message = zcxj_text(env, error->message);
    if (!message) return true;
    jobject thrown = (*env)->NewObject(env, exception, make_exception, (jint)error->status,
                                       (jint)error->cause, message);
    if (thrown) (*env)->Throw(env, thrown);
    return true;
}

void zcxj_key(JNIEnv *env, struct zcxj_key *out, jbyteArray key)
{
    jsize length = key ? (*env)->GetArrayLength(env, key) : 0;
    out->length = (size_t)length;
    if (length) (*env)->GetByteArrayRegion(env, key, 0, length < ZCX_KEY_MAX ? length : ZCX_KEY_MAX, out->bytes);
}

void *zcxj_bytes(JNIEnv *env, jbyteArray array)
{
    return array ? (*env)->GetByteArrayElements(env, array, NULL) : NULL;
}

void zcxj_bytes_end(JNIEnv *env, jbyteArray array, void *bytes)
{
    if (bytes) (*env)->ReleaseByteArrayElements(env, array, bytes, JNI_ABORT);
}

jbyteArray zcxj_array(JNIEnv *env, const void *data, size_t length)
{
    jbyteArray out = (*env)->NewByteArray(env, (jsize)length);
    if (out) (*env)->SetByteArrayRegion(env, out, 0, (jsize)length, data);
    return out;
}

jbyteArray zcxj_text(JNIEnv *env, const char *text)
{
    return text ? zcxj_array(env, text, strlen(text)) : NULL;
}

jbyteArray zcxj_take_text(JNIEnv *env, char *text)
{
    jbyteArray out = zcxj_text(env, text);
    zcx_free(text);
    return out;
}

/* ---- envelopes, in the form of Envelope.java ---------------------------------------------------- */

enum { SOURCE, TARGET, CONTENT_TYPE, DTYPE, TEXTS };

struct packed {
    uint32_t format, flags;
    int64_t ttl_ms;
    uint64_t length, transaction, created, expires;
    uint32_t slot, generation, checksum, in_slot, order, ndim;
    uint32_t texts[TEXTS]; /* bytes with the NUL; 0: none */
}; /* then the shape, then the texts */

const zcx_envelope *zcxj_envelope(zcx_envelope *out, const void *bytes)
{
    const struct packed *packed = bytes;
    const char *text = (const char *)bytes + sizeof *packed;
    const char **fields[TEXTS] = {&out->source, &out->target, &out->content_type, &out->dtype};
    if (!bytes) return NULL;
    *out = (zcx_envelope)ZCX_ENVELOPE_INIT;
    out->format = packed->format;
    out->flags = packed->flags;
    out->ttl_ms = packed->ttl_ms;
    out->order = (char)packed->order;
    out->ndim = packed->ndim;
    out->shape = (const uint64_t *)text;
    text += packed->ndim * sizeof *out->shape;
    for (int i = 0; i < TEXTS; i++)
        if (packed->texts[i]) {
            *fields[i] = text;
            text += packed->texts[i];
        }
    return out;
}

jbyteArray zcxj_pack_envelope(JNIEnv *env, const zcx_envelope *e)
{
    const char *texts[TEXTS] = {e->source, e->target, e->content_type, e->dtype};
    struct packed packed = {e->format, e->flags, e->ttl_ms, e->length, e->transaction, e->created,
                            e->expires, e->slot, e->generation, e->checksum, e->in_slot,
                            (uint32_t)e->order, e->ndim, {0}};
    size_t shape = e->ndim * sizeof *e->shape, size = sizeof packed + shape;
    for (int i = 0; i < TEXTS; i++)
        if (texts[i]) size += packed.texts[i] = (uint32_t)strlen(texts[i]) + 1;
    jbyteArray out = (*env)->NewByteArray(env, (jsize)size);
    if (!out) return NULL;
    jsize at = sizeof packed;
    (*env)->SetByteArrayRegion(env, out, 0, at, (const jbyte *)&packed);
    if (shape) (*env)->SetByteArrayRegion(env, out, at, (jsize)shape, (const jbyte *)e->shape);
    at += (jsize)shape;
    for (int i = 0; i < TEXTS; i++)
        if (texts[i]) {
            (*env)->SetByteArrayRegion(env, out, at, (jsize)packed.texts[i],
                                       (const jbyte *)texts[i]);
            at += (jsize)packed.texts[i];
        }
    return out;
}

/* ---- the library -------------------------------------------------------------------------------- */

static jbyteArray version(JNIEnv *env, jclass class)
{
    (void)class;
    return zcxj_text(env, zcx_version());
}

/* NULL for a number that is no status. */
static jbyteArray statusName(JNIEnv *env, jclass class, jint number)
{
    (void)class;
#define KNOWN(known, name, message)                                                                \
    if (number == known) return zcxj_text(env, zcx_status_name((zcx_status)number));
    ZCX_STATUS_TABLE(KNOWN)
#undef KNOWN
    return NULL;
}

static jobject buffer(JNIEnv *env, jclass class, jlong address, jlong length)
{
    (void)class;
    return (*env)->NewDirectByteBuffer(env, HANDLE(void, address), length);
}

static jlong addressOf(JNIEnv *env, jclass class, jobject direct)
{
    (void)class;
    return NUMBER((*env)->GetDirectBufferAddress(env, direct));
}

static const JNINativeMethod methods[] = {
    NATIVE(version, "()[B"),
    NATIVE(statusName, "(I)[B"),
    NATIVE(buffer, "(JJ)Ljava/nio/ByteBuffer;"),
    NATIVE(addressOf, "(Ljava/nio/ByteBuffer;)J"),
};
static const struct zcxj_natives library = NATIVES(methods);

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *machine, void *reserved)
{
    const struct zcxj_natives *all[] = {&library,     &zcxj_store,    &zcxj_view,
                                        &zcxj_many,   &zcxj_pack,     &zcxj_unpack,
                                        &zcxj_exchange, &zcxj_call,   &zcxj_worker};
    JNIEnv *env;
    (void)reserved;
    if ((*machine)->GetEnv(machine, (void **)&env, JNI_VERSION_10)) return JNI_ERR;
    jclass native = (*env)->FindClass(env, "io/zcx/Native");
    if (!native) return JNI_ERR;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((*env)->RegisterNatives(env, native, all[i]->methods, (jint)all[i]->count))
            return JNI_ERR;
    jclass local = (*env)->FindClass(env, "io/zcx/ZcxException");
    if (!local) return JNI_ERR;
    exception = (*env)->NewGlobalRef(env, local);
    make_exception = (*env)->GetMethodID(env, local, "<init>", "(II[B)V");
    if (!make_exception || !zcxj_unpack_load(env)) return JNI_ERR;
    return JNI_VERSION_10;
}
