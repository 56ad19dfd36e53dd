/* msgpack values as a tree of their own: built by zcx_unpack, which may be stopped at any callback,
 * packed again, compared. */
#ifndef ZCX_FUZZ_TREE_H
#define ZCX_FUZZ_TREE_H

#include "fuzz.h"

#include "zcx_msgpack.h"

enum tree_kind { NIL, BOOLEAN, INTEGER, UNSIGNED, REAL, STR, BIN, LIST, MAP, ARRAY, EXTENSION };

struct tree {
    enum tree_kind kind;
    uint64_t number, length; /* of a container: items or pairs, announced */
    uint8_t *bytes;          /* of a str, bin, extension or array */
    struct tree *first, *last, *next; /* items; a map's are keys and values in turn */
    char *dtype;
    uint64_t shape[ZCX_DIMENSIONS_MAX];
    uint32_t ndim;
    char order;
};

struct builder {
    uint64_t left; /* callbacks until one stops the reader */
    uint64_t nodes;
};

static inline struct tree *plant(struct builder *builder, enum tree_kind kind, uint64_t number)
{
    if (!builder->left--) {
        builder->left = 0;
        return NULL;
    }
    struct tree *tree = calloc(1, sizeof *tree);
    tree->kind = kind;
    tree->number = number;
    builder->nodes++;
    return tree;
}

static inline struct tree *plant_bytes(struct builder *builder, enum tree_kind kind, uint64_t number,
                                       const void *bytes, uint64_t length)
{
    struct tree *tree = plant(builder, kind, number);
    if (!tree) return NULL;
    tree->bytes = exactly(bytes, length);
    tree->length = length;
    return tree;
}

static inline void *on_nil(void *b) { return plant(b, NIL, 0); }
static inline void *on_boolean(void *b, bool value) { return plant(b, BOOLEAN, value); }
static inline void *on_integer(void *b, int64_t value) { return plant(b, INTEGER, (uint64_t)value); }
static inline void *on_unsigned(void *b, uint64_t value)
{
    MUST_HOLD(value > INT64_MAX);
    return plant(b, UNSIGNED, value);
}
static inline void *on_real(void *b, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return plant(b, REAL, bits);
}
static inline void *on_str(void *b, const char *text, uint64_t length)
{
    return plant_bytes(b, STR, 0, text, length);
}
static inline void *on_bin(void *b, const void *data, uint64_t length)
{
    return plant_bytes(b, BIN, 0, data, length);
}
static inline void *on_list(void *b, uint64_t items) { return plant(b, LIST, items); }
static inline void *on_map(void *b, uint64_t pairs) { return plant(b, MAP, pairs); }
static inline void *on_extension(void *b, int8_t type, const void *data, uint64_t length)
{
    return plant_bytes(b, EXTENSION, (uint8_t)type, data, length);
}
static inline void *on_array(void *b, const zcx_array *array)
{
    struct tree *tree = plant_bytes(b, ARRAY, 0, array->data, array->nbytes);
    if (!tree) return NULL;
    tree->dtype = strdup(array->dtype);
    MUST_HOLD(array->ndim <= ZCX_DIMENSIONS_MAX && (array->order == 'C' || array->order == 'F'));
    for (uint32_t i = 0; i < array->ndim; i++)
        tree->shape[i] = array->shape[i];
    tree->ndim = array->ndim;
    tree->order = array->order;
    return tree;
}

static inline void hang(struct tree *tree, struct tree *item)
{
    if (tree->last)
        tree->last->next = item;
    else
        tree->first = item;
    tree->last = item;
}

static inline void fell(struct builder *builder, struct tree *tree)
{
    for (struct tree *item = tree->first, *next; item; item = next) {
        next = item->next;
        fell(builder, item);
    }
    builder->nodes--;
    free(tree->bytes);
    free(tree->dtype);
    free(tree);
}

static inline void on_drop(void *b, void *object) { fell(b, object); }

/* What was handed over is the container's, also where it refuses. */
static inline bool on_add(void *b, void *list, uint64_t index, void *item)
{
    struct builder *builder = b;
    struct tree *tree = list;
    MUST_HOLD(index < tree->number);
    hang(tree, item);
    return builder->left != 0;
}

static inline bool on_set(void *b, void *map, void *key, void *value)
{
    struct builder *builder = b;
    hang(map, key);
    hang(map, value);
    return builder->left != 0;
}

static const zcx_builder tree_builder = {
    sizeof(zcx_builder), on_nil,  on_boolean, on_integer, on_unsigned, on_real, on_str,  on_bin,
    on_list,             on_add,  on_map,     on_set,     on_array,    on_extension, on_drop,
};

/* False: it holds an extension, which the packer does not write. */
static inline bool pack_tree(zcx_packer *packer, const struct tree *tree)
{
    double real;
    void *data = NULL;
    bool all = true;
    zcx_array array = {.struct_size = sizeof array, .dtype = tree->dtype, .shape = tree->shape,
                       .ndim = tree->ndim, .order = tree->order, .nbytes = tree->length};
    switch (tree->kind) {
    case NIL: zcx_pack_nil(packer); break;
    case BOOLEAN: zcx_pack_bool(packer, tree->number); break;
    case INTEGER: zcx_pack_int(packer, (int64_t)tree->number); break;
    case UNSIGNED: zcx_pack_uint(packer, tree->number); break;
    case REAL: memcpy(&real, &tree->number, sizeof real); zcx_pack_double(packer, real); break;
    case STR: zcx_pack_str(packer, (char *)tree->bytes, tree->length); break;
    case BIN: zcx_pack_bin(packer, tree->bytes, tree->length); break;
    case LIST: zcx_pack_list(packer, tree->number); break;
    case MAP: zcx_pack_map(packer, tree->number); break;
    case ARRAY:
        zcx_pack_array(packer, &array, &data);
        if (data && tree->length) memcpy(data, tree->bytes, tree->length);
        break;
    case EXTENSION: return false;
    }
    for (const struct tree *item = tree->first; item && all; item = item->next)
        all = pack_tree(packer, item);
    return all;
}

static inline bool same_tree(const struct tree *one, const struct tree *other)
{
    if (one->kind != other->kind || one->number != other->number || one->length != other->length ||
        one->ndim != other->ndim || (one->length && memcmp(one->bytes, other->bytes, one->length)) ||
        memcmp(one->shape, other->shape, sizeof one->shape) || !one->dtype != !other->dtype ||
        (one->dtype && strcmp(one->dtype, other->dtype)))
        return false;
    const struct tree *a = one->first, *b = other->first;
    for (; a && b; a = a->next, b = b->next)
        if (!same_tree(a, b)) return false;
    return !a && !b;
}

#endif
