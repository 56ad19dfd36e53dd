"""ls, stat, rm, sweep and doctor, beside processes that hold something."""
import json
import os
import signal
import shutil
import subprocess
import sys

import pytest

from running import COMMAND, library, until


def holder(zcx, pid):
    return next((one for one in zcx.json("stat")["holders"] if one["pid"] == pid), None)


@pytest.fixture
def keys(zcx):
    for key in ["a", "b:1", "b:2", "b:3", "c"]:
        zcx.run("put", key, stdin=key.encode() * 3000)
    return zcx


def names(zcx, *arguments):
    return zcx.out("ls", *arguments).decode().split()


def test_ls(keys):
    assert names(keys) == ["a", "b:1", "b:2", "b:3", "c"]
    assert names(keys, "--reverse") == ["c", "b:3", "b:2", "b:1", "a"]
    assert names(keys, "b:") == ["b:1", "b:2", "b:3"]
    assert names(keys, "b:", "-r", "--limit=2") == ["b:3", "b:2"]
    assert names(keys, "--from=b:2", "--to=c") == ["b:2", "b:3"]
    assert names(keys, "--snapshot", "-n", "1") == ["a"]
    assert names(keys, "nothing") == []


def test_ls_long_and_json(keys):
    lines = keys.out("ls", "--long").decode().splitlines()
    assert len(lines) == 5 and lines[0].startswith("raw") and "2.9 KiB" in lines[0]
    assert lines[0].endswith(" a") and "4 min" in lines[0]
    assert " 3000 " in keys.out("ls", "-lb").decode()
    keys.run("put", "forever", "--ttl=never", stdin=b"x")
    assert "never" in keys.out("ls", "-l", "forever").decode()
    records = [json.loads(line) for line in keys.out("ls", "--json").splitlines()]
    assert [record["key"] for record in records] == ["a", "b:1", "b:2", "b:3", "c", "forever"]
    assert records[1]["length"] == 9000 and records[-1]["expires"] is None


def test_ls_of_many(zcx):
    """More than one step of a scan."""
    for key in range(1100):
        zcx.run("put", f"{key:05}", stdin=b"")
    assert len(names(zcx)) == 1100
    assert zcx.json("rm", "--prefix=00")["deleted"] == 1000
    assert len(names(zcx)) == 100


def test_rm(keys):
    keys.run("rm", "a", "c")
    assert names(keys) == ["b:1", "b:2", "b:3"]
    result = keys.run("rm", "b:1", "nope", "b:2", code=1)
    assert '"nope"' in result.stderr.decode()
    assert names(keys) == ["b:3"]
    assert keys.json("rm", "--prefix=b:")["deleted"] == 1
    assert names(keys) == []


def test_a_viewer_is_shown_and_keeps_its_view(zcx):
    data = os.urandom(1 << 20) * 4
    zcx.run("put", "key", stdin=data)
    viewer = zcx.start("get", "key")  # blocks on its full pipe, with a view
    first = viewer.stdout.read(1)
    shown = holder(zcx, viewer.pid)
    assert shown["views"] == 1 and shown["command"] == "zcx" and shown["alive"]
    text = zcx.out("stat").decode()
    assert str(viewer.pid) in text
    zcx.run("rm", "key")
    for byte in b"xyz":
        zcx.run("put", "other", stdin=bytes([byte]) * len(data))
    assert holder(zcx, viewer.pid)["held_bytes"] >= len(data)
    assert first + viewer.communicate()[0] == data
    assert viewer.returncode == 0


def test_what_the_dead_held_is_freed(zcx):
    zcx.run("put", "key", stdin=b"x" * 4_000_000)
    writer = zcx.start("put", "unfinished")
    writer.stdin.write(b"x" * 500_000)
    writer.stdin.flush()
    until(lambda: (holder(zcx, writer.pid) or {}).get("loans") == 1)
    viewer = zcx.start("get", "key")
    viewer.stdout.read(1)
    for process in [writer, viewer]:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    zcx.run("sweep")
    assert [one for one in zcx.json("stat")["holders"] if not one["self"]] == []
    slots = zcx.json("stat")["slots"]
    assert slots["loaned"]["slots"] == 0
    assert names(zcx) == ["key"]
    assert zcx.json("doctor")["sound"]


