"""Each test has a directory of its own in memory, gone afterwards also when the test is killed."""

import ctypes
import gc
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

import zcx

# A shell that runs us in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = pathlib.Path(__file__).resolve().parents[2]
_KEEPER = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


@pytest.fixture(scope="session")
def _directory():
    parent = "/dev/shm" if os.path.isdir("/dev/shm") else None
    path = tempfile.mkdtemp(prefix="zcx-test-", dir=parent)
    # It outlives us, whatever kills us: only we hold the other end of its standard input.
    keeper = subprocess.Popen([sys.executable, "-c", _KEEPER, path], stdin=subprocess.PIPE,
                              start_new_session=True)
    yield path
    keeper.stdin.close()
    keeper.wait()


@pytest.fixture
def path(_directory):
    """Where a store can be made."""
    place = tempfile.mkdtemp(dir=_directory)
    yield os.path.join(place, "store")
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def store(path):
    with zcx.Store(path, budget=256 << 20) as opened:
        yield opened


@pytest.fixture
def run():
    """Runs Python code in a process of its own; returns what it printed."""

    def start(code, *arguments, **environment):
        done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], text=True,
                              capture_output=True, env={**os.environ, **environment}, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return start


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    """The two real calculators, built from their sources."""
    place = tmp_path_factory.mktemp("plugins")
    for name in ("transform", "group_delays"):
        subprocess.run(["cc", "-std=c11", "-O2", "-shared", "-fPIC", "-o", place / f"{name}.so",
                        f"-I{ROOT}/core/include", ROOT / f"calculators/c/{name}.c", "-lm"],
                       check=True)
    return place


HERE = pathlib.Path(__file__).resolve().parent


def until(condition, seconds=30):
    """Waits for another process to get somewhere; how long it takes decides nothing."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.002)


def die_with_parent():
    """In a child: no test leaves a process behind, also when it is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Queue:
    """A queue of a store, and worker processes that take from it."""

    def __init__(self, path):
        self.path = path
        self.config = {"name": "test", "queue": "tests", "lmdb_enabled": True,
                       "lmdb_db_path": path, "lmdb_map_size": 512 << 20}
        self.processes = []
        self.calculators = []

    def calculator(self, **options):
        self.calculators.append(zcx.Calculator({**self.config, **options}))
        return self.calculators[-1]

    def start(self, *arguments, stderr=None, cwd=HERE, **options):
        """Python with these arguments; they go to the worker when the first one is no option."""
        worker = [] if arguments[0].startswith("-") else ["-m", "zcx.worker"]
        config = [] if "--config" in arguments or not worker else [
            "--config", json.dumps({**self.config, **options})]
        self.processes.append(subprocess.Popen(
            [sys.executable, *worker, *map(str, arguments), *config], cwd=cwd, stderr=stderr,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent))
        return self.processes[-1]

    def serving(self, *arguments, **options):
        """A worker that is there already."""
        process = self.start(*arguments, **options)
        until(lambda: process.pid in self.stat()["processes"])
        return process

    def stat(self):
        with zcx.Store(self.path, budget=512 << 20) as store:
            queues = [one for one in store.stat()["queues"] if one["name"] == self.config["queue"]]
        return queues[0] if queues else {"waiting": 0, "claims": [], "processes": []}

    def assert_empty(self):
        """Nothing is left of all the calls."""
        gc.collect()
        for calculator in self.calculators:
            calculator.sweep()
        with zcx.Store(self.path, budget=512 << 20) as store:
            store.sweep()
            assert list(store) == []
        stat = self.stat()
        assert not stat["waiting"] and not stat["claims"]

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()
            if process.stderr:
                process.stderr.close()


@pytest.fixture
def queue(path):
    queue = Queue(path)
    yield queue
    queue.end()
