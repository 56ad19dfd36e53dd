"""What goes in comes out, by files and by pipes."""
import json
import os
import random
import subprocess

import pytest

SIZES = [0, 1, 1_000, 1_900, 16_383, 16_384, 16_385, 1_000_000, 100_000_000]


def payload(size):
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_files(zcx, tmp_path, size):
    (tmp_path / "in").write_bytes(payload(size))
    zcx.run("put", "key", tmp_path / "in")
    zcx.run("get", "key", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == payload(size)


@pytest.mark.parametrize("size", SIZES)
def test_pipes(zcx, size):
    zcx.run("put", "key", "-", stdin=payload(size))
    assert zcx.out("get", "key", "-") == payload(size)
    assert zcx.out("get", "key") == payload(size)


def test_a_file_from_its_middle_on(zcx, tmp_path):
    """Standard input that is a file need not be at its beginning."""
    data = payload(100_000)
    (tmp_path / "in").write_bytes(data)
    with open(tmp_path / "in", "rb", buffering=0) as file:
        os.lseek(file.fileno(), 60_000, os.SEEK_SET)
        subprocess.run(zcx.argv("put", "key"), stdin=file, check=True)
    assert zcx.out("get", "key") == data[60_000:]


def test_what_it_says_is_stored(zcx):
    zcx.run("put", "key", "--format=json", "--ttl=2h", "--content-type=application/json",
            "--source=loader", "--target=model", "--checksum", stdin=b'{"a": 1}')
    record = zcx.json("stat", "key")
    assert record["key"] == "key" and record["format"] == "json" and record["length"] == 8
    assert record["source"] == "loader" and record["target"] == "model"
    assert record["content_type"] == "application/json"
    assert record["expires"] - record["created"] == 7200 * 10**9
    assert record["crc32c"] > 0
    assert zcx.out("get", "--verify", "key") == b'{"a": 1}'


def test_an_array(zcx):
    data = payload(48)
    zcx.run("put", "key", "--format=numpy", "--dtype=<f8", "--shape=2,3", stdin=data)
    record = zcx.json("stat", "key")
    assert (record["dtype"], record["shape"], record["order"]) == ("<f8", [2, 3], "C")
    assert zcx.out("get", "key") == data
    assert "[2, 3]" in zcx.out("stat", "key").decode()


def test_overwriting(zcx):
    for size in [10, 5_000_000, 3, 200_000]:
        zcx.run("put", "key", stdin=payload(size))
        assert zcx.out("get", "key") == payload(size)
    assert zcx.json("stat")["databases"] == [{"name": "default", "records": 1}]


def test_databases_are_apart(zcx):
    zcx.run("put", "key", stdin=b"default")
    zcx.run("put", "key", "--database=other", stdin=b"other")
    assert zcx.out("get", "key") == b"default"
    assert zcx.out("get", "key", "-d", "other") == b"other"
    zcx.run("get", "key", "-d", "third", code=1)


def test_keys_of_any_bytes(zcx):
    zcx.run("put", "--hex", "00ff0a", stdin=b"odd")
    zcx.run("put", "grüß", stdin=b"text")
    assert zcx.out("get", "-x", "00FF0A") == b"odd"
    assert zcx.out("ls").decode().splitlines() == ["\\x00\\xff\\x0a", "grüß"]
    assert zcx.out("get", b"gr\xc3\xbc\xc3\x9f") == b"text"
    records = [json.loads(line) for line in zcx.out("ls", "--json").splitlines()]
    assert records[0]["key_hex"] == "00ff0a" and records[1]["key"] == "grüß"


def test_describing_what_was_got(zcx, tmp_path):
    put = zcx.json("put", "key", stdin=b"x" * 5000)
    got = zcx.json("get", "key", tmp_path / "out")
    assert got["length"] == put["length"] == 5000
    assert got["transaction"] == put["transaction"]
    assert (tmp_path / "out").read_bytes() == b"x" * 5000
