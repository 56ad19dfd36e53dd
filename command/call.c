/* zcx call: one call of a calculator, of a plug-in in this process or over a queue. */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SLICE 200 /* ms, after which a signal is seen */

struct call {
    struct common common;
    struct payload payload;
    const char *queue, *plugin, *config, *output;
    char *key; /* of the input; NULL: standard input is */
    bool keep, verbose;
    json_t *configuration;
    int64_t timeout_ms;
};

static const struct argp_option options[] = {
    {"queue", 'q', "NAME", 0, "Call the workers of this queue", 0},
    {"plugin", 'P', "FILE", 0, "Call this plug-in, in this process", 0},
    {"config", 'c', "JSON", 0, "The calculator's configuration: JSON text, or the path of a file",
     0},
    {"output", 'o', "FILE", 0, "Write the result there", 0},
    {"keep", 'k', NULL, 0, "Leave the result in the store and write its key instead", 0},
    {"verbose", 'v', NULL, 0, "Show the trace of a calculator that failed", 0},
    {0},
};

static void check_options(struct call *call, struct argp_state *state)
{
    if (call->queue && call->plugin) argp_error(state, "--queue and --plugin exclude each other");
    if (call->key && strcmp(call->key, "-") == 0) call->key = NULL;
    if (call->keep && call->output) argp_error(state, "--keep and --output exclude each other");
    if (call->common.json && !call->output && !call->keep)
        argp_error(state, "--json describes the result on standard output, so the result needs "
                          "--output or --keep");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct call *call = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &call->common;
        state->child_inputs[1] = &call->payload;
        return 0;
    case 'q':
        call->queue = argument;
        return 0;
    case 'P':
        call->plugin = argument;
        return 0;
    case 'c':
        call->config = argument;
        return 0;
    case 'o':
        call->output = argument;
        return 0;
    case 'k':
        call->keep = true;
        return 0;
    case 'v':
        call->verbose = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num) argp_error(state, "one INPUT-KEY at most");
        call->key = argument;
        return 0;
    case ARGP_KEY_END:
        check_options(call, state);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- The configuration ------------------------------------------------------------------------
 */

static int configure(struct call *call)
{
    json_t *config = call->configuration = load_config(&call->common, call->config);
    if (!config) return EXIT_USAGE;
    if (call->queue) json_object_set_new(config, "queue", json_string(call->queue));
    if (call->queue) json_object_del(config, "plugin");
    if (call->plugin) json_object_del(config, "queue");
    call->queue = json_string_value(json_object_get(config, "queue"));
    if (call->queue) {
        set_default(config, "name", json_string(call->queue));
        set_default(config, "lmdb_enabled", json_true());
    } else if (call->plugin || json_object_get(config, "plugin")) {
        set_plugin(config, call->plugin);
    } else {
        return fail_text(&call->common, EXIT_USAGE, "--queue or --plugin is missing");
    }
    if (call->common.wait_ms >= 0)
        json_object_set_new(config, "lmdb_wait_timeout", json_integer(call->common.wait_ms));
    return EXIT_OK;
}

/* ---- Waiting ----------------------------------------------------------------------------------
 */

static volatile sig_atomic_t interrupted;

static void note(int number)
{
    interrupted = number;
}

/* From here on a request may be under way, which a signal has to cancel. */
static void note_signals(void)
{
    sigaction(SIGINT, &(struct sigaction){.sa_handler = note}, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = note}, NULL);
}

static json_int_t count_workers(zcx_store *store, const char *queue)
{
    char *text = NULL;
    json_int_t workers = 0;
    json_t *one;
    size_t index;
    if (zcx_store_stat(&text, store, NULL) != ZCX_OK) return 0;
    json_t *stat = json_loads(text, 0, NULL);
    json_array_foreach(json_object_get(stat, "queues"), index, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "name")), queue) == 0)
            workers = json_integer_value(json_object_get(one, "workers"));
    }
    json_decref(stat);
    zcx_free(text);
    return workers;
}

/* Until the answer is there, or the time is up, or a signal asks to leave: then nobody wants it. */
static zcx_status await(const struct call *call, zcx_exchange *exchange, zcx_call *handle,
                        zcx_error *error)
{
    int64_t left = zcx_exchange_wait_timeout_ms(exchange);
    for (;;) {
        zcx_error why = ZCX_ERROR_INIT;
        zcx_status status = zcx_call_wait(handle, left < SLICE ? left : SLICE, &why);
        left -= SLICE;
        if (status == ZCX_ETIMEDOUT && left > 0 && !interrupted) continue;
        if (status != ZCX_ETIMEDOUT) {
            *error = why;
            return status;
        }
        zcx_status cancelled = zcx_call_cancel(handle, error);
        if (cancelled) return cancelled;
        error->status = interrupted ? ZCX_ECANCELLED : ZCX_ETIMEDOUT;
        if (interrupted)
            snprintf(error->message, sizeof error->message,
                     "calculator '%s': the call was "
                     "cancelled by signal %d",
                     zcx_exchange_name(exchange), (int)interrupted);
        else
            snprintf(error->message, sizeof error->message,
                     "calculator '%s': no answer in %" PRId64
                     " ms from queue '%s', which %" JSON_INTEGER_FORMAT " workers take from",
                     zcx_exchange_name(exchange), zcx_exchange_wait_timeout_ms(exchange),
                     call->queue, count_workers(zcx_exchange_store(exchange), call->queue));
        return error->status;
    }
}

