"""Reads a store's board, the file of shared words that design and core/board.h describe: header, owners,
claims, slots and pins. By pread only, so that nothing is allocated where the file has holes."""

import json
import os
import struct
from pathlib import Path

import numpy as np

PAGE, OWNERS, WAITS, CLAIMS, CLASSES, GROUP, BATCH_MOST = 4096, 256, 4096, 4096, 64, 64, 65536
MAGIC, VERSION = 0x3144524142584358, 5
FREE, LOANED, PUBLISHED, RETIRED = 1, 2, 3, 4
NAMES = {0: "none", FREE: "free", LOANED: "loaned", PUBLISHED: "published", RETIRED: "retired"}
BACKED = 8

OWNER = np.dtype({"names": ["state", "incarnation", "pid"], "formats": ["<u4", "<u4", "<i4"],
                  "offsets": [0, 4, 8], "itemsize": 128})
CLAIM = np.dtype([("sequence", "<u8"), ("owner", "<u4"), ("incarnation", "<u4"), ("time", "<u8")])
SLOT = np.dtype({"names": ["word", "retired", "page", "pages", "class", "charged"],
                 "formats": ["<u8", "<u8", "<u8", "<u4", "u1", "?"],
                 "offsets": [0, 8, 24, 32, 36, 37], "itemsize": 64})


def whole_pages(size):
    return (size + PAGE - 1) // PAGE * PAGE


class Board:
    """What the file says, at the moment of the reading. Slots are numbered from 1; rows are slots."""

    def __init__(self, store):
        self.file = os.open(Path(store) / "board", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._read(json.loads((Path(store) / "store.json").read_text())["budget"])
        finally:
            os.close(self.file)

    def _at(self, offset, form):
        values = struct.unpack("<" + form, os.pread(self.file, struct.calcsize("<" + form), offset))
        return values if len(values) > 1 else values[0]

    def _read(self, budget):
        if (self._at(0, "Q"), self._at(8, "I")) != (MAGIC, VERSION):
            raise ValueError("not a board of the version that this reader knows")
        most = min(max(budget // PAGE, 1 << 20), 1 << 24) // (GROUP * 64) * (GROUP * 64)
        sizes = [896, 128 * OWNERS, 64 * WAITS, 24 * CLAIMS, 8 * CLASSES * (most // GROUP // 64), 8 * BATCH_MOST,
                 512 * (most // GROUP), 64 * most, 2 * OWNERS * most, 64 * 64 * OWNERS]
        self.starts = starts = np.concatenate([[0], np.cumsum([whole_pages(size) for size in sizes])])
        if os.fstat(self.file).st_size != starts[-1]:
            raise ValueError("the board has another size than its budget says")
        self.holder = self._at(168, "i")  # of the mutex, or who had it last: a process
        self.transaction, self.last = self._at(192, "QQ")
        self.backed_to, self.charged, self.slot_pages = self._at(384, "QQQ")
        self.groups, claims, self.unsettled = self._at(416, "II?")
        count = self._at(448, "I")
        self.owners = np.frombuffer(os.pread(self.file, sizes[1], int(starts[1])), OWNER)
        self.claims = np.frombuffer(os.pread(self.file, 24 * claims, int(starts[3])), CLAIM)
        self.class_maps = self._rows(starts[4], "<u8", most // GROUP // 64, CLASSES)
        self.available = self._rows(starts[6], "<u8", CLASSES, (count + GROUP - 1) // GROUP)
        self.slots = np.frombuffer(os.pread(self.file, 64 * (count - 1), int(starts[7]) + 64), SLOT)
        self.pins = self._rows(starts[8] + 2 * OWNERS, "<u2", OWNERS, count - 1)
        word = self.slots["word"]
        self.states, self.backed = word & np.uint64(7), word & np.uint64(BACKED) != 0
        self.lent_to = (word >> np.uint64(4)) & np.uint64(255)
        self.generations = word >> np.uint64(32)

    def _rows(self, start, form, columns, rows):
        size = np.dtype(form).itemsize * columns * rows
        return np.frombuffer(os.pread(self.file, size, int(start)), form).reshape(rows, columns)

    def offered(self, slot):
        """Does a producer find the slot?"""
        kind, group = int(self.slots[slot - 1]["class"]), slot // GROUP
        return bool(int(self.available[group, kind]) >> slot % GROUP & 1
                    and int(self.class_maps[kind, group // 64]) >> group % 64 & 1)
