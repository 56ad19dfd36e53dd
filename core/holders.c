#include "holders.h"

#include "clock.h"
#include "owners.h"
#include "readers.h"
#include "room.h"
#include "store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void older(uint64_t *oldest, uint64_t time)
{
    if (time && (!*oldest || time < *oldest)) *oldest = time;
}

/* Returns whether there are any. */
static bool count_pins(struct zcxi_env *env, uint32_t slot, bool retired, uint64_t bytes,
                       struct zcxi_tally *out)
{
    uint32_t owners = atomic_load(&env->board.header->owners);
    bool any = false;
    for (uint32_t owner = 0; owner < owners && owner < ZCXI_OWNERS; owner++) {
        uint16_t pins = atomic_load(zcxi_pin(&env->board, slot, owner));
        struct zcxi_holding *holding = &out->owners[owner];
        if (!pins) continue;
        any = true;
        holding->pins += pins;
        holding->pinned_slots++;
        holding->pinned_bytes += bytes;
        if (!retired) continue;
        holding->held_bytes += bytes;
        older(&holding->oldest_held, atomic_load(&env->board.slots[slot].since));
    }
    return any;
}

void zcxi_tally(struct zcxi_env *env, struct zcxi_tally *out)
{
    struct zcxi_board *board = &env->board;
    uint32_t slots = atomic_load(&board->header->slots);
    memset(out, 0, sizeof *out);
    for (uint32_t slot = 1; slot < slots && slot < board->slots_max; slot++) {
        struct zcxi_slot *entry = &board->slots[slot];
        uint64_t word = atomic_load(&entry->word), bytes = (uint64_t)entry->pages * env->page_size;
        enum zcxi_state state = zcxi_word_state(word);
        if (state > ZCXI_RETIRED) continue;
        out->states[state].slots++;
        out->states[state].bytes += bytes;
        if (word & ZCXI_BACKED) out->states[state].backed_bytes += bytes;
        if (entry->class < ZCXI_CLASSES) out->classes[entry->class][state]++;
        bool held = count_pins(env, slot, state == ZCXI_RETIRED, bytes, out);
        if (held && state == ZCXI_RETIRED && entry->class < ZCXI_CLASSES) out->held[entry->class]++;
        if (state != ZCXI_LOANED) continue;
        struct zcxi_holding *holding = &out->owners[zcxi_word_owner(word)];
        holding->loans++;
        holding->loan_bytes += bytes;
        older(&holding->oldest_loan, atomic_load(&entry->since));
    }
}

/* ---- in words ------------------------------------------------------------------------------------------------- */

struct text {
    char *at, *end;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->at, (size_t)(text->end - text->at), format, arguments);
    va_end(arguments);
    text->at += length < text->end - text->at ? length : text->end - text->at - 1;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static double seconds_since(uint64_t time)
{
    uint64_t now = zcxi_now();
    return time && time < now ? (double)(now - time) / 1e9 : 0;
}

/* Slots keep their addresses for ever: a store whose payloads had many sizes may run out of them. */
static void say_addresses(struct zcxi_env *env, struct text *text)
{
    uint64_t last, pages = env->map_size / env->page_size;
    zcxi_env_last_transaction(env, &last);
    if (last < pages - pages / 16) return;
    say(text, "; %.1f of the map's %.1f MiB of addresses are taken, by slots of other sizes, too",
        mib(last * env->page_size), mib(env->map_size));
}

/* A reader that has stood at one snapshot while others moved on: maybe a foreign LMDB client. */
static void say_stuck_reader(struct zcxi_env *env, struct text *text)
{
    int pid = 0;
    uint64_t last = zcxi_env_last_transaction(env, NULL);
    uint64_t oldest = zcxi_oldest_snapshot(env, last, &pid);
    if (pid && oldest + 2 < last)
        say(text, "; process %d reads at transaction %" PRIu64 " of %" PRIu64, pid, oldest, last);
}

void zcxi_holders_text(struct zcxi_env *env, char *text, size_t size)
{
    struct text out = {text, text + size};
    struct zcxi_tally *tally = malloc(sizeof *tally);
    *text = 0;
    if (!tally) return;
    zcxi_tally(env, tally);
    say(&out, "%.1f of %.1f MiB are used, %.1f in %" PRIu64 " published payloads",
        mib(zcxi_room_used(env)), mib(env->manifest.budget),
        mib(tally->states[ZCXI_PUBLISHED].bytes), tally->states[ZCXI_PUBLISHED].slots);
    for (uint32_t owner = 0; owner < ZCXI_OWNERS; owner++) {
        const struct zcxi_holding *holding = &tally->owners[owner];
        const struct zcxi_owner *entry = &env->board.owners[owner];
        if (holding->loans)
            say(&out, "; process %d (%.15s) has %" PRIu64 " loans of %.1f MiB since %.0f s",
                entry->pid, entry->command, holding->loans, mib(holding->loan_bytes),
                seconds_since(holding->oldest_loan));
        if (holding->held_bytes)
            say(&out, "; process %d (%.15s) views %.1f MiB of deleted payloads since %.0f s",
                entry->pid, entry->command, mib(holding->held_bytes),
                seconds_since(holding->oldest_held));
    }
    say_stuck_reader(env, &out);
    say_addresses(env, &out);
    free(tally);
}
