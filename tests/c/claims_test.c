/* Requests and claims that others left: the dead, the late, the forked and the strange. */
#include "queues.h"

/* ---- claims ---------------------------------------------------------------------------------------------- */

static uint32_t claims_in_use(const struct zcxi_env *env)
{
    return atomic_load(&env->board.header->claims);
}

static void a_request_is_claimed_once(void **state)
{
    (void)state;
    uint8_t *value;
    size_t size;
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    zcx_call *call = submit(calculator, 100);
    OK(zcx_calculator_send(calculator, call, error));
    struct zcxi_ticket ticket = {"doubles", 0}, other = ticket;
    OK(zcxi_queue_claim(store->env, &ticket, &value, &size, error));
    free(value);
    assert_int_equal(zcxi_queue_claim(store->env, &other, &value, &size, NULL), ZCX_ENOTFOUND);
    zcxi_queue_give_back(store->env, &ticket);
    OK(zcxi_queue_claim(store->env, &other, &value, &size, error));
    free(value);
    assert_int_equal(other.sequence, ticket.sequence);
    assert_int_equal(claims_in_use(store->env), 1);
    OK(zcx_call_cancel(call, error)); /* with its claim */
    assert_int_equal(claims_in_use(store->env), 0);
    zcx_call_close(call);
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

static void claims_have_a_limit(void **state)
{
    (void)state;
    uint8_t *value;
    size_t size;
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    struct zcxi_env *env = store->env;
    zcx_call *call = submit(calculator, 100);
    OK(zcx_calculator_send(calculator, call, error));
    OK(zcxi_env_lock(env, error));
    for (uint64_t i = 1; i <= ZCXI_CLAIMS; i++)
        OK(zcxi_claim_enter(env, i << 32, error));
    zcxi_env_unlock(env);
    struct zcxi_ticket ticket = {"doubles", 0};
    FAILS(ZCX_ELIMIT, zcxi_queue_claim(env, &ticket, &value, &size, error), "4096", path);
    OK(zcxi_env_lock(env, error));
    for (uint32_t i = 0; i < ZCXI_CLAIMS; i++)
        zcxi_claim_clear(&env->board, i);
    zcxi_env_unlock(env);
    assert_int_equal(claims_in_use(env), 0);
    OK(zcx_call_cancel(call, error));
    zcx_call_close(call);
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

static int claim_nothing_and_die(void *context)
{
    (void)context;
    zcx_store *store = open_here();
    MUST(zcxi_env_lock(store->env, error));
    for (uint64_t i = 1; i <= 100; i++)
        MUST(zcxi_claim_enter(store->env, i << 32, error));
    zcxi_env_unlock(store->env);
    raise(SIGKILL);
    return 0;
}

static void claims_without_a_request_are_swept(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    assert_int_equal(exit_status(spawn(claim_nothing_and_die, NULL)), 128 + SIGKILL);
    assert_int_equal(claims_in_use(store->env), 100);
    OK(zcx_store_sweep(NULL, store, 0, error));
    assert_int_equal(claims_in_use(store->env), 0);
    OK(zcx_store_close(store, error));
}

static int claim_and_die(void *context)
{
    (void)context;
    uint8_t *value;
    size_t size;
    zcx_store *store = open_here();
    struct zcxi_ticket ticket = {"doubles", 0};
    MUST(zcxi_queue_claim(store->env, &ticket, &value, &size, error));
    raise(SIGKILL);
    return 0;
}

static int send_one_and_die(void *context)
{
    (void)context;
    zcx_calculator *calculator = open_calculator("");
    zcx_call *call = submit(calculator, 100);
    MUST(zcx_calculator_send(calculator, call, error));
    raise(SIGKILL);
    return 0;
}

/* A claim lies in the board: where that is lost, so is the claim, and the request is nobody's. */
static void a_lost_board_has_no_claims(void **state)
{
    (void)state;
    char board[300];
    uint8_t *value;
    size_t size;
    snprintf(board, sizeof board, "%s/board", path);
    assert_int_equal(exit_status(spawn(send_one_and_die, NULL)), 128 + SIGKILL);
    assert_int_equal(exit_status(spawn(claim_and_die, NULL)), 128 + SIGKILL);
    assert_int_equal(unlink(board), 0);
    zcx_store *store = open_here();
    struct zcxi_ticket ticket = {"doubles", 0};
    OK(zcxi_queue_claim(store->env, &ticket, &value, &size, error));
    free(value);
    struct zcxi_ending ending = {.ticket = ticket, .ours = true};
    OK(zcxi_transact(store->env, &(struct zcxi_need){.changes = 1}, zcxi_queue_end, &ending, error));
    assert_int_equal(claims_in_use(store->env), 0);
    OK(zcx_store_close(store, error));
    assert_nothing_left();
}

/* ---- what others left ------------------------------------------------------------------------------------- */

static void a_chained_input_is_the_one_that_was_given(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    zcx_view *view;
    zcx_call *call;
    OK(zcx_store_put(store, "mine", 4, "old", 3, NULL, NULL, error));
    OK(zcx_store_view(&view, store, "mine", 4, error));
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    OK(zcx_call_input_view(call, view, error));
    OK(zcx_calculator_send(calculator, call, error));
    OK(zcx_store_put(store, "mine", 4, "new", 3, NULL, NULL, error));
    pid_t worker = start_worker(DOUBLES);
    FAILS(ZCX_EDELETED, zcx_call_wait(call, 5000, error), "mine", "overwritten");
    zcx_call_close(call);
    zcx_view_release(view);
    OK(zcx_store_delete(store, "mine", 4, error));

    /* An input that was overwritten before it was sent goes as a copy. */
    static uint8_t bytes[5000];
    OK(zcx_store_put(store, "mine", 4, bytes, sizeof bytes, NULL, NULL, error));
    OK(zcx_store_view(&view, store, "mine", 4, error));
    OK(zcx_store_put(store, "mine", 4, "new", 3, NULL, NULL, error));
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    OK(zcx_call_input_view(call, view, error));
    OK(zcx_calculator_call(calculator, call, error));
    zcx_call_close(call);
    zcx_view_release(view);
    OK(zcx_store_delete(store, "mine", 4, error));

    zcx_call *first = submit(calculator, 5000); /* released before the second one is answered */
    zcx_reference *reference;
    OK(zcx_calculator_call(calculator, first, error));
    OK(zcx_call_result_reference(&reference, first, error));
    OK(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
    OK(zcx_call_input_reference(call, reference, error));
    zcx_reference_free(reference);
    zcx_call_close(first);
    OK(zcx_calculator_call(calculator, call, error));
    zcx_call_close(call);
    end_worker(worker);
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

/* Takes a request, forks a child that closes it, and answers it itself. */
static int serve_and_fork(void *context)
{
    (void)context;
    zcx_worker *worker;
    zcx_call *call;
    MUST(zcx_worker_open(&worker, config_of(""), error));
    MUST(zcx_worker_take(&call, worker, -1, error));
    pid_t child = fork();
    if (child == 0) {
        zcx_error failure = ZCX_ERROR_INIT;
        zcx_call_close(call);
        zcx_worker_stop(worker);
        _exit(zcx_worker_take(&call, worker, -1, &failure) != ZCX_EFORK);
    }
    if (exit_status(child)) complain("the child did not get ZCX_EFORK");
    answer(call, DOUBLES);
    zcx_call_close(call);
    MUST(zcx_worker_close(worker, error));
    return 0;
}

static void a_forked_child_answers_nothing(void **state)
{
    (void)state;
    zcx_calculator *calculator = open_calculator("");
    pid_t worker = spawn(serve_and_fork, NULL);
    zcx_call *call = submit(calculator, 100);
    OK(zcx_calculator_call(calculator, call, error));
    assert_doubled(call, 100);
    zcx_call_close(call);
    if (exit_status(worker)) fail_msg("%s", child_report);
    close_all(calculator);
}

static void a_long_failure_fits_a_full_store(void **state)
{
    (void)state;
    static char trace[20000];
    memset(trace, 'x', sizeof trace - 1);
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    zcx_worker *worker;
    zcx_call *call = submit(calculator, 100), *taken;
    OK(zcx_calculator_send(calculator, call, error));
    OK(zcx_worker_open(&worker, config_of(""), error));
    OK(zcx_worker_take(&taken, worker, 1000, error));
    static const uint64_t sizes[] = {4000000, 100000, 4000, 100};
    unsigned number = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (;; number++) {
            char key[16];
            int length = snprintf(key, sizeof key, "f%u", number);
            static uint8_t data[4000000];
            zcx_status status = zcx_store_put(store, key, (size_t)length, data, sizes[i], NULL, NULL, NULL);
            if (status == ZCX_EFULL) break;
            assert_int_equal(status, ZCX_OK);
        }
    zcx_call_fail(taken, "it is too much", trace);
    zcx_call_close(taken);
    FAILS(ZCX_EFAILED, zcx_call_wait(call, 5000, error), "it is too much");
    zcx_call_close(call);
    OK(zcx_worker_close(worker, error));
    while (number--) {
        char key[16];
        int length = snprintf(key, sizeof key, "f%u", number);
        OK(zcx_store_delete(store, key, (size_t)length, error));
    }
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

struct entry {
    const void *key, *value;
    size_t key_length, length;
};

static zcx_status put_entry(struct zcxi_env *env, MDB_txn *transaction, void *context, zcx_error *error)
{
    const struct entry *entry = context;
    MDB_val key = {entry->key_length, (void *)entry->key}, value = {entry->length, (void *)entry->value};
    int result = entry->value ? mdb_put(transaction, env->queue_db, &key, &value, 0)
                              : mdb_del(transaction, env->queue_db, &key, NULL);
    return result ? zcxi_fail_lmdb(error, result, "entry") : ZCX_OK;
}

/* Keys that are none, requests without a reference and claims of nobody, before a real request. */
static void strange_entries_are_passed_over(void **state)
{
    (void)state;
    static uint8_t large[100000];
    zcx_calculator *calculator = open_calculator("");
    zcx_store *store = open_here();
    struct zcxi_env *env = store->env;
    const struct zcxi_need need = {.changes = 1, .pages = 0, .bytes = sizeof large};
    const struct zcxi_request lost = {.magic = ZCXI_REQUEST_MAGIC, .version = 1, .attempts = 3};
    const struct zcxi_request huge = {.magic = ZCXI_REQUEST_MAGIC, .version = 1};
    memcpy(large, &huge, sizeof huge);
    struct entry entries[] = {
        {"doubles\0\0\0\0\0\0\0\0\0\0", "x", 18, 1},
        {"doubles\0\0\0\0\0\0\0\0\1", &lost, 16, sizeof lost},
        {"doubles\0\0\0\0\0\0\0\0\2", large, 16, sizeof large},
    };
    for (int i = 0; i < 3; i++)
        OK(zcxi_transact(env, &need, put_entry, &entries[i], error));
    zcx_call *call = submit(calculator, 100);
    OK(zcx_calculator_send(calculator, call, error));
    int taken = atomic_load(&shared->taken);
    pid_t worker = start_worker(HANGS);
    await(&shared->taken, taken + 1);
    end_worker(worker);
    worker = start_worker(DOUBLES);
    OK(zcx_call_wait(call, 5000, error));
    assert_doubled(call, 100);
    zcx_call_close(call);
    end_worker(worker);
    for (int i = 0; i < 3; i++) {
        entries[i].value = NULL;
        (void)zcxi_transact(env, &need, put_entry, &entries[i], NULL); /* revive removed one */
    }
    OK(zcx_store_close(store, error));
    close_all(calculator);
}

/* More than a pass looks after, each offered again after a death, and now past its deadline. */
static void late_requests_that_were_claimed_once_are_swept(void **state)
{
    (void)state;
    zcx_store *store = open_here();
    const struct zcxi_need need = {.changes = 1, .bytes = 100};
    const struct zcxi_request late = {.magic = ZCXI_REQUEST_MAGIC, .version = 1, .attempts = 1,
                                      .deadline = 1};
    char key[] = "doubles\0\0\0\0\0\0\0\0\0";
    for (char i = 1; i <= 40; i++) {
        key[15] = i;
        OK(zcxi_transact(store->env, &need, put_entry, &(struct entry){key, &late, 16, sizeof late},
                         error));
    }
    alarm(60); /* a sweep that finds them again and again would not end */
    OK(zcx_store_sweep(NULL, store, 0, error));
    alarm(0);
    OK(zcx_store_close(store, error));
    assert_nothing_left();
}

static int send_and_die(void *context)
{
    (void)context;
    zcx_calculator *calculator = NULL;
    MUST(zcx_calculator_open(&calculator, config_of(", \"lmdb_wait_timeout\": 1, \"lmdb_ttl\": 0"), error));
    for (int i = 0; i < 20; i++) {
        zcx_call *call;
        void *data;
        MUST(zcx_call_open(&call, zcx_calculator_exchange(calculator), error));
        MUST(zcx_call_input(&data, call, 5000, error));
        MUST(zcx_call_submit(call, 5000, NULL, error));
    }
    raise(SIGKILL);
    return 0;
}

static void requests_of_the_dead_are_swept(void **state)
{
    (void)state;
    assert_int_equal(exit_status(spawn(send_and_die, NULL)), 128 + SIGKILL);
    usleep(5000); /* their millisecond to wait is over */
    assert_nothing_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_claimed_once),
        cmocka_unit_test(claims_have_a_limit),
        cmocka_unit_test(a_lost_board_has_no_claims),
        cmocka_unit_test(claims_without_a_request_are_swept),
        cmocka_unit_test(a_chained_input_is_the_one_that_was_given),
        cmocka_unit_test(a_forked_child_answers_nothing),
        cmocka_unit_test(strange_entries_are_passed_over),
        cmocka_unit_test(late_requests_that_were_claimed_once_are_swept),
        cmocka_unit_test(requests_of_the_dead_are_swept),
        cmocka_unit_test(a_long_failure_fits_a_full_store), /* last: small records fill the tree for good */
    };
    return run_in_directory(tests, sizeof tests / sizeof *tests);
}
