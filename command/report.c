/* What the store says in JSON, as people read it. */
#include "command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- One value ---------------------------------------------------------------------------------
 */

#define CELL 160

enum kind { PLAIN, BYTES, SECONDS };

static const char *cell_text(char out[CELL], const json_t *value, enum kind kind, bool exact)
{
    char text[TEXT_SIZE];
    json_int_t number = json_integer_value(value);
    if (kind == BYTES && json_is_integer(value))
        snprintf(out, CELL, "%s", size_text(text, number, exact));
    else if (kind == SECONDS && json_is_number(value))
        snprintf(out, CELL, "%s", span_text(text, json_number_value(value) * 1e9, exact));
    else if (json_is_integer(value))
        snprintf(out, CELL, "%" JSON_INTEGER_FORMAT, number);
    else if (json_is_boolean(value))
        snprintf(out, CELL, "%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_string(value))
        snprintf(out, CELL, "%s", json_string_value(value));
    else
        snprintf(out, CELL, "-");
    for (char *c = out; *c; c++) /* a process may call itself what it likes */
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    return out;
}

static void print_values(FILE *file, const char *title, const char *format, va_list values)
{
    fprintf(file, "%-14s ", title);
    vfprintf(file, format, values);
    putc('\n', file);
}

void print_line(const char *title, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_values(stdout, title, format, values);
    va_end(values);
}

__attribute__((format(printf, 3, 4))) static void line(FILE *file, const char *title,
                                                       const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_values(file, title, format, values);
    va_end(values);
}

/* ---- Tables -------------------------------------------------------------------------------------
 */

struct column {
    const char *title, *name;
    enum kind kind;
};

/* One line for each object of `rows`, text to the left and numbers to the right. */
static void print_table(FILE *file, const json_t *rows, const struct column *columns, size_t count,
                        bool exact)
{
    char cell[CELL];
    size_t widths[16] = {0}, index;
    json_t *row;
    for (size_t i = 0; i < count; i++) {
        widths[i] = strlen(columns[i].title);
        json_array_foreach(rows, index, row)
        {
            const json_t *value = json_object_get(row, columns[i].name);
            size_t width = strlen(cell_text(cell, value, columns[i].kind, exact));
            if (width > widths[i]) widths[i] = width;
        }
    }
    for (int line = -1; line < (int)json_array_size(rows); line++) {
        for (size_t i = 0; i < count; i++) {
            /* The first line's values decide the side. */
            json_t *first = json_object_get(json_array_get(rows, 0), columns[i].name);
            row = json_array_get(rows, line);
            const char *text = columns[i].title;
            if (line >= 0)
                text =
                    cell_text(cell, json_object_get(row, columns[i].name), columns[i].kind, exact);
            fprintf(file, json_is_string(first) ? "%s%-*s" : "%s%*s", i ? "  " : "",
                    (int)widths[i], text);
        }
        putc('\n', file);
    }
}

#define PRINT_TABLE(file, rows, columns, exact)                                                    \
    print_table(file, rows, columns, sizeof columns / sizeof *columns, exact)

/* ---- A store
 * -------------------------------------------------------------------------------------- */

static json_int_t get(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *get_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "-";
}

static void print_about(FILE *file, const json_t *store, const json_t *lmdb, bool exact)
{
    char used[TEXT_SIZE], budget[TEXT_SIZE], map[TEXT_SIZE], created[64];
    time_t when = json_number_value(json_object_get(store, "created"));
    struct tm local;
    double share = get(store, "budget") ? 100.0 * get(store, "used") / get(store, "budget") : 0;
    strftime(created, sizeof created, "%Y-%m-%d %H:%M:%S %z", localtime_r(&when, &local));
    line(file, "store", "%s", get_text(store, "path"));
    line(file, "created", "%s, durability %s, uuid %s", created, get_text(store, "durability"),
               get_text(store, "uuid"));
    line(file, "used", "%s of %s (%.1f %%); map %s", size_text(used, get(store, "used"), exact),
               size_text(budget, get(store, "budget"), exact), share,
               size_text(map, get(store, "map_size"), exact));
    line(file, "transactions",
               "%" JSON_INTEGER_FORMAT ", oldest snapshot in use %" JSON_INTEGER_FORMAT,
               get(lmdb, "last_transaction"), get(lmdb, "oldest_snapshot"));
    line(file, "readers", "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT, get(lmdb, "readers"),
               get(lmdb, "max_readers"));
}

static void print_slots(FILE *file, const json_t *slots, bool exact)
{
    static const char *const states[] = {"free", "loaned", "published", "retired"};
    static const struct column columns[] = {
        {"UP TO", "payload_bytes", BYTES}, {"LOANED", "loaned", PLAIN},
        {"PUBLISHED", "published", PLAIN}, {"LIVE", "live_bytes", BYTES},
        {"VIEWED STILL", "held", PLAIN},   {"HELD BACK", "held_bytes", BYTES},
        {"REUSABLE", "free_bytes", BYTES},
    };
    const json_t *classes = json_object_get(slots, "classes");
    char text[TEXT_SIZE];
    fprintf(file, "%-14s ", "slots");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        const json_t *state = json_object_get(slots, states[i]);
        fprintf(file, "%s%" JSON_INTEGER_FORMAT " %s", i ? ", " : "", get(state, "slots"), states[i]);
        if (get(state, "slots"))
            fprintf(file, " (%s)", size_text(text, get(state, "backed_bytes"), exact));
    }
    putc('\n', file);
    if (json_array_size(classes)) {
        putc('\n', file);
        PRINT_TABLE(file, classes, columns, exact);
    }
}

