/* Every user database of a store, one after the other. */
#ifndef ZCXI_WALK_H
#define ZCXI_WALK_H

#include "env.h"

struct zcxi_database {
    MDB_dbi handle;
    char name[ZCX_DATABASE_MAX + 1];
};

/* All there are, opened; the mutex is held. Free *out. */
zcx_status zcxi_list_databases(struct zcxi_env *env, struct zcxi_database **out, int *count,
                               zcx_error *error);

typedef zcx_status (*zcxi_database_function)(struct zcxi_env *env, MDB_dbi database,
                                             const char *name, void *context, zcx_error *error);

/* Calls `function` for each; no lock is held and no transaction is open meanwhile. Stops at the
 * first failure. */
zcx_status zcxi_walk_databases(struct zcxi_env *env, zcxi_database_function function,
                               void *context, zcx_error *error);

#endif
