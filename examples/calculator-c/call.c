/* Usage: call <absolute path of scale.so> */
#include <zcx.h>
#include <zcx_calculator.h>

#include <stdio.h>

static int fail(const zcx_error *error)
{
    fprintf(stderr, "%s\n", error->message);
    return 1;
}

int main(int count, char **arguments)
{
    enum { NUMBERS = 1000000 };
    const uint64_t shape[] = {NUMBERS};
    const zcx_envelope envelope = {.struct_size = sizeof envelope, .format = ZCX_NUMPY,
                                   .dtype = "<f8", .shape = shape, .ndim = 1, .order = 'C'};
    zcx_error error = ZCX_ERROR_INIT;
    zcx_calculator *scale;
    zcx_call *call;
    void *input;
    const void *result;
    uint64_t length;
    char config[4096];
    snprintf(config, sizeof config,
             "{\"name\": \"scale\", \"calculator\": \"c\", \"type\": \"scale\", \"plugin\": \"%s\", "
             "\"options\": {\"factor\": 3}, \"lmdb_enabled\": true}", count > 1 ? arguments[1] : "");
    if (zcx_calculator_open(&scale, config, &error)) return fail(&error);

    if (zcx_call_open(&call, zcx_calculator_exchange(scale), &error)) return fail(&error);
    if (zcx_call_input(&input, call, NUMBERS * sizeof(double), &error)) return fail(&error);
    for (int i = 0; i < NUMBERS; i++)
        ((double *)input)[i] = 14; /* memory of the store */
    if (zcx_call_submit(call, NUMBERS * sizeof(double), &envelope, &error)) return fail(&error);
    if (zcx_calculator_call(scale, call, &error)) return fail(&error);
    if (zcx_call_result(&result, &length, NULL, call, &error)) return fail(&error);
    const double *scaled = result; /* in the store */
    printf("%d numbers, the last one is %g\n", (int)(length / sizeof *scaled), scaled[NUMBERS - 1]);
    zcx_call_close(call); /* the result is valid until here */
    return zcx_calculator_close(scale, &error) ? fail(&error) : 0;
}
