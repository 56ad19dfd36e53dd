/* A store with one byte altered while nobody has it open, in any of its files: whoever opens it gets an
 * error or what was put, and no signal ends him. The short tier looks at a sample, `make soak` at every
 * byte with each of its bits. */
#include "child.h"
#include "mutated.h"
#include "store.h"

static char *path;
static struct image images[4];
enum { DATA, LOCK, BOARD, JSON, FILES };
static const char *const names[FILES] = {"data.mdb", "lock.mdb", "board", "store.json"};

static uint64_t random_state = 5;

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static int make(void *durability)
{
    MUST(make_mutated(path, *(zcx_durability *)durability, error));
    return 0;
}

static void make_images(zcx_durability durability)
{
    make_report();
    path = make_directory(NULL);
    if (exit_status(spawn(make, &durability))) fail_msg("%s", child_report);
    for (int i = 0; i < FILES; i++)
        assert_true(read_image(&images[i], path, names[i]));
}

static void free_images(void)
{
    for (int i = 0; i < FILES; i++)
        free(images[i].bytes);
    free(path);
}

/* Is the byte a part of a key, of a record or of a database? Nothing says that it is another now. */
static bool in_a_key(const struct image *image, size_t at)
{
    static const char *const keys[] = {"record-0", "default", "second", "zcx.slots", "zcx.queue"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t back = 0; back < 10 && back <= at; back++)
            if (at - back + 10 < image->used &&
                !memcmp(image->bytes + at - back, keys[i], strlen(keys[i])))
                return true;
    return false;
}

struct alteration {
    int file;
    size_t at;
    uint8_t value;
    bool may_rename;
};

static int live(void *context)
{
    const struct alteration *what = context;
    zcx_store *stores[MUTATED_DATABASES] = {NULL};
    alarm(60);
    for (int d = 0; d < MUTATED_DATABASES; d++) {
        zcx_error why = ZCX_ERROR_INIT;
        if (open_mutated(&stores[d], path, mutated_databases[d], ZCX_DURABILITY_DEFAULT, &why)) {
            if (!why.message[0]) complain("an error without a word");
            continue;
        }
        for (int i = 0; i < MUTATED_RECORDS && !what->may_rename; i++)
            if (find_mutated(stores[d], i) == FOUND_NOTHING) complain("record %d is not there", i);
        const char *wrong = live_in_mutated(stores[d]);
        if (wrong) complain("%s", wrong);
    }
    for (int d = 0; d < MUTATED_DATABASES; d++)
        MUST(zcx_store_close(stores[d], error));
    return 0;
}

static void alter(int file, size_t at, uint8_t value)
{
    struct image *image = &images[file];
    struct alteration what = {file, at, value, file == DATA && in_a_key(image, at)};
    uint8_t was = image->bytes[at];
    if (was == value) return;
    child_report[0] = 0;
    image->bytes[at] = value;
    for (int i = 0; i < FILES; i++)
        assert_true(write_image(&images[i], path));
    image->bytes[at] = was;
    int status = exit_status(spawn(live, &what));
    if (status)
        fail_msg("byte %zu of %s, %#x instead of %#x: exit %d %s", at, names[file], value, was, status,
                 child_report);
}

static void alter_some(int file, size_t at)
{
    uint8_t was = images[file].bytes[at];
    if (soaking()) {
        for (int bit = 0; bit < 8; bit++)
            alter(file, at, was ^ (uint8_t)(1 << bit));
        alter(file, at, 0);
        alter(file, at, 0xff);
    } else {
        alter(file, at, draw(2) ? was ^ (uint8_t)(1 << draw(8)) : (uint8_t)draw(256));
    }
}

/* Every byte of the head of each page, where LMDB's own numbers are, or a few; of the rest a few. */
static void data_altered(zcx_durability durability)
{
    make_images(durability);
    const struct image *data = &images[DATA];
    for (size_t at = 0; at < data->used; at++) {
        size_t offset = at % 4096;
        bool meta = at < 8192 && offset < 16 + 136, head = offset < 64;
        if (soaking() || !draw(meta ? 5 : head ? 25 : 4000)) alter_some(DATA, at);
    }
    free_images();
}

