"""The threads of submit: as many as there is work, up to a limit, and none for long without."""

import threading

import pytest

from conftest import until
from zcx import _threads


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.setattr(_threads, "pool", _threads.Pool())
    return _threads.pool


def test_more_work_than_threads(pool, monkeypatch):
    monkeypatch.setattr(_threads, "_MOST", 3)
    begun, go, most = threading.Semaphore(0), threading.Event(), []

    def work(cancelled):
        begun.release()
        go.wait()
        most.append(pool._threads)
        return len(most)

    futures = [_threads.start(work, True) for _ in range(20)]
    for _ in range(3):
        begun.acquire()
    assert not begun.acquire(blocking=False)
    assert futures[19].cancel()  # before it begins
    go.set()
    assert sorted(future.result() for future in futures[:19]) == list(range(1, 20))
    assert set(most) == {3} and not pool._work


def test_idle_threads_end(pool, monkeypatch):
    monkeypatch.setattr(_threads, "_IDLE", 0.01)
    assert [_threads.start(lambda cancelled: 5, True).result() for _ in range(10)] == [5] * 10
    until(lambda: not pool._threads)
    assert _threads.start(lambda cancelled: 6, False).result() == 6


def test_cancelling(pool):
    seen, go = threading.Event(), threading.Event()

    def work(cancelled):
        seen.set()
        until(cancelled)
        go.set()
        raise ValueError("nobody hears of this")

    future = _threads.start(work, True)
    seen.wait()
    assert future.cancel() and future.cancelled() and go.wait(30)
    until(lambda: not pool._under_way)

    def begun(cancelled):
        seen.set()
        go.wait()
        raise ValueError("wrong")

    seen.clear()
    go.clear()
    future = _threads.start(begun, False)
    seen.wait()
    assert not future.cancel()
    go.set()
    with pytest.raises(ValueError, match="wrong"):
        future.result()


def test_the_end_cancels_what_is_under_way(pool):
    begun, ended = threading.Semaphore(0), []

    def work(cancelled):
        begun.release()
        until(cancelled)
        ended.append(1)

    futures = [_threads.start(work, True) for _ in range(5)]
    for _ in futures:
        begun.acquire()
    pool.end()
    assert len(ended) == 5 and all(future.cancelled() for future in futures)
