/* The ABI of a calculator plug-in: all that its author includes.
 *
 * A plug-in is a shared object that links nothing of zcx. It exports one descriptor,
 *
 *     ZCX_PLUGIN_EXPORT const struct zcx_plugin zcx_plugin = {
 *         sizeof(struct zcx_plugin), ZCX_PLUGIN_ABI, 0, "moving_mean", create, calculate, destroy};
 *
 * and reaches zcx through the table of functions that it is handed. Its calculate() reads the input
 * where it lies and builds the answer where it will be read, so it copies nothing:
 *
 *     static int calculate(void *instance, const zcx_core *core, zcx_call *call)
 *     {
 *         const zcx_typed *in = core->array(call, NULL, "<f8");
 *         double *out = in ? core->answer_like(call, in) : NULL;
 *         if (!out) return 1;                               // the reason is recorded already
 *         for (uint64_t i = 0; i < in->count; i++) out[i] = 2 * ((const double *)in->data)[i];
 *         return 0;
 *     }
 *
 * Thread rule: an instance is called by one thread at a time unless its descriptor says
 * ZCX_PLUGIN_THREADS. A call's functions are called by the thread that runs calculate(), until it
 * returns; whatever they hand out is valid until then. Nothing may be thrown or unwound through
 * them.
 *
 * Versions: structs only grow at their end, and zcx makes them; ZCX_PLUGIN_ABI is raised when
 * anything else changes, and another version's plug-in is refused by name. */
#ifndef ZCX_PLUGIN_H
#define ZCX_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ZCX_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))
extern "C" {
#else
#define ZCX_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

#define ZCX_PLUGIN_ABI 1u
#define ZCX_PLUGIN_THREADS 1u /* flag: calculate() may run in several threads at once */

typedef struct zcx_call zcx_call;
typedef struct zcx_options zcx_options;

/* An array, read where it lies: contiguous, its data 64-byte aligned, nothing copied. */
typedef struct zcx_typed {
    const char *dtype; /* NumPy's type string, "<f8", "<i4", "|b1"; JSON text if it has fields */
    const uint64_t *shape;
    uint32_t ndim;   /* 0: one element */
    char order;      /* 'C' or 'F' */
    uint64_t count;  /* elements */
    uint64_t nbytes; /* bytes */
    const void *data;
} zcx_typed;

/* The whole input. */
typedef struct zcx_input {
    const void *data;         /* 64-byte aligned, never NULL */
    uint64_t length;          /* bytes */
    const char *format;       /* "raw", "json", "msgpack", "numpy", "arrow"; "unknown": as raw */
    const char *content_type; /* or NULL */
} zcx_input;

/* One array of an answered map, before it is filled. Never grows. */
typedef struct zcx_column {
    const char *name;
    const char *dtype; /* as in zcx_typed */
    uint32_t ndim;
    const uint64_t *shape;
} zcx_column;

typedef struct zcx_core {
    size_t struct_size;   /* of the table that is there: it may be longer than this header's */
    uint32_t abi_version; /* ZCX_PLUGIN_ABI */
    const char *version;  /* zcx's own, "0.1.0" */

    /* -- create() only: the object "options" of the calculator's JSON configuration.
     * One that is there with a wrong type makes the opening fail with a sentence that names it, and
     * so does one that create() never asked for: create() need check neither. */
    const char *(*option_string)(zcx_options *, const char *name, const char *fallback);
    double (*option_number)(zcx_options *, const char *name, double fallback);
    int (*option_bool)(zcx_options *, const char *name, int fallback);
    /* A number or a list of numbers. Writes at most `capacity`, returns how many there are; the
     * fallback's `count` values when the option is missing. More than `capacity` fails. */
    size_t (*option_numbers)(zcx_options *, const char *name, double *values, size_t capacity,
                             const double *fallback, size_t count);
    /* All of "options" as JSON text, "{}" when missing; every option then counts as asked for. */
    const char *(*options_json)(zcx_options *);
    /* Why create() is about to return NULL, or why what it read is no use; printf-style. */
    void (*options_fail)(zcx_options *, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

    /* -- calculate() only: the input */
    const zcx_input *(*input)(zcx_call *);
    /* The array under `name` in an input that is a msgpack map, or the whole input (a NumPy
     * payload, or msgpack that is one typed array) when `name` is NULL. `dtypes`: those that the
     * caller can read, separated by spaces ("<f8 <f4"), NULL for any. NULL with the failure
     * recorded when it is missing or another dtype: the sentence names what is there. */
    const zcx_typed *(*array)(zcx_call *, const char *name, const char *dtypes);
    /* The same, but NULL and no failure when `name` is missing from the map. */
    const zcx_typed *(*optional_array)(zcx_call *, const char *name, const char *dtypes);

    /* -- calculate() only: the answer, exactly one of the following, which is sent when calculate()
     * returns 0. Memory is 64-byte aligned, not zeroed; NULL or non-zero: the failure is recorded.
     */
    void *(*answer_array)(zcx_call *, const char *dtype, uint32_t ndim, const uint64_t *shape);
    /* An array of the same dtype, shape and order as one of the input's. */
    void *(*answer_like)(zcx_call *, const zcx_typed *array);
    /* A map of typed arrays; data[i] is where column i's elements go, in C order. */
    int (*answer_map)(zcx_call *, const zcx_column *columns, size_t count, void **data);
    /* Memory for a payload of any format, then its true length (at most `size`) and format. */
    void *(*output)(zcx_call *, uint64_t size);
    int (*answer)(zcx_call *, uint64_t length, const char *format);
    /* After answer_array, in C order: keep only the first `rows` of the first dimension. */
    int (*answer_rows)(zcx_call *, uint64_t rows);

    /* Records why calculate() is about to return non-zero: one sentence, printf-style. The first
     * one of a call is kept. A recorded failure fails the call, whatever calculate() returns. */
    void (*fail)(zcx_call *, const char *format, ...) __attribute__((format(printf, 2, 3)));
} zcx_core;

struct zcx_plugin {
    size_t struct_size;   /* sizeof(struct zcx_plugin) */
    uint32_t abi_version; /* ZCX_PLUGIN_ABI */
    uint32_t flags;       /* ZCX_PLUGIN_* */
    const char *name;     /* what the configuration's `type` has to say */
    /* Makes an instance from its options; NULL fails. `core` is valid until destroy() returns.
     * NULL for a plug-in that keeps nothing: it has no options. */
    void *(*create)(const zcx_core *core, zcx_options *options);
    /* Answers one call: 0, or non-zero when it failed. */
    int (*calculate)(void *instance, const zcx_core *core, zcx_call *call);
    void (*destroy)(void *instance); /* nullable */
};

#define ZCX_PLUGIN_SYMBOL "zcx_plugin"

#ifdef __cplusplus
}
#endif

#endif
