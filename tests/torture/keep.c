/* Actors that keep a store: open, or in order (they sweep, repair and back up). */
#include "actor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Holds nothing, and does nothing but a sweep for each byte of its input. */
void keep_open(void)
{
    char asked;
    zcx_store *store = open_store();
    for (atomic_store(&mine->steps, 1); read(0, &asked, 1) == 1; atomic_fetch_add(&mine->steps, 1))
        MUST(zcx_store_sweep(NULL, store, 0, error));
}

/* ---- sweeping ------------------------------------------------------------------------------------------------------ */

void sweep(void)
{
    zcx_store *store = open_store();
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        char *report;
        zcx_error failure = ZCX_ERROR_INIT;
        rest_if_asked(NULL, 0, 0);
        zcx_status status = zcx_store_sweep(NULL, store, below(4) ? 0 : ZCX_SWEEP_TRIM, &failure);
        if (status && status != ZCX_EFULL) complain("sweep: %s", failure.message);
        if (below(8) == 0) {
            MUST(zcx_store_stat(&report, store, error));
            zcx_free(report);
        }
        usleep((useconds_t)below(4000));
    }
}

/* ---- repairing and backing up -------------------------------------------------------------------------------------- */

static void back_up(zcx_store *store, const char *copy)
{
    char command[1000], *report;
    zcx_store *there;
    zcx_error failure = ZCX_ERROR_INIT;
    snprintf(command, sizeof command, "rm -rf '%s' '%s.partial'", copy, copy);
    if (system(command)) complain("%s", command);
    zcx_status status = zcx_store_backup(NULL, store, copy, NULL, &failure);
    if (status && status != ZCX_EFULL) complain("backup: %s", failure.message);
    if (status) return;
    MUST(zcx_store_open(&there, copy, NULL, error));
    MUST(zcx_store_check(&report, there, error));
    if (!strstr(report, "\"sound\":true") && !strstr(report, "\"sound\": true"))
        complain("a backup is not sound: %.1500s", report);
    zcx_free(report);
    MUST(zcx_store_close(there, error));
}

/* What is in use and sound is repaired without harm, and copied. */
void mend(void)
{
    char copy[400];
    snprintf(copy, sizeof copy, "%s-copy-%lu", store_path, (unsigned long)place);
    zcx_store *store = open_store();
    for (;; atomic_fetch_add(&mine->steps, 1)) {
        char *report;
        zcx_error failure = ZCX_ERROR_INIT;
        zcx_status status = zcx_store_repair(&report, store, ZCX_REPAIR_RECORDS, &failure);
        if (status && status != ZCX_EFULL) complain("repair: %s", failure.message);
        if (!status) zcx_free(report);
        back_up(store, copy);
        usleep((useconds_t)below(20000));
    }
}
