"""Workers of plug-ins, and calls to them: processes that answer, fail, are asked to leave, and die."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys

import pytest

from running import CALCULATORS, MISBEHAVE, die_with_parent, doing, end, library, until

CLIP = json.dumps({"options": {"operation": "clip", "low": 0, "high": 2}})


def answer(call):
    out, error = call.communicate(timeout=60)
    assert (call.returncode, error) == (0, b"")
    return out


def doubles(*values):
    return struct.pack(f"<{len(values)}d", *values)


class Gate:
    """A pipe that the plug-in's action "wait" waits at: who is there is in the middle of a call."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = bytes(path)
        self.file = None

    def reached(self):
        try:
            self.file = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads
            return False
        return True

    def await_caller(self):
        until(self.reached)

    def let_pass(self, answer_=b"passed"):
        os.write(self.file, answer_)
        self.leave()

    def leave(self):
        os.close(self.file)
        self.file = None


def handled(pid, number):
    """The signal is neither on its way nor, as in its handler, blocked."""
    masks = re.findall(r"^(?:SigPnd|ShdPnd|SigBlk):\t(\w+)$", open(f"/proc/{pid}/status").read(), re.M)
    return not any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path / "gate")


# ---- answers


@pytest.mark.parametrize("count", [0, 1, 100, 200_000])
def test_a_worker_answers(zcx, count):
    values = [float(n % 7 - 2) for n in range(count)]
    clipped = doubles(*[min(max(value, 0), 2) for value in values])
    numpy = ["--format=numpy", "--dtype=<f8", f"--shape={count}"]
    zcx.run("put", "values", *numpy, stdin=doubles(*values))
    worker = zcx.worker(CALCULATORS / "transform.so", "clip", "--config", CLIP)
    assert f"worker {worker.pid} takes calls of queue 'clip'" in worker.said
    assert "'transform'" in worker.said and "1 at a time" in worker.said
    assert zcx.out("call", "--queue=clip", "values") == clipped
    assert zcx.out("call", "--queue=clip", *numpy, "-", stdin=doubles(*values)) == clipped
    assert zcx.out("call", "--queue=clip", *numpy, stdin=doubles(*values)) == clipped
    assert zcx.out("get", "values") == doubles(*values)
    end(worker)
    zcx.assert_left("values")


def typed_array(before, dtype, elements, count):
    """One of one dimension, as protocol/SPEC.md says, behind `before`: its elements are aligned."""
    about = b"\x93" + bytes([0xA0 | len(dtype)]) + dtype.encode() + bytes([0x91, count]) + b"\xa1C"
    start = len(before) + 4
    data_at = 4 + len(about)
    data_at += -(start + data_at) % 64
    body = struct.pack("<I", data_at) + about.ljust(data_at - 4, b"\0") + elements
    return b"\xc8" + struct.pack(">Hb", len(body), 78) + body


def delays(groups, minutes):
    payload = b"\x82\xa5group"
    payload += typed_array(payload, "<i4", struct.pack(f"<{len(groups)}i", *groups), len(groups))
    payload += b"\xa5delay"
    return payload + typed_array(payload, "<f8", doubles(*minutes), len(minutes))


def test_delays_by_group(zcx):
    """The same plug-in in a worker and in this process gives the same bytes."""
    payload = delays([2, 1, 2], [5.0, 1.0, 7.0])
    zcx.run("put", "delays", "--format=msgpack", stdin=payload)
    worker = zcx.worker(CALCULATORS / "group_delays.so", "delays")
    remote = zcx.out("call", "--queue=delays", "delays")
    assert doubles(1.0, 6.0) in remote
    local = zcx.out("call", f"--plugin={CALCULATORS / 'group_delays.so'}", "delays")
    assert local == remote
    end(worker)
    zcx.assert_left("delays")


