/* msgpack, read: the core reads, Unpacker.java makes the objects. Objects are local references, of
 * which at most two a nested container live at a time. */
#include "zcxjni.h"

#define REFERENCES (2 * ZCX_NESTING_MAX + 16)

static jobject nil_object; /* stands for null, which would stop the reader */
static struct {
    jmethodID bool_, integer, unsigned_, real, text, bin, list, map, array, extension, add, put;
} to;

struct context {
    JNIEnv *env;
    jobject unpacker;
    const char *base;
};

#define MAKE(method, ...)                                                                          \
    (*c->env)->CallObjectMethod(c->env, c->unpacker, to.method, __VA_ARGS__)

/* Whoever is called back may have thrown; then what it returned is no object. */
static jobject made(const struct context *c, jobject object)
{
    return (*c->env)->ExceptionCheck(c->env) ? NULL : object;
}

static jlong offset(const struct context *c, const void *data)
{
    return (jlong)((const char *)data - c->base);
}

static void *nil(void *context)
{
    const struct context *c = context;
    return (*c->env)->NewLocalRef(c->env, nil_object);
}

static void *boolean(void *context, bool value)
{
    const struct context *c = context;
    return made(c, MAKE(bool_, (jboolean)value));
}

static void *integer(void *context, int64_t value)
{
    const struct context *c = context;
    return made(c, MAKE(integer, (jlong)value));
}

static void *unsigned_integer(void *context, uint64_t value)
{
    const struct context *c = context;
    return made(c, MAKE(unsigned_, (jlong)value));
}

static void *real(void *context, double value)
{
    const struct context *c = context;
    return made(c, MAKE(real, (jdouble)value));
}

static void *str(void *context, const char *text, uint64_t length)
{
    const struct context *c = context;
    return made(c, MAKE(text, offset(c, text), (jlong)length));
}

static void *bin(void *context, const void *data, uint64_t length)
{
    const struct context *c = context;
    return made(c, MAKE(bin, offset(c, data), (jlong)length));
}

static void *list(void *context, uint64_t items)
{
    const struct context *c = context;
    return made(c, MAKE(list, (jlong)items));
}

static void *map(void *context, uint64_t pairs)
{
    const struct context *c = context;
    return made(c, MAKE(map, (jlong)pairs));
}

static bool add(void *context, void *container, uint64_t index, void *item)
{
    const struct context *c = context;
    (void)index;
    (*c->env)->CallVoidMethod(c->env, c->unpacker, to.add, container, item);
    (*c->env)->DeleteLocalRef(c->env, item);
    return !(*c->env)->ExceptionCheck(c->env);
}

static bool set(void *context, void *container, void *key, void *value)
{
    const struct context *c = context;
    (*c->env)->CallVoidMethod(c->env, c->unpacker, to.put, container, key, value);
    (*c->env)->DeleteLocalRef(c->env, key);
    (*c->env)->DeleteLocalRef(c->env, value);
    return !(*c->env)->ExceptionCheck(c->env);
}

static void *array(void *context, const zcx_array *read)
{
    const struct context *c = context;
    jobject out = NULL;
    jlongArray shape = (*c->env)->NewLongArray(c->env, (jsize)read->ndim);
    jbyteArray dtype = shape ? zcxj_text(c->env, read->dtype) : NULL;
    if (dtype) {
        (*c->env)->SetLongArrayRegion(c->env, shape, 0, (jsize)read->ndim,
                                      (const jlong *)read->shape);
        out = made(c, MAKE(array, dtype, shape, (jchar)read->order, offset(c, read->data),
                           (jlong)read->nbytes));
        (*c->env)->DeleteLocalRef(c->env, dtype);
    }
    if (shape) (*c->env)->DeleteLocalRef(c->env, shape);
    return out;
}

static void *extension(void *context, int8_t type, const void *data, uint64_t length)
{
    const struct context *c = context;
    return made(c, MAKE(extension, (jbyte)type, offset(c, data), (jlong)length));
}

static void drop(void *context, void *object)
{
    const struct context *c = context;
    (*c->env)->DeleteLocalRef(c->env, object);
}

static jobject unpack(JNIEnv *env, jclass class, jlong address, jlong length, jobject unpacker)
{
    static const zcx_builder builder = {sizeof builder, nil, boolean, integer, unsigned_integer,
                                        real, str, bin, list, add, map, set, array, extension, drop};
    (void)class;
    struct context context = {env, unpacker, HANDLE(char, address)};
    void *out = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    if ((*env)->EnsureLocalCapacity(env, REFERENCES)) return NULL;
    (void)!zcx_unpack(&out, context.base, (uint64_t)length, &builder, &context, &error);
    return zcxj_throw(env, &error) ? NULL : out;
}

bool zcxj_unpack_load(JNIEnv *env)
{
    static const struct {
        jmethodID *id;
        const char *name, *signature;
    } methods[] = {
        {&to.bool_, "bool", "(Z)Ljava/lang/Object;"},
        {&to.integer, "integer", "(J)Ljava/lang/Object;"},
        {&to.unsigned_, "unsigned", "(J)Ljava/lang/Object;"},
        {&to.real, "real", "(D)Ljava/lang/Object;"},
        {&to.text, "text", "(JJ)Ljava/lang/Object;"},
        {&to.bin, "bin", "(JJ)Ljava/lang/Object;"},
        {&to.list, "list", "(J)Ljava/lang/Object;"},
        {&to.map, "map", "(J)Ljava/lang/Object;"},
        {&to.array, "array", "([B[JCJJ)Ljava/lang/Object;"},
        {&to.extension, "extension", "(BJJ)Ljava/lang/Object;"},
        {&to.add, "add", "(Ljava/lang/Object;Ljava/lang/Object;)V"},
        {&to.put, "put", "(Ljava/lang/Object;Ljava/lang/Object;Ljava/lang/Object;)V"},
    };
    jclass class = (*env)->FindClass(env, "io/zcx/Unpacker"); /* kept loaded by Native */
    if (!class) return false;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        *methods[i].id = (*env)->GetMethodID(env, class, methods[i].name, methods[i].signature);
        if (!*methods[i].id) return false;
    }
    nil_object = (*env)->NewGlobalRef(env, class); /* as Unpacker.java knows it */
    return nil_object;
}

static const JNINativeMethod natives[] = {
    NATIVE(unpack, "(JJLio/zcx/Unpacker;)Ljava/lang/Object;"),
};
const struct zcxj_natives zcxj_unpack = NATIVES(natives);
