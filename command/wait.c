/* zcx wait: until a key is there. */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wait {
    struct common common;
    char *key;
    uint64_t after;
    bool details;
};

static const struct argp_option options[] = {
    {"after", 'a', "TRANSACTION", 0, "Only what a later transaction than this one published", 0},
    {"long", 'l', NULL, 0, "Show format, size, age and what is left before it expires", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct wait *wait = state->input;
    char *end;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &wait->common;
        return 0;
    case 'a':
        errno = 0;
        wait->after = strtoull(argument, &end, 10);
        if (errno || *end || *argument < '0' || *argument > '9')
            argp_error(state, "--after takes a transaction's number, not '%s'", argument);
        return 0;
    case 'l':
        wait->details = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num) argp_error(state, "one KEY at most");
        wait->key = argument;
        return 0;
    case ARGP_KEY_END:
        if (!wait->key) argp_error(state, "KEY is missing");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int command_wait(int argc, char **argv)
{
    static const struct argp_child children[] = {{&waiting_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {options,
                              parse_option,
                              "KEY",
                              "Wait until KEY is there, without using the processor, and show it "
                              "as ls does; for ever unless --timeout is given.",
                              children,
                              NULL,
                              NULL};
    struct wait wait = {.common = {.wait_ms = -1}};
    int code;
    zcx_view *view = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    parse(&argp, argc, argv, &wait);
    zcx_store *store = open_store(&wait.common, NULL, &code);
    if (!store) return code;
    struct key key = parse_key(&wait.common, wait.key);
    zcx_status status =
        zcx_store_wait(&view, store, key.data, key.length, wait.after, wait.common.wait_ms, &error);
    if (!status) status = zcx_view_envelope(view, &envelope, &error);
    if (status)
        code = fail(&wait.common, &error);
    else
        print_record(stdout, &wait.common, wait.details, key, &envelope);
    zcx_view_release(view);
    close_store(store);
    return code;
}
