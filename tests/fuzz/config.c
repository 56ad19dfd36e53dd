/* A calculator's configuration, and its own options as a plug-in asks for them. */
#include "fuzz.h"

#include "config.h"
#include "plugin.h"

static void ask_all(const json_t *all)
{
    static const char *const names[] = {"a", "delays", "name", "", "é"};
    zcx_options options = {.all = all, .left = all ? json_copy((json_t *)all) : NULL};
    double numbers[4];
    const double fallback[] = {1, 2, 3, 4, 5};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = zcxi_option_string(&options, names[i], "text");
        MUST_HOLD(strlen(text) < SIZE_MAX);
        (void)zcxi_option_number(&options, names[i], 1);
        (void)zcxi_option_bool(&options, names[i], 1);
        MUST_HOLD(zcxi_option_numbers(&options, names[i], numbers, i, fallback, 5) <= i);
    }
    MUST_HOLD(zcxi_options_json(&options));
    MUST_HOLD(!options.error.status || options.error.message[0]);
    free(options.text);
    json_decref(options.left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zcxi_config config;
    zcx_error error = ZCX_ERROR_INIT;
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    if (zcxi_config_parse(&config, text, &error)) {
        MUST_HOLD(error.status == ZCX_EINVAL && error.message[0]);
    } else {
        MUST_HOLD(config.name && *config.name && config.min_size >= 0 && config.ttl_s >= 0);
        ask_all(config.options);
        zcxi_config_free(&config);
    }
    free(text);
    return 0;
}
