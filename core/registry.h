/* What this process knows of its environments: one per store, whatever language opened it; which of
 * them a fork left behind; and whether another copy of LMDB has a store's data mapped. */
#ifndef ZCXI_REGISTRY_H
#define ZCXI_REGISTRY_H

#include "env.h"

/* Serialises opening and closing. */
void zcxi_registry_lock(void);
void zcxi_registry_unlock(void);

/* With the registry locked: */
struct zcxi_env *zcxi_registry_find(dev_t device, ino_t inode);
void zcxi_registry_add(struct zcxi_env *env);
void zcxi_registry_remove(struct zcxi_env *env);

/* The start of a map of data.mdb in this process that is none of ours (inherited ones included), or
 * NULL; *length is its size. env->reading is mapped: /proc/self/maps tells which lines are the same
 * file's, where stat would not (overlayfs and btrfs have other devices there). */
void *zcxi_registry_foreign_map(const struct zcxi_env *env, size_t *length);

#endif
