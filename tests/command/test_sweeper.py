"""zcx sweep --every: a daemon that comes and goes cleanly, whatever happens to its store and fellows."""
import configparser
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from pages import complaints_of_systemd, run_page
from running import COMMAND, ROOT, die_with_parent, library, until


@pytest.fixture
def store(zcx):
    zcx.run("put", "old", "--ttl=never", stdin=b"x")
    return zcx


def sweeper(zcx, *arguments, says="sweeping"):
    """A daemon that has said so."""
    process = zcx.start("sweep", "--every=20ms", *arguments)
    process.said = process.stderr.readline().decode()
    assert says in process.said, process.said + process.stderr.read().decode()
    return process


def end(process, signal_number=signal.SIGTERM):
    process.send_signal(signal_number)
    assert process.communicate(timeout=30)[1] == b""
    assert process.returncode == 0


def keys(zcx):
    return zcx.out("ls", "--all").decode().split()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_it_sweeps_until_it_is_told_to_leave(store, signal_number):
    process = sweeper(store)
    assert str(store.path) in process.said and "20 ms" in process.said
    for key in range(20):
        store.run("put", f"brief:{key}", "--ttl=1ms", stdin=b"x" * 10_000)
    until(lambda: keys(store) == ["old"])
    end(process, signal_number)
    store.assert_left("old")
    assert store.json("doctor")["sound"]


def test_what_the_dead_held_comes_back(store):
    store.run("put", "large", "--ttl=never", stdin=b"x" * 4_000_000)
    process = sweeper(store)
    viewer = store.start("get", "large")
    viewer.stdout.read(1)
    viewer.kill()
    viewer.communicate()
    until(lambda: len(store.json("stat")["holders"]) == 2)  # the daemon, and who looks
    assert store.json("stat")["events"]["processes_reaped"] == 1
    end(process)


def test_idle_memory_goes_back(store):
    process = sweeper(store, "--trim=30ms")
    store.run("put", "large", stdin=b"x" * 4_000_000)
    store.run("rm", "large")
    until(lambda: store.json("stat")["events"]["bytes_trimmed"] >= 4_000_000)
    assert store.out("get", "old") == b"x"
    end(process)


def test_requests_that_nobody_waits_for_end(store):
    process = sweeper(store)
    call = store.call("nobody", b"x", "--timeout=10ms")
    call.kill()  # it cannot cancel
    call.communicate()
    until(lambda: store.queue("nobody") is None)
    until(lambda: keys(store) == ["old"])
    end(process)


def test_reports_as_json(store):
    process = store.start("sweep", "--every=20ms", "--json")
    report = json.loads(process.stdout.readline())
    assert report["looked"] == 1 and report["expired"] == 0
    process.terminate()
    assert process.communicate(timeout=30)[1] == b"" and process.returncode == 0


WRITER = """if True:
    import ctypes, os, sys
    zcx, store = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
    class Envelope(ctypes.Structure):
        _fields_ = [("size", ctypes.c_size_t), ("head", ctypes.c_uint32 * 2),
                    ("ttl", ctypes.c_int64), ("rest", ctypes.c_uint8 * 200)]
    brief = Envelope(size=int(sys.argv[3]), ttl=1)
    assert zcx.zcx_store_open(ctypes.byref(store), sys.argv[2].encode(), None, None) == 0
    sizes = [10, 3000, 100000]
    data = os.urandom(max(sizes))
    for n in range(3000):
        key = b"%s:%d" % (sys.argv[4].encode(), n)
        envelope = None if n % 100 == 0 else ctypes.byref(brief)
        assert zcx.zcx_store_put(store, key, ctypes.c_size_t(len(key)), data,
                                 ctypes.c_uint64(sizes[n % 3]), envelope, None, None) == 0
    """


SIZE = '#include "zcx.h"\nint main(void) { return (int)sizeof(zcx_envelope); }'


