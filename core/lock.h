/* Locks that other processes may hold: the board's robust mutex, and locks of open file
 * descriptions (OFD), which the kernel drops when their holder dies. */
#ifndef ZCXI_LOCK_H
#define ZCXI_LOCK_H

#include "error.h"

#include <fcntl.h>
#include <pthread.h>

/* Robust and process-shared. Returns an errno. */
int zcxi_mutex_init(pthread_mutex_t *mutex);

/* Spins a little, then sleeps until `timeout_ms`. Returns 0, EOWNERDEAD (taken; the state behind it
 * is to be recovered), ETIMEDOUT or another errno. */
int zcxi_mutex_lock(pthread_mutex_t *mutex, int64_t timeout_ms);

/* One byte of a file: sets F_RDLCK, F_WRLCK or F_UNLCK without waiting. False when somebody else's
 * lock is in the way. */
bool zcxi_ofd_lock(int file, short type, off_t byte);

/* Whether somebody else holds a lock that stands in the way of `type`. */
bool zcxi_ofd_taken(int file, short type, off_t byte);

/* flock(LOCK_EX) with a time-out. Returns an errno. */
int zcxi_flock(int file, int64_t timeout_ms);

/* Whose flock is on the file, as far as /proc/locks tells; else 0. */
pid_t zcxi_flock_holder(int file);

#endif
