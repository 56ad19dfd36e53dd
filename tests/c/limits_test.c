/* Limits: what is just allowed works, one more is refused by name and number. */
#include "stores.h"

#include <sys/mman.h>
#include <sys/resource.h>

static char *path;

static int make_path(void **state)
{
    (void)state;
    path = make_directory(NULL);
    return 0;
}

static int free_path(void **state)
{
    (void)state;
    free(path);
    return 0;
}

/* ---- payloads -------------------------------------------------------------------------------------------- */

#define LARGEST ZCX_PAYLOAD_MAX
#define GAP (UINT64_C(97) << 20) /* the payload is marked at each multiple of it, and at its end */

/* LMDB 0.9.24 leaks a list of 1 MiB in a transaction that makes a value of more than 256 MiB. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:mdb_midl_alloc";
}

/* Address space that takes no memory: reading it gives zeros. */
static void *zeros(uint64_t length)
{
    return mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void a_payload_of_4_gib_less_64_kib(void **state)
{
    (void)state;
    zcx_loan *loan;
    zcx_view *view;
    uint64_t transaction = 7;
    zcx_store *store = open_store(path, 5 * UINT64_C(1024) * MIB);
    FAILS(ZCX_ELIMIT, zcx_store_loan(&loan, store, LARGEST + 1, 0, error), "4294901761", "4294901760");
    FAILS(ZCX_ELIMIT, zcx_store_loan(&loan, store, UINT64_MAX, 0, error), "4294901760");
    FAILS(ZCX_ELIMIT, zcx_store_put(store, "k", 1, "x", LARGEST + 1, NULL, &transaction, error),
          "4294901761", "4294901760");
    FAILS(ZCX_ELIMIT, zcx_store_put(store, "k", 1, "x", UINT64_MAX, NULL, NULL, error), "4294901760");
    assert_int_equal(transaction, 7);

    loan = lend(store, LARGEST);
    uint8_t *bytes = zcx_loan_data(loan);
    FAILS(ZCX_EINVAL, zcx_loan_publish(loan, "k", 1, UINT64_MAX, NULL, NULL, error), "the loan has");
    for (uint64_t at = 0; at < LARGEST; at += GAP)
        bytes[at] = (uint8_t)(1 + at / GAP);
    bytes[LARGEST - 1] = 255;
    OK(zcx_loan_publish(loan, "large", 5, LARGEST, NULL, NULL, error));
    view = view_of(store, "large");
    assert_int_equal(zcx_view_length(view), LARGEST);
    const uint8_t *found = zcx_view_data(view);
    for (uint64_t at = 0; at < LARGEST; at += GAP)
        assert_int_equal(found[at], 1 + at / GAP);
    assert_int_equal(found[LARGEST - 1], 255);
    zcx_view_release(view);
    loan = NULL; /* a second one has no room in this budget */
    FAILS(ZCX_EFULL, zcx_store_loan(&loan, store, LARGEST, 0, error), "4294901760", "MiB");
    OK(zcx_store_delete(store, "large", 5, error));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    put(store, "x", 1, 1);
    put(store, "x", 1, 2);
    void *data = zeros(LARGEST);
    OK(zcx_store_put(store, "copied", 6, data, LARGEST, NULL, NULL, error));
    munmap(data, LARGEST);
    view = view_of(store, "copied"); /* the slot that held the marks */
    found = zcx_view_data(view);
    for (uint64_t at = 0; at < LARGEST; at += GAP)
        assert_int_equal(found[at], 0);
    assert_int_equal(found[LARGEST - 1], 0);
    zcx_view_release(view);
#else
    (void)zeros;
#endif
    close_store(store);
}

static void no_store_has_room_for_more_than_its_budget(void **state)
{
    (void)state;
    zcx_loan *loan;
    zcx_store *store = open_store(path, 16 * MIB);
    FAILS(ZCX_EFULL, zcx_store_loan(&loan, store, 17 * MIB, 0, error), "17825792", "16.0 MiB");
    FAILS(ZCX_EFULL, zcx_store_loan(&loan, store, LARGEST, 0, error), "4294901760");
    zcx_loan_discard(lend(store, 8 * MIB));
    close_store(store);
}

/* ---- envelopes ------------------------------------------------------------------------------------------- */

static void extras_have_at_most_32_kib(void **state)
{
    (void)state;
    static char text[40000];
    zcx_store *store = open_store(path, 64 * MIB);
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.source = text;
    memset(text, 's', sizeof text);
    const size_t most = 32768 - 1 - 7 - 3; /* map, key, head of a str 16 */
    text[most] = 0;
    OK(try_put(store, "most", 100, 1, &envelope, error));
    zcx_view *view = view_of(store, "most");
    assert_view(view, 100, 1);
    assert_int_equal(strlen(envelope_of(view).source), most);
    zcx_view_release(view);
    OK(try_put(store, "most", 100000, 2, &envelope, error));
    assert_at(store, "most", 100000, 2);
    text[most] = 's';
    text[most + 1] = 0;
    FAILS(ZCX_ELIMIT, try_put(store, "most", 100, 1, &envelope, error), "32769", "32768");
    text[3] = (char)0xff;
    text[4] = 0;
    FAILS(ZCX_EINVAL, try_put(store, "most", 100, 1, &envelope, error), "source", "UTF-8");
    close_store(store);
}

static void wrong_envelopes_are_refused(void **state)
{
    (void)state;
    const uint64_t shape[] = {10};
    zcx_store *store = open_store(path, 64 * MIB);
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.format = 5;
    FAILS(ZCX_EINVAL, try_put(store, "k", 10, 1, &envelope, error), "format 5");
    envelope.format = ZCX_RAW;
    envelope.flags = 1;
    FAILS(ZCX_EINVAL, try_put(store, "k", 10, 1, &envelope, error), "0x1");
    envelope.flags = 0;
    envelope.ttl_ms = -5;
    FAILS(ZCX_EINVAL, try_put(store, "k", 10, 1, &envelope, error), "-5");
    envelope.ttl_ms = INT64_MAX;
    FAILS(ZCX_EINVAL, try_put(store, "k", 10, 1, &envelope, error), "9223372036854775807");
    envelope.ttl_ms = 0;
    envelope.dtype = "<f8";
    FAILS(ZCX_EINVAL, try_put(store, "k", 10, 1, &envelope, error), "numpy", "raw");
    envelope.format = ZCX_NUMPY;
    envelope.shape = shape;
    envelope.ndim = 1;
    FAILS(ZCX_EINVAL, try_put(store, "k", 10, 1, &envelope, error), "10 bytes", "10 elements");
    envelope.ndim = 65;
    FAILS(ZCX_ELIMIT, try_put(store, "k", 80, 1, &envelope, error), "65");
    envelope.ndim = 1;
    OK(try_put(store, "k", 80, 1, &envelope, error));
    close_store(store);
}

/* ---- databases ------------------------------------------------------------------------------------------- */

static zcx_status try_open(zcx_store **out, const char *database, zcx_error *error)
{
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.database = database;
    options.budget = 64 * MIB;
    return zcx_store_open(out, path, &options, error);
}

static void names_of_databases(void **state)
{
    (void)state;
    char name[ZCX_DATABASE_MAX + 2];
    zcx_store *store, *again;
    memset(name, 'n', sizeof name);
    name[ZCX_DATABASE_MAX + 1] = 0;
    FAILS(ZCX_EINVAL, try_open(&store, name, error), "1 to 64", "65");
    FAILS(ZCX_EINVAL, try_open(&store, "", error), "1 to 64", "0");
    FAILS(ZCX_EINVAL, try_open(&store, "zcx.slots", error), "zcx.slots", "reserved");
    FAILS(ZCX_EINVAL, try_open(&store, "zcx.", error), "reserved");
    name[ZCX_DATABASE_MAX] = 0;
    OK(try_open(&store, name, error));
    assert_string_equal(zcx_store_database(store), name);
    OK(try_open(&again, "zcx", error));
    put(store, "k", 10, 1); /* databases share no keys */
    put(again, "k", 10, 2);
    assert_at(store, "k", 10, 1);
    assert_at(again, "k", 10, 2);
    close_store(store);
    close_store(again);
}

/* LMDB is told of 128, two of which are the store's own. */
static int open_others(void *context)
{
    char name[16];
    zcx_store *store;
    zcx_error error = ZCX_ERROR_INIT;
    (void)context;
    CHILD_EXPECTS(!try_open(&store, "0", NULL)); /* one that is there */
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "more %d", i);
        CHILD_EXPECTS(try_open(&store, name, &error) == ZCX_ELIMIT);
    }
    CHILD_EXPECTS(strstr(error.message, "126"));
    return 0;
}

