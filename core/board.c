#include "board.h"

#include "access.h"
#include "clock.h"
#include "lock.h"
#include "path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u
#define CHUNK (UINT64_C(4) << 20)
#define SLOTS_LEAST (1u << 20)
#define SLOTS_MOST (1u << 24)

int zcxi_allocate(int file, uint64_t offset, uint64_t length)
{
    while (length) {
        uint64_t chunk = length < CHUNK ? length : CHUNK;
        if (fallocate(file, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)chunk)) {
            if (errno == EINTR) continue;
            return errno;
        }
        offset += chunk;
        length -= chunk;
        ZCXI_POINT(allocate.chunk);
    }
    return 0;
}

void zcxi_no_readahead(void *map, size_t length)
{
    madvise(map, length, MADV_RANDOM);
}

/* ---- layout: offsets from the budget alone ------------------------------------------------------- */

static size_t round_up(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

/* Where each table lies; returns the file's size. `base` may be 0, to count. */
static size_t lay_out(struct zcxi_board *board, uintptr_t base)
{
    size_t at = 0;
    size_t slots = board->slots_max, groups = slots / ZCXI_GROUP;
#define TABLE(member, bytes) (board->member = (void *)(base + at), at += round_up(bytes))
    TABLE(header, sizeof *board->header);
    TABLE(owners, sizeof *board->owners * ZCXI_OWNERS);
    TABLE(waits, sizeof *board->waits * ZCXI_WAITS);
    TABLE(claims, sizeof *board->claims * ZCXI_CLAIMS);
    TABLE(class_maps, sizeof *board->class_maps * ZCXI_CLASSES * board->class_words);
    TABLE(changes, sizeof *board->changes * ZCX_BATCH_MAX);
    TABLE(groups, sizeof *board->groups * groups);
    TABLE(slots, sizeof *board->slots * slots);
    TABLE(pins, sizeof *board->pins * slots * ZCXI_OWNERS);
    TABLE(counts, sizeof *board->counts * ZCXI_OWNERS * ZCXI_COUNTS);
#undef TABLE
    return at;
}

static void size_up(struct zcxi_board *board, uint64_t budget)
{
    uint64_t slots = budget / PAGE;
    if (slots < SLOTS_LEAST) slots = SLOTS_LEAST;
    if (slots > SLOTS_MOST) slots = SLOTS_MOST;
    board->slots_max = (uint32_t)(slots / (ZCXI_GROUP * 64) * (ZCXI_GROUP * 64));
    board->class_words = board->slots_max / ZCXI_GROUP / 64;
    board->size = lay_out(board, 0);
}

static zcx_status back(struct zcxi_board *board, const void *start, size_t length, zcx_error *error)
{
    size_t from = (size_t)((const char *)start - (const char *)board->header);
    size_t to = round_up(from + length);
    from = from / PAGE * PAGE;
    int result = zcxi_allocate(board->file, from, to - from);
    if (!result) return ZCX_OK;
    return zcxi_fail(error, result == ENOSPC ? ZCX_EFULL : ZCX_ESYSTEM, result,
                     "cannot allocate %zu bytes of the board: %s", to - from, strerror(result));
}

zcx_status zcxi_board_back(struct zcxi_board *board, uint32_t number, zcx_error *error)
{
    uint32_t group = number / ZCXI_GROUP;
    if (group < board->header->groups) return ZCX_OK;
    if (number >= board->slots_max)
        return zcxi_fail(error, ZCX_ELIMIT, 0, "the store has %u slots, the most for its budget",
                         board->slots_max);
    size_t first = (size_t)group * ZCXI_GROUP;
    zcx_status status = back(board, &board->groups[group], sizeof *board->groups, error);
    ZCXI_POINT(tables.group);
    if (!status)
        status = back(board, &board->slots[first], sizeof *board->slots * ZCXI_GROUP, error);
    ZCXI_POINT(tables.slots);
    if (!status)
        status = back(board, &board->pins[first * ZCXI_OWNERS],
                      sizeof *board->pins * ZCXI_OWNERS * ZCXI_GROUP, error);
    ZCXI_POINT(tables.pins);
    if (!status) board->header->groups = group + 1;
    ZCXI_POINT(tables.known);
    return status;
}

zcx_status zcxi_board_back_journal(struct zcxi_board *board, uint32_t changes, zcx_error *error)
{
    if (changes * sizeof *board->changes <= PAGE) return ZCX_OK; /* since the board's creation */
    return back(board, board->changes, changes * sizeof *board->changes, error);
}

zcx_status zcxi_board_back_counts(struct zcxi_board *board, uint32_t owner, zcx_error *error)
{
    size_t size = sizeof *board->counts * ZCXI_COUNTS;
    return back(board, &board->counts[(size_t)owner * ZCXI_COUNTS], size, error);
}

/* ---- opening --------------------------------------------------------------------------------------- */

/* By pread: a hole must not be touched. */
static bool read_header(int file, struct zcxi_board_header *header)
{
    char boot_id[37];
    return pread(file, header, sizeof *header, 0) == sizeof *header &&
           header->version == ZCXI_BOARD_VERSION && zcxi_boot_id(boot_id) &&
           !memcmp(header->boot_id, boot_id, sizeof boot_id);
}

static bool is_of(const struct zcxi_board *board, const struct zcxi_manifest *manifest)
{
    struct zcxi_board_header header;
    return read_header(board->file, &header) &&
           !memcmp(header.uuid, manifest->uuid, sizeof manifest->uuid);
}

bool zcxi_board_recent(int directory)
{
    struct zcxi_board_header header;
    int file = openat(directory, "board", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool recent = file >= 0 && read_header(file, &header);
    if (file >= 0) close(file);
    return recent;
}

/* Zeroes the board from `first` to `last`, or to its end. What has memory keeps it: on a full tmpfs it
 * would be gone. */
static int clear(const struct zcxi_board *board, const void *first, const void *last)
{
    const char *base = (const char *)board->header;
    off_t at = (const char *)first - base;
    off_t end = last ? (const char *)last - base : (off_t)board->size;
    while ((at = lseek(board->file, at, SEEK_DATA)) >= 0 && at < end) {
        off_t hole = lseek(board->file, at, SEEK_HOLE);
        if (hole < 0) return errno;
        if (hole > end) hole = end;
        memset((char *)board->header + at, 0, (size_t)(hole - at));
        at = hole;
    }
    return at >= 0 || errno == ENXIO ? 0 : errno;
}

/* All of it, but for what outlives its makers: the claims of who died, so that these deaths are
 * counted; the last incarnation, so that call ids do not come again; which slots have memory (recover.c,
 * which enters them anew); what went on. */
static int clear_all(struct zcxi_board *board)
{
    struct zcxi_board_header *header = board->header, old;
    if (!board->known) return clear(board, header, NULL);
    memcpy(&old, header, sizeof old);
    int result = clear(board, header, board->claims);
    if (!result) result = clear(board, board->claims + ZCXI_CLAIMS, board->slots);
    if (!result) result = clear(board, board->slots + board->slots_max, NULL);
    if (result) return result;
    header->incarnations = old.incarnations;
    header->claims = old.claims;
    header->journal.published = old.journal.published;
    header->journal.lent = old.journal.lent;
    memcpy(&header->counters, &old.counters, sizeof old.counters);
    header->sweeping.finished = old.sweeping.finished;
    header->sweeping.sweeps = old.sweeping.sweeps;
    header->sweeping.looked = old.sweeping.looked;
    header->sweeping.failed = old.sweeping.failed;
    header->sweeping.longest_hold = old.sweeping.longest_hold;
    return 0;
}

zcx_status zcxi_board_make(struct zcxi_board *board, const struct zcxi_manifest *manifest,
                           const char *path, zcx_error *error)
{
    struct zcxi_board_header *header = board->header;
    int result = zcxi_allocate(board->file, 0, PAGE); /* a hole must not be touched */
    if (!result) result = clear_all(board);
    if (result) return zcxi_fail_errno(error, result, "cannot clear the board of", path);
    ZCXI_POINT(board.cleared);
    size_t fixed = (size_t)((char *)board->changes - (char *)header) + PAGE;
    zcx_status status = back(board, header, fixed, error);
    if (!status) status = zcxi_board_back(board, 0, error);
    if (status) return status;
    ZCXI_POINT(board.backed);
    result = zcxi_mutex_init(&header->mutex);
    ZCXI_POINT(board.mutex);
    if (result) return zcxi_fail_errno(error, result, "cannot make the mutex of", path);
    header->version = ZCXI_BOARD_VERSION;
    memcpy(header->uuid, manifest->uuid, sizeof manifest->uuid);
    if (!zcxi_boot_id(header->boot_id))
        return zcxi_fail(error, ZCX_ESYSTEM, 0, "the kernel does not tell this boot's id");
    ZCXI_POINT(board.named);
    /* An owner of this board is none of an earlier one's, whose claims and call ids live on. */
    if (!board->known) header->incarnations = zcxi_now() / ZCXI_MS;
    atomic_store(&header->slots, 1);
    ZCXI_POINT(board.started);
    return ZCX_OK;
}

/* Through a description of its own, for a map keeps its description open: while somebody looks at our
 * memory, as ps does, after we died or called exec, our OFD locks would say that we live. */
static char *map_board(const struct zcxi_board *board)
{
    char same[32];
    snprintf(same, sizeof same, "/proc/self/fd/%d", board->file);
    int file = open(same, O_RDWR | O_CLOEXEC);
    if (file < 0) return MAP_FAILED;
    char *base = mmap(NULL, board->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    close(file);
    if (base == MAP_FAILED) return base;
    zcxi_no_readahead(base, board->size);
    madvise(base, board->size, MADV_DONTFORK);
    return base;
}

static zcx_status stale(const char *path, zcx_error *error)
{
    return zcxi_fail(error, ZCX_ESTALE, 0,
                     "the board of %s was removed or changed while processes have it open: end them, "
                     "then open it again", path);
}

zcx_status zcxi_board_open(struct zcxi_board *board, bool *alone, int directory, int life,
                           const struct zcxi_manifest *manifest, const char *path, zcx_error *error)
{
    struct stat info;
    zcx_status status = ZCX_OK;
    size_up(board, manifest->budget);
    status = zcxi_path_file_limit(board->size, path, error);
    if (status) return status;
    board->file = -1;
    status = zcxi_access_file(&board->file, directory, "board", O_RDWR | O_CREAT, path, error);
    if (status) return status;
    *alone = zcxi_ofd_lock(life, F_WRLCK, ZCXI_LIFE_BYTE);
    if (fstat(board->file, &info)) {
        status = zcxi_fail_errno(error, errno, "cannot stat the board of", path);
        goto done;
    }
    bool sized = (uint64_t)info.st_size == board->size;
    if (!sized && !*alone) {
        status = stale(path, error);
        goto done;
    }
    if (!sized && (ftruncate(board->file, 0) || ftruncate(board->file, (off_t)board->size))) {
        status = zcxi_fail_errno(error, errno, "cannot size the board of", path);
        goto done;
    }
    char *base = map_board(board);
    if (base == MAP_FAILED) {
        status = zcxi_fail_errno(error, errno, "cannot map the board of", path);
        goto done;
    }
    lay_out(board, (uintptr_t)base);
    board->known = is_of(board, manifest);
    if (!*alone && (!board->known || board->header->magic != ZCXI_BOARD_MAGIC))
        status = stale(path, error);
done:
    if (!status && !zcxi_ofd_lock(life, F_RDLCK, ZCXI_LIFE_BYTE))
        status = zcxi_fail(error, ZCX_EBUSY, 0, "the board of %s is being made", path);
    if (status) zcxi_board_close(board);
    return status;
}

void zcxi_board_close(struct zcxi_board *board)
{
    if (board->header) munmap(board->header, board->size);
    if (board->file >= 0) close(board->file);
    board->header = NULL;
    board->file = -1;
}
