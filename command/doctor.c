/* zcx doctor: what is this store, is it sound, who holds what, what to do. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "doctor takes no argument");
    }
    return ARGP_ERR_UNKNOWN;
}

/* What a person may do about a store that does not open. */
static const char *advice_for(zcx_status status)
{
    switch (status) {
    case ZCX_ENOTFOUND:
        return "give the store's directory with -p, or create one: zcx put KEY FILE";
    case ZCX_EACCES:
        return "open it as its owner, or choose another directory with -p or ZCX_PATH";
    case ZCX_EUNSUPPORTED:
        return "choose a directory on tmpfs, ext4 or xfs, and one pid namespace for all who share "
               "the store";
    case ZCX_EVERSION:
        return "use the zcx that created it, or remove the directory when nobody uses it";
    case ZCX_EBUSY:
    case ZCX_ETIMEDOUT:
        return "look at the process that the message names; if it is stopped, continue or kill it";
    case ZCX_EFULL:
        return "free room on its file system, or in the control group";
    case ZCX_ECORRUPT:
        return "copy what can be read, then remove the directory when nobody uses it";
    case ZCX_ELIMIT:
        return "raise the limit that the message names (ulimit -f), or end processes that have the "
               "store open";
    case ZCX_ESTALE:
        return "the directory was removed under its users: end them, and they make a new store";
    default:
        return "see the message";
    }
}

static int report_unopened(const struct common *common, const zcx_error *error)
{
    if (!common->json) {
        fail(common, error);
        printf("advice: %s\n", advice_for(error->status));
        return exit_code_of(error->status);
    }
    print_json(json_pack("{s:b, s:[{s:s, s:s, s:s}]}", "sound", 0, "findings", "level", "error",
                         "text", error->message, "advice", advice_for(error->status)));
    return exit_code_of(error->status);
}

static void print_findings(const json_t *findings)
{
    size_t index;
    json_t *finding;
    json_array_foreach(findings, index, finding)
    {
        const char *advice = json_string_value(json_object_get(finding, "advice"));
        printf("  %s: %s\n", json_string_value(json_object_get(finding, "level")),
               json_string_value(json_object_get(finding, "text")));
        if (advice && *advice) printf("      %s\n", advice);
    }
}

static int examine(const struct common *common, zcx_store *store)
{
    char *stat = NULL, *check = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    progress_begin("checking the store", 0);
    zcx_status status = zcx_store_stat(&stat, store, &error);
    if (!status) status = zcx_store_check(&check, store, &error);
    progress_end();
    json_t *report = json_loads(check ? check : "null", JSON_DECODE_ANY, NULL);
    json_t *about = json_loads(stat ? stat : "null", JSON_DECODE_ANY, NULL);
    json_t *findings = json_object_get(report, "findings");
    int code = json_is_true(json_object_get(report, "sound")) ? EXIT_OK : EXIT_CORRUPT;
    if (status) {
        code = report_unopened(common, &error);
    } else if (common->json) {
        json_object_set(report, "stat", about);
        print_json(json_incref(report));
    } else {
        print_store(about, common->bytes);
        printf("\nThe store is %s: %" JSON_INTEGER_FORMAT " records were read.\n",
               code ? "NOT sound" : "sound",
               json_integer_value(json_object_get(report, "records")));
        print_findings(findings);
    }
    json_decref(report);
    json_decref(about);
    zcx_free(stat);
    zcx_free(check);
    return code;
}

int command_doctor(int argc, char **argv)
{
    const struct argp argp = {
        NULL,
        parse_option,
        "",
        "Say what this store is, whether it is sound, who holds what, and what "
        "to do. Reads every record, and every payload that has a checksum.",
        common_children,
        NULL,
        NULL};
    struct common common = {0};
    zcx_store *store = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    parse(&argp, argc, argv, &common);
    options.database = common.database;
    options.flags = ZCX_OPEN_EXISTING;
    options.lock_timeout_ms = common.lock_ms;
    if (zcx_store_open(&store, common.path, &options, &error) != ZCX_OK)
        return report_unopened(&common, &error);
    int code = examine(&common, store);
    close_store(store);
    return code;
}
