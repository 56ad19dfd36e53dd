/* Calls of the packer in any order and with any sizes: what it counts is what it writes, it never
 * writes more than there is room for, and what it calls whole is read again. */
#include "tree.h"

struct program {
    const uint8_t *at, *end;
};

static uint64_t number(struct program *program, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && program->at < program->end; i++)
        value = value << 8 | *program->at++;
    return value;
}

/* Some bytes of ASCII: that a str is UTF-8 is looked at by the second pass only. */
static uint64_t some(struct program *program, char text[256])
{
    uint64_t length = number(program, 1);
    for (uint64_t i = 0; i < length; i++)
        text[i] = (char)(number(program, 1) & 0x7f);
    return length;
}

/* A few, or now and then more than anything could have. */
static uint64_t items(struct program *program)
{
    uint64_t few = number(program, 1);
    return few < 250 ? few % 16 : number(program, 8);
}

static void pack_array(zcx_packer *packer, struct program *program)
{
    static const char *const dtypes[] = {"<f8", "|b1", "<M8[ns]", "<U3", "=f8", "|O", "<f3", "",
                                         "[[\"a\", \"<i4\"]]", "<c16", "|S0", "|V7", ">i2"};
    uint64_t shape[ZCX_DIMENSIONS_MAX + 1] = {0};
    uint8_t what = (uint8_t)number(program, 1);
    zcx_array array = {.struct_size = what & 128 ? 7 : sizeof array,
                       .dtype = dtypes[what % (sizeof dtypes / sizeof *dtypes)],
                       .shape = shape};
    array.ndim = (uint32_t)number(program, 1) % (ZCX_DIMENSIONS_MAX + 2);
    for (uint32_t i = 0; i < array.ndim; i++)
        shape[i] = number(program, what & 64 ? 8 : 1);
    array.order = "CF\0x"[number(program, 1) % 4];
    array.nbytes = number(program, what & 32 ? 8 : 1);
    void *data = NULL;
    zcx_status status = zcx_pack_array(packer, &array, &data);
    if (!status && data) memset(data, 0x5a, array.nbytes);
}

static zcx_status run(struct program program, void *buffer, uint64_t capacity, uint64_t *length)
{
    zcx_packer *packer;
    MUST_HOLD(!zcx_packer_open(&packer, buffer, capacity, NULL));
    while (program.at < program.end) {
        char text[256];
        uint64_t size;
        switch (*program.at++ % 10) {
        case 0: zcx_pack_nil(packer); break;
        case 1: zcx_pack_bool(packer, number(&program, 1) & 1); break;
        case 2: zcx_pack_int(packer, (int64_t)number(&program, 8)); break;
        case 3: zcx_pack_uint(packer, number(&program, 8)); break;
        case 4: zcx_pack_double(packer, (double)number(&program, 4)); break;
        case 5:
            size = some(&program, text);
            zcx_pack_str(packer, text, size);
            break;
        case 6:
            size = some(&program, text);
            zcx_pack_bin(packer, text, size);
            break;
        case 7: zcx_pack_list(packer, items(&program)); break;
        case 8: zcx_pack_map(packer, items(&program)); break;
        case 9: pack_array(packer, &program); break;
        }
    }
    return zcx_packer_close(packer, length, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program program = {data, data + size};
    struct builder builder = {.left = UINT64_MAX};
    uint64_t length = 0, used = 0;
    void *buffer, *root = NULL;
    if (run(program, NULL, 0, &length)) return 0;
    MUST_HOLD(length);
    if (length > 1 << 20) return 0;
    if (posix_memalign(&buffer, ZCX_ALIGNMENT, length)) abort();
    WHATEVER(run(program, buffer, length - 1, &used)); /* one byte too few: no step over its end */
    MUST_HOLD(!run(program, buffer, length, &used) && used == length);
    if (!zcx_unpack(&root, buffer, length, &tree_builder, &builder, NULL)) fell(&builder, root);
    MUST_HOLD(root); /* the packer writes nothing that the reader refuses */
    MUST_HOLD(!builder.nodes);
    free(buffer);
    return 0;
}
