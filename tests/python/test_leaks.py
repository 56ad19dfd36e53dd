"""Nothing is leaked, refused calls included; and damaged stores are errors, not crashes."""

import gc
import os
import random
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import zcx
from zcx.lmdb import wrap_with_lmdb


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Same:
    def calculate(self, data):
        return data


def work(store, wrapped):
    pa = pytest.importorskip("pyarrow")
    array = np.arange(1000)
    structured = np.zeros(100, [("a", "i4"), ("b", "M8[s]")])
    data = {"a": array, "b": [1, 2.5, "x", b"y", None, True, 2**63, {"c": structured}], 5: (1, 2)}
    for key, value, options in (("array", array, {}), ("strided", array[::2], {}), ("raw", b"x", {}),
                                ("dict", data, {}), ("json", {"a": [1]}, {"format": "json"}),
                                ("table", pa.table({"a": array}), {}), ("records", structured, {})):
        store.put(key, value, source="me", **options)
        store.get(key)
        with store.view(key) as view:
            view.envelope.created, memoryview(view), view.key, repr(view), np.frombuffer(view, "u1")
    for size in (100, 8000):
        with store.loan(size) as loan:
            lent = loan.array("u1", size)
            part, memory = lent[1:], memoryview(lent)
            with pytest.raises(BufferError):
                loan.publish("lent")
            del part
            memory.release()
            loan.publish("lent")
            lent.sum()
        with store.loan(size) as loan:
            lent = loan.array("u1", size)
    for call in (lambda: store.get("nothing"), lambda: store.put("bad", object()),
                 lambda: store.put("bad", [1, {2}]), lambda: store.put("bad", 2**64),
                 lambda: store.put("", 1), lambda: store.put("bad", 1, ttl=-1),
                 lambda: store.put("bad", array.astype("O")), lambda: store.loan(1 << 40),
                 lambda: store.get(5), lambda: store.put("bad", 1, format="no"),
                 lambda: store.put("bad", {"x": [float("nan")]}, format="json")):
        with pytest.raises((zcx.Error, TypeError, ValueError, OverflowError)):
            call()
    with store.batch() as batch:
        batch.put("one", data)
        batch.delete("two")
    list(store.scan(envelopes=True)), len(store), "x" in store, store.stat(), store.get("no", 1)
    wrapped.calculate(data), wrapped.calculate({"a": np.zeros(5000)}), wrapped.calculate({1, 2})


def test_no_references_and_no_memory_are_leaked(path):
    store = zcx.Store(path, budget=256 << 20)
    wrapped = wrap_with_lmdb(Same(), {"lmdb_enabled": True, "lmdb_db_path": path}, "same")
    kinds = [None, True, np.dtype("i8"), np.ndarray, *vars(zcx._zcx).values()]

    def counts():
        gc.collect()
        return [sys.getrefcount(kind) for kind in kinds], len(gc.get_objects())

    for _ in range(20):
        work(store, wrapped)
    (before, objects), memory = counts(), resident()
    for _ in range(300):
        work(store, wrapped)
    after, objects_after = counts()
    assert [abs(one - other) < 50 for one, other in zip(before, after)] == [True] * len(kinds)
    assert objects_after - objects < 100
    assert resident() - memory < 8 << 20
    holder = store.stat()["holders"][0]
    assert holder["views"] == 0 and holder["loans"] == 0
    del wrapped
    store.close()


def test_with_debug_allocators(path, run):
    here = Path(__file__)
    said = run("""
import sys; sys.path.insert(0, sys.argv[2])
import test_leaks, zcx
from zcx.lmdb import wrap_with_lmdb
store = zcx.Store(sys.argv[1], budget=256 << 20)
wrapped = wrap_with_lmdb(test_leaks.Same(), {"lmdb_enabled": True, "lmdb_db_path": sys.argv[1]}, "same")
for _ in range(3):
    test_leaks.work(store, wrapped)
print("done")
""", path, here.parent, PYTHONMALLOC="debug", PYTHONDEVMODE="1")
    assert said == "done\n"


