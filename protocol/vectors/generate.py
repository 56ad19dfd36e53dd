#!/usr/bin/env python3
"""Writes the golden vectors of the protocol: small files, and index.json that says what each gives.

Written from SPEC.md alone; it calls nothing of zcx. Needs numpy and pyarrow. What it writes is
committed: run it when the protocol changes, and read the difference. `generate.py DIRECTORY` writes
somewhere else.

A case of index.json:
    file      its path here
    kind      record (a value of a user's database); raw, json, msgpack, numpy, arrow (payloads);
              reference-msgpack, reference-json
    status    OK, or the status that reading it must give
    about     why it is here
    expect    if OK: what it says. Bytes are hex. Objects are null, true, false, text, lists, and
              {"int": "-1"}, {"float": "3ff0000000000000"} (its bits), {"bin": hex},
              {"map": [[key, value], ...]}, {"ext": [type, hex]},
              {"array": {"dtype", "shape", "order", "elements": hex}},
              {"nested": ["list", 512, object]}: the object in 512 lists of one item, and likewise
              "map": in maps {1: ...}. An Arrow table is {"arrow": {"names", "types", "columns"}}
    envelope  of a numpy payload: dtype, shape and order
"""

import json
import shutil
import sys
from pathlib import Path

from generator.payload import payload_cases
from generator.record import record_cases
from generator.reference import reference_cases


def main(directory):
    index = []
    for kind in ("record", "raw", "json", "msgpack", "numpy", "arrow", "reference"):
        shutil.rmtree(directory / kind, ignore_errors=True)
        (directory / kind).mkdir(parents=True)
    for name, content, case in [*record_cases(), *payload_cases(), *reference_cases()]:
        path = directory / name
        assert not path.exists(), f"two cases are called {name}"
        path.write_bytes(content)
        index.append({"file": name, **case})
    lines = ",\n".join(json.dumps(case) for case in index)
    (directory / "index.json").write_text(f'{{"protocol": 1, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
