#include "plugin.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct zcx_calculator {
    zcx_exchange *exchange;
    void *library;
    const struct zcx_plugin *plugin;
    void *instance;
    pthread_mutex_t mutex; /* one thread at a time, unless the plug-in says otherwise */
    _Atomic uint32_t running;
};

/* ---- Opening --------------------------------------------------------------------------------- */

static zcx_status check_config(const struct zcxi_config *config, zcx_error *error)
{
    const char *language = config->language;
    if (config->queue && !config->enabled)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "calculator '%s' has queue '%s' and lmdb_enabled false: requests to "
                         "workers go through the store", config->name, config->queue);
    if (config->queue) return ZCX_OK;
    if (language && (!strcmp(language, "java") || !strcmp(language, "python")))
        return zcxi_fail(error, ZCX_EUNSUPPORTED, 0,
                         "calculator '%s' is of %s, which its own language's package calls; from here it needs a 'queue'",
                         config->name, language);
    if (!config->plugin || !config->type)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "option '%s' of calculator '%s' is missing; it is %s",
                         config->plugin ? "type" : "plugin", config->name,
                         config->plugin ? "the name that the plug-in exports"
                                        : "the absolute path of its shared object");
    return ZCX_OK;
}

static zcx_status check_plugin(const struct zcx_plugin *plugin, const struct zcxi_config *config,
                               zcx_error *error)
{
    if (plugin->abi_version != ZCX_PLUGIN_ABI)
        return zcxi_fail(
            error, ZCX_EVERSION, 0,
            "plug-in %s is of ABI version %u, zcx %s of %u: build it with this version's "
            "zcx_plugin.h",
            config->plugin, plugin->abi_version, zcx_version(), ZCX_PLUGIN_ABI);
    if (plugin->struct_size < sizeof *plugin || !plugin->name || !plugin->calculate)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "plug-in %s has a descriptor of %zu bytes without a name or calculate()",
                         config->plugin, plugin->struct_size);
    if (strcmp(plugin->name, config->type))
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "option 'type' of calculator '%s' is '%s', and plug-in %s exports '%s'",
                         config->name, config->type, config->plugin, plugin->name);
    return ZCX_OK;
}

static zcx_status load(zcx_calculator *calculator, const struct zcxi_config *config,
                       zcx_error *error)
{
    if (access(config->plugin, F_OK))
        return zcxi_fail(error, ZCX_ENOTFOUND, 0, "plug-in %s of calculator '%s' is not there",
                         config->plugin, config->name);
    calculator->library = dlopen(config->plugin, RTLD_NOW | RTLD_LOCAL);
    if (!calculator->library)
        return zcxi_fail(error, ZCX_EINVAL, 0, "plug-in of calculator '%s' cannot be loaded: %s",
                         config->name, dlerror());
    calculator->plugin = dlsym(calculator->library, ZCX_PLUGIN_SYMBOL);
    if (!calculator->plugin)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "%s is no plug-in of zcx: it exports no descriptor '" ZCX_PLUGIN_SYMBOL
                         "'",
                         config->plugin);
    return check_plugin(calculator->plugin, config, error);
}

/* The first option that create() never asked for. */
static void check_options(zcx_options *options)
{
    const char *name = json_object_iter_key(json_object_iter(options->left));
    if (name) zcxi_options_fail(options, "it has no option '%.64s'", name);
}

static zcx_status create(zcx_calculator *calculator, const struct zcxi_config *config,
                         zcx_error *error)
{
    const struct zcx_plugin *plugin = calculator->plugin;
    zcx_options options = {.all = config->options,
                           .left = config->options ? json_copy(config->options) : json_object()};
    if (!options.left)
        return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a calculator's options");
    if (plugin->create) calculator->instance = plugin->create(&zcxi_core, &options);
    bool failed = plugin->create && !calculator->instance;
    if (failed && !options.error.status)
        (void)zcxi_fail(&options.error, ZCX_EFAILED, 0, "create() failed and did not say why");
    check_options(&options);
    json_decref(options.left);
    free(options.text);
    if (!options.error.status) return ZCX_OK;
    return zcxi_fail(error, options.error.status, 0, "calculator '%s': %s", config->name,
                     options.error.message);
}