def test_results_chain_by_their_keys(zcx, tmp_path):
    first = zcx.worker(CALCULATORS / "transform.so", "clip", "--config", CLIP)
    second = zcx.worker(CALCULATORS / "transform.so", "standardise")
    numpy = ["--format=numpy", "--dtype=<f8", "--shape=3"]
    key = zcx.out("call", "--queue=clip", "--keep", *numpy, stdin=doubles(-1, 0, 9)).decode().strip()
    assert zcx.out("get", key) == doubles(0, 0, 2)
    report = zcx.json("call", "--queue=standardise", key, "--output", tmp_path / "out")
    assert report["format"] == "numpy" and report["shape"] == [3] and report["source"] == "transform"
    result = struct.unpack("<3d", (tmp_path / "out").read_bytes())
    assert result == pytest.approx([-(0.5 ** 0.5), -(0.5 ** 0.5), 2 ** 0.5])
    kept = zcx.json("call", "--queue=standardise", "--keep", key)["key"]
    zcx.run("rm", key, kept)
    end(first, second)
    zcx.assert_left()


def test_in_this_process(zcx):
    plugin = f"--plugin={CALCULATORS / 'transform.so'}"
    numpy = ["--format=numpy", "--dtype=<f8", "--shape=2"]
    assert zcx.out("call", plugin, "--config", CLIP, *numpy, stdin=doubles(-1, 5)) == doubles(0, 2)
    assert not zcx.path.exists()  # no store was needed
    assert "--keep" in zcx.error("call", plugin, "--keep", *numpy, stdin=doubles(1, 2), code=2)
    enabled = json.dumps({"lmdb_enabled": True, "lmdb_exchange_mode": "reference"})
    key = zcx.out("call", plugin, "--config", enabled, "--keep", *numpy, stdin=doubles(1, 3))
    assert zcx.out("get", key.decode().strip()) == doubles(-1, 1)