/* ---- The call ---------------------------------------------------------------------------------
 */

static int give_input(const struct call *call, zcx_call *handle, zcx_view *view)
{
    void *to;
    char *data = NULL;
    uint64_t length;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    int code = view ? EXIT_OK : read_input(&call->common, &data, &length);
    if (code) return code;
    if (call->queue) note_signals();
    if (view) {
        status = zcx_call_input_view(handle, view, &error);
    } else {
        status = zcx_call_input(&to, handle, length, &error);
        if (!status) zcx_copy(to, data, length);
        if (!status) status = zcx_call_submit(handle, length, &call->payload.envelope, &error);
        free(data);
    }
    return status ? fail(&call->common, &error) : EXIT_OK;
}

static int write_result(const struct call *call, zcx_call *handle)
{
    const void *data;
    uint64_t length;
    size_t key_length = 0;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_envelope envelope = ZCX_ENVELOPE_INIT;
    zcx_view *view = zcx_call_result_view(handle);
    const void *key = view ? zcx_view_key(view, &key_length) : NULL;
    int code = EXIT_OK;
    if (zcx_call_result(&data, &length, &envelope, handle, &error) != ZCX_OK)
        return fail(&call->common, &error);
    if (call->keep && !key)
        return fail_text(
            &call->common, EXIT_USAGE,
            "the result came directly, so --keep has nothing to keep: enable the store "
            "with lmdb_enabled, and exchange mode reference for small results");
    if (call->keep) zcx_call_keep_result(handle);
    if (call->keep && !call->common.json)
        printf("%.*s\n", (int)key_length, (const char *)key);
    else if (!call->keep)
        code = write_payload(&call->common, call->output, data, length);
    if (!code && call->common.json) {
        json_t *object = envelope_json(&envelope);
        if (call->keep) json_set_key(object, key, key_length);
        print_json(object);
    }
    if (!code && (fflush(stdout) != 0 || ferror(stdout)))
        code = fail_text(&call->common, EXIT_SYSTEM, "cannot write standard output: %s",
                         strerror(errno));
    return code;
}

static int run(const struct call *call, zcx_calculator *calculator, zcx_view *view)
{
    zcx_call *handle;
    zcx_exchange *exchange = zcx_calculator_exchange(calculator);
    zcx_error error = ZCX_ERROR_INIT;
    if (zcx_call_open(&handle, exchange, &error) != ZCX_OK) return fail(&call->common, &error);
    int code = give_input(call, handle, view);
    zcx_status status = ZCX_OK;
    if (!code) status = zcx_calculator_send(calculator, handle, &error); /* a plug-in: all of it */
    if (!code && !status && call->queue) status = await(call, exchange, handle, &error);
    if (status) {
        const char *trace = zcx_call_trace(handle);
        code = fail(&call->common, &error);
        if (trace && call->verbose) fprintf(stderr, "%s\n", trace);
    } else if (!code) {
        code = write_result(call, handle);
    }
    zcx_call_close(handle);
    return code;
}

/* The view has to be there first: what does not exist is not called with. */
static int open_and_run(const struct call *call)
{
    int code = EXIT_OK;
    zcx_store *store = NULL;
    zcx_view *view = NULL;
    zcx_calculator *calculator = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    char *text = config_text(call->configuration);
    if (call->queue || call->key) store = open_store(&call->common, NULL, &code);
    if (!code && call->key) {
        struct key key = parse_key(&call->common, call->key);
        if (zcx_store_view(&view, store, key.data, key.length, &error) != ZCX_OK)
            code = fail(&call->common, &error);
    }
    if (!code && zcx_calculator_open(&calculator, text, &error) != ZCX_OK)
        code = fail(&call->common, &error);
    if (!code) code = run(call, calculator, view);
    (void)zcx_calculator_close(calculator, NULL);
    zcx_view_release(view);
    close_store(store);
    free(text);
    return code;
}

int command_call(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&waiting_argp, 0, NULL, 0}, {&payload_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        options,
        parse_option,
        "[INPUT-KEY]",
        "Call a calculator with the record at INPUT-KEY, or with standard input when that is - or "
        "missing, and write the result to standard output. --format, --dtype and --shape say what "
        "standard input is.\vOver a queue it waits for at most --timeout, or the configuration's "
        "lmdb_wait_timeout (30 s).",
        children,
        NULL,
        NULL};
    struct call call = {.common = {.wait_ms = -1}, .payload = {.envelope = ZCX_ENVELOPE_INIT}};
    parse(&argp, argc, argv, &call);
    int code = configure(&call);
    if (!code) code = open_and_run(&call);
    json_decref(call.configuration);
    return code;
}
