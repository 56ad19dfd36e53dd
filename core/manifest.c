#include "manifest.h"

#include "access.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME "store.json"
#define NAME_NEW "store.json.new"
#define SIZE_MAX_READ 65536
#define HEADROOM (UINT64_C(64) << 20) /* of the map over the budget: LMDB's own pages */
#define MAP_MOST (UINT64_C(1) << 46)  /* three maps of it still fit a process */
#define READERS_LEAST 1024
#define READERS_MOST 65536
#define PAGE_MOST 32768 /* LMDB's own limit, also where the machine's pages are larger */

static const char *const durabilities[] = {"default", "none", "commit"};

/* ---- This machine ---------------------------------------------------------------------------- */

bool zcxi_boot_id(char out[37])
{
    char text[37] = {0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    bool read = file && fread(text, 1, 36, file) == 36;
    if (file) fclose(file);
    if (read) memcpy(out, text, sizeof text);
    return read;
}

static bool read_pid_namespace(uint64_t *out)
{
    struct stat about;
    if (stat("/proc/self/ns/pid", &about) < 0) return false;
    *out = about.st_ino;
    return true;
}

/* A random UUID, version 4. */
static bool make_uuid(char out[37])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b) return false;
    b[6] = (b[6] & 0x0F) | 0x40;
    b[8] = (b[8] & 0x3F) | 0x80;
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
    return true;
}

/* ---- A new one ------------------------------------------------------------------------------- */

static uint64_t round_up(uint64_t size, uint64_t page)
{
    return (size + page - 1) / page * page;
}

static zcx_status choose_sizes(struct zcxi_manifest *m, int directory, const char *path,
                               const zcx_store_options *options, zcx_error *error)
{
    m->budget = options->budget;
    if (!m->budget) {
        zcx_status status = zcxi_path_budget(&m->budget, directory, path, error);
        if (status) return status;
    }
    if (m->budget < ZCXI_BUDGET_LEAST || m->budget > MAP_MOST - HEADROOM)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "budget is %" PRIu64 " bytes; it must be %" PRIu64 " to %" PRIu64,
                         m->budget, ZCXI_BUDGET_LEAST, MAP_MOST - HEADROOM);
    uint64_t least = m->budget + HEADROOM;
    m->map_size = options->map_size;
    if (!m->map_size) {
        m->map_size = m->budget < MAP_MOST / 4 ? 4 * m->budget : MAP_MOST;
        if (m->map_size < least) m->map_size = least;
    }
    if (m->map_size < least || m->map_size > MAP_MOST)
        return zcxi_fail(error, ZCX_EINVAL, 0,
                         "map_size is %" PRIu64 " bytes; it must be %" PRIu64
                         " (64 MiB over the budget) to %" PRIu64,
                         m->map_size, least, MAP_MOST);
    m->map_size = round_up(m->map_size, sysconf(_SC_PAGESIZE));
    return zcxi_path_file_limit(m->map_size, path, error);
}

