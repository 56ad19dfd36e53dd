#include "activity.h"
#include "readers.h"
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 3 /* a snapshot that a writer missed, or that was cleared while we read it, is renewed;
                   what fails thrice is no accident */

/* ---- reading the record ---------------------------------------------------------------------------------- */

/* Copies the extras and an inline payload out: a leaf moves with the next commit. */
static zcx_status copy_out(zcx_view *view, const uint8_t *record, zcx_error *error)
{
    const struct zcxi_header *header = &view->header;
    size_t extras = header->header_length - sizeof *header;
    size_t payload = header->flags & ZCXI_FLAG_SLOT ? 0 : header->payload_length;
    size_t aligned = (extras + ZCX_ALIGNMENT - 1) / ZCX_ALIGNMENT * ZCX_ALIGNMENT;
    uint8_t *bytes = view->bytes;
    if (aligned + payload > sizeof view->bytes) {
        view->large = aligned_alloc(ZCX_ALIGNMENT, (aligned + payload + ZCX_ALIGNMENT - 1) /
                                                       ZCX_ALIGNMENT * ZCX_ALIGNMENT);
        if (!view->large) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for a view");
        bytes = view->large;
    }
    memcpy(bytes, record + sizeof *header, extras);
    view->extras = bytes;
    if (payload) memcpy(bytes + aligned, record + header->payload_offset, payload);
    view->data = bytes + aligned;
    view->length = header->payload_length;
    return ZCX_OK;
}

/* Pins the slot, then looks at its generation: either the recycler sees the pin, or we see that it
 * was recycled (*again). */
static zcx_status pin(zcx_view *view, MDB_txn *reader, bool *again, zcx_error *error)
{
    struct zcxi_env *env = view->store->env;
    const struct zcxi_header *header = &view->header;
    uint64_t page;
    uint32_t pages;
    zcx_status status = zcxi_env_locate(env, reader, header->slot, &page, &pages, error);
    if (status) return status;
    uint64_t value = (uint64_t)pages * env->page_size - env->page_header;
    if (header->payload_offset > value || header->payload_length > value - header->payload_offset ||
        !zcxi_slot_exists(&env->board, header->slot))
        return zcxi_fail(error, ZCX_ECORRUPT, 0,
                         "a payload of %" PRIu64 " bytes at %" PRIu64
                         " is not inside slot %u of %" PRIu64 " bytes",
                         header->payload_length, header->payload_offset, header->slot, value);
    ZCXI_POINT(view.read);
    if (!zcxi_pin_add(&env->board, header->slot, env->self.owner))
        return zcxi_fail(error, ZCX_ELIMIT, 0, "slot %u has %u views in this process, the most",
                         header->slot, ZCXI_PINS_MOST);
    ZCXI_POINT(view.pinned);
    uint64_t word = atomic_load(&env->board.slots[header->slot].word);
    if (zcxi_word_generation(word) != header->generation) {
        zcxi_pin_drop(&env->board, header->slot, env->self.owner);
        *again = true;
        return ZCX_OK;
    }
    view->slot = header->slot;
    view->data = env->reading + page * env->page_size + env->page_header + header->payload_offset;
    return ZCX_OK;
}

static zcx_status read_record(zcx_view *view, MDB_txn *reader, bool *again, zcx_error *error)
{
    char text[ZCXI_KEY_TEXT];
    MDB_val key = {view->key_length, view->key}, value;
    *again = false;
    free(view->large);
    view->large = NULL;
    int result = mdb_get(reader, view->store->database, &key, &value);
    if (result == MDB_NOTFOUND)
        return zcxi_fail(error, ZCX_ENOTFOUND, 0, "there is no %s in %s of %s",
                         zcxi_key_text(text, view->key, view->key_length), view->store->name,
                         view->store->env->path);
    if (result) return zcxi_fail_lmdb(error, result, "cannot read a record");
    zcx_status status = zcxi_header_read(&view->header, value.mv_data, value.mv_size, view->key,
                                         view->key_length, error);
    if (status) return status;
    if (view->header.expires && zcxi_expired_by_now(&view->header))
        return zcxi_fail(error, ZCX_EEXPIRED, 0, "%s expired %.3f s ago",
                         zcxi_key_text(text, view->key, view->key_length),
                         (double)(zcxi_now() - view->header.expires) / 1e9);
    status = copy_out(view, value.mv_data, error);
    if (!status && view->header.flags & ZCXI_FLAG_SLOT) status = pin(view, reader, again, error);
    return status;
}

