/* What zcx_store_stat says, in the Prometheus text format. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

/* ---- Numbers that the store has one of --------------------------------------------------------
 */

struct metric {
    const char *name, *path, *help; /* path: of the number in the JSON */
};

static const struct metric gauges[] = {
    {"budget_bytes", "store.budget", "What the store may use."},
    {"used_bytes", "store.used", "What counts against the budget."},
    {"readers", "lmdb.readers", "LMDB reader slots in use."},
    {"readers_max", "lmdb.max_readers", "LMDB reader slots that there are."},
    {"waiters", "waiters", "Threads that sleep until something is published."},
    {"oldest_holder_seconds", "oldest_holder.age",
     "For how long the oldest loan, or the oldest view of a deleted payload, has been held."},
    {"publishes_per_second", "rates.publishes", "Records published, lately."},
    {"views_per_second", "rates.views", "Records viewed, lately."},
    {"loans_per_second", "rates.loans", "Loans of slots that ended, lately."},
    {"last_sweep_timestamp_seconds", "sweeper.last", "When the last sweep ended, Unix time."},
    {"longest_lock_hold_seconds", "sweeper.longest_hold",
     "The longest time that a sweep held the writers' lock."},
};

static const struct metric counters[] = {
    {"transactions_total", "lmdb.last_transaction", "Commits."},
    {"publishes_total", "counters.publishes", "Records published."},
    {"views_total", "counters.views", "Records viewed."},
    {"loans_total", "counters.loans", "Loans of slots that were published or given back."},
    {"slots_created_total", "events.slots_created", "Slots made."},
    {"recoveries_total", "events.recoveries", "Recoveries after a process died with the lock."},
    {"commits_rolled_back_total", "events.commits_rolled_back", "Torn commits rolled back."},
    {"processes_reaped_total", "events.processes_reaped", "Dead processes cleaned up after."},
    {"records_expired_total", "events.records_expired", "Expired records deleted."},
    {"trimmed_bytes_total", "events.bytes_trimmed", "Idle memory given back to the system."},
    {"sweeps_total", "sweeper.sweeps", "Sweeps that ended well."},
    {"sweep_records_read_total", "sweeper.records_read", "Records that sweeps looked at."},
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const json_t *at(const json_t *json, const char *path)
{
    char name[64];
    for (size_t length; json && *path; path += length + (path[length] == '.')) {
        length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        json = json_object_get(json, name);
    }
    return json;
}

static void write_number(FILE *file, const json_t *value)
{
    if (json_is_integer(value))
        fprintf(file, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
    else
        fprintf(file, " %.9f\n", json_number_value(value));
}

static void begin(FILE *file, const char *name, const char *type, const char *help)
{
    fprintf(file, "# HELP zcx_%s %s\n# TYPE zcx_%s %s\n", name, help, name, type);
}

static void write_metrics(FILE *file, const json_t *stat, const struct metric *metrics,
                          size_t count, const char *type)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = at(stat, metrics[i].path);
        if (!json_is_number(value)) continue; /* such as the age of a holder that there is not */
        begin(file, metrics[i].name, type, metrics[i].help);
        fprintf(file, "zcx_%s", metrics[i].name);
        write_number(file, value);
    }
}

/* ---- Numbers by label -------------------------------------------------------------------------
 */

static void write_label(FILE *file, const char *name, const char *text)
{
    fprintf(file, "%s=\"", name);
    for (; *text; text++) {
        if (*text == '\\' || *text == '"') putc('\\', file);
        if (*text == '\n')
            fputs("\\n", file);
        else
            putc(*text, file);
    }
    putc('"', file);
}

/* zcx_name{label="value",state="state"} number; one of the two labels may be NULL. */
static void write_labelled(FILE *file, const char *name, const char *label, const char *text,
                           const char *state, const json_t *value)
{
    if (!json_is_number(value)) return;
    fprintf(file, "zcx_%s{", name);
    if (label) write_label(file, label, text);
    if (label && state) putc(',', file);
    if (state) write_label(file, "state", state);
    putc('}', file);
    write_number(file, value);
}

static void write_databases(FILE *file, const json_t *databases)
{
    size_t index;
    json_t *one;
    begin(file, "records", "gauge",
          "Records by database, with expired ones that no sweep has met yet.");
    json_array_foreach(databases, index, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name)
            write_labelled(file, "records", "database", name, NULL,
                           json_object_get(one, "records"));
    }
}

