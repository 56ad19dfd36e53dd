/* One store for all tests of a program: `path`, `store`. */
#ifndef ZCX_ONE_STORE_H
#define ZCX_ONE_STORE_H

#include "stores.h"

static char *path;
static zcx_store *store;

static inline int open_all(void **state)
{
    (void)state;
    path = make_directory(NULL);
    store = open_store(path, 512 * MIB);
    return 0;
}

static inline int close_all(void **state)
{
    (void)state;
    close_store(store);
    free(path);
    return 0;
}

#endif
