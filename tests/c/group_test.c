/* A store that a group shares, because each of its users asked for that by name: two members work in
 * it as one user's processes would, and nobody else gets in. As real users. */
#include "people.h"

#include "store.h"

#include <time.h>

#define PATH "/dev/shm/shared"
#define NUMBER "60010"

/* ---- what it is ------------------------------------------------------------------------------------------ */

static zcx_store *open_shared(void)
{
    zcx_store *store = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.group = NUMBER;
    options.budget = 16 * MIB;
    if (zcx_store_open(&store, PATH, &options, &error)) {
        fprintf(stderr, "user %u: %s\n", geteuid(), error.message);
        _exit(1);
    }
    return store;
}

static bool has(zcx_store *store, const char *key, uint64_t length, unsigned seed)
{
    zcx_view *view;
    if (zcx_store_view(&view, store, key, strlen(key), NULL)) return false;
    bool whole = zcx_view_length(view) == length && filled(zcx_view_data(view), length, seed);
    zcx_view_release(view);
    return whole;
}

static int make_shared(void *context)
{
    static const char *const names[] = {".", "data.mdb", "lock.mdb", "board", "open.lock",
                                        "store.json"};
    mode_t mask = *(mode_t *)context;
    umask(mask);
    zcx_store *store = open_shared();
    CHILD_EXPECTS(!try_put(store, "hers", 100000, 1, NULL, NULL));
    CHILD_EXPECTS(!try_put(store, "small", 100, 2, NULL, NULL));
    char *text;
    CHILD_EXPECTS(!zcx_store_stat(&text, store, NULL) && strstr(text, "\"gid\":" NUMBER));
    zcx_free(text);
    for (int i = 0; i < 6; i++) {
        char name[64];
        struct stat about;
        snprintf(name, sizeof name, PATH "/%s", names[i]);
        CHILD_EXPECTS(!stat(name, &about) && about.st_gid == TEAM && about.st_uid == alice.uid);
        CHILD_EXPECTS((about.st_mode & 07777) == (i ? 0660 : 02770));
    }
    return zcx_store_close(store, NULL);
}

static int use_hers(void *context)
{
    (void)context;
    zcx_store *store = open_shared();
    CHILD_EXPECTS(has(store, "hers", 100000, 1) && has(store, "small", 100, 2));
    CHILD_EXPECTS(!try_put(store, "hers", 200000, 3, NULL, NULL) && !del(store, "small"));
    CHILD_EXPECTS(!try_put(store, "his", 3000000, 4, NULL, NULL));
    CHILD_EXPECTS(!zcx_store_sweep(NULL, store, ZCX_SWEEP_TRIM, NULL));
    return zcx_store_close(store, NULL);
}

static int use_his(void *context)
{
    (void)context;
    zcx_store *store = open_shared();
    CHILD_EXPECTS(has(store, "hers", 200000, 3) && has(store, "his", 3000000, 4));
    CHILD_EXPECTS(status_at(store, "small") == ZCX_ENOTFOUND);
    return zcx_store_close(store, NULL);
}

static int be_refused(void *context)
{
    (void)context;
    CHILD_EXPECTS(refuses(PATH, NUMBER, ZCX_EACCES, "no member of group '" NUMBER "'"));
    CHILD_EXPECTS(refuses(PATH, NULL, ZCX_EACCES, "60001")); /* and whose it is */
    CHILD_EXPECTS(open(PATH "/data.mdb", O_RDONLY) < 0 && open(PATH, O_RDONLY) < 0);
    return 0;
}

static int forget_to_ask(void *context)
{
    (void)context;
    CHILD_EXPECTS(refuses(PATH, NULL, ZCX_EACCES, "group " NUMBER));
    CHILD_EXPECTS(refuses(PATH, "60099", ZCX_EACCES, "60099"));
    CHILD_EXPECTS(refuses(PATH, "no such group", ZCX_EINVAL, "no such group"));
    CHILD_EXPECTS(refuses(PATH, "4294967295", ZCX_EINVAL, "4294967295"));
    return 0;
}

static void members_share_it_and_others_are_refused(void **state)
{
    (void)state;
    const mode_t masks[] = {0, 077, 0777};
    for (int i = 0; i < 3; i++) {
        as(&alice, make_shared, (void *)&masks[i]);
        as(&bob, use_hers, NULL);
        as(&alice, use_his, NULL);
        as(&mallory, be_refused, NULL);
        as(&bob, forget_to_ask, NULL);
        as(&alice, forget_to_ask, NULL); /* it is her own: she asks, too */
        zcx_error error; /* root is no member */
        assert_int_equal(try_open_shared(PATH, NUMBER, &error), ZCX_EACCES);
        assert_non_null(strstr(error.message, "user 0 is no member"));
        assert_int_equal(system("rm -r " PATH), 0);
    }
}

