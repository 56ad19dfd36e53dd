"""zcx sweep --metrics: the exposition as Prometheus reads it, and who may have it."""
import http.client
import os
import socket
import stat
import subprocess
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from running import until
from test_sweeper import end, sweeper


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self.path))


def fetch(connection, url="/metrics", method="GET"):
    connection.request(method, url)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def metrics(text):
    """Each family once, and each series; by name and labels."""
    values = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("gauge", "counter"), family.name
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in values, key
            values[key] = sample.value
    return values


@pytest.fixture
def store(zcx):
    zcx.run("put", "old", "--ttl=never", stdin=b"x" * 100_000)
    return zcx


@pytest.fixture
def served(store, tmp_path):
    path = tmp_path / "metrics"
    process = sweeper(store, f"--metrics=unix:{path}")
    assert f"unix:{path}" in process.said
    until(lambda: ("zcx_last_sweep_timestamp_seconds",) in read(path))  # the first one has ended
    yield store, path
    end(process)
    assert not path.exists()


def read(path):
    return metrics(fetch(UnixConnection(path))[1])


def test_the_exposition(served):
    store, path = served
    response, text = fetch(UnixConnection(path))
    assert response.status == 200 and text.endswith("\n")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found, said = metrics(text), store.json("stat")
    assert found["zcx_up",] == 1
    assert found["zcx_records", ("database", "default")] == 1
    assert found["zcx_budget_bytes",] == said["store"]["budget"]
    assert 0 < found["zcx_used_bytes",] <= said["store"]["budget"]
    assert found["zcx_publishes_total",] == 1
    assert found["zcx_loans_total",] == said["counters"]["loans"]
    assert found["zcx_slots", ("state", "published")] == 1
    live = [value for key, value in found.items()
            if key[0] == "zcx_class_bytes" and ("state", "live") in key]
    assert sum(live) == said["slots"]["published"]["bytes"] >= 100_000
    for kind in ["full", "lock_timeouts", "corrupt", "error_records", "sweeps"]:
        assert found["zcx_errors_total", ("kind", kind)] == 0
    for name in ["waiters", "open_views", "open_loans", "held_bytes", "readers",
                 "longest_lock_hold_seconds", "last_sweep_timestamp_seconds", "views_total",
                 "sweeps_total", "processes", "recoveries_total", "trimmed_bytes_total"]:
        assert found[f"zcx_{name}",] >= 0, name
    assert ("zcx_oldest_holder_seconds",) not in found


def test_counters_only_rise(served):
    store, path = served
    before = read(path)
    for _ in range(3):
        store.run("get", "old")
        store.run("put", "new", stdin=b"y" * 50_000)
    after = read(path)
    assert after["zcx_views_total",] == before["zcx_views_total",] + 3
    assert after["zcx_publishes_total",] == before["zcx_publishes_total",] + 3
    for key, value in before.items():
        if key[0].endswith("_total"):
            assert after[key] >= value, key
    until(lambda: ("zcx_publishes_per_second",) in read(path))


def test_holders_and_queues(served):
    store, path = served
    store.run("put", "large", stdin=b"x" * 4_000_000)
    viewer = store.start("get", "large")
    viewer.stdout.read(1)
    store.run("rm", "large")
    call = store.call('a "queue"\\', b"x", "--timeout=1m")
    until(lambda: ("zcx_queue_waiting", ("queue", 'a "queue"\\')) in read(path))
    found = read(path)
    assert found["zcx_open_views",] == 1 and found["zcx_processes",] >= 3
    assert found["zcx_held_bytes",] >= 4_000_000
    assert found["zcx_oldest_holder_seconds",] >= 0
    assert found["zcx_queue_waiting", ("queue", 'a "queue"\\')] == 1
    assert found["zcx_queue_oldest_seconds", ("queue", 'a "queue"\\')] >= 0
    held = [value for key, value in found.items()
            if key[0] == "zcx_class_bytes" and ("state", "held") in key]
    assert sum(held) >= 4_000_000
    until(lambda: read(path)["zcx_waiters",] == 1)
    for process in [viewer, call]:
        process.kill()
        process.communicate()


def test_a_store_that_is_not_there(zcx, tmp_path):
    path = tmp_path / "metrics"
    process = sweeper(zcx, f"--metrics=unix:{path}", says="no store")
    process.stderr.readline()
    assert read(path) == {("zcx_up",): 0}
    zcx.run("put", "key", stdin=b"x")
    until(lambda: read(path)["zcx_up",] == 1)
    process.stderr.readline()
    end(process)


def test_other_requests(served):
    _, path = served
    assert fetch(UnixConnection(path), "/")[0].status == 404
    response, _ = fetch(UnixConnection(path), method="DELETE")
    assert response.status == 405 and "GET" in response.headers["Allow"]
    response, text = fetch(UnixConnection(path), method="HEAD")
    assert response.status == 200 and text == ""
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(path))
        rude.sendall(b"\x00nonsense\r\n\r\n" * 1000)
    assert read(path)["zcx_up",] == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_port(store, host):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        try:
            probe.bind((host.strip("[]"), 0))
        except OSError as problem:
            pytest.skip(f"{host} cannot be had: {problem}")
    process = sweeper(store, f"--metrics={host}:0")
    url = process.said.split("metrics at ")[1].strip()
    assert url.startswith(f"http://{host}:") and url.endswith("/metrics")
    address = url.removeprefix("http://").removesuffix("/metrics")
    assert metrics(fetch(http.client.HTTPConnection(address))[1])["zcx_up",] == 1
    message = store.error("sweep", "--every=20ms", f"--metrics={address}", code=5)
    assert address in message
    end(process)


class Dripper:
    """A client that never ends its request, and is never silent."""

    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.sendall(b"GET /metrics HTTP/1.1\r\nX: ")

    def drip(self, stop):
        with self.socket:
            while not stop.wait(0.2):
                try:
                    self.socket.sendall(b"x")
                except OSError:
                    return  # it was dropped


def test_slow_clients_do_not_keep_others_out(store):
    process = sweeper(store, "--metrics=127.0.0.1:0")
    port = int(process.said.split(":")[-1].removesuffix("/metrics\n"))
    stop = threading.Event()
    threads = [threading.Thread(target=Dripper(("127.0.0.1", port)).drip, args=[stop]) for _ in range(24)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            assert metrics(fetch(connection)[1])["zcx_up",] == 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    end(process)


# ---- the socket


def test_only_its_owner_may_connect(served):
    mode = os.lstat(served[1]).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_a_socket_that_was_left_is_replaced(store, tmp_path):
    path = tmp_path / "metrics"
    first = sweeper(store, f"--metrics=unix:{path}")
    first.kill()
    first.communicate()
    assert path.exists()
    second = sweeper(store, f"--metrics=unix:{path}")
    assert read(path)["zcx_up",] == 1
    end(second)
    assert not path.exists()


def test_a_socket_in_use_is_left_alone(served):
    store, path = served
    assert str(path) in store.error("sweep", "--every=20ms", f"--metrics=unix:{path}", code=5)
    assert read(path)["zcx_up",] == 1


def test_a_file_is_left_alone(store, tmp_path):
    path = tmp_path / "file"
    path.write_text("precious")
    assert str(path) in store.error("sweep", "--every=20ms", f"--metrics=unix:{path}", code=5)
    assert path.read_text() == "precious"
    missing = tmp_path / "missing/metrics"
    assert str(missing) in store.error("sweep", "--every=20ms", f"--metrics=unix:{missing}", code=11)
