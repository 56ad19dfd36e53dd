"""The nodes of the DAG: what calculates in which language, in this process or in a worker."""

import contextlib
import json
import pathlib
import signal
import subprocess
import time

import zcx

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build/release"
PLUGINS = {"c": "calculators/{}.so", "cpp": "calculators/cpp/{}.so", "rust": "../rust/release/lib{}.so"}
LANGUAGES = {"c": "C", "rust": "Rust", "java": "Java", "cpp": "C++", "python": "Python"}


class Node:
    """One calculator: its name, its language, what it exports, and its own options."""

    def __init__(self, name, language, type, **options):
        self.name, self.language, self.type, self.options = name, language, type, options

    def config(self, store, **more):
        """Results stay in the store: what a node answers is a reference, which the next one reads."""
        return {"name": self.name, "lmdb_enabled": True, "lmdb_db_path": store.path,
                "lmdb_exchange_mode": "reference", **more}

    def plugin(self):
        return BUILD / PLUGINS[self.language].format(self.type)

    def in_process(self, store):
        """The calculator as a plug-in of this process; a JVM is always one of its own."""
        if self.language == "java":
            return self.in_worker(store)
        return zcx.Calculator(self.config(store, calculator=self.language, type=self.type, options=self.options,
                                          plugin=self.plugin()))

    def in_worker(self, store):
        return zcx.Calculator(self.config(store, queue=self.name))

    def worker(self, store):
        """The command of a process that answers the calls of in_worker."""
        config = self.config(store, queue=self.name, type=self.type, options=self.options)
        if self.language == "java":
            return [BUILD / "java/worker", self.type, json.dumps(config)]
        return [BUILD / "command/zcx", "worker", "--plugin", self.plugin(), "--queue", self.name,
                "--config", json.dumps(config)]


@contextlib.contextmanager
def workers(store, nodes):
    """One worker process a node, for as long as the block lasts."""
    started = [subprocess.Popen([str(word) for word in node.worker(store)], stderr=subprocess.DEVNULL)
               for node in nodes]
    try:
        while sum(queue["workers"] for queue in store.stat()["queues"]) < len(nodes):
            if any(worker.poll() is not None for worker in started):
                raise SystemExit("a worker did not start")
            time.sleep(0.02)
        yield
    finally:
        for worker in started:
            worker.send_signal(signal.SIGTERM)
        for worker in started:
            worker.wait()
