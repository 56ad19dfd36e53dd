/* store.json: what is written is read back, what was tampered with is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "manifest.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static char base[64];
static int directory;

static int make_base(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/dev/shm/zcx-manifest-test-%d", getpid());
    if (mkdir(base, 0700) < 0) return -1;
    directory = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return directory < 0;
}

static int remove_base(void **state)
{
    char command[96];
    (void)state;
    close(directory);
    snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command);
}

static zcx_status make(struct zcxi_manifest *out, uint64_t budget, uint64_t map_size,
                       zcx_error *error)
{
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    options.budget = budget;
    options.map_size = map_size;
    *error = (zcx_error)ZCX_ERROR_INIT;
    return zcxi_manifest_make(out, directory, base, &options, error);
}

static void write_text(const char *text, size_t length)
{
    int file = openat(directory, "store.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, length), length);
    close(file);
}

static char *read_text(void)
{
    static char text[4096];
    int file = openat(directory, "store.json", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    ssize_t length = read(file, text, sizeof text - 1);
    assert_true(length > 0);
    text[length] = '\0';
    close(file);
    return text;
}

/* Reads store.json after `old` was replaced by `new` in what was written. */
static zcx_status read_with(const char *old, const char *new, zcx_error *error)
{
    struct zcxi_manifest manifest, seen;
    char text[8192];
    *error = (zcx_error)ZCX_ERROR_INIT;
    assert_int_equal(make(&manifest, 64 * MIB, 0, error), ZCX_OK);
    assert_int_equal(zcxi_manifest_write(&manifest, directory, base, error), ZCX_OK);
    char *whole = read_text(), *at = strstr(whole, old);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, new, at + strlen(old));
    write_text(text, strlen(text));
    return zcxi_manifest_read(&seen, directory, base, error);
}

static void what_is_written_is_read(void **state)
{
    struct zcxi_manifest manifest = {0}, seen;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_error error = ZCX_ERROR_INIT;
    struct stat about;
    (void)state;
    options.durability = ZCX_DURABILITY_COMMIT;
    options.budget = 64 * MIB + 1;
    assert_int_equal(zcxi_manifest_read(&seen, directory, base, &error), ZCX_ENOTFOUND);
    error = (zcx_error)ZCX_ERROR_INIT;
    assert_int_equal(zcxi_manifest_make(&manifest, directory, base, &options, &error), ZCX_OK);
    write_text("left over", 9);
    assert_int_equal(renameat(directory, "store.json", directory, "store.json.new"), 0);
    assert_int_equal(zcxi_manifest_write(&manifest, directory, base, &error), ZCX_OK);
    assert_int_equal(zcxi_manifest_read(&seen, directory, base, &error), ZCX_OK);
    assert_int_equal(seen.budget, 64 * MIB + 1);
    assert_int_equal(seen.map_size, 256 * MIB + 4096);
    assert_int_equal(seen.durability, ZCX_DURABILITY_COMMIT);
    assert_int_equal(seen.max_readers, 1024);
    assert_int_equal(seen.created, manifest.created);
    assert_int_equal(seen.pid_namespace, manifest.pid_namespace);
    assert_string_equal(seen.uuid, manifest.uuid);
    assert_string_equal(seen.boot_id, manifest.boot_id);
    assert_string_equal(seen.lmdb, manifest.lmdb);
    assert_false(zcxi_manifest_stale(&seen));
    assert_int_equal(fstatat(directory, "store.json", &about, 0), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(faccessat(directory, "store.json.new", F_OK, 0), -1);
}

static void tampered_fields_are_refused_by_name(void **state)
{
    static const struct {
        const char *old, *new, *named;
    } cases[] = {
        {"\"protocol\": 1", "\"protocol\": \"1\"", "protocol"},
        {"\"protocol\": 1", "\"protocol\": 0", "protocol"},
        {"\"protocol\": 1", "\"protocol\": 1.0", "protocol"},
        {"\"budget\": 67108864", "\"budget\": -67108864", "budget"},
        {"\"budget\": 67108864", "\"budget\": 1", "budget"},
        {"\"budget\": 67108864", "\"budget\": 9223372036854775807", "budget"},
        {"\"map_size\": 268435456", "\"map_size\": 67108864", "map_size"},
        {"\"map_size\": 268435456", "\"map_size\": 268435457", "map_size"},
        {"\"map_size\": 268435456", "\"map_size\": 268435456268435456", "map_size"},
        {"\"none\"", "\"some\"", "durability"},
        {"\"none\"", "\"default\"", "durability"},
        {"\"none\"", "null", "durability"},
        {"\"max_readers\": 1024", "\"max_readers\": 0", "max_readers"},
        {"\"max_readers\": 1024", "\"max_readers\": 4294968320", "max_readers"},
        {"\"page_size\": 4096", "\"page_size\": 5000", "page_size"},
        {"\"page_size\": 4096", "\"page_size\": true", "page_size"},
        {"\"lmdb\": \"0", "\"lmdb\": \"000000000000000000", "lmdb"},
        {"\"lmdb\": \"", "\"lmdb\": \"\\u0000", "not a JSON object"},
        {"\"boot_id\": \"", "\"boot_id\": \"0", "boot_id"},
        {"\"uuid\"", "\"uid\"", "uuid"},
        {"\"pid_namespace\"", "\"namespace\"", "pid_namespace"},
        {"\"created\"", "\"budget\"", "not a JSON object"},
        {"{", "[", "not a JSON object"},
        {"}", "", "not a JSON object"},
    };
    zcx_error error;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_with(cases[i].old, cases[i].new, &error), ZCX_ECORRUPT);
        if (!strstr(error.message, cases[i].named)) fail_msg("%s: %s", cases[i].new, error.message);
    }
}

