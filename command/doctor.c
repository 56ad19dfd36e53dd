/* zcx doctor: what is this store, is it sound, who holds what, what to do. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

struct doctor {
    struct common common;
    bool repair;
    uint32_t flags; /* of the repair */
};

#define DELETE_DAMAGED 1000 /* no short option: it is not to be given by mistake */

static const struct argp_option options[] = {
    {"repair", 'R', NULL, 0, "Do what the findings say that a repair would", 0},
    {"delete-damaged", DELETE_DAMAGED, NULL, 0, "With --repair: delete records that cannot be read, too", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct doctor *doctor = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &doctor->common;
        return 0;
    case 'R':
        doctor->repair = true;
        return 0;
    case DELETE_DAMAGED:
        doctor->flags |= ZCX_REPAIR_RECORDS;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "doctor takes no argument");
        return 0;
    case ARGP_KEY_END:
        if (doctor->flags && !doctor->repair) argp_error(state, "--delete-damaged goes with --repair");
        return 0;
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

/* A board that keeps the store from being opened is made anew, if nobody has the store open. */
static bool board_may_be_why(zcx_status status)
{
    return status == ZCX_ECORRUPT || status == ZCX_ESTALE || status == ZCX_ETIMEDOUT ||
           status == ZCX_ESYSTEM;
}

static int report_unopened(const struct common *common, const zcx_error *error)
{
    const char *repair = board_may_be_why(error->status)
                             ? "make its board anew, when nobody has it open, and look again"
                             : NULL;
    if (!common->json) {
        fail(common, error);
        printf("advice: %s\n", advice_for(error->status));
        if (repair) printf("--repair would: %s\n", repair);
        return exit_code_of(error->status);
    }
    print_json(json_pack("{s:b, s:[{s:s, s:s, s:s, s:s*}]}", "sound", 0, "findings", "level", "error",
                         "text", error->message, "advice", advice_for(error->status), "repair", repair));
    return exit_code_of(error->status);
}

static void print_findings(const json_t *findings)
{
    size_t index;
    json_t *finding;
    json_array_foreach(findings, index, finding)
    {
        const char *advice = json_string_value(json_object_get(finding, "advice"));
        const char *repair = json_string_value(json_object_get(finding, "repair"));
        printf("  %s: %s\n", json_string_value(json_object_get(finding, "level")),
               json_string_value(json_object_get(finding, "text")));
        if (advice) printf("      %s\n", advice);
        if (repair) printf("      --repair would: %s\n", repair);
    }
}

static void print_verdict(const json_t *report)
{
    printf("The store is %s: %" JSON_INTEGER_FORMAT " records were read.\n",
           json_is_true(json_object_get(report, "sound")) ? "sound" : "NOT sound",
           json_integer_value(json_object_get(report, "records")));
    print_findings(json_object_get(report, "findings"));
}

static void print_repaired(const json_t *report)
{
    size_t index;
    json_t *one;
    puts("\nRepaired:");
    json_array_foreach(json_object_get(report, "repaired"), index, one)
        printf("  %s\n", json_string_value(one));
    if (!json_array_size(json_object_get(report, "repaired"))) puts("  nothing");
    print_verdict(report);
}

/* What was found, and with --repair what was done and what is left: `after`. */
static void print_all(const struct doctor *doctor, json_t *about, json_t *before, json_t *after)
{
    if (!doctor->common.json) {
        print_store(about, doctor->common.bytes);
        puts("");
        print_verdict(before);
        if (after) print_repaired(after);
        return;
    }
    json_object_set(before, "stat", about);
    if (after) {
        json_object_set(before, "sound", json_object_get(after, "sound"));
        json_object_set(before, "repaired", json_object_get(after, "repaired"));
        json_object_set(before, "left", json_object_get(after, "findings"));
    }
    print_json(json_incref(before));
}

static int examine(const struct doctor *doctor, zcx_store *store, const char *rebuilt)
{
    char *stat = NULL, *check = NULL, *repair = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    progress_begin("checking the store", 0);
    zcx_status status = zcx_store_stat(&stat, store, &error);
    if (!status) status = zcx_store_check(&check, store, &error);
    if (!status && doctor->repair) status = zcx_store_repair(&repair, store, doctor->flags, &error);
    progress_end();
    json_t *about = stat ? json_loads(stat, 0, NULL) : NULL;
    json_t *before = check ? json_loads(check, 0, NULL) : NULL;
    json_t *after = repair ? json_loads(repair, 0, NULL) : NULL;
    if (after && rebuilt)
        json_array_insert_new(json_object_get(after, "repaired"), 0, json_string(rebuilt));
    bool sound = json_is_true(json_object_get(after ? after : before, "sound"));
    int code = sound ? EXIT_OK : EXIT_CORRUPT;
    if (status)
        code = report_unopened(&doctor->common, &error);
    else
        print_all(doctor, about, before, after);
    json_decref(about);
    json_decref(before);
    json_decref(after);
    zcx_free(stat);
    zcx_free(check);
    zcx_free(repair);
    return code;
}

int command_doctor(int argc, char **argv)
{
    const struct argp argp = {
        options,
        parse_option,
        "",
        "Say what this store is, whether it is sound, who holds what, and what "
        "to do. Reads every record, and every payload that has a checksum. Changes nothing without "
        "--repair.",
        common_children,
        NULL,
        NULL};
    struct doctor doctor = {0};
    zcx_store *store = NULL;
    const char *rebuilt = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store_options wanted = ZCX_STORE_OPTIONS_INIT;
    parse(&argp, argc, argv, &doctor);
    wanted.database = doctor.common.database;
    wanted.group = doctor.common.group;
    wanted.flags = ZCX_OPEN_EXISTING;
    wanted.lock_timeout_ms = doctor.common.lock_ms;
    zcx_status status = zcx_store_open(&store, doctor.common.path, &wanted, &error);
    if (status && doctor.repair && board_may_be_why(status)) {
        wanted.flags |= ZCX_OPEN_REBUILD;
        status = zcx_store_open(&store, doctor.common.path, &wanted, NULL);
        rebuilt = "made the board anew";
    }
    if (status) return report_unopened(&doctor.common, &error);
    int code = examine(&doctor, store, rebuilt);
    close_store(store);
    return code;
}
