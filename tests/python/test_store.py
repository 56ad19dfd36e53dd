"""Stores: opening, putting and getting, time to live, looking after, closing."""

import datetime
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

import zcx
from zcx import _zcx, errors

ROOT = Path(__file__).parents[2]


def test_the_readme_lines(path):
    with zcx.Store(path) as store:
        with store.loan(8_000_000) as loan:
            loan.array("f8", (1000, 1000))[:] = 1.0
            loan.publish("prices", ttl=60)
        prices = store.get("prices")
        assert isinstance(prices, np.ndarray) and prices.shape == (1000, 1000)
        assert prices.sum() == 1e6
        with store.view("prices") as view:
            assert view.nbytes == 8_000_000
            assert view.envelope.format == "numpy"
            left = view.envelope.expires - datetime.datetime.now(datetime.timezone.utc)
            assert 50 < left.total_seconds() <= 60
        store.put("config", {"window": 20, "weights": np.ones(20)})
        assert store.get("config")["weights"].sum() == 20
        assert store.get("nothing", None) is None
        with pytest.raises(KeyError):
            store.get("nothing")
        assert [key for key in store.scan(prefix="p")] == ["prices"]
        assert store.stat()["store"]["path"] == path
        assert store.delete("prices") is True
        assert store.delete("prices") is False


def test_every_status_has_its_exception():
    table = re.findall(r"X\((\d+), (\w+), \"(.*?)\"\)",
                       (ROOT / "core/include/zcx.h").read_text())
    names = {int(number): f"ZCX_{name}" for number, name, _ in table}
    assert _zcx.STATUSES == names
    assert len(errors.EXCEPTIONS) == len(names)
    assert [kind.status for kind in errors.EXCEPTIONS] == sorted(names)
    assert len(set(errors.EXCEPTIONS)) == len(names)
    assert all(issubclass(kind, zcx.Error) and getattr(zcx, kind.__name__) is kind
               for kind in errors.EXCEPTIONS)


@pytest.mark.parametrize("kind, builtin", [
    (zcx.NotFound, KeyError), (zcx.Expired, KeyError), (zcx.InvalidArgument, ValueError),
    (zcx.LimitExceeded, ValueError), (zcx.Full, OSError), (zcx.Busy, OSError),
    (zcx.Timeout, TimeoutError), (zcx.AccessRefused, PermissionError), (zcx.Closed, ValueError),
    (zcx.OutOfMemory, MemoryError), (zcx.Stale, OSError),
])
def test_exceptions_are_the_natural_built_ins(kind, builtin):
    error = kind("the sentence", 5)
    assert isinstance(error, builtin) and isinstance(error, zcx.Error)
    assert str(error) == "the sentence" and error.cause == 5


def test_put_picks_the_format(store):
    def stored(data, **options):
        store.put("key", data, **options)
        with store.view("key") as view:
            return view.envelope.format

    for data in (b"x", bytearray(b"x"), memoryview(b"x")):
        assert stored(data) == "raw"
    for data in (None, True, 1, 1.5, "x", [1], (1,), {"a": 1}, np.float64(1)):
        assert stored(data) == "msgpack"
    assert stored(np.zeros(3)) == "numpy"
    assert stored({"a": 1}, format="json") == "json"
    assert stored(b"x", format="msgpack") == "msgpack"
    with pytest.raises(ValueError, match="pickle"):
        stored(1, format="pickle")
    with pytest.raises(TypeError, match="encode the text"):
        stored("text", format="raw")
    with pytest.raises(TypeError, match="numpy.asarray"):
        stored([1, 2], format="numpy")
    with pytest.raises(TypeError, match="pyarrow"):
        stored([1, 2], format="arrow")


def test_put_returns_rising_transactions(store):
    first = store.put("a", b"1")
    second = store.put("a", b"2")
    assert second > first > 0
    with store.view("a") as view:
        assert view.envelope.transaction == second


