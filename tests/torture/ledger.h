/* The ledger: a file beside the store in which each actor has a page of its own. What it is about to
 * do and what it was told is done stand there, so that after any kill the checker knows what the
 * store must hold. Words of 8 bytes, each written by one process only; other languages write them by
 * pwrite. Page 0 is the driver's; place p has page p + 1. tests/torture/ledger.py says the same. */
#ifndef ZCX_LEDGER_H
#define ZCX_LEDGER_H

#include <stdatomic.h>
#include <stdint.h>

enum { SHARED = 16, OWN = 8, PLACES = 320, LEDGER_PAGE = 4096 };

/* Keys are decimal numbers. 0 … SHARED-1: anybody publishes there, and nobody deletes; LOOSE …:
 * anybody does anything; OWN_KEYS + place * OWN + i: one place's own. CALL_KEYS + place: inputs of its
 * calls, whose answers have ANSWERS more. */
enum { LOOSE = 100, LOOSE_KEYS = 8, OWN_KEYS = 1000, CALL_KEYS = 9000, ANSWERS = 500 };

#define MAY_GO (UINT64_C(1) << 63) /* with an own key's sequence: it has a time to live */

struct ledger_head {
    _Atomic uint64_t pause;  /* not 0: all are to come to rest */
    _Atomic uint64_t places; /* in use */
};

struct ledger {
    _Atomic uint64_t rests; /* the pause that it came to rest for, or 0 */
    _Atomic uint64_t steps, published, viewed, full;
    _Atomic uint64_t pins, loans; /* that it holds while it rests; all ones: not known */
    _Atomic uint64_t waits, late, longest; /* answered after the publish returned: how many, how many
                                              too late, and the longest, ns */
    _Atomic uint64_t calls, dead;    /* of those: their workers died thrice */
    uint64_t unused[4];
    _Atomic uint64_t intent[OWN]; /* the sequence that is about to be at the own key; 0: none */
    _Atomic uint64_t done[OWN];   /* … and that is there as far as we were told */
    _Atomic uint64_t told[SHARED]; /* the last transaction that we were told of, at a shared key … */
    _Atomic uint64_t when[SHARED]; /* … and the monotonic time, ns; 0: not known */
    char complaint[2048];
};
_Static_assert(sizeof(struct ledger) <= LEDGER_PAGE, "a place is a page");

#endif
