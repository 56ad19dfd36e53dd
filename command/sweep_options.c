/* The options of zcx sweep, which two programs read. */
#include "command.h"

#define EVERY_LEAST 10   /* ms */
#define IDLE_USUAL 60000 /* ms: what a daemon takes for idle */

static const struct argp_option options[] = {
    {"trim", 'T', "TIME", OPTION_ARG_OPTIONAL,
     "Give the memory of idle slots back to the system: of those that nobody has used for TIME "
     "(default: any; with --every 1m)",
     0},
    {"every", 'e', "TIME", 0, "Stay, and sweep so often, until SIGTERM or SIGINT", 0},
    {"metrics", 'm', "ADDRESS", 0,
     "With --every: serve metrics in the Prometheus text format, at unix:/PATH, or at the loopback "
     "address 127.0.0.1:PORT",
     0},
    {0},
};

static int64_t span(const char *name, const char *argument, struct argp_state *state)
{
    int64_t ms;
    if (!parse_span(&ms, argument))
        argp_error(state, "%s takes a time such as 500ms, 10 or 2m, not '%s'", name, argument);
    return ms;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct sweeper *sweep = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &sweep->common;
        return 0;
    case 'T':
        sweep->options.flags |= ZCX_SWEEP_TRIM;
        sweep->options.idle_ms = argument ? span("--trim", argument, state) : -1;
        return 0;
    case 'e':
        sweep->options.every_ms = span("--every", argument, state);
        if (sweep->options.every_ms < EVERY_LEAST)
            argp_error(state, "--every takes %d ms at least", EVERY_LEAST);
        return 0;
    case 'm':
        sweep->metrics = argument;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "sweep takes no argument");
        return 0;
    case ARGP_KEY_END:
        if (sweep->metrics && !sweep->options.every_ms)
            argp_error(state, "--metrics is for a sweeper that stays: give --every");
        if (sweep->options.idle_ms < 0)
            sweep->options.idle_ms = sweep->options.every_ms ? IDLE_USUAL : 0;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

const struct argp sweep_argp = {options,
                                parse_option,
                                "",
                                "Delete what expired, free what dead processes held, end requests "
                                "that nobody waits for, and clear "
                                "LMDB's stale readers; once, or with --every as a daemon in the "
                                "foreground. Safe at any time, from "
                                "several processes too.",
                                common_children,
                                NULL,
                                NULL};
