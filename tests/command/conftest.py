"""A store of its own for each test."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import pytest

from running import Zcx

# A shell that runs us in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_memory():
    """A directory in shared memory; a process of its own removes it, also when we are killed."""
    base = tempfile.mkdtemp(prefix="zcx-test-", dir="/dev/shm")
    os.chmod(base, 0o755)
    program = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"
    remover = subprocess.Popen([sys.executable, "-c", program, base], stdin=subprocess.PIPE,
                               start_new_session=True)
    yield pathlib.Path(base)
    remover.stdin.close()
    remover.wait()


@pytest.fixture
def zcx(shared_memory):
    path = pathlib.Path(tempfile.mkdtemp(dir=shared_memory)) / "store"
    return Zcx(path)