def test_several_sweepers_share_a_store_with_writers_and_one_is_killed(store, tmp_path):
    source, program = tmp_path / "size.c", tmp_path / "size"
    source.write_text(SIZE)
    subprocess.run(["cc", f"-I{ROOT}/core/include", source, "-o", program], check=True)
    size = subprocess.run([program]).returncode
    sweepers = [sweeper(store, "--trim=50ms") for _ in range(4)]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, library(), store.path, str(size), name],
                                preexec_fn=die_with_parent) for name in "ab"]
    until(lambda: store.json("stat")["events"]["records_expired"] > 300)
    sweepers[0].kill()
    sweepers[0].communicate()
    for writer in writers:
        assert writer.wait(timeout=120) == 0
    wanted = sorted(["old"] + [f"{name}:{n}" for name in "ab" for n in range(0, 3000, 100)])
    until(lambda: keys(store) == wanted)
    stat = store.json("stat")
    assert stat["errors"] == {"full": 0, "lock_timeouts": 0, "corrupt": 0, "error_records": 0,
                              "sweeps": 0}
    for process in sweepers[1:]:
        end(process)
    assert store.json("doctor")["sound"]
    store.run("rm", *wanted)
    store.assert_left()


# ---- stores that come and go


def test_it_waits_for_the_store(zcx):
    process = sweeper(zcx, says="no store")
    assert "waiting" in process.stderr.readline().decode()
    assert not zcx.path.exists()
    zcx.run("put", "brief", "--ttl=1ms", stdin=b"x")
    assert "sweeping" in process.stderr.readline().decode()
    until(lambda: keys(zcx) == [])
    end(process)


def test_a_store_that_is_removed_and_made_anew_is_opened_again(store):
    process = sweeper(store)
    shutil.rmtree(store.path)
    assert "was removed" in process.stderr.readline().decode()
    assert "no store" in process.stderr.readline().decode()
    assert "waiting" in process.stderr.readline().decode()
    store.run("put", "brief", "--ttl=1ms", stdin=b"x")
    assert "sweeping" in process.stderr.readline().decode()
    until(lambda: keys(store) == [])
    end(process)


def test_what_will_not_pass_ends_it(store):
    os.chmod(store.path, 0o777)
    message = store.error("sweep", "--every=20ms", code=6)
    assert str(store.path) in message


@pytest.mark.parametrize("arguments, says", [
    (["--every=soon"], "'soon'"),
    (["--every=1ms"], "10 ms"),
    (["--trim=x"], "--trim"),
    (["--metrics=127.0.0.1:0"], "--every"),
    (["--every=1s", "--metrics=0.0.0.0:9184"], "'0.0.0.0:9184'"),
    (["--every=1s", "--metrics=[::]:9184"], "'[::]:9184'"),
    (["--every=1s", "--metrics=192.0.2.1:9184"], "loopback"),
    (["--every=1s", "--metrics=example.org:9184"], "'example.org:9184'"),
    (["--every=1s", "--metrics=127.0.0.1"], "'127.0.0.1'"),
    (["--every=1s", "--metrics=127.0.0.1:"], "'127.0.0.1:'"),
    (["--every=1s", "--metrics=unix:"], "socket"),
    (["--every=1s", "--metrics=unix:/" + "x" * 200], "201"),
])
def test_wrong_usage(store, arguments, says):
    assert says in store.error("sweep", *arguments, code=2)


# ---- as a service, and as documented


def unit():
    text = (ROOT / "command/zcx-sweep@.service.in").read_text()
    return text.replace("@ZCX_BINDIR@", str(COMMAND.parent))


def test_the_unit_can_be_read():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(unit())
    words = parser["Service"]["ExecStart"].split()
    assert words[:2] == [str(COMMAND), "sweep"] and "--every" in words


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_systemd_accepts_the_unit(tmp_path):
    file = tmp_path / "zcx-sweep@root.service"
    file.write_text(unit())
    assert complaints_of_systemd(file) == []


def test_the_page(zcx, tmp_path):
    run_page("sweeping.md", zcx.path, tmp_path)
    zcx.assert_left("kept")
    assert not (tmp_path / "metrics").exists()
