/* The C peer of the cross-language tests:
 *     peer write STORE KEY FORMAT SIZE
 *     peer read STORE KEY FORMAT SIZE      exit status 0 when the payload is as it has to be
 *     peer call CONFIG.json INPUT_KEY      writes the result's payload to standard output
 * Every peer writes and expects the same for a SIZE, whatever its language. */
#include "zcx.h"
#include "zcx_calculator.h"
#include "zcx_msgpack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "peer: %s: %s\n", what, why);
    exit(1);
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        zcx_error error_ = ZCX_ERROR_INIT, *error = &error_;                                       \
        if (call) fail(#call, error_.message);                                                     \
    } while (0)

static void expect(bool as_it_has_to_be, const char *what)
{
    if (!as_it_has_to_be) fail(what, "is not as it has to be");
}

/* ---- writing --------------------------------------------------------------------------------------- */

static uint64_t json_length(uint64_t size)
{
    return (uint64_t)snprintf(NULL, 0, "{\"n\": %" PRIu64 ", \"s\": \"\"}", size) + size;
}

static void write_json(char *text, uint64_t size)
{
    char *at = text + sprintf(text, "{\"n\": %" PRIu64 ", \"s\": \"", size);
    memset(at, 'x', size);
    memcpy(at + size, "\"}", 2);
}

/* Counts when `buffer` is NULL. */
static uint64_t write_msgpack(void *buffer, uint64_t capacity, uint64_t size)
{
    const uint64_t count = size / 8;
    const zcx_array array = {.struct_size = sizeof array, .dtype = "<f8", .shape = &count,
                             .ndim = 1, .order = 'C', .nbytes = count * 8};
    zcx_packer *packer;
    void *data = NULL;
    uint64_t length;
    TRY(zcx_packer_open(&packer, buffer, capacity, error));
    zcx_pack_map(packer, 2);
    zcx_pack_str(packer, "n", 1);
    zcx_pack_uint(packer, size);
    zcx_pack_str(packer, "a", 1);
    zcx_pack_array(packer, &array, &data);
    for (uint64_t i = 0; data && i < count; i++)
        ((double *)data)[i] = (double)i * 0.5;
    TRY(zcx_packer_close(packer, &length, error));
    return length;
}

static void write_payload(zcx_store *store, const char *key, zcx_format format, uint64_t size)
{
    zcx_loan *loan;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    uint64_t length = size, count = size / 4;
    envelope.format = format;
    if (format == ZCX_JSON) length = json_length(size);
    if (format == ZCX_MSGPACK) length = write_msgpack(NULL, 0, size);
    if (format == ZCX_NUMPY) {
        length = count * 4;
        envelope.dtype = "<i4";
        envelope.shape = &count;
        envelope.ndim = 1;
        envelope.order = 'C';
    }
    TRY(zcx_store_loan(&loan, store, length, 0, error));
    uint8_t *data = zcx_loan_data(loan);
    for (uint64_t i = 0; format == ZCX_RAW && i < length; i++)
        data[i] = (uint8_t)(i * 7 + 3);
    for (uint64_t i = 0; format == ZCX_NUMPY && i < count; i++)
        ((int32_t *)(void *)data)[i] = (int32_t)(uint32_t)(i * 3 - 7);
    if (format == ZCX_JSON) write_json((char *)data, size);
    if (format == ZCX_MSGPACK) write_msgpack(data, zcx_loan_capacity(loan) / 64 * 64, size);
    TRY(zcx_loan_publish(loan, key, strlen(key), length, &envelope, NULL, error));
}

/* ---- reading ------------------------------------------------------------------------------------------ */

struct found { /* in the map */
    uint64_t n, count;
    bool has_n, has_a;
    char dtype[8];
    const double *a;
};

enum { NUMBER = 1, ARRAY = 2, NAME_N = 'n', NAME_A = 'a' };

/* Objects are small numbers; what they stand for is in the context. */
static void *object(uintptr_t what) { return (void *)what; }
static void *on_integer(void *context, int64_t value)
{
    ((struct found *)context)->n = (uint64_t)value;
    return object(NUMBER);
}
static void *on_text(void *context, const char *text, uint64_t length)
{
    (void)context;
    return length == 1 ? object((uintptr_t)*text) : NULL;
}
static void *on_map(void *context, uint64_t pairs)
{
    return pairs == 2 ? context : NULL;
}
static bool on_pair(void *context, void *map, void *key, void *value)
{
    struct found *found = context;
    (void)map;
    if (key == object(NAME_N) && value == object(NUMBER)) return found->has_n = true;
    if (key == object(NAME_A) && value == object(ARRAY)) return found->has_a = true;
    return false;
}
static void *on_array(void *context, const zcx_array *array)
{
    struct found *found = context;
    if (array->ndim != 1) return NULL;
    snprintf(found->dtype, sizeof found->dtype, "%s", array->dtype);
    found->count = array->shape[0];
    found->a = array->data;
    return object(ARRAY);
}
static void on_drop(void *context, void *dropped) { (void)context, (void)dropped; }

