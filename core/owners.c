#include "owners.h"

#include "clock.h"
#include "lock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* One pass over the slots for all owners in `dead`. */
static void free_holdings(struct zcxi_env *env, const bool dead[ZCXI_OWNERS])
{
    struct zcxi_board *board = &env->board;
    uint32_t slots = atomic_load(&board->header->slots);
    for (uint32_t slot = 1; slot < slots && slot < board->slots_max; slot++) {
        uint64_t word = atomic_load(&board->slots[slot].word);
        if (zcxi_word_state(word) == ZCXI_LOANED && dead[zcxi_word_owner(word)])
            zcxi_slot_give_back(board, slot, word);
        ZCXI_POINT(reap.loan);
        for (uint32_t owner = 0; owner < ZCXI_OWNERS; owner++)
            if (dead[owner]) atomic_store(zcxi_pin(board, slot, owner), 0);
        ZCXI_POINT(reap.pins);
        word = atomic_load(&board->slots[slot].word);
        if (zcxi_word_state(word) == ZCXI_FREE || zcxi_word_state(word) == ZCXI_RETIRED)
            zcxi_slot_offer(board, slot);
    }
}

uint32_t zcxi_owners_reap(struct zcxi_env *env)
{
    struct zcxi_board_header *header = env->board.header;
    bool dead[ZCXI_OWNERS] = {false};
    uint32_t count = 0, owners = atomic_load(&header->owners);
    for (uint32_t owner = 0; owner < owners && owner < ZCXI_OWNERS; owner++) {
        if (owner == env->self.owner || !atomic_load(&env->board.owners[owner].state)) continue;
        if (!lock_entry(env, owner)) continue;
        dead[owner] = true;
        count++;
    }
    if (!count) return 0;
    free_holdings(env, dead);
    ZCXI_POINT(reap.freed);
    for (uint32_t owner = 0; owner < ZCXI_OWNERS; owner++) {
        if (!dead[owner]) continue;
        atomic_store(&env->board.owners[owner].state, ZCXI_OWNER_FREE);
        ZCXI_POINT(reap.gone);
        unlock_entry(env, owner);
        ZCXI_POINT(reap.unlocked);
    }
    atomic_fetch_add(&header->counters.reaped, count);
    return count;
}

/* Field 22 of /proc/self/stat, in clock ticks since boot; the name in field 2 may hold anything. */
static uint64_t process_start(void)
{
    char text[1024];
    unsigned long long start = 0;
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file) return 0;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    char *rest = strrchr(text, ')');
    if (rest)
        sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                         "%*d %llu", &start);
    return start;
}

static void process_command(char command[16])
{
    memset(command, 0, 16);
    FILE *file = fopen("/proc/self/comm", "re");
    if (!file) return;
    if (fgets(command, 16, file)) command[strcspn(command, "\n")] = 0;
    fclose(file);
}

zcx_status zcxi_owner_claim(struct zcxi_env *env, zcx_error *error)
{
    struct zcxi_board_header *header = env->board.header;
    uint64_t start = process_start();
    env->self.owner = UINT32_MAX;
    zcxi_owners_reap(env);
    for (uint32_t i = 0; i < ZCXI_OWNERS; i++) {
        struct zcxi_owner *entry = &env->board.owners[i];
        if (atomic_load(&entry->state) && entry->pid == getpid() && entry->start == start)
            return zcxi_fail(error, ZCX_EBUSY, 0,
                             "%s is open in this process through a second libzcx: load one only",
                             env->path);
    }
    for (uint32_t i = 0; i < ZCXI_OWNERS; i++) {
        struct zcxi_owner *entry = &env->board.owners[i];
        if (atomic_load(&entry->state) || !lock_entry(env, i)) continue;
        if (!(uint32_t)++header->incarnations) header->incarnations++; /* 0: nobody */
        ZCXI_POINT(claim.numbered);
        entry->incarnation = (uint32_t)header->incarnations;
        entry->pid = getpid();
        entry->start = start;
        entry->opened = zcxi_now();
        process_command(entry->command);
        entry->queue[0] = 0;
        atomic_store(&entry->workers, 0);
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
    bool dead[ZCXI_OWNERS] = {false};
    if (env->self.owner >= ZCXI_OWNERS) return;
    dead[env->self.owner] = true;
    free_holdings(env, dead);
    ZCXI_POINT(release.freed);
    atomic_store(&env->board.owners[env->self.owner].state, ZCXI_OWNER_FREE);
    ZCXI_POINT(release.gone);
    unlock_entry(env, env->self.owner);
    env->self.owner = UINT32_MAX;
}
