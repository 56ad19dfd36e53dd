"""Replays protocol/vectors through the Python package: every case of index.json, and no file may be
left over.

Records are put into a store by py-lmdb, in a process of its own while nobody has the store open;
payloads likewise, as sound records of their format."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import zcx
from zcx._helpers import decode_reference

from objects import alike, written

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"
SPEC = VECTORS.parent / "SPEC.md"
CASES = json.loads((VECTORS / "index.json").read_text())["cases"]
FORMATS = ["raw", "json", "msgpack", "numpy", "arrow"]
ERRORS = {"ECORRUPT": zcx.Corrupt, "EVERSION": zcx.UnsupportedVersion, "ELIMIT": zcx.LimitExceeded}

WRITER = """
import json, sys, lmdb
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from generator.record import numpy_extras, record
store, formats = Path(sys.argv[2]), ["raw", "json", "msgpack", "numpy", "arrow"]
said = json.loads((store / "store.json").read_text())
with lmdb.open(str(store), map_size=said["map_size"], max_dbs=4, lock=True) as environment:
    records = environment.open_db(b"default", create=False)
    with environment.begin(records, write=True) as transaction:
        for case in json.load(sys.stdin):
            value = Path(sys.argv[1], case["file"]).read_bytes()
            if case["kind"] in formats:
                extras = numpy_extras(*case["envelope"].values()) if "envelope" in case else b"\\x80"
                value = record(value, extras, format=formats.index(case["kind"]))
            transaction.put(case["file"].encode(), value)
"""


def put_by_a_stranger(path, cases):
    with zcx.Store(path, budget=256 << 20):
        pass
    subprocess.run([sys.executable, "-c", WRITER, str(VECTORS), path], check=True,
                   input=json.dumps(cases), text=True)


def envelope_as_written(view):
    """The envelope and, unless it is in a slot, the payload, as the index has them."""
    envelope = view.envelope
    said = {"format": envelope.format_tag, "flags": envelope.flags, "in_slot": envelope.in_slot,
            "length": envelope.length, "transaction": envelope.transaction,
            "created": envelope.created_ns, "expires": envelope.expires_ns, "slot": envelope.slot,
            "generation": envelope.generation, "checksum": envelope.crc32c,
            "payload": bytes(view).hex()}
    for name in ("source", "target", "content_type", "dtype", "order"):
        if getattr(envelope, name) is not None:
            said[name] = getattr(envelope, name)
    if envelope.shape is not None:
        said["shape"] = [size if size < 1 << 63 else str(size) for size in envelope.shape]
    return said


def replay_record(store, case):
    key, expect = case["file"], case.get("expect", {})
    if expect.get("in_slot"):  # a slot that this store does not have
        envelopes = dict(store.scan(key, envelopes=True))
        assert (envelopes[key].slot, envelopes[key].length) == (expect["slot"], expect["length"])
        with pytest.raises(zcx.Corrupt):
            store.view(key)
    elif 0 < expect.get("expires", 0) < expect.get("created", 0) + 10_000:
        with pytest.raises(zcx.Expired):
            store.view(key)
    else:
        with store.view(key) as view:
            said = envelope_as_written(view)
            assert said == expect
            if expect["checksum"]:
                view.verify()


def replay_payload(store, case):
    assert written(store.get(case["file"])) == alike(case["expect"])


def replay(store, case):
    if case["kind"] == "record":
        replay_record(store, case)
    else:
        replay_payload(store, case)


STORED = [case for case in CASES if case["kind"] in ["record", *FORMATS]]


@pytest.fixture(scope="module")
def store(_directory):
    path = os.path.join(_directory, "vectors")
    put_by_a_stranger(path, STORED)
    with zcx.Store(path) as opened:
        yield opened


@pytest.mark.parametrize("case", STORED, ids=lambda case: case["file"])
def test_a_case_gives_what_the_index_says(store, case):
    if case["status"] == "OK":
        replay(store, case)
    else:
        with pytest.raises(ERRORS[case["status"]]) as raised:
            replay(store, case)
        assert len(str(raised.value)) > 10


# ---- references, which the package reads as msgpack (the core's own test replays them in JSON too) --

REFERENCES = [case for case in CASES if case["kind"] == "reference-msgpack"]
REFERENCE_ERRORS = {"EINVAL": zcx.InvalidArgument, "ECORRUPT": zcx.Corrupt}


@pytest.fixture(scope="module")
def exchange():
    from zcx import _zcx

    return _zcx.Exchange(json.dumps({"name": "vectors", "calculator": "python"}), False)


def fields_as_written(content):
    """The fields that the protocol knows."""
    known = re.findall(r"^\| `(_[a-z_]+)` \|", SPEC.read_text(), re.MULTILINE)
    fields = decode_reference(content)
    return {name: value.hex() if isinstance(value, bytes) else value
            for name, value in fields.items() if name in known}


@pytest.mark.parametrize("case", REFERENCES, ids=lambda case: case["file"])
def test_a_reference_gives_what_the_index_says(exchange, case):
    content = (VECTORS / case["file"]).read_bytes()
    if case["status"] == "OK":
        assert fields_as_written(content) == case["expect"]
        return
    with pytest.raises(REFERENCE_ERRORS[case["status"]], match="^the reference"):
        exchange.call().input_reference(content)


def test_no_file_is_left_over():
    files = {str(path.relative_to(VECTORS)) for path in VECTORS.rglob("*") if path.is_file()}
    files = {name for name in files if not name.startswith("generat") and name != "index.json"}
    in_json = {case["file"] for case in CASES if case["kind"] == "reference-json"}
    assert files == {case["file"] for case in [*STORED, *REFERENCES]} | in_json


def test_the_files_are_what_their_generator_writes(tmp_path):
    subprocess.run([sys.executable, "-B", str(VECTORS / "generate.py"), str(tmp_path)], check=True)
    assert json.loads((tmp_path / "index.json").read_text())["cases"] == CASES
    for case in CASES:
        if case["kind"] != "arrow":  # whose writer may choose other bytes
            assert (tmp_path / case["file"]).read_bytes() == (VECTORS / case["file"]).read_bytes()