static void a_store_has_at_most_126_databases(void **state)
{
    (void)state;
    char name[16];
    zcx_store *stores[126], *more;
    for (int i = 0; i < 126; i++) {
        snprintf(name, sizeof name, "%d", i);
        OK(try_open(&stores[i], name, error));
        put(stores[i], "k", 10, (unsigned)i);
    }
    FAILS(ZCX_ELIMIT, try_open(&more, "one more", error), "one more", "126");
    assert_int_equal(exit_status(spawn(open_others, NULL)), 0); /* nor for others */
    json_decref(sweep(stores[0], 0));
    json_t *stat = stat_of(stores[0]);
    assert_int_equal(json_array_size(json_object_get(stat, "databases")), 126);
    json_decref(stat);
    for (int i = 0; i < 126; i++) {
        assert_at(stores[i], "k", 10, (unsigned)i);
        close_store(stores[i]);
    }
}

/* ---- processes --------------------------------------------------------------------------------------------- */

static int ready[2], go[2];

static int open_and_stay(void *context)
{
    char byte = 0;
    zcx_store *store;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.lock_timeout_ms = 100000; /* they open one after the other */
    (void)context;
    close(go[1]);
    zcx_status status = zcx_store_open(&store, path, &options, NULL);
    if (write(ready[1], &status, sizeof status) != sizeof status) return 1;
    return read(go[0], &byte, 1) != 0; /* until the test closes its end */
}

