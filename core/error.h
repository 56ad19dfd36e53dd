/* Statuses, errors and the log: the bottom of the house. */
#ifndef ZCXI_ERROR_H
#define ZCXI_ERROR_H

#include "zcx.h"

/* Writes a failure into *error (nullable) unless one is there already, and returns `status`. */
__attribute__((format(printf, 4, 5), cold)) zcx_status
zcxi_fail(zcx_error *error, zcx_status status, int cause, const char *format, ...);

/* A failed system call: "<what> <name>: <strerror>". ENOSPC, EDQUOT become ZCX_EFULL, EACCES and
 * EPERM ZCX_EACCES, ENOMEM ZCX_ENOMEM, all else ZCX_ESYSTEM. */
__attribute__((cold)) zcx_status zcxi_fail_errno(zcx_error *error, int cause, const char *what,
                                                 const char *name);

/* A failed call of LMDB: MAP_FULL and ENOSPC are ZCX_EFULL, READERS_FULL ZCX_ELIMIT, corruption
 * ZCX_ECORRUPT, all else ZCX_ESYSTEM. */
__attribute__((cold)) zcx_status zcxi_fail_lmdb(zcx_error *error, int code, const char *what);

__attribute__((format(printf, 2, 3), cold)) void zcxi_log(char level, const char *format, ...);

#endif
