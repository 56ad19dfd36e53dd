#include "command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Options ----------------------------------------------------------------------------------
 */

static const struct argp_option common_options[] = {
    {"path", 'p', "DIRECTORY", 0, "The store (default: $ZCX_PATH, else /dev/shm/zcx-<uid>)", 10},
    {"database", 'd', "NAME", 0, "The database in it (default: default)", 10},
    {"group", 'G', "GROUP", 0, "The group that shares the store (default: it is its owner's only)", 10},
    {"json", 'j', NULL, 0, "Write JSON, errors too", 10},
    {"bytes", 'b', NULL, 0, "Write exact sizes in bytes and times in seconds", 10},
    {"hex", 'x', NULL, 0, "Keys are given in hexadecimal", 10},
    {0},
};

static const struct argp_option lock_options[] = {
    {"timeout", 'w', "TIME", 0, "Wait this long for a lock (default: 10s)", 10},
    {0},
};

static const struct argp_option wait_options[] = {
    {"timeout", 'w', "TIME", 0, "Wait this long at most; 0: not at all", 10},
    {0},
};

static error_t parse_common(int key, char *argument, struct argp_state *state)
{
    struct common *common = state->input;
    switch (key) {
    case 'p':
        common->path = argument;
        return 0;
    case 'd':
        common->database = argument;
        return 0;
    case 'G':
        common->group = argument;
        return 0;
    case 'j':
        common->json = true;
        return 0;
    case 'b':
        common->bytes = true;
        return 0;
    case 'x':
        common->hex = true;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static error_t parse_timeout(int64_t *out_ms, int key, const char *argument,
                             struct argp_state *state)
{
    if (key == ARGP_KEY_INIT) state->child_inputs[0] = state->input;
    if (key != 'w') return key == ARGP_KEY_INIT ? 0 : ARGP_ERR_UNKNOWN;
    if (!parse_span(out_ms, argument))
        argp_error(state, "--timeout takes a time such as 500ms, 10 or 2m, not '%s'", argument);
    return 0;
}

static error_t parse_lock(int key, char *argument, struct argp_state *state)
{
    struct common *common = state->input;
    error_t problem = parse_timeout(&common->lock_ms, key, argument, state);
    if (key == 'w' && !common->lock_ms) argp_error(state, "--timeout takes a time over 0");
    return problem;
}

static error_t parse_wait(int key, char *argument, struct argp_state *state)
{
    return parse_timeout(&((struct common *)state->input)->wait_ms, key, argument, state);
}

static const struct argp shared_argp = {.options = common_options, .parser = parse_common};
static const struct argp_child shared[] = {{&shared_argp, 0, NULL, 0}, {0}};
const struct argp common_argp = {.options = lock_options, .parser = parse_lock, .children = shared};
const struct argp waiting_argp = {
    .options = wait_options, .parser = parse_wait, .children = shared};
const struct argp_child common_children[] = {{&common_argp, 0, NULL, 0}, {0}};

void parse(const struct argp *argp, int argc, char **argv, void *input)
{
    error_t problem = argp_parse(argp, argc, argv, 0, NULL, input);
    if (problem) {
        fprintf(stderr, "zcx: %s\n", strerror(problem));
        exit(EXIT_USAGE);
    }
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

struct key parse_key(const struct common *common, char *text)
{
    struct key key = {text, strlen(text)};
    if (!common->hex) return key;
    uint8_t *bytes = (uint8_t *)text;
    for (size_t i = 0; i < key.length; i += 2) {
        int high = hex_digit(text[i]), low = high < 0 ? -1 : hex_digit(text[i + 1]);
        if (low < 0) {
            fail_text(common, EXIT_USAGE, "key '%s' is not in hexadecimal", text);
            exit(EXIT_USAGE);
        }
        bytes[i / 2] = high << 4 | low;
    }
    key.length /= 2;
    return key;
}

/* ---- Errors -----------------------------------------------------------------------------------
 */

int exit_code_of(zcx_status status)
{
    switch (status) {
    case ZCX_OK:
        return EXIT_OK;
    case ZCX_ENOTFOUND:
    case ZCX_EEXPIRED:
    case ZCX_EDELETED:
        return EXIT_NOT_FOUND;
    case ZCX_EINVAL:
        return EXIT_USAGE;
    case ZCX_EFULL:
        return EXIT_FULL;
    case ZCX_ECORRUPT:
        return EXIT_CORRUPT;
    case ZCX_EBUSY:
    case ZCX_ETIMEDOUT:
        return EXIT_BUSY;
    case ZCX_EACCES:
        return EXIT_ACCESS;
    case ZCX_ELIMIT:
        return EXIT_LIMIT;
    case ZCX_EVERSION:
    case ZCX_EUNSUPPORTED:
        return EXIT_UNSUPPORTED;
    case ZCX_ESTALE:
        return EXIT_STALE;
    case ZCX_EFAILED:
        return EXIT_FAILED;
    case ZCX_EDEAD:
        return EXIT_DEAD;
    case ZCX_ECANCELLED:
        return EXIT_CANCELLED;
    default:
        return EXIT_SYSTEM;
    }
}

static int say(const struct common *common, int code, const char *status, const char *message)
{
    if (common->json) {
        json_t *object =
            json_pack("{s:s, s:s, s:i}", "error", message, "status", status, "exit", code);
        char *text = json_dumps(object, 0);
        fprintf(stderr, "%s\n", text ? text : message);
        free(text);
        json_decref(object);
    } else {
        fprintf(stderr, "zcx: %s\n", message);
    }
    return code;
}

int fail(const struct common *common, const zcx_error *error)
{
    const char *message = *error->message ? error->message : zcx_status_message(error->status);
    return say(common, exit_code_of(error->status), zcx_status_name(error->status), message);
}

int fail_text(const struct common *common, int code, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return say(common, code, code == EXIT_USAGE ? "ZCX_EINVAL" : "ZCX_ESYSTEM", message);
}

/* ---- The store --------------------------------------------------------------------------------
 */

zcx_store *open_store(const struct common *common, const zcx_store_options *wanted, int *code)
{
    zcx_store *store = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.flags = ZCX_OPEN_EXISTING;
    if (wanted) options = *wanted;
    options.database = common->database;
    options.group = common->group;
    options.lock_timeout_ms = common->lock_ms;
    *code = EXIT_OK;
    if (zcx_store_open(&store, common->path, &options, &error) != ZCX_OK)
        *code = fail(common, &error);
    return store;
}

void close_store(zcx_store *store)
{
    zcx_store_close(store, NULL);
}
