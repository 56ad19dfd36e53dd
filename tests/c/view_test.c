/* Views: held bytes do not change, whatever happens; what is corrupt is told, never followed. */
#include "raw.h"

#include "one_store.h"

/* ---- held bytes ------------------------------------------------------------------------------------------ */

static void a_held_view_does_not_change(void **state)
{
    (void)state;
    const uint64_t sizes[] = {10, 1500, 5000, 100000, 3000000};
    for (unsigned i = 0; i < 5; i++) {
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        envelope.ttl_ms = 500;
        OK(try_put(store, "held", sizes[i], i, &envelope, error));
        zcx_view *view = view_of(store, "held"), *second = view_of(store, "held");
        EVENTUALLY(status_at(store, "held") == ZCX_EEXPIRED);
        json_decref(sweep(store, ZCX_SWEEP_TRIM));
        assert_view(view, sizes[i], i);
        for (unsigned round = 0; round < 1000; round++)
            put(store, "held", sizes[i] < 10000 ? sizes[i] : 10000 + round * 10, round);
        assert_view(view, sizes[i], i);
        zcx_view_release(second);
        OK(zcx_store_delete(store, "held", 4, error));
        json_decref(sweep(store, ZCX_SWEEP_TRIM));
        for (unsigned round = 0; round < 20; round++)
            put(store, "other", sizes[i], 99);
        assert_view(view, sizes[i], i);
        zcx_view_release(view);
    }
}

/* The rest of the store goes on being recycled: no new slots beside the held one. */
static void a_held_view_pins_its_own_payload_only(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        put(store, "pinned", 200000, i);
    zcx_view *view = view_of(store, "pinned");
    for (unsigned i = 0; i < 8; i++)
        put(store, "pinned", 200000, i);
    json_t *before = stat_of(store);
    for (unsigned i = 0; i < 1000; i++)
        put(store, "pinned", 200000, i);
    json_t *after = stat_of(store);
    assert_int_equal(number(after, "slots", "count", NULL), number(before, "slots", "count", NULL));
    assert_view(view, 200000, 7);
    zcx_view_release(view);
    json_decref(before);
    json_decref(after);
}

static int write_to_it(void *view)
{
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)(uintptr_t)zcx_view_data(view) = 1;
    return 0;
}

static void who_writes_to_a_view_is_killed(void **state)
{
    (void)state;
    put(store, "const", 5000, 1);
    zcx_view *view = view_of(store, "const");
    assert_int_not_equal(exit_status(spawn(write_to_it, view)), 0);
    assert_view(view, 5000, 1);
    zcx_view_release(view);
}

static void many_views_of_one_key(void **state)
{
    (void)state;
    static zcx_view *views[70000];
    put(store, "inline", 100, 1);
    put(store, "slot", 5000, 2);
    for (int i = 0; i < 70000; i++)
        views[i] = view_of(store, "inline");
    for (int i = 0; i < 70000; i++) {
        assert_int_equal(*(const uint8_t *)zcx_view_data(views[i]), (uint8_t)131);
        zcx_view_release(views[i]);
    }
    for (int i = 0; i < 32768; i++)
        views[i] = view_of(store, "slot");
    for (int i = 0; i < 100; i++)
        FAILS(ZCX_ELIMIT, zcx_store_view(&views[32768], store, "slot", 4, error), "slot", "32768");
    zcx_view_release(views[0]);
    views[0] = view_of(store, "slot"); /* room for one again */
    put(store, "slot", 5000, 3);
    views[32768] = view_of(store, "slot");
    for (int i = 0; i <= 32768; i++) {
        assert_view(views[i], 5000, i == 32768 ? 3 : 2);
        zcx_view_release(views[i]);
    }
}

static void a_null_view_is_released(void **state)
{
    (void)state;
    zcx_view_release(NULL);
    zcx_view *view;
    char key[ZCX_KEY_MAX + 1] = {0};
    FAILS(ZCX_EINVAL, zcx_store_view(&view, store, "", 0, error), "1 to 511", "not 0");
    FAILS(ZCX_EINVAL, zcx_store_view(&view, store, NULL, 3, error), "1 to 511");
    FAILS(ZCX_EINVAL, zcx_store_view(&view, store, key, sizeof key, error), "not 512");
}

/* ---- corruption ------------------------------------------------------------------------------------------- */

