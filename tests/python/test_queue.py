"""Calls to workers in processes of their own: what comes back, who may die, what is left."""

import asyncio
import json
import os
import signal
import threading

import numpy as np
import pytest

import zcx
from conftest import until
from zcx.lmdb import wrap_with_lmdb


def same(one, other):
    if isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and (one == other).all()
    if isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in other)
    return one == other


@pytest.mark.parametrize("mode", ["input", "output", "both"])
def test_formats_and_sizes(queue, mode):
    pa = pytest.importorskip("pyarrow")
    queue.serving("hosted:Echo")
    cases = {
        "raw": [b"x" * size for size in (0, 1, 1000, 1024, 1025, 5000, 10_000_000)],
        "numpy": [np.arange(size, dtype="<i4").reshape(-1, 1) for size in (0, 1, 250, 300, 2_500_000)],
        "msgpack": [None, 1, "x" * 10_000_000, {}, {"a": np.ones(1_000_000), "b": [1, "two"]},
                    np.array(5), np.array(["a", "b"]), np.zeros(200, [("a", "i4"), ("b", "M8[s]")])],
        "json": [None, {"a": [1, 2.5, "x" * 100_000]}],
        "arrow": [pa.table({"a": list(range(size))}) for size in (0, 1, 1_000_000)],
    }
    for format, inputs in cases.items():
        calculator = queue.calculator(lmdb_data_format=format, lmdb_exchange_mode=mode)
        for data in inputs:
            assert same(calculator.calculate(data), data), (format, data)
    queue.assert_empty()


def test_100_mb(queue):
    queue.serving("hosted:Echo")
    data = np.arange(12_500_000.0)
    got = queue.calculator().calculate(data)
    assert (got == data).all() and not got.flags.writeable
    del got
    queue.assert_empty()


def test_the_answers_format_is_what_put_would_choose(queue):
    queue.serving("hosted:Acts")
    calculator = queue.calculator(lmdb_exchange_mode="reference")
    with zcx.Store(queue.path) as store:
        for answer, format in ((np.arange(5), "numpy"), (b"x", "raw"), ({"a": 1}, "msgpack")):
            reference = calculator.calculate({"do": "answer", "answer": answer})
            assert store.view(reference["_lmdb_output_key"]).envelope.format == format
            del reference
    queue.assert_empty()


def test_failures(queue):
    worker = queue.serving("hosted:Acts")
    calculator = queue.calculator()
    with pytest.raises(zcx.CalculatorError, match="'test': ValueError: no such airport") as failed:
        calculator.calculate({"do": "fail"})
    assert "in fail" in failed.value.trace and "zcx/worker.py" not in failed.value.trace
    with pytest.raises(zcx.CalculatorError, match="TypeError.*set"):
        calculator.calculate({"do": "unencodable"})
    with pytest.raises(zcx.CalculatorError, match="KeyError"):
        calculator.calculate({})
    with pytest.raises(TypeError, match="list"):
        calculator.calculate({1})
    assert calculator.calculate({"do": "pid"}) == worker.pid
    with pytest.raises(zcx.CalculatorError, match="enough"):
        calculator.calculate({"do": "leave"})
    assert worker.wait() == 1
    queue.assert_empty()


def test_chaining_puts_nothing_twice(queue):
    queue.serving("hosted:Echo")
    calculator = queue.calculator()
    with zcx.Store(queue.path) as store:
        store.put("mine", np.arange(100_000))
        for data in (store.get("mine"), store.view("mine")):
            before = store.stat()["slots"]["published"]["slots"]
            got = calculator.calculate(data)
            again = calculator.calculate(got)
            assert store.stat()["slots"]["published"]["slots"] == before + 2  # their outputs
            assert (again == store.get("mine")).all()
            del got, again
            calculator.sweep()
        refers = queue.calculator(lmdb_exchange_mode="reference")
        reference = refers.calculate(refers.calculate(np.arange(10)))
        assert store.get(reference["_lmdb_output_key"]).tolist() == list(range(10))
        del reference, data
        store.delete("mine")
    queue.assert_empty()


def test_wrap_with_lmdb_takes_it(queue):
    queue.serving("hosted:Echo")
    wrapped = wrap_with_lmdb(queue.calculator(), {**queue.config, "lmdb_min_size": 10}, "wrapped")
    data = {"a": np.arange(1000)}
    assert wrapped.name == "wrapped" and same(wrapped.calculate(data), data)
    assert wrapped.submit(5).result() == 5
    wrapped.sweep()
    queue.assert_empty()


# ---- who dies, and when ---------------------------------------------------------------------------


def test_a_killed_workers_request_goes_to_another(queue, tmp_path):
    calculator = queue.calculator()
    first = queue.serving("hosted:Acts")
    for round in range(200 if os.environ.get("ZCX_SOAK") else 4):
        flag = tmp_path / f"flag{round}"
        future = calculator.submit({"do": "hang_once", "flag": str(flag), "": b"x" * (round % 2 * 99_999)})
        until(flag.exists)
        second = queue.serving("hosted:Acts")
        first.kill()
        assert future.result() == second.pid
        first = second
    del future
    queue.assert_empty()


def test_a_deadly_request_is_an_error(queue):
    for _ in range(3):
        queue.serving("hosted:Acts")
    with pytest.raises(zcx.ProducerDied, match="3 workers of queue 'tests' died"):
        queue.calculator().calculate({"do": "die"})
    queue.assert_empty()


