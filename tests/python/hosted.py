"""What the workers of test_queue.py host."""

import os
import pathlib
import signal
import threading
import time


class Echo:
    def calculate(self, data):
        return data


def _until(path):
    while not os.path.exists(path):
        time.sleep(0.002)


class Acts:
    """Does what it is told to: {"do": …, "begun": a file to make first}."""

    def calculate(self, data):
        if "begun" in data:
            pathlib.Path(data["begun"]).touch()
        return getattr(self, data["do"])(data)

    def pid(self, data):
        return os.getpid()

    def hang(self, data):
        """Until somebody makes the file."""
        _until(data["release"])
        return "released"

    def hang_once(self, data):
        if not os.path.exists(data["flag"]):
            pathlib.Path(data["flag"]).touch()
            signal.pause()
        return os.getpid()

    def die(self, data):
        os.kill(os.getpid(), signal.SIGKILL)

    def fail(self, data):
        raise ValueError("no such airport: \udcff\0")

    def leave(self, data):
        raise SystemExit("enough")

    def unencodable(self, data):
        return {1, 2}

    def answer(self, data):
        return data["answer"]


_barrier = threading.Barrier(4, timeout=30)


class Meets:
    """Answers when four requests are answered at a time, each by an instance of its own."""

    def calculate(self, data):
        self.data = data
        _barrier.wait()
        return self.data


class Configured:
    def __init__(self, options):
        self.options = options

    def calculate(self, data):
        return self.options


class Idle:
    pass


made = Echo()


def make():
    return Echo()
