"""The peer of the language matrix agrees with itself, and sees what differs."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import zcx
from peer import main

PEER = pathlib.Path(__file__).with_name("peer.py")


def peer(*arguments, code=0):
    done = subprocess.run([sys.executable, PEER, *map(str, arguments)], capture_output=True, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout if code == 0 else done.stderr.decode()


def differs(*arguments):
    with pytest.raises(SystemExit) as raised:
        main(*map(str, arguments))
    return raised.value.code


@pytest.mark.parametrize("format", ["raw", "json", "msgpack", "numpy"])
def test_write_and_read(path, format):
    for size in (0, 1, 1024, 1 << 20):
        main("write", path, "key", format, str(size))
        main("read", path, "key", format, str(size))
    assert "other" in differs("read", path, "key", format, (1 << 20) + 8)
    peer("write", path, "key", {"raw": "json"}.get(format, "raw"), 8)
    assert "format" in peer("read", path, "key", format, 8, code=1)


@pytest.mark.parametrize("worker", [True, False])
def test_call(queue, plugins, tmp_path, worker):
    config = {**queue.config}
    if worker:
        queue.serving("hosted:Echo")
    else:
        del config["queue"]
        config.update(calculator="c", type="transform", plugin=str(plugins / "transform.so"),
                      options={"operation": "clip"})
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    with zcx.Store(queue.path, budget=512 << 20) as store:
        for data in (np.arange(3.0), np.arange(100_000.0)):
            store.put("in", data)
            assert peer("call", file, "in") == data.tobytes()
        store.delete("in")
    queue.assert_empty()
