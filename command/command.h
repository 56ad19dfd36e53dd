/* What the subcommands of `zcx` share: their entry points, options, exit codes and output. */
#ifndef COMMAND_H
#define COMMAND_H

#include "zcx.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>

/* Part of the interface: zcx.1 lists them. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_NOT_FOUND = 1, /* no such key or store, expired, or deleted meanwhile */
    EXIT_USAGE = 2,
    EXIT_FULL = 3,
    EXIT_CORRUPT = 4, /* of doctor: not sound */
    EXIT_BUSY = 5,    /* or timed out */
    EXIT_ACCESS = 6,
    EXIT_LIMIT = 7,
    EXIT_UNSUPPORTED = 8, /* file system, version, pid namespace */
    EXIT_STALE = 9,       /* the store was removed meanwhile */
    EXIT_FAILED = 10, /* a calculator; or an error record */
    EXIT_SYSTEM = 11, /* input, output, memory and everything else */
    EXIT_DEAD = 12,   /* workers died over the request */
    EXIT_CANCELLED = 13,
};

/* Each gets argv from its own name on, and returns an exit code. */
int command_put(int argc, char **argv);
int command_get(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_stat(int argc, char **argv);
int command_rm(int argc, char **argv);
int command_sweep(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_wait(int argc, char **argv);
int command_watch(int argc, char **argv);
int command_call(int argc, char **argv);
int command_worker(int argc, char **argv);
int command_top(int argc, char **argv);

/* ---- Options that all have (common.c) ---------------------------------------------------------
 */

struct common {
    const char *path; /* NULL: the default */
    const char *database;
    const char *group; /* that shares the store; NULL: its owner's only */
    bool json;
    bool bytes; /* exact sizes and times instead of readable ones */
    bool hex;   /* keys are given in hexadecimal */
    int64_t lock_ms, wait_ms; /* --timeout: of locks, or, with waiting_argp, of what is waited for */
};

/* For an argp's children; the parent's parser sets state->child_inputs[0] to its struct common. */
extern const struct argp common_argp, waiting_argp;
extern const struct argp_child common_children[]; /* common_argp alone */

/* Parses argv; `input` begins with a struct common. Usage errors exit with EXIT_USAGE. */
void parse(const struct argp *argp, int argc, char **argv, void *input);

/* NULL after it said why; *code is the exit code. Never creates a store, unless `wanted`, whose
 * budget and durability are then the new store's, is given without ZCX_OPEN_EXISTING. */
zcx_store *open_store(const struct common *common, const zcx_store_options *wanted, int *code);
void close_store(zcx_store *store);

/* A key as the user gave it; with --hex it is decoded in place. Exits on bad hexadecimal. */
struct key {
    const void *data;
    size_t length;
};
struct key parse_key(const struct common *common, char *text);

/* Says "zcx: <message>" on stderr (as JSON with --json) and returns the exit code. */
int fail(const struct common *common, const zcx_error *error);
__attribute__((format(printf, 3, 4))) int fail_text(const struct common *common, int code,
                                                    const char *format, ...);
int exit_code_of(zcx_status status);

/* ---- Payloads (payload.c) ---------------------------------------------------------------------
 */

/* --format, --dtype and --shape, with payload_argp; begins with ZCX_ENVELOPE_INIT. */
struct payload {
    zcx_envelope envelope;
    uint64_t shape[ZCX_DIMENSIONS_MAX];
};
extern const struct argp payload_argp;

/* To `file`, or standard output when it is NULL. Returns an exit code. */
int write_payload(const struct common *common, const char *file, const void *data, uint64_t length);
ssize_t read_some(int file, void *to, size_t size); /* read(2), whatever signals come */
/* Standard input to its end; free *data. Returns an exit code. */
int read_input(const struct common *common, char **data, uint64_t *length);

/* ---- Calculators (config.c) -------------------------------------------------------------------
 */

/* What --config says: JSON text when it begins with {, else a file's path; {} when NULL. The store is
 * the options' where they name one, and then *common names it, too. NULL after it said why. */
json_t *load_config(struct common *common, const char *text);
/* `config` for zcx's functions; free it. */
char *config_text(const json_t *config);
void set_default(json_t *config, const char *name, json_t *value); /* takes the reference */
/* Sets `plugin` to an absolute path, and `type` and `name` where they are missing to what the plug-in
 * exports. Returns whether several threads may call one instance. What is wrong with the plug-in, the
 * opening of the calculator says. */
bool set_plugin(json_t *config, const char *file);

/* ---- Text (text.c) ----------------------------------------------------------------------------
 */

#define TEXT_SIZE 32

/* "12.3 MiB", or "12897484" when `exact`. Return `out`. */
const char *size_text(char out[TEXT_SIZE], uint64_t bytes, bool exact);
/* "3 min 20 s", or seconds with three decimals when `exact`. */
const char *span_text(char out[TEXT_SIZE], uint64_t ns, bool exact);
/* Whole numbers with a unit: b, k, m, g (1,024 to the step). False when it isn't one. */
bool parse_size(uint64_t *out, const char *text);
/* ms, s (the default), m, h, d to milliseconds. False when it isn't one. */
bool parse_span(int64_t *out_ms, const char *text);
uint64_t now_ns(void);

/* Printable UTF-8 as it is, other bytes as \xNN. */
void print_key(FILE *file, const void *key, size_t length);
/* {"key": text} when it is UTF-8, else {"key_hex": …}; added to `object`. */
void json_set_key(json_t *object, const void *key, size_t length);
/* One object on one line. Takes the reference. False when stdout cannot be written. */
bool print_json(json_t *object);
/* What an envelope says, as JSON; and "expires in 4 min" or "never expires" and so on. */
json_t *envelope_json(const zcx_envelope *envelope);
const char *expiry_text(char out[TEXT_SIZE], const zcx_envelope *envelope, bool exact);

/* A line, or a JSON object, of `ls` (ls.c). */
void print_record(FILE *file, const struct common *common, bool details, struct key key,
                  const zcx_envelope *envelope);

/* ---- Reports (report.c) -----------------------------------------------------------------------
 */

/* What zcx_store_stat says, for people. */
void write_store(FILE *file, const json_t *stat, bool exact);
void print_store(const json_t *stat, bool exact);
/* "title     text" */
__attribute__((format(printf, 2, 3))) void print_line(const char *title, const char *format, ...);

/* ---- The sweeper (sweep.c, sweeper.c) ------------------------------------------------------------
 */

struct sweeper {
    struct common common;
    zcx_sweep_options options;
    const char *metrics; /* where they are served; NULL: nowhere */
};

extern const struct argp sweep_argp; /* its input is a struct sweeper */

/* Metrics in the Prometheus text format (metrics.c), from what zcx_store_stat says; NULL: there is no
 * store to be had. Free it; NULL without memory. */
char *metrics_text(const char *stat);

/* Serves a page over HTTP at /metrics (server.c), in a thread of its own, which calls `page` for the
 * text; it frees that. `where`: "unix:/path" or, loopback only, "127.0.0.1:9184", "[::1]:9184"; port 0
 * is one that is free. NULL after it said why; *code is the exit code. */
struct server *server_open(const struct common *common, const char *where,
                           char *(*page)(void *context), void *context, int *code);
const char *server_name(const struct server *server); /* "http://127.0.0.1:9184/metrics" */
void server_close(struct server *server);             /* NULL is a no-op */

/* ---- Progress (progress.c) --------------------------------------------------------------------
 */

/* From the second second on, and only on a terminal, one line on stderr that is rewritten:
 * "reading 120.0 MiB of 1.2 GiB, 3 s". `total` 0: not known. */
void progress_begin(const char *what, uint64_t total);
void progress_total(uint64_t total); /* now it is known */
void progress_add(uint64_t bytes);
void progress_end(void);

/* ---- msgpack as JSON (msgpack.c) --------------------------------------------------------------
 */

/* A new reference: typed arrays and binary are described, not shown. NULL when it is not msgpack.
 */
json_t *msgpack_json(const void *data, uint64_t length);

#endif
