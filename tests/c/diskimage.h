/* The disk of a machine that lost its power: a log (writelog.h) is taken up entry by entry, and at any
 * of them the files are laid out as the disk may have them. What was synced is there. Of what was
 * written since, each page of 4 KiB has any state that it had, or none of it; a name or size that was
 * not synced is there or not. Stricter than Linux in one point: what was stored into a map is synced by
 * msync only. */
#ifndef ZCX_DISKIMAGE_H
#define ZCX_DISKIMAGE_H

#include "payload.h"
#include "writelog.h"

#define PAGE 4096u
#define PAGES_MOST 32768 /* of a file: 128 MiB */

struct version {
    uint64_t index; /* of the entry that made it */
    uint64_t value; /* a size */
    uint8_t *bytes; /* or a page; NULL: zeros */
    bool mapped;    /* by a store into a map */
};

/* Something on the disk: the first version is synced, the others may be there instead. */
struct block {
    struct version *versions;
    uint32_t count;
};

struct file {
    struct block size, *pages; /* [PAGES_MOST] */
    uint32_t end;              /* pages that were ever written */
};

struct naming {
    uint64_t index;
    const struct entry *entry;
};

struct disk {
    struct file files[LOG_FILES];
    char names[LOG_FILES][64]; /* by file, synced; "" has none */
    struct naming namings[64]; /* since then */
    uint32_t naming_count;
};

static inline const struct version *last_of(const struct block *block)
{
    static const struct version none;
    return block->count ? &block->versions[block->count - 1] : &none;
}

static inline void add_version(struct block *block, struct version version)
{
    if (!block->count && !(block->versions = calloc(1, sizeof version))) abort();
    if (!block->count) block->count = 1; /* nothing, synced */
    block->versions = realloc(block->versions, (block->count + 1) * sizeof version);
    if (!block->versions) abort();
    block->versions[block->count++] = version;
}

/* What was there before the entry `upto` is on disk, but for what waits for an msync. */
static inline void sync_block(struct block *block, uint64_t upto, bool maps)
{
    uint32_t first = 1;
    while (first < block->count && block->versions[first].index < upto &&
           (maps || !block->versions[first].mapped))
        first++;
    if (first < 2) return;
    for (uint32_t i = 0; i < first - 1; i++)
        free(block->versions[i].bytes);
    block->count -= first - 1;
    memmove(block->versions, block->versions + first - 1, block->count * sizeof *block->versions);
}

static inline void free_block(struct block *block)
{
    for (uint32_t i = 0; i < block->count; i++)
        free(block->versions[i].bytes);
    free(block->versions);
}

/* ---- taking the log up ----------------------------------------------------------------------------------- */

/* Zeros need no page where none was. */
static inline void write_pages(struct file *file, uint64_t index, const struct entry *entry)
{
    const uint8_t *data = entry->kind == NOTED_PUNCH ? NULL : entry->bytes;
    const uint64_t offset = entry->offset, length = entry->length;
    if (!file->pages && !(file->pages = calloc(PAGES_MOST, sizeof *file->pages))) abort();
    for (uint64_t done = 0; done < length;) {
        uint64_t at = offset + done, page = at / PAGE, from = at % PAGE;
        uint64_t part = PAGE - from < length - done ? PAGE - from : length - done;
        if (page >= PAGES_MOST) break;
        const struct version *before = last_of(&file->pages[page]);
        done += part;
        if (!data && !before->bytes) continue;
        struct version version = {index, 0, calloc(1, PAGE), entry->kind == NOTED_MAP};
        if (before->bytes) memcpy(version.bytes, before->bytes, PAGE);
        if (data)
            memcpy(version.bytes + from, data + done - part, part);
        else
            memset(version.bytes + from, 0, part);
        add_version(&file->pages[page], version);
        if (file->end <= page) file->end = (uint32_t)page + 1;
    }
    if (data && offset + length > last_of(&file->size)->value)
        add_version(&file->size, (struct version){.index = index, .value = offset + length});
}

static inline void sync_pages(struct file *file, const struct entry *entry)
{
    const uint64_t first = entry->offset / PAGE;
    for (uint64_t page = first; page < file->end; page++) {
        if (page > first && page * PAGE - entry->offset >= entry->length) break;
        sync_block(&file->pages[page], entry->upto, entry->kind == NOTED_MSYNC);
    }
    sync_block(&file->size, entry->upto, true);
}

