"""Each test has a directory of its own in memory, gone afterwards also when the test is killed."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

import zcx

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
