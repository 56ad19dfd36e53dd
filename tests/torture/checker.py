"""Is a store as the ledger says, and sound to the last page? Shares no code with the core: records are
read with py-lmdb as protocol/SPEC.md says, the board and data.mdb as plain bytes."""

import pathlib
import struct
import sys

import numpy as np

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from foreign_decoder import ERROR, IN_SLOT, Corrupt, envelope_of, open_store, payload_of  # noqa: E402

import ledger as layout  # noqa: E402
from board import FREE, LOANED, NAMES, OWNERS, PUBLISHED, RETIRED, Board  # noqa: E402
from pages import Damaged, Pages  # noqa: E402

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Pages of which no count is kept: what creations that were killed had allocated.
LEFT = 1024


def sequence_of(payload, key):
    """The sequence of a payload that describes itself (tests/c/payload.h); None: it is not whole."""
    if len(payload) < 24 or len(payload) % 8:
        return None
    words = np.frombuffer(payload, "<u8")
    said, sequence, length = (int(word) for word in words[:3])
    if said != key or length != len(payload):
        return None
    with np.errstate(over="ignore"):
        first = words[1] * GOLDEN + np.uint64(key * 31)
        right = words[3:] == first + np.arange(len(words) - 3, dtype="u8")
    return sequence if right.all() else None


