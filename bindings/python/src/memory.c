/* The memory of a loan. */
#include "module.h"

#include <stdlib.h>

/* What the core would keep in private memory and publish in the record anyway. */
#define SMALL 1024

struct memory *memory_new(struct state *state, struct handle *handle, uint64_t size,
                          int64_t timeout_ms)
{
    size_t head = (sizeof(struct memory) + ZCX_ALIGNMENT - 1) / ZCX_ALIGNMENT * ZCX_ALIGNMENT;
    struct memory *memory = aligned_alloc(ZCX_ALIGNMENT, head + (size > SMALL ? 0 : SMALL));
    if (!memory) return (void *)PyErr_NoMemory();
    *memory = (struct memory){.references = 1, .size = size, .writable = true, .forks = fork_count};
    if (size <= SMALL) {
        memory->data = (char *)memory + head;
        memset(memory->data, 0, size); /* nothing of ours is to be published */
    } else {
        zcx_error error = ZCX_ERROR_INIT;
        zcx_status status;
        Py_BEGIN_ALLOW_THREADS status =
            zcx_store_loan(&memory->loan, handle->store, size, timeout_ms, &error);
        Py_END_ALLOW_THREADS if (status != ZCX_OK)
        {
            free(memory);
            return raise_error(state, &error);
        }
        memory->data = zcx_loan_data(memory->loan);
    }
    memory->handle = handle_keep(handle);
    return memory;
}

struct memory *memory_keep(struct memory *memory)
{
    memory->references++;
    return memory;
}

void memory_drop(struct memory *memory)
{
    if (!memory || --memory->references) return;
    zcx_loan_discard(memory->loan);
    zcx_view_release(memory->view);
    handle_drop(memory->handle);
    free(memory);
}

bool memory_publish(struct state *state, struct memory *memory, const struct key *key,
                    uint64_t length, const zcx_envelope *envelope, bool hold, uint64_t *transaction)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_status status;
    Py_BEGIN_ALLOW_THREADS if (!memory->loan) status =
        zcx_store_put(memory->handle->store, key->data, key->length, memory->data, length, envelope,
                      transaction, &error);
    else if (hold) status = zcx_loan_publish_view(
        &memory->view, memory->loan, key->data, key->length, length, envelope, transaction, &error);
    else status = zcx_loan_publish(memory->loan, key->data, key->length, length, envelope,
                                   transaction, &error);
    Py_END_ALLOW_THREADS if (status != ZCX_OK) return raise_error(state, &error);
    memory->loan = NULL;
    return true;
}
