#include <zcx_plugin.h>

#include <stdlib.h>

static void *create(const zcx_core *core, zcx_options *options)
{
    double *factor = malloc(sizeof *factor);
    if (factor) *factor = core->option_number(options, "factor", 2);
    return factor;
}

static int calculate(void *instance, const zcx_core *core, zcx_call *call)
{
    const double factor = *(const double *)instance;
    const zcx_typed *in = core->array(call, NULL, "<f8");
    double *out = in ? core->answer_like(call, in) : NULL;
    if (!out) return 1; /* the reason is recorded already */
    for (uint64_t i = 0; i < in->count; i++)
        out[i] = factor * ((const double *)in->data)[i];
    return 0;
}

ZCX_PLUGIN_EXPORT const struct zcx_plugin zcx_plugin = {
    sizeof(struct zcx_plugin), ZCX_PLUGIN_ABI, ZCX_PLUGIN_THREADS, "scale", create, calculate, free};
