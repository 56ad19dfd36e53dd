"""The pages work when pasted: their files are written, their commands run, what they say is printed
is printed. Then the example is built by its own page.

Usage: page.py <page> <example directory> <build directory>
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# A block, and the name of the file before it if it is one.
BLOCK = re.compile(r"(?:^`([\w./]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(code, project, build):
    code = re.sub(r"make install PREFIX=(\S+)", rf"cmake --install {build} --prefix \1", code)
    home = project.parent
    done = subprocess.run(["sh", "-euc", code], cwd=project, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          env={**os.environ, "HOME": str(home), "ZCX_PATH": str(home / "store")})
    assert done.returncode == 0, f"{code}\nprints\n{done.stdout}"
    return done.stdout


def follow(page, project, build):
    """What the page's last command printed."""
    printed = ""
    for name, language, code in BLOCK.findall(page.read_text()):
        if name:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(code)
        elif language == "sh":
            printed = run(code, project, build)
        else:
            assert language == "text" and printed.endswith(code), f"{printed!r} is not {code!r}"
    return printed


def main(page, example, build):
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="zcx-test-") as directory:
        pasted, copied = pathlib.Path(directory, "pasted"), pathlib.Path(directory, "copied")
        pasted.mkdir()
        follow(page, pasted, build)
        shutil.copytree(example, copied)
        assert "the last one is 42" in follow(copied / "README.md", copied, build)
        for file in (path.relative_to(example) for path in example.rglob("*") if path.is_file()):
            if file.name != "README.md":
                assert (pasted / file).read_text() == (example / file).read_text(), f"{file} differs"


if __name__ == "__main__":
    main(*(pathlib.Path(argument).resolve() for argument in sys.argv[1:]))