/* All but this very process, which looks and goes. */
static void print_holders(FILE *file, const json_t *holders, bool exact)
{
    static const struct column columns[] = {
        {"PID", "pid", PLAIN},
        {"COMMAND", "command", PLAIN},
        {"ALIVE", "alive", PLAIN},
        {"OPEN FOR", "age", SECONDS},
        {"VIEWS", "views", PLAIN},
        {"VIEWED", "viewed_bytes", BYTES},
        {"LOANS", "loans", PLAIN},
        {"LENT", "loan_bytes", BYTES},
        {"HELD BACK", "held_bytes", BYTES},
        {"SINCE", "oldest_held", SECONDS},
    };
    json_t *others = json_array(), *holder;
    size_t index;
    json_array_foreach(holders, index, holder) if (!json_is_true(json_object_get(holder, "self")))
        json_array_append(others, holder);
    putc('\n', file);
    if (json_array_size(others))
        PRINT_TABLE(file, others, columns, exact);
    else
        fputs("No other process has it open.\n", file);
    json_decref(others);
}

/* "1234, 1235": of the processes that take from a queue. */
static json_t *pids_text(const json_t *pids)
{
    char text[CELL] = "-";
    size_t index, used = 0;
    json_t *pid;
    json_array_foreach(pids, index, pid) if (used < sizeof text) used +=
        snprintf(text + used, sizeof text - used, "%s%" JSON_INTEGER_FORMAT, index ? ", " : "",
                 json_integer_value(pid));
    return json_string(text);
}