/* ---- the view ------------------------------------------------------------------------------------------------ */

static void forget(zcx_view *view)
{
    void *decoded = atomic_load_explicit(&view->decoded, memory_order_relaxed);
    if (view->large) free(view->large);
    if (decoded) free(decoded);
    zcxi_pool_give(&view->store->views, &view->pooled);
}

static zcx_view *make(zcx_store *store, const void *key, size_t key_length)
{
    zcx_view *view = zcxi_pool_take(&store->views);
    if (!view) return NULL;
    view->store = store;
    view->slot = 0;
    view->large = NULL;
    atomic_store_explicit(&view->decoded, NULL, memory_order_relaxed);
    view->key_length = (uint16_t)key_length;
    memcpy(view->key, key, key_length);
    return view;
}

/* The loan is ours, so the pin cannot come too late. */
zcx_status zcxi_view_of_loan(zcx_view **out, const zcx_loan *loan, const struct zcxi_record *record,
                             const void *key, size_t key_length, zcx_error *error)
{
    struct zcxi_env *env = loan->store->env;
    zcx_view *view = make(loan->store, key, key_length);
    if (!view) return zcxi_fail(error, ZCX_ELIMIT, 0, "no memory for one more view's handle");
    view->header = record->header;
    zcx_status status = copy_out(view, record->bytes, error);
    if (!status && loan->slot && !zcxi_pin_add(&env->board, loan->slot, env->self.owner))
        status = zcxi_fail(error, ZCX_ELIMIT, 0, "slot %u has %u views in this process, the most",
                           loan->slot, ZCXI_PINS_MOST);
    if (status) {
        forget(view);
        return status;
    }
    if (loan->slot) {
        view->slot = loan->slot;
        view->data = env->reading + zcxi_payload_position(env, env->board.slots[loan->slot].page);
    }
    ZCXI_POINT(view.of_loan);
    *out = view;
    return ZCX_OK;
}

void zcxi_view_published(zcx_view *view, const struct zcxi_record *record)
{
    view->header = record->header;
}

zcx_status zcx_store_view(zcx_view **out, zcx_store *store, const void *key, size_t key_length,
                          zcx_error *error)
{
    return zcxi_view_find(out, store, key, key_length, NULL, error);
}

zcx_status zcxi_view_find(zcx_view **out, zcx_store *store, const void *key, size_t key_length,
                          uint64_t *transaction, zcx_error *error)
{
    MDB_txn *reader;
    uint32_t index;
    zcx_status status = zcxi_store_enter(store, error);
    if (!status) status = zcxi_key_check(key, key_length, error);
    if (status) return status;
    struct zcxi_env *env = store->env;
    zcx_view *view = make(store, key, key_length);
    if (!view) return zcxi_fail(error, ZCX_ELIMIT, 0, "no memory for one more view's handle");

    bool again = true, clean = error && !error->status;
    status = zcxi_reader_take(env, &reader, &index, error);
    if (status) {
        forget(view);
        return status;
    }
    for (int i = 0; !status && again && i < TRIES; i++) {
        if (i) status = zcxi_reader_renew(env, index, &reader, error);
        if (!status) status = read_record(view, reader, &again, error);
        if (status == ZCX_ECORRUPT && i + 1 < TRIES) {
            again = true;
            status = ZCX_OK;
            if (clean) *error = (zcx_error)ZCX_ERROR_INIT;
        }
    }
    if (!status && !again) zcxi_count_view(env, index);
    zcxi_reader_give(env, index);
    if (!status && again) {
        char text[ZCXI_KEY_TEXT];
        status = zcxi_fail(error, ZCX_ECORRUPT, 0, "%s names generation %u of slot %u, which is gone",
                           zcxi_key_text(text, key, key_length), view->header.generation,
                           view->header.slot);
    }
    if (transaction && (!status || status == ZCX_EEXPIRED)) *transaction = view->header.transaction;
    if (status) {
        if (status == ZCX_ECORRUPT) atomic_fetch_add(&env->board.header->counters.corrupt, 1);
        forget(view);
        return status;
    }
    *out = view;
    return ZCX_OK;
}