/* ---- what is not shared just so ----------------------------------------------------------------------------- */

static int ask_in_vain(void *word)
{
    CHILD_EXPECTS(refuses(PATH, NUMBER, ZCX_EACCES, word));
    return 0;
}

static int open_alone(void *context)
{
    zcx_error error;
    (void)context;
    CHILD_EXPECTS(!try_open_shared(PATH, NULL, &error));
    return 0;
}

static int find_it_changed(void *context)
{
    (void)context;
    CHILD_EXPECTS(refuses(PATH, NULL, ZCX_EACCES, "created for group " NUMBER));
    return 0;
}

static void a_store_is_shared_from_its_creation_on_or_never(void **state)
{
    (void)state;
    const mode_t mask = 022;
    const mode_t modes[] = {0700, 0770, 0777, 02775, 02777, 03770};
    as(&alice, open_alone, NULL);
    as(&alice, ask_in_vain, "chmod 2770");
    as(&bob, ask_in_vain, "belongs to user 60001");
    assert_int_equal(chown(PATH, alice.uid, TEAM) | chmod(PATH, 02770), 0);
    as(&bob, ask_in_vain, "open.lock"); /* its files are not */
    assert_int_equal(system("rm -r " PATH), 0);
    as(&alice, make_shared, (void *)&mask);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(chmod(PATH, modes[i]), 0);
        as(&alice, ask_in_vain, "chmod 2770");
    }
    assert_int_equal(chmod(PATH, 0700) | system("chmod 600 " PATH "/*"), 0);
    as(&alice, find_it_changed, NULL);
}

static int ask_by_name(void *context)
{
    zcx_error error;
    (void)context;
    CHILD_EXPECTS(!try_open_shared(PATH, "founders", &error));
    return 0;
}

static void a_group_has_a_name(void **state)
{
    (void)state;
    FILE *file = fopen("/dev/shm/group", "w");
    fputs("founders:x:" NUMBER ":\n", file);
    fclose(file);
    assert_int_equal(chmod("/dev/shm/group", 0644), 0);
    assert_int_equal(mount("/dev/shm/group", "/etc/group", NULL, MS_BIND, NULL), 0);
    as(&alice, ask_by_name, NULL);
    as(&bob, ask_by_name, NULL);
    assert_int_equal(umount("/etc/group"), 0);
}

/* ---- across two users ------------------------------------------------------------------------------------------ */

static int open_at_once(void *start)
{
    struct timespec now, *when = start;
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec < when->tv_sec || (now.tv_sec == when->tv_sec && now.tv_nsec < when->tv_nsec));
    zcx_store *store = open_shared();
    CHILD_EXPECTS(!try_put(store, geteuid() == alice.uid ? "hers" : "his", 5000, 1, NULL, NULL));
    return zcx_store_close(store, NULL);
}

static void both_may_come_first(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct timespec start;
        clock_gettime(CLOCK_MONOTONIC, &start);
        start.tv_nsec += 5000000;
        if (start.tv_nsec >= 1000000000) start.tv_sec++, start.tv_nsec -= 1000000000;
        pid_t one = start_as(&alice, open_at_once, &start);
        pid_t other = start_as(&bob, open_at_once, &start);
        assert_int_equal(exit_status(one) | exit_status(other), 0);
        assert_int_equal(system("rm -r " PATH), 0);
    }
}

static int die_in_the_lock(void *context)
{
    (void)context;
    zcx_store *store = open_shared();
    zcx_loan *loan;
    CHILD_EXPECTS(!zcx_store_loan(&loan, store, 8 * MIB, 0, NULL));
    CHILD_EXPECTS(!zcxi_env_lock(store->env, NULL));
    raise(SIGKILL);
    return 0;
}

static int ready[2], go[2];

static int survive(void *context)
{
    char byte = 0;
    (void)context;
    zcx_store *store = open_shared();
    CHILD_EXPECTS(write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1);
    CHILD_EXPECTS(!try_put(store, "on", 100000, 5, NULL, NULL)); /* the lock of one who died */
    CHILD_EXPECTS(!try_put(store, "large", 9 * MIB, 6, NULL, NULL)); /* its room, too */
    CHILD_EXPECTS(has(store, "on", 100000, 5) && has(store, "large", 9 * MIB, 6));
    CHILD_EXPECTS(!del(store, "on") && !del(store, "large"));
    return zcx_store_close(store, NULL);
}

