"""actor.py ROLE STORE LEDGER PLACE SEED: an actor in Python, of the roles produce, view, call, work and leave.
See actor.h, whose rules it follows."""

import os
import random
import struct
import sys
import threading
import time

import numpy as np
import zcx
from zcx import _zcx

import ledger as layout

BUDGET = 16 << 20
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
HELD = 4


class Actor:
    def __init__(self, store, ledger, place, seed):
        self.path, self.page, self.seed = store, (int(place) + 1) * layout.PAGE, int(seed)
        self.file = os.open(ledger, os.O_RDWR | os.O_CLOEXEC)
        self.place, self.count, self.random = int(place), 0, random.Random(self.seed)
        self.store = zcx.Store(store, budget=BUDGET, lock_timeout=60)

    # ---- the ledger

    def word(self, at):
        return struct.unpack("<Q", os.pread(self.file, 8, self.page + 8 * at))[0]

    def write(self, at, value):
        os.pwrite(self.file, struct.pack("<Q", value), self.page + 8 * at)

    def add(self, name):
        self.write(layout.WORDS[name], self.word(layout.WORDS[name]) + 1)

    def complain(self, text):
        os.pwrite(self.file, text.encode()[:2000] + b"\0", self.page + layout.COMPLAINT)
        os._exit(1)

    def rest_if_asked(self, held=()):
        pause, = struct.unpack("<Q", os.pread(self.file, 8, 0))
        if not pause:
            return
        for key, view in held:
            self.check(view, key, "held")
        self.write(layout.WORDS["pins"], sum(view.nbytes > 1024 for _, view in held))
        self.write(layout.WORDS["loans"], 0)
        self.write(layout.WORDS["rests"], pause)
        while struct.unpack("<Q", os.pread(self.file, 8, 0))[0] == pause:
            time.sleep(0.0005)
        for key, view in held:
            self.check(view, key, "held over a pause")
        self.write(layout.WORDS["rests"], 0)

    # ---- payloads

    def length(self):
        if self.random.random() < 0.25:
            return 24 + 8 * self.random.randrange(110)
        return 8 * int(2304 / 8 * 1.5 ** self.random.randrange(10))

    def sequence(self):
        self.count += 1
        return self.seed << 24 | self.count

    @staticmethod
    def fill(data, key, sequence):
        words = np.frombuffer(data, "<u8")
        words[:3] = key, sequence, len(words) * 8
        with np.errstate(over="ignore"):
            words[3:] = words[1] * GOLDEN + np.uint64(key * 31) + np.arange(len(words) - 3, dtype="u8")

    def check(self, data, key, when):
        """The sequence of a whole payload."""
        words = np.frombuffer(data, "<u8")
        with np.errstate(over="ignore"):
            rest = words[1] * GOLDEN + np.uint64(key * 31) + np.arange(len(words) - 3, dtype="u8")
        if words[0] != key or words[2] != len(words) * 8 or not np.array_equal(words[3:], rest):
            self.complain(f"a payload of {len(words) * 8} bytes at key {key} is not whole, {when}, in Python: "
                          f"{words[:3]}")
        return int(words[1])

    def publish(self, key, sequence):
        """The transaction, or None when the store is full."""
        try:
            loan = self.store.loan(self.length())
            self.fill(loan, key, sequence)
            transaction = loan.publish(str(key), ttl=0)
        except zcx.Full:
            self.add("full")
            return None
        self.add("published")
        return transaction

    # ---- roles

    def own_key(self, i):
        return layout.OWN_KEYS + self.place * layout.OWN + i

    def settle_own(self):
        for i in range(layout.OWN):
            intent, done = self.word(layout.INTENT + i), self.word(layout.DONE + i)
            try:
                with self.store.view(str(self.own_key(i))) as view:
                    found = self.check(view, self.own_key(i), "after a kill")
            except zcx.NotFound:
                found = 0
            if found not in (intent, done):
                self.complain(f"own key {self.own_key(i)} has sequence {found:#x} after a kill: it was {done:#x}, "
                              f"and was to be {intent:#x}")
            self.write(layout.DONE + i, found)
            self.write(layout.INTENT + i, found)

    def change_own(self):
        i = self.random.randrange(layout.OWN)
        if self.random.random() < 0.3:
            self.write(layout.INTENT + i, 0)
            there = self.store.delete(str(self.own_key(i)))
            if not there and self.word(layout.DONE + i):
                self.complain(f"own key {self.own_key(i)} is gone")
            happened = True
        else:
            sequence = self.sequence()
            self.write(layout.INTENT + i, sequence)
            happened = self.publish(self.own_key(i), sequence) is not None
        here, there = (layout.INTENT, layout.DONE) if happened else (layout.DONE, layout.INTENT)
        self.write(there + i, self.word(here + i))

    def produce(self):
        self.settle_own()
        while True:
            self.rest_if_asked()
            if self.random.random() < 0.3:
                try:
                    self.change_own()
                except zcx.Full:  # no room to delete
                    self.settle_own()
            else:
                key = self.random.randrange(layout.SHARED)
                transaction = self.publish(key, self.sequence())
                if transaction:
                    self.write(layout.TOLD + key, transaction)
            self.add("steps")

    def view(self):
        held = []
        while True:
            self.rest_if_asked(held)
            key = self.random.choice((self.random.randrange(layout.SHARED),
                                      layout.LOOSE + self.random.randrange(layout.LOOSE_KEYS)))
            try:
                view = self.store.view(str(key))
            except (zcx.NotFound, zcx.Expired):
                continue
            self.check(view, key, "in a new view")
            held.append((key, view))
            self.add("viewed")
            if len(held) > HELD:
                key, view = held.pop(self.random.randrange(HELD))
                self.check(view, key, "held")
                view.release()
                del view
            self.add("steps")

    def take_views(self, views):
        for key in range(layout.SHARED):
            try:
                views.append((key, self.store.view(str(key))))
            except zcx.NotFound:
                pass

    def check_all(self, views, when):
        for key, view in views:
            self.check(view, key, when)

    def end_a_thread(self):
        views = []
        thread = threading.Thread(target=self.take_views, args=[views])
        thread.start()
        thread.join()
        self.publish(self.random.randrange(layout.SHARED), self.sequence())
        self.check_all(views, "held by a thread that ended")

    def fork(self, views):
        """The child reads what it inherited, may not write, and lives as any other process."""
        child = os.fork()
        if not child:
            self.check_all(views, "inherited over a fork")
            try:
                self.store.put("0", b"x")
                self.complain("a forked child publishes through what it inherited")
            except zcx.Forked:
                pass
            zcx.Store(self.path, budget=BUDGET, lock_timeout=60).exists("0")
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status not in (0, 9):
            self.complain(f"a forked child ended with status {status:#x}")
        self.check_all(views, "held over a fork")

    def leave(self):
        """Ends in all ways that a process can, with views and a loan in hand."""
        views = []
        while True:
            self.add("steps")
            self.take_views(views)
            self.check_all(views, "held")
            way = self.random.randrange(6)
            if way < 2:
                self.end_a_thread()
            elif way < 4:
                self.fork(views)
            del views[:layout.SHARED]
            if way < 4:
                continue
            try:
                loan = self.store.loan(5000)
            except zcx.Full:
                continue
            if way == 4:
                os._exit(0)
            if self.random.randrange(2):
                os.execvp("true", ["true"])
            return loan  # and so to the interpreter's own end

    def config(self):
        return {"name": "torture", "queue": "torture", "lmdb_enabled": True, "lmdb_db_path": self.path,
                "lmdb_data_format": "raw", "lmdb_ttl": 20, "lmdb_wait_timeout": 20000}

    def call(self):
        calculator = zcx.Calculator(self.config())
        while True:
            key, sequence = layout.CALL_KEYS + self.place, self.sequence()
            data = bytearray(self.length())
            self.fill(data, key, sequence)
            try:
                answer = calculator.calculate(bytes(data))
                if self.check(answer, key + layout.ANSWERS, "as an answer") != sequence:
                    self.complain("a call got another's answer")
                del answer
            except zcx.ProducerDied:
                self.add("dead")
            except zcx.Error as error:
                if not isinstance(error, zcx.Full) and "no room" not in str(error):
                    self.complain(f"a call: {error!r}")
                self.add("full")
            self.add("calls")

    def work(self):
        import json
        worker = _zcx.Worker(json.dumps(self.config()))
        while True:
            call = worker.take()
            if call is None:
                continue
            try:
                words = np.frombuffer(call.take_input(), "<u8")
                key, sequence = int(words[0]), int(words[1])
                self.check(words, key, "as a request's input")
                data = bytearray(self.length())
                self.fill(data, key + layout.ANSWERS, sequence)
                call.put_output(bytes(data))
            except zcx.Cancelled:
                pass
            except zcx.Error as error:
                call.fail(f"no room: {error}", None)
            finally:
                words = None
                call.close()
            self.add("calls")


def main(role, *words):
    actor = Actor(*words)
    try:
        getattr(actor, role)()
    except BaseException as error:
        actor.complain(f"in Python: {error!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
