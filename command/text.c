/* Sizes, times and keys as people read them, and as scripts do. */
#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const char *size_text(char out[TEXT_SIZE], uint64_t bytes, bool exact)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = bytes;
    size_t unit = 0;
    /* 1023.96 would print as 1024.0 */
    while (size >= 1023.95 && unit + 1 < sizeof units / sizeof *units)
        size /= 1024, unit++;
    if (exact)
        snprintf(out, TEXT_SIZE, "%" PRIu64, bytes);
    else if (!unit)
        snprintf(out, TEXT_SIZE, "%" PRIu64 " B", bytes);
    else
        snprintf(out, TEXT_SIZE, "%.1f %s", size, units[unit]);
    return out;
}

const char *span_text(char out[TEXT_SIZE], uint64_t ns, bool exact)
{
    unsigned long long seconds = ns / 1000000000, minutes = seconds / 60, hours = minutes / 60;
    if (exact)
        snprintf(out, TEXT_SIZE, "%llu.%03u", seconds, (unsigned)(ns / 1000000 % 1000));
    else if (ns < 1000000000)
        snprintf(out, TEXT_SIZE, "%u ms", (unsigned)(ns / 1000000));
    else if (minutes < 1)
        snprintf(out, TEXT_SIZE, "%llu s", seconds);
    else if (hours < 1)
        snprintf(out, TEXT_SIZE, "%llu min %llu s", minutes, seconds % 60);
    else if (hours < 48)
        snprintf(out, TEXT_SIZE, "%llu h %llu min", hours, minutes % 60);
    else
        snprintf(out, TEXT_SIZE, "%llu d %llu h", hours / 24, hours % 24);
    return out;
}

/* A number and the unit after it. */
static bool parse_number(uint64_t *out, const char **unit, const char *text)
{
    char *end;
    if (!isdigit((unsigned char)*text)) return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno) return false;
    *out = number;
    *unit = end;
    return true;
}

bool parse_size(uint64_t *out, const char *text)
{
    static const char *const units[] = {"b", "k", "m", "g", "t"};
    uint64_t number;
    const char *unit;
    if (!parse_number(&number, &unit, text)) return false;
    if (!*unit) return *out = number, true;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strncasecmp(unit, units[i], 1) == 0 && (!unit[1] || !strcasecmp(unit + 1, "ib")))
            return !__builtin_mul_overflow(number, UINT64_C(1) << 10 * i, out);
    return false;
}

bool parse_span(int64_t *out_ms, const char *text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"", 1000}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    uint64_t number;
    const char *unit;
    if (!parse_number(&number, &unit, text)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].unit) == 0)
            return !__builtin_mul_overflow(number, units[i].ms, out_ms);
    return false;
}

/* ---- Keys and envelopes ------------------------------------------------------------------------
 */

static json_t *utf8_text(const void *key, size_t length)
{
    return memchr(key, 0, length) ? NULL : json_stringn(key, length);
}

void print_key(FILE *file, const void *key, size_t length)
{
    const unsigned char *bytes = key;
    json_t *text = utf8_text(key, length);
    for (size_t i = 0; i < length; i++)
        if (bytes[i] < 0x20 || bytes[i] == 0x7F || (bytes[i] >= 0x80 && !text))
            fprintf(file, "\\x%02x", bytes[i]);
        else
            fputc(bytes[i], file);
    json_decref(text);
}

void json_set_key(json_t *object, const void *key, size_t length)
{
    char hex[2 * ZCX_KEY_MAX + 1];
    json_t *text = utf8_text(key, length);
    if (text) {
        json_object_set_new(object, "key", text);
        return;
    }
    for (size_t i = 0; i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", ((const unsigned char *)key)[i]);
    json_object_set_new(object, "key_hex", json_string(hex));
}

bool print_json(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    bool written = text && puts(text) >= 0;
    free(text);
    json_decref(object);
    return written;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text) json_object_set_new(object, name, json_string(text));
}

json_t *envelope_json(const zcx_envelope *e)
{
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:o, s:I, s:b}", "format", zcx_format_name(e->format), "length",
                  (json_int_t)e->length, "created", (json_int_t)e->created, "expires",
                  e->expires ? json_integer((json_int_t)e->expires) : json_null(), "transaction",
                  (json_int_t)e->transaction, "error", (e->flags & ZCX_FLAG_ERROR) != 0);
    set_text(object, "source", e->source);
    set_text(object, "target", e->target);
    set_text(object, "content_type", e->content_type);
    if (e->flags & ZCX_FLAG_CHECKSUM)
        json_object_set_new(object, "crc32c", json_integer(e->checksum));
    if (e->in_slot) {
        json_object_set_new(object, "slot", json_integer(e->slot));
        json_object_set_new(object, "generation", json_integer(e->generation));
    }
    if (e->dtype) {
        json_t *shape = json_array();
        for (uint32_t i = 0; i < e->ndim; i++)
            json_array_append_new(shape, json_integer((json_int_t)e->shape[i]));
        set_text(object, "dtype", e->dtype);
        json_object_set_new(object, "shape", shape);
        json_object_set_new(object, "order", json_stringn(&e->order, 1));
    }
    return object;
}

const char *expiry_text(char out[TEXT_SIZE], const zcx_envelope *envelope, bool exact)
{
    uint64_t now = now_ns();
    if (!envelope->expires)
        snprintf(out, TEXT_SIZE, "never");
    else if (envelope->expires <= now)
        snprintf(out, TEXT_SIZE, "expired");
    else
        span_text(out, envelope->expires - now, exact);
    return out;
}
