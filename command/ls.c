/* zcx ls: one line, or one JSON object, for each record. */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
    struct common common;
    char *prefix, *from, *to;
    zcx_scan_options scan;
    bool details;
};

static const struct argp_option options[] = {
    {"long", 'l', NULL, 0, "Show format, size, age and what is left before it expires", 0},
    {"reverse", 'r', NULL, 0, "Backwards", 0},
    {"limit", 'n', "N", 0, "At most N records", 0},
    {"from", 'f', "KEY", 0, "From this key on", 0},
    {"to", 't', "KEY", 0, "Up to, but not with, this key", 0},
    {"all", 'a', NULL, 0, "Expired records too", 0},
    {"snapshot", 's', NULL, 0, "All keys from one snapshot, instead of 1,024 at a time", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct list *list = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &list->common;
        return 0;
    case 'l':
        list->details = true;
        return 0;
    case 'r':
        list->scan.flags |= ZCX_SCAN_REVERSE;
        return 0;
    case 'a':
        list->scan.flags |= ZCX_SCAN_EXPIRED;
        return 0;
    case 's':
        list->scan.flags |= ZCX_SCAN_SNAPSHOT;
        return 0;
    case 'n':
        if (!parse_size(&list->scan.limit, argument) || !list->scan.limit)
            argp_error(state, "--limit takes a number from 1 on, not '%s'", argument);
        return 0;
    case 'f':
        list->from = argument;
        return 0;
    case 't':
        list->to = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num) argp_error(state, "one PREFIX at most");
        list->prefix = argument;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

void print_record(FILE *file, const struct common *common, bool details, struct key key,
                  const zcx_envelope *envelope)
{
    char size[TEXT_SIZE], age[TEXT_SIZE], expiry[TEXT_SIZE];
    bool exact = common->bytes;
    uint64_t now = now_ns();
    if (common->json) {
        json_t *object = envelope_json(envelope);
        json_set_key(object, key.data, key.length);
        json_dumpf(object, file, JSON_COMPACT);
        fputc('\n', file);
        json_decref(object);
        return;
    }
    if (details)
        fprintf(file, "%-8s %10s  %14s  %14s  ",
                envelope->flags & ZCX_FLAG_ERROR ? "error" : zcx_format_name(envelope->format),
                size_text(size, envelope->length, exact),
                span_text(age, now > envelope->created ? now - envelope->created : 0, exact),
                expiry_text(expiry, envelope, exact));
    print_key(file, key.data, key.length);
    fputc('\n', file);
}

static int print_all(struct list *list, zcx_store *store)
{
    zcx_scan *scan = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    struct key key;
    zcx_status status = zcx_store_scan(&scan, store, &list->scan, &error);
    if (!status && list->details && !list->common.json && isatty(STDOUT_FILENO))
        printf("%-8s %10s  %14s  %14s  %s\n", "FORMAT", "SIZE", "AGE", "EXPIRES IN", "KEY");
    while (!status && !ferror(stdout)) {
        status = zcx_scan_next(scan, &key.data, &key.length, &envelope, &error);
        if (!status) print_record(stdout, &list->common, list->details, key, &envelope);
    }
    zcx_scan_close(scan);
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail_text(&list->common, EXIT_SYSTEM, "cannot write standard output: %s",
                         strerror(errno));
    if (status && !(status == ZCX_ENOTFOUND && !*error.message)) {
        error.status = status;
        return fail(&list->common, &error);
    }
    return EXIT_OK;
}

static void set_bound(const struct common *common, const void **bound, size_t *length, char *text)
{
    if (!text) return;
    struct key key = parse_key(common, text);
    *bound = key.data;
    *length = key.length;
}

int command_ls(int argc, char **argv)
{
    const struct argp argp = {options,
                              parse_option,
                              "[PREFIX]",
                              "List the keys that begin with PREFIX, or all, in byte order.",
                              common_children,
                              NULL,
                              NULL};
    struct list list = {.scan = ZCX_SCAN_OPTIONS_INIT};
    int code;
    parse(&argp, argc, argv, &list);
    zcx_store *store = open_store(&list.common, NULL, &code);
    if (!store) return code;
    set_bound(&list.common, &list.scan.prefix, &list.scan.prefix_length, list.prefix);
    set_bound(&list.common, &list.scan.from, &list.scan.from_length, list.from);
    set_bound(&list.common, &list.scan.to, &list.scan.to_length, list.to);
    code = print_all(&list, store);
    close_store(store);
    return code;
}
