"""Exit codes and sentences for what goes wrong."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from running import COMMAND, library, until

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def run(*arguments, **options):
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60,
                          **options)


@pytest.mark.parametrize("command", ["put", "get", "ls", "stat", "rm", "sweep", "doctor", "wait",
                                     "watch", "call", "worker", "top"])
def test_help(command):
    result = run(command, "--help")
    assert result.returncode == 0
    assert f"Usage: zcx {command}" in result.stdout
    assert all(f"--{option}" in result.stdout for option in ["json", "path", "database"])


def test_version_and_overview():
    assert run("--version").stdout == f"zcx {version()}\n"
    assert run("ls", "--version").stdout == f"zcx {version()}\n"
    assert "doctor" in run("--help").stdout
    assert run().returncode == 2
    result = run("nonsense")
    assert result.returncode == 2 and "'nonsense'" in result.stderr


def version():
    return (pathlib.Path(__file__).parents[2] / "VERSION").read_text().strip()


@pytest.mark.parametrize("arguments, says", [
    (["put"], "KEY is missing"),
    (["put", "a", "b", "c"], "one FILE"),
    (["put", "a", "--ttl=soon"], "'soon'"),
    (["put", "a", "--ttl=99999999999999999999"], "--ttl"),
    (["put", "a", "--ttl=-1"], "--ttl"),
    (["put", "a", "--format=yaml"], "yaml"),
    (["put", "a", "--shape=3,"], "--shape"),
    (["put", "a", "--budget=lots"], "--budget"),
    (["put", "a", "--budget=1"], "budget is 1 bytes"),
    (["put", "a", "--format=numpy"], "dtype"),
    (["put", "", "-"], "key"),
    (["put", "a", "--database=zcx.slots"], "zcx."),
    (["put", "a", "--hex"], "'a' is not in hexadecimal"),
    (["put", "a", "--hax"], "unrecognized"),
    (["get"], "KEY is missing"),
    (["get", "a", "--json"], "needs a FILE"),
    (["ls", "a", "b"], "one PREFIX"),
    (["ls", "--limit=0"], "--limit"),
    (["rm"], "KEY or --prefix"),
    (["rm", "--prefix="], "empty"),
    (["stat", "a", "b"], "one KEY"),
    (["sweep", "a"], "no argument"),
    (["doctor", "a"], "no argument"),
    (["ls", "--timeout=0"], "--timeout"),
])
def test_wrong_usage_is_2(zcx, arguments, says):
    if arguments != ["put", "a", "--budget=1"]:
        zcx.run("put", "there", stdin=b"x")
    assert says in zcx.error(*arguments, code=2)


def test_key_limits(zcx):
    zcx.run("put", "k" * 511, stdin=b"x")
    assert "512" in zcx.error("put", "k" * 512, code=2)


@pytest.mark.parametrize("command", [["get", "a"], ["ls"], ["stat"], ["rm", "a"], ["sweep"],
                                     ["doctor"], ["put", "a", "--existing"]])
def test_looking_creates_nothing(zcx, command):
    result = zcx.run(*command, code=1)
    assert str(zcx.path) in result.stderr.decode()
    assert not zcx.path.exists()
    zcx.path.mkdir(mode=0o700)
    zcx.run(*command, code=1)
    assert list(zcx.path.iterdir()) == []


def test_not_found_is_1(zcx):
    zcx.run("put", "there", stdin=b"x")
    assert '"nope"' in zcx.error("get", "nope", code=1)
    zcx.error("stat", "nope", code=1)
    zcx.error("rm", "nope", code=1)
    zcx.run("rm", "--force", "nope")
    zcx.error("get", "there", "--verify", code=1)


def test_expired_is_1(zcx):
    zcx.run("put", "brief", "--ttl=1ms", stdin=b"x")
    until(lambda: zcx.out("ls") == b"")
    assert "expired" in zcx.error("get", "brief", code=1)
    assert zcx.out("ls", "--all") == b"brief\n"
    assert zcx.json("sweep")["expired"] == 1
    assert zcx.out("ls", "--all") == b""


def test_full_is_3(zcx):
    zcx.run("put", "a", "--budget=16m", stdin=b"x" * 4_000_000)
    assert "16.0 MiB" in zcx.error("put", "b", code=3, stdin=b"x" * 40_000_000)
    zcx.error("put", "b", "--wait=50ms", code=5, stdin=b"x" * 40_000_000)
    assert zcx.out("get", "a") == b"x" * 4_000_000
    zcx.run("rm", "a")
    for _ in range(2):  # the slot is free when two transactions have passed since
        zcx.run("put", "small", stdin=b"x")
    zcx.run("put", "b", stdin=b"y" * 4_000_000)


def test_another_budget_is_5(zcx):
    zcx.run("put", "a", "--budget=16m", stdin=b"x")
    message = zcx.error("put", "a", "--budget=32m", code=5)
    assert "33554432" in message and "16777216" in message
    zcx.run("put", "a", "--budget=16m", stdin=b"x")


def test_corrupt_is_4(zcx):
    zcx.run("put", "a", stdin=b"x")
    text = (zcx.path / "store.json").read_text()
    (zcx.path / "store.json").write_text(text.replace('"budget"', '"budgie"'))
    assert "budget" in zcx.error("ls", code=4)
    report = json.loads(zcx.run("doctor", "--json", code=4).stdout)
    assert not report["sound"] and report["findings"][0]["advice"]


def test_another_version_is_8(zcx):
    zcx.run("put", "a", stdin=b"x")
    text = (zcx.path / "store.json").read_text()
    (zcx.path / "store.json").write_text(text.replace('"protocol": 1', '"protocol": 2'))
    assert "version 2" in zcx.error("ls", code=8)


def test_another_pid_namespace_is_8(zcx):
    zcx.run("put", "a", stdin=b"x")
    manifest = json.loads((zcx.path / "store.json").read_text())
    text = (zcx.path / "store.json").read_text()
    inode = str(manifest["pid_namespace"])
    (zcx.path / "store.json").write_text(text.replace(inode, inode[:-1] + "0"))
    assert "pid namespace" in zcx.error("ls", code=8)


def test_links_and_wide_modes_are_6(zcx):
    zcx.run("put", "a", stdin=b"x")
    link = zcx.path.with_name("link")
    link.symlink_to(zcx.path)
    assert "symbolic link" in run("ls", "-p", link).stderr
    assert run("ls", "-p", f"{link}/").returncode == 6
    for mode in [0o770, 0o702, 0o777]:
        zcx.path.chmod(mode)
        assert "chmod 700" in zcx.error("ls", code=6)
        zcx.error("put", "b", code=6)
    zcx.path.chmod(0o700)
    zcx.run("ls")


@AS_ROOT
def test_a_foreign_store_is_6(zcx):
    zcx.run("put", "a", stdin=b"x")
    os.chown(zcx.path, 12345, 12345)
    assert "12345" in zcx.error("get", "a", code=6)
    assert "12345" in zcx.error("put", "a", code=6)


@AS_ROOT
def test_another_user_is_refused(zcx, shared_memory):
    """Root's store is not readable for somebody else, and their default path is another one."""
    zcx.run("put", "a", stdin=b"x")
    place = shared_memory / "command"
    if not place.exists():
        place.mkdir(mode=0o755)
        shutil.copy(COMMAND, place / "zcx")
        shutil.copy(library(), place / "libzcx.so.0")
    os.chmod(zcx.path.parent, 0o755)
    result = subprocess.run([place / "zcx", "get", "-p", zcx.path, "a"], user=12345, group=12345,
                            extra_groups=[], capture_output=True, text=True, cwd="/",
                            env={"LD_LIBRARY_PATH": str(place)})
    assert result.returncode == 6 and result.stdout == ""
    result = subprocess.run([place / "zcx", "ls"], user=12345, group=12345, extra_groups=[],
                            capture_output=True, text=True, cwd="/",
                            env={"LD_LIBRARY_PATH": str(place)})
    assert result.returncode == 1 and "/dev/shm/zcx-12345" in result.stderr


