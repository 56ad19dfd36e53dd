"""Views: what they hold does not change, whatever happens to the record, the store, the process."""

import gc
import multiprocessing
import os
import sys
import threading

import numpy as np
import pytest

import zcx

SIZES = [100, 5000, 300_000]


def test_buffers_of_a_view(store):
    store.put("key", b"abc" * 1000)
    with store.view("key") as view:
        memory = memoryview(view)
        assert memory.readonly and memory.format == "B" and memory.nbytes == view.nbytes == 3000
        assert bytes(view)[:3] == b"abc" and np.frombuffer(view, "u1")[1] == ord("b")
        with pytest.raises(TypeError):
            memory[0] = 1
        assert "'key'" in repr(view) and "3000" in repr(view)
        assert view.get() == b"abc" * 1000


def test_release(store):
    store.put("key", np.arange(1000))
    view = store.view("key")
    view.release()
    view.release()
    assert view.released and "released" in repr(view)
    for call in (lambda: view.nbytes, lambda: view.envelope, lambda: view.key, lambda: len(view),
                 lambda: memoryview(view), view.get, view.verify, view.__enter__):
        with pytest.raises(zcx.Closed, match="released"):
            call()


def test_leaving_with_under_live_arrays_defers_the_unpin(store):
    store.put("key", np.arange(1000))
    with store.view("key") as view:
        array, memory = np.frombuffer(view, "i8"), memoryview(view)[8:16]
    assert store.stat()["holders"][0]["views"] == 1
    store.put("key", np.zeros(1000))
    assert array[999] == 999 and memory.cast("q")[0] == 1
    del array
    assert store.stat()["holders"][0]["views"] == 1
    del memory
    assert store.stat()["holders"][0]["views"] == 0


@pytest.mark.parametrize("size", SIZES)
def test_a_held_view_never_changes(path, size):
    data = os.urandom(size)
    with zcx.Store(path, budget=64 << 20) as store:
        store.put("key", data, ttl=0.05)
        view, array = store.view("key"), np.frombuffer(store.get("key"), "u1")
        memory = store.get("key")
        for number in range(1000):
            store.put("key", bytes([number % 256]) * size, ttl=0.05)
        while store.exists("key"):
            pass
        store.sweep(trim=True)
        store.put("key", bytes(size))
        store.delete("key")
        for number in range(20):
            store.put(f"other{number}", bytes(size))
        assert bytes(view) == data and array.tobytes() == data and memory == data
    with zcx.Store(path) as other:
        for number in range(20):
            other.put(f"other{number}", bytes(size))
        assert bytes(view) == data and array.tobytes() == data and memory == data
        view.release()
        assert array.tobytes() == data and memory == data


def test_the_writer_may_be_killed(store, run):
    """A process publishes, and is killed while it holds a loan and views."""
    run("""
import os, signal, sys, zcx
store = zcx.Store(sys.argv[1])
store.put("key", b"x" * 100000)
if os.fork() == 0:
    mine = zcx.Store(sys.argv[1])
    view, loan = mine.view("key"), mine.loan(100000)
    memoryview(loan)[:] = b"y" * 100000
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
""", store.path)
    view = store.view("key")
    store.sweep()
    assert store.stat()["slots"]["loaned"]["slots"] == 0
    for number in range(50):
        store.put("key", bytes(100_000))
    assert bytes(view) == b"x" * 100_000


def forked(work):
    """Runs work in a forked child; it must return a true value."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        except BaseException as error:
            print(repr(error), file=sys.stderr)
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def refused(call):
    try:
        call()
    except zcx.Forked as error:
        return "fork" in str(error)
    return False


def test_after_fork_inherited_handles_are_refused(store):
    store.put("key", np.arange(10_000))
    array, view, loan = store.get("key"), store.view("key"), store.loan(5000)
    small, lent = store.loan(10), loan.array("f8", 5)
    batch = store.batch()

    def child():
        assert (array == np.arange(10_000)).all() and view.nbytes == 80_000
        assert refused(lambda: store.get("key")) and refused(lambda: store.put("key", b"1"))
        assert refused(lambda: store.delete("key")) and refused(lambda: store.loan(5000))
        assert refused(lambda: store.exists("key")) and refused(lambda: len(store))
        assert refused(lambda: list(store.scan())) and refused(store.stat)
        assert refused(lambda: loan.publish("child")) and refused(lambda: small.publish("child"))
        assert refused(lambda: memoryview(loan)) and refused(lambda: loan.array("f8", 1))
        assert refused(lambda: batch.put("child", b"x")) or refused(batch.commit)
        with zcx.Store(store.path) as own:
            assert own.get("key")[5] == 5
            own.put("from the child", [1, 2])
        return True

    forked(child)
    assert store.get("from the child") == [1, 2]
    del lent
    loan.publish("parent")
    assert "child" not in store


def test_a_childs_garbage_collector_clears_no_pins(store):
    store.put("key", np.arange(100_000))
    held = {"array": store.get("key"), "view": store.view("key"), "loan": store.loan(100_000)}

    def child():
        held.clear()
        gc.collect()
        store.close()
        return True

    forked(child)
    for number in range(200):
        store.put("key", np.full(100_000, number))
    assert (held["array"] == np.arange(100_000)).all()
    assert store.stat()["slots"]["loaned"]["slots"] == 1


def _pool_task(path, number):
    with zcx.Store(path) as store:
        total = float(store.get("input").sum())
        store.put(f"output{number}", np.full(1000, number))
        return total


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(store, method):
    store.put("input", np.arange(1000.0))
    held = store.get("input")
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.starmap(_pool_task, [(store.path, number) for number in range(6)])
    assert results == [499500.0] * 6 and held.sum() == 499500
    assert all(store.get(f"output{number}")[0] == number for number in range(6))


def test_arrays_pickle_as_copies(store):
    import pickle

    store.put("key", np.arange(1000))
    again = pickle.loads(pickle.dumps(store.get("key")))
    assert again.flags.writeable and (again == np.arange(1000)).all()


def test_threads_read_whole_payloads(store):
    """Eight threads write and read the same keys: every read is one whole payload."""
    stop, wrong = threading.Event(), []

    def write(seed):
        number = seed
        while not stop.is_set():
            number = (number + 7) % 251
            size = 1000 + number * 100
            with store.loan(size) as loan:
                loan.array("u1", size)[:] = number
                loan.publish(f"key{number % 3}")

    def read():
        while not stop.is_set():
            for key in ("key0", "key1", "key2"):
                array = store.get(key, None)
                if array is not None and not (array == (array.size - 1000) // 100).all():
                    wrong.append(key)
                    stop.set()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    threads += [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3000):
        store.put("key0", np.full(1000, 0, "u1"))
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and store.check()["sound"]


def test_closing_while_other_threads_work(path):
    store = zcx.Store(path)
    store.put("key", bytes(100_000))
    started, errors = threading.Barrier(5), []

    def work():
        started.wait()
        try:
            while True:
                store.put("key", bytes(100_000))
                store.get("key")
                list(store.scan())
        except zcx.Closed:
            pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    for _ in range(50):
        store.put("key", b"")
    store.close()
    for thread in threads:
        thread.join()
    assert not errors
