/* zcx worker: a plug-in that answers the calls of a queue. */
#include "command.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 256

struct worker {
    struct common common;
    const char *queue, *plugin, *config;
    uint64_t concurrency;
    json_t *configuration;
    bool shared; /* all threads call one instance */
    zcx_worker *handle;
    _Atomic int code; /* of the first thread that cannot go on */
};

struct seat {
    struct worker *worker;
    zcx_calculator *calculator;
    pthread_t thread;
};

static const struct argp_option options[] = {
    {"plugin", 'P', "FILE", 0, "The plug-in: a shared object that exports zcx_plugin", 0},
    {"config", 'c', "JSON", 0, "The calculator's configuration: JSON text, or the path of a file",
     0},
    {"queue", 'q', "NAME", 0, "Take the calls of this queue", 0},
    {"concurrency", 'n', "N", 0, "Answer up to N calls at a time, each in a thread (default: 1)",
     0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct worker *worker = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &worker->common;
        return 0;
    case 'P':
        worker->plugin = argument;
        return 0;
    case 'c':
        worker->config = argument;
        return 0;
    case 'q':
        worker->queue = argument;
        return 0;
    case 'n':
        if (!parse_size(&worker->concurrency, argument) || !worker->concurrency ||
            worker->concurrency > THREADS_MAX)
            argp_error(state, "--concurrency takes a number from 1 to %d, not '%s'", THREADS_MAX,
                       argument);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "worker takes no argument");
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- The configuration ------------------------------------------------------------------------
 */

static int configure(struct worker *worker)
{
    json_t *config = worker->configuration = load_config(&worker->common, worker->config);
    if (!config) return EXIT_USAGE;
    if (!worker->plugin && !json_object_get(config, "plugin"))
        return fail_text(&worker->common, EXIT_USAGE, "--plugin is missing");
    if (worker->queue) json_object_set_new(config, "queue", json_string(worker->queue));
    if (!json_object_get(config, "queue"))
        return fail_text(&worker->common, EXIT_USAGE, "--queue is missing");
    set_default(config, "lmdb_enabled", json_true());
    worker->shared = set_plugin(config, worker->plugin);
    return EXIT_OK;
}

/* Calls come and go through the worker's store, so the calculator needs none. */
static zcx_status open_calculator(zcx_calculator **out, const json_t *config, zcx_error *error)
{
    static const char *const names[] = {"name", "plugin", "type", "options"};
    json_t *part = json_object();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_object_get(config, names[i]))
            json_object_set(part, names[i], json_object_get(config, names[i]));
    char *text = config_text(part);
    zcx_status status = zcx_calculator_open(out, text, error);
    json_decref(part);
    free(text);
    return status;
}

/* The configuration has everything but what is the calculator's. */
static zcx_status open_worker(zcx_worker **out, const json_t *config, zcx_error *error)
{
    json_t *part = json_copy((json_t *)config);
    json_object_del(part, "plugin");
    char *text = config_text(part);
    zcx_status status = zcx_worker_open(out, text, error);
    json_decref(part);
    free(text);
    return status;
}

/* ---- What it says -----------------------------------------------------------------------------
 */

static bool silent(char level)
{
    const char *wanted = getenv("ZCX_LOG");
    return wanted && (!strcmp(wanted, "off") || (level == 'i' && !strcmp(wanted, "warn")));
}

static const char *text_of(const struct worker *worker, const char *name)
{
    const char *text = json_string_value(json_object_get(worker->configuration, name));
    return text ? text : "-";
}

static void say(const struct worker *worker, char level, json_t *event, const char *text)
{
    char *line = worker->common.json ? json_dumps(event, JSON_COMPACT) : NULL;
    if (!silent(level)) fprintf(stderr, "%s%s\n", line ? "" : "zcx: ", line ? line : text);
    free(line);
    json_decref(event);
}

static void say_start(const struct worker *worker)
{
    char text[1024];
    const int pid = getpid(), threads = (int)worker->concurrency;
    snprintf(text, sizeof text,
             "worker %d takes calls of queue '%s': calculator '%s', plug-in %s, %d at a time", pid,
             text_of(worker, "queue"), text_of(worker, "type"), text_of(worker, "plugin"), threads);
    say(worker, 'i',
        json_pack("{ss, si, ss, ss, ss, si}", "event", "started", "pid", pid, "queue",
                  text_of(worker, "queue"), "type", text_of(worker, "type"), "plugin",
                  text_of(worker, "plugin"), "concurrency", threads),
        text);
}

