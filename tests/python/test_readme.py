"""The README's Python works when pasted: only the paths are a test's own."""

import pathlib
import re

import numpy as np
import zcx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def test_the_lines_that_open_it(path, capsys):
    exec(BLOCKS[0].replace("/dev/shm/demo", path), {})
    assert capsys.readouterr().out.startswith("8000000 numpy 20")


def test_the_calculator(path, plugins):
    code = (BLOCKS[1].replace("/path/to/group_delays.so", str(plugins / "group_delays.so"))
            .replace('"lmdb_enabled": True', f'"lmdb_enabled": True, "lmdb_db_path": {path!r}'))
    names = {"zcx": zcx, "codes": np.array([2, 1, 2]), "minutes": np.array([5.0, 1.0, 7.0])}
    exec(code, names)
    assert names["result"]["group"].tolist() == [1, 2]
    assert names["result"]["mean"].tolist() == [1.0, 6.0]
