"""Scans and batches."""

import numpy as np
import pytest

import zcx


@pytest.fixture
def filled(store):
    with store.batch() as batch:
        for number in range(3000):
            batch.put(f"key{number:04}", b"x" * (number % 50))
        batch.put("other", {"a": np.arange(10_000)})
    return store


def test_scan(filled):
    keys = [f"key{number:04}" for number in range(3000)]
    assert list(filled.scan()) == keys + ["other"]
    assert list(filled.scan("key")) == keys == list(filled.scan(prefix=b"key"))
    assert list(filled.scan("key29", limit=5)) == keys[2900:2905]
    assert list(filled.scan(start="key0100", stop="key0102")) == keys[100:102]
    assert list(filled.scan("key", reverse=True, limit=2)) == ["key2999", "key2998"]
    assert list(filled.scan(start="key2999", reverse=True)) == ["other", "key2999"]
    assert list(filled.scan("nothing")) == [] == list(filled.scan(limit=0))
    assert list(filled.scan(start="b", stop="a")) == []
    for wrong in ({"limit": -1}, {"prefix": 5}, {"start": 1.5}):
        with pytest.raises((TypeError, ValueError)):
            list(filled.scan(**wrong))


def test_scan_with_envelopes(filled):
    pairs = list(filled.scan("key00", envelopes=True))
    assert len(pairs) == 100
    for key, envelope in pairs:
        assert isinstance(envelope, zcx.Envelope) and envelope.length == int(key[3:]) % 50


def test_scan_while_writing(filled):
    seen = []
    for key in filled.scan("key"):
        seen.append(key)
        filled.delete(key)
        filled.put("aaa" + key, b"")
    assert len(seen) == 3000 and list(filled.scan("key")) == []
    snapshot = filled.scan(snapshot=True)
    for key in list(filled):
        filled.delete(key)
    assert len(list(snapshot)) == 3001 and len(filled) == 0


def test_an_exhausted_scan_stays_exhausted(store):
    store["a"] = 1
    scan = store.scan()
    assert next(scan) == "a"
    for _ in range(3):
        with pytest.raises(StopIteration):
            next(scan)


def test_batch_is_atomic(filled):
    batch = filled.batch()
    batch.put("new", b"1")
    batch.delete("other")
    batch.delete("not there")
    assert "new" not in filled and "other" in filled
    transaction = batch.commit()
    assert filled.view("new").envelope.transaction == transaction
    assert "other" not in filled
    for call in (lambda: batch.put("a", 1), lambda: batch.delete("a"), batch.commit):
        with pytest.raises(zcx.Closed):
            call()
    batch.discard()


def test_batch_takes_every_format(store):
    pa = pytest.importorskip("pyarrow")
    array, table = np.arange(10_000).reshape(100, 100), pa.table({"a": [1, 2]})
    with store.batch() as batch:
        batch.put("raw", b"x" * 5000, ttl=0, source="me")
        batch.put("array", array)
        batch.put("strided", array[:, ::2])
        batch.put("map", {"a": array})
        batch.put("json", [1], format="json")
        batch.put("table", table)
        batch.put("table", b"later wins")
    assert store["raw"] == b"x" * 5000 and (store["array"] == array).all()
    assert (store["strided"] == array[:, ::2]).all() and (store["map"]["a"] == array).all()
    assert store["json"] == [1] and store["table"] == b"later wins"
    assert store.view("raw").envelope.source == "me"


def test_leaving_a_batch_by_an_exception_discards(store):
    with pytest.raises(RuntimeError):
        with store.batch() as batch:
            batch.put("key", bytes(10_000))
            raise RuntimeError
    with store.batch() as batch:
        batch.put("key", 1)
        batch.discard()
    with store.batch() as batch:
        with pytest.raises(TypeError):
            batch.put("bad", object())
        batch.put("good", 1)
    assert list(store) == ["good"] and store.stat()["slots"]["loaned"]["slots"] == 0


def test_a_dropped_batch_gives_its_loans_back(store):
    batch = store.batch()
    batch.put("key", bytes(100_000))
    del batch
    assert store.stat()["slots"]["loaned"]["slots"] == 0
