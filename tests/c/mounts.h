/* For tests that mount file systems: in a namespace of their own, gone with the process. */
#ifndef ZCX_MOUNTS_H
#define ZCX_MOUNTS_H

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

/* False, and says why, where a process cannot have them. */
static inline bool own_mounts(void)
{
    if (!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return true;
    printf("skipped: no mount namespace of our own (root has one): %s\n", strerror(errno));
    return false;
}

#endif