def test_no_directory_and_odd_file_systems(zcx, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert run("ls", "-p", tmp_path / "file").returncode == 2
    assert run("put", "-p", tmp_path / "no" / "where", "a", "/dev/null").returncode == 11
    if os.geteuid() == 0:
        result = run("ls", "-p", "/proc")
        assert result.returncode == 8 and "fallocate" in result.stderr


@pytest.mark.parametrize("limit", [1000, 70_000, 200_000])  # KiB; a store's largest file is its board
def test_file_size_limit_is_7(zcx, limit):
    command = f"ulimit -f {limit}; exec '{COMMAND}' put -p '{zcx.path}' -B 16m a /dev/null"
    for _ in range(2):
        result = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert result.returncode == 7 and "RLIMIT_FSIZE" in result.stderr
        zcx.run("put", "a", "-B", "16m", stdin=b"x")


def test_input_and_output_failures_are_11(zcx, tmp_path):
    assert "No such file" in zcx.error("put", "a", tmp_path / "none", code=11)
    assert not zcx.path.exists()
    assert "directory" in zcx.error("put", "a", tmp_path, code=11)
    zcx.run("put", "a", stdin=b"x" * 100_000)
    assert "No space" in zcx.error("get", "a", "/dev/full", code=11)
    zcx.error("get", "a", tmp_path, code=11)
    with open("/dev/full", "wb") as full:
        assert subprocess.run(zcx.argv("ls"), stdout=full, stderr=subprocess.PIPE).returncode == 11


def test_errors_as_json(zcx):
    zcx.run("put", "a", stdin=b"x")
    report = json.loads(zcx.error("stat", "--json", "nope", code=1))
    assert report["status"] == "ZCX_ENOTFOUND" and report["exit"] == 1 and "nope" in report["error"]


def test_a_failed_put_leaves_what_was_there(zcx, tmp_path):
    zcx.run("put", "a", stdin=b"before")
    zcx.error("put", "a", "--format=numpy", "--dtype=<f8", "--shape=7", stdin=b"x" * 100_000, code=2)
    assert zcx.out("get", "a") == b"before"
    states = zcx.json("stat")["slots"]
    assert states["loaned"]["slots"] == 0
