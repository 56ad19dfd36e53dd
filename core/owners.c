#include "owners.h"

#include "clock.h"
#include "hold.h"
#include "lock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TURN 256 /* slots that one hold of the mutex looks at: a fraction of a ms */

static bool lock_entry(struct zcxi_env *env, uint32_t owner)
{
    return zcxi_ofd_lock(env->board.file, F_WRLCK, ZCXI_OWNER_BYTE + owner);
}

static void unlock_entry(struct zcxi_env *env, uint32_t owner)
{
    zcxi_ofd_lock(env->board.file, F_UNLCK, ZCXI_OWNER_BYTE + owner);
}

bool zcxi_owner_alive(struct zcxi_env *env, uint32_t owner)
{
    return owner == env->self.owner ||
           zcxi_ofd_taken(env->board.file, F_WRLCK, ZCXI_OWNER_BYTE + owner);
}

struct dead { /* owners whose entries we have locked */
    uint32_t count, owners[ZCXI_OWNERS], incarnations[ZCXI_OWNERS];
};

static void find_dead(struct zcxi_env *env, struct dead *dead)
{
    uint32_t owners = atomic_load(&env->board.header->owners);
    dead->count = 0;
    for (uint32_t owner = 0; owner < owners && owner < ZCXI_OWNERS; owner++) {
        const struct zcxi_owner *entry = &env->board.owners[owner];
        if (owner == env->self.owner || !atomic_load(&entry->state)) continue;
        if (!lock_entry(env, owner)) continue;
        dead->owners[dead->count] = owner;
        dead->incarnations[dead->count++] = entry->incarnation;
    }
}

static void free_slot(struct zcxi_board *board, uint32_t slot, const struct dead *dead)
{
    uint64_t word = atomic_load(&board->slots[slot].word);
    for (uint32_t i = 0; i < dead->count; i++) {
        _Atomic uint16_t *pins = zcxi_pin(board, slot, dead->owners[i]);
        if (zcxi_word_state(word) == ZCXI_LOANED && zcxi_word_owner(word) == dead->owners[i]) {
            zcxi_slot_give_back(board, slot, word);
            atomic_fetch_add(&board->header->counters.given_back, 1);
        }
        ZCXI_POINT(reap.loan);
        if (atomic_load(pins)) atomic_store(pins, 0);
        ZCXI_POINT(reap.pins);
    }
    word = atomic_load(&board->slots[slot].word); /* who died may just have withdrawn it */
    if (zcxi_word_state(word) == ZCXI_FREE || zcxi_word_state(word) == ZCXI_RETIRED)
        zcxi_slot_offer(board, slot);
}

/* Slots from `from` on, `most` of them at most; returns the next one, 0 after the last. */
static uint32_t free_holdings(struct zcxi_env *env, const struct dead *dead, uint32_t from,
                              uint32_t most)
{
    uint32_t slots = atomic_load(&env->board.header->slots);
    if (slots > env->board.slots_max) slots = env->board.slots_max;
    for (uint32_t slot = from; slot < slots; slot++) {
        if (slot - from == most) return slot;
        free_slot(&env->board, slot, dead);
    }
    return 0;
}

static void end_dead(struct zcxi_env *env, const struct dead *dead)
{
    ZCXI_POINT(reap.freed);
    for (uint32_t i = 0; i < dead->count; i++) {
        atomic_store(&env->board.owners[dead->owners[i]].state, ZCXI_OWNER_FREE);
        ZCXI_POINT(reap.gone);
        unlock_entry(env, dead->owners[i]);
        ZCXI_POINT(reap.unlocked);
    }
    if (dead->count) atomic_fetch_add(&env->board.header->counters.reaped, dead->count);
}

uint32_t zcxi_owners_reap(struct zcxi_env *env)
{
    struct dead dead;
    find_dead(env, &dead);
    if (!dead.count) return 0;
    free_holdings(env, &dead, 1, UINT32_MAX);
    end_dead(env, &dead);
    return dead.count;
}

/* Between two turns nobody's entry is locked, or a sweeper that is stopped there would make the dead
 * seem alive. */
static void rest(struct zcxi_env *env, const struct dead *dead)
{
    for (uint32_t i = 0; i < dead->count; i++)
        unlock_entry(env, dead->owners[i]);
}

