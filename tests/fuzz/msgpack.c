/* A msgpack payload with typed arrays: read into a tree, stopped by a callback or not, without a leak;
 * a tree that was read can be packed, and is read again as the same. */
#include "tree.h"

#include "unpack.h"

static struct tree *read_tree(const uint8_t *data, size_t size, uint64_t stop, struct builder *builder)
{
    void *root = NULL;
    zcx_error error = ZCX_ERROR_INIT;
    *builder = (struct builder){.left = stop ? stop : UINT64_MAX};
    if (!zcx_unpack(&root, data, size, &tree_builder, builder, &error)) return root;
    MUST_HOLD(!builder->nodes && !root); /* all was dropped */
    return NULL;
}

static uint8_t *pack(const struct tree *tree, uint64_t *length)
{
    zcx_packer *packer;
    uint8_t *buffer = NULL;
    *length = 0;
    for (int pass = 0; pass < 2; pass++) {
        MUST_HOLD(!zcx_packer_open(&packer, buffer, *length, NULL));
        bool all = pack_tree(packer, tree);
        zcx_status status = zcx_packer_close(packer, length, NULL);
        if (!all) return NULL;
        MUST_HOLD(!status);
        if (!pass && posix_memalign((void **)&buffer, ZCX_ALIGNMENT, *length)) abort();
    }
    return buffer;
}

static void find(const uint8_t *data, size_t size)
{
    zcx_array array;
    uint64_t shape[ZCX_DIMENSIONS_MAX];
    char dtype[64];
    if (zcxi_msgpack_find(data, size, "a", &array, shape, dtype, sizeof dtype, NULL)) return;
    MUST_HOLD((uint8_t *)array.data >= data && array.nbytes <= size &&
              (uint8_t *)array.data + array.nbytes <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct builder builder, again;
    uint64_t length, stop = choice(&data, &size);
    uint8_t *bytes = exactly(data, size);
    find(bytes, size);
    struct tree *tree = read_tree(bytes, size, stop, &builder);
    free(bytes);
    if (!tree) return 0;
    uint8_t *packed = pack(tree, &length);
    if (packed) {
        struct tree *back = read_tree(packed, length, 0, &again);
        MUST_HOLD(back && same_tree(tree, back));
        fell(&again, back);
        MUST_HOLD(!again.nodes);
        free(packed);
    }
    fell(&builder, tree);
    MUST_HOLD(!builder.nodes);
    return 0;
}