def test_a_configuration_from_a_file(zcx, tmp_path):
    """The caller's configuration and the worker's may be one."""
    file = tmp_path / "clip.json"
    file.write_text(json.dumps({**json.loads(CLIP), "name": "cut", "queue": "clips",
                                "plugin": str(CALCULATORS / "transform.so"),
                                "lmdb_enabled": True, "lmdb_db_path": str(zcx.path)}))
    worker = subprocess.Popen([zcx.argv("x")[0], "worker", "--config", file],
                              stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    assert b"'clips'" in worker.stderr.readline()
    result = subprocess.run([zcx.argv("x")[0], "call", "-c", file, "-q", "clips", "-f", "numpy",
                             "-y", "<f8", "-m", "1"], input=doubles(7), capture_output=True)
    assert (result.stdout, result.stderr) == (doubles(2), b"")
    end(worker)
    zcx.assert_left()


# ---- several at a time


def test_an_instance_for_each_thread(zcx, tmp_path):
    """The plug-in is not thread-safe, and fails when two calls are in one instance."""
    worker = zcx.worker(MISBEHAVE, "gates", doing("wait"), "--concurrency=3")
    gates = [Gate(tmp_path / f"gate{n}") for n in range(3)]
    calls = [zcx.call("gates", gate.path) for gate in gates]
    for gate in gates:
        gate.await_caller()
    claims = zcx.queue("gates")["claims"]
    assert [claim["pid"] for claim in claims] == 3 * [worker.pid]
    text = zcx.out("stat").decode()
    assert "CLAIM OF" in text and len(re.findall(rf"gates +{worker.pid} +yes +1 ", text)) == 3
    for gate, name in zip(gates, [b"one", b"two", b"three"]):
        gate.let_pass(name)
    assert [answer(call) for call in calls] == [b"one", b"two", b"three"]
    end(worker)
    zcx.assert_left()


def test_threads_share_an_instance_that_allows_it(zcx):
    worker = zcx.worker(CALCULATORS / "transform.so", "clip", "--config", CLIP, "-n", "4")
    numpy = ["--format=numpy", "--dtype=<f8", "--shape=2"]
    calls = [zcx.call("clip", doubles(n, -1), *numpy) for n in range(20)]
    for n, call in enumerate(calls):
        assert answer(call) == doubles(min(n, 2), 0)
    end(worker)
    zcx.assert_left()


# ---- failures


def test_a_failure_is_answered_and_the_worker_goes_on(zcx):
    worker = zcx.worker(MISBEHAVE, "primes", doing("fail"))
    for _ in range(2):
        message = zcx.error("call", "--queue=primes", stdin=b"3", code=10)
        assert message == "zcx: calculator 'primes': 3 is no prime\n"
        said = worker.stderr.readline().decode()
        assert "queue 'primes' failed: calculator 'misbehave': 3 is no prime" in said
    report = json.loads(zcx.error("call", "--queue=primes", "--keep", "--json", stdin=b"3", code=10))
    assert report["status"] == "ZCX_EFAILED"
    worker.stderr.readline()
    end(worker)
    zcx.assert_left()


@pytest.mark.parametrize("action, says", [
    ("nothing", "returned without an answer"),
    ("return 7", "returned 7"),
    ("past", "wrote past"),
    ("answer twice", "answered twice"),
    ("format", "xml"),
])
def test_misbehaviour_is_the_callers_error(zcx, action, says):
    worker = zcx.worker(MISBEHAVE, "bad", doing(action))
    assert says in zcx.error("call", "--queue=bad", stdin=b"x" * 5000, code=10)
    assert says in worker.stderr.readline().decode()
    end(worker)
    zcx.assert_left()


def test_a_trace_is_shown_when_asked_for(zcx):
    """C plug-ins have none, so this worker is the library's."""
    program = """if True:
        import ctypes, sys
        zcx, worker, call = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p(), ctypes.c_void_p()
        assert zcx.zcx_worker_open(ctypes.byref(worker), sys.argv[2].encode(), None) == 0
        for _ in range(2):
            assert zcx.zcx_worker_take(ctypes.byref(call), worker, ctypes.c_int64(-1), None) == 0
            zcx.zcx_call_fail(call, b"it broke", b"File x, line 7")
            zcx.zcx_call_close(call)
        """
    config = json.dumps({"name": "n", "queue": "q", "lmdb_enabled": True,
                         "lmdb_db_path": str(zcx.path)})
    zcx.run("put", "key", stdin=b"x")
    worker = subprocess.Popen([sys.executable, "-c", program, library(), config],
                              preexec_fn=die_with_parent)
    assert "line 7" not in zcx.error("call", "-q", "q", "key", code=10)
    message = zcx.error("call", "-q", "q", "key", "--verbose", code=10)
    assert message == "zcx: calculator 'q': it broke\nFile x, line 7\n"
    assert worker.wait() == 0
    zcx.assert_left("key")


# ---- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_call_in_hand(zcx, gate, number):
    worker = zcx.worker(MISBEHAVE, "gates", doing("wait"))
    call = zcx.call("gates", gate.path)
    gate.await_caller()
    later = zcx.call("gates", gate.path)
    until(lambda: zcx.queue("gates")["waiting"] == 1)
    worker.send_signal(number)
    until(lambda: handled(worker.pid, number))
    gate.let_pass()
    assert answer(call) == b"passed"
    assert worker.communicate()[1] == b"" and worker.returncode == 0
    assert zcx.queue("gates")["waiting"] == 1  # it took no more
    other = zcx.worker(MISBEHAVE, "gates", doing("wait"))
    gate.await_caller()
    gate.let_pass(b"later")
    assert answer(later) == b"later"
    end(other)
    zcx.assert_left()


def test_sigterm_twice_is_sigterm_and_a_second_sigint_ends(zcx, gate):
    worker = zcx.worker(MISBEHAVE, "gates", doing("wait"))
    call = zcx.call("gates", gate.path)
    gate.await_caller()
    worker.terminate()
    worker.terminate()
    worker.send_signal(signal.SIGINT)
    until(lambda: handled(worker.pid, signal.SIGINT))
    assert worker.poll() is None
    worker.send_signal(signal.SIGINT)
    assert worker.wait(timeout=60) == -signal.SIGINT
    gate.leave()
    other = zcx.worker(MISBEHAVE, "gates", doing("wait"))
    gate.await_caller()
    gate.let_pass()
    assert answer(call) == b"passed"
    end(other)
    zcx.assert_left()


def test_idle_workers_leave_at_once(zcx):
    end(*[zcx.worker(CALCULATORS / "transform.so", "clip", f"-n{n}") for n in [1, 3]])
    zcx.assert_left()


def test_a_worker_leaves_a_store_that_was_removed(zcx):
    worker = zcx.worker(CALCULATORS / "transform.so", "clip", "--concurrency=2")
    shutil.rmtree(zcx.path)
    assert b"was removed" in worker.communicate(timeout=30)[1]
    assert worker.returncode == 9  # whoever restarts it has it in the new one


ROUNDS = 200 if os.environ.get("ZCX_SOAK") else 5


def test_a_killed_workers_call_goes_to_another(zcx, gate):
    worker = zcx.worker(MISBEHAVE, "gates", doing("wait"))
    for _ in range(ROUNDS):
        call = zcx.call("gates", gate.path)
        gate.await_caller()
        other = zcx.worker(MISBEHAVE, "gates", doing("wait"))
        worker.kill()
        assert worker.wait(timeout=60) == -signal.SIGKILL
        gate.leave()
        gate.await_caller()
        gate.let_pass()
        assert answer(call) == b"passed"
        worker = other
    end(worker)
    zcx.assert_left()


def test_a_deadly_call_is_an_error_after_three_workers(zcx):
    zcx.run("put", "key", stdin=b"x")  # there is a store, before a worker is
    call = zcx.call("crash", b"x" * 5000)
    for _ in range(3):
        worker = zcx.worker(MISBEHAVE, "crash", doing("crash"))
        assert worker.wait(timeout=60) == -signal.SIGABRT
    message = call.communicate(timeout=60)[1].decode()
    assert call.returncode == 12
    assert "calculator 'crash'" in message and "3 workers of queue 'crash' died" in message
    zcx.assert_left("key")


# ---- calls that nobody answers, or nobody waits for


def test_nobody_answers(zcx):
    zcx.run("put", "key", stdin=b"x")
    message = zcx.error("call", "-q", "nobody", "--timeout=50ms", "key", code=5)
    assert "no answer in 50 ms from queue 'nobody', which 0 workers take from" in message
    config = json.dumps({"name": "alone", "lmdb_wait_timeout": 30})
    assert "'alone': no answer in 30 ms" in zcx.error("call", "-q", "nobody", "-c", config, "key",
                                                      code=5)
    zcx.assert_left("key")


def test_a_call_that_waits_is_shown(zcx):
    zcx.run("put", "key", stdin=b"x")
    calls = [zcx.call("later", b"x" * size) for size in [10, 5000]]
    until(lambda: (zcx.queue("later") or {"waiting": 0})["waiting"] == 2)
    queue = zcx.queue("later")
    assert queue["workers"] == 0 and queue["claims"] == [] and queue["oldest"] >= 0
    lines = zcx.out("stat").decode().splitlines()
    row = lines[next(n for n, line in enumerate(lines) if line.startswith("QUEUE")) + 1].split()
    assert row[:2] == ["later", "2"]
    for call in calls:
        call.send_signal(signal.SIGINT)
        assert b"cancelled by signal 2" in call.communicate(timeout=30)[1]
        assert call.returncode == 13
    zcx.assert_left("key")


def test_an_answer_that_nobody_wants(zcx, gate):
    worker = zcx.worker(MISBEHAVE, "gates", doing("wait"))
    call = zcx.call("gates", gate.path, "--timeout=2s")
    gate.await_caller()
    assert b"which 1 workers" in call.communicate(timeout=30)[1] and call.returncode == 5
    gate.let_pass()
    call = zcx.call("gates", gate.path)
    gate.await_caller()
    call.terminate()
    assert call.wait(timeout=60) == 13
    gate.let_pass()
    call = zcx.call("gates", gate.path)
    gate.await_caller()
    gate.let_pass()
    assert answer(call) == b"passed"
    end(worker)
    zcx.assert_left()


def test_an_interrupt_while_the_input_is_read(zcx):
    zcx.run("put", "key", stdin=b"x")
    call = zcx.start("call", "--queue=q")
    call.stdin.write(b"x")
    until(lambda: call.pid in [holder["pid"] for holder in zcx.json("stat")["holders"]])
    call.send_signal(signal.SIGINT)
    assert call.wait(timeout=30) in (-signal.SIGINT, 13)
    zcx.assert_left("key")