@pytest.mark.parametrize("size", [0, 1, 1024, 1900, 2100, 70_000, 3_000_000])
def test_raw_bytes_come_back_as_a_memoryview(store, size):
    data = os.urandom(size)
    store.put("raw", data)
    got = store.get("raw")
    assert isinstance(got, memoryview) and got.readonly and got == data and bytes(got) == data


def test_strided_bytes(store):
    store.put("raw", memoryview(bytes(range(100)))[::3])
    assert bytes(store.get("raw")) == bytes(range(0, 100, 3))


def test_envelope(store):
    store.put("key", b"abc", ttl=0, source="me", target="you", content_type="text/plain",
              checksum=True)
    with store.view("key") as view:
        envelope = view.envelope
        assert view.verify() is True and view.key == "key"
        assert bytes(view) == b"abc" and len(view) == 3
    assert (envelope.source, envelope.target, envelope.content_type) == ("me", "you", "text/plain")
    assert envelope.expires is None and envelope.ttl is None and envelope.length == 3
    assert envelope.has_checksum and not envelope.is_error and envelope.dtype is None
    age = datetime.datetime.now(datetime.timezone.utc) - envelope.created
    assert abs(age.total_seconds()) < 60
    store.put("array", np.zeros((2, 3), ">i2", order="F"))
    with store.view("array") as view:
        envelope = view.envelope
        assert view.verify() is None
    assert (envelope.dtype, envelope.shape, envelope.order) == (">i2", (2, 3), "F")
    assert envelope.ttl == 300 and "numpy" in repr(envelope)


@pytest.mark.parametrize("ttl, seconds", [
    (1, 1), (0.25, 0.25), (datetime.timedelta(minutes=2), 120), (1e-9, 0.001), (0, None),
    (None, None), (10**9, 1e9),
])
def test_ttl(store, ttl, seconds):
    store.put("key", 1, ttl=ttl)
    with store.view("key") as view:
        assert view.envelope.ttl == seconds


@pytest.mark.parametrize("ttl, error", [
    (-1, ValueError), (float("nan"), ValueError), (float("inf"), ValueError), (10**30, Exception),
    ("soon", TypeError),
])
def test_wrong_ttl(store, ttl, error):
    with pytest.raises(error):
        store.put("key", 1, ttl=ttl)


def test_expired_records_do_not_exist(store):
    store.put("key", b"x" * 5000, ttl=0.001)
    with store.view("key") if store.exists("key") else store.loan(0):
        while store.exists("key"):
            pass
        with pytest.raises(zcx.Expired, match="key"):
            store.get("key")
        assert store.get("key", 7) == 7 and "key" not in store
        assert len(store) == 1
        assert list(store) == [] and list(store.scan(expired=True)) == ["key"]
        store.sweep()
        assert len(store) == 0


def test_as_a_mapping(store):
    store["a"] = [1, 2]
    store["b"] = b"bytes"
    assert store["a"] == [1, 2] and store["b"] == b"bytes"
    assert "a" in store and b"a" in store and "c" not in store
    assert len(store) == store.count() == 2 and list(store) == list(store.keys()) == ["a", "b"]
    assert dict(store.items()) == {"a": [1, 2], "b": b"bytes"}
    assert list(store.values()) == [[1, 2], b"bytes"]
    del store["a"]
    with pytest.raises(KeyError):
        del store["a"]
    with pytest.raises(KeyError, match="'a'|a"):
        store["a"]
    assert bool(store)


def test_keys(store):
    store.put("grün", 1)
    store.put(b"\xff\x00", 2)
    store.put("x" * 511, 3)
    assert list(store) == ["grün", "x" * 511, b"\xff\x00"]
    assert store.get("grün".encode()) == 1
    for key in ("", b"", "x" * 512):
        with pytest.raises(ValueError):
            store.put(key, 1)
        with pytest.raises(ValueError):
            store.get(key, None)
    for key in (1, None, ["x"]):
        with pytest.raises(TypeError):
            store.put(key, 1)
    with pytest.raises(UnicodeEncodeError):
        store.put("\ud800", 1)


