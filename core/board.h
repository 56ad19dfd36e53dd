/* The board: a mapped file of shared words that lives as long as the machine. Header, owners, the
 * journal, and for each slot its word, its pins and its bit among the available ones.
 *
 * Nothing here is needed to read a store: who opens one that nobody has open builds it anew from
 * data.mdb. Every size is computed from store.json, never read from the board, and every index that
 * comes out of it is checked against those. The file is sparse: what is touched was allocated before (a
 * hole on a full tmpfs is a SIGBUS), tables per group of 64 slots by whoever creates the first of them.
 *
 * What is true or not is a uint8_t: a bool that somebody wrote 6 to is undefined. */
#ifndef ZCXI_BOARD_H
#define ZCXI_BOARD_H

#include "lmdb_layout.h"
#include "manifest.h"
#include "point.h"

#include <pthread.h>
#include <stdatomic.h>

#define ZCXI_BOARD_MAGIC UINT64_C(0x3144524142584358)
#define ZCXI_BOARD_VERSION 5
#define ZCXI_OWNERS ZCX_PROCESSES_MAX
#define ZCXI_GROUP 64 /* slots whose tables are allocated together */
#define ZCXI_CLASSES 64
#define ZCXI_WAITS 4096
#define ZCXI_CLAIMS 4096
#define ZCXI_QUEUE_SHOWN 56
#define ZCXI_COUNTS 64 /* of views, for each process: a cache line for each of its readers */
#define ZCXI_META_WORDS (sizeof(struct zcxi_lmdb_meta) / sizeof(uint64_t))

enum zcxi_owner_state { ZCXI_OWNER_FREE = 0, ZCXI_OWNER_LIVE = 1 };

/* A process that has the store open. Claimed, reaped and released under the board mutex and the OFD
 * write lock on byte ZCXI_OWNER_BYTE + index of the board file. */
struct zcxi_owner {
    _Alignas(64) _Atomic uint32_t state; /* written last */
    uint32_t incarnation;
    int32_t pid;
    uint64_t opened; /* Unix ns */
    char command[16];
    _Atomic uint32_t workers; /* of this process that take requests … */
    char queue[ZCXI_QUEUE_SHOWN]; /* … from this queue: the last one opened, cut */
    _Atomic uint32_t sleepers;    /* threads of this process that sleep on a wait word */
    _Atomic uint8_t counted;      /* the entry's counts have memory, and are right for all its owners */
};

struct zcxi_count { /* activity.h: written by who has the reader of its number */
    _Alignas(64) _Atomic uint64_t views;
};

struct zcxi_wait { /* wait.h */
    _Alignas(64) _Atomic uint32_t word;
};

struct zcxi_claim { /* of a request, by a worker (queue.h); written under the mutex */
    _Atomic uint64_t sequence; /* of the request; 0: free. Written last */
    _Atomic uint32_t owner, incarnation;
    _Atomic uint64_t time; /* Unix ns */
};

#define ZCXI_OWNER_BYTE ((off_t)1 << 40) /* of board: entry i's lock is on byte this + i */
#define ZCXI_LIFE_BYTE ((off_t)1 << 40)  /* of open.lock: read-locked by everyone who lives */

struct zcxi_slot {
    _Alignas(64) _Atomic uint64_t word; /* slots.h */
    _Atomic uint64_t retired; /* the transaction that retired it; written before the word */
    _Atomic uint64_t since;   /* Unix ns: loaned or retired */
    uint64_t page;            /* of data.mdb: where its value's first page is */
    uint32_t pages;
    uint8_t class;
    _Atomic uint8_t charged; /* counted in the header's `charged`; written under the mutex */
};

struct zcxi_group {
    _Atomic uint64_t available[ZCXI_CLASSES]; /* a bit a slot: free or retired; a hint */
};

enum zcxi_action { ZCXI_PUBLISH = 1, ZCXI_RETIRE = 2, ZCXI_UNCLAIM = 3 };

struct zcxi_change { /* a journal entry: what a commit does to a slot, or to a claim */
    uint32_t slot;
    uint32_t action;
};

struct zcxi_journal {
    _Atomic uint64_t transaction; /* T; 0: no commit is under way */
    uint64_t last; /* commit: data.mdb is at it, or one short where that commit changed nothing */
    uint64_t meta[ZCXI_META_WORDS]; /* of meta page T & 1, before the commit */
    uint64_t time; /* Unix ns */
    uint32_t changes;
    uint32_t records; /* that this commit puts */
    _Atomic uint64_t published, lent; /* records, and slots of loans, by all commits */
};

struct zcxi_header_counters {
    _Atomic uint64_t created, recovered, rolled_back, reaped, expired, trimmed;
    _Atomic uint64_t given_back;                    /* loans that ended without a publish */
    _Atomic uint64_t full, late, corrupt, failures; /* errors, as docs/stat.md calls them */
};

struct zcxi_sample { /* activity.h */
    _Atomic uint64_t time, published, viewed, lent; /* monotonic ns, 0: none yet; totals then */
};

