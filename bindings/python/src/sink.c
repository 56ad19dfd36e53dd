/* Sinks: the places that an encoded payload can go to, behind one pair of begin and end. */
#include "module.h"

void *sink_begin(struct sink *sink, uint64_t size)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    void *to = NULL;
    Py_BEGIN_ALLOW_THREADS if (sink->call && sink->output) status =
        zcx_call_output(&to, sink->call, size, &error);
    else if (sink->call) status = zcx_call_input(&to, sink->call, size, &error);
    else
    {
        status = zcx_store_loan(&sink->loan, sink->handle->store, size, 0, &error);
        if (status == ZCX_OK) to = zcx_loan_data(sink->loan);
    }
    Py_END_ALLOW_THREADS return status == ZCX_OK ? to : raise_error(sink->state, &error);
}

bool sink_end(struct sink *sink, uint64_t length, const zcx_envelope *envelope)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    const struct key *key = &sink->key;
    Py_BEGIN_ALLOW_THREADS if (sink->call && sink->output) status =
        zcx_call_answer(sink->call, length, envelope, &error);
    else if (sink->call) status = zcx_call_submit(sink->call, length, envelope, &error);
    else if (sink->batch) status = zcx_batch_publish(sink->batch, sink->loan, key->data,
                                                     key->length, length, envelope, &error);
    else status = zcx_loan_publish(sink->loan, key->data, key->length, length, envelope,
                                   &sink->transaction, &error);
    Py_END_ALLOW_THREADS if (status == ZCX_OK)
    {
        sink->loan = NULL;
        return true;
    }
    sink_abort(sink);
    return raise_error(sink->state, &error);
}

/* A call's memory goes with the call. */
void sink_abort(struct sink *sink)
{
    zcx_loan_discard(sink->loan);
    sink->loan = NULL;
}

static bool put_in_call(struct sink *sink, const void *data, uint64_t length,
                        const zcx_envelope *envelope)
{
    void *to = sink_begin(sink, length);
    if (!to) return false;
    copy_unlocked(to, data, (size_t)length);
    return sink_end(sink, length, envelope);
}

bool sink_put(struct sink *sink, const void *data, uint64_t length, const zcx_envelope *envelope)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    const struct key *key = &sink->key;
    if (sink->call) return put_in_call(sink, data, length, envelope);
    Py_BEGIN_ALLOW_THREADS if (sink->batch) status =
        zcx_batch_put(sink->batch, key->data, key->length, data, length, envelope, &error);
    else status = zcx_store_put(sink->handle->store, key->data, key->length, data, length, envelope,
                                &sink->transaction, &error);
    Py_END_ALLOW_THREADS return status == ZCX_OK || raise_error(sink->state, &error);
}