def test_nobody_answers_in_time(queue, tmp_path):
    with pytest.raises(zcx.Timeout, match="in 150 ms from queue 'tests', which 0 workers"):
        queue.calculator(lmdb_wait_timeout=150).calculate(b"x" * 5000)
    queue.assert_empty()
    queue.serving("hosted:Acts")
    with pytest.raises(TimeoutError, match="in 250 ms.* 1 workers"):
        queue.calculator(lmdb_wait_timeout=250).calculate({"do": "hang", "release": "/nowhere"})
    queue.assert_empty()


def test_cancelled_requests_are_taken_back(queue, tmp_path):
    calculator = queue.calculator()
    waiting = calculator.submit(b"x" * 5000)
    until(lambda: queue.stat()["waiting"] == 1)
    assert waiting.cancel() and waiting.cancelled()
    until(lambda: queue.stat()["waiting"] == 0)

    queue.serving("hosted:Acts")
    begun, release = tmp_path / "begun", tmp_path / "release"
    claimed = calculator.submit({"do": "hang", "begun": str(begun), "release": str(release)})
    until(begun.exists)
    assert claimed.cancel()
    until(lambda: not queue.stat()["claims"])
    release.touch()
    assert isinstance(calculator.calculate({"do": "pid"}), int)
    del waiting, claimed
    queue.assert_empty()


LEAKS = """if True:
    import gc, json, sys, zcx
    calculator = zcx.Calculator(json.loads(sys.argv[1]))
    def rounds(count):
        for _ in range(count):
            calculator.calculate({"do": "answer", "answer": b"x" * 5000})
            calculator.submit({"do": "pid"}).result()
            for call in (lambda: calculator.calculate({"do": "fail"}),
                         lambda: calculator.calculate({1}), lambda: calculator.submit({1}).result()):
                try:
                    call()
                except (zcx.CalculatorError, TypeError):
                    pass
        gc.collect()
        calculator.sweep()
        return sys.gettotalrefcount() if hasattr(sys, "gettotalrefcount") else sys.getallocatedblocks()
    rounds(50)
    before = rounds(50)
    print(rounds(200) - before)
"""


def test_nothing_is_leaked(queue, run):
    queue.serving("hosted:Acts")
    assert int(run(LEAKS, json.dumps(queue.config), PYTHONMALLOC="debug")) < 100
    queue.assert_empty()


# ---- Ctrl-C, and the end of the caller ----------------------------------------------------------------

CALLS = """if True:
    import json, os, sys, zcx
    calculator = zcx.Calculator(json.loads(sys.argv[1]))
    try:
        calculator.calculate(b"x" * 5000)
    except KeyboardInterrupt:
        print("interrupted")
"""
WAITS = """if True:
    import sys, zcx
    store = zcx.Store(sys.argv[1])
    try:
        print("ready", flush=True)
        store.wait("never")
    except KeyboardInterrupt:
        print("interrupted")
"""
LEAVES = """if True:
    import json, sys, zcx
    calculator = zcx.Calculator(json.loads(sys.argv[1]))
    future = calculator.submit(b"x" * 5000)
    with zcx.Store(sys.argv[2]) as store:
        while not any(one["waiting"] for one in store.stat()["queues"]):
            pass
    print("left")
"""


def test_ctrl_c_cancels_the_request(queue):
    child = queue.start("-c", CALLS, json.dumps(queue.config))
    until(lambda: queue.stat()["waiting"] == 1)
    child.send_signal(signal.SIGINT)
    assert child.stdout.read() == "interrupted\n" and child.wait() == 0
    queue.assert_empty()


def test_ctrl_c_ends_a_wait(queue, path):
    child = queue.start("-c", WAITS, path)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    assert child.stdout.read() == "interrupted\n" and child.wait() == 0


def test_a_caller_that_leaves_takes_its_requests_along(queue):
    child = queue.start("-c", LEAVES, json.dumps(queue.config), queue.path)
    assert child.stdout.read() == "left\n" and child.wait() == 0
    assert queue.stat()["waiting"] == 0
    queue.assert_empty()


# ---- asyncio and threads -------------------------------------------------------------------------------


def test_asyncio(queue):
    queue.serving("hosted:Echo")
    calculator = queue.calculator()

    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        got = await asyncio.gather(*(calculator.calculate_async(np.full(1000 * i, i))
                                     for i in range(50)))
        ticking.cancel()
        assert all(len(one) == 1000 * i and (one == i).all() for i, one in enumerate(got))
        assert ticks

    asyncio.run(main())
    queue.assert_empty()


def test_asyncio_cancels(queue):
    calculator = queue.calculator()

    async def main():
        task = asyncio.create_task(calculator.calculate_async(b"x" * 5000))
        await asyncio.to_thread(until, lambda: queue.stat()["waiting"] == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(calculator.calculate_async(1), 0.2)

    asyncio.run(main())
    until(lambda: queue.stat()["waiting"] == 0)
    queue.assert_empty()


def test_threads(queue):
    queue.serving("hosted:Echo", "--concurrency", "2")
    calculator, wrong = queue.calculator(), []

    def work(number):
        for round in range(50):
            data = np.full(100 + round * 20, number)
            if not same(calculator.calculate(data), data):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    queue.assert_empty()


def test_a_forked_child_calls_by_a_calculator_of_its_own(queue):
    queue.serving("hosted:Echo")
    assert queue.calculator().submit(1).result() == 1
    child = os.fork()
    if child == 0:
        status = 1
        try:
            calculator = zcx.Calculator(queue.config)
            status = 0 if calculator.submit(2).result(30) == 2 else 1
            calculator.sweep()  # os._exit() leaves the last output's record to its time to live
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    queue.assert_empty()