class Check:
    """`alive`: the place of each live process that has the store open, by pid. `elsewhere`: places whose
    own keys are in another store."""

    def __init__(self, store, ledger, alive, elsewhere=()):
        self.store, self.ledger, self.alive, self.elsewhere = store, ledger, alive, elsewhere
        self.faults, self.payloads = [], 0
        self.records = {}  # key → (transaction, sequence), of ours
        self.named = {}  # slot → (key, generation)
        try:
            self.pages, self.board = Pages(store), Board(store)
            self.read()
            self.check_keys()
            self.check_places()
            self.check_slots()
            self.check_owners()
            self.check_sums()
        except (Damaged, Corrupt) as damage:
            self.fault(f"damaged: {damage}")

    def fault(self, text):
        self.faults.append(text)

    # ---- records, by SPEC.md ------------------------------------------------------------------------

    def read(self):
        environment, records, slots = open_store(str(self.store))
        try:
            queue = environment.open_db(b"zcx.queue", create=False)
            with environment.begin(buffers=True) as transaction:
                for key, record in transaction.cursor(db=records):
                    self.read_record(bytes(key), record, slots, transaction)
                self.check_requests({int.from_bytes(key[-8:], "big") for key, value in transaction.cursor(db=queue)
                                     if bytes(value[:4]) == b"ZCXQ"})
        finally:
            environment.close()

    def read_record(self, key, record, slots, transaction):
        header, _ = envelope_of(record)
        payload = payload_of(record, header, slots, transaction)
        if header["flags"] & IN_SLOT:
            if header["slot"] in self.named:
                self.fault(f"{key} and {self.named[header['slot']][0]} name slot {header['slot']}")
            self.named[header["slot"]] = key, header["generation"]
        if header["transaction"] > self.pages.transaction:
            self.fault(f"{key} is of transaction {header['transaction']}, the last is {self.pages.transaction}")
        if header["flags"] & ERROR:
            return
        self.payloads += 1
        if key.isdigit():
            number = int(key)
        else:  # of a call: its payload says whose
            number = int(np.frombuffer(payload[:8], "<u8")[0])
            if not layout.CALL_KEYS <= number < layout.CALL_KEYS + 2 * layout.ANSWERS:
                self.fault(f"{key} has a payload of key {number}")
        sequence = sequence_of(payload, number)
        if sequence is None:
            self.fault(f"the payload at {key} is not whole: {bytes(payload[:32]).hex()}")
        elif key.isdigit():
            self.records[number] = header["transaction"], sequence

    def check_requests(self, sequences):
        """Whoever has a request lives, and the request is there."""
        for claim in self.board.claims[self.board.claims["sequence"] != 0]:
            owner = self.board.owners[claim["owner"]]
            if not owner["state"] or owner["incarnation"] != claim["incarnation"]:
                self.fault(f"request {claim['sequence']} is claimed by owner {claim['owner']}, who is gone")
            if claim["sequence"] not in sequences:
                self.fault(f"request {claim['sequence']} is gone, and still claimed")

    # ---- what was told ------------------------------------------------------------------------------

    def check_keys(self):
        for key, told in enumerate(self.ledger.told()):
            found = self.records.get(key, (0, 0))[0]
            if found < told:
                self.fault(f"key {key} is of transaction {found}, but {told} was committed")
        for place in range(int(self.ledger.words[0, 1])):
            if place not in self.elsewhere:
                self.check_own(place)

    def check_own(self, place):
        unsettled = set()  # of a batch, which has the first three: all of them happened, or none
        for i, (intent, done) in enumerate(self.ledger.own(place)):
            key = layout.OWN_KEYS + place * layout.OWN + i
            found = self.records.get(key, (0, 0))[1]
            plain = [word & ~layout.MAY_GO for word in (intent, done)]
            if found not in plain and (found or not (intent | done) & layout.MAY_GO):
                self.fault(f"own key {key} has sequence {found:#x}; it was {done:#x}, and was to be {intent:#x}")
            if intent != done and i < 3:
                unsettled.add(found == plain[0])
        if len(unsettled) > 1:
            self.fault(f"half a batch of place {place} was committed")

    # ---- slots --------------------------------------------------------------------------------------

    def check_places(self):
        """zcx.slots is not read with py-lmdb, which touches each page and brings trimmed ones back."""
        board = {number: (int(slot["page"]), int(slot["pages"])) for number, slot in enumerate(self.board.slots, 1)}
        if board != self.pages.slots:
            self.fault(f"slots lie elsewhere: {sorted(board.items() ^ self.pages.slots.items())[:4]}")

    def check_slots(self):
        board = self.board
        pinned = board.pins.any(axis=1)
        for number, state in enumerate(map(int, board.states), 1):
            name = f"slot {number} ({NAMES.get(state, state)})"
            key, generation = self.named.get(number, (None, None))
            if state not in (FREE, LOANED, PUBLISHED, RETIRED):
                self.fault(f"{name} has no state")
            if (state == PUBLISHED) != (key is not None):
                self.fault(f"{name} is named by {key}")
            if key is not None and generation != board.generations[number - 1]:
                self.fault(f"{name} has generation {board.generations[number - 1]}, {key} names {generation}")
            if state in (FREE, RETIRED) and not pinned[number - 1] and not board.offered(number):
                self.fault(f"{name} is found by no producer: lost")
            if board.backed[number - 1] and not board.slots[number - 1]["charged"]:
                self.fault(f"{name} has memory that is not charged")

    # ---- owners -------------------------------------------------------------------------------------

    def check_owners(self):
        board = self.board
        if board.transaction or board.unsettled:
            self.fault(f"commit {board.transaction} is under way, unsettled: {board.unsettled}")
        pins = board.pins.sum(axis=0)
        loans = np.bincount(board.lent_to[board.states == LOANED].astype(int), minlength=OWNERS)
        for number, owner in enumerate(board.owners):
            place = self.alive.get(int(owner["pid"])) if owner["state"] else None
            if owner["state"] and place is None:
                self.fault(f"process {owner['pid']} is an owner, and none of those that live")
            held = {name: self.ledger.word(place, name) if place is not None else 0 for name in ("pins", "loans")}
            for name, found in (("pins", int(pins[number])), ("loans", int(loans[number]))):
                if held[name] not in (found, layout.NOT_KNOWN):
                    self.fault(f"owner {number} (process {owner['pid']}) has {found} {name}, and holds {held[name]}")

    # ---- sums ---------------------------------------------------------------------------------------

    def check_sums(self):
        """What the board counts, what data.mdb says of itself, and what memory the file has, in pages."""
        board, pages = self.board, self.pages
        tails = {number: count - 1 for number, (_, count) in pages.slots.items()}  # the first stays for ever
        of_slots = np.array([tails.get(number, 0) for number in range(1, len(board.slots) + 1)])
        total, charged, backed = sum(tails.values()), *(int(of_slots[which].sum()) for which in (
            board.slots["charged"], board.backed))
        if (board.charged, board.slot_pages) != (charged, total):
            self.fault(f"{charged} of {total} pages are charged, the board says {board.charged} of "
                       f"{board.slot_pages}")
        others = pages.last + 1 - total + max(0, board.backed_to - pages.last - 1)
        if not others + backed <= pages.memory <= others + charged + LEFT:
            self.fault(f"data.mdb has {pages.memory} pages of memory: {charged} are charged to slots and {backed} "
                       f"must be there, and {others} of the tree's and ahead of it")