static void destroy(zcx_calculator *calculator)
{
    if (calculator->instance && calculator->plugin->destroy)
        calculator->plugin->destroy(calculator->instance);
    if (calculator->library) dlclose(calculator->library);
    zcx_exchange_close(calculator->exchange);
    pthread_mutex_destroy(&calculator->mutex);
    free(calculator);
}

zcx_status zcx_calculator_open(zcx_calculator **out, const char *json, zcx_error *error)
{
    zcx_calculator *calculator = calloc(1, sizeof *calculator);
    if (!calculator) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a calculator");
    pthread_mutex_init(&calculator->mutex, NULL);
    zcx_status status = zcx_exchange_open(&calculator->exchange, json, error);
    if (!status) {
        const struct zcxi_config *config = &calculator->exchange->config;
        status = check_config(config, error);
        if (!status)
            status = config->queue ? zcxi_exchange_need_store(calculator->exchange, error)
                                   : load(calculator, config, error);
        if (!status && !config->queue) status = create(calculator, config, error);
    }
    if (status)
        destroy(calculator);
    else
        *out = calculator;
    return status;
}

zcx_status zcx_calculator_close(zcx_calculator *calculator, zcx_error *error)
{
    if (!calculator) return ZCX_OK;
    uint32_t running = atomic_load(&calculator->running);
    if (running)
        return zcxi_fail(error, ZCX_EBUSY, 0, "%u calls run in calculator '%s'", running,
                         calculator->exchange->config.name);
    destroy(calculator);
    return ZCX_OK;
}

zcx_exchange *zcx_calculator_exchange(const zcx_calculator *calculator)
{
    return calculator->exchange;
}

/* ---- Calling --------------------------------------------------------------------------------- */

static int run(zcx_calculator *calculator, zcx_call *call)
{
    bool alone = !(calculator->plugin->flags & ZCX_PLUGIN_THREADS);
    if (alone) pthread_mutex_lock(&calculator->mutex);
    int result = calculator->plugin->calculate(calculator->instance, &zcxi_core, call);
    if (alone) pthread_mutex_unlock(&calculator->mutex);
    return result;
}

/* What calculate() left behind becomes the call's answer; *why says why it cannot. */
static zcx_status finish(zcx_call *call, struct zcxi_work *work, int result, zcx_error *why)
{
    if (work->error.status) {
        *why = work->error;
        return work->error.status;
    }
    if (result)
        return zcxi_fail(why, ZCX_EFAILED, 0,
                         "it returned %d and did not say why; core->fail() takes the reason",
                         result);
    if (work->answer == ZCXI_ANSWER_NONE)
        return zcxi_fail(why, ZCX_EFAILED, 0,
                         "it returned without an answer; core->answer_array(), answer_map() or "
                         "output() and answer() give one");
    if (work->answer == ZCXI_ANSWER_BEGUN)
        return zcxi_fail(why, ZCX_EFAILED, 0,
                         "it asked for %" PRIu64 " bytes of output and did not say with "
                         "core->answer() what they are",
                         work->length);
    return zcx_call_answer(call, work->length, &work->out, why);
}

zcx_status zcx_calculator_call(zcx_calculator *calculator, zcx_call *call, zcx_error *error)
{
    struct zcxi_work work;
    zcx_error why = ZCX_ERROR_INIT;
    if (calculator->exchange->config.queue) return zcxi_call_remotely(calculator, call, error);
    if (call->exchange != calculator->exchange && !call->served)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the call is of calculator '%s', not of '%s'",
                         call->exchange->config.name, calculator->exchange->config.name);
    zcx_status status = zcxi_work_begin(&work, call, error);
    if (status) return status;
    atomic_fetch_add(&calculator->running, 1);
    call->work = &work;
    int result = run(calculator, call);
    call->work = NULL;
    atomic_fetch_sub(&calculator->running, 1);
    status = finish(call, &work, result, &why);
    zcxi_work_end(&work);
    if (!status) return ZCX_OK;
    if (status == ZCX_EINVAL || status == ZCX_ENOTFOUND)
        status = ZCX_EFAILED; /* not the caller's */
    zcx_call_fail(call, why.message, NULL);
    return zcxi_fail(error, status, why.cause, "calculator '%s': %s", call->exchange->config.name,
                     why.message);
}