def test_sweep(zcx):
    for key in range(5):
        zcx.run("put", f"brief:{key}", "--ttl=1ms", stdin=b"x" * 100_000)
    zcx.run("put", "long", stdin=b"x" * 100_000)
    until(lambda: names(zcx) == ["long"])
    assert zcx.json("sweep")["expired"] == 5
    assert names(zcx, "--all") == ["long"]
    for _ in range(3):  # a slot is idle when two transactions have passed since
        zcx.run("put", "long", stdin=b"x" * 100_000)
    before = zcx.json("stat")["store"]["used"]
    report = zcx.json("sweep", "--trim")
    assert report["expired"] == 0 and report["trimmed_bytes"] >= 300_000
    assert zcx.json("stat")["store"]["used"] <= before - 300_000
    assert "0 records" in zcx.out("sweep").decode()
    assert zcx.out("get", "long") == b"x" * 100_000


def test_doctor(keys):
    keys.run("put", "sum", "--checksum", stdin=b"x" * 50_000)
    report = keys.json("doctor")
    assert report["sound"] and report["records"] == 6
    assert report["stat"]["store"]["path"] == str(keys.path)
    text = keys.out("doctor").decode()
    assert "sound: 6 records" in text and str(keys.path) in text


def test_doctor_finds_a_payload_that_was_changed(zcx):
    zcx.run("put", "sum", "--checksum", "--budget=16m", stdin=b"needle in the hay" * 10_000)
    data = (zcx.path / "data.mdb").read_bytes()
    with open(zcx.path / "data.mdb", "r+b") as file:
        file.seek(data.index(b"needle in the hay"))
        file.write(b"N")
    report = json.loads(zcx.run("doctor", "--json", code=4).stdout)
    assert not report["sound"] and "sum" in report["findings"][0]["text"]
    assert "NOT sound" in zcx.run("doctor", code=4).stdout.decode()
    zcx.error("get", "--verify", "sum", code=4)


def test_a_removed_store_is_made_anew(zcx):
    zcx.run("put", "key", stdin=b"x" * 4_000_000)
    viewer = zcx.start("get", "key")
    first = viewer.stdout.read(1)
    shutil.rmtree(zcx.path)
    zcx.error("get", "key", code=1)
    zcx.run("put", "key", stdin=b"y")
    assert zcx.out("get", "key") == b"y"
    assert first + viewer.communicate()[0] == b"x" * 4_000_000


def test_default_path_is_the_environments(zcx):
    environment = {**os.environ, "ZCX_PATH": str(zcx.path)}
    subprocess.run([COMMAND, "put", "key"], input=b"x", env=environment, check=True)
    assert zcx.out("get", "key") == b"x"


def test_an_error_record_is_10(zcx):
    """The command writes none, so the library is called, in a process of its own."""
    zcx.run("put", "good", stdin=b"x")
    program = """if True:
        import ctypes, sys
        zcx, store = ctypes.CDLL(sys.argv[1]), ctypes.c_void_p()
        assert zcx.zcx_store_open(ctypes.byref(store), sys.argv[2].encode(), None, None) == 0
        assert zcx.zcx_store_put_error(store, b"bad", ctypes.c_size_t(3), b"it broke", b"line 7",
                                       ctypes.c_int64(0), None) == 0
        """
    subprocess.run([sys.executable, "-c", program, library(), zcx.path], check=True)
    message = zcx.error("get", "bad", code=10)
    assert "it broke" in message and "line 7" in message
    assert zcx.json("stat", "bad")["error"]
    assert zcx.out("ls", "-l", "bad").decode().startswith("error")
