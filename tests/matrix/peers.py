"""The programs that write, read and call in each language, and what they have to agree on."""

import json
import os
import pathlib
import subprocess

import numpy as np
import zcx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ZCX_BUILD", ROOT / "build/release"))
COMMAND = BUILD / "command/zcx"
FORMATS = "raw", "json", "msgpack", "numpy"
SIZES = 0, 1, 1000, 1_000_000, 100_000_000

PEERS = {
    "c": [BUILD / "tests/peer"],
    "cpp": [BUILD / "tests/cpp/peer"],
    "rust": [BUILD.parent / "rust/release/peer"],
    "java": [BUILD / "java/peer"],
    "python": [os.environ.get("PYTHON", "python3"), ROOT / "tests/python/peer.py"],
}


# The Rust peer finds the library by it; the others know where theirs is.
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": str(BUILD / "core")}


def run(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=300, env=ENVIRONMENT,
                          **options)
    if done.returncode:
        raise AssertionError(f"{command[0]}: exit status {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def value(format, size):
    """What a payload of that size holds, in Python's objects."""
    if format == "raw":
        return (np.arange(size) * 7 + 3).astype("u1").tobytes()
    if format == "json":
        return {"n": size, "s": "x" * size}
    if format == "msgpack":
        return {"n": size, "a": np.arange(size // 8) * 0.5}
    return (np.arange(size // 4) * 3 - 7).astype("i4")


def encoded(store, format, size):
    """The bytes of that payload, as this package writes them."""
    store.put("encoded", value(format, size), format=format)
    with store.view("encoded") as view:
        return bytes(view)


class Command:
    """The zcx command as a peer: it carries bytes, and knows no values."""

    def __init__(self, store):
        self.store = store

    def write(self, key, format, size):
        shape = ["--dtype", "<i4", "--shape", size // 4] if format == "numpy" else []
        run([COMMAND, "put", "--path", self.store.path, "--ttl", "never", "--format", format, *shape, key, "-"],
            input=encoded(self.store, format, size))

    def read(self, key, format, size):
        found, wanted = run([COMMAND, "get", "--path", self.store.path, key]), encoded(self.store, format, size)
        if format == "json":
            found, wanted = json.loads(found), json.loads(wanted)
        assert found == wanted

    def call(self, config, key):
        where = (["--queue", config["queue"]] if "queue" in config else ["--plugin", config["plugin"]])
        rest = {name: value for name, value in config.items() if name not in ("queue", "plugin")}
        return run([COMMAND, "call", *where, "--config", json.dumps(rest), key])


class Program:
    """A peer of tests/matrix/peer.c's command line."""

    def __init__(self, store, words, directory):
        self.store, self.words, self.directory = store, words, directory

    def write(self, key, format, size):
        run([*self.words, "write", self.store.path, key, format, size])

    def read(self, key, format, size):
        run([*self.words, "read", self.store.path, key, format, size])

    def call(self, config, key):
        file = self.directory / "config.json"
        file.write_text(json.dumps(config))
        return run([*self.words, "call", file, key])


def open_peer(name, store, directory):
    return Command(store) if name == "command" else Program(store, PEERS[name], directory)


NAMES = [*PEERS, "command"]


def store_at(path):
    return zcx.Store(path, budget=6 << 30)