static void edit(const char *key, size_t at, void (*change)(uint8_t *, size_t))
{
    struct raw raw = {path, "default", map_size_of(store), key, at, change};
    assert_int_equal(exit_status(spawn(raw_edit, &raw)), 0);
}

/* Every way to a record must meet the corruption, and none may fall over it. */
static void assert_refused(const char *key)
{
    zcx_view *view;
    bool exists;
    zcx_scan *scan;
    const void *found;
    size_t length;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_status status = zcx_store_view(&view, store, key, strlen(key), NULL);
    assert_true(status == ZCX_ECORRUPT || status == ZCX_EVERSION);
    status = zcx_store_exists(&exists, store, key, strlen(key), NULL);
    assert_true(status == ZCX_ECORRUPT || status == ZCX_EVERSION);
    OK(zcx_store_scan(&scan, store, NULL, error));
    status = zcx_scan_next(scan, &found, &length, &envelope, NULL);
    assert_true(status == ZCX_ECORRUPT || status == ZCX_EVERSION);
    zcx_scan_close(scan);
    char *json;
    OK(zcx_store_check(&json, store, error));
    assert_non_null(strstr(json, "\"sound\":false"));
    zcx_free(json);
    json_decref(sweep(store, 0));
}

static void every_byte_of_an_envelope_is_guarded(void **state)
{
    (void)state;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.source = "a source";
    const uint64_t sizes[] = {100, 5000};
    delete_all(store); /* the corrupt one is the first of all keys */
    for (int i = 0; i < 2; i++) {
        for (size_t at = 0; at < 72 + 17; at++) {
            OK(try_put(store, "flip", sizes[i], 1, &envelope, error));
            edit("flip", at, NULL);
            assert_refused("flip");
        }
        OK(try_put(store, "flip", sizes[i], 2, &envelope, error)); /* publishing cures it */
        assert_at(store, "flip", sizes[i], 2);
        edit("flip", 9, NULL);
        OK(zcx_store_delete(store, "flip", 4, error)); /* as deleting does */
        assert_int_equal(status_at(store, "flip"), ZCX_ENOTFOUND);
    }
}

#define HOSTILE(name, statement)                                                                   \
    static void name(uint8_t *record, size_t size)                                                 \
    {                                                                                              \
        struct zcxi_header header;                                                                 \
        memcpy(&header, record, sizeof header);                                                    \
        (void)size;                                                                                \
        statement;                                                                                 \
        reseal(record, &header);                                                                   \
    }
HOSTILE(no_slot, header.slot = 0)
HOSTILE(slot_past_all, header.slot = 99999)
HOSTILE(slot_past_the_table, header.slot = UINT32_MAX)
HOSTILE(later_generation, header.generation++)
HOSTILE(longer_than_the_slot, header.payload_length = 1 << 20)
HOSTILE(longest, header.payload_length = UINT64_MAX)
HOSTILE(offset_past_the_slot, header.payload_offset = 1 << 20)
HOSTILE(offset_and_length_wrap, header.payload_offset = UINT64_MAX - 100)
HOSTILE(unknown_flag, header.flags |= 8)
HOSTILE(reserved, header.reserved = 1)
HOSTILE(checksum_without_flag, header.payload_crc = 1)
HOSTILE(inline_in_a_slot, header.flags &= (uint16_t)~1)

static void sealed_lies_are_found_out(void **state)
{
    (void)state;
    void (*const lies[])(uint8_t *, size_t) = {
        no_slot,         slot_past_all, slot_past_the_table,  later_generation,       longer_than_the_slot,
        longest,         unknown_flag,  offset_past_the_slot, offset_and_length_wrap, reserved,
        inline_in_a_slot, checksum_without_flag};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        put(store, "lie", 5000, 1);
        edit("lie", 0, lies[i]);
        zcx_status status = status_at(store, "lie");
        if (status != ZCX_ECORRUPT && status != ZCX_EVERSION)
            fail_msg("lie %zu: %s", i, zcx_status_name(status));
        char *json;
        OK(zcx_store_check(&json, store, error));
        assert_non_null(strstr(json, "\"sound\":false"));
        zcx_free(json);
    }
    put(store, "lie", 5000, 2);
    assert_at(store, "lie", 5000, 2);
}

