/* Replays protocol/vectors in the core: every case of index.json, and no file may be left over. */
#include "array.h"
#include "envelope.h"
#include "objects.h"
#include "reference.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VECTORS ZCX_SOURCE_DIR "/protocol/vectors/"

/* ---- replaying a case of each kind: what it gave, or NULL and the error --------------------- */

struct content {
    uint8_t *data; /* 64-byte aligned, and no byte longer than the file */
    uint64_t length;
    const json_t *about;
};

static json_t *replay_raw(const struct content *c, zcx_error *error)
{
    (void)error;
    return json_pack("{s:o}", "bin", hex(c->data, c->length));
}

static json_t *replay_msgpack(const struct content *c, zcx_error *error)
{
    void *object;
    return zcx_unpack(&object, c->data, c->length, &builder, NULL, error) ? NULL : object;
}

static json_t *replay_numpy(const struct content *c, zcx_error *error)
{
    uint64_t shape[ZCX_DIMENSIONS_MAX];
    const json_t *envelope = json_object_get(c->about, "envelope");
    const json_t *sizes = json_object_get(envelope, "shape");
    zcx_array read = {.struct_size = sizeof read,
                      .dtype = json_string_value(json_object_get(envelope, "dtype")),
                      .shape = shape,
                      .ndim = (uint32_t)json_array_size(sizes),
                      .order = *json_string_value(json_object_get(envelope, "order")),
                      .nbytes = c->length,
                      .data = c->data};
    for (uint32_t i = 0; i < read.ndim; i++)
        shape[i] = (uint64_t)json_integer_value(json_array_get(sizes, i));
    return zcxi_array_check(&read, ZCX_ECORRUPT, error) ? NULL : array(NULL, &read);
}

/* The core never looks into JSON payloads; its parser has to agree about them all the same. */
static json_t *from_json(const json_t *value)
{
    size_t index;
    const char *name;
    json_t *item, *out;
    if (json_is_integer(value)) return integer(NULL, json_integer_value(value));
    if (json_is_real(value)) return real(NULL, json_real_value(value));
    if (json_is_array(value)) {
        out = json_array();
        json_array_foreach(value, index, item) json_array_append_new(out, from_json(item));
        return out;
    }
    if (!json_is_object(value)) return json_deep_copy(value);
    out = map(NULL, 0);
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
        set(NULL, out, json_string(name), from_json(item));
    return out;
}

static json_t *replay_json(const struct content *c, zcx_error *error)
{
    json_error_t where;
    json_t *value = json_loadb((const char *)c->data, c->length, JSON_DECODE_ANY, &where);
    json_t *out = value ? from_json(value) : NULL;
    if (!out) zcxi_fail(error, ZCX_ECORRUPT, 0, "%s", where.text);
    json_decref(value);
    return out;
}