static void write_slots(FILE *file, const json_t *slots)
{
    static const char *const states[] = {"free", "loaned", "published", "retired"};
    static const char *const kinds[] = {"live", "loaned", "held", "free"};
    static const char *const names[] = {"live_bytes", "loaned_bytes", "held_bytes", "free_bytes"};
    size_t index;
    json_t *class;
    char text[32];
    begin(file, "slots", "gauge", "Slots by state.");
    for (size_t i = 0; i < COUNT(states); i++)
        write_labelled(file, "slots", NULL, NULL, states[i],
                       at(json_object_get(slots, states[i]), "slots"));
    begin(file, "backed_bytes", "gauge", "Memory of slots by state.");
    for (size_t i = 0; i < COUNT(states); i++)
        write_labelled(file, "backed_bytes", NULL, NULL, states[i],
                       at(json_object_get(slots, states[i]), "backed_bytes"));
    begin(file, "class_bytes", "gauge",
          "Bytes of slots, by the largest payload that they hold: live, loaned, held (deleted, but "
          "viewed still), free.");
    json_array_foreach(json_object_get(slots, "classes"), index, class)
    {
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(class, "payload_bytes")));
        for (size_t i = 0; i < COUNT(kinds); i++)
            write_labelled(file, "class_bytes", "class", text, kinds[i],
                           json_object_get(class, names[i]));
    }
}

/* Of all processes together: pids would make a new series each. */
static void write_holders(FILE *file, const json_t *holders)
{
    static const struct metric sums[] = {
        {"open_views", "views", "Views that are held."},
        {"open_loans", "loans", "Loans that are being filled."},
        {"held_bytes", "held_bytes", "Bytes of deleted payloads that only views keep."},
    };
    size_t index;
    json_t *holder;
    begin(file, "processes", "gauge", "Processes that have the store open.");
    fprintf(file, "zcx_processes %zu\n", json_array_size(holders));
    for (size_t i = 0; i < COUNT(sums); i++) {
        json_int_t sum = 0;
        json_array_foreach(holders, index, holder) sum +=
            json_integer_value(json_object_get(holder, sums[i].path));
        begin(file, sums[i].name, "gauge", sums[i].help);
        fprintf(file, "zcx_%s %" JSON_INTEGER_FORMAT "\n", sums[i].name, sum);
    }
}

static void write_queues(FILE *file, const json_t *queues)
{
    static const struct metric metrics[] = {
        {"queue_waiting", "waiting", "Requests that no worker has taken."},
        {"queue_oldest_seconds", "oldest", "For how long the first of them has waited."},
        {"queue_workers", "workers", "Workers of the queue."},
        {"queue_claimed", "claimed", "Requests that workers have taken."},
    };
    size_t index;
    json_t *queue;
    for (size_t i = 0; i < COUNT(metrics); i++) {
        begin(file, metrics[i].name, "gauge", metrics[i].help);
        json_array_foreach(queues, index, queue)
        {
            const char *name = json_string_value(json_object_get(queue, "name"));
            json_t *claims = json_object_get(queue, "claims");
            json_object_set_new(queue, "claimed",
                                json_integer((json_int_t)json_array_size(claims)));
            if (name)
                write_labelled(file, metrics[i].name, "queue", name, NULL,
                               json_object_get(queue, metrics[i].path));
        }
    }
}

static void write_errors(FILE *file, json_t *errors)
{
    const char *kind;
    json_t *value;
    begin(file, "errors_total", "counter", "Errors by kind; docs/stat.md says which.");
    json_object_foreach(errors, kind, value)
    {
        fputs("zcx_errors_total{", file);
        write_label(file, "kind", kind);
        putc('}', file);
        write_number(file, value);
    }
}

char *metrics_text(const char *text)
{
    char *out = NULL;
    size_t size;
    FILE *file = open_memstream(&out, &size);
    if (!file) return NULL;
    json_t *stat = text ? json_loads(text, 0, NULL) : NULL;
    begin(file, "up", "gauge", "Whether there is a store to sweep.");
    fprintf(file, "zcx_up %d\n", stat != NULL);
    if (stat) {
        write_metrics(file, stat, gauges, COUNT(gauges), "gauge");
        write_metrics(file, stat, counters, COUNT(counters), "counter");
        write_databases(file, json_object_get(stat, "databases"));
        write_slots(file, json_object_get(stat, "slots"));
        write_holders(file, json_object_get(stat, "holders"));
        write_queues(file, json_object_get(stat, "queues"));
        write_errors(file, json_object_get(stat, "errors"));
    }
    json_decref(stat);
    if (fclose(file) == 0) return out;
    free(out);
    return NULL;
}