def test_databases_are_apart(path):
    with zcx.Store(path) as one, zcx.Store(path, database="other") as other:
        one["key"] = 1
        other["key"] = 2
        assert one["key"] == 1 and other["key"] == 2 and other.database == "other"
    with pytest.raises(ValueError, match="zcx.slots"):
        zcx.Store(path, database="zcx.slots")


def test_opening(path, monkeypatch):
    with pytest.raises(zcx.NotFound):
        zcx.Store(path, create=False)
    zcx.Store(path, budget=64 << 20).close()
    with pytest.raises(zcx.Busy, match="67108864"):
        zcx.Store(Path(path), budget=128 << 20)
    with pytest.raises(ValueError, match="durability"):
        zcx.Store(path, durability="always")
    for wrong in ({"budget": -1}, {"budget": 1.5}, {"lock_timeout": -1}, {"database": 1}):
        with pytest.raises((ValueError, TypeError)):
            zcx.Store(path, **wrong)
    monkeypatch.setenv("ZCX_PATH", path)
    with zcx.Store() as store:
        assert store.path == path and path in repr(store) and not store.closed


def test_durable(_directory, tmp_path):
    with zcx.Store(tmp_path / "durable", durability="commit", budget=64 << 20) as store:
        store["key"] = np.arange(10000)
        assert store.stat()["store"]["durability"] == "commit"
        assert (store["key"] == np.arange(10000)).all()


def test_closing(path):
    store = zcx.Store(path)
    store["array"] = np.arange(10000)
    array, view, loan = store["array"], store.view("array"), store.loan(5000)
    scan, batch = store.scan(), store.batch()
    store.close()
    store.close()
    assert store.closed and "closed" in repr(store)
    for call in (lambda: store.put("k", 1), lambda: store.get("k"), lambda: store.view("k"),
                 lambda: store.loan(1), lambda: store.delete("k"), lambda: "k" in store,
                 lambda: len(store), lambda: store.scan(), lambda: store.batch(), store.stat,
                 store.sweep, store.check, lambda: store.path, lambda: store.__setitem__("k", 1)):
        with pytest.raises(zcx.Closed, match="closed"):
            call()
    with zcx.Store(path) as other:
        other["array"] = np.zeros(10000)
        for _ in range(50):
            other["array"] = np.zeros(10000)
        assert (array == np.arange(10000)).all() and view.nbytes == 80000
        loan.publish("late")
        assert next(scan) == "array"
        batch.put("batched", 1)
        batch.commit()
        assert set(other) == {"array", "late", "batched"}


def test_looking_after(store):
    store.put("a", np.zeros(1000), checksum=True)
    assert store.check()["sound"] is True
    assert store.stat()["databases"] == [{"name": "default", "records": 1}]
    assert isinstance(store.sweep(trim=True), dict)


def test_full_names_who_holds(path):
    with zcx.Store(path, budget=32 << 20) as store:
        held = []
        with pytest.raises(zcx.Full, match=str(os.getpid())):
            for _ in range(100):
                store.put("key", bytes(4 << 20))
                held.append(store.view("key"))
        with pytest.raises(zcx.Timeout):
            store.loan(30 << 20, timeout=0.01)
        with pytest.raises(ValueError):
            store.loan(1 << 33)
        started = time.monotonic()
        with pytest.raises(zcx.Full):
            store.loan(30 << 20)
        assert time.monotonic() - started < 60
        del held
        for key in list(store):
            store.delete(key)
        store.put("again", bytes(4 << 20))


def test_arguments(store):
    for call in (lambda: store.put("a"), lambda: store.put("a", 1, "raw"), lambda: store.get(),
                 lambda: store.put("a", 1, color="red"), lambda: store.put("a", 1, data=2),
                 lambda: store.loan(), lambda: store.loan("many"), lambda: store.scan(1, 2)):
        with pytest.raises(TypeError):
            call()
    for size in (-1, 1 << 70):
        with pytest.raises(ValueError):
            store.loan(size)
    assert store.put(key="a", data=1) and store.get(key="a", default=None) == 1


def test_version():
    assert zcx.__version__ == (ROOT / "VERSION").read_text().strip()
