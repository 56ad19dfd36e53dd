#include "plugin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The option's value, NULL when it is not there; from now on it counts as asked for. */
static const json_t *ask(zcx_options *options, const char *name)
{
    json_object_del(options->left, name);
    return json_object_get(options->all, name);
}

static void wrong(zcx_options *options, const char *name, const json_t *value, const char *allowed)
{
    char text[ZCXI_VALUE_TEXT];
    zcxi_options_fail(options, "option '%.64s' is %s; allowed: %s", name,
                      zcxi_value_text(text, value), allowed);
}

const char *zcxi_option_string(zcx_options *options, const char *name, const char *fallback)
{
    const json_t *value = ask(options, name);
    if (json_is_string(value)) return json_string_value(value);
    if (value) wrong(options, name, value, "text");
    return fallback;
}

double zcxi_option_number(zcx_options *options, const char *name, double fallback)
{
    const json_t *value = ask(options, name);
    if (json_is_number(value)) return json_number_value(value);
    if (value) wrong(options, name, value, "a number");
    return fallback;
}

int zcxi_option_bool(zcx_options *options, const char *name, int fallback)
{
    const json_t *value = ask(options, name);
    if (json_is_boolean(value)) return json_is_true(value);
    if (value) wrong(options, name, value, "true or false");
    return fallback;
}

size_t zcxi_option_numbers(zcx_options *options, const char *name, double *values, size_t capacity,
                           const double *fallback, size_t count)
{
    const json_t *value = ask(options, name);
    if (!value) {
        for (size_t i = 0; i < count && i < capacity; i++)
            values[i] = fallback[i];
        return count < capacity ? count : capacity;
    }
    size_t size = json_is_array(value) ? json_array_size(value) : 1;
    if (size > capacity) {
        zcxi_options_fail(options, "option '%.64s' has %zu numbers; allowed: at most %zu", name,
                          size, capacity);
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_number(item)) {
            wrong(options, name, value, "a number or a list of numbers");
            return 0;
        }
        values[i] = json_number_value(item);
    }
    return size;
}

const char *zcxi_options_json(zcx_options *options)
{
    json_object_clear(options->left);
    if (!options->text && options->all) options->text = json_dumps(options->all, JSON_COMPACT);
    return options->text ? options->text : "{}";
}

void zcxi_options_fail(zcx_options *options, const char *format, ...)
{
    char text[sizeof options->error.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)zcxi_fail(&options->error, ZCX_EINVAL, 0, "%s", text);
}
