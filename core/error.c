#include "error.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *zcx_status_name(zcx_status status)
{
    switch (status) {
#define NAME(number, name, message)                                                                \
    case ZCX_##name:                                                                               \
        return "ZCX_" #name;
        ZCX_STATUS_TABLE(NAME)
#undef NAME
    }
    return "ZCX_UNKNOWN";
}

const char *zcx_status_message(zcx_status status)
{
    switch (status) {
#define MESSAGE(number, name, message)                                                             \
    case ZCX_##name:                                                                               \
        return message;
        ZCX_STATUS_TABLE(MESSAGE)
#undef MESSAGE
    }
    return "unknown status";
}

const char *zcx_version(void)
{
    return ZCX_VERSION;
}

void zcx_free(void *memory)
{
    free(memory);
}

zcx_status zcxi_fail(zcx_error *error, zcx_status status, int cause, const char *format, ...)
{
    if (error && error->status == ZCX_OK) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        error->status = status;
        error->cause = cause;
    }
    return status;
}

zcx_status zcxi_fail_errno(zcx_error *error, int cause, const char *what, const char *name)
{
    zcx_status status = ZCX_ESYSTEM;
    char text[128];
    if (cause == ENOSPC || cause == EDQUOT) status = ZCX_EFULL;
    if (cause == EACCES || cause == EPERM) status = ZCX_EACCES;
    if (cause == ENOMEM) status = ZCX_ENOMEM;
    return zcxi_fail(error, status, cause, "%s %s: %s", what, name,
                     strerror_r(cause, text, sizeof text));
}

zcx_status zcxi_fail_lmdb(zcx_error *error, int code, const char *what)
{
    zcx_status status = ZCX_ESYSTEM;
    if (code == MDB_MAP_FULL || code == ENOSPC || code == EDQUOT) status = ZCX_EFULL;
    if (code == MDB_READERS_FULL || code == MDB_DBS_FULL) status = ZCX_ELIMIT;
    if (code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ||
        code == MDB_PANIC)
        status = ZCX_ECORRUPT;
    if (code == MDB_VERSION_MISMATCH) status = ZCX_EVERSION;
    if (code == ENOMEM) status = ZCX_ENOMEM;
    return zcxi_fail(error, status, code, "%s: %s", what, mdb_strerror(code));
}

/* ---- log ---------------------------------------------------------------------------------------- */

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static zcx_log_function log_function;
static void *log_context;

void zcx_log_set(zcx_log_function function, void *context)
{
    pthread_mutex_lock(&log_mutex);
    log_function = function;
    log_context = context;
    pthread_mutex_unlock(&log_mutex);
}

void zcxi_log(char level, const char *format, ...)
{
    char message[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    pthread_mutex_lock(&log_mutex);
    zcx_log_function function = log_function;
    void *context = log_context;
    pthread_mutex_unlock(&log_mutex);
    if (function) {
        function(context, level, message);
        return;
    }
    const char *wanted = getenv("ZCX_LOG");
    if (wanted && !strcmp(wanted, "off")) return;
    if (level == 'i' && !(wanted && !strcmp(wanted, "info"))) return;
    fprintf(stderr, "zcx: %s\n", message);
}
