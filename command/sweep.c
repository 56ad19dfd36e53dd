/* zcx sweep: one sweep of the store; what stays is another program (sweeper.c). */
#include "command.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_int_t get(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void print_sweep(const char *text, const struct sweeper *sweep)
{
    char size[TEXT_SIZE];
    json_t *report = json_loads(text, 0, NULL);
    print_line("expired", "%" JSON_INTEGER_FORMAT " records", get(report, "expired"));
    print_line("dead", "%" JSON_INTEGER_FORMAT " processes, %" JSON_INTEGER_FORMAT " readers",
               get(report, "dead_processes"), get(report, "stale_readers"));
    if (sweep->options.flags & ZCX_SWEEP_TRIM)
        print_line("given back", "%s",
                   size_text(size, get(report, "trimmed_bytes"), sweep->common.bytes));
    json_decref(report);
}

static int sweep_once(const struct sweeper *sweep)
{
    char *text = NULL;
    int code;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store = open_store(&sweep->common, NULL, &code);
    if (!store) return code;
    progress_begin("sweeping", 0);
    zcx_status status = zcx_store_sweep_by(&text, store, &sweep->options, &error);
    progress_end();
    if (status)
        code = fail(&sweep->common, &error);
    else if (sweep->common.json)
        puts(text);
    else
        print_sweep(text, sweep);
    zcx_free(text);
    close_store(store);
    return code;
}

/* ZCX_SWEEPER is where it is, from the directory that this program is in. Returns when it is not.
 */
static int become_sweeper(const struct sweeper *sweep, char **argv)
{
    char self[PATH_MAX], path[PATH_MAX + sizeof ZCX_SWEEPER];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = 0;
        snprintf(path, sizeof path, "%s/%s", dirname(self), ZCX_SWEEPER);
        execv(path, argv);
    }
    return fail_text(&sweep->common, EXIT_SYSTEM, "cannot run %s: %s",
                     length > 0 ? path : ZCX_SWEEPER, strerror(errno));
}

int command_sweep(int argc, char **argv)
{
    struct sweeper sweep = {.options = ZCX_SWEEP_OPTIONS_INIT};
    parse(&sweep_argp, argc, argv, &sweep);
    return sweep.options.every_ms ? become_sweeper(&sweep, argv) : sweep_once(&sweep);
}
