"""Pages of docs/ whose lines are run: each command in order, and what it says is what the page says."""
import os
import re
import subprocess

from running import BUILD, COMMAND, ROOT, die_with_parent


def read_page(name):
    return (ROOT / "docs" / name).read_text()


def comparable(text, here, store):
    """Without what differs from run to run: ids, pids, times, widths of columns."""
    text = text.replace(str(here), "/home/me").replace(str(store), "/dev/shm/demo").strip()
    text = re.sub(r"(?<![.\w])[0-9a-f]{16}\b", "ID", text)
    text = re.sub(r"(?<![.\d])\d{2,}(?![.\d])", "N", text)
    return [line.split() for line in text.splitlines()]


def run_page(name, store, here):
    """The first command sets ZCX_PATH, here to `store`; all run in the directory `here`."""
    (here / "build").mkdir()
    (here / "build/release").symlink_to(BUILD)
    console = "".join(re.findall(r"```console\n(.*?)```", read_page(name), re.S))
    parts = re.split(r"^\$ (.*)\n", console, flags=re.M)[1:]
    commands, expected = parts[0::2], parts[1::2]
    commands[0] = f"export ZCX_PATH={store}"
    script = "".join(f"{command}\necho '--- next'\n" for command in commands)
    environment = {**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    environment.pop("ZCX_LOG", None)
    result = subprocess.run(["bash", "-c", script], cwd=here, env=environment, timeout=60,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            preexec_fn=die_with_parent)
    said = result.stdout.decode().split("--- next\n")[:-1]
    assert len(said) == len(commands), result.stdout.decode()
    for command, page, line in zip(commands, expected, said):
        assert comparable(line, here, store) == comparable(page, here, store), command


def complaints_of_systemd(file):
    """What systemd says of this unit itself."""
    result = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
    return [line for line in result.stderr.splitlines()
            if file.name in line and "man zcx" not in line]  # its manual may not be installed