static void check_msgpack(const void *data, uint64_t length, uint64_t size)
{
    struct found found = {0};
    void *map;
    const zcx_builder builder = {.struct_size = sizeof builder, .integer = on_integer,
                                 .str = on_text, .map = on_map, .set = on_pair, .array = on_array,
                                 .drop = on_drop};
    TRY(zcx_unpack(&map, data, length, &builder, &found, error));
    expect(found.has_n && found.has_a && found.n == size, "the map");
    expect(!strcmp(found.dtype, "<f8") && found.count == size / 8, "the array's type");
    expect((uintptr_t)found.a % ZCX_ALIGNMENT == 0, "the array's alignment");
    for (uint64_t i = 0; i < found.count; i++)
        expect(found.a[i] == (double)i * 0.5, "an element");
}

static void check_payload(zcx_store *store, const char *key, zcx_format format, uint64_t size)
{
    zcx_view *view;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    TRY(zcx_store_view(&view, store, key, strlen(key), error));
    TRY(zcx_view_envelope(view, &envelope, error));
    const uint8_t *data = zcx_view_data(view);
    uint64_t length = zcx_view_length(view);
    expect(envelope.format == format, "the format");
    if (format == ZCX_MSGPACK) check_msgpack(data, length, size);
    if (format == ZCX_RAW) expect(length == size, "the length");
    for (uint64_t i = 0; format == ZCX_RAW && i < length; i++)
        expect(data[i] == (uint8_t)(i * 7 + 3), "a byte");
    if (format == ZCX_JSON) { /* some write no blanks */
        char *wanted = malloc(json_length(size) + 1), *at = wanted;
        write_json(wanted, size);
        for (uint64_t i = 0; i < length; i++) {
            while (*at == ' ' && data[i] != ' ')
                at++;
            expect(*at++ == (char)data[i], "the text");
        }
        free(wanted);
    }
    if (format == ZCX_NUMPY) {
        expect(envelope.dtype && !strcmp(envelope.dtype, "<i4") && envelope.ndim == 1 &&
               envelope.shape[0] == size / 4 && length == size / 4 * 4, "the array's type");
        for (uint64_t i = 0; i < size / 4; i++)
            expect(((const int32_t *)(const void *)data)[i] == (int32_t)(uint32_t)(i * 3 - 7), "an element");
    }
    zcx_view_release(view);
}

/* ---- calling -------------------------------------------------------------------------------------------- */

static char *text_of(const char *path)
{
    static char text[8192];
    FILE *file = fopen(path, "re");
    if (!file) fail(path, "cannot be read");
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static void call(const char *config, const char *key)
{
    zcx_calculator *calculator;
    zcx_call *call;
    zcx_view *view;
    const void *data;
    uint64_t length;
    TRY(zcx_calculator_open(&calculator, text_of(config), error));
    zcx_exchange *exchange = zcx_calculator_exchange(calculator);
    TRY(zcx_store_view(&view, zcx_exchange_store(exchange), key, strlen(key), error));
    TRY(zcx_call_open(&call, exchange, error));
    TRY(zcx_call_input_view(call, view, error));
    TRY(zcx_calculator_call(calculator, call, error));
    TRY(zcx_call_result(&data, &length, NULL, call, error));
    fwrite(data, 1, length, stdout);
    zcx_call_close(call);
    zcx_view_release(view);
    TRY(zcx_calculator_close(calculator, error));
}

int main(int count, char **arguments)
{
    if (count == 4 && !strcmp(arguments[1], "call")) {
        call(arguments[2], arguments[3]);
        return 0;
    }
    if (count != 6) fail("usage", "peer write|read STORE KEY FORMAT SIZE, peer call CONFIG KEY");
    zcx_store *store;
    zcx_format format;
    TRY(zcx_store_open(&store, arguments[2], NULL, error));
    TRY(zcx_format_parse(&format, arguments[4], error));
    bool writes = !strcmp(arguments[1], "write");
    (writes ? write_payload : check_payload)(store, arguments[3], format,
                                             strtoull(arguments[5], NULL, 10));
    TRY(zcx_store_close(store, error));
    return 0;
}