struct zcxi_sweeping { /* what sweepers tell each other, and us: sweep.c */
    _Atomic uint64_t turn;     /* monotonic ns: when a pass moved on last; 0: there is none */
    _Atomic uint64_t began;    /* monotonic ns: the last pass, by anyone */
    _Atomic uint64_t seen;     /* the last whole pass met all that was committed up to here … */
    _Atomic uint64_t due;      /* … of which the first expires then; Unix ns, UINT64_MAX: none */
    _Atomic uint64_t trimmed;  /* monotonic ns: the last look for idle memory */
    _Atomic uint64_t finished; /* Unix ns: the last sweep */
    _Atomic uint64_t sweeps, looked, failed; /* that finished; records read by them; that did not */
    _Atomic uint64_t longest_hold;           /* ns: of the mutex, by any sweep */
    struct zcxi_sample samples[2];           /* of the last two seconds or sweeps; under the mutex */
};

struct zcxi_board_header {
    uint64_t magic; /* written last */
    uint32_t version, padding;
    char uuid[40], boot_id[40];

    _Alignas(64) pthread_mutex_t mutex;
    _Atomic int32_t holder; /* pid of who holds it, for the message of who doesn't get it */

    _Alignas(64) struct zcxi_journal journal; /* this and the next under the mutex */

    _Alignas(64) _Atomic uint64_t backed_to; /* pages of data.mdb below this one have memory, slots apart */
    _Atomic uint64_t charged;        /* pages of slots with memory, without the first of each */
    _Atomic uint64_t slot_pages;     /* pages of all slots, without the first of each */
    uint64_t incarnations;
    uint32_t groups; /* whose tables are allocated */
    _Atomic uint32_t claims; /* entries ever used are 0 … this - 1 */
    uint8_t unsettled;  /* somebody died holding the mutex, and nobody has made all of it good yet */

    _Alignas(64) _Atomic uint32_t slots; /* slots are 1 … this - 1 */
    _Atomic uint32_t owners;             /* entries ever used are 0 … this - 1 */

    _Alignas(64) _Atomic uint64_t safe;  /* a slot retired by T may be recycled if T + 2 <= safe */
    _Atomic uint64_t stuck;              /* a snapshot that somebody waited for in vain */
    _Atomic uint8_t slept;               /* somebody sleeps, or once slept, on a wait word */
    _Atomic uint32_t commits;            /* the wait word of who waits for any commit */
    _Alignas(64) struct zcxi_header_counters counters;
    _Alignas(64) struct zcxi_sweeping sweeping;
};

struct zcxi_board {
    int file;
    bool known; /* what was in the file at open was of this store and boot, if not complete */
    size_t size;
    uint32_t slots_max;
    struct zcxi_board_header *header;
    struct zcxi_owner *owners;
    struct zcxi_wait *waits; /* [ZCXI_WAITS] */
    struct zcxi_claim *claims; /* [ZCXI_CLAIMS] */
    struct zcxi_change *changes;  /* [ZCX_BATCH_MAX] */
    _Atomic uint64_t *class_maps; /* [ZCXI_CLASSES][class_words]: groups with an available slot */
    uint32_t class_words;
    struct zcxi_group *groups;
    struct zcxi_slot *slots;
    _Atomic uint16_t *pins; /* [slots_max][ZCXI_OWNERS] */
    struct zcxi_count *counts; /* [ZCXI_OWNERS][ZCXI_COUNTS] */
};

/* Opens the board of the store in `directory` for a process that holds open.lock; `life` is that
 * file, whose life byte this read-locks for good. *alone: nobody else has the store open, and the
 * caller makes the board anew; the journal of a `known` one tells of a commit that nobody lived to
 * settle. Else one that is missing, of another store or of another boot is ZCX_ESTALE. */
zcx_status zcxi_board_open(struct zcxi_board *board, bool *alone, int directory, int life,
                           const struct zcxi_manifest *manifest, const char *path,
                           zcx_error *error);

/* An empty board over whatever was in the file; of a `known` one it keeps the claims, whose owners are
 * dead, the slots' entries, and counts. Its magic is written when it is filled (zcxi_recover_slots). */
zcx_status zcxi_board_make(struct zcxi_board *board, const struct zcxi_manifest *manifest,
                           const char *path, zcx_error *error);

/* Does the board in `directory` say that it is of this boot? */
bool zcxi_board_recent(int directory);

void zcxi_board_close(struct zcxi_board *board);

/* Allocates the tables of slot `number`'s group. Under the mutex. */
zcx_status zcxi_board_back(struct zcxi_board *board, uint32_t number, zcx_error *error);

/* Allocates the counts of an owner's entry. */
zcx_status zcxi_board_back_counts(struct zcxi_board *board, uint32_t owner, zcx_error *error);

/* Allocates the journal for a batch of `changes`. Under the mutex. */
zcx_status zcxi_board_back_journal(struct zcxi_board *board, uint32_t changes, zcx_error *error);

/* fallocate that goes on after signals, in chunks of 4 MiB. Returns an errno. */
int zcxi_allocate(int file, uint64_t offset, uint64_t length);

/* For each map of a sparse file. What ext4 reads ahead it keeps in folios of many pages, and a write to
 * one page then needs blocks for all of the folio, holes too: on a full disk a SIGBUS (Linux 6.18). */
void zcxi_no_readahead(void *map, size_t length);

static inline bool zcxi_slot_exists(const struct zcxi_board *board, uint32_t number)
{
    return number &&
           number < atomic_load_explicit(&board->header->slots, memory_order_acquire) &&
           number < board->slots_max;
}

#endif
