/* JSON of the store as people read it. */
#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CELL 96

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* "held_bytes" → "held": the value shows its unit. */
static void title_of(char out[CELL], const char *name)
{
    size_t length = strlen(name);
    if (ends_with(name, "_bytes")) length -= 6;
    if (ends_with(name, "_ns") || ends_with(name, "_ms")) length -= 3;
    snprintf(out, CELL, "%.*s", (int)length, name);
    for (char *at = out; *at; at++)
        if (*at == '_') *at = ' ';
}

static const char *value_text(char out[CELL], const char *name, const json_t *value, bool exact)
{
    char text[TEXT_SIZE];
    uint64_t number = json_integer_value(value);
    if (json_is_integer(value) && (ends_with(name, "_bytes") || strcmp(name, "bytes") == 0))
        snprintf(out, CELL, "%s", size_text(text, number, exact));
    else if (json_is_integer(value) && ends_with(name, "_ns"))
        snprintf(out, CELL, "%s", span_text(text, number, exact));
    else if (json_is_integer(value) && ends_with(name, "_ms"))
        snprintf(out, CELL, "%s", span_text(text, number * 1000000, exact));
    else if (json_is_integer(value))
        snprintf(out, CELL, "%" PRIu64, number);
    else if (json_is_real(value))
        snprintf(out, CELL, "%.6g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(out, CELL, "%s", json_is_true(value) ? "yes" : "no");
    else
        snprintf(out, CELL, "%s", json_is_string(value) ? json_string_value(value) : "-");
    return out;
}

/* A list of objects with the same members; one line for each. */
static void print_table(const json_t *rows, int indent, bool exact)
{
    const char *name;
    char text[CELL];
    json_t *first = json_array_get(rows, 0), *value, *row;
    size_t index;
    for (int line = -1; line < (int)json_array_size(rows); line++) {
        printf("%*s", indent, "");
        json_object_foreach(first, name, value)
        {
            title_of(text, name);
            size_t width = strlen(text);
            char cell[CELL];
            json_array_foreach(rows, index, row)
            {
                size_t length = strlen(value_text(cell, name, json_object_get(row, name), exact));
                if (length > width) width = length;
            }
            if (line >= 0)
                value_text(text, name, json_object_get(json_array_get(rows, line), name), exact);
            printf(json_is_string(value) ? "%-*s  " : "%*s  ", (int)width, text);
        }
        putchar('\n');
    }
}

static void print_members(const json_t *object, int indent, bool exact)
{
    const char *name;
    char title[CELL], text[CELL];
    json_t *value;
    size_t width = 0;
    json_object_foreach((json_t *)object, name, value)
    {
        title_of(title, name);
        if (!json_is_object(value) && !json_is_array(value) && strlen(title) > width)
            width = strlen(title);
    }
    json_object_foreach((json_t *)object, name, value)
    {
        title_of(title, name);
        if (json_is_object(value)) {
            printf("%*s%s\n", indent, "", title);
            print_members(value, indent + 2, exact);
        } else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
            printf("%*s%s\n", indent, "", title);
            print_table(value, indent + 2, exact);
        } else if (json_is_array(value)) {
            char *list = json_array_size(value) ? json_dumps(value, 0) : NULL;
            printf("%*s%-*s  %s\n", indent, "", (int)width, title, list ? list : "none");
            free(list);
        } else {
            printf("%*s%-*s  %s\n", indent, "", (int)width, title,
                   value_text(text, name, value, exact));
        }
    }
}

void print_report(const json_t *object, bool exact)
{
    print_members(object, 0, exact);
}
