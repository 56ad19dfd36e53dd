#include "verify.h"

#include "lmdb_layout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

/* ---- what LMDB 0.9 writes into its layout ------------------------------------------------------------- */

#define VERSION 1u
#define DEPTH_MOST 32 /* CURSOR_STACK */
#define KEY_MOST 511  /* MDB_MAXKEYSIZE */
#define EMPTY UINT64_MAX

enum { BRANCH = 1, LEAF = 2, OVERFLOW = 4, META = 8 };   /* a page's flags, each alone */
enum { BIG = 1, DATABASE = 2 };                          /* a leaf node's flags, each alone */
enum { INTEGER_KEYS = 8, NO_DIRECTORY = 0x4000 };        /* a database's; the latter is the file's */

/* ---- the walk ------------------------------------------------------------------------------------------ */

enum kind { RECORDS, NAMES, SLOTS, FREE }; /* what a tree holds */

struct tree {
    enum kind kind;
    char name[KEY_MOST + 1];
    struct zcxi_lmdb_tree says, has;
    size_t key; /* bytes of each, 0: any */
};

struct walk {
    const struct zcxi_env *env;
    uint32_t page_size;
    uint64_t last, transaction;
    uint64_t *seen; /* a bit a page */
    zcx_error *error;
};

__attribute__((format(printf, 3, 4), cold)) static zcx_status
damaged(const struct walk *walk, const struct tree *tree, const char *format, ...)
{
    char what[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return zcxi_fail(walk->error, ZCX_ECORRUPT, 0, "data.mdb of %s is damaged%s%.64s: %s",
                     walk->env->path, tree ? " in " : "", tree ? tree->name : "", what);
}

static const char *page_at(const struct walk *walk, uint64_t number)
{
    return walk->env->reading + number * walk->page_size;
}

/* Sets `count` bits from `first` on; false if one is set already. */
static bool mark(uint64_t *bits, uint64_t first, uint64_t count)
{
    bool once = true;
    while (count) {
        uint64_t at = first % 64, length = 64 - at < count ? 64 - at : count;
        uint64_t mask = (length == 64 ? UINT64_MAX : (UINT64_C(1) << length) - 1) << at;
        once &= !(bits[first / 64] & mask);
        bits[first / 64] |= mask;
        first += length;
        count -= length;
    }
    return once;
}

static zcx_status take(struct walk *walk, const struct tree *tree, uint64_t first, uint64_t count)
{
    if (first < 2 || first > walk->last || count > walk->last - first + 1)
        return damaged(walk, tree, "%" PRIu64 " pages from %" PRIu64 " on are not among 2 to %" PRIu64,
                       count, first, walk->last);
    if (mark(walk->seen, first, count)) return ZCX_OK;
    return damaged(walk, tree, "one of %" PRIu64 " pages from %" PRIu64 " on is used twice", count,
                   first);
}

static int compare(const struct tree *tree, const MDB_val *one, const MDB_val *other)
{
    uint64_t a = 0, b = 0;
    if (tree->key) { /* numbers, little-endian */
        memcpy(&a, one->mv_data, tree->key);
        memcpy(&b, other->mv_data, tree->key);
        return (a > b) - (a < b);
    }
    size_t shorter = one->mv_size < other->mv_size ? one->mv_size : other->mv_size;
    int order = memcmp(one->mv_data, other->mv_data, shorter);
    return order ? order : (one->mv_size > other->mv_size) - (one->mv_size < other->mv_size);
}

/* ---- a page's nodes ------------------------------------------------------------------------------------ */

struct entry { /* a node, taken apart */
    uint64_t child; /* branch: a page; leaf: bytes of data */
    uint16_t flags;
    MDB_val key;
    const char *data; /* leaf */
};

static struct entry read_entry(const char *page, bool branch, size_t index)
{
    uint16_t at;
    struct zcxi_lmdb_node node;
    memcpy(&at, page + sizeof(struct zcxi_lmdb_page) + 2 * index, sizeof at);
    memcpy(&node, page + at, sizeof node);
    uint64_t child = node.low | (uint64_t)node.high << 16;
    if (branch) child |= (uint64_t)node.flags << 32;
    const char *key = page + at + sizeof node;
    return (struct entry){child, node.flags, {node.key, (void *)key}, key + node.key};
}

/* A node of `size` bytes less head and key: what LMDB would have kept in a leaf, and a key that this
 * tree may have. A branch's first key is not looked at by LMDB, and mostly empty. */
static bool node_fits(const struct walk *walk, const struct tree *tree,
                      const struct zcxi_lmdb_node *node, bool branch, bool first, uint64_t *size)
{
    uint64_t data = node->low | (uint64_t)node->high << 16;
    *size = sizeof *node + node->key;
    if (node->key > KEY_MOST || (!(branch && first) && !node->key)) return false;
    if (tree->key && node->key != tree->key && !(branch && first && !node->key)) return false;
    if (branch) return true;
    if (node->flags & BIG ? node->flags != BIG : node->flags && node->flags != DATABASE) return false;
    *size += node->flags & BIG ? sizeof(uint64_t) : data;
    return *size <= walk->env->leaf_most;
}

/* Where the nodes lie: inside the page, behind the offsets, each on its own bytes. */
static zcx_status check_nodes(const struct walk *walk, const struct tree *tree, const char *page,
                              size_t count, bool branch)
{
    uint64_t used[65536 / 2 / 64];
    struct zcxi_lmdb_page head;
    memcpy(&head, page, sizeof head);
    memset(used, 0, walk->page_size / 16);
    for (size_t i = 0; i < count; i++) {
        uint16_t at;
        uint64_t size;
        struct zcxi_lmdb_node node;
        memcpy(&at, page + sizeof head + 2 * i, sizeof at);
        if (at % 2 || at < head.upper || at > walk->page_size - sizeof node)
            return damaged(walk, tree, "node %zu of page %" PRIu64 " is at %u", i, head.number, at);
        memcpy(&node, page + at, sizeof node);
        if (!node_fits(walk, tree, &node, branch, !i, &size) || size > walk->page_size - at ||
            !mark(used, at / 2, (size + 1) / 2))
            return damaged(walk, tree, "node %zu of page %" PRIu64 " has flags %#x, a key of %u bytes "
                           "and too many, or another's", i, head.number, node.flags, node.key);
    }
    return ZCX_OK;
}

/* Keys rise, from `low` on and below `high` (both nullable), as the branch above promises. */
static zcx_status check_order(const struct walk *walk, const struct tree *tree, const char *page,
                              size_t count, bool branch, const MDB_val *low, const MDB_val *high)
{
    MDB_val before = {0, NULL};
    for (size_t i = branch; i < count; i++) {
        MDB_val key = read_entry(page, branch, i).key;
        if (before.mv_data ? compare(tree, &before, &key) >= 0 : low && compare(tree, low, &key) > 0)
            return damaged(walk, tree, "keys %zu and %zu of %zu in a page do not rise", i, i + 1, count);
        before = key;
    }
    if (before.mv_data && high && compare(tree, &before, high) >= 0)
        return damaged(walk, tree, "a page's last key is not below the next page's first");
    return ZCX_OK;
}

static zcx_status check_page(struct walk *walk, const struct tree *tree, uint64_t number,
                             uint16_t flags, struct zcxi_lmdb_page *head)
{
    zcx_status status = take(walk, tree, number, 1);
    if (status) return status;
    memcpy(head, page_at(walk, number), sizeof *head);
    if (head->number == number && head->flags == flags) return ZCX_OK;
    return damaged(walk, tree, "page %" PRIu64 " says that it is %" PRIu64 " with flags %#x, not %#x",
                   number, head->number, head->flags, flags);
}

/* ---- what leaves hold ------------------------------------------------------------------------------------ */

static zcx_status walk_tree(struct walk *walk, struct tree *tree);

/* An overflow value of `size` bytes; *data is moved to them. */
static zcx_status check_big(struct walk *walk, struct tree *tree, uint64_t size, const char **data)
{
    uint64_t number;
    struct zcxi_lmdb_page head;
    memcpy(&number, *data, sizeof number);
    zcx_status status = check_page(walk, tree, number, OVERFLOW, &head);
    if (status) return status;
    uint64_t pages = head.lower | (uint64_t)head.upper << 16;
    if (pages < (sizeof head + size + walk->page_size - 1) / walk->page_size)
        return damaged(walk, tree, "a value of %" PRIu64 " bytes has %" PRIu64 " pages from %" PRIu64
                       " on", size, pages, number);
    tree->has.overflows += pages;
    *data = page_at(walk, number) + sizeof head;
    return pages > 1 ? take(walk, tree, number + 1, pages - 1) : ZCX_OK;
}

/* A record of the free list: pages that a transaction freed, their count first, in falling order. */
static zcx_status check_free(struct walk *walk, const struct tree *tree, const struct entry *entry,
                             const char *data)
{
    uint64_t id, count, page, before = EMPTY;
    memcpy(&id, entry->key.mv_data, sizeof id);
    if (!id || id > walk->transaction || entry->child < sizeof count)
        return damaged(walk, tree, "%" PRIu64 " bytes are said to be freed by transaction %" PRIu64
                       " of %" PRIu64, entry->child, id, walk->transaction);
    memcpy(&count, data, sizeof count);
    if (count > entry->child / sizeof page - 1)
        return damaged(walk, tree, "%" PRIu64 " free pages are in %" PRIu64 " bytes", count,
                       entry->child);
    for (uint64_t i = 1; i <= count; i++, before = page) {
        memcpy(&page, data + i * sizeof page, sizeof page);
        zcx_status status = take(walk, tree, page, 1);
        if (status) return status;
        if (page > before) return damaged(walk, tree, "free pages are not sorted");
    }
    return ZCX_OK;
}

/* A named database, with the flags that SPEC.md gives it. What else begins with "zcx." is a later
 * version's: nobody here opens it. */
static zcx_status check_database(struct walk *walk, const struct tree *names,
                                 const struct entry *entry)
{
    struct tree tree = {.kind = RECORDS};
    if (entry->child != sizeof tree.says)
        return damaged(walk, names, "a database is described in %" PRIu64 " bytes", entry->child);
    memcpy(&tree.says, entry->data, sizeof tree.says);
    memcpy(tree.name, entry->key.mv_data, entry->key.mv_size);
    bool slots = !strcmp(tree.name, "zcx.slots");
    if (!slots && strcmp(tree.name, "zcx.queue") && !strncmp(tree.name, "zcx.", 4)) return ZCX_OK;
    if (tree.says.flags != (slots ? INTEGER_KEYS : 0))
        return damaged(walk, &tree, "the database has flags %#x", tree.says.flags);
    if (slots) tree.kind = SLOTS;
    tree.key = slots ? sizeof(uint32_t) : 0;
    return walk_tree(walk, &tree);
}

static zcx_status check_entry(struct walk *walk, struct tree *tree, const struct entry *entry)
{
    const char *data = entry->data;
    uint32_t number = 0;
    tree->has.entries++;
    if (entry->flags == DATABASE)
        return tree->kind == NAMES ? check_database(walk, tree, entry)
                                   : damaged(walk, tree, "a record says that it is a database");
    zcx_status status = entry->flags == BIG ? check_big(walk, tree, entry->child, &data) : ZCX_OK;
    if (status) return status;
    if (tree->kind == SLOTS) memcpy(&number, entry->key.mv_data, sizeof number);
    if (tree->kind == SLOTS && number != tree->has.entries)
        return damaged(walk, tree, "slot %" PRIu64 " is missing", tree->has.entries);
    return tree->kind == FREE ? check_free(walk, tree, entry, data) : ZCX_OK;
}

/* ---- trees ------------------------------------------------------------------------------------------------- */

static zcx_status walk_page(struct walk *walk, struct tree *tree, uint64_t number, int depth,
                            const MDB_val *low, const MDB_val *high)
{
    struct zcxi_lmdb_page head;
    bool branch = depth < tree->says.depth;
    zcx_status status = check_page(walk, tree, number, branch ? BRANCH : LEAF, &head);
    if (status) return status;
    /* LMDB itself may leave a branch of one page in the free list's tree. */
    size_t count = head.lower < sizeof head ? 0 : (head.lower - sizeof head) / 2;
    if (head.lower % 2 || head.lower > head.upper || head.upper > walk->page_size ||
        count < (branch && tree->kind != FREE ? 2u : 1u))
        return damaged(walk, tree, "page %" PRIu64 " has %zu nodes, and room from %u to %u", number,
                       count, head.lower, head.upper);
    const char *page = page_at(walk, number);
    status = check_nodes(walk, tree, page, count, branch);
    if (!status) status = check_order(walk, tree, page, count, branch, low, high);
    if (branch)
        tree->has.branches++;
    else
        tree->has.leaves++;
    for (size_t i = 0; i < count && !status; i++) {
        struct entry entry = read_entry(page, branch, i);
        if (!branch) {
            status = check_entry(walk, tree, &entry);
            continue;
        }
        MDB_val next = i + 1 < count ? read_entry(page, branch, i + 1).key : (MDB_val){0, NULL};
        status = walk_page(walk, tree, entry.child, depth + 1, i ? &entry.key : low,
                           next.mv_data ? &next : high);
    }
    return status;
}

static zcx_status walk_tree(struct walk *walk, struct tree *tree)
{
    const struct zcxi_lmdb_tree *says = &tree->says, *has = &tree->has;
    bool empty = says->root == EMPTY;
    if (says->depth > DEPTH_MOST || !says->depth != empty)
        return damaged(walk, tree, "the tree is %u pages deep", says->depth);
    zcx_status status = empty ? ZCX_OK : walk_page(walk, tree, says->root, 1, NULL, NULL);
    if (status) return status;
    if (says->branches == has->branches && says->leaves == has->leaves &&
        says->overflows == has->overflows && says->entries == has->entries)
        return ZCX_OK;
    return damaged(walk, tree, "it counts %" PRIu64 " entries and has %" PRIu64 ", or other pages",
                   says->entries, has->entries);
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

static void read_meta(const struct walk *walk, uint64_t which, struct zcxi_lmdb_meta *meta)
{
    memcpy(meta, page_at(walk, which) + sizeof(struct zcxi_lmdb_page), sizeof *meta);
}

static zcx_status check_meta(const struct walk *walk, uint64_t which, uint64_t size,
                             struct zcxi_lmdb_meta *meta)
{
    struct zcxi_lmdb_page head;
    memcpy(&head, page_at(walk, which), sizeof head);
    read_meta(walk, which, meta);
    if (head.flags != META || meta->magic != ZCXI_LMDB_MAGIC)
        return damaged(walk, NULL, "page %" PRIu64 " is no meta page", which);
    if (meta->version != VERSION)
        return zcxi_fail(walk->error, ZCX_EVERSION, 0, "data.mdb of %s has format %u, not LMDB 0.9's %u",
                         walk->env->path, meta->version, VERSION);
    if (head.number != which || meta->free.pad != walk->page_size || meta->transaction >> 62 ||
        meta->last < 1 || meta->last >= size / walk->page_size ||
        meta->last >= walk->env->map_size / walk->page_size)
        return damaged(walk, NULL, "in %" PRIu64 " bytes, the last page of transaction %" PRIu64
                       " is %" PRIu64 " of %u bytes", size, meta->transaction, meta->last,
                       meta->free.pad);
    return ZCX_OK;
}

/* Commits alternate between the two, so they are one apart, and the odd one is on page 1. Those of a
 * file that no commit has reached are both 0. */
zcx_status zcxi_verify_metas(const struct zcxi_env *env, uint64_t size, zcx_error *error)
{
    struct zcxi_lmdb_meta metas[2];
    const struct walk walk = {.env = env, .page_size = env->page_size, .error = error};
    if (size < 2 * (uint64_t)walk.page_size)
        return damaged(&walk, NULL, "it has %" PRIu64 " bytes", size);
    for (uint64_t i = 0; i < 2; i++) {
        zcx_status status = check_meta(&walk, i, size, &metas[i]);
        if (status) return status;
    }
    uint64_t even = metas[0].transaction, odd = metas[1].transaction;
    if ((even || odd) && (even % 2 || !(odd % 2) || (odd != even + 1 && odd + 1 != even)))
        return damaged(&walk, NULL, "its meta pages are of transactions %" PRIu64 " and %" PRIu64, even,
                       odd);
    return ZCX_OK;
}

zcx_status zcxi_verify_tree(const struct zcxi_env *env, MDB_txn *reader, zcx_error *error)
{
    struct zcxi_lmdb_meta meta;
    struct walk walk = {.env = env, .page_size = env->page_size, .error = error,
                        .transaction = mdb_txn_id(reader)};
    read_meta(&walk, walk.transaction & 1, &meta);
    if (meta.transaction != walk.transaction || meta.last >= env->map_size / env->page_size)
        return damaged(&walk, NULL, "the last page of transaction %" PRIu64 " of %" PRIu64 " is %" PRIu64,
                       meta.transaction, walk.transaction, meta.last);
    walk.last = meta.last;
    size_t size = (size_t)(walk.last / 64 + 1) * sizeof *walk.seen;
    walk.seen = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);
    if (walk.seen == MAP_FAILED)
        return zcxi_fail(error, ZCX_ENOMEM, 0, "no memory to verify the pages of %s", env->path);
    struct tree free = {.kind = FREE, .name = "the free list", .says = meta.free,
                        .key = sizeof(uint64_t)};
    struct tree names = {.kind = NAMES, .name = "the list of databases", .says = meta.main};
    zcx_status status = ZCX_OK;
    if ((meta.free.flags & ~NO_DIRECTORY) != INTEGER_KEYS || meta.main.flags)
        status = damaged(&walk, NULL, "its databases have flags %#x and %#x", meta.free.flags,
                         meta.main.flags);
    if (!status) status = walk_tree(&walk, &free);
    if (!status) status = walk_tree(&walk, &names);
    munmap(walk.seen, size);
    return status;
}
