"""doctor --repair and backup, as their users run them."""
import json
import os
import signal
import subprocess

import pytest

from running import COMMAND, Zcx, until


@pytest.fixture
def filled(zcx):
    for key in "abc":
        zcx.run("put", key, "--ttl=never", "--budget=64m" if key == "a" else "--existing",
                stdin=key.encode() * 500_000)
    return zcx


def flip(zcx, text):
    """One byte of a payload is changed behind the store's back."""
    with open(zcx.path / "data.mdb", "r+b") as file:
        file.seek(file.read(32 << 20).index(text))
        file.write(b"?")


def test_backup_and_back(filled):
    copy, again = filled.path.parent / "copy", filled.path.parent / "again"
    text = filled.out("backup", str(copy)).decode()
    assert str(copy) in text and "3, 1.4 MiB" in text
    report = json.loads(subprocess.run([COMMAND, "backup", "--json", "--ephemeral", copy, again],
                                       capture_output=True, check=True).stdout)
    assert report["records"] == 3 and report["left_out"] == []
    for path, durability in [(copy, "commit"), (again, "none")]:
        other = Zcx(path)
        assert other.out("get", "b") == b"b" * 500_000
        assert other.json("doctor")["sound"]
        assert other.json("stat")["store"]["durability"] == durability


def test_backup_refuses(filled):
    copy = filled.path.parent / "copy"
    filled.run("backup", str(copy))
    assert "exists" in filled.error("backup", str(copy), code=2)
    assert "exists" in filled.error("backup", "/dev/null", code=2)
    assert b"path" in filled.run("backup", code=2).stderr
    assert "no store" in Zcx("/nowhere/at/all").error("backup", "/tmp/x", code=1)


def test_a_backup_that_is_killed_leaves_no_store(filled):
    copy = filled.path.parent / "copy"
    big = b"x" * 8_000_000
    filled.run("put", "big", "--ttl=never", stdin=big)
    for _ in range(10):
        process = filled.start("backup", str(copy))
        until(lambda: os.path.exists(f"{copy}.partial") or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if copy.exists():  # it was done already
            assert Zcx(copy).out("get", "big") == big
            break
        Zcx(copy).error("get", "big", code=1)
    else:
        filled.run("backup", str(copy))
    assert Zcx(copy).json("doctor")["records"] == 4
    assert filled.json("doctor")["sound"]


def test_a_damaged_record_is_left_out_of_a_backup_or_deleted(filled):
    filled.run("put", "sum", "--checksum", "--ttl=never", stdin=b"needle in the hay" * 1000)
    flip(filled, b"needle in the hay")
    assert "would: delete the record" in filled.run("doctor", code=4).stdout.decode()
    report = json.loads(filled.run("doctor", "--json", "--repair", code=4).stdout)
    assert not report["sound"] and report["repaired"] == [] and "sum" in report["left"][0]["text"]
    assert filled.out("ls").decode().split() == ["a", "b", "c", "sum"]
    assert b"--repair" in filled.run("doctor", "--delete-damaged", code=2).stderr
    text = filled.out("doctor", "--repair", "--delete-damaged").decode()
    assert "NOT sound" in text and 'deleted "sum" from default' in text
    assert text.rstrip().endswith("The store is sound: 3 records were read.")
    assert filled.out("ls").decode().split() == ["a", "b", "c"]


def test_the_dead_are_repaired(filled):
    viewer = filled.start("get", "a")
    viewer.stdout.read(1)
    viewer.send_signal(signal.SIGKILL)
    viewer.communicate()
    filled.run("put", "--hex", "61", "--ttl=never", stdin=b"reaps, as every opener does")
    report = filled.json("doctor", "--repair")
    assert report["sound"] and report["left"] == []


def test_a_data_file_put_back_is_what_counts(filled):
    data = (filled.path / "data.mdb").read_bytes()[: 32 << 20]
    for _ in range(5):
        filled.run("put", "a", "--ttl=never", stdin=b"later")
    with open(filled.path / "data.mdb", "r+b") as file:
        file.write(data)
    assert "The store is sound" in filled.out("doctor").decode()
    assert filled.out("get", "a") == b"a" * 500_000


def test_a_damaged_data_file_is_named(filled):
    with open(filled.path / "data.mdb", "r+b") as file:
        for page in range(2, 100):
            file.seek(page * 4096 + 10)
            if file.read(2) == b"\2\0":  # a leaf's flags
                file.seek(page * 4096 + 12)
                file.write(b"\xff\xff")
    result = filled.run("doctor", code=4)
    assert "data.mdb" in (result.stdout + result.stderr).decode()
    assert "damaged" in (result.stdout + result.stderr).decode()
    assert "data.mdb" in filled.error("get", "a", code=4)
