/* What the hand-over costs in C, each figure beside its baseline, interleaved in one run. Prints one
 * line a figure: its name, the median of the rounds, the baseline's, and the ratio. */
#include "bench.h"

#include <fcntl.h>
#include <lmdb.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ROUNDS 41
#define REPEATS 2000

static void check_lmdb(int result)
{
    if (!result) return;
    fprintf(stderr, "LMDB: %s\n", mdb_strerror(result));
    exit(1);
}

/* ---- hand-over: constant whatever the size ------------------------------------------------------------------- */

static double cycle(zcx_store *store, const char *key, uint64_t size, int repeats)
{
    zcx_error error = ZCX_ERROR_INIT;
    size_t length = strlen(key);
    double start = now();
    for (int i = 0; i < repeats; i++) {
        zcx_loan *loan;
        zcx_view *view;
        check(zcx_store_loan(&loan, store, size, 0, &error), &error);
        *(int *)zcx_loan_data(loan) = i;
        check(zcx_loan_publish(loan, key, length, size, NULL, NULL, &error), &error);
        check(zcx_store_view(&view, store, key, length, &error), &error);
        if (*(const int *)zcx_view_data(view) != i) abort();
        zcx_view_release(view);
    }
    return (now() - start) / repeats;
}

static double view_and_release(zcx_store *store, const char *key, int repeats)
{
    zcx_error error = ZCX_ERROR_INIT;
    size_t length = strlen(key);
    double start = now();
    for (int i = 0; i < repeats; i++) {
        zcx_view *view;
        check(zcx_store_view(&view, store, key, length, &error), &error);
        zcx_view_release(view);
    }
    return (now() - start) / repeats;
}

struct plain {
    MDB_env *env;
    MDB_dbi database;
    MDB_txn *reader;
};

static struct plain open_plain(void)
{
    char path[300], record[96] = {0};
    struct plain plain;
    MDB_txn *writer;
    snprintf(path, sizeof path, "%s/plain", directory);
    mkdir(path, 0700);
    check_lmdb(mdb_env_create(&plain.env));
    mdb_env_set_maxdbs(plain.env, 4);
    mdb_env_set_mapsize(plain.env, 1 << 26);
    check_lmdb(mdb_env_open(plain.env, path, MDB_NOTLS | MDB_WRITEMAP | MDB_NOSYNC, 0600));
    check_lmdb(mdb_txn_begin(plain.env, NULL, 0, &writer));
    check_lmdb(mdb_dbi_open(writer, "default", MDB_CREATE, &plain.database));
    MDB_val key = {8, "large"}, value = {sizeof record, record};
    check_lmdb(mdb_put(writer, plain.database, &key, &value, 0));
    check_lmdb(mdb_txn_commit(writer));
    check_lmdb(mdb_txn_begin(plain.env, NULL, MDB_RDONLY, &plain.reader));
    mdb_txn_reset(plain.reader);
    return plain;
}

static double renew_get_reset(struct plain *plain, int repeats)
{
    double start = now();
    for (int i = 0; i < repeats; i++) {
        MDB_val key = {8, "large"}, value;
        check_lmdb(mdb_txn_renew(plain->reader));
        check_lmdb(mdb_get(plain->reader, plain->database, &key, &value));
        mdb_txn_reset(plain->reader);
    }
    return (now() - start) / repeats;
}

