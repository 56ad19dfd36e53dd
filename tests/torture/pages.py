"""Accounts for every page of a data.mdb: LMDB 0.9's format, read without LMDB."""

import mmap
import os
import struct
from pathlib import Path

import numpy as np

HEAD = 16  # bytes of a page's header: number, …, flags, lower or overflow count
BRANCH, LEAF = 1, 2
BIG, SUBTREE = 1, 2  # flags of a leaf's node
NONE = 2**64 - 1
FREE_LIST, MAIN = object(), object()
DATABASE = struct.Struct("<IHHQQQQQ")  # …, flags, depth, branches, leaves, overflows, entries, root


class Damaged(Exception):
    pass


class Pages:
    """`uses`: what each page up to the last is for. `slots`: by its number, where a slot's value begins
    and how many pages it has. `others`: pages of other large values. `memory`: pages that have any, at
    first: a reading LMDB client may bring more back."""

    TREE, FREE, OVERFLOW = 1, 2, 3

    def __init__(self, store, page_size=4096):
        self.size, self.slots, self.others = page_size, {}, 0
        file = os.open(Path(store) / "data.mdb", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.map = mmap.mmap(file, 0, prot=mmap.PROT_READ)
            self.memory = os.fstat(file).st_blocks * 512 // page_size
        finally:
            os.close(file)
        metas = [self._meta(0), self._meta(1)]
        free, main, self.last, self.transaction = max(metas, key=lambda meta: meta[3])
        if self.last * page_size >= len(self.map):
            raise Damaged(f"the last page is {self.last}, past the end of the file")
        self.uses = np.zeros(self.last + 1, "u1")
        self.uses[:2] = self.TREE
        self._tree(free, FREE_LIST)
        self._tree(main, MAIN)
        lost = np.flatnonzero(self.uses == 0)
        if len(lost):
            raise Damaged(f"{len(lost)} pages are lost, the first is {lost[0]} of {self.last}")

    def _meta(self, number):
        at = number * self.size + HEAD + 24  # magic, version, address, map size
        free, main = self.map[at:at + 48], self.map[at + 48:at + 96]
        last, transaction = struct.unpack_from("<QQ", self.map, at + 96)
        return free, main, last, transaction

    def _use(self, first, count, use):
        pages = self.uses[first:first + count]
        if first < 2 or first + count > self.last + 1:
            raise Damaged(f"pages {first} to {first + count - 1} are not among the {self.last + 1}")
        if pages.any():
            raise Damaged(f"page {first + int(np.flatnonzero(pages)[0])} is used twice")
        pages[:] = use

    def _tree(self, description, name):
        _, _, depth, branches, leaves, overflows, entries, root = DATABASE.unpack(description)
        counts = [0, 0, 0, 0]
        if root != NONE:
            self._page(root, depth - 1, name, counts)
        if counts != [branches, leaves, overflows, entries]:
            raise Damaged(f"the tree at page {root} has {counts}, and says otherwise")

    def _page(self, number, depth, name, counts):
        self._use(number, 1, self.TREE)
        at = number * self.size
        said, _, flags, lower = struct.unpack_from("<QHHH", self.map, at)
        if said != number or flags & 3 not in (BRANCH, LEAF) or (depth == 0) != bool(flags & LEAF):
            raise Damaged(f"page {number} says number {said} and flags {flags:#x} at depth {depth}")
        counts[0 if flags & BRANCH else 1] += 1
        for place in struct.unpack_from(f"<{(lower - HEAD) // 2}H", self.map, at + HEAD):
            low, high, node_flags, key_size = struct.unpack_from("<4H", self.map, at + place)
            if flags & BRANCH:
                self._page(low | high << 16 | node_flags << 32, depth - 1, name, counts)
            else:
                counts[3] += 1
                data = at + place + 8 + key_size
                self._leaf_node(self.map[data - key_size:data], data, low | high << 16, node_flags, name, counts)

    def _leaf_node(self, key, at, length, flags, name, counts):
        if flags & BIG:
            page, = struct.unpack_from("<Q", self.map, at)
            count, = struct.unpack_from("<I", self.map, page * self.size + 12)
            self._use(page, count, self.OVERFLOW)
            counts[2] += count
            if name == b"zcx.slots":
                self.slots[struct.unpack("<I", key)[0]] = page, count
                return  # its bytes are not read: they may have no memory
            self.others += count
            at = page * self.size + HEAD
        data = self.map[at:at + length]
        if name == FREE_LIST:
            count, = struct.unpack_from("<Q", data)
            for page in struct.unpack_from(f"<{count}Q", data, 8):
                self._use(page, 1, self.FREE)
        elif flags & SUBTREE:
            self._tree(data, key)

    def count(self, use):
        return int((self.uses == use).sum())
