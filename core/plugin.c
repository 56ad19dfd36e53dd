#include "plugin.h"

#include "array.h"
#include "envelope.h"
#include "token.h"
#include "unpack.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct zcxi_array_node {
    struct zcxi_array_node *next;
    zcx_typed typed;
    uint64_t shape[ZCX_DIMENSIONS_MAX];
    char dtype[ZCXI_DTYPE_MAX];
};

/* ---- The input ------------------------------------------------------------------------------- */

zcx_status zcxi_work_begin(struct zcxi_work *work, zcx_call *call, zcx_error *error)
{
    *work = (struct zcxi_work){.in = ZCX_ENVELOPE_INIT, .out = ZCX_ENVELOPE_INIT};
    zcx_status status =
        zcx_call_read(&work->input.data, &work->input.length, &work->in, call, error);
    work->input.format = zcx_format_name(work->in.format);
    work->input.content_type = work->in.content_type;
    return status;
}

void zcxi_work_end(struct zcxi_work *work)
{
    for (struct zcxi_array_node *node = work->arrays, *next; node; node = next) {
        next = node->next;
        free(node);
    }
    free(work->dtype);
}

static const zcx_input *input(zcx_call *call)
{
    return &call->work->input;
}

/* " 'a', 'b'": the keys of the input's map, for a message. */
static void list_names(char *out, size_t size, const zcx_input *map)
{
    struct zcxi_cursor cursor = {map->data, (const uint8_t *)map->data + map->length};
    struct zcxi_token token;
    char shown[ZCXI_KEY_TEXT];
    size_t used = 0;
    *out = 0;
    if (!zcxi_token_next(&cursor, &token) || token.kind != ZCXI_TOKEN_MAP) return;
    for (uint64_t left = token.number; left && used < size; left--) {
        if (!zcxi_token_next(&cursor, &token)) return;
        if (token.kind == ZCXI_TOKEN_STR)
            used += (size_t)snprintf(out + used, size - used, "%s %s", used ? "," : "",
                                     zcxi_key_text(shown, token.data, token.length));
        if (!zcxi_token_skip(&cursor)) return;
    }
}

/* The input as one array. */
static zcx_status whole(zcx_array *out, struct zcxi_work *work, struct zcxi_array_node *node,
                        zcx_error *error)
{
    const zcx_envelope *in = &work->in;
    if (in->format == ZCX_NUMPY) {
        *out = (zcx_array){.struct_size = sizeof *out,
                           .dtype = in->dtype,
                           .shape = in->shape,
                           .ndim = in->ndim,
                           .order = in->order,
                           .nbytes = work->input.length,
                           .data = (void *)work->input.data};
        return ZCX_OK;
    }
    const uint8_t *data = work->input.data;
    struct zcxi_cursor cursor = {data, data + work->input.length};
    struct zcxi_token token;
    if (in->format != ZCX_MSGPACK || !zcxi_token_next(&cursor, &token) ||
        token.kind != ZCXI_TOKEN_EXT || token.number != ZCX_EXT_ARRAY || cursor.next != cursor.end)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the input, %" PRIu64 " bytes of %s, is no array",
                         work->input.length, work->input.format);
    return zcxi_array_read(out, token.data, token.length, (uint64_t)(token.data - data),
                           node->shape, node->dtype, sizeof node->dtype, error);
}

static zcx_status named(zcx_array *out, struct zcxi_work *work, struct zcxi_array_node *node,
                        const char *name, zcx_error *error)
{
    char names[300];
    if (work->in.format != ZCX_MSGPACK)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "the input is %s, not a msgpack map with an array '%.64s'",
                         work->input.format, name);
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = zcxi_msgpack_find(work->input.data, work->input.length, name, out,
                                          node->shape, node->dtype, sizeof node->dtype, &why);
    if (status != ZCX_ENOTFOUND) {
        *error = why;
        return status;
    }
    list_names(names, sizeof names, &work->input);
    return zcxi_fail(error, ZCX_ENOTFOUND, 0, "the input has no array '%.64s'; it has%s", name,
                     *names ? names : " nothing");
}

static bool accepted(const char *dtype, const char *dtypes)
{
    size_t length = strlen(dtype);
    for (const char *at = dtypes; at && *at;) {
        size_t size = strcspn(at, " ");
        if (size == length && !memcmp(at, dtype, size)) return true;
        at += size;
        at += strspn(at, " ");
    }
    return !dtypes;
}

