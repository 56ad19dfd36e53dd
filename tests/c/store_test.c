/* Records as their users see them: put, view, exists, delete, count, time to live, error records. */
#include "one_store.h"

static void a_payload_travels(void **state)
{
    (void)state;
    zcx_loan *loan = lend(store, 1000000);
    fill(zcx_loan_data(loan), 1000000, 7);
    OK(zcx_loan_publish(loan, "key", 3, 999999, NULL, NULL, error));
    zcx_view *view = view_of(store, "key");
    assert_view(view, 999999, 7);
    FAILS(ZCX_EBUSY, zcx_store_close(store, error), "1 views");
    zcx_view_release(view);
}

static void every_size_comes_back(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0,    1,    2,    63,     64,     65,      1023,
                              1024, 1025, 1900, 1956,   1957,   1958,    2038,
                              4032, 4033, 4096, 65536, 1 << 20, 100000000};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put(store, "size", sizes[i], i);
        assert_at(store, "size", sizes[i], i);
        zcx_view *view = view_of(store, "size");
        assert_int_equal(envelope_of(view).length, sizes[i]);
        zcx_view_release(view);
    }
}

/* An LMDB leaf holds nodes of up to 2,038 bytes: 8, the key, the envelope, the payload. */
static void what_fits_a_leaf_is_in_the_record(void **state)
{
    (void)state;
    char key[ZCX_KEY_MAX], source[1000], payload[2100];
    const size_t keys[] = {1, 2, 3, 100, 510, 511}, sources[] = {0, 1, 31, 32, 256, 999};
    memset(key, 'k', sizeof key);
    memset(source, 's', sizeof source);
    fill(payload, sizeof payload, 3);
    for (size_t k = 0; k < 6; k++)
        for (size_t s = 0; s < 6; s++) {
            size_t length = sources[s], head = length < 32 ? 1 : length < 256 ? 2 : 3;
            size_t extras = 1 + (length ? 7 + head + length : 0);
            size_t most = 2038 - 8 - keys[k] - 72 - extras;
            zcx_envelope envelope = ZCX_ENVELOPE_INIT;
            source[length] = 0;
            if (length) envelope.source = source;
            for (size_t more = 0; more < 2; more++) {
                OK(zcx_store_put(store, key, keys[k], payload, most + more, &envelope, NULL, error));
                zcx_view *view;
                OK(zcx_store_view(&view, store, key, keys[k], error));
                assert_view(view, most + more, 3);
                zcx_envelope found = envelope_of(view);
                assert_int_equal(found.in_slot, more);
                assert_int_equal(!!found.slot, more);
                if (length) assert_string_equal(found.source, source);
                zcx_view_release(view);
            }
            source[length] = 's';
        }
}

static void keys_are_any_bytes(void **state)
{
    (void)state;
    char key[ZCX_KEY_MAX + 1];
    for (int byte = 0; byte < 256; byte++) {
        key[0] = (char)byte;
        OK(zcx_store_put(store, key, 1, &byte, sizeof byte, NULL, NULL, error));
    }
    for (int byte = 0; byte < 256; byte++) {
        zcx_view *view;
        size_t length;
        key[0] = (char)byte;
        OK(zcx_store_view(&view, store, key, 1, error));
        assert_memory_equal(zcx_view_data(view), &byte, sizeof byte);
        assert_memory_equal(zcx_view_key(view, &length), key, 1);
        assert_int_equal(length, 1);
        assert_ptr_equal(zcx_view_store(view), store);
        zcx_view_release(view);
        OK(zcx_store_delete(store, key, 1, error));
    }
    memset(key, 0xff, sizeof key);
    OK(zcx_store_put(store, key, ZCX_KEY_MAX, "x", 1, NULL, NULL, error));
    OK(zcx_store_delete(store, key, ZCX_KEY_MAX, error));
}

