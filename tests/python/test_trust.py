"""What the package never does: unpickle, evaluate, start programs, import what nobody named."""

import ast
import pathlib
import subprocess
import sys

import pytest

import zcx

MODULES = {"pickle", "marshal", "shelve", "dill", "ctypes", "subprocess", "multiprocessing", "runpy",
           "code", "shlex", "pty"}
CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "spawnv", "execv", "fork"}


@pytest.mark.parametrize("file", sorted(pathlib.Path(zcx.__file__).parent.glob("*.py")),
                         ids=lambda file: file.name)
def test_nothing_is_unpickled_evaluated_or_started(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            assert not MODULES & {name.name.partition(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module.partition(".")[0] not in MODULES
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", getattr(node.func, "attr", "")) not in CALLS


def test_the_extension_imports_nothing_that_evaluates_or_starts():
    symbols = subprocess.run(["nm", "-D", "--undefined-only", zcx._zcx.__file__], check=True,
                             capture_output=True, text=True).stdout
    assert "PyObject_Call" in symbols
    for name in (*CALLS, "PyRun_", "PyMarshal_", "Py_CompileString", "PyEval_EvalCode", "dlopen"):
        assert f" {name}" not in symbols


def test_arrays_of_objects_are_refused(store):
    np = pytest.importorskip("numpy")
    for dtype in ("O", [("a", "<f8"), ("b", "O")]):
        with pytest.raises(TypeError, match="Python objects"):
            store.put("key", np.zeros(3, dtype))


def test_a_worker_looks_in_the_current_directory_only_where_python_does(path, tmp_path):
    (tmp_path / "found_here.py").write_text("raise SystemExit(77)")

    def host(*flags):
        return subprocess.run([sys.executable, *flags, "-m", "zcx.worker", "found_here:Class", "--config",
                               '{"name": "n"}', "--queue", "q"], cwd=tmp_path, capture_output=True,
                              text=True, timeout=60)

    assert host().returncode == 77
    safe = host("-P")
    assert safe.returncode == 1 and "found_here" in safe.stderr
