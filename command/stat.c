/* zcx stat: the store, or one record. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

struct stat_options {
    struct common common;
    char *key;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct stat_options *stat = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &stat->common;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num) argp_error(state, "one KEY at most");
        stat->key = argument;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* Ages instead of times of day, which nobody reads in nanoseconds. */
static void print_record(json_t *record, const zcx_envelope *envelope)
{
    uint64_t now = now_ns();
    char expiry[TEXT_SIZE];
    json_object_set_new(record, "age_ns", json_integer((json_int_t)(now - envelope->created)));
    json_object_set_new(record, "expires_in", json_string(expiry_text(expiry, envelope, false)));
    json_object_set_new(record, "length_bytes", json_integer((json_int_t)envelope->length));
    json_object_del(record, "created");
    json_object_del(record, "expires");
    json_object_del(record, "length");
}

static int stat_record(const struct stat_options *stat, zcx_store *store)
{
    zcx_view *view = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    struct key key = parse_key(&stat->common, stat->key);
    zcx_status status = zcx_store_view(&view, store, key.data, key.length, &error);
    if (!status) status = zcx_view_envelope(view, &envelope, &error);
    if (!status) {
        json_t *record = envelope_json(&envelope);
        json_set_key(record, key.data, key.length);
        if (stat->common.json) {
            print_json(json_incref(record));
        } else {
            print_record(record, &envelope);
            print_report(record, stat->common.bytes);
        }
        json_decref(record);
    }
    zcx_view_release(view);
    return status ? fail(&stat->common, &error) : EXIT_OK;
}

static int stat_store(const struct stat_options *stat, zcx_store *store)
{
    char *text = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    if (zcx_store_stat(&text, store, &error) != ZCX_OK) return fail(&stat->common, &error);
    if (stat->common.json) {
        puts(text);
    } else {
        json_t *report = json_loads(text, 0, NULL);
        print_report(report, stat->common.bytes);
        json_decref(report);
    }
    zcx_free(text);
    return EXIT_OK;
}

int command_stat(int argc, char **argv)
{
    const struct argp argp = {NULL,
                              parse_option,
                              "[KEY]",
                              "Show what the store is and holds: databases, slots by class, bytes, "
                              "and which processes hold what. With KEY, what its record says.",
                              common_children,
                              NULL,
                              NULL};
    struct stat_options stat = {0};
    int code;
    parse(&argp, argc, argv, &stat);
    zcx_store *store = open_store(&stat.common, false, &code);
    if (!store) return code;
    code = stat.key ? stat_record(&stat, store) : stat_store(&stat, store);
    close_store(store);
    return code;
}