def test_objects_that_outlive_everything(path, run):
    """The interpreter ends with arrays, views, loans and stores alive, in any order."""
    assert run("""
import sys, zcx, numpy as np
class Late:
    def __init__(self, *held): self.held = held
    def __del__(self): self.held[0][0], len(self.held[1])
store = zcx.Store(sys.argv[1])
store.put("key", np.arange(10000))
keep = Late(store.get("key"), store.view("key"))
loan = store.loan(5000)
lent = loan.array("f8", 10)
scan, batch = store.scan(), store.batch()
batch.put("b", bytes(5000))
sys.modules["__main__"].cycle = [keep]; keep.cycle = sys.modules["__main__"].cycle
print("end")
""", path) == "end\n"
    with zcx.Store(path) as store:
        store.sweep()
        assert store.get("key")[9] == 9 and list(store) == ["key"]
        assert store.stat()["slots"]["loaned"]["slots"] == 0


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def is_header(content, at):
    """Whole headers only: a damaged tree of pages is LMDB's to survive, and it does not."""
    length, = struct.unpack_from("<I", content, at + 8)
    check, = struct.unpack_from("<I", content, at + 68)
    extras = content[at + 72:at + length] if 72 < length < 1000 else b""
    return crc32c(content[at:at + 68] + extras) == check


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_store_is_an_error_not_a_crash(path, run, seed):
    """Records are altered; a process reads all that it can, and writes."""
    with zcx.Store(path, budget=16 << 20, map_size=80 << 20) as store:
        for number in range(20):
            store.put(f"key{number}", {"a": np.arange(number * 100), "b": [1, 2.5, "x"]})
            store.put(f"raw{number}", bytes(number * 300), checksum=True)
    chance = random.Random(seed)
    data = Path(path, "data.mdb")
    content = bytearray(data.read_bytes())
    places = [found.start() for found in re.finditer(b"ZCXE", content)
              if is_header(content, found.start())]
    assert len(places) >= 40
    for at in chance.sample(places, min(15, len(places))):
        for _ in range(3):
            content[at + chance.randrange(72)] = chance.randrange(256)
    data.write_bytes(content)
    said = run("""
import sys, zcx
try:
    store = zcx.Store(sys.argv[1])
except zcx.Error as error:
    sys.exit(print("refused", error) or 0)
read = failed = 0
for round in range(2):
    for number in range(20):
        for key in (f"key{number}", f"raw{number}"):
            try:
                value = store.get(key)
                if isinstance(value, dict) and "a" in value: sum(value["a"])
                store.view(key).envelope, store.view(key).verify()
                read += 1
            except (zcx.Error, KeyError, UnicodeError, ValueError, TypeError):
                failed += 1
    for call in (lambda: list(store.scan(envelopes=True)), store.check, store.stat, store.sweep):
        try:
            call()
        except zcx.Error:
            failed += 1
    for number in range(20):
        try:
            store.put(f"key{number}", {"a": [1]}), store.delete(f"raw{number}")
        except zcx.Error:
            failed += 1
print("read", read, "failed", failed)
""", path)
    assert said.startswith(("read", "refused"))


def test_a_removed_store_is_stale(path):
    import shutil

    store = zcx.Store(path)
    store.put("key", bytes(10_000))
    view = store.view("key")
    shutil.rmtree(path)
    with pytest.raises(zcx.Stale):
        store.sweep()
    assert bytes(view) == bytes(10_000)
    store.close()
    with zcx.Store(path) as anew:
        assert "key" not in anew
    view.release()


def test_paths_that_others_could_prepare_are_refused(path, tmp_path):
    os.mkdir(path)
    os.chmod(path, 0o777)
    with pytest.raises(PermissionError):
        zcx.Store(path)
    os.chmod(path, 0o700)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(zcx.Error):
        zcx.Store(link)
    with pytest.raises(zcx.Error):
        zcx.Store("/proc/1/store")


def test_log_messages_go_to_pythons_logger(path, caplog, run):
    """From any thread, with whatever the logger's handlers do."""
    said = run("""
import logging, sys, threading, zcx
from zcx.lmdb import wrap_with_lmdb
lines = []
class Handler(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
        raise RuntimeError("a handler's own error")
logging.getLogger("zcx").addHandler(Handler())
def work():
    wrap_with_lmdb(object(), {"lmdb_enabled": True, "lmdb_db_path": "/proc/none/store"}, "calc")
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(lines), "calc" in lines[0])
""")
    assert said == "4 True\n"
