"""What worker and call say: of wrong options and bad plug-ins, and of what goes on."""
import json
import os

import pytest

from running import BAD_PLUGINS, MISBEHAVE, doing, end


@pytest.mark.parametrize("arguments, code, says", [
    (["worker"], 2, "--plugin is missing"),
    (["worker", "--plugin=none.so"], 2, "--queue is missing"),
    (["worker", "--plugin=/none.so", "--queue=q"], 1, "/none.so"),
    (["worker", "--plugin=none.so", "--queue=q"], 1, f"{os.getcwd()}/none.so"),
    (["worker", "--plugin=/etc/passwd", "--queue=q"], 2, "cannot be loaded"),
    (["worker", f"--plugin={BAD_PLUGINS}/other_abi.so", "--queue=q"], 8, "ABI version 99"),
    (["worker", f"--plugin={BAD_PLUGINS}/no_descriptor.so", "--queue=q"], 2, "no descriptor"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", "--concurrency=0"], 2, "--concurrency"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", "--concurrency=257"], 2, "256"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", "x"], 2, "no argument"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue="], 2, "'queue'"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", "--config={"], 2, "not JSON"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", "--config=/none"], 2, "/none"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", '--config={"quue": 1}'], 2, "'quue'"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", '--config={"type": "x"}'], 2, "'misbehave'"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", '--config={"options": {"d": 1}}'], 2, "'d'"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", '--config={"lmdb_enabled": false}'], 2,
     "lmdb_enabled"),
    (["worker", f"--plugin={MISBEHAVE}", "--queue=q", doing("no instance")], 2, "Sunday"),
    (["call"], 2, "--queue or --plugin"),
    (["call", "a", "b"], 2, "one INPUT-KEY"),
    (["call", "--queue=q", "--plugin=p"], 2, "exclude"),
    (["call", "--queue=q", "--keep", "--output=x"], 2, "exclude"),
    (["call", "--queue=q", "--json"], 2, "--output or --keep"),
    (["call", "--queue=q", "--format=yaml"], 2, "yaml"),
    (["call", "--queue=q", "--format=numpy"], 2, "dtype"),
    (["call", "--queue=q", "--timeout=soon"], 2, "'soon'"),
    (["call", "--queue=q", "nope"], 1, '"nope"'),
    (["call", "--plugin=/none.so", "there"], 1, "/none.so"),
    (["call", "--plugin=/none.so", "nope"], 1, '"nope"'),
])
def test_wrong_usage(zcx, arguments, code, says):
    zcx.run("put", "there", stdin=b"x")
    assert says in zcx.error(*arguments, code=code)
    zcx.assert_left("there")


def test_a_call_makes_no_store(zcx):
    assert str(zcx.path) in zcx.error("call", "-q", "q", stdin=b"x", code=1)
    assert not zcx.path.exists()


def test_what_a_worker_says(zcx):
    quiet = zcx.worker(MISBEHAVE, "primes", doing("fail"), "--json")
    assert json.loads(quiet.said)["event"] == "started"
    zcx.run("call", "--queue=primes", stdin=b"3", code=10)
    said = json.loads(quiet.stderr.readline())
    assert said["event"] == "failed" and said["queue"] == "primes" and "prime" in said["error"]
    end(quiet)
    for level, lines in [("off", 0), ("warn", 1), ("info", 2)]:
        worker = zcx.start("worker", f"--plugin={MISBEHAVE}", "--queue=primes", doing("fail"),
                           env={**os.environ, "ZCX_LOG": level})
        zcx.run("call", "--queue=primes", stdin=b"3", code=10)
        worker.terminate()
        assert len(worker.communicate()[1].splitlines()) == lines
