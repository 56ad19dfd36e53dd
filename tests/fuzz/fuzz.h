/* What the fuzz targets share. A target is one function, LLVMFuzzerTestOneInput: libFuzzer calls it
 * with what it made up (`make fuzz`), replay.c with the files of the corpus (`make test`). What must
 * hold is said by MUST_HOLD; what may fail is called with WHATEVER. */
#ifndef ZCX_FUZZ_H
#define ZCX_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST_HOLD(condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define WHATEVER(call) ((void)!(call))

/* Memory of just that size, for the sanitizer to see a step over its end; free it. */
static inline uint8_t *exactly(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(1, size ? size : 1);
    if (size) memcpy(copy, data, size);
    return copy;
}

/* The first byte of the input, which chooses among variants. */
static inline uint8_t choice(const uint8_t **data, size_t *size)
{
    if (!*size) return 0;
    (*size)--;
    return *(*data)++;
}

#endif