static void hand_over(void)
{
    static double small[ROUNDS], large[ROUNDS], view[ROUNDS], plain_get[ROUNDS];
    zcx_store *store = open_store("hand-over", UINT64_C(2) << 30);
    struct plain plain = open_plain();
    cycle(store, "small", 4096 - 64, 100);
    cycle(store, "large", 100000000, 100);
    for (int i = 0; i < ROUNDS; i++) {
        small[i] = cycle(store, "small", 4096 - 64, REPEATS);
        large[i] = cycle(store, "large", 100000000, REPEATS);
        view[i] = view_and_release(store, "large", REPEATS);
        plain_get[i] = renew_get_reset(&plain, REPEATS);
    }
    double four_kb = median(small, ROUNDS);
    report("loan+publish+view+release, 100 MB", median(large, ROUNDS), "ns", "the same, 4 KB", four_kb,
           1.1);
    report("loan+publish+view+release, 4 KB", four_kb, "ns", "what the issue allows", 1200, 1);
    report("view+release", median(view, ROUNDS), "ns", "LMDB renew+get+reset",
           median(plain_get, ROUNDS), 2);

    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    view_and_release(store, "large", 100000);
    getrusage(RUSAGE_SELF, &after);
    printf("%-44s %10ld\n", "page faults in 100,000 view+release",
           after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt);
    zcx_store_close(store, NULL);
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

static long private_kb(void)
{
    char line[256];
    long total = 0, value;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Private_Clean: %ld", &value) == 1 ||
            sscanf(line, "Private_Dirty: %ld", &value) == 1)
            total += value;
    if (file) fclose(file);
    return total;
}

/* In a process of its own: one that shares every page with the producer. */
static void consume_gigabyte(void)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store = open_store("gigabyte", UINT64_C(3) << 30);
    zcx_view *view;
    long before = private_kb();
    check(zcx_store_view(&view, store, "gigabyte", 8, &error), &error);
    const uint64_t *words = zcx_view_data(view);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < zcx_view_length(view) / 8; i += 8)
        sum += words[i];
    long grown = private_kb() - before;
    printf("%-44s %10.1f MB  (at most 8; sum %lu)\n", "private memory of a consumer of 1 GB",
           (double)grown / 1024, (unsigned long)sum);
    zcx_view_release(view);
    zcx_store_close(store, NULL);
}

static void gigabyte(void)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store = open_store("gigabyte", UINT64_C(3) << 30);
    zcx_loan *loan;
    uint64_t size = UINT64_C(1) << 30;
    check(zcx_store_loan(&loan, store, size, 0, &error), &error);
    memset(zcx_loan_data(loan), 1, size);
    check(zcx_loan_publish(loan, "gigabyte", 8, size, NULL, NULL, &error), &error);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        consume_gigabyte();
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    zcx_store_close(store, NULL);
}

/* ---- space ---------------------------------------------------------------------------------------------------------- */

#define KEYS 200
#define OVERWRITES 200000

static uint64_t random_size(uint64_t *seed)
{
    *seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
    double unit = (double)(*seed >> 11) / 9007199254740992.0;
    return (uint64_t)(2048 * pow(8192, unit)); /* log-uniform from 2 KB to 16 MB */
}

static void space(void)
{
    zcx_error error = ZCX_ERROR_INIT;
    zcx_store *store = open_store("space", UINT64_C(4) << 30);
    uint64_t sizes[KEYS] = {0}, live = 0, most = 0, file_most = 0, seed = 88172645463325252u;
    char path[300];
    snprintf(path, sizeof path, "%s/data.mdb", zcx_store_path(store));
    for (int i = 0; i < OVERWRITES; i++) {
        uint64_t size = random_size(&seed);
        char key[16];
        int at = (int)(seed % KEYS), length = snprintf(key, sizeof key, "%d", at);
        zcx_loan *loan;
        check(zcx_store_loan(&loan, store, size, 0, &error), &error);
        check(zcx_loan_publish(loan, key, (size_t)length, size, NULL, NULL, &error), &error);
        live += size - sizes[at];
        sizes[at] = size;
        if (live > most) most = live;
        if (i % 100) continue;
        struct stat info;
        if (!stat(path, &info) && (uint64_t)info.st_blocks * 512 > file_most)
            file_most = (uint64_t)info.st_blocks * 512;
    }
    report("file, 200 keys overwritten 200,000 times", (double)file_most / 1e6, "MB",
           "most bytes live at once", (double)most / 1e6, 2);
    zcx_store_close(store, NULL);
}

int main(void)
{
    make_directory();
    hand_over();
    gigabyte();
    space();
    return 0;
}