zcx_status zcxi_manifest_make(struct zcxi_manifest *out, int directory, const char *path,
                              const zcx_store_options *options, zcx_error *error)
{
    struct zcxi_manifest m = {.protocol = ZCXI_PROTOCOL, .durability = options->durability};
    struct timespec now;
    int major, minor, patch;
    long page = sysconf(_SC_PAGESIZE);

    zcx_status status = choose_sizes(&m, directory, path, options, error);
    if (status) return status;
    if (m.durability == ZCX_DURABILITY_DEFAULT) m.durability = ZCX_DURABILITY_NONE;
    if (m.durability != ZCX_DURABILITY_NONE && m.durability != ZCX_DURABILITY_COMMIT)
        return zcxi_fail(error, ZCX_EINVAL, 0, "durability is %d; it must be 0, 1 or 2",
                         (int)m.durability);
    m.max_readers = options->max_readers;
    if (m.max_readers < READERS_LEAST) m.max_readers = READERS_LEAST;
    if (m.max_readers > READERS_MOST)
        return zcxi_fail(error, ZCX_EINVAL, 0, "max_readers is %u; the most is %u", m.max_readers,
                         READERS_MOST);
    m.gid = zcxi_access_shared(directory);
    m.page_size = page < PAGE_MOST ? page : PAGE_MOST;
    mdb_version(&major, &minor, &patch);
    snprintf(m.lmdb, sizeof m.lmdb, "%d.%d.%d", major, minor, patch);
    if (!make_uuid(m.uuid)) return zcxi_fail_errno(error, errno, "cannot draw", "a uuid");
    if (!zcxi_boot_id(m.boot_id))
        return zcxi_fail(error, ZCX_ESYSTEM, 0, "cannot read /proc/sys/kernel/random/boot_id");
    if (!read_pid_namespace(&m.pid_namespace))
        return zcxi_fail_errno(error, errno, "cannot look at", "/proc/self/ns/pid");
    clock_gettime(CLOCK_REALTIME, &now);
    m.created = (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    *out = m;
    return ZCX_OK;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static zcx_status corrupt(const char *path, const char *field, zcx_error *error)
{
    return zcxi_fail(error, ZCX_ECORRUPT, 0, "%s/" NAME ": \"%s\" is missing or wrong", path,
                     field);
}

static bool get_number(uint64_t *out, const json_t *object, const char *name, uint64_t least,
                       uint64_t most)
{
    const json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0) return false;
    *out = number;
    return *out >= least && *out <= most;
}

static bool get_text(char *out, size_t size, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    size_t length = json_string_length(value);
    if (!json_is_string(value) || !length || length >= size) return false;
    memcpy(out, json_string_value(value), length + 1);
    return strlen(out) == length;
}

static bool get_uuid(char out[37], const json_t *object, const char *name)
{
    return get_text(out, 37, object, name) && strlen(out) == 36 &&
           strspn(out, "0123456789abcdef-") == 36;
}

static bool get_durability(zcx_durability *out, const json_t *object)
{
    char text[16];
    if (!get_text(text, sizeof text, object, "durability")) return false;
    for (int i = ZCX_DURABILITY_NONE; i <= ZCX_DURABILITY_COMMIT; i++)
        if (strcmp(text, durabilities[i]) == 0) return *out = i, true;
    return false;
}

/* Fields that we don't know are left alone: a later writer of this protocol may add some. */
static zcx_status decode(struct zcxi_manifest *out, const json_t *object, const char *path,
                         zcx_error *error)
{
    struct zcxi_manifest m = {0};
    uint64_t n;
    if (!get_number(&n, object, "protocol", 1, UINT32_MAX)) return corrupt(path, "protocol", error);
    if (n != ZCXI_PROTOCOL)
        return zcxi_fail(error, ZCX_EVERSION, 0,
                         "the store at %s has protocol version %" PRIu64
                         ", this library reads version %d",
                         path, n, ZCXI_PROTOCOL);
    m.protocol = n;
    if (!get_uuid(m.uuid, object, "uuid")) return corrupt(path, "uuid", error);
    if (!get_number(&m.budget, object, "budget", ZCXI_BUDGET_LEAST, MAP_MOST - HEADROOM))
        return corrupt(path, "budget", error);
    if (!get_number(&m.map_size, object, "map_size", m.budget + HEADROOM, MAP_MOST) ||
        m.map_size % 4096)
        return corrupt(path, "map_size", error);
    if (!get_durability(&m.durability, object)) return corrupt(path, "durability", error);
    if (!get_number(&n, object, "max_readers", READERS_LEAST, READERS_MOST))
        return corrupt(path, "max_readers", error);
    m.max_readers = n;
    if (!get_number(&n, object, "page_size", 4096, PAGE_MOST) || (n & (n - 1)))
        return corrupt(path, "page_size", error);
    m.page_size = n;
    if (!get_text(m.lmdb, sizeof m.lmdb, object, "lmdb")) return corrupt(path, "lmdb", error);
    if (!get_uuid(m.boot_id, object, "boot_id")) return corrupt(path, "boot_id", error);
    if (!get_number(&m.pid_namespace, object, "pid_namespace", 1, INT64_MAX))
        return corrupt(path, "pid_namespace", error);
    if (!get_number(&m.created, object, "created", 1, INT64_MAX))
        return corrupt(path, "created", error);
    m.gid = ZCXI_NO_GROUP;
    if (json_object_get(object, "gid")) {
        if (!get_number(&n, object, "gid", 0, ZCXI_NO_GROUP - 1)) return corrupt(path, "gid", error);
        m.gid = (gid_t)n;
    }
    *out = m;
    return ZCX_OK;
}

zcx_status zcxi_manifest_read(struct zcxi_manifest *out, int directory, const char *path,
                              zcx_error *error)
{
    zcx_status status = ZCX_OK;
    struct stat about;
    json_error_t where;
    json_t *object = NULL;
    char *text = NULL;
    int file;
    status = zcxi_access_file(&file, directory, NAME, O_RDONLY, path, error);
    if (status) return status;
    if (fstat(file, &about) < 0 || about.st_size > SIZE_MAX_READ) {
        status = zcxi_fail(error, ZCX_ECORRUPT, 0, "%s/" NAME " is no file of at most %d bytes",
                           path, SIZE_MAX_READ);
        goto done;
    }
    text = malloc(SIZE_MAX_READ);
    ssize_t length = text ? read(file, text, SIZE_MAX_READ) : 0;
    if (!text || length < 0) {
        status = zcxi_fail_errno(error, text ? errno : ENOMEM, "cannot read " NAME " of", path);
        goto done;
    }
    object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(object))
        status = zcxi_fail(error, ZCX_ECORRUPT, 0, "%s/" NAME " is not a JSON object: %s", path,
                           object ? "another value" : where.text);
    else
        status = decode(out, object, path, error);
    if (!status && out->gid != zcxi_access_shared(directory))
        status = zcxi_fail(error, ZCX_EACCES, 0,
                           "the store at %s was created for group %d, its directory is shared with "
                           "group %d (-1: its owner only)",
                           path, (int)out->gid, (int)zcxi_access_shared(directory));
done:
    json_decref(object);
    free(text);
    close(file);
    return status;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static char *encode(const struct zcxi_manifest *m)
{
    json_t *object =
        json_pack("{s:I, s:s, s:I, s:I, s:s, s:I, s:I, s:s, s:s, s:I, s:I}", "protocol",
                  (json_int_t)m->protocol, "uuid", m->uuid, "map_size", (json_int_t)m->map_size,
                  "budget", (json_int_t)m->budget, "durability", durabilities[m->durability],
                  "max_readers", (json_int_t)m->max_readers, "page_size", (json_int_t)m->page_size,
                  "lmdb", m->lmdb, "boot_id", m->boot_id, "pid_namespace",
                  (json_int_t)m->pid_namespace, "created", (json_int_t)m->created);
    if (m->gid != ZCXI_NO_GROUP) json_object_set_new(object, "gid", json_integer(m->gid));
    char *text = json_dumps(object, JSON_INDENT(2));
    json_decref(object);
    return text;
}

zcx_status zcxi_manifest_write(const struct zcxi_manifest *manifest, int directory,
                               const char *path, zcx_error *error)
{
    zcx_status status = ZCX_OK;
    int file = -1;
    char *text = encode(manifest);
    if (!text) return zcxi_fail(error, ZCX_ENOMEM, ENOMEM, "out of memory for " NAME);
    size_t length = strlen(text);

    /* A leftover of a creator that was killed; open.lock keeps another one away. */
    unlinkat(directory, NAME_NEW, 0);
    status = zcxi_access_file(&file, directory, NAME_NEW, O_WRONLY | O_CREAT, path, error);
    if (!status && (fallocate(file, 0, 0, length) < 0 ||
        write(file, text, length) != (ssize_t)length || fsync(file) < 0 ||
        renameat(directory, NAME_NEW, directory, NAME) < 0 || fsync(directory) < 0)) {
        status = zcxi_fail_errno(error, errno, "cannot write " NAME " of", path);
        unlinkat(directory, NAME_NEW, 0);
    }
    if (file >= 0) close(file);
    free(text);
    return status;
}

/* ---- Obeying --------------------------------------------------------------------------------- */

static zcx_status other(const char *option, uint64_t asked, uint64_t is, const char *path,
                        zcx_error *error)
{
    return zcxi_fail(error, ZCX_EBUSY, 0,
                     "%s: asked for %" PRIu64 ", but the store at %s was created with %" PRIu64,
                     option, asked, path, is);
}

zcx_status zcxi_manifest_accept(const struct zcxi_manifest *manifest, const char *path,
                                const zcx_store_options *options, zcx_error *error)
{
    const struct zcxi_manifest *m = manifest;
    uint64_t ours, map_size = round_up(options->map_size, sysconf(_SC_PAGESIZE));
    uint32_t readers = options->max_readers;
    if (m->protocol != ZCXI_PROTOCOL)
        return zcxi_fail(error, ZCX_EVERSION, 0,
                         "the store at %s has protocol version %u, this library reads version %d",
                         path, m->protocol, ZCXI_PROTOCOL);
    if (!read_pid_namespace(&ours))
        return zcxi_fail_errno(error, errno, "cannot look at", "/proc/self/ns/pid");
    /* After a restart nobody of the old namespace can live. */
    if (ours != m->pid_namespace && !zcxi_manifest_stale(m))
        return zcxi_fail(error, ZCX_EUNSUPPORTED, 0,
                         "the store at %s belongs to pid namespace %" PRIu64
                         ", this process is in %" PRIu64
                         "; processes of one store share a pid namespace",
                         path, m->pid_namespace, ours);
    if (options->budget && options->budget != m->budget)
        return other("budget", options->budget, m->budget, path, error);
    if (options->map_size && map_size != m->map_size)
        return other("map_size", map_size, m->map_size, path, error);
    if (readers && readers < READERS_LEAST) readers = READERS_LEAST;
    if (readers && readers != m->max_readers)
        return other("max_readers", readers, m->max_readers, path, error);
    if (options->durability && options->durability != m->durability)
        return zcxi_fail(error, ZCX_EBUSY, 0,
                         "durability: asked for %s, but the store at %s was created with %s",
                         (unsigned)options->durability <= ZCX_DURABILITY_COMMIT
                             ? durabilities[options->durability]
                             : "an unknown one",
                         path, durabilities[m->durability]);
    return zcxi_path_file_limit(m->map_size, path, error);
}

bool zcxi_manifest_move(struct zcxi_manifest *manifest)
{
    struct zcxi_manifest moved = *manifest;
    if (!zcxi_boot_id(moved.boot_id) || !read_pid_namespace(&moved.pid_namespace)) return false;
    if (moved.pid_namespace == manifest->pid_namespace && !strcmp(moved.boot_id, manifest->boot_id))
        return false;
    *manifest = moved;
    return true;
}

bool zcxi_manifest_stale(const struct zcxi_manifest *manifest)
{
    char now[37];
    return zcxi_boot_id(now) && strcmp(now, manifest->boot_id) != 0;
}
