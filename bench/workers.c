/* What a call to a worker in another process costs, beside a ping-pong of one byte over two pipes:
 * once with both sides asleep, once one after the other. */
#include "bench.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define ROUNDS 401
#define WARM 10 /* the last of them is hot */
#define PAUSE 400 /* µs: everybody sleeps again */

static char config[600];

/* Answers with a payload of the input's size, of which it writes one byte: the rest is not ours to
 * measure. */
static void serve(void)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_worker *worker;
    zcx_call *call;
    check(zcx_worker_open(&worker, config, &error), &error);
    for (;;) {
        const void *in;
        void *out;
        uint64_t length;
        check(zcx_worker_take(&call, worker, -1, &error), &error);
        check(zcx_call_read(&in, &length, NULL, call, &error), &error);
        check(zcx_call_output(&out, call, length, &error), &error);
        *(char *)out = *(const char *)in;
        check(zcx_call_answer(call, length, NULL, &error), &error);
        zcx_call_close(call);
    }
}

static int to_peer[2], from_peer[2];

static void echo(void)
{
    char byte;
    while (read(to_peer[0], &byte, 1) == 1)
        if (write(from_peer[1], &byte, 1) != 1) break;
}

static pid_t start(void (*work)(void))
{
    pid_t child = fork();
    if (child) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    _exit(0);
}

static double ping_pong(void)
{
    char byte = 1;
    double start = now();
    if (write(to_peer[1], &byte, 1) != 1 || read(from_peer[0], &byte, 1) != 1) exit(1);
    return now() - start;
}

static double call_once(zcx_calculator *calculator, uint64_t size)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_call *call;
    void *in;
    const void *out;
    uint64_t length;
    double start = now();
    check(zcx_call_open(&call, zcx_calculator_exchange(calculator), &error), &error);
    check(zcx_call_input(&in, call, size, &error), &error);
    *(char *)in = 1;
    check(zcx_call_submit(call, size, NULL, &error), &error);
    check(zcx_calculator_call(calculator, call, &error), &error);
    check(zcx_call_result(&out, &length, NULL, call, &error), &error);
    double spent = now() - start;
    zcx_call_close(call);
    return spent;
}

int main(void)
{
    static double asleep[ROUNDS], pipes_asleep[ROUNDS], hot[ROUNDS], pipes_hot[ROUNDS],
        large[ROUNDS];
    zcx_error error = ZCX_ERROR_INIT;
    zcx_calculator *calculator;
    make_directory();
    snprintf(config, sizeof config,
             "{\"name\": \"echo\", \"queue\": \"echoes\", \"lmdb_enabled\": true, "
             "\"lmdb_db_path\": \"%s/workers\", \"lmdb_map_size\": 2000000000}", directory);
    if (pipe(to_peer) || pipe(from_peer)) return 1;
    pid_t children[2] = {start(echo), start(serve)};
    check(zcx_calculator_open(&calculator, config, &error), &error);
    for (int i = 0; i < 50; i++) {
        call_once(calculator, 4000);
        call_once(calculator, 100000000);
    }
    for (int i = 0; i < ROUNDS; i++) {
        usleep(PAUSE);
        pipes_asleep[i] = ping_pong();
        usleep(PAUSE);
        asleep[i] = call_once(calculator, 4000);
        for (int j = 0; j < WARM; j++)
            pipes_hot[i] = ping_pong();
        for (int j = 0; j < WARM; j++)
            hot[i] = call_once(calculator, 4000);
        for (int j = 0; j < WARM; j++)
            large[i] = call_once(calculator, 100000000);
    }
    double hot_call = median(hot, ROUNDS);
    report("call to a worker that sleeps, 4 KB", median(asleep, ROUNDS) / 1000, "µs",
           "ping-pong over pipes, both asleep", median(pipes_asleep, ROUNDS) / 1000, 1.3);
    report("call to a hot worker, 4 KB", hot_call / 1000, "µs", "ping-pong over pipes",
           median(pipes_hot, ROUNDS) / 1000, 0.3);
    report("call to a hot worker, 100 MB", median(large, ROUNDS) / 1000, "µs", "the same, 4 KB",
           hot_call / 1000, 1.1);
    for (int i = 0; i < 2; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    (void)zcx_calculator_close(calculator, NULL);
    return 0;
}