static void what_is_there_exists(void **state)
{
    (void)state;
    uint64_t before, count;
    bool exists = true;
    OK(zcx_store_count(&before, store, error));
    OK(zcx_store_exists(&exists, store, "there", 5, error));
    assert_false(exists);
    put(store, "there", 10, 1);
    OK(zcx_store_exists(&exists, store, "there", 5, error));
    assert_true(exists);
    OK(zcx_store_count(&count, store, error));
    assert_int_equal(count, before + 1);
    put(store, "there", 5000, 2); /* over the old one */
    OK(zcx_store_count(&count, store, error));
    assert_int_equal(count, before + 1);
    assert_at(store, "there", 5000, 2);
    OK(zcx_store_delete(store, "there", 5, error));
    FAILS(ZCX_ENOTFOUND, zcx_store_delete(store, "there", 5, error), "\"there\"", "default", path);
    zcx_view *view;
    FAILS(ZCX_ENOTFOUND, zcx_store_view(&view, store, "there", 5, error), "\"there\"", "default");
    OK(zcx_store_count(&count, store, error));
    assert_int_equal(count, before);
}

static void transactions_rise(void **state)
{
    (void)state;
    uint64_t last = 0, transaction = 0;
    for (int i = 0; i < 10; i++) {
        OK(zcx_store_put(store, "rise", 4, "x", 1, NULL, &transaction, error));
        assert_true(transaction > last);
        zcx_view *view = view_of(store, "rise");
        assert_int_equal(envelope_of(view).transaction, transaction);
        zcx_view_release(view);
        last = transaction;
    }
}

/* ---- time to live ---------------------------------------------------------------------------------------- */

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void records_say_when_they_expire(void **state)
{
    (void)state;
    const struct {
        int64_t ttl_ms;
        uint64_t lives; /* ns; 0: for ever */
    } cases[] = {{ZCX_TTL_DEFAULT, 300000000000}, {ZCX_TTL_NEVER, 0}, {60000, 60000000000}};
    for (int i = 0; i < 3; i++) {
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        envelope.ttl_ms = cases[i].ttl_ms;
        uint64_t before = now();
        OK(try_put(store, "ttl", 10, 1, &envelope, error));
        uint64_t after = now();
        zcx_view *view = view_of(store, "ttl");
        zcx_envelope found = envelope_of(view);
        assert_in_range(found.created, before, after);
        assert_int_equal(found.expires, cases[i].lives ? found.created + cases[i].lives : 0);
        assert_int_equal(found.ttl_ms, 0);
        zcx_view_release(view);
    }
}

/* To the clock's own nanosecond: a record is returned only by a call that began before it expired. */
static void an_expired_record_is_never_returned(void **state)
{
    (void)state;
    bool exists;
    zcx_view *view;
    const uint64_t sizes[] = {100, 5000};
    for (int round = 0; round < 20; round++) {
        zcx_envelope envelope = ZCX_ENVELOPE_INIT;
        envelope.ttl_ms = 1 + round % 5;
        OK(try_put(store, "short", sizes[round % 2], 1, &envelope, error));
        zcx_status status;
        for (;;) {
            uint64_t began = now(), expires = 0;
            status = zcx_store_view(&view, store, "short", 5, NULL);
            if (status) break;
            expires = envelope_of(view).expires;
            zcx_view_release(view);
            assert_true(began < expires);
        }
        FAILS(ZCX_EEXPIRED, zcx_store_view(&view, store, "short", 5, error), "\"short\"", "expired");
        OK(zcx_store_exists(&exists, store, "short", 5, error));
        assert_false(exists);
    }
    uint64_t count;
    OK(zcx_store_count(&count, store, error)); /* counts it until a sweep meets it */
    FAILS(ZCX_ENOTFOUND, zcx_store_delete(store, "short", 5, error), "\"short\"");
    uint64_t after;
    OK(zcx_store_count(&after, store, error)); /* yet it was deleted */
    assert_int_equal(after, count - 1);
    assert_int_equal(status_at(store, "short"), ZCX_ENOTFOUND);
}

static void a_new_record_lives_where_one_expired(void **state)
{
    (void)state;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.ttl_ms = 1;
    OK(try_put(store, "again", 5000, 1, &envelope, error));
    EVENTUALLY(status_at(store, "again") == ZCX_EEXPIRED);
    put(store, "again", 6000, 2);
    assert_at(store, "again", 6000, 2);
}

/* ---- error records ------------------------------------------------------------------------------------------ */

