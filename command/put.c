/* zcx put: reads straight into a loan, so the payload is copied once, by read(2). */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL 16384                    /* bytes that are put as they are: they may fit the record */
#define PIPE_FIRST (UINT64_C(1) << 20) /* bytes lent for a larger input of unknown size */
#define STEP (UINT64_C(8) << 20)       /* bytes per read(2), so that progress shows */

struct put {
    struct common common;
    char *key, *file;
    struct payload payload;
    int64_t wait_ms;
    zcx_store_options wanted; /* what a new store gets */
};

static const struct argp_option options[] = {
    {"ttl", 't', "TIME", 0,
     "Expire after this time: 90, 500ms, 10m, 2h, 7d; 0 or never: not at all "
     "(default: 5m)",
     0},
    {"content-type", 'c', "TYPE", 0, "A media type to store with it", 0},
    {"source", 's', "NAME", 0, "Who wrote it", 0},
    {"target", 'g', "NAME", 0, "For whom it is", 0},
    {"checksum", 'k', NULL, 0, "Store a checksum of the payload", 0},
    {"wait", 'W', "TIME", 0, "When the store is full, wait this long for room", 0},
    {"existing", 'e', NULL, 0, "Fail when there is no store, instead of creating one", 0},
    {"budget", 'B', "SIZE", 0, "A new store may use this much: 512m, 4g", 1},
    {"durable", 'D', NULL, 0, "A new store keeps what is published over a crash of the machine", 1},
    {0},
};

static bool parse_ttl(int64_t *ttl_ms, const char *text)
{
    if (strcmp(text, "never") != 0 && !parse_span(ttl_ms, text)) return false;
    if (strcmp(text, "never") == 0 || *ttl_ms == 0) *ttl_ms = ZCX_TTL_NEVER;
    return true;
}

/* Where an option whose argument is kept as it is goes; NULL for the others. */
static const char **text_option(struct put *put, int key)
{
    switch (key) {
    case 'c':
        return &put->payload.envelope.content_type;
    case 's':
        return &put->payload.envelope.source;
    case 'g':
        return &put->payload.envelope.target;
    default:
        return NULL;
    }
}

/* Options whose argument is a number of some kind. */
static error_t parse_value(struct put *put, int key, const char *argument, struct argp_state *state)
{
    switch (key) {
    case 't':
        if (!parse_ttl(&put->payload.envelope.ttl_ms, argument))
            argp_error(state, "--ttl takes a time such as 90, 10m or never, not '%s'", argument);
        return 0;
    case 'W':
        if (!parse_span(&put->wait_ms, argument))
            argp_error(state, "--wait takes a time such as 500ms, 10 or 2m, not '%s'", argument);
        return 0;
    case 'B':
        if (!parse_size(&put->wanted.budget, argument) || !put->wanted.budget)
            argp_error(state, "--budget takes a size such as 512m or 4g, not '%s'", argument);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct put *put = state->input;
    const char **text = text_option(put, key);
    if (text) {
        *text = argument;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &put->common;
        state->child_inputs[1] = &put->payload;
        return 0;
    case 'k':
        put->payload.envelope.flags |= ZCX_FLAG_CHECKSUM;
        return 0;
    case 'e':
        put->wanted.flags = ZCX_OPEN_EXISTING;
        return 0;
    case 'D':
        put->wanted.durability = ZCX_DURABILITY_COMMIT;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1) argp_error(state, "one KEY and one FILE at most");
        *(state->arg_num ? &put->file : &put->key) = argument;
        return 0;
    case ARGP_KEY_END:
        if (!put->key) argp_error(state, "KEY is missing");
        return 0;
    }
    return parse_value(put, key, argument, state);
}

/* Replaces a loan that is full by one of twice the size, with what was read so far. */
static zcx_status grow(zcx_loan **loan, zcx_store *store, uint64_t filled, int64_t wait_ms,
                       zcx_error *error)
{
    zcx_loan *larger;
    uint64_t size = filled < ZCX_PAYLOAD_MAX / 2 ? 2 * filled : ZCX_PAYLOAD_MAX;
    if (filled >= ZCX_PAYLOAD_MAX) size = filled + 1; /* the store names its limit */
    zcx_status status = zcx_store_loan(&larger, store, size, wait_ms, error);
    if (status) return status;
    memcpy(zcx_loan_data(larger), zcx_loan_data(*loan), filled);
    zcx_loan_discard(*loan);
    *loan = larger;
    return ZCX_OK;
}