static void another_version_is_named_and_more_fields_are_no_error(void **state)
{
    zcx_error error;
    (void)state;
    assert_int_equal(read_with("\"protocol\": 1", "\"protocol\": 7", &error), ZCX_EVERSION);
    assert_non_null(strstr(error.message, "version 7"));
    assert_int_equal(read_with("{", "{\"colour\": [1, 2],", &error), ZCX_OK);
}

static void what_is_no_small_file_is_refused(void **state)
{
    static char huge[70000];
    struct zcxi_manifest seen;
    zcx_error error = ZCX_ERROR_INIT;
    (void)state;
    memset(huge, ' ', sizeof huge);
    write_text(huge, sizeof huge);
    assert_int_equal(zcxi_manifest_read(&seen, directory, base, &error), ZCX_ECORRUPT);
    write_text("", 0);
    error = (zcx_error)ZCX_ERROR_INIT;
    assert_int_equal(zcxi_manifest_read(&seen, directory, base, &error), ZCX_ECORRUPT);
    assert_int_equal(unlinkat(directory, "store.json", 0), 0);
    assert_int_equal(mkfifoat(directory, "store.json", 0600), 0);
    error = (zcx_error)ZCX_ERROR_INIT;
    assert_int_equal(zcxi_manifest_read(&seen, directory, base, &error), ZCX_ECORRUPT);
    assert_int_equal(unlinkat(directory, "store.json", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", directory, "store.json"), 0);
    error = (zcx_error)ZCX_ERROR_INIT;
    assert_int_equal(zcxi_manifest_read(&seen, directory, base, &error), ZCX_EACCES);
    assert_int_equal(unlinkat(directory, "store.json", 0), 0);
}

static void wrong_options_are_named(void **state)
{
    struct zcxi_manifest manifest;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_error error;
    (void)state;
    assert_int_equal(make(&manifest, 1000, 0, &error), ZCX_EINVAL);
    assert_non_null(strstr(error.message, "budget is 1000"));
    assert_int_equal(make(&manifest, UINT64_MAX, 0, &error), ZCX_EINVAL);
    assert_int_equal(make(&manifest, 64 * MIB, 65 * MIB, &error), ZCX_EINVAL);
    assert_non_null(strstr(error.message, "map_size is 68157440"));
    assert_int_equal(make(&manifest, 64 * MIB, UINT64_MAX, &error), ZCX_EINVAL);
    assert_int_equal(make(&manifest, 64 * MIB, 128 * MIB - 1, &error), ZCX_EINVAL);
    assert_int_equal(make(&manifest, 64 * MIB, 128 * MIB + 1, &error), ZCX_OK);
    assert_int_equal(manifest.map_size, 128 * MIB + 4096);
    assert_int_equal(make(&manifest, 8 * MIB, 0, &error), ZCX_OK);
    assert_int_equal(manifest.map_size, 72 * MIB);
    options.budget = 64 * MIB;
    options.durability = 9;
    assert_int_equal(zcxi_manifest_make(&manifest, directory, base, &options, &error), ZCX_EINVAL);
    options.durability = 0;
    options.max_readers = 100000;
    error = (zcx_error)ZCX_ERROR_INIT;
    assert_int_equal(zcxi_manifest_make(&manifest, directory, base, &options, &error), ZCX_EINVAL);
    assert_non_null(strstr(error.message, "max_readers is 100000"));
}

static zcx_status accept_with(const struct zcxi_manifest *manifest,
                              const zcx_store_options *options, zcx_error *error)
{
    *error = (zcx_error)ZCX_ERROR_INIT;
    return zcxi_manifest_accept(manifest, base, options, error);
}

static void an_opener_gets_what_the_store_was_created_with(void **state)
{
    struct zcxi_manifest manifest;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_error error;
    (void)state;
    assert_int_equal(make(&manifest, 64 * MIB, 0, &error), ZCX_OK);
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_OK);
    options.budget = 64 * MIB, options.map_size = 256 * MIB - 1, options.max_readers = 1;
    options.durability = ZCX_DURABILITY_NONE;
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_OK);
    options.budget++;
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_EBUSY);
    assert_non_null(strstr(error.message, "67108865"));
    assert_non_null(strstr(error.message, "67108864"));
    options.budget = 0, options.map_size = 512 * MIB;
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_EBUSY);
    options.map_size = 0, options.max_readers = 2000;
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_EBUSY);
    options.max_readers = 0, options.durability = ZCX_DURABILITY_COMMIT;
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_EBUSY);
    assert_non_null(strstr(error.message, "asked for commit"));
}

