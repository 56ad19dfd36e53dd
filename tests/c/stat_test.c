/* What a store says about itself: statistics and the check. */
#include "raw.h"

#include "one_store.h"

static void the_store_describes_itself(void **state)
{
    (void)state;
    json_t *stat = stat_of(store), *about = json_object_get(stat, "store");
    assert_string_equal(json_string_value(json_object_get(about, "path")), path);
    assert_string_equal(zcx_store_path(store), path);
    assert_string_equal(zcx_store_database(store), "default");
    assert_string_equal(json_string_value(json_object_get(about, "durability")), "none");
    assert_int_equal(strlen(json_string_value(json_object_get(about, "uuid"))), 36);
    assert_int_equal(number(about, "protocol", NULL), 1);
    assert_int_equal(number(about, "budget", NULL), 512 * MIB);
    assert_int_equal(number(about, "map_size", NULL), 2048 * MIB);
    assert_true(number(about, "used", NULL) > 0);
    assert_true(number(about, "created", NULL) > 1.6e9);
    json_t *lmdb = json_object_get(stat, "lmdb");
    const char *const numbers[] = {"page_size", "last_transaction", "oldest_snapshot",
                                   "pages", "readers", "max_readers"};
    for (int i = 0; i < 6; i++)
        assert_true(number(lmdb, numbers[i], NULL) > 0);
    assert_int_equal(number(lmdb, "max_readers", NULL), 1024);
    const char *const events[] = {"slots_created", "recoveries", "commits_rolled_back",
                                  "processes_reaped", "records_expired", "bytes_trimmed"};
    for (int i = 0; i < 6; i++)
        (void)number(stat, "events", events[i], NULL);
    json_decref(stat);
}