/* After that: others may have reaped them meanwhile, and a new process may have an entry. */
static void still_dead(struct zcxi_env *env, struct dead *dead)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < dead->count; i++) {
        const struct zcxi_owner *entry = &env->board.owners[dead->owners[i]];
        if (!atomic_load(&entry->state) || entry->incarnation != dead->incarnations[i]) continue;
        if (!lock_entry(env, dead->owners[i])) continue;
        dead->owners[count] = dead->owners[i];
        dead->incarnations[count++] = dead->incarnations[i];
    }
    dead->count = count;
}

zcx_status zcxi_owners_reap_in_turns(struct zcxi_env *env, uint32_t *count, zcx_error *error)
{
    struct dead dead = {0};
    struct zcxi_hold hold;
    uint32_t next = 1;
    do {
        zcx_status status = zcxi_hold_begin(&hold, env, error);
        if (status) return status;
        if (next == 1)
            find_dead(env, &dead);
        else
            still_dead(env, &dead);
        next = dead.count ? free_holdings(env, &dead, next, TURN) : 0;
        if (next)
            rest(env, &dead);
        else
            end_dead(env, &dead);
        uint64_t held = zcxi_hold_end(&hold);
        ZCXI_POINT(reap.turn);
        if (next) zcxi_sleep(held); /* the others' turn */
    } while (next);
    *count = dead.count;
    return ZCX_OK;
}

static void process_command(char command[16])
{
    memset(command, 0, 16);
    FILE *file = fopen("/proc/self/comm", "re");
    if (!file) return;
    if (fgets(command, 16, file)) command[strcspn(command, "\n")] = 0;
    fclose(file);
}

/* Of the entry, whose counts go on from owner to owner; or, where there is no memory for them, a
 * place that nobody reads. */
static struct zcxi_count *counts_of(struct zcxi_env *env, uint32_t owner)
{
    static struct zcxi_count nowhere[ZCXI_COUNTS];
    struct zcxi_owner *entry = &env->board.owners[owner];
    if (!atomic_load(&entry->counted)) {
        if (zcxi_board_back_counts(&env->board, owner, NULL)) return nowhere;
        atomic_store(&entry->counted, true);
    }
    return &env->board.counts[(size_t)owner * ZCXI_COUNTS];
}

zcx_status zcxi_owner_claim(struct zcxi_env *env, zcx_error *error)
{
    struct zcxi_board_header *header = env->board.header;
    env->self.owner = UINT32_MAX;
    zcxi_owners_reap(env);
    for (uint32_t i = 0; i < ZCXI_OWNERS; i++) {
        struct zcxi_owner *entry = &env->board.owners[i];
        if (atomic_load(&entry->state) || !lock_entry(env, i)) continue;
        if (!(uint32_t)++header->incarnations) header->incarnations++; /* 0: nobody */
        ZCXI_POINT(claim.numbered);
        entry->incarnation = (uint32_t)header->incarnations;
        entry->pid = getpid();
        entry->opened = zcxi_now();
        process_command(entry->command);
        entry->queue[0] = 0;
        atomic_store(&entry->workers, 0);
        atomic_store(&entry->sleepers, 0);
        env->counts = counts_of(env, i);
        ZCXI_POINT(claim.described);
        env->self = (struct zcxi_self){i, entry->incarnation};
        if (atomic_load(&header->owners) <= i) atomic_store(&header->owners, i + 1);
        ZCXI_POINT(claim.counted);
        atomic_store(&entry->state, ZCXI_OWNER_LIVE);
        ZCXI_POINT(claim.live);
        return ZCX_OK;
    }
    return zcxi_fail(error, ZCX_ELIMIT, 0, "%d processes have %s open, the most that may",
                     ZCXI_OWNERS, env->path);
}

void zcxi_owner_release(struct zcxi_env *env)
{
    const struct dead self = {1, {env->self.owner}, {env->self.incarnation}};
    if (env->self.owner >= ZCXI_OWNERS) return;
    free_holdings(env, &self, 1, UINT32_MAX);
    ZCXI_POINT(release.freed);
    atomic_store(&env->board.owners[env->self.owner].state, ZCXI_OWNER_FREE);
    ZCXI_POINT(release.gone);
    unlock_entry(env, env->self.owner);
    env->self.owner = UINT32_MAX;
}
