/* zcx watch: keys as they come. Each look is a scan of one snapshot; what a later transaction than
 * the last look's published has come since. */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAUSE UINT64_C(50000000) /* ns between two looks, at least … */
#define SHARE 10                 /* … and this many times what a look takes */

struct watch {
    struct common common;
    char *prefix;
    zcx_scan_options scan;
    uint64_t count;       /* keys still to show; UINT64_MAX: no end */
    uint64_t transaction; /* all that was published up to it is shown */
    bool all, details;
};

static const struct argp_option options[] = {
    {"all", 'a', NULL, 0, "Begin with the keys that are there already", 0},
    {"count", 'n', "N", 0, "End after N keys", 0},
    {"long", 'l', NULL, 0, "Show format, size, age and what is left before it expires", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct watch *watch = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &watch->common;
        return 0;
    case 'a':
        watch->all = true;
        return 0;
    case 'n':
        if (!parse_size(&watch->count, argument) || !watch->count)
            argp_error(state, "--count takes a number from 1 on, not '%s'", argument);
        return 0;
    case 'l':
        watch->details = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num) argp_error(state, "one PREFIX at most");
        watch->prefix = argument;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- One look ---------------------------------------------------------------------------------
 */

struct arrival {
    uint64_t transaction, order; /* of the record; of the scan */
    char *line;
};

struct arrivals {
    struct arrival *list;
    size_t count, room;
};

static bool add(struct arrivals *arrivals, const struct watch *watch, struct key key,
                const zcx_envelope *envelope)
{
    if (arrivals->count == arrivals->room) {
        size_t room = arrivals->room ? 2 * arrivals->room : 64;
        void *list = realloc(arrivals->list, room * sizeof *arrivals->list);
        if (!list) return false;
        arrivals->list = list;
        arrivals->room = room;
    }
    char *line = NULL;
    size_t length;
    FILE *file = open_memstream(&line, &length);
    if (!file) return false;
    print_record(file, &watch->common, watch->details, key, envelope);
    if (fclose(file) != 0) return false;
    arrivals->list[arrivals->count] =
        (struct arrival){envelope->transaction, arrivals->count, line};
    arrivals->count++;
    return true;
}

static int by_transaction(const void *a, const void *b)
{
    const struct arrival *one = a, *other = b;
    if (one->transaction != other->transaction)
        return one->transaction < other->transaction ? -1 : 1;
    return one->order < other->order ? -1 : 1;
}

/* All that came since `watch->transaction`, in the order of their transactions, if `wanted`. */
static zcx_status look(struct arrivals *arrivals, struct watch *watch, bool wanted,
                       zcx_store *store, zcx_error *error)
{
    zcx_scan *scan = NULL;
    struct key key;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    uint64_t last = watch->transaction;
    zcx_status status = zcx_store_scan(&scan, store, &watch->scan, error);
    while (!status) {
        status = zcx_scan_next(scan, &key.data, &key.length, &envelope, error);
        if (status || envelope.transaction <= watch->transaction) continue;
        if (envelope.transaction > last) last = envelope.transaction;
        if (wanted && !add(arrivals, watch, key, &envelope)) status = error->status = ZCX_ENOMEM;
    }
    zcx_scan_close(scan);
    if (status != ZCX_ENOTFOUND || *error->message) return status;
    watch->transaction = last;
    if (arrivals->count)
        qsort(arrivals->list, arrivals->count, sizeof *arrivals->list, by_transaction);
    return ZCX_OK;
}

/* False when they cannot be written. */
static bool show(struct arrivals *arrivals, struct watch *watch)
{
    for (size_t i = 0; i < arrivals->count; i++) {
        if (watch->count) {
            fputs(arrivals->list[i].line, stdout);
            if (watch->count != UINT64_MAX) watch->count--;
        }
        free(arrivals->list[i].line);
    }
    arrivals->count = 0;
    return fflush(stdout) == 0 && !ferror(stdout);
}

/* ---- All of them ------------------------------------------------------------------------------
 */

static uint64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t milliseconds_left(const struct watch *watch, uint64_t start)
{
    if (watch->common.wait_ms < 0) return -1;
    int64_t passed = (int64_t)((monotonic() - start) / 1000000);
    return passed < watch->common.wait_ms ? watch->common.wait_ms - passed : 0;
}

/* Sleeps until something is committed; where that is often, it looks as often as PAUSE and SHARE say. */
static int watch_store(struct watch *watch, zcx_store *store)
{
    struct arrivals arrivals = {0};
    zcx_error error = ZCX_ERROR_INIT;
    const uint64_t start = monotonic();
    uint64_t transaction = 0, pause = 0;
    int code = EXIT_OK;
    for (bool first = true; !code && watch->count; first = false) {
        int64_t left = milliseconds_left(watch, start);
        if (left >= 0 && pause > (uint64_t)left * 1000000) pause = (uint64_t)left * 1000000;
        nanosleep(&(struct timespec){pause / 1000000000, pause % 1000000000}, NULL);
        zcx_status status = zcx_store_wait_commit(store, &transaction,
                                                  milliseconds_left(watch, start), &error);
        uint64_t began = monotonic();
        if (!status) status = look(&arrivals, watch, !first || watch->all, store, &error);
        if (!show(&arrivals, watch))
            code = fail_text(&watch->common, EXIT_SYSTEM, "cannot write standard output: %s",
                             strerror(errno));
        else if (status == ZCX_ETIMEDOUT)
            code = fail_text(&watch->common, EXIT_BUSY, "the keys did not come in time");
        else if (status)
            code = fail(&watch->common, &error);
        pause = SHARE * (monotonic() - began);
        if (pause < PAUSE) pause = PAUSE;
    }
    free(arrivals.list);
    return code;
}

int command_watch(int argc, char **argv)
{
    static const struct argp_child children[] = {{&waiting_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {options,
                              parse_option,
                              "[PREFIX]",
                              "Show the keys that begin with PREFIX, or all, as they come, as ls "
                              "does, until interrupted. What is deleted or overwritten within a "
                              "twentieth of a second may not be seen.",
                              children,
                              NULL,
                              NULL};
    struct watch watch = {
        .common = {.wait_ms = -1}, .scan = ZCX_SCAN_OPTIONS_INIT, .count = UINT64_MAX};
    int code;
    watch.scan.flags = ZCX_SCAN_SNAPSHOT;
    parse(&argp, argc, argv, &watch);
    zcx_store *store = open_store(&watch.common, NULL, &code);
    if (!store) return code;
    if (watch.prefix) {
        struct key prefix = parse_key(&watch.common, watch.prefix);
        watch.scan.prefix = prefix.data;
        watch.scan.prefix_length = prefix.length;
    }
    code = watch_store(&watch, store);
    close_store(store);
    return code;
}