static void databases_are_listed(void **state)
{
    (void)state;
    zcx_store *other;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.database = "another one";
    OK(zcx_store_open(&other, path, &options, error));
    put(other, "a", 10, 1);
    put(other, "b", 10, 1);
    json_t *stat = stat_of(store), *one;
    size_t i, seen = 0;
    json_array_foreach(json_object_get(stat, "databases"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (!strcmp(name, "another one") && ++seen) assert_int_equal(number(one, "records", NULL), 2);
        assert_int_not_equal(strncmp(name, "zcx.", 4), 0);
    }
    assert_int_equal(seen, 1);
    json_decref(stat);
    close_store(other);
}

static void slots_are_counted_by_state_and_class(void **state)
{
    (void)state;
    json_t *before = stat_of(store), *stat, *one;
    zcx_loan *loan = lend(store, 1000000);
    put(store, "pub", 2000000, 1);
    put(store, "ret", 3000000, 1);
    OK(zcx_store_delete(store, "ret", 3, error));
    stat = stat_of(store);
    const char *const states[] = {"loaned", "published", "retired"};
    const double bytes[] = {1e6, 2e6, 3e6};
    double slots = number(stat, "slots", "free", "slots", NULL);
    for (int i = 0; i < 3; i++) {
        double more = number(stat, "slots", states[i], "bytes", NULL) -
                      number(before, "slots", states[i], "bytes", NULL);
        assert_int_equal(number(stat, "slots", states[i], "slots", NULL) -
                         number(before, "slots", states[i], "slots", NULL), 1);
        assert_true(more >= bytes[i] && more <= bytes[i] * 1.3);
        assert_int_equal(number(stat, "slots", states[i], "bytes", NULL),
                         number(stat, "slots", states[i], "backed_bytes", NULL));
        slots += number(stat, "slots", states[i], "slots", NULL);
    }
    assert_int_equal(number(stat, "slots", "count", NULL), slots);
    assert_int_equal(number(stat, "slots", "most", NULL), (1 << 20) - 1);
    size_t i;
    double classes = 0, used = number(stat, "store", "used", NULL);
    json_array_foreach(json_object_get(json_object_get(stat, "slots"), "classes"), i, one)
        for (int s = 0; s < 4; s++)
            classes += number(one, s < 3 ? states[s] : "free", NULL);
    assert_int_equal(classes, slots);
    assert_true(used - number(before, "store", "used", NULL) >= 6e6);
    zcx_loan_discard(loan);
    json_decref(stat);
    json_decref(before);
}

static json_t *holder(json_t *stat)
{
    json_t *one;
    size_t i;
    json_array_foreach(json_object_get(stat, "holders"), i, one)
        if ((pid_t)number(one, "pid", NULL) == getpid()) return one;
    fail_msg("this process is not among the holders");
    return NULL;
}

static void holders_are_named(void **state)
{
    (void)state;
    put(store, "v", 2000000, 1);
    zcx_view *views[] = {view_of(store, "v"), view_of(store, "v")};
    zcx_loan *loan = lend(store, 1000000);
    OK(zcx_store_delete(store, "v", 1, error));
    json_t *stat = stat_of(store), *self = holder(stat);
    assert_true(json_is_true(json_object_get(self, "alive")));
    assert_true(json_is_true(json_object_get(self, "self")));
    assert_string_equal(json_string_value(json_object_get(self, "command")), "stat_test");
    assert_true(number(self, "age", NULL) >= 0);
    assert_int_equal(number(self, "loans", NULL), 1);
    assert_true(number(self, "loan_bytes", NULL) >= 1e6);
    assert_true(number(self, "oldest_loan", NULL) >= 0);
    assert_int_equal(number(self, "views", NULL), 2);
    assert_int_equal(number(self, "viewed_slots", NULL), 1);
    assert_true(number(self, "viewed_bytes", NULL) >= 2e6);
    assert_true(number(self, "held_bytes", NULL) >= 2e6); /* deleted: only the views keep it */
    assert_true(number(self, "oldest_held", NULL) >= 0);
    json_decref(stat);
    zcx_view_release(views[0]);
    zcx_view_release(views[1]);
    zcx_loan_discard(loan);
    stat = stat_of(store);
    self = holder(stat);
    assert_int_equal(number(self, "views", NULL), 0);
    assert_int_equal(number(self, "loans", NULL), 0);
    assert_true(json_is_null(json_object_get(self, "oldest_held")));
    json_decref(stat);
}

/* ---- the check ------------------------------------------------------------------------------------------- */

static json_t *check(bool sound)
{
    char *text;
    OK(zcx_store_check(&text, store, error));
    json_t *report = parsed(text);
    if (json_is_true(json_object_get(report, "sound")) != sound)
        fail_msg("%s", json_dumps(report, 0));
    return report;
}

static void a_sound_store_has_no_findings(void **state)
{
    (void)state;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    envelope.flags = ZCX_FLAG_CHECKSUM;
    for (unsigned i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "s%u", i);
        OK(try_put(store, key, i * 200, i, &envelope, error));
    }
    json_t *report = check(true);
    assert_int_equal(json_array_size(json_object_get(report, "findings")), 0);
    assert_true(number(report, "records", NULL) >= 50);
    json_decref(report);
}

static void flip_length(uint8_t *record, size_t size)
{
    (void)size;
    record[16] ^= 1;
}

/* A record that was spoilt is named; so is, once it is gone, the slot that it had. */
static void what_is_unsound_is_named(void **state)
{
    (void)state;
    struct raw raw = {path, "default", map_size_of(store), "s40", 0, flip_length};
    assert_int_equal(exit_status(spawn(raw_edit, &raw)), 0);
    json_t *report = check(false), *one;
    size_t i, named = 0;
    json_array_foreach(json_object_get(report, "findings"), i, one)
    {
        assert_non_null(json_string_value(json_object_get(one, "level")));
        if (strstr(json_string_value(json_object_get(one, "text")), "\"s40\"")) {
            assert_non_null(json_string_value(json_object_get(one, "advice")));
            named++;
        }
    }
    assert_int_equal(named, 1);
    json_decref(report);
    OK(zcx_store_delete(store, "s40", 3, error));
    report = check(false);
    json_array_foreach(json_object_get(report, "findings"), i, one)
    {
        const char *text = json_string_value(json_object_get(one, "text"));
        assert_non_null(strstr(text, "slot"));
        assert_non_null(strstr(text, "no record names it"));
    }
    assert_int_equal(i, 1);
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_describes_itself),
        cmocka_unit_test(databases_are_listed),
        cmocka_unit_test(slots_are_counted_by_state_and_class),
        cmocka_unit_test(holders_are_named),
        cmocka_unit_test(a_sound_store_has_no_findings),
        cmocka_unit_test(what_is_unsound_is_named),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
