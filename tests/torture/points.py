"""The control file of point.c, by which actors are killed at the core's named points."""

import os
import signal
import struct


class Points:
    ENTRY = struct.Struct("<IIIIQQ40s")

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(64 + 1000 * self.ENTRY.size)
        self.file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def entries(self):
        count, = struct.unpack("<I", os.pread(self.file, 4, 0))
        data = os.pread(self.file, count * self.ENTRY.size, 64)
        return list(self.ENTRY.iter_unpack(data))

    def names(self):
        names = [entry[6].rstrip(b"\0").decode() for entry in self.entries()]
        assert names and len(set(names)) == len(names), f"points are named twice: {names}"
        return names

    def arm(self, number, passes, signal_=signal.SIGKILL):
        """So many passes from now one gets the signal; 0: none."""
        os.pwrite(self.file, struct.pack("<II", passes, signal_), 64 + number * self.ENTRY.size)

    def linger(self, number, one_in, most=4000):
        """One pass in so many is held up for up to `most` µs."""
        os.pwrite(self.file, struct.pack("<II", one_in, most), 64 + number * self.ENTRY.size + 8)

    def disarm(self):
        for number, _ in enumerate(self.entries()):
            self.arm(number, 0)
            self.linger(number, 0)

    def met(self, number=None):
        """Signals that were sent there; without a number, at all of them."""
        met = [entry[5] for entry in self.entries()]
        return sum(met) if number is None else met[number]
