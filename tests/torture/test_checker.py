"""Does the checker look? What it watches over is spoilt by hand, in a store whose actors were all killed."""

import ctypes
import os
import re
import struct

import pytest

from board import FREE, LOANED, OWNERS, PUBLISHED, RETIRED, Board
from checker import LEFT
from crew import Crew, Violation
from test_processes import C, until

ALLOCATE, PUNCH = 1, 3  # modes of fallocate, which keep the file's size
NOBODY = OWNERS - 1  # entries are taken from the first on


def write(path, at, data):
    """Returns what undoes it."""
    with open(path, "r+b", buffering=0) as file:
        was = os.pread(file.fileno(), len(data), at)
        os.pwrite(file.fileno(), data, at)
    return lambda: write(path, at, was)


def allocate(path, mode, page, count):
    with open(path, "r+b", buffering=0) as file:
        call = ctypes.CDLL(None, use_errno=True).fallocate64
        assert not call(file.fileno(), mode, ctypes.c_int64(page * 4096), ctypes.c_int64(count * 4096)), (
            os.strerror(ctypes.get_errno()))
    return lambda: allocate(path, ALLOCATE + PUNCH - mode, page, count)


def slot_of(board, *states):
    """The number of one that has memory."""
    return next(number for number, slot in enumerate(board.slots, 1)
                if board.states[number - 1] in states and board.backed[number - 1] and slot["pages"] > 2)


def spoil_word(store, board, word):
    number = slot_of(board, FREE, RETIRED)
    return write(store / "board", int(board.starts[7]) + 64 * number, struct.pack("<Q", word))


def spoil_pins(store, board):
    number = slot_of(board, FREE, RETIRED)
    return write(store / "board", int(board.starts[8]) + 2 * (OWNERS * number + NOBODY), b"\7\0")


def spoil_payload(store, board):
    page = int(board.slots[slot_of(board, PUBLISHED) - 1]["page"])
    return write(store / "data.mdb", page * 4096 + 1000, b"spoilt!!")


def take_memory(store, board):
    slot = board.slots[slot_of(board, FREE, RETIRED) - 1]
    return allocate(store / "data.mdb", PUNCH, int(slot["page"]) + 1, int(slot["pages"]) - 1)


SPOILS = [("has no state", lambda store, board: spoil_word(store, board, 0)),
          ("has 1 loans, and holds 0", lambda store, board: spoil_word(store, board, LOANED | NOBODY << 4)),
          ("has 7 pins, and holds 0", spoil_pins),
          ("is not whole", spoil_payload),
          ("pages are charged", lambda store, board: write(
              store / "board", 392, struct.pack("<Q", board.charged + 1))),
          ("pages are charged", lambda store, board: write(
              store / "board", 400, struct.pack("<Q", board.slot_pages - 1))),
          ("pages of memory", take_memory),
          ("pages of memory", lambda store, board: allocate(
              store / "data.mdb", ALLOCATE, board.backed_to + 10 * LEFT, 10 * LEFT))]


def test_what_is_spoilt_is_seen():
    with Crew(C) as crew:
        crew.start_all()
        until(lambda: crew.ledger.total("published") > 500)
        with crew.kept_open():
            crew.kill_all()
            crew.check()
            for complaint, spoil in SPOILS:
                undo = spoil(crew.store, Board(crew.store))
                with pytest.raises(Violation, match=re.escape(complaint)):
                    crew.check()
                undo()
            crew.check()


def test_who_opens_a_store_alone_makes_the_board_anew():
    with Crew(C) as crew:
        crew.start_all()
        until(lambda: crew.ledger.total("published") > 500)
        with crew.kept_open():
            crew.kill_all()
            crew.reap()
            board = Board(crew.store)
            for _, spoil in SPOILS[:3]:
                spoil(crew.store, board)
            with pytest.raises(Violation):
                crew.check()
        crew.check()
