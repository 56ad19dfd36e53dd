"""One end of an exchange between languages, run by the tests that pair them:

    peer.py write STORE KEY FORMAT SIZE
    peer.py read STORE KEY FORMAT SIZE
    peer.py call CONFIG.json INPUT_KEY

`read` compares the payload's bytes and values with what `write` of any language wrote: 0, or 1 and
what differs. `call` calls the calculator with the payload at the key of the configuration's store,
and writes the result's bytes to standard output.
"""

import json
import pathlib
import sys

import numpy as np

import zcx


def make(format, size):
    if format == "raw":
        return ((np.arange(size) * 7 + 3) & 255).astype("u1").tobytes()
    if format == "json":
        return {"n": size, "s": "x" * size}
    if format == "msgpack":
        return {"n": size, "a": np.arange(size // 8) * 0.5}
    if format == "numpy":
        return (np.arange(size // 4) * 3 - 7).astype("<i4")
    raise SystemExit(f"format {format!r} is none of raw, json, msgpack, numpy")


def compare(found, expected):
    """Stops with what differs."""
    if isinstance(expected, np.ndarray):
        if not isinstance(found, np.ndarray) or found.dtype.str != expected.dtype.str:
            raise SystemExit(f"not an array of {expected.dtype.str}: {found!r:.100}")
        if found.shape != expected.shape or not np.array_equal(found, expected):
            raise SystemExit(f"other elements: {found!r:.100}")
        if found.ctypes.data % 64 and found.size or found.flags.writeable:
            raise SystemExit("the array is not aligned, or not read-only")
    elif isinstance(expected, dict):
        if not isinstance(found, dict) or list(found) != list(expected):
            raise SystemExit(f"other names than {list(expected)}: {found!r:.100}")
        for name in expected:
            compare(found[name], expected[name])
    elif found != expected:
        raise SystemExit(f"other bytes or values: {found!r:.100}")


def main(command, *arguments):
    if command == "call":
        config = json.loads(pathlib.Path(arguments[0]).read_text())
        calculator = zcx.Calculator(config)
        with zcx.Store(config["lmdb_db_path"], create=False) as store:
            data = store.view(arguments[1])
        sys.stdout.buffer.write(calculator._answered(data, lambda: False).payload())
        return
    place, key, format, size = *arguments[:3], int(arguments[3])
    with zcx.Store(place) as store:
        if command == "write":
            store.put(key, make(format, size), format=format)
        elif command == "read":
            with store.view(key) as view:
                if view.envelope.format != format:
                    raise SystemExit(f"its format is {view.envelope.format}, not {format}")
                compare(view.get(), make(format, size))
        else:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
