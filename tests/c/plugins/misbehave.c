/* A plug-in that does what its option "do" says, mostly wrong. ABI and NO_DESCRIPTOR make other bad
 * ones of it. */
#include "zcx_plugin.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ABI
#define ABI ZCX_PLUGIN_ABI
#endif

struct instance {
    const char *action;
    int inside; /* calls that run now: more than one is the host's fault */
};

/* The input is the path of a pipe: waits until somebody writes to it, and answers what that was. */
static int answer_from_pipe(const zcx_core *core, zcx_call *call)
{
    char path[4096] = {0};
    const zcx_input *in = core->input(call);
    char *out = core->output(call, 100);
    ssize_t got = out ? 0 : -1;
    memcpy(path, in->data, in->length < sizeof path ? in->length : sizeof path - 1);
    while (!got) { /* who opened it left without a word */
        int pipe = open(path, O_RDONLY | O_CLOEXEC);
        got = read(pipe, out, 100);
        close(pipe);
    }
    return got < 0 ? 1 : core->answer(call, (uint64_t)got, "raw");
}

static int act(struct instance *self, const zcx_core *core, zcx_call *call)
{
    const char *action = self->action;
    uint64_t four = 4, shape[2] = {4, 2};
    const zcx_column columns[] = {{"a", "<f8", 1, &four}, {"b", "|u1", 2, shape}};
    void *data[2];
    if (!strcmp(action, "nothing")) return 0;
    if (!strcmp(action, "return 7")) return 7;
    if (!strcmp(action, "crash")) abort();
    if (!strcmp(action, "wait")) return answer_from_pipe(core, call);
    if (!strcmp(action, "fail")) {
        core->fail(call, "%d is no %s", 3, "prime");
        core->fail(call, "second reason");
        return 1;
    }
    if (!strcmp(action, "fail, return 0")) {
        core->fail(call, "it cannot be");
        return core->answer_array(call, "<f8", 1, &four) ? 0 : 0;
    }
    if (!strcmp(action, "begin")) return core->output(call, 100) == NULL;
    if (!strcmp(action, "answer first")) return core->answer(call, 0, "raw");
    if (!strcmp(action, "answer twice"))
        return !core->answer_array(call, "<f8", 1, &four) ||
               core->answer_map(call, columns, 2, data);
    if (!strcmp(action, "past")) {
        char *out = core->output(call, 3000);
        memset(out, 1, 3001);
        return core->answer(call, 3000, "raw");
    }
    if (!strcmp(action, "past, small")) {
        char *out = core->output(call, 30);
        memset(out, 1, 31);
        return core->answer(call, 30, "raw");
    }
    if (!strcmp(action, "too long"))
        return !core->output(call, 30) || core->answer(call, 31, "raw");
    if (!strcmp(action, "format")) return !core->output(call, 30) || core->answer(call, 3, "xml");
    if (!strcmp(action, "numpy")) return !core->output(call, 8) || core->answer(call, 8, "numpy");
    if (!strcmp(action, "dtype")) return !core->answer_array(call, "float", 1, &four);
    if (!strcmp(action, "like 65 dimensions")) {
        uint64_t ones[65];
        for (int i = 0; i < 65; i++)
            ones[i] = 1;
        const zcx_typed deep = {"|u1", ones, 65, 'C', 1, 1, NULL};
        return !core->answer_like(call, &deep);
    }
    if (!strcmp(action, "like no dtype")) {
        const zcx_typed bare = {NULL, &four, 1, 'C', 4, 4, NULL};
        return !core->answer_like(call, &bare);
    }
    if (!strcmp(action, "like no shape")) {
        const zcx_typed bare = {"|u1", NULL, 1, 'C', 4, 4, NULL};
        return !core->answer_like(call, &bare);
    }
    if (!strcmp(action, "huge")) {
        uint64_t huge[3] = {UINT64_MAX / 2, 3, 5};
        return !core->answer_array(call, "<f8", 3, huge);
    }
    if (!strcmp(action, "read")) return core->array(call, "a", "<f8 <f4") ? 0 : 1;
    if (!strcmp(action, "read whole")) return core->array(call, NULL, NULL) ? 0 : 1;
    if (!strcmp(action, "rows")) {
        char *out = core->answer_array(call, "|u1", 2, shape);
        memcpy(out, "ooooxxxx", 8);
        return core->answer_rows(call, 2);
    }
    if (!strcmp(action, "too many rows"))
        return !core->answer_array(call, "|u1", 2, shape) || core->answer_rows(call, 5);
    if (!strcmp(action, "echo")) {
        const zcx_input *in = core->input(call);
        char *out = core->output(call, in->length + 1000);
        memcpy(out, in->data, in->length);
        return core->answer(call, in->length, in->format);
    }
    core->fail(call, "unknown action %s", action);
    return 1;
}

static int calculate(void *instance, const zcx_core *core, zcx_call *call)
{
    struct instance *self = instance;
    if (self->inside++) core->fail(call, "two calls at once");
    int result = act(self, core, call);
    self->inside--;
    return result;
}

static void *create(const zcx_core *core, zcx_options *options)
{
    struct instance *self = calloc(1, sizeof *self);
    self->action = core->option_string(options, "do", "nothing");
    if (!strcmp(self->action, "no instance") || !strcmp(self->action, "no instance, silently")) {
        if (self->action[11] == 0) core->options_fail(options, "today is %s", "Sunday");
        free(self);
        return NULL;
    }
    if (!strcmp(self->action, "json")) core->options_json(options);
    return self;
}

#ifndef NO_DESCRIPTOR
ZCX_PLUGIN_EXPORT const struct zcx_plugin zcx_plugin = {
    sizeof(struct zcx_plugin), ABI, 0, "misbehave", create, calculate, free};
#else
ZCX_PLUGIN_EXPORT const void *const unused[] = {(const void *)create, (const void *)calculate};
#endif