static zcx_status find(struct zcxi_array_node *node, struct zcxi_work *work, const char *name,
                       const char *dtypes, zcx_error *error)
{
    zcx_array array = {.struct_size = sizeof array};
    zcx_status status =
        name ? named(&array, work, node, name, error) : whole(&array, work, node, error);
    if (status) return status;
    uint64_t count = 1;
    for (uint32_t i = 0; i < array.ndim; i++)
        if (__builtin_mul_overflow(count, array.shape[i], &count))
            return zcxi_fail(error, ZCX_ECORRUPT, 0, "the input's array has too many elements");
    if (!accepted(array.dtype, dtypes))
        return zcxi_fail(
            error, ZCX_EINVAL, 0, "%s%.64s%s has dtype %.100s; this calculator reads %s",
            name ? "array '" : "the input", name ? name : "", name ? "'" : "", array.dtype, dtypes);
    if ((uintptr_t)array.data % ZCX_ALIGNMENT && array.nbytes)
        return zcxi_fail(error, ZCX_ECORRUPT, 0, "%s%.64s%s does not begin at a multiple of %d",
                         name ? "array '" : "the input", name ? name : "", name ? "'" : "",
                         ZCX_ALIGNMENT);
    node->typed =
        (zcx_typed){array.dtype, array.shape,  array.ndim, array.order ? array.order : 'C',
                    count,       array.nbytes, array.data};
    return ZCX_OK;
}

static const zcx_typed *get_array(zcx_call *call, const char *name, const char *dtypes,
                                  bool optional)
{
    struct zcxi_work *work = call->work;
    struct zcxi_array_node *node = malloc(sizeof *node);
    if (!node) {
        (void)zcxi_fail(&work->error, ZCX_ENOMEM, 0, "no memory to describe an array");
        return NULL;
    }
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = find(node, work, name, dtypes, &why);
    if (status) {
        free(node);
        if (!(optional && status == ZCX_ENOTFOUND) && !work->error.status) work->error = why;
        return NULL;
    }
    node->next = work->arrays;
    work->arrays = node;
    return &node->typed;
}

static const zcx_typed *array(zcx_call *call, const char *name, const char *dtypes)
{
    return get_array(call, name, dtypes, false);
}

static const zcx_typed *optional_array(zcx_call *call, const char *name, const char *dtypes)
{
    return get_array(call, name, dtypes, true);
}

/* ---- The answer ------------------------------------------------------------------------------ */

/* Memory for the one answer of a call. */
static void *begin_answer(zcx_call *call, uint64_t size)
{
    struct zcxi_work *work = call->work;
    if (work->answer != ZCXI_ANSWER_NONE) {
        (void)zcxi_fail(&work->error, ZCX_EFAILED, 0,
                        "it answered twice; a call has one answer, of one function");
        return NULL;
    }
    if (zcx_call_output(&work->output, call, size, &work->error)) return NULL;
    work->answer = ZCXI_ANSWER_BEGUN;
    work->length = size;
    return work->output;
}

/* Bytes of an array, in C order, of a plain dtype. */
static zcx_status size_of(uint64_t *nbytes, const char *dtype, uint32_t ndim, const uint64_t *shape,
                          zcx_error *error)
{
    uint64_t size;
    if (!dtype || !zcxi_dtype_parse(&size, dtype) || size == ZCXI_ITEMSIZE_UNKNOWN)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "it answers with dtype %.64s, which has no known size",
                         dtype ? dtype : "NULL");
    if (ndim > ZCX_DIMENSIONS_MAX)
        return zcxi_fail(error, ZCX_ELIMIT, 0, "it answers with %u dimensions, more than %d", ndim,
                         ZCX_DIMENSIONS_MAX);
    for (uint32_t i = 0; i < ndim; i++)
        if (__builtin_mul_overflow(size, shape[i], &size) || size > ZCX_PAYLOAD_MAX)
            return zcxi_fail(error, ZCX_ELIMIT, 0,
                             "it answers with an array over the limit of %" PRIu64 " bytes",
                             ZCX_PAYLOAD_MAX);
    *nbytes = size;
    return ZCX_OK;
}

static void *begin_array(zcx_call *call, const char *dtype, uint32_t ndim, const uint64_t *shape,
                         char order, uint64_t nbytes)
{
    struct zcxi_work *work = call->work;
    char *copy = strdup(dtype);
    void *data = copy ? begin_answer(call, nbytes) : NULL;
    if (!copy) (void)zcxi_fail(&work->error, ZCX_ENOMEM, 0, "no memory for a dtype");
    if (!data) {
        free(copy);
        return NULL;
    }
    if (ndim) memcpy(work->shape, shape, ndim * sizeof *shape);
    work->out.format = ZCX_NUMPY;
    work->out.dtype = work->dtype = copy;
    work->out.shape = work->shape;
    work->out.ndim = ndim;
    work->out.order = order;
    work->answer = ZCXI_ANSWER_READY;
    return data;
}

static void *answer_array(zcx_call *call, const char *dtype, uint32_t ndim, const uint64_t *shape)
{
    uint64_t nbytes;
    if (size_of(&nbytes, dtype, ndim, shape, &call->work->error)) return NULL;
    return begin_array(call, dtype, ndim, shape, 'C', nbytes);
}

