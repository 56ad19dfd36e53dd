"""zcx top: frames of text, and a screen on a terminal."""
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios

import pyte
import pytest

from running import die_with_parent, library, until


@pytest.fixture
def store(zcx):
    zcx.run("put", "key", "--ttl=never", stdin=b"x" * 100_000)
    return zcx


class Terminal:
    """A command on a terminal of 100 columns, as a person sees it: pyte is a Linux console."""

    def __init__(self, argv, lines):
        self.screen = pyte.Screen(100, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.file, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 100, 0, 0))
        self.before = termios.tcgetattr(other)
        self.other = other
        self.process = subprocess.Popen(argv, stdin=other, stdout=other, stderr=other,
                                        env={**os.environ, "TERM": "linux", "LANG": "C.UTF-8"},
                                        preexec_fn=die_with_parent)

    def read(self):
        while select.select([self.file], [], [], 0.02)[0]:
            self.stream.feed(os.read(self.file, 65536))
        return "\n".join(self.screen.display)

    def shows(self, *words):
        try:
            until(lambda: all(word in self.read() for word in words))
        except AssertionError:
            raise AssertionError(f"{words} are not in\n{self.read()}") from None

    def type(self, keys):
        os.write(self.file, keys)

    def left(self):
        """It is gone, with exit code 0, and the terminal is as it was."""
        until(lambda: self.read() is not None and self.process.poll() is not None)
        assert self.process.returncode == 0
        assert termios.tcgetattr(self.other) == self.before
        os.close(self.file)
        os.close(self.other)


@pytest.fixture
def terminal(store):
    terminals = []

    def make(*arguments, lines=40):
        terminals.append(Terminal(store.argv("top", "--every=50ms", *arguments), lines))
        return terminals[-1]

    yield make
    for one in terminals:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_the_screen_follows_the_store(store, terminal):
    top = terminal()
    top.shows("zcx top", str(store.path), "1 published", "default         1")
    store.run("put", "more", stdin=b"x" * 4_000_000)
    top.shows("2 published", "default         2")
    viewer = store.start("get", "more")
    viewer.stdout.read(1)
    top.shows(str(viewer.pid))
    viewer.kill()
    viewer.communicate()
    top.shows("per second")
    top.type(b"q")
    top.left()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it(terminal, signal_number):
    top = terminal()
    top.shows("zcx top")
    top.process.send_signal(signal_number)
    top.left()


def test_a_small_screen_moves(store, terminal):
    top = terminal(lines=5)
    top.shows("zcx top", "created")
    assert "DATABASE" not in top.read()
    top.type(b"\x1b[6~" * 2)
    top.shows("DATABASE")
    top.type(b"\x1b[5~" * 2)
    top.shows("zcx top")
    top.type(b"\x1b[B")
    until(lambda: "zcx top" not in top.read())
    top.type(b"\x1b[A")
    top.shows("zcx top")
    fcntl.ioctl(top.other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    top.screen.resize(40, 100)
    top.process.send_signal(signal.SIGWINCH)
    top.shows("zcx top", "DATABASE")
    top.type(b"q")
    top.left()


def test_a_store_that_is_removed_ends_it(store, terminal):
    top = terminal()
    top.shows("zcx top")
    shutil.rmtree(store.path)
    until(lambda: top.read() is not None and top.process.poll() is not None)
    assert top.process.returncode == 9
    assert "was removed" in top.read()


def test_frames_without_a_terminal(store):
    assert store.out("top", "--once").decode().startswith("zcx top")
    process = store.start("top", "--every=20ms")
    lines = []
    while sum(line.startswith(b"zcx top") for line in lines) < 3:
        lines.append(process.stdout.readline())
    assert any(line.startswith(b"per second") for line in lines)
    assert sum(line.startswith(b"store") for line in lines) == 2
    process.terminate()
    assert process.communicate(timeout=30)[1] == b"" and process.returncode == 0


def test_json(store):
    process = store.start("top", "--every=20ms", "--json")
    first, second = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert first["counters"]["publishes"] == 1
    store.run("put", "key", stdin=b"x")
    until(lambda: json.loads(process.stdout.readline())["counters"]["publishes"] == 2)
    assert second["rates"]["over"] > 0 and second["rates"]["publishes"] == 0
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_names_of_processes_cannot_write_to_the_terminal(store):
    """A command's name is its own choice."""
    script = """import ctypes, sys, time
ctypes.CDLL(None).prctl(15, b"e\\x1b[31m")
zcx, store = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
assert zcx.zcx_store_open(ctypes.byref(store), sys.argv[2].encode(), None, None) == 0
print("open", flush=True)
time.sleep(60)"""
    process = subprocess.Popen([sys.executable, "-c", script, library(), store.path],
                               stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    process.stdout.readline()
    out = store.out("top", "--once")
    assert b"\x1b" not in out and b"e?[31m" in out
    process.kill()
    process.communicate()


@pytest.mark.parametrize("arguments, says", [
    (["--every=0"], "--every"), (["--every=2d"], "--every"), (["x"], "no argument")])
def test_wrong_usage(store, arguments, says):
    assert says in store.error("top", *arguments, code=2)


def test_looking_creates_nothing(zcx):
    assert str(zcx.path) in zcx.error("top", code=1)
    assert not zcx.path.exists()
