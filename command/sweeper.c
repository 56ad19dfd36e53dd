/* zcx sweep --every, a program of its own (libraries that serve HTTP would make every start of
 * `zcx` slower): sweeps until a signal comes. It waits for the store when there is none, and opens
 * it anew when it was removed. */
#include "command.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct daemon {
    struct sweeper *sweeper;
    pthread_mutex_t mutex; /* of `store`, when it comes and goes, and while metrics are read */
    zcx_store *store;
    struct server *server;
    sigset_t signals;
    bool stopped;
    zcx_status said; /* what was logged last: a failure that stays is told once */
};

static void say(const struct daemon *daemon, const char *what)
{
    const char *name = daemon->server ? server_name(daemon->server) : NULL;
    if (!daemon->sweeper->common.json)
        fprintf(stderr, "zcx: %s%s%s\n", what, name ? "; metrics at " : "", name ? name : "");
}

static void say_sweeping(const struct daemon *daemon)
{
    char text[1024], every[TEXT_SIZE];
    int64_t ms = daemon->sweeper->options.every_ms;
    snprintf(text, sizeof text, "sweeping %s every %s", zcx_store_path(daemon->store),
             span_text(every, (uint64_t)ms * 1000000, false));
    say(daemon, text);
}

/* A failure, once as long as it is the same. Returns its exit code. */
static int complain(struct daemon *daemon, const zcx_error *error)
{
    bool said = daemon->said == error->status;
    daemon->said = error->status;
    return said ? exit_code_of(error->status) : fail(&daemon->sweeper->common, error);
}

/* Lets time pass. False: a signal says to stop. */
static bool rest(void *context, uint64_t ns)
{
    struct daemon *daemon = context;
    const struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    while (!daemon->stopped) {
        if (sigtimedwait(&daemon->signals, NULL, &time) >= 0)
            daemon->stopped = true;
        else if (errno == EAGAIN)
            break;
    }
    return !daemon->stopped;
}

static char *page(void *context)
{
    struct daemon *daemon = context;
    char *stat = NULL;
    pthread_mutex_lock(&daemon->mutex);
    if (daemon->store && zcx_store_stat(&stat, daemon->store, NULL)) stat = NULL;
    pthread_mutex_unlock(&daemon->mutex);
    char *text = metrics_text(stat);
    zcx_free(stat);
    return text;
}

static void set_store(struct daemon *daemon, zcx_store *store)
{
    pthread_mutex_lock(&daemon->mutex);
    if (daemon->store) close_store(daemon->store);
    daemon->store = store;
    pthread_mutex_unlock(&daemon->mutex);
}

/* What may pass: there is no store yet, it was removed just now, others are opening it, it is full.
 */
static bool passes(zcx_status status)
{
    return status == ZCX_ENOTFOUND || status == ZCX_ESTALE || status == ZCX_EBUSY ||
           status == ZCX_ETIMEDOUT || status == ZCX_EFULL || status == ZCX_ELIMIT;
}

/* Returns an exit code: of what will not pass. */
static int open_again(struct daemon *daemon)
{
    const struct common *common = &daemon->sweeper->common;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store;
    options.flags = ZCX_OPEN_EXISTING;
    options.database = common->database;
    options.group = common->group;
    options.lock_timeout_ms = common->lock_ms;
    zcx_status status = zcx_store_open(&store, common->path, &options, &error);
    if (!status) {
        set_store(daemon, store);
        daemon->said = ZCX_OK;
        say_sweeping(daemon);
        return EXIT_OK;
    }
    bool first = daemon->said != status;
    int code = complain(daemon, &error);
    if (first && passes(status)) say(daemon, "waiting for the store");
    return passes(status) ? EXIT_OK : code;
}

static void sweep(struct daemon *daemon)
{
    char *text = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    bool json = daemon->sweeper->common.json;
    zcx_status status =
        zcx_store_sweep_by(json ? &text : NULL, daemon->store, &daemon->sweeper->options, &error);
    if (status) {
        complain(daemon, &error);
    } else if (daemon->said) {
        daemon->said = ZCX_OK;
        say_sweeping(daemon);
    }
    if (text) puts(text);
    if (text) fflush(stdout);
    zcx_free(text);
    if (status == ZCX_ESTALE) set_store(daemon, NULL);
}

static uint64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int run(struct daemon *daemon)
{
    const uint64_t every = (uint64_t)daemon->sweeper->options.every_ms * 1000000;
    int code = EXIT_OK;
    for (uint64_t next = monotonic(); !code && !daemon->stopped;) {
        if (!daemon->store) code = open_again(daemon);
        if (daemon->store) sweep(daemon);
        uint64_t now = monotonic();
        next = next + every > now ? next + every : now;
        if (!code) rest(daemon, next - now);
    }
    return code;
}

static int run_sweeper(struct sweeper *sweeper)
{
    struct daemon daemon = {.sweeper = sweeper, .mutex = PTHREAD_MUTEX_INITIALIZER};
    int code = EXIT_OK;
    sigemptyset(&daemon.signals);
    sigaddset(&daemon.signals, SIGTERM);
    sigaddset(&daemon.signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &daemon.signals, NULL); /* before there is a thread to take them */
    sweeper->options.rest = rest;
    sweeper->options.context = &daemon;
    if (sweeper->metrics) {
        daemon.server = server_open(&sweeper->common, sweeper->metrics, page, &daemon, &code);
        if (!daemon.server) return code;
    }
    code = run(&daemon);
    server_close(daemon.server);
    set_store(&daemon, NULL);
    return code;
}

int main(int argc, char **argv)
{
    struct sweeper sweeper = {.options = ZCX_SWEEP_OPTIONS_INIT};
    argp_err_exit_status = EXIT_USAGE;
    parse(&sweep_argp, argc, argv, &sweeper);
    return run_sweeper(&sweeper);
}
