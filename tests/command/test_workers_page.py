"""docs/workers.md: each line that it shows is run, in order, and says what the page says."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from running import BUILD, COMMAND, ROOT, die_with_parent

PAGE = (ROOT / "docs/workers.md").read_text()
CONSOLE = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.S))


def comparable(text, here):
    """Without what differs from run to run: ids, pids, times, widths of columns."""
    text = text.replace(str(here), "/home/me").strip()
    text = re.sub(r"(?<![.\w])[0-9a-f]{16}\b", "ID", text)
    text = re.sub(r"(?<![.\d])\d{2,}(?![.\d])", "N", text)
    return [line.split() for line in text.splitlines()]


def test_the_page(zcx, tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "build/release").symlink_to(BUILD)
    parts = re.split(r"^\$ (.*)\n", CONSOLE, flags=re.M)[1:]
    commands, expected = parts[0::2], parts[1::2]
    commands[0] = f"export ZCX_PATH={zcx.path}"
    script = "".join(f"{command}\necho '--- next'\n" for command in commands)
    environment = {**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    environment.pop("ZCX_LOG", None)
    result = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, timeout=60,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            preexec_fn=die_with_parent)
    said = result.stdout.decode().split("--- next\n")[:-1]
    assert len(said) == len(commands), result.stdout.decode()
    for command, page, here in zip(commands, expected, said):
        assert comparable(here, tmp_path) == comparable(page, tmp_path), command
    kept = zcx.out("ls", "output:").decode().split()
    assert len(kept) == 2
    zcx.run("rm", *kept)
    zcx.assert_left("four")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_the_unit(tmp_path):
    unit = re.search(r"```ini\n(.*?)```", PAGE, re.S)[1]
    file = pathlib.Path(tmp_path / "zcx-worker.service")
    file.write_text(unit.replace("/usr/local/bin/zcx", str(COMMAND)).replace("=flights", "=root"))
    result = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
    complaints = [line for line in result.stderr.splitlines() if "zcx-worker" in line]
    assert complaints == []
