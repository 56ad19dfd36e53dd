/* zcx rm: deletes records; who views one of them keeps it. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

struct removal {
    struct common common;
    char **keys, *prefix;
    int count;
    bool force;
};

static const struct argp_option options[] = {
    {"prefix", 'P', "PREFIX", 0, "Delete all records whose keys begin with PREFIX", 0},
    {"force", 'f', NULL, 0, "A key that is not there is no error", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct removal *removal = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &removal->common;
        return 0;
    case 'P':
        if (!*argument) argp_error(state, "--prefix is empty, which would delete all records");
        removal->prefix = argument;
        return 0;
    case 'f':
        removal->force = true;
        return 0;
    case ARGP_KEY_ARGS:
        removal->keys = state->argv + state->next;
        removal->count = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        if (!removal->count && !removal->prefix) argp_error(state, "KEY or --prefix is missing");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* Counts what it deleted; says what was missing, and goes on. */
static int remove_keys(const struct removal *removal, zcx_store *store, uint64_t *deleted)
{
    int code = EXIT_OK;
    for (int i = 0; i < removal->count; i++) {
        zcx_error error = ZCX_ERROR_INIT;
        struct key key = parse_key(&removal->common, removal->keys[i]);
        zcx_status status = zcx_store_delete(store, key.data, key.length, &error);
        if (!status) ++*deleted;
        if (status == ZCX_ENOTFOUND && removal->force) continue;
        if (!status) continue;
        code = fail(&removal->common, &error);
        if (status != ZCX_ENOTFOUND) return code;
    }
    return code;
}

static int remove_prefix(const struct removal *removal, zcx_store *store, uint64_t *deleted)
{
    zcx_scan *scan = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_scan_options range = ZCX_SCAN_OPTIONS_INIT;
    const void *key;
    size_t length;
    struct key prefix = parse_key(&removal->common, removal->prefix);
    range.prefix = prefix.data;
    range.prefix_length = prefix.length;
    range.flags = ZCX_SCAN_EXPIRED;
    progress_begin("deleting", 0);
    zcx_status status = zcx_store_scan(&scan, store, &range, &error);
    while (!status) {
        status = zcx_scan_next(scan, &key, &length, NULL, &error);
        if (status) break;
        status = zcx_store_delete(store, key, length, &error);
        if (!status) ++*deleted;
        if (status == ZCX_ENOTFOUND) { /* somebody was faster, or it had expired */
            status = ZCX_OK;
            error = (zcx_error)ZCX_ERROR_INIT;
        }
    }
    zcx_scan_close(scan);
    progress_end();
    return status == ZCX_ENOTFOUND ? EXIT_OK : fail(&removal->common, &error);
}

int command_rm(int argc, char **argv)
{
    const struct argp argp = {options,
                              parse_option,
                              "KEY...\n--prefix=PREFIX",
                              "Delete records. Whoever views one keeps what is viewed.",
                              common_children,
                              NULL,
                              NULL};
    struct removal removal = {0};
    uint64_t deleted = 0;
    int code;
    parse(&argp, argc, argv, &removal);
    zcx_store *store = open_store(&removal.common, NULL, &code);
    if (!store) return code;
    code = remove_keys(&removal, store, &deleted);
    if (removal.prefix && (code == EXIT_OK || code == EXIT_NOT_FOUND)) {
        int second = remove_prefix(&removal, store, &deleted);
        if (second) code = second;
    }
    close_store(store);
    if (removal.common.json) print_json(json_pack("{s:I}", "deleted", (json_int_t)deleted));
    return code;
}