/* The plug-in may have made `like` itself. What is no danger here, zcx_call_answer checks. */
static void *answer_like(zcx_call *call, const zcx_typed *like)
{
    zcx_error *error = &call->work->error;
    zcx_status status = ZCX_OK;
    if (like->ndim > ZCX_DIMENSIONS_MAX)
        status = zcxi_fail(error, ZCX_EINVAL, 0,
                           "it answers like an array of %u dimensions; one has at most %d",
                           like->ndim, ZCX_DIMENSIONS_MAX);
    else if (!like->dtype || (like->ndim && !like->shape))
        status = zcxi_fail(error, ZCX_EINVAL, 0, "it answers like an array without a %s",
                           like->dtype ? "shape" : "dtype");
    if (status) return NULL;
    return begin_array(call, like->dtype, like->ndim, like->shape, like->order, like->nbytes);
}

static int answer_rows(zcx_call *call, uint64_t rows)
{
    struct zcxi_work *work = call->work;
    if (work->answer != ZCXI_ANSWER_READY || work->out.format != ZCX_NUMPY || !work->out.ndim ||
        work->out.order != 'C' || rows > work->shape[0])
        return (int)zcxi_fail(&work->error, ZCX_EINVAL, 0,
                              "it keeps %" PRIu64 " rows of an answer that does not have them",
                              rows);
    if (work->shape[0]) work->length = work->length / work->shape[0] * rows;
    work->shape[0] = rows;
    return 0;
}

/* One of two passes: over a buffer of NULL it counts. */
static zcx_status pack_map(uint64_t *length, void *buffer, uint64_t capacity,
                           const zcx_column *columns, size_t count, void **data, zcx_error *error)
{
    zcx_packer *packer;
    zcx_status status = zcx_packer_open(&packer, buffer, capacity, error);
    if (status) return status;
    zcx_pack_map(packer, count);
    for (size_t i = 0; i < count && !status; i++) {
        zcx_array one = {.struct_size = sizeof one,
                         .dtype = columns[i].dtype,
                         .shape = columns[i].shape,
                         .ndim = columns[i].ndim,
                         .order = 'C'};
        status = size_of(&one.nbytes, one.dtype, one.ndim, one.shape, error);
        if (status) break;
        zcx_pack_str(packer, columns[i].name, strlen(columns[i].name));
        zcx_pack_array(packer, &one, &data[i]);
    }
    zcx_status closed = zcx_packer_close(packer, length, status ? NULL : error);
    return status ? status : closed;
}

static int answer_map(zcx_call *call, const zcx_column *columns, size_t count, void **data)
{
    struct zcxi_work *work = call->work;
    uint64_t size;
    zcx_status status = pack_map(&size, NULL, 0, columns, count, data, &work->error);
    if (status) return (int)status;
    void *memory = begin_answer(call, size);
    if (!memory) return (int)work->error.status;
    status = pack_map(&work->length, memory, size, columns, count, data, &work->error);
    work->out.format = ZCX_MSGPACK;
    work->answer = ZCXI_ANSWER_READY;
    return (int)status;
}

static void *output(zcx_call *call, uint64_t size)
{
    return begin_answer(call, size);
}

static int answer(zcx_call *call, uint64_t length, const char *format)
{
    struct zcxi_work *work = call->work;
    zcx_format parsed;
    if (work->answer != ZCXI_ANSWER_BEGUN)
        return (int)zcxi_fail(&work->error, ZCX_EFAILED, 0,
                              work->answer == ZCXI_ANSWER_NONE
                                  ? "it answered without asking for output"
                                  : "it answered twice; a call has one answer, of one function");
    zcx_status status = zcx_format_parse(&parsed, format, &work->error);
    if (status) return (int)status;
    if (parsed == ZCX_NUMPY)
        return (int)zcxi_fail(
            &work->error, ZCX_EINVAL, 0,
            "it answers \"numpy\" without dtype and shape: answer_array gives both");
    work->out.format = parsed;
    work->length = length;
    work->answer = ZCXI_ANSWER_READY;
    return 0;
}

static void fail(zcx_call *call, const char *format, ...)
{
    char text[sizeof call->work->error.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)zcxi_fail(&call->work->error, ZCX_EFAILED, 0, "%s", text);
}

const zcx_core zcxi_core = {
    .struct_size = sizeof(zcx_core),
    .abi_version = ZCX_PLUGIN_ABI,
    .version = ZCX_VERSION,
    .option_string = zcxi_option_string,
    .option_number = zcxi_option_number,
    .option_bool = zcxi_option_bool,
    .option_numbers = zcxi_option_numbers,
    .options_json = zcxi_options_json,
    .options_fail = zcxi_options_fail,
    .input = input,
    .array = array,
    .optional_array = optional_array,
    .answer_array = answer_array,
    .answer_like = answer_like,
    .answer_map = answer_map,
    .output = output,
    .answer = answer,
    .answer_rows = answer_rows,
    .fail = fail,
};