static void say_failure(const struct worker *worker, const zcx_call *call, const zcx_error *error)
{
    char text[1024];
    snprintf(text, sizeof text, "call %s of queue '%s' failed: %s", zcx_call_id(call),
             text_of(worker, "queue"), error->message);
    say(worker, 'w',
        json_pack("{ss, ss, ss, ss, ss}", "event", "failed", "call", zcx_call_id(call), "queue",
                  text_of(worker, "queue"), "status", zcx_status_name(error->status), "error",
                  error->message),
        text);
}

/* ---- Serving ----------------------------------------------------------------------------------
 */

/* What may pass: the store is full, or somebody holds its lock. */
static bool passes(zcx_status status)
{
    return status == ZCX_EFULL || status == ZCX_ETIMEDOUT || status == ZCX_ENOMEM;
}

static void *serve(void *context)
{
    struct seat *seat = context;
    struct worker *worker = seat->worker;
    for (;;) {
        zcx_call *call;
        zcx_error error = ZCX_ERROR_INIT;
        zcx_status status = zcx_worker_take(&call, worker->handle, -1, &error);
        if (status == ZCX_ECLOSED) return NULL;
        if (status) {
            int code = fail(&worker->common, &error), none = EXIT_OK;
            if (passes(status)) {
                nanosleep(&(struct timespec){1, 0}, NULL);
                continue;
            }
            atomic_compare_exchange_strong(&worker->code, &none, code);
            zcx_worker_stop(worker->handle);
            return NULL;
        }
        status = zcx_calculator_call(seat->calculator, call, &error);
        if (status && status != ZCX_ECANCELLED) say_failure(worker, call, &error);
        zcx_call_close(call);
    }
}

static zcx_worker *stoppable; /* a handler has no other way to it */

static void stop(int number)
{
    (void)number;
    zcx_worker_stop(stoppable);
}

static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

/* The signals come to this thread alone: others, a plug-in's too, began with them blocked. */
static void wait_for_the_end(struct worker *worker, struct seat *seats, size_t count)
{
    sigset_t set = stop_signals();
    stoppable = worker->handle;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = stop, .sa_flags = SA_RESETHAND}, NULL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    for (size_t i = 0; i < count; i++)
        pthread_join(seats[i].thread, NULL);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static size_t start(struct worker *worker, struct seat *seats)
{
    size_t count = 0;
    for (; count < worker->concurrency; count++) {
        int problem = pthread_create(&seats[count].thread, NULL, serve, &seats[count]);
        if (!problem) continue;
        worker->code = fail_text(&worker->common, EXIT_SYSTEM, "cannot start thread %zu of %d: %s",
                                 count + 1, (int)worker->concurrency, strerror(problem));
        zcx_worker_stop(worker->handle);
        break;
    }
    return count;
}

static int run(struct worker *worker)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status = open_worker(&worker->handle, worker->configuration, &error);
    struct seat seats[THREADS_MAX] = {0};
    for (size_t i = 0; i < worker->concurrency && !status; i++) {
        seats[i].worker = worker;
        if (worker->shared && i)
            seats[i].calculator = seats[0].calculator;
        else
            status = open_calculator(&seats[i].calculator, worker->configuration, &error);
    }
    if (status) {
        worker->code = fail(&worker->common, &error);
    } else {
        say_start(worker);
        wait_for_the_end(worker, seats, start(worker, seats));
    }
    for (size_t i = 0; i < worker->concurrency; i++)
        if (!worker->shared || !i) (void)zcx_calculator_close(seats[i].calculator, NULL);
    (void)zcx_worker_close(worker->handle, NULL);
    return worker->code;
}

int command_worker(int argc, char **argv)
{
    const struct argp argp = {
        options,
        parse_option,
        "--plugin=FILE --queue=NAME",
        "Answer the calls of a queue with a plug-in, until SIGTERM or SIGINT: then what is begun "
        "is "
        "finished, and nothing more is taken; a second SIGINT ends it at once. A call that fails "
        "is "
        "answered with its error, and noted on standard error (ZCX_LOG=off: not).",
        common_children,
        NULL,
        NULL};
    struct worker worker = {.concurrency = 1};
    sigset_t set = stop_signals();
    parse(&argp, argc, argv, &worker);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int code = configure(&worker);
    if (!code) code = run(&worker);
    json_decref(worker.configuration);
    return code;
}
