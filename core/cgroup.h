/* How much memory this process's control groups still allow. */
#ifndef ZCXI_CGROUP_H
#define ZCXI_CGROUP_H

#include "error.h"

/* The least room in bytes under any memory limit on the way from our group to the root, in cgroup v2
 * and v1: limit − (usage − page cache that the kernel can drop). UINT64_MAX without a limit, or where
 * the files cannot be read. `groups` and `mounts` are /proc/self/cgroup and /proc/self/mountinfo. */
uint64_t zcxi_cgroup_room(const char *groups, const char *mounts);

#endif
