/* Payloads on their way in and out, and the options that say what they are. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP (UINT64_C(8) << 20) /* bytes per write(2), so that progress shows */

/* ---- Options ----------------------------------------------------------------------------------
 */

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "raw (default), json, msgpack, numpy or arrow", 0},
    {"dtype", 'y', "TYPE", 0, "For numpy: the elements' type, such as <f8", 0},
    {"shape", 'm', "N,N,...", 0, "For numpy: the sizes of the dimensions", 0},
    {0},
};

static bool parse_shape(struct payload *payload, const char *text)
{
    uint32_t count = 0;
    char *end;
    for (;;) {
        errno = 0;
        if (count == ZCX_DIMENSIONS_MAX || *text < '0' || *text > '9') return false;
        payload->shape[count++] = strtoull(text, &end, 10);
        if (errno) return false;
        if (!*end) break;
        if (*end != ',') return false;
        text = end + 1;
    }
    payload->envelope.shape = payload->shape;
    payload->envelope.ndim = count;
    return true;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct payload *payload = state->input;
    zcx_error error = ZCX_ERROR_INIT;
    zcx_format format;
    switch (key) {
    case 'f':
        if (zcx_format_parse(&format, argument, &error) != ZCX_OK)
            argp_error(state, "--format: %s", error.message);
        else
            payload->envelope.format = format;
        return 0;
    case 'y':
        payload->envelope.dtype = argument;
        return 0;
    case 'm':
        if (!parse_shape(payload, argument))
            argp_error(state, "--shape takes sizes such as 1000,3, not '%s'", argument);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

const struct argp payload_argp = {.options = options, .parser = parse_option};

/* ---- Out --------------------------------------------------------------------------------------
 */

/* By write(2), not vmsplice(2): a pipe would go on reading pages of the store after the view is
 * released. */
static bool write_all(int file, const char *data, uint64_t length)
{
    for (uint64_t written = 0; written < length;) {
        uint64_t rest = length - written;
        ssize_t step = write(file, data + written, rest < STEP ? rest : STEP);
        if (step < 0 && errno == EINTR) continue;
        if (step < 0) return false;
        written += step;
        progress_add(step);
    }
    return true;
}

int write_payload(const struct common *common, const char *file, const void *data, uint64_t length)
{
    int to = STDOUT_FILENO;
    if (file) to = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (to < 0) return fail_text(common, EXIT_SYSTEM, "cannot open %s: %s", file, strerror(errno));
    progress_begin("writing", length);
    bool written = write_all(to, data, length);
    int problem = errno;
    progress_end();
    if (file && close(to) < 0 && written) {
        problem = errno;
        written = false;
    }
    if (written) return EXIT_OK;
    return fail_text(common, EXIT_SYSTEM, "cannot write %s: %s", file ? file : "standard output",
                     strerror(problem));
}

/* ---- In ---------------------------------------------------------------------------------------
 */

ssize_t read_some(int file, void *to, size_t size)
{
    ssize_t got;
    do
        got = read(file, to, size);
    while (got < 0 && errno == EINTR);
    return got;
}

int read_input(const struct common *common, char **data, uint64_t *length)
{
    char *all = NULL;
    uint64_t filled = 0, room = 0;
    ssize_t got;
    progress_begin("reading", 0);
    for (;; filled += got, progress_add(got)) {
        if (filled == room) {
            char *larger = realloc(all, room = room ? 2 * room : 65536);
            if (!larger) {
                got = -1;
                break;
            }
            all = larger;
        }
        got = read_some(STDIN_FILENO, all + filled, room - filled);
        if (got <= 0) break;
    }
    int problem = errno;
    progress_end();
    if (got < 0) {
        free(all);
        return fail_text(common, EXIT_SYSTEM, "cannot read standard input: %s", strerror(problem));
    }
    *data = all;
    *length = filled;
    return EXIT_OK;
}
