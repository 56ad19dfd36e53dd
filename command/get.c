/* zcx get: writes from the view. */
#include "command.h"

#include <string.h>

struct get {
    struct common common;
    char *key, *file;
    bool verify;
};

static const struct argp_option options[] = {
    {"verify", 'v', NULL, 0, "Compare the payload with its stored checksum first", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct get *get = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &get->common;
        return 0;
    case 'v':
        get->verify = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1) argp_error(state, "one KEY and one FILE at most");
        *(state->arg_num ? &get->file : &get->key) = argument;
        return 0;
    case ARGP_KEY_END:
        if (!get->key) argp_error(state, "KEY is missing");
        if (get->file && strcmp(get->file, "-") == 0) get->file = NULL;
        if (get->common.json && !get->file)
            argp_error(state,
                       "--json describes the record on standard output, so the payload needs "
                       "a FILE (to describe only: zcx stat KEY --json)");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* An error record holds no result: its message goes to stderr. */
static int report_error_record(const struct get *get, const zcx_view *view)
{
    json_t *record = msgpack_json(zcx_view_data(view), zcx_view_length(view));
    const char *message = json_string_value(json_object_get(record, "message"));
    const char *trace = json_string_value(json_object_get(record, "trace"));
    int code = fail_text(&get->common, EXIT_FAILED, "the record at '%s' is an error: %s", get->key,
                         message ? message : "(its message cannot be read)");
    if (trace && *trace && !get->common.json) fprintf(stderr, "%s\n", trace);
    json_decref(record);
    return code;
}

static int get_view(const struct get *get, const zcx_view *view, struct key key)
{
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    if (zcx_view_envelope(view, &envelope, &error) != ZCX_OK) return fail(&get->common, &error);
    if (envelope.flags & ZCX_FLAG_ERROR) return report_error_record(get, view);
    if (get->verify && zcx_view_verify(view, &error) != ZCX_OK) return fail(&get->common, &error);
    int code = write_payload(&get->common, get->file, zcx_view_data(view), zcx_view_length(view));
    if (!code && get->common.json) {
        json_t *object = envelope_json(&envelope);
        json_set_key(object, key.data, key.length);
        print_json(object);
    }
    return code;
}

int command_get(int argc, char **argv)
{
    const struct argp argp = {
        options,
        parse_option,
        "KEY [FILE]",
        "Write the payload at KEY to FILE, or to standard output when it is - "
        "or missing.",
        common_children,
        NULL,
        NULL};
    struct get get = {0};
    int code;
    zcx_view *view = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    parse(&argp, argc, argv, &get);
    zcx_store *store = open_store(&get.common, NULL, &code);
    if (!store) return code;
    struct key key = parse_key(&get.common, get.key);
    if (zcx_store_view(&view, store, key.data, key.length, &error) == ZCX_OK)
        code = get_view(&get, view, key);
    else
        code = fail(&get.common, &error);
    zcx_view_release(view);
    close_store(store);
    return code;
}