static void another_namespace_is_refused_until_the_machine_restarts(void **state)
{
    struct zcxi_manifest manifest;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_error error;
    (void)state;
    assert_int_equal(make(&manifest, 64 * MIB, 0, &error), ZCX_OK);
    manifest.pid_namespace++;
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_EUNSUPPORTED);
    assert_non_null(strstr(error.message, "pid namespace"));
    manifest.boot_id[0] = manifest.boot_id[0] == '0' ? '1' : '0';
    assert_true(zcxi_manifest_stale(&manifest));
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_OK);
    manifest.protocol = 2;
    assert_int_equal(accept_with(&manifest, &options, &error), ZCX_EVERSION);
}

/* In a child, because a limit that was lowered stays. */
static void a_file_size_limit_below_the_map_is_refused(void **state)
{
    struct zcxi_manifest manifest;
    zcx_store_options options = ZCX_STORE_OPTIONS_INIT;
    zcx_error error;
    int ended;
    (void)state;
    assert_int_equal(make(&manifest, 64 * MIB, 0, &error), ZCX_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {256 * MIB, 256 * MIB};
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0) _exit(1);
        if (accept_with(&manifest, &options, &error) != ZCX_OK) _exit(2);
        limit.rlim_cur = 256 * MIB - 1;
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0) _exit(3);
        if (accept_with(&manifest, &options, &error) != ZCX_ELIMIT) _exit(4);
        if (!strstr(error.message, "RLIMIT_FSIZE")) _exit(5);
        if (make(&manifest, 64 * MIB, 0, &error) != ZCX_ELIMIT) _exit(6);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(tampered_fields_are_refused_by_name),
        cmocka_unit_test(another_version_is_named_and_more_fields_are_no_error),
        cmocka_unit_test(what_is_no_small_file_is_refused),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(an_opener_gets_what_the_store_was_created_with),
        cmocka_unit_test(another_namespace_is_refused_until_the_machine_restarts),
        cmocka_unit_test(a_file_size_limit_below_the_map_is_refused),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