static int fail_read(const struct put *put)
{
    return fail_text(&put->common, EXIT_SYSTEM, "cannot read %s: %s",
                     put->file ? put->file : "standard input", strerror(errno));
}

/* Reads `file` to its end into *loan, which has `filled` bytes already and is replaced when it is
 * too small. On failure *loan is still to discard. */
static int fill(zcx_loan **loan, uint64_t *length, uint64_t filled, zcx_store *store,
                const struct put *put, int file)
{
    zcx_error error = ZCX_ERROR_INIT;
    char next; /* a full loan is replaced only when there is more to read */
    for (;;) {
        uint64_t room = zcx_loan_capacity(*loan) - filled;
        char *to = room ? (char *)zcx_loan_data(*loan) + filled : &next;
        ssize_t got = read_some(file, to, room < STEP ? (room ? room : 1) : STEP);
        if (got < 0) return fail_read(put);
        if (got == 0) break;
        if (!room) {
            if (grow(loan, store, filled, put->wait_ms, &error) != ZCX_OK)
                return fail(&put->common, &error);
            ((char *)zcx_loan_data(*loan))[filled] = next;
        }
        filled += got;
        progress_add(got);
    }
    *length = filled;
    return EXIT_OK;
}

/* What is larger than `head`: `filled` bytes of it were read there. */
static int publish_large(zcx_store *store, const struct put *put, int file, struct key key,
                         const char *head, uint64_t filled, uint64_t *length, uint64_t *transaction)
{
    struct stat about;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_loan *loan = NULL;
    uint64_t size = 0;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode)) size = about.st_size;
    if (zcx_store_loan(&loan, store, size > filled ? size : PIPE_FIRST, put->wait_ms, &error))
        return fail(&put->common, &error);
    memcpy(zcx_loan_data(loan), head, filled);
    progress_begin("reading", size);
    int code = fill(&loan, length, filled, store, put, file);
    progress_end();
    if (!code && zcx_loan_publish(loan, key.data, key.length, *length, &put->payload.envelope,
                                  transaction, &error) != ZCX_OK)
        code = fail(&put->common, &error);
    if (code) zcx_loan_discard(loan);
    return code;
}

static int publish(zcx_store *store, const struct put *put, int file)
{
    struct key key = parse_key(&put->common, put->key);
    zcx_error error = ZCX_ERROR_INIT;
    char head[SMALL];
    uint64_t length = 0, transaction = 0;
    ssize_t got = 1;
    int code = EXIT_OK;
    for (; got > 0 && length<SMALL; length += got> 0 ? got : 0)
        got = read_some(file, head + length, SMALL - length);
    if (got < 0)
        code = fail_read(put);
    else if (got > 0)
        code = publish_large(store, put, file, key, head, length, &length, &transaction);
    else if (zcx_store_put(store, key.data, key.length, head, length, &put->payload.envelope,
                           &transaction, &error) != ZCX_OK)
        code = fail(&put->common, &error);
    if (code || !put->common.json) return code;
    json_t *object = json_pack("{s:I, s:I}", "length", (json_int_t)length, "transaction",
                               (json_int_t)transaction);
    json_set_key(object, key.data, key.length);
    print_json(object);
    return EXIT_OK;
}

int command_put(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&common_argp, 0, NULL, 0}, {&payload_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        options,      parse_option,
        "KEY [FILE]", "Publish FILE, or standard input when it is - or missing, at KEY.",
        children,     NULL,
        NULL};
    struct put put = {.payload = {.envelope = ZCX_ENVELOPE_INIT}, .wanted = ZCX_STORE_OPTIONS_INIT};
    int code = EXIT_OK, file = STDIN_FILENO;
    parse(&argp, argc, argv, &put);
    if (put.file && strcmp(put.file, "-") == 0) put.file = NULL;
    if (put.file) file = open(put.file, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail_text(&put.common, EXIT_SYSTEM, "cannot open %s: %s", put.file, strerror(errno));
    zcx_store *store = open_store(&put.common, &put.wanted, &code);
    if (!store) return code;
    code = publish(store, &put, file);
    close_store(store);
    return code;
}
