"""Every caller calls every calculator in every mode, in its own process where that can be and in a
worker: the answers are the same bytes."""

import json
import os
import signal
import subprocess
import tempfile
import time

import numpy as np
import pytest

import peers

PLUGINS = {
    "c": peers.BUILD / "calculators/transform.so",
    "cpp": peers.BUILD / "calculators/cpp/transform.so",
    "rust": peers.BUILD.parent / "rust/release/libtransform.so",
}
MODES = "input", "output", "both", "reference"
OPTIONS = {"operation": "rolling_mean", "window": 5}


@pytest.fixture(scope="module")
def store():
    with tempfile.TemporaryDirectory(prefix="zcx-calls-", dir="/dev/shm") as directory:
        with peers.store_at(directory) as store:
            numbers = np.random.default_rng(1).standard_normal(10_000)
            store.put("numbers", numbers, ttl=0)
            store.put("few", numbers[:8], ttl=0)  # below the threshold
            yield store


def configuration(store, mode, **more):
    return {"name": "transform", "lmdb_enabled": True, "lmdb_db_path": store.path, "lmdb_exchange_mode": mode,
            **more}


def worker_command(language, store):
    config = configuration(store, "both", queue=language, options=OPTIONS)
    if language == "python":
        return [*peers.PEERS["python"][:1], "-m", "zcx.worker", "transform:Transform", "--config", json.dumps(config)]
    if language == "java":
        return [peers.BUILD / "java/worker", "Transform", json.dumps(config)]
    return [peers.COMMAND, "worker", "--plugin", PLUGINS[language], "--queue", language,
            "--config", json.dumps({**config, "type": "transform"})]


@pytest.fixture(scope="module")
def workers(store):
    """One worker a language, all taking from a queue of its own."""
    environment = {**os.environ, "PYTHONPATH": str(peers.ROOT / "calculators/python")}
    started = [subprocess.Popen([str(word) for word in worker_command(language, store)], env=environment)
               for language in (*PLUGINS, "java", "python")]
    try:
        deadline = time.monotonic() + 60
        while len(store.stat()["queues"]) < len(started):
            assert time.monotonic() < deadline and all(worker.poll() is None for worker in started)
            time.sleep(0.05)
        yield
    finally:
        for worker in started:
            worker.send_signal(signal.SIGTERM)
        ends = [worker.wait(30) for worker in started]
    assert ends == [0] * len(started)


@pytest.fixture(scope="module")
def wanted(store, tmp_path_factory):
    """What the plug-in in C answers in this test's own process."""
    import zcx
    answers = {}
    for key in ("numbers", "few"):
        calculator = zcx.Calculator(configuration(store, "both", calculator="c", type="transform",
                                                  plugin=PLUGINS["c"], options=OPTIONS))
        answers[key] = np.ascontiguousarray(calculator.calculate(store.get(key))).tobytes()
    return answers


def same(found, wanted):
    """Languages may sum in another order."""
    return np.allclose(np.frombuffer(found), np.frombuffer(wanted), rtol=1e-12, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("language", PLUGINS)
@pytest.mark.parametrize("caller", peers.NAMES)
def test_in_process(store, wanted, caller, language, mode, tmp_path):
    config = configuration(store, mode, calculator=language, type="transform", plugin=str(PLUGINS[language]),
                           options=OPTIONS)
    peer = peers.open_peer(caller, store, tmp_path)
    for key in wanted:
        assert same(peer.call(config, key), wanted[key])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("language", [*PLUGINS, "java", "python"])
@pytest.mark.parametrize("caller", peers.NAMES)
def test_in_a_worker(store, wanted, workers, caller, language, mode, tmp_path):
    config = configuration(store, mode, queue=language)
    peer = peers.open_peer(caller, store, tmp_path)
    for key in wanted:
        assert same(peer.call(config, key), wanted[key])


def test_nothing_is_left(store, wanted, workers):
    store.sweep()
    left = [key for key in store.scan() if key not in wanted]
    assert left == []
