/* zcx backup: a copy of a store that is in use. */
#include "command.h"

#include <signal.h>
#include <stdlib.h>

struct backup {
    struct common common;
    zcx_durability durability;
    char *destination;
};

static volatile sig_atomic_t stopped;

static const struct argp_option options[] = {
    {"ephemeral", 'e', NULL, 0,
     "The copy is to last as long as the machine runs, as the stores in /dev/shm that programs make; "
     "without it the copy is durable", 0},
    {0},
};

/* One path is the destination; of two, the first is the store. */
static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct backup *backup = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &backup->common;
        return 0;
    case 'e':
        backup->durability = ZCX_DURABILITY_NONE;
        return 0;
    case ARGP_KEY_ARG:
        if (backup->destination) {
            if (backup->common.path) argp_error(state, "backup takes one path besides --path");
            backup->common.path = backup->destination;
        }
        backup->destination = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "backup takes the path of the copy, which must not exist");
    }
    return ARGP_ERR_UNKNOWN;
}

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static bool show(void *context, uint64_t done, uint64_t total)
{
    uint64_t *shown = context;
    progress_total(total);
    progress_add(done - *shown);
    *shown = done;
    return !stopped;
}

static int print_backup(const struct common *common, const char *text)
{
    char size[TEXT_SIZE];
    size_t index;
    json_t *one, *report = json_loads(text, 0, NULL), *left_out = json_object_get(report, "left_out");
    int code = json_array_size(left_out) ? EXIT_CORRUPT : EXIT_OK;
    if (common->json) {
        puts(text);
    } else {
        print_line("backup", "%s", json_string_value(json_object_get(report, "path")));
        print_line("records", "%" JSON_INTEGER_FORMAT ", %s",
                   json_integer_value(json_object_get(report, "records")),
                   size_text(size, (uint64_t)json_integer_value(json_object_get(report, "payload_bytes")),
                             common->bytes));
        json_array_foreach(left_out, index, one)
            fprintf(stderr, "zcx: left out, damaged: %s\n", json_string_value(one));
    }
    json_decref(report);
    return code;
}

int command_backup(int argc, char **argv)
{
    const struct argp argp = {
        options,
        parse_option,
        "[STORE] COPY",
        "Copy a store that is in use, as it is at one moment, to a new directory: a store, too. "
        "It has its name when it is complete and on disk.",
        common_children,
        NULL,
        NULL};
    struct backup backup = {.durability = ZCX_DURABILITY_COMMIT};
    char *text = NULL;
    int code;
    uint64_t shown = 0;
    zcx_error error = ZCX_ERROR_INIT;
    parse(&argp, argc, argv, &backup);
    zcx_store *store = open_store(&backup.common, NULL, &code);
    if (!store) return code;
    const zcx_backup_options wanted = {sizeof wanted, backup.durability, show, &shown};
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    progress_begin("copying", 0);
    zcx_status status = zcx_store_backup(&text, store, backup.destination, &wanted, &error);
    progress_end();
    code = status ? fail(&backup.common, &error) : print_backup(&backup.common, text);
    zcx_free(text);
    close_store(store);
    return code;
}
