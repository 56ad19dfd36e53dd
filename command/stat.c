/* zcx stat: the store, or one record. */
#include "command.h"

#include <inttypes.h>
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

static void print_shape(const zcx_envelope *envelope)
{
    printf("%-14s %s [", "array", envelope->dtype);
    for (uint32_t i = 0; i < envelope->ndim; i++)
        printf("%s%" PRIu64, i ? ", " : "", envelope->shape[i]);
    printf("] %c\n", envelope->order);
}

static void describe(const zcx_envelope *envelope, struct key key, bool exact)
{
    char text[TEXT_SIZE];
    uint64_t now = now_ns();
    printf("%-14s ", "key");
    print_key(stdout, key.data, key.length);
    putchar('\n');
    print_line("format", "%s%s", zcx_format_name(envelope->format),
               envelope->flags & ZCX_FLAG_ERROR ? ", an error record" : "");
    if (envelope->dtype) print_shape(envelope);
    print_line("size", "%s", size_text(text, envelope->length, exact));
    print_line("age", "%s",
               span_text(text, now > envelope->created ? now - envelope->created : 0, exact));
    print_line("expires in", "%s", expiry_text(text, envelope, exact));
    if (envelope->source) print_line("source", "%s", envelope->source);
    if (envelope->target) print_line("target", "%s", envelope->target);
    if (envelope->content_type) print_line("content type", "%s", envelope->content_type);
    if (envelope->flags & ZCX_FLAG_CHECKSUM) print_line("crc32c", "%08x", envelope->checksum);
    print_line("transaction", "%" PRIu64, envelope->transaction);
    if (envelope->in_slot)
        print_line("slot", "%u, generation %u", envelope->slot, envelope->generation);
}

static int stat_record(const struct stat_options *stat, zcx_store *store)
{
    zcx_view *view = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    struct key key = parse_key(&stat->common, stat->key);
    zcx_status status = zcx_store_view(&view, store, key.data, key.length, &error);
    if (!status) status = zcx_view_envelope(view, &envelope, &error);
    if (!status && stat->common.json) {
        json_t *record = envelope_json(&envelope);
        json_set_key(record, key.data, key.length);
        print_json(record);
    } else if (!status) {
        describe(&envelope, key, stat->common.bytes);
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
        print_store(report, stat->common.bytes);
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
    zcx_store *store = open_store(&stat.common, NULL, &code);
    if (!store) return code;
    code = stat.key ? stat_record(&stat, store) : stat_store(&stat, store);
    close_store(store);
    return code;
}