static void at_most_256_processes_have_a_store_open(void **state)
{
    (void)state;
    pid_t children[256];
    zcx_status status;
    assert_int_equal(pipe(ready) | pipe(go), 0);
    for (int i = 0; i < 256; i++)
        children[i] = spawn(open_and_stay, NULL);
    zcx_store *store = NULL;
    for (int i = 0; i < 256; i++) {
        assert_int_equal(read(ready[0], &status, sizeof status), sizeof status);
        assert_int_equal(status, ZCX_OK);
    }
    FAILS(ZCX_ELIMIT, zcx_store_open(&store, path, NULL, error), "256", path);
    close(go[1]);
    for (int i = 0; i < 256; i++)
        assert_int_equal(exit_status(children[i]), 0);
    store = open_store(path, 0); /* they ended without closing: their places are free again */
    put(store, "k", 10, 1);
    close_store(store);
}

static int open_below_a_file_limit(void *context)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store;
    (void)context;
    for (uint64_t mib = 300; mib > 0; mib -= 100) { /* of 256 MiB of map, and a larger board */
        struct rlimit limit = {mib * MIB, mib * MIB};
        char bytes[32];
        error = (zcx_error)ZCX_ERROR_INIT;
        snprintf(bytes, sizeof bytes, "%lu bytes", (unsigned long)(mib * MIB));
        CHILD_EXPECTS(!setrlimit(RLIMIT_FSIZE, &limit));
        CHILD_EXPECTS(zcx_store_open(&store, path, NULL, &error) == ZCX_ELIMIT);
        CHILD_EXPECTS(strstr(error.message, "RLIMIT_FSIZE") && strstr(error.message, bytes));
    }
    return 0;
}

static void a_file_size_limit_is_refused_at_open(void **state)
{
    (void)state;
    close_store(open_store(path, 64 * MIB));
    assert_int_equal(exit_status(spawn(open_below_a_file_limit, NULL)), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, free_path)
    const struct CMUnitTest tests[] = {
        TEST(a_payload_of_4_gib_less_64_kib),
        TEST(no_store_has_room_for_more_than_its_budget),
        TEST(extras_have_at_most_32_kib),
        TEST(wrong_envelopes_are_refused),
        TEST(names_of_databases),
        TEST(a_store_has_at_most_126_databases),
        TEST(at_most_256_processes_have_a_store_open),
        TEST(a_file_size_limit_is_refused_at_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
