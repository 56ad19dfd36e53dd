/* What a plug-in sees: the table of functions, and the state behind the two handles that they take.
 * The ABI itself is zcx_plugin.h. */
#ifndef ZCXI_PLUGIN_H
#define ZCXI_PLUGIN_H

#include "call.h"

extern const zcx_core zcxi_core;

/* While create() runs. */
struct zcx_options {
    const json_t *all; /* NULL: none given */
    json_t *left;      /* those that nobody asked for yet */
    char *text;        /* all of them, for options_json */
    zcx_error error;
};

enum zcxi_answer { ZCXI_ANSWER_NONE, ZCXI_ANSWER_BEGUN, ZCXI_ANSWER_READY };

/* While calculate() runs: call->work. */
struct zcxi_work {
    zcx_input input;
    zcx_envelope in;                /* what came with it */
    struct zcxi_array_node *arrays; /* handed out; freed at the end */
    enum zcxi_answer answer;
    void *output;
    uint64_t length;
    zcx_envelope out;
    char *dtype; /* of `out` */
    uint64_t shape[ZCX_DIMENSIONS_MAX];
    zcx_error error; /* the first failure */
};

/* Fills the input. */
zcx_status zcxi_work_begin(struct zcxi_work *work, zcx_call *call, zcx_error *error);
void zcxi_work_end(struct zcxi_work *work);

/* plugin_options.c */
const char *zcxi_option_string(zcx_options *options, const char *name, const char *fallback);
double zcxi_option_number(zcx_options *options, const char *name, double fallback);
int zcxi_option_bool(zcx_options *options, const char *name, int fallback);
size_t zcxi_option_numbers(zcx_options *options, const char *name, double *values, size_t capacity,
                           const double *fallback, size_t count);
const char *zcxi_options_json(zcx_options *options);
void zcxi_options_fail(zcx_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