/* Extras that are not a map, sealed: the payload is there, the envelope is refused. */
static void spoil_extras(uint8_t *record, size_t size)
{
    struct zcxi_header header;
    (void)size;
    memcpy(&header, record, sizeof header);
    record[sizeof header] = 0xc1;
    reseal(record, &header);
}

static void extras_that_are_no_map_are_corrupt(void **state)
{
    (void)state;
    put(store, "extras", 100, 1);
    edit("extras", 0, spoil_extras);
    zcx_view *view = view_of(store, "extras");
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.format = 77;
    FAILS(ZCX_ECORRUPT, zcx_view_envelope(view, &envelope, error), "extras");
    assert_int_equal(envelope.format, 77); /* untouched */
    assert_view(view, 100, 1);
    zcx_view_release(view);
    OK(zcx_store_delete(store, "extras", 6, error));
}

HOSTILE(another_tag, header.format = 200)

static void unknown_tags_are_read_as_raw(void **state)
{
    (void)state;
    put(store, "tag", 100, 1);
    edit("tag", 0, another_tag);
    zcx_view *view = view_of(store, "tag");
    assert_int_equal(envelope_of(view).format, 200);
    assert_string_equal(zcx_format_name(200), "unknown");
    assert_view(view, 100, 1);
    zcx_view_release(view);
}

static void an_envelope_of_another_size_is_refused(void **state)
{
    (void)state;
    put(store, "size", 100, 1);
    zcx_view *view = view_of(store, "size");
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    const size_t sizes[] = {0, 8, sizeof envelope - 8, sizeof envelope + 8};
    for (int i = 0; i < 4; i++) {
        envelope.struct_size = sizes[i];
        FAILS(ZCX_EINVAL, zcx_view_envelope(view, &envelope, error), "struct_size");
        FAILS(ZCX_EINVAL, zcx_store_put(store, "k", 1, "x", 1, &envelope, NULL, error), "struct_size");
    }
    zcx_view_release(view);
}

/* ---- checksums ----------------------------------------------------------------------------------------------- */

static void last_byte(uint8_t *record, size_t size)
{
    record[size - 1] ^= 1;
}

static void a_corrupt_payload_is_found_by_its_checksum(void **state)
{
    (void)state;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.flags = ZCX_FLAG_CHECKSUM;
    OK(try_put(store, "sum", 100, 1, &envelope, error));
    zcx_view *view = view_of(store, "sum");
    OK(zcx_view_verify(view, error));
    zcx_view_release(view);
    edit("sum", 0, last_byte); /* inline: the payload is the record's end */
    view = view_of(store, "sum");
    FAILS(ZCX_ECORRUPT, zcx_view_verify(view, error), "\"sum\"", "checksum");
    zcx_view_release(view);

    zcx_loan *loan = lend(store, 5000); /* in a slot: whoever goes on writing is found out */
    uint8_t *bytes = zcx_loan_data(loan);
    fill(bytes, 5000, 1);
    OK(zcx_loan_publish(loan, "sum", 3, 5000, &envelope, NULL, error));
    view = view_of(store, "sum");
    OK(zcx_view_verify(view, error));
    bytes[4999] ^= 1;
    FAILS(ZCX_ECORRUPT, zcx_view_verify(view, error), "\"sum\"", "checksum");
    char *json;
    OK(zcx_store_check(&json, store, error));
    assert_non_null(strstr(json, "\"sound\":false"));
    assert_non_null(strstr(json, "\\\"sum\\\""));
    zcx_free(json);
    zcx_view_release(view);
    OK(zcx_store_delete(store, "sum", 3, error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_view_does_not_change),
        cmocka_unit_test(a_held_view_pins_its_own_payload_only),
        cmocka_unit_test(who_writes_to_a_view_is_killed),
        cmocka_unit_test(many_views_of_one_key),
        cmocka_unit_test(a_null_view_is_released),
        cmocka_unit_test(a_corrupt_payload_is_found_by_its_checksum),
        cmocka_unit_test(every_byte_of_an_envelope_is_guarded),
        cmocka_unit_test(sealed_lies_are_found_out),
        cmocka_unit_test(extras_that_are_no_map_are_corrupt),
        cmocka_unit_test(unknown_tags_are_read_as_raw),
        cmocka_unit_test(an_envelope_of_another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