/* Nor into Arrow streams: that they begin and end as streams do is all that is looked at here. */
static json_t *replay_arrow(const struct content *c, zcx_error *error)
{
    static const uint8_t end[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    if (c->length >= 16 && !memcmp(c->data, end, 4) && !memcmp(c->data + c->length - 8, end, 8))
        return json_deep_copy(json_object_get(c->about, "expect"));
    zcxi_fail(error, ZCX_ECORRUPT, 0, "no Arrow stream");
    return NULL;
}

static void set_text(json_t *object, const char *name, const char *value)
{
    if (value) json_object_set_new(object, name, json_string(value));
}

static json_t *replay_record(const struct content *c, zcx_error *error)
{
    struct zcxi_header header;
    zcx_envelope e = ZCX_ENVELOPE_INIT;
    if (zcxi_header_read(&header, c->data, c->length, c->data, 0, error)) return NULL;
    zcxi_header_show(&e, &header);
    size_t extras = header.header_length - sizeof header;
    void *arena = malloc(ZCXI_ARENA_SIZE(extras));
    json_t *out = NULL;
    if (!zcxi_extras_decode(&e, c->data + sizeof header, extras, arena, error)) {
        out = json_pack("{s:i, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "format",
                        (int)e.format, "flags", (int)e.flags, "in_slot", (int)e.in_slot, "length",
                        (json_int_t)e.length, "transaction", (json_int_t)e.transaction, "created",
                        (json_int_t)e.created, "expires", (json_int_t)e.expires, "slot",
                        (json_int_t)e.slot, "generation", (json_int_t)e.generation, "checksum",
                        (json_int_t)e.checksum);
        set_text(out, "source", e.source);
        set_text(out, "target", e.target);
        set_text(out, "content_type", e.content_type);
        set_text(out, "dtype", e.dtype);
        if (e.dtype) json_object_set_new(out, "shape", shape_of(e.shape, e.ndim));
        if (e.dtype) json_object_set_new(out, "order", json_stringn(&e.order, 1));
        const uint8_t *payload = c->data + header.payload_offset;
        if (!e.in_slot) json_object_set_new(out, "payload", hex(payload, e.length));
        if (e.flags & ZCX_FLAG_CHECKSUM)
            assert_int_equal(zcxi_crc32c(0, payload, e.length), e.checksum);
    }
    free(arena);
    return out;
}

static json_t *reference_json(const zcx_reference *reference)
{
    json_t *out = json_object();
    if (reference->ref) json_object_set_new(out, ZCXI_NAME_REF, json_true());
    if (reference->has_written)
        json_object_set_new(out, ZCXI_NAME_WRITTEN, json_boolean(reference->written));
    for (int i = 0; i < ZCXI_REFERENCE_FIELDS; i++)
        set_text(out, zcxi_reference_names[i], reference->text[i]);
    if (reference->data)
        json_object_set_new(out, ZCXI_NAME_DATA, hex(reference->data, reference->length));
    return out;
}

/* Read, and written and read again in both encodings. */
static json_t *replay_reference(const struct content *c, zcx_encoding encoding, zcx_error *error)
{
    zcx_reference *reference, *again;
    if (zcx_reference_parse(&reference, encoding, c->data, c->length, error)) return NULL;
    assert_true(zcx_reference_is(encoding, c->data, c->length));
    json_t *out = reference_json(reference);
    for (int i = 0; i < 2; i++) {
        zcx_encoding other = i ? ZCX_ENCODING_JSON : ZCX_ENCODING_MSGPACK;
        uint64_t length;
        assert_int_equal(zcx_reference_write(&length, reference, other, NULL, 0, error), ZCX_OK);
        void *buffer = aligned_alloc(ZCX_ALIGNMENT, (length + 63) / 64 * 64);
        assert_int_equal(zcx_reference_write(&length, reference, other, buffer, length, error),
                         ZCX_OK);
        assert_int_equal(zcx_reference_parse(&again, other, buffer, length, error), ZCX_OK);
        json_t *same = reference_json(again);
        assert_true(json_equal(same, out));
        json_decref(same);
        zcx_reference_free(again);
        free(buffer);
    }
    zcx_reference_free(reference);
    return out;
}

static json_t *replay_reference_msgpack(const struct content *c, zcx_error *error)
{
    return replay_reference(c, ZCX_ENCODING_MSGPACK, error);
}

static json_t *replay_reference_json(const struct content *c, zcx_error *error)
{
    return replay_reference(c, ZCX_ENCODING_JSON, error);
}

static const struct {
    const char *kind;
    json_t *(*replay)(const struct content *content, zcx_error *error);
} kinds[] = {{"record", replay_record},
             {"raw", replay_raw},
             {"json", replay_json},
             {"msgpack", replay_msgpack},
             {"numpy", replay_numpy},
             {"arrow", replay_arrow},
             {"reference-msgpack", replay_reference_msgpack},
             {"reference-json", replay_reference_json}};

/* ---- the index ------------------------------------------------------------------------------ */

static json_t *replayed; /* an object whose names are the files */

static void read_file(struct content *out, const char *name)
{
    char path[1024];
    struct stat about;
    snprintf(path, sizeof path, VECTORS "%s", name);
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &about)) fail_msg("cannot read %s", path);
    out->length = (uint64_t)about.st_size;
    assert_int_equal(posix_memalign((void **)&out->data, ZCX_ALIGNMENT, out->length + !out->length),
                     0);
    assert_int_equal(fread(out->data, 1, out->length, file), out->length);
    fclose(file);
}