static void print_queues(FILE *file, const json_t *queues, bool exact)
{
    static const struct column columns[] = {
        {"QUEUE", "name", PLAIN},      {"WAITING", "waiting", PLAIN}, {"OLDEST", "oldest", SECONDS},
        {"WORKERS", "workers", PLAIN}, {"CLAIMED", "claimed", PLAIN}, {"PIDS", "pids", PLAIN},
    };
    static const struct column claim_columns[] = {
        {"CLAIM OF", "queue", PLAIN},  {"PID", "pid", PLAIN},   {"ALIVE", "alive", PLAIN},
        {"ATTEMPT", "attempt", PLAIN}, {"FOR", "age", SECONDS}, {"SENT BEFORE", "pushed", SECONDS},
    };
    json_t *rows = json_array(), *claims = json_array(), *queue, *claim;
    size_t index, inner;
    json_array_foreach(queues, index, queue)
    {
        const json_t *claimed = json_object_get(queue, "claims");
        json_t *row = json_copy(queue);
        json_object_set_new(row, "claimed", json_integer((json_int_t)json_array_size(claimed)));
        json_object_set_new(row, "pids", pids_text(json_object_get(queue, "processes")));
        json_array_append_new(rows, row);
        json_array_foreach(claimed, inner, claim)
        {
            row = json_copy(claim);
            json_object_set(row, "queue", json_object_get(queue, "name"));
            json_array_append_new(claims, row);
        }
    }
    if (json_array_size(rows)) {
        putc('\n', file);
        PRINT_TABLE(file, rows, columns, exact);
    }
    if (json_array_size(claims)) {
        putc('\n', file);
        PRINT_TABLE(file, claims, claim_columns, exact);
    }
    json_decref(rows);
    json_decref(claims);
}

/* "1.2 k": counts and rates. */
static const char *count_text(char out[TEXT_SIZE], double number)
{
    if (number < 10000)
        snprintf(out, TEXT_SIZE, "%.*f", number && number < 10 ? 1 : 0, number);
    else if (number < 1e7)
        snprintf(out, TEXT_SIZE, "%.1f k", number / 1e3);
    else
        snprintf(out, TEXT_SIZE, "%.1f M", number / 1e6);
    return out;
}

static void print_rates(FILE *file, const json_t *rates)
{
    static const char *const names[] = {"publishes", "views", "loans"};
    char texts[3][TEXT_SIZE];
    for (int i = 0; i < 3; i++)
        count_text(texts[i], json_number_value(json_object_get(rates, names[i])));
    if (json_is_object(rates))
        line(file, "per second", "%s publishes, %s views, %s loans", texts[0], texts[1], texts[2]);
}

static void print_activity(FILE *file, const json_t *stat, bool exact)
{
    const json_t *sweeper = json_object_get(stat, "sweeper");
    json_t *errors = json_object_get(stat, "errors"), *value;
    const json_t *oldest = json_object_get(stat, "oldest_holder");
    const char *name;
    char text[CELL], most[CELL];
    print_rates(file, json_object_get(stat, "rates"));
    if (get(stat, "waiters")) line(file, "waiters", "%" JSON_INTEGER_FORMAT, get(stat, "waiters"));
    if (json_is_object(oldest))
        line(file, "oldest holder", "process %" JSON_INTEGER_FORMAT ": %s since %s",
             get(oldest, "pid"), get_text(oldest, "has"),
             cell_text(text, json_object_get(oldest, "age"), SECONDS, exact));
    if (json_is_number(json_object_get(sweeper, "age")))
        line(file, "last sweep", "%s ago; the longest hold of the lock was %.3f ms",
             cell_text(text, json_object_get(sweeper, "age"), SECONDS, exact),
             json_number_value(json_object_get(sweeper, "longest_hold")) * 1e3);
    json_object_foreach(errors, name, value) if (json_integer_value(value))
        line(file, "errors", "%s %s", cell_text(most, value, PLAIN, exact), name);
}

void write_store(FILE *file, const json_t *stat, bool exact)
{
    static const struct column columns[] = {{"DATABASE", "name", PLAIN},
                                            {"RECORDS", "records", PLAIN}};
    print_about(file, json_object_get(stat, "store"), json_object_get(stat, "lmdb"), exact);
    print_activity(file, stat, exact);
    print_slots(file, json_object_get(stat, "slots"), exact);
    if (json_array_size(json_object_get(stat, "databases"))) {
        putc('\n', file);
        PRINT_TABLE(file, json_object_get(stat, "databases"), columns, exact);
    }
    print_queues(file, json_object_get(stat, "queues"), exact);
    print_holders(file, json_object_get(stat, "holders"), exact);
}

void print_store(const json_t *stat, bool exact)
{
    write_store(stdout, stat, exact);
}
