/* zcx sweep: one sweep of the store. */
#include "command.h"

#include <stdlib.h>

struct sweep {
    struct common common;
    uint32_t flags;
};

static const struct argp_option options[] = {
    {"trim", 'T', NULL, 0, "Give the memory of idle slots back to the system", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct sweep *sweep = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &sweep->common;
        return 0;
    case 'T':
        sweep->flags |= ZCX_SWEEP_TRIM;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "sweep takes no argument");
    }
    return ARGP_ERR_UNKNOWN;
}

static json_int_t get(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void print_sweep(const char *text, const struct sweep *sweep)
{
    char size[TEXT_SIZE];
    json_t *report = json_loads(text, 0, NULL);
    print_line("expired", "%" JSON_INTEGER_FORMAT " records", get(report, "expired"));
    print_line("dead", "%" JSON_INTEGER_FORMAT " processes, %" JSON_INTEGER_FORMAT " readers",
               get(report, "dead_processes"), get(report, "stale_readers"));
    if (sweep->flags & ZCX_SWEEP_TRIM)
        print_line("given back", "%s",
                   size_text(size, get(report, "trimmed_bytes"), sweep->common.bytes));
    json_decref(report);
}

int command_sweep(int argc, char **argv)
{
    const struct argp argp = {
        options,
        parse_option,
        "",
        "Delete what expired, free what dead processes held, and clear LMDB's "
        "stale readers; once. Safe at any time, from several processes too.",
        common_children,
        NULL,
        NULL};
    struct sweep sweep = {0};
    char *text = NULL;
    int code;
    zcx_error error = ZCX_ERROR_INIT;
    parse(&argp, argc, argv, &sweep);
    zcx_store *store = open_store(&sweep.common, NULL, &code);
    if (!store) return code;
    progress_begin("sweeping", 0);
    zcx_status status = zcx_store_sweep(&text, store, sweep.flags, &error);
    progress_end();
    if (status)
        code = fail(&sweep.common, &error);
    else if (sweep.common.json)
        puts(text);
    else
        print_sweep(text, &sweep);
    zcx_free(text);
    close_store(store);
    return code;
}