/* {"nested": [kind, depth, object]} written out. */
static json_t *expand(const json_t *expect)
{
    const char *kind;
    int depth;
    json_t *object;
    if (json_unpack((json_t *)(uintptr_t)expect, "{s:[s,i,O]}", "nested", &kind, &depth, &object))
        return json_deep_copy(expect);
    for (; depth; depth--)
        object = strcmp(kind, "map") ? json_pack("[o]", object)
                                     : json_pack("{s:[[{s:s},o]]}", "map", "int", "1", object);
    return object;
}

static void replay_case(const json_t *about)
{
    zcx_error error = ZCX_ERROR_INIT;
    struct content content = {.about = about};
    const char *name = json_string_value(json_object_get(about, "file")), *wanted;
    const char *kind = json_string_value(json_object_get(about, "kind"));
    wanted = json_string_value(json_object_get(about, "status"));
    size_t i = 0;
    while (i < sizeof kinds / sizeof *kinds && strcmp(kinds[i].kind, kind))
        i++;
    if (i == sizeof kinds / sizeof *kinds) fail_msg("%s is of no known kind: %s", name, kind);
    read_file(&content, name);
    json_t *got = kinds[i].replay(&content, &error);
    if (strcmp(zcx_status_name(error.status) + 4, wanted))
        fail_msg("%s gave %s (%s), not %s", name, zcx_status_name(error.status), error.message,
                 wanted);
    if (!got != (error.status != ZCX_OK)) fail_msg("%s gave nothing, and no error", name);
    if (got) {
        json_t *expect = expand(json_object_get(about, "expect"));
        if (!json_equal(got, expect))
            fail_msg("%s says\n%s\nnot\n%s", name, json_dumps(got, JSON_ENCODE_ANY),
                     json_dumps(expect, JSON_ENCODE_ANY));
        json_decref(expect);
    }
    json_decref(got);
    free(content.data);
    assert_int_equal(json_object_set_new(replayed, name, json_true()), 0);
}

static void every_case_gives_what_the_index_says(void **state)
{
    (void)state;
    json_error_t where;
    json_t *index = json_load_file(VECTORS "index.json", JSON_ALLOW_NUL, &where), *about;
    if (!index) fail_msg("index.json, line %d: %s", where.line, where.text);
    assert_int_equal(json_integer_value(json_object_get(index, "protocol")), 1);
    const json_t *cases = json_object_get(index, "cases");
    size_t i;
    json_array_foreach(cases, i, about) replay_case(about);
    assert_int_equal(json_object_size(replayed), json_array_size(cases));
    json_decref(index);
}

static int look_at_file(const char *path, const struct stat *about, int type, struct FTW *where)
{
    const char *name = path + strlen(VECTORS), *end = strrchr(path, '.');
    (void)about;
    (void)where;
    if (type != FTW_F || !strcmp(name, "index.json") || !strncmp(name, "generat", 7)) return 0;
    if (!end || !json_object_get(replayed, name)) fail_msg("nobody replays %s", name);
    return 0;
}

static void every_file_is_replayed(void **state)
{
    (void)state;
    assert_true(json_object_size(replayed) > 300);
    assert_int_equal(nftw(VECTORS, look_at_file, 8, FTW_PHYS), 0);
}

static int open_replayed(void **state)
{
    (void)state;
    replayed = json_object();
    return 0;
}

static int close_replayed(void **state)
{
    (void)state;
    json_decref(replayed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gives_what_the_index_says),
        cmocka_unit_test(every_file_is_replayed),
    };
    return cmocka_run_group_tests(tests, open_replayed, close_replayed);
}
