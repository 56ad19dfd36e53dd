"""Waiting for a key: blocking, and for asyncio."""

import asyncio
import datetime
import threading

import pytest

import zcx
from zcx._helpers import raise_record


def soon(action, *arguments, **options):
    timer = threading.Timer(0.02, action, arguments, options)
    timer.start()
    return timer


def test_what_comes(store):
    soon(store.put, "key", {"a": 1})
    with store.wait("key") as view:
        assert isinstance(view, zcx.View) and view.get() == {"a": 1}
        first = view.envelope.transaction
    assert store.wait(b"key", timeout=0).envelope.transaction == first
    soon(store.put, "key", {"a": 2})
    assert store.wait("key", after=first, timeout=30).get() == {"a": 2}


def test_nothing_comes(store):
    for seconds in (0, 0.05, 0.15, datetime.timedelta(milliseconds=20)):
        with pytest.raises(zcx.Timeout, match="'key' in (0|50|150|20) ms"):
            store.wait("key", timeout=seconds)
    with pytest.raises(TimeoutError):
        store.wait("key", 0, 0)


def test_what_ends_it_otherwise(store, path, run):
    transaction = store.put("gone", 1)
    soon(store.delete, "gone")
    with pytest.raises(zcx.Deleted, match="gone"):
        store.wait("gone", transaction)
    store.put("brief", 1, ttl=0.001)
    with pytest.raises(zcx.Expired):
        while True:  # until its millisecond is over
            store.wait("brief")


@pytest.mark.parametrize("arguments, error", [
    (("",), ValueError), ((1,), TypeError), (("key", -1), ValueError), (("key", 0, -1), ValueError),
    (("key", "x"), TypeError), ((), TypeError), (("key", 0, 1, 2), TypeError),
])
def test_bad_arguments(store, arguments, error):
    with pytest.raises(error):
        store.wait(*arguments)


def test_closed(store):
    store.close()
    with pytest.raises(zcx.Closed):
        store.wait("key", timeout=1)


def test_asyncio(store):
    async def main():
        waits = [asyncio.create_task(store.wait_async(f"key{i}")) for i in range(20)]
        await asyncio.sleep(0.01)
        for i in range(20):
            store.put(f"key{i}", i)
        assert [view.get() for view in await asyncio.gather(*waits)] == list(range(20))
        with pytest.raises(zcx.Timeout, match="'never'"):
            await store.wait_async("never", timeout=datetime.timedelta(milliseconds=150))
        task = asyncio.create_task(store.wait_async("never"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


@pytest.mark.parametrize("record, error", [
    ({"message": "it rained"}, zcx.CalculatorError), ({"message": "x", "status": 18}, zcx.CalculatorError),
    ({"message": "x", "status": 20}, zcx.ProducerDied), ({"message": "x", "status": 7}, zcx.Timeout),
    ({"message": "x", "status": 99}, zcx.CalculatorError), ({"status": "x"}, zcx.CalculatorError),
    ([], zcx.CalculatorError),
])
def test_error_records_are_what_they_stand_for(record, error):
    with pytest.raises(error):
        raise_record(record)
