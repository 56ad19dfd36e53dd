"""wait and watch, while other processes publish and delete."""
import json
import shutil
import subprocess
import sys
import threading

import pytest

from running import die_with_parent, library, until


@pytest.fixture
def store(zcx):
    zcx.run("put", "old", stdin=b"x")
    return zcx


def opened(zcx, process):
    """The process has the store open."""
    return process.pid in [holder["pid"] for holder in zcx.json("stat")["holders"]]


def test_wait_for_what_is_there(store):
    assert store.out("wait", "old") == b"old\n"
    assert store.out("wait", "old", "--timeout=0") == b"old\n"
    assert store.json("wait", "old")["length"] == 1
    assert store.out("wait", "old", "--long").decode().startswith("raw")


def test_wait_for_what_comes(store):
    waiter = store.start("wait", "new", "--json")
    until(lambda: opened(store, waiter))
    store.run("put", "other", stdin=b"x")
    assert waiter.poll() is None
    store.run("put", "new", stdin=b"xyz")
    report = json.loads(waiter.communicate(timeout=30)[0])
    assert report["key"] == "new" and report["length"] == 3 and waiter.returncode == 0


def test_wait_for_a_later_transaction(store):
    transaction = store.json("stat", "old")["transaction"]
    assert store.out("wait", "old", f"--after={transaction - 1}") == b"old\n"
    store.error("wait", "old", f"--after={transaction}", "--timeout=20ms", code=5)
    waiter = store.start("wait", "old", f"--after={transaction}", "--json")
    until(lambda: opened(store, waiter))
    store.run("put", "old", stdin=b"xy")
    assert json.loads(waiter.communicate(timeout=30)[0])["length"] == 2
    waiter = store.start("wait", "old", f"--after={transaction + 99}")
    until(lambda: opened(store, waiter))
    store.run("rm", "old")
    assert b"deleted" in waiter.communicate(timeout=30)[1]
    assert waiter.returncode == 1


def test_what_does_not_come(store):
    assert '"new"' in store.error("wait", "new", "--timeout=30ms", code=5)
    store.run("put", "brief", "--ttl=1ms", stdin=b"x")
    until(lambda: store.out("ls", "brief") == b"")
    assert "expired" in store.error("wait", "brief", code=1)
    program = """if True:
        import ctypes, sys
        zcx, store = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
        assert zcx.zcx_store_open(ctypes.byref(store), sys.argv[2].encode(), None, None) == 0
        assert zcx.zcx_store_put_error(store, b"bad", ctypes.c_size_t(3), b"it broke", b"line 7",
                                       ctypes.c_int64(0), None) == 0
        """
    subprocess.run([sys.executable, "-c", program, library(), store.path], check=True)
    assert "it broke" in store.error("wait", "bad", code=10)


@pytest.mark.parametrize("arguments, code, says", [
    (["wait"], 2, "KEY is missing"),
    (["wait", "a", "b"], 2, "one KEY"),
    (["wait", "a", "--after=x"], 2, "--after"),
    (["wait", "a", "--after=-1"], 2, "--after"),
    (["wait", "a", "--timeout=x"], 2, "--timeout"),
    (["wait", ""], 2, "key"),
    (["watch", "a", "b"], 2, "one PREFIX"),
    (["watch", "--count=0"], 2, "--count"),
    (["watch", "--timeout=20ms"], 5, "in time"),
])
def test_wrong_usage(store, arguments, code, says):
    assert says in store.error(*arguments, code=code)


@pytest.mark.parametrize("command", [["wait", "a"], ["watch"]])
def test_looking_creates_nothing(zcx, command):
    assert str(zcx.path) in zcx.error(*command, code=1)
    assert not zcx.path.exists()


def test_watch_shows_what_comes(store):
    watcher = store.start("watch")
    lines, count = [], 0
    with watcher:  # keys are put until the first is seen: from then on it misses none
        thread = threading.Thread(target=lambda: lines.append(watcher.stdout.readline()))
        thread.start()
        while thread.is_alive():
            store.run("put", f"marker:{count}", stdin=b"x")
            count += 1
        for n in range(30):
            store.run("put", f"new:{29 - n:02}", stdin=b"x")
        store.run("put", "old", stdin=b"again")
        wanted = [b"new:%02d\n" % (29 - n) for n in range(30)] + [b"old\n"]
        while not lines[-1].startswith(b"old"):
            lines.append(watcher.stdout.readline())
        watcher.kill()
    assert [line for line in lines if not line.startswith(b"marker")] == wanted


def test_watch_begins_with_what_is_there(store):
    for key in ["b:2", "a:1", "b:1"]:
        store.run("put", key, stdin=key.encode())
    assert store.out("watch", "--all", "--count=4") == b"old\nb:2\na:1\nb:1\n"
    assert store.out("watch", "b:", "--all", "--count=2") == b"b:2\nb:1\n"
    watcher = store.start("watch", "b:", "--all", "--count=3", "--json")
    assert json.loads(watcher.stdout.readline())["key"] == "b:2"
    store.run("put", "a:2", stdin=b"x")
    store.run("put", "b:3", stdin=b"xyz")
    out, error = watcher.communicate(timeout=30)
    last = json.loads(out.splitlines()[-1])
    assert (last["key"], last["length"], error, watcher.returncode) == ("b:3", 3, b"", 0)


def test_watch_of_many(store):
    """More than a step of a scan, over and over; each is seen once."""
    program = """if True:
        import ctypes, sys
        zcx, store = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
        assert zcx.zcx_store_open(ctypes.byref(store), sys.argv[2].encode(), None, None) == 0
        for n in range(5000):
            key = b"%016d" % (n * 7919 % 5000)
            assert zcx.zcx_store_put(store, key, ctypes.c_size_t(16), b"x", ctypes.c_uint64(1),
                                     None, None, None) == 0
        """
    watcher = store.start("watch", "0", "--all", "--count=5000")
    writer = subprocess.Popen([sys.executable, "-c", program, library(), store.path],
                              preexec_fn=die_with_parent)
    out = watcher.communicate(timeout=60)[0].decode().split()
    assert writer.wait() == 0 and watcher.returncode == 0
    assert out == ["%016d" % (n * 7919 % 5000) for n in range(5000)]


@pytest.mark.parametrize("command", [["wait", "new"], ["watch"]])
def test_nobody_waits_in_a_store_that_was_removed(store, command):
    waiter = store.start(*command)
    until(lambda: opened(store, waiter))
    shutil.rmtree(store.path)
    assert b"was removed" in waiter.communicate(timeout=30)[1]
    assert waiter.returncode == 9


def test_output_that_cannot_be_written(store):
    with open("/dev/full", "wb") as full:
        process = subprocess.run(store.argv("watch", "--all"), stdout=full, stderr=subprocess.PIPE,
                                 timeout=30)
    assert process.returncode == 11 and b"No space" in process.stderr
