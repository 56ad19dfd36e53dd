"""Objects as protocol/vectors/index.json writes them, to compare what readers made of a payload."""

import json
import struct
import sys

import numpy
import zcx

sys.setrecursionlimit(10_000)  # an object may be nested 512 deep


def _dtype_text(dtype):
    return dtype.str if dtype.names is None else json.dumps(numpy.lib.format.dtype_to_descr(dtype))


def _array(value):
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    return {"dtype": _dtype_text(value.dtype), "shape": list(value.shape), "order": order,
            "elements": value.tobytes(order).hex()}


def written(value):
    """`value` as the index writes it."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"float": struct.pack(">d", value).hex()}
    if isinstance(value, (bytes, memoryview)):
        return {"bin": bytes(value).hex()}
    if isinstance(value, zcx.Extension):
        return {"ext": [value.code, bytes(value.data).hex()]}
    if isinstance(value, (list, tuple)):
        return [written(item) for item in value]
    if isinstance(value, dict):
        return {"map": [[written(key), written(item)] for key, item in value.items()]}
    if isinstance(value, numpy.ndarray):
        return {"array": _array(value)}
    assert isinstance(value, sys.modules["pyarrow"].Table), type(value)
    return {"arrow": {"names": value.column_names, "types": [str(t) for t in value.schema.types],
                      "columns": [column.to_pylist() for column in value.columns]}}


def alike(said):
    """What the index or another reader wrote, with structured dtypes in one spelling and nesting
    written out."""
    if isinstance(said, list):
        return [alike(item) for item in said]
    if not isinstance(said, dict):
        return said
    if "nested" in said:
        kind, depth, inner = said["nested"]
        for _ in range(depth):
            inner = [inner] if kind == "list" else {"map": [[{"int": "1"}, inner]]}
        return inner
    said = {name: alike(value) for name, value in said.items()}
    if str(said.get("dtype")).startswith("["):
        said["dtype"] = json.dumps(json.loads(said["dtype"]))
    return said
