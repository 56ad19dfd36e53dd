"""What the command loads, and what it refuses to."""
import json
import os
import shutil
import subprocess

import pytest

from running import CALCULATORS


@pytest.mark.parametrize("command", ["worker", "call"])
def test_a_bare_name_in_a_configuration_is_not_searched_for(zcx, tmp_path, command):
    """LD_LIBRARY_PATH and the current directory have one of that name: it is not even looked at."""
    shutil.copy(CALCULATORS / "transform.so", tmp_path / "bare.so")
    zcx.run("put", "input", stdin=b"x")
    for name in ("bare.so", "./bare.so"):
        config = json.dumps({"plugin": name, "type": "transform", "name": "t"})
        more = ["--queue=q"] if command == "worker" else ["input"]
        done = subprocess.run(
            zcx.argv(command, "--config", config, *more), cwd=tmp_path, capture_output=True, timeout=60,
            env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path) + ":" + os.environ.get(
                "LD_LIBRARY_PATH", ""), "LD_DEBUG": "files,libs"})
        lines = done.stderr.decode().splitlines()
        said = [line for line in lines if line.startswith("zcx:")]
        assert done.returncode == 2 and len(said) == 1 and "'plugin' is" in said[0], lines
        assert "bare.so" not in "".join(line for line in lines if line not in said)


def test_a_file_on_the_command_line_is_the_one_that_is_there(zcx, tmp_path):
    shutil.copy(CALCULATORS / "transform.so", tmp_path / "bare.so")
    zcx.run("put", "input", stdin=b"x")
    done = subprocess.run(zcx.argv("call", "--plugin=bare.so", "input"), cwd="/", capture_output=True,
                          env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}, timeout=60)
    assert done.returncode == 1 and b"/bare.so" in done.stderr  # of this directory, where none is


def test_a_group_is_asked_for_by_name(zcx):
    zcx.run("put", "key", stdin=b"x")
    assert "not shared with group" in zcx.error("ls", f"--group={os.getgid()}", code=6)
    assert "no group 'nobody knows'" in zcx.error("ls", "--group=nobody knows", code=2)
    shared = zcx.path.with_name("shared")
    for arguments in (["put", "key"], ["ls"], ["stat"], ["doctor"]):
        zcx.run(*arguments, f"--path={shared}", f"-G{os.getgid()}", stdin=b"x")
        if arguments[0] == "ls":
            assert "name that group" in zcx.error("ls", f"--path={shared}", code=6)
