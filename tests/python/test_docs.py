"""docs/python.md from install to first result, and examples/calculator-python, as they are pasted."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/calculator-python"
DOCS = re.findall(r"(?:^`([\w.]+)`:\n\n)?^```(\w+)\n(.*?)^```", (ROOT / "docs/python.md").read_text(),
                  re.M | re.S)


@pytest.fixture
def paste(tmp_path, path):
    """Runs a shell's or Python's lines in a directory, with a store of their own."""
    environment = {**os.environ, "ZCX_PATH": path,
                   "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(kind, lines, **more):
        command = ["sh", "-ec", lines] if kind == "sh" else [sys.executable, "-c", lines]
        with open(tmp_path / "said", "w+") as said:
            process = subprocess.Popen(
                command, cwd=tmp_path, env={**environment, **more}, stdout=said,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                status = process.wait(300)
            finally:  # a worker of lines that failed
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL if process.poll() else signal.SIGTERM)
            said.seek(0)
            text = said.read()
        assert status == 0, text[-3000:]
        return text

    return run


def test_docs(paste, tmp_path):
    kinds = [kind for _, kind, _ in DOCS]
    assert kinds == ["sh", "python", "json", "python", "sh", "text", "python", "python", "python"]
    said = ""
    for name, kind, text in DOCS[1:]:
        if kind == "text":
            assert said == text
        elif name:
            (tmp_path / name).write_text(text)
            if (EXAMPLE / name).exists():
                assert (EXAMPLE / name).read_text() == text
        if kind != "text" and (not name or name == "requests.py"):
            said = paste(kind, text)


def test_the_install(paste, tmp_path):
    """Into a directory of its own, of what is on this machine, and without optimising."""
    assert DOCS[0][2] == "pip install ./bindings/python\n"
    place = tmp_path / "site"
    paste("sh", f"cd {ROOT}; python -m pip install --quiet --disable-pip-version-check --no-index "
          f"--no-deps --no-build-isolation --target {place} ./bindings/python",
          SKBUILD_CMAKE_BUILD_TYPE="Debug")
    said = paste("python", "import zcx, zcx.worker; print(zcx.__file__)", PYTHONPATH=str(place))
    assert said == f"{place}/zcx/__init__.py\n"


def test_the_example(paste, tmp_path):
    for file in EXAMPLE.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    (block,) = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.S)
    assert paste("sh", block) == "1000000 numbers, the last one is 42\n"
