"""A store that zcx wrote says to a stranger what protocol/SPEC.md promises: foreign_decoder.py was
written from that page alone, and reads it with py-lmdb in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zcx

from objects import alike, written

DECODER = [sys.executable, str(Path(__file__).parent / "foreign_decoder.py")]

LARGE = np.arange(100_000, dtype="<f8").reshape(100, 1000)
FIELDS = np.dtype([("carrier", "S2"), ("delay", "<f8"), ("at", "<M8[s]"), ("xy", ">i2", (2,))])
ARRAYS = {
    "f8": np.arange(6.0).reshape(2, 3), "large": LARGE, "fortran": np.asfortranarray(LARGE),
    "strided": LARGE[::7, ::3], "backwards": np.arange(5)[::-1], "big-endian": np.arange(4, dtype=">i4"),
    "half": np.ones(3, "f2"), "bool": np.array([True, False]), "complex": np.array([1 + 2j]),
    "dates": np.array(["2013-01-01", "NaT"], "M8[D]"), "times": np.arange(3).astype("m8[25us]"),
    "bytes": np.array([b"UA", b"DELTA"]), "text": np.array(["Zürich", "東京"]), "0-d": np.array(2.5),
    "empty": np.zeros((3, 0, 2)), "structured": np.zeros(3, FIELDS), "void": np.zeros(2, "V5"),
    "aligned": np.zeros(2, np.dtype([("a", "u1"), ("b", "f8")], align=True)),
}
OBJECTS = {
    "config": {"window": 20, "weights": np.ones(20), "deep": [{"x": [None, True, False, 1.5, -1]}]},
    "arrays": ARRAYS, "numbers": [0, 127, 128, 2**32, 2**63, 2**64 - 1, -1, -33, -2**63],
    "keys": {1: "int", "s": "str", -5: None, b"b": b"bytes", True: 0}, "empty": {},
    "text": "Zürich 東京 \U0001f40d", "nested": [[[[[]]]]], "floats": [0.0, -0.0, float("inf"), 5e-324],
    "many": list(range(70_000)),
}
TABLE = pa.table({"carrier": pa.array(["UA", None]).dictionary_encode(), "delay": [2.5, None],
                  "n": pa.array([1, 2], pa.int16())})


def decode(path):
    """What the stranger reads: key → description."""
    result = subprocess.run([*DECODER, path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    records = map(json.loads, result.stdout.splitlines())
    return {bytes.fromhex(record["key"]).decode(): record for record in records}


def fill(store):
    """Puts a record of every format, small and large. Returns what a reader must see."""
    expected = {}

    def put(key, value, **options):
        store.put(key, value, **options)
        expected[key] = alike(written(value))

    for name, value in ARRAYS.items():
        put(f"numpy {name}", value)
    for name, value in OBJECTS.items():
        put(f"msgpack {name}", value)
    put("json small", {"a": [1, 2.5, None], "ü": "x"}, format="json")
    put("json large", {"a": ["x" * 10] * 10_000}, format="json")
    put("arrow", TABLE)
    put("raw small", b"\0\1\2")
    put("raw empty", b"")
    put("raw large", bytes(range(256)) * 1000, checksum=True)
    put("raw summed", b"123456789", checksum=True)
    return expected


@pytest.mark.parametrize("durability", ["none", "commit"])
def test_every_record_is_read_by_a_stranger(path, durability):
    with zcx.Store(path, durability=durability, budget=256 << 20) as store:
        expected = fill(store)
        read = decode(path)
        assert read.keys() == expected.keys()
        for key, record in read.items():
            assert alike(record["object"]) == expected[key], key
            assert record["format"] == key.split()[0]
    assert decode(path).keys() == expected.keys()  # and when nobody has it open


def test_envelopes_say_the_same_to_a_stranger(path):
    with zcx.Store(path, budget=256 << 20) as store:
        store.put("texts", b"x", source="engine", target="Zürich", content_type="text/plain")
        store.put("for ever", bytes(10_000), ttl=0, checksum=True)
        store.put("again", 1)
        store.put("again", LARGE)
        for key, record in decode(path).items():
            envelope = store.view(key).envelope
            assert envelope.length == record["payload_length"]
            assert envelope.transaction == record["transaction"]
            assert envelope.created_ns == record["created"]
            assert envelope.expires_ns == record["expires"]
            assert (envelope.slot, envelope.generation) == (record["slot"], record["generation"])
            assert envelope.crc32c == record["payload_crc"]
            for name in ("source", "target", "content_type"):
                assert getattr(envelope, name) == record["extras"].get(name)


def test_a_payload_does_not_change_under_a_read_transaction(path):
    with zcx.Store(path, budget=256 << 20) as store:
        store.put("key", np.full(50_000, 7, "u1"))
        with subprocess.Popen([*DECODER, path, "--hold", "key"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as stranger:
            before = stranger.stdout.readline()
            for i in range(1000):
                store.put("key", np.full(50_000, i % 256, "u1"))
            store.delete("key")
            store.sweep()
            after, _ = stranger.communicate("\n\n", timeout=60)
        assert before == after
        assert "key" not in store


def test_strangers_leave_a_live_store_as_it_is(path):
    with zcx.Store(path, budget=256 << 20) as store:
        for i in range(4):
            store.put("key", np.full(10_000, i))
            assert len(decode(path)) == 1
        assert store.check()["sound"]
        assert store.get("key")[0] == 3
    with zcx.Store(path) as store:
        assert store.get("key")[0] == 3
