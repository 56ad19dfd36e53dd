"""python -m zcx.worker: what it hosts, how it is told, how it ends."""

import json
import signal
import subprocess

import pytest

from conftest import until


def test_sigterm_finishes_the_request_in_hand(queue, tmp_path):
    begun, release = tmp_path / "begun", tmp_path / "release"
    worker = queue.serving("hosted:Acts")
    future = queue.calculator().submit(
        {"do": "hang", "begun": str(begun), "release": str(release)})
    until(begun.exists)
    worker.send_signal(signal.SIGTERM)
    second = queue.calculator().submit({"do": "pid"})
    release.touch()
    assert future.result() == "released" and worker.wait() == 0
    assert not second.done() and second.cancel()
    until(lambda: not queue.stat()["waiting"])
    del future, second
    queue.assert_empty()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends(queue, number):
    worker = queue.serving("hosted:Acts", "--concurrency", "3")
    worker.send_signal(number)
    assert worker.wait() == 0


def test_a_second_signal_ends_it_at_once(queue, tmp_path):
    begun = tmp_path / "begun"
    worker = queue.serving("hosted:Acts")
    future = queue.calculator().submit({"do": "hang", "begun": str(begun), "release": "/nowhere"})
    until(begun.exists)
    worker.send_signal(signal.SIGTERM)
    until(lambda: worker.send_signal(signal.SIGTERM) or worker.poll() is not None)
    assert worker.returncode == -signal.SIGTERM
    assert future.cancel()
    until(lambda: not queue.stat()["claims"] and not queue.stat()["waiting"])


def test_concurrency(queue):
    queue.serving("hosted:Meets", "--concurrency", "4")
    calculator = queue.calculator()
    futures = [calculator.submit(number) for number in range(4)]
    assert [future.result() for future in futures] == [0, 1, 2, 3]


@pytest.mark.parametrize("what", ["Echo", "made", "make"])
def test_classes_functions_and_objects(queue, what):
    queue.start(f"hosted:{what}", "--concurrency", "2")
    assert queue.calculator().calculate("x") == "x"


def test_options_queue_and_file(queue, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**queue.config, "options": {"a": [1]}, "queue": "another"}))
    queue.start("hosted:Configured", "--config", f"@{file}", "--queue", "tests")
    assert queue.calculator().calculate(0) == {"a": [1]}
    queue.start("hosted:Configured", "--config", file)
    assert queue.calculator(queue="another").calculate(0) == {"a": [1]}
    queue.start("hosted:Configured", queue="bare")
    assert queue.calculator(queue="bare").calculate(0) == {}


@pytest.mark.parametrize("calculator, options, says", [
    ("hosted", {}, "'hosted' is no calculator: it must be module:Class"),
    ("nowhere:Class", {}, "No module named 'nowhere'"),
    ("hosted:Nothing", {}, "'hosted' has no attribute 'Nothing'"),
    ("hosted:Idle", {}, "Idle has no calculate(data)"),
    ("hosted:Echo", {"options": {"a": 1}}, "Echo takes no options, and the configuration has a"),
    ("hosted:Echo", {"lmdb_enabled": False}, "lmdb_enabled"),
    ("hosted:Echo", {"color": 1}, "'color'"),
    ("hosted:Echo", {"queue": ""}, "'queue'"),
])
def test_what_cannot_be_hosted(queue, calculator, options, says):
    worker = queue.start(calculator, stderr=subprocess.PIPE, **options)
    said = worker.stderr.read()
    assert says in said and said.startswith("zcx.worker: ") and said.count("\n") == 1
    assert worker.wait() == 1