static void an_altered_data_file_kills_nobody(void **state)
{
    (void)state;
    data_altered(ZCX_DURABILITY_NONE);
}

static void an_altered_durable_data_file_kills_nobody(void **state)
{
    (void)state;
    data_altered(ZCX_DURABILITY_COMMIT);
}

static void other_altered_files_kill_nobody(void **state)
{
    (void)state;
    make_images(ZCX_DURABILITY_NONE);
    for (size_t at = 0; at < images[JSON].used; at++)
        if (soaking() || !draw(5)) alter_some(JSON, at);
    for (size_t at = 0; at < images[LOCK].used; at++)
        if (soaking() || !draw(60)) alter_some(LOCK, at);
    for (size_t at = 0; at < images[BOARD].used; at++)
        if (!draw((images[BOARD].bytes[at] ? 50 : 50000) / (soaking() ? 10 : 1)))
            alter_some(BOARD, at);
    free_images();
}

/* Cut anywhere, and longer than it was. */
static void a_cut_file_kills_nobody(void **state)
{
    (void)state;
    make_images(ZCX_DURABILITY_NONE);
    struct alteration nothing = {.may_rename = true};
    for (int file = 0; file < FILES; file++) {
        const off_t sizes[] = {0, 1, 15, 4095, 4096, 8191, 8192, 8193, 12288, 40000};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char full[300];
            for (int other = 0; other < FILES; other++)
                assert_true(write_image(&images[other], path));
            snprintf(full, sizeof full, "%s/%s", path, names[file]);
            assert_int_equal(truncate(full, sizes[i]), 0);
            child_report[0] = 0;
            int status = exit_status(spawn(live, &nothing));
            if (status)
                fail_msg("%s of %ld bytes: exit %d %s", names[file], (long)sizes[i], status,
                         child_report);
        }
    }
    free_images();
}

/* While it is open nobody looks at all of it, but who asks for a check is told, and lives. */
static int check_damaged(void *context)
{
    zcx_store *store;
    char *text, byte = 0x55;
    const off_t *at = context;
    MUST(open_mutated(&store, path, "default", ZCX_DURABILITY_DEFAULT, error));
    int file = openat(store->env->directory, names[DATA], O_WRONLY | O_CLOEXEC);
    if (pwrite(file, &byte, 1, *at) != 1) complain("cannot write to data.mdb");
    zcx_error why = ZCX_ERROR_INIT;
    zcx_status status = zcx_store_check(&text, store, &why);
    if (!status) complain("nothing was found: %s", text);
    if (status != ZCX_ECORRUPT || !strstr(why.message, "damaged")) complain("%s", why.message);
    return 0;
}

static void a_check_tells_of_a_damaged_tree(void **state)
{
    (void)state;
    make_images(ZCX_DURABILITY_NONE);
    for (off_t page = 2; page * 4096 < (off_t)images[DATA].used; page++) {
        off_t at = page * 4096 + 10; /* of a leaf: its flags */
        if (images[DATA].bytes[at] != 2 || images[DATA].bytes[at + 1]) continue;
        for (int i = 0; i < FILES; i++)
            assert_true(write_image(&images[i], path));
        int status = exit_status(spawn(check_damaged, &at));
        /* A page that is free now, and still looks like a leaf, is not looked at. */
        if (status && !strstr(child_report, "nothing was found")) fail_msg("%s", child_report);
        if (!status) goto done;
        child_report[0] = 0;
    }
    fail_msg("no leaf's damage was told of");
done:
    free_images();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_altered_data_file_kills_nobody),
        cmocka_unit_test(an_altered_durable_data_file_kills_nobody),
        cmocka_unit_test(other_altered_files_kill_nobody),
        cmocka_unit_test(a_cut_file_kills_nobody),
        cmocka_unit_test(a_check_tells_of_a_damaged_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