static void one_goes_on_where_the_other_died(void **state)
{
    (void)state;
    const struct person *const people[] = {&alice, &bob, &alice};
    assert_int_equal(pipe(ready) | pipe(go), 0);
    for (int i = 0; i < 2; i++) {
        char byte = 0;
        pid_t survivor = start_as(people[i], survive, NULL);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(exit_status(start_as(people[i + 1], die_in_the_lock, NULL)), 128 + SIGKILL);
        assert_int_equal(write(go[1], &byte, 1), 1);
        assert_int_equal(exit_status(survivor), 0);
    }
}

static int wait_for_ready(void *context)
{
    zcx_view *view;
    (void)context;
    zcx_store *store = open_shared();
    CHILD_EXPECTS(!zcx_store_put(store, "ready", 5, "x", 1, NULL, NULL, NULL));
    CHILD_EXPECTS(!zcx_store_wait(&view, store, "go", 2, 0, 30000, NULL));
    zcx_view_release(view);
    return zcx_store_close(store, NULL);
}

static int wake(void *context)
{
    zcx_view *view;
    (void)context;
    zcx_store *store = open_shared();
    CHILD_EXPECTS(!zcx_store_wait(&view, store, "ready", 5, 0, 30000, NULL));
    zcx_view_release(view);
    CHILD_EXPECTS(!zcx_store_put(store, "go", 2, "x", 1, NULL, NULL, NULL));
    return zcx_store_close(store, NULL);
}

static void each_wakes_the_other(void **state)
{
    (void)state;
    pid_t one = start_as(&alice, wait_for_ready, NULL), other = start_as(&bob, wake, NULL);
    assert_int_equal(exit_status(one) | exit_status(other), 0);
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

#define CONFIG(queue)                                                                              \
    "{\"name\": \"echo\", \"queue\": \"" queue "\", \"lmdb_enabled\": true, \"lmdb_db_path\": "   \
    "\"" PATH "\", \"lmdb_db_group\": \"" NUMBER "\", \"lmdb_map_size\": 16777216}"

static int serve_two(void *context)
{
    zcx_worker *worker;
    zcx_call *call;
    const void *data;
    void *out;
    uint64_t length;
    (void)context;
    CHILD_EXPECTS(!zcx_worker_open(&worker, CONFIG("q"), NULL));
    CHILD_EXPECTS(!zcx_worker_take(&call, worker, 30000, NULL));
    CHILD_EXPECTS(!zcx_call_read(&data, &length, NULL, call, NULL));
    CHILD_EXPECTS(!zcx_call_output(&out, call, length, NULL));
    memcpy(out, data, length);
    CHILD_EXPECTS(!zcx_call_answer(call, length, NULL, NULL));
    zcx_call_close(call);
    CHILD_EXPECTS(!zcx_worker_take(&call, worker, 30000, NULL));
    zcx_call_fail(call, "no more", NULL);
    zcx_call_close(call);
    return zcx_worker_close(worker, NULL);
}

static zcx_status call_once(zcx_calculator *calculator, zcx_error *error)
{
    zcx_call *call;
    const void *result;
    void *data;
    uint64_t length;
    CHILD_EXPECTS(!zcx_call_open(&call, zcx_calculator_exchange(calculator), NULL));
    CHILD_EXPECTS(!zcx_call_input(&data, call, 100000, NULL));
    fill(data, 100000, 7);
    CHILD_EXPECTS(!zcx_call_submit(call, 100000, NULL, NULL));
    zcx_status status = zcx_calculator_call(calculator, call, error);
    if (!status) {
        CHILD_EXPECTS(!zcx_call_result(&result, &length, NULL, call, NULL));
        CHILD_EXPECTS(length == 100000 && filled(result, length, 7));
    }
    zcx_call_close(call);
    return status;
}

static int call_twice(void *context)
{
    zcx_calculator *calculator;
    zcx_error error = ZCX_ERROR_INIT;
    (void)context;
    CHILD_EXPECTS(!zcx_calculator_open(&calculator, CONFIG("q"), NULL));
    CHILD_EXPECTS(!call_once(calculator, &error));
    CHILD_EXPECTS(call_once(calculator, &error) == ZCX_EFAILED && strstr(error.message, "no more"));
    return zcx_calculator_close(calculator, NULL);
}

static void one_calls_and_the_other_answers(void **state)
{
    (void)state;
    pid_t worker = start_as(&bob, serve_two, NULL);
    as(&alice, call_twice, NULL);
    assert_int_equal(exit_status(worker), 0);
}

int main(void)
{
    if (!have_world()) return 77;
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, end_world)
    const struct CMUnitTest tests[] = {
        TEST(members_share_it_and_others_are_refused),
        TEST(a_store_is_shared_from_its_creation_on_or_never),
        TEST(a_group_has_a_name),
        TEST(both_may_come_first),
        TEST(one_goes_on_where_the_other_died),
        TEST(each_wakes_the_other),
        TEST(one_calls_and_the_other_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