static void an_error_record_says_so(void **state)
{
    (void)state;
    char large[5000];
    memset(large, 'm', sizeof large - 1);
    large[sizeof large - 1] = 0;
    const char *const messages[] = {"it broke", large};
    for (int i = 0; i < 2; i++) {
        OK(zcx_store_put_error(store, "error", 5, messages[i], i ? NULL : "line 1", 1000, error));
        zcx_view *view = view_of(store, "error");
        zcx_envelope envelope = envelope_of(view);
        assert_int_equal(envelope.flags, ZCX_FLAG_ERROR);
        assert_int_equal(envelope.format, ZCX_MSGPACK);
        assert_int_equal(envelope.expires - envelope.created, 1000000000);
        assert_non_null(memmem(zcx_view_data(view), zcx_view_length(view), messages[i],
                               strlen(messages[i])));
        assert_int_equal(*(const uint8_t *)zcx_view_data(view), i ? 0x81 : 0x82); /* a map */
        zcx_view_release(view);
    }
}

/* A calculator's message in another encoding, or cut within a character, is still a message. */
static void an_error_of_any_bytes_is_told(void **state)
{
    (void)state;
    OK(zcx_store_put_error(store, "error", 5, "caf\xe9 closed", "trace \xc3", 0, error));
    zcx_view *view = view_of(store, "error");
    assert_int_equal(envelope_of(view).expires - envelope_of(view).created, UINT64_C(300000000000));
    assert_non_null(memmem(zcx_view_data(view), zcx_view_length(view), "caf? closed", 11));
    assert_non_null(memmem(zcx_view_data(view), zcx_view_length(view), "trace ?", 7));
    zcx_view_release(view);
    OK(zcx_store_put_error(store, "error", 5, "", "", ZCX_TTL_NEVER, error));
    zcx_view_release(view_of(store, "error"));
}

/* ---- envelopes ------------------------------------------------------------------------------------------------ */

static void an_envelope_comes_back(void **state)
{
    (void)state;
    const uint64_t shape[] = {5, 25};
    zcx_envelope envelope = {.struct_size = sizeof envelope, .format = ZCX_NUMPY,
                             .flags = ZCX_FLAG_CHECKSUM, .source = "engine", .target = "worker",
                             .content_type = "application/x-delays", .dtype = "<f8",
                             .shape = shape, .ndim = 2, .order = 'F'};
    OK(try_put(store, "array", 1000, 4, &envelope, error));
    zcx_view *view = view_of(store, "array");
    zcx_envelope found = envelope_of(view);
    assert_int_equal(found.format, ZCX_NUMPY);
    assert_int_equal(found.flags, ZCX_FLAG_CHECKSUM);
    assert_string_equal(found.source, "engine");
    assert_string_equal(found.target, "worker");
    assert_string_equal(found.content_type, "application/x-delays");
    assert_string_equal(found.dtype, "<f8");
    assert_int_equal(found.ndim, 2);
    assert_memory_equal(found.shape, shape, sizeof shape);
    assert_int_equal(found.order, 'F');
    OK(zcx_view_verify(view, error));
    zcx_view_release(view);
    put(store, "plain", 10, 1);
    view = view_of(store, "plain");
    found = envelope_of(view);
    assert_null(found.source);
    assert_null(found.dtype);
    assert_int_equal(found.format, ZCX_RAW);
    FAILS(ZCX_ENOTFOUND, zcx_view_verify(view, error), "\"plain\"", "no checksum");
    zcx_view_release(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_travels),
        cmocka_unit_test(every_size_comes_back),
        cmocka_unit_test(what_fits_a_leaf_is_in_the_record),
        cmocka_unit_test(keys_are_any_bytes),
        cmocka_unit_test(what_is_there_exists),
        cmocka_unit_test(transactions_rise),
        cmocka_unit_test(records_say_when_they_expire),
        cmocka_unit_test(an_expired_record_is_never_returned),
        cmocka_unit_test(a_new_record_lives_where_one_expired),
        cmocka_unit_test(an_error_record_says_so),
        cmocka_unit_test(an_error_of_any_bytes_is_told),
        cmocka_unit_test(an_envelope_comes_back),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