void zcx_view_release(zcx_view *view)
{
    if (!view) return;
    struct zcxi_env *env = view->store->env;
    if (!zcxi_env_alive(env)) return; /* a forked child must not clear its parent's pins */
    if (view->slot) zcxi_pin_drop(&env->board, view->slot, env->self.owner);
    forget(view);
}

const void *zcx_view_data(const zcx_view *view)
{
    return view->data;
}

uint64_t zcx_view_length(const zcx_view *view)
{
    return view->length;
}

const void *zcx_view_key(const zcx_view *view, size_t *length)
{
    *length = view->key_length;
    return view->key;
}

zcx_store *zcx_view_store(const zcx_view *view)
{
    return view->store;
}

/* What the extras say, decoded once for all callers. */
struct decoded {
    zcx_envelope envelope;
    _Alignas(8) char arena[];
};

zcx_status zcx_view_envelope(const zcx_view *view, zcx_envelope *envelope, zcx_error *error)
{
    _Atomic(void *) *kept = &((zcx_view *)view)->decoded;
    size_t extras = view->header.header_length - sizeof view->header;
    zcx_status status = zcxi_store_enter(view->store, error);
    if (status) return status;
    if (envelope->struct_size != sizeof *envelope)
        return zcxi_fail(error, ZCX_EINVAL, 0, "the envelope's struct_size is %zu, not %zu",
                         envelope->struct_size, sizeof *envelope);
    struct decoded *decoded = atomic_load(kept);
    if (!decoded) {
        decoded = malloc(sizeof *decoded + ZCXI_ARENA_SIZE(extras));
        if (!decoded) return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory for an envelope");
        decoded->envelope.struct_size = sizeof decoded->envelope;
        zcxi_header_show(&decoded->envelope, &view->header);
        status = zcxi_extras_decode(&decoded->envelope, view->extras, extras, decoded->arena, error);
        if (status) {
            free(decoded);
            return status;
        }
        void *first = NULL;
        if (!atomic_compare_exchange_strong(kept, &first, decoded)) {
            free(decoded);
            decoded = first;
        }
    }
    *envelope = decoded->envelope;
    return ZCX_OK;
}

zcx_status zcx_view_verify(const zcx_view *view, zcx_error *error)
{
    char text[ZCXI_KEY_TEXT];
    zcx_status status = zcxi_store_enter(view->store, error);
    if (status) return status;
    if (!(view->header.flags & ZCX_FLAG_CHECKSUM))
        return zcxi_fail(error, ZCX_ENOTFOUND, 0, "%s has no checksum",
                         zcxi_key_text(text, view->key, view->key_length));
    uint32_t found = zcxi_crc32c(0, view->data, view->length);
    if (found == view->header.payload_crc) return ZCX_OK;
    return zcxi_fail(error, ZCX_ECORRUPT, 0, "the payload of %s has checksum %08x, not %08x",
                     zcxi_key_text(text, view->key, view->key_length), found,
                     view->header.payload_crc);
}