static inline void apply_naming(char names[LOG_FILES][64], const struct entry *entry)
{
    const char *name = (const char *)entry->bytes;
    const char *to = entry->kind == NOTED_RENAME ? name + entry->offset : name;
    uint32_t from = 0;
    for (uint32_t i = 1; i < LOG_FILES; i++) {
        if (entry->kind == NOTED_RENAME && !strcmp(names[i], name)) from = i;
        if (!strcmp(names[i], to)) names[i][0] = 0; /* replaced, or unlinked */
    }
    if (entry->kind == NOTED_NAME) from = entry->file;
    if (entry->kind != NOTED_UNLINK && from) snprintf(names[from], 64, "%s", to);
}

static inline void sync_names(struct disk *disk, uint64_t upto)
{
    uint32_t done = 0;
    for (; done < disk->naming_count && disk->namings[done].index < upto; done++)
        apply_naming(disk->names, disk->namings[done].entry);
    disk->naming_count -= done;
    memmove(disk->namings, disk->namings + done, disk->naming_count * sizeof *disk->namings);
}

static inline void take_up(struct disk *disk, const struct entry *entry, uint64_t index)
{
    struct file *file = &disk->files[entry->file];
    switch (entry->kind) {
    case NOTED_WRITE:
    case NOTED_MAP:
    case NOTED_PUNCH:
        write_pages(file, index, entry);
        break;
    case NOTED_SIZE:
        add_version(&file->size, (struct version){.index = index, .value = entry->offset});
        break;
    case NOTED_SYNC:
    case NOTED_MSYNC:
        if (entry->file)
            sync_pages(file, entry);
        else
            sync_names(disk, entry->upto);
        break;
    case NOTED_NAME:
    case NOTED_RENAME:
    case NOTED_UNLINK:
        if (disk->naming_count == 64) abort();
        disk->namings[disk->naming_count++] = (struct naming){index, entry};
    }
}

/* ---- the power is cut ------------------------------------------------------------------------------------- */

enum luck { NOTHING_MORE, EVERYTHING, ANYTHING };

static inline const struct version *left_of(const struct block *block, enum luck luck, uint64_t *seed)
{
    if (!block->count || luck == EVERYTHING) return last_of(block);
    return &block->versions[luck == NOTHING_MORE ? 0 : next_random(seed) % block->count];
}

static inline void lay_file(const struct file *file, const char *path, enum luck luck, uint64_t *seed)
{
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    uint64_t size = left_of(&file->size, luck, seed)->value;
    if (out < 0) abort();
    for (uint32_t page = 0; page < file->end; page++) {
        const uint8_t *bytes = left_of(&file->pages[page], luck, seed)->bytes;
        uint64_t at = (uint64_t)page * PAGE, part = size > at ? size - at : 0;
        if (bytes && part && pwrite(out, bytes, part < PAGE ? part : PAGE, (off_t)at) < 0) abort();
    }
    if (ftruncate(out, (off_t)size)) abort();
    close(out);
}

/* Lays the files out in an empty directory; what maps alone write (board, lock.mdb) is lost. */
static inline void lay_out(const struct disk *disk, const char *directory, enum luck luck,
                           uint64_t *seed)
{
    char names[LOG_FILES][64], path[400];
    memcpy(names, disk->names, sizeof names);
    for (uint32_t i = 0; i < disk->naming_count; i++)
        if (luck == EVERYTHING || (luck == ANYTHING && next_random(seed) % 2))
            apply_naming(names, disk->namings[i].entry);
    for (uint32_t i = 1; i < LOG_FILES; i++) {
        if (!names[i][0] || !strcmp(names[i], "board") || !strcmp(names[i], "lock.mdb")) continue;
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        lay_file(&disk->files[i], path, luck, seed);
    }
}

static inline void free_disk(struct disk *disk)
{
    for (uint32_t i = 0; i < LOG_FILES; i++) {
        for (uint32_t page = 0; page < disk->files[i].end; page++)
            free_block(&disk->files[i].pages[page]);
        free(disk->files[i].pages);
        free_block(&disk->files[i].size);
    }
    free(disk);
}

#endif
