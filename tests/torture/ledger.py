"""The ledger, as ledger.h lays it out: what actors are about to do, and what they were told is done."""

import mmap
import os

import numpy as np

SHARED, OWN, PLACES, PAGE = 16, 8, 320, 4096
LOOSE, LOOSE_KEYS, OWN_KEYS, CALL_KEYS, ANSWERS = 100, 8, 1000, 9000, 500
MAY_GO = 1 << 63
NOT_KNOWN = 2**64 - 1

WORDS = {name: at for at, name in enumerate(
    "rests steps published viewed full pins loans waits late longest calls dead".split())}
INTENT, DONE, TOLD, COMPLAINT = 16, 16 + OWN, 16 + 2 * OWN, 8 * (16 + 2 * OWN + 2 * SHARED)


class Ledger:
    def __init__(self, path, places):
        self.path = path
        with open(path, "w+b") as file:
            os.truncate(file.fileno(), (PLACES + 1) * PAGE)
            self.map = mmap.mmap(file.fileno(), 0)
        self.words = np.frombuffer(self.map, "<u8").reshape(PLACES + 1, PAGE // 8)
        self.words[0, 1] = places

    def ask_for_rest(self, pause):
        self.words[0, 0] = pause

    def word(self, place, name):
        return int(self.words[place + 1, WORDS[name]])

    def when(self, place):
        """The monotonic time, in seconds, of what the place was last told of."""
        return int(self.words[place + 1, TOLD + SHARED]) / 1e9

    def total(self, name):
        return int(self.words[1:, WORDS[name]].sum())

    def most(self, name):
        return int(self.words[1:, WORDS[name]].max())

    def own(self, place):
        """For each own key: the sequence that was intended, and the one that was told done."""
        row = self.words[place + 1]
        return [(int(row[INTENT + i]), int(row[DONE + i])) for i in range(OWN)]

    def told(self):
        """For each shared key the last transaction that anybody was told of."""
        return [int(last) for last in self.words[1:, TOLD:TOLD + SHARED].max(axis=0)]

    def complaint(self, place):
        start = (place + 1) * PAGE + COMPLAINT
        return bytes(self.map[start:start + 2048]).split(b"\0")[0].decode(errors="replace")
