"""Arrays, as numpy payloads and inside msgpack (SPEC.md, sections 4 and 5)."""

import json
import math
import struct

import numpy as np

from generator.case import NIL, bad, good
from generator.msgpack import binary, description, integer, list_of, map_of, text, typed_array, uint


def dtype_text(dtype):
    if dtype.names is None:
        return dtype.str
    return json.dumps(dtype.descr, separators=(",", ":"), ensure_ascii=False)


def arrays():
    """name, about, array, order"""
    n = np.arange(6)
    for dtype in "|b1 |i1 <i2 >i4 <i8 |u1 >u2 <u4 <u8 <f2 >f4 <f8 <c8 >c16".split():
        name = dtype.translate({ord("<"): "le-", ord(">"): "be-", ord("|"): ""})
        yield name, f"elements {dtype}", n.astype(dtype).reshape(2, 3), "C"
    yield "special", "NaN, infinities, -0", np.array([math.nan, math.inf, -math.inf, -0.0]), "C"
    yield "dates", "days, and no day", np.array(["2013-01-01", "NaT"], "<M8[D]"), "C"
    yield "times", "nanoseconds, big-endian", np.array([0, 1], ">M8[ns]"), "C"
    yield "durations", "a unit with a count", np.array([3, -3], "<m8[25s]"), "C"
    yield "bytes", "fixed width, filled with zeros", np.array([b"UA", b"DELTA"], "|S5"), "C"
    yield "text", "UTF-32", np.array(["Zürich", "東京"], "<U6"), "C"
    yield "text-be", "UTF-32, big-endian", np.array(["ab"], ">U3"), "C"
    yield "opaque", "void", np.array([b"\0\1\2\3"], "|V4"), "C"
    yield "scalar", "no dimension", np.array(2.5), "C"
    yield "empty", "a size of 0", np.zeros((3, 0, 2), "<f8"), "C"
    yield "fortran", "columns first", np.arange(6.0).reshape(2, 3), "F"
    yield "three", "three dimensions", np.arange(24, dtype="<i4").reshape(2, 3, 4), "C"
    yield "three-fortran", "and columns first", np.arange(24, dtype="<i4").reshape(2, 3, 4), "F"
    fields = np.dtype([("carrier", "|S2"), ("delay", "<f8"), ("at", "<M8[s]"), ("xy", ">i2", (2,))])
    yield "structured", "named fields", np.zeros(2, fields), "C"
    aligned = np.dtype([("a", "|u1"), ("b", "<i8")], align=True)
    yield "padded", "fields with padding between", np.zeros(3, aligned), "C"
    nested = np.dtype([("where", [("x", "<f4"), ("y", "<f4")]), ("é", "|b1")])
    yield "nested", "fields in fields, a name that is not ASCII", np.zeros(1, nested), "C"


def array_cases():
    for name, about, array, order in arrays():
        elements, shape = array.tobytes(order), list(array.shape)
        what = dict(dtype=dtype_text(array.dtype), shape=shape, order=order)
        expect = {"array": {**what, "elements": elements.hex()}}
        yield good(f"numpy/{name}.bin", about, elements, expect, envelope=what)
        packed = typed_array(b"\x92" + text(name), *what.values(), elements)
        yield good(f"msgpack/array-{name}.msgpack", about, packed, [name, expect])


def several_arrays():
    one, two = np.arange(3, dtype="<i4"), np.ones(2)
    packed = typed_array(b"\x83" + text("a"), "<i4", [3], "C", one.tobytes()) + text("n") + uint(20)
    packed = typed_array(packed + text("inner") + b"\x91", "<f8", [2], "C", two.tobytes())
    array = lambda a: {
        "array": dict(dtype=a.dtype.str, shape=[a.size], order="C", elements=a.tobytes().hex())
    }
    yield good(
        "msgpack/arrays.msgpack",
        "a dict that holds arrays",
        packed,
        {"map": [["a", array(one)], ["n", {"int": "20"}], ["inner", [array(two)]]]},
    )
    what = description("|u1", [2], "C")
    for name, head in [("ext8", b"\xc7%c"), ("ext16", b"\xc8\0%c")]:
        before = len(head % 0) + 1  # and the type
        offset = 64 - before
        data = struct.pack("<I", offset) + what.ljust(offset - 4, b"\0") + b"\1\2"
        yield good(
            f"msgpack/array-{name}.msgpack",
            "a shorter head than zcx writes",
            head % len(data) + b"\x4e" + data,
            {"array": dict(dtype="|u1", shape=[2], order="C", elements="0102")},
        )


def bad_arrays():
    def ext(what, elements=bytes(16), offset=None, pad=b"\0", more=0):
        where = 58 + more
        data = what.ljust(where - 4, pad) + elements
        data = struct.pack("<I", where if offset is None else offset) + data
        return b"\xc9" + struct.pack(">I", len(data)) + b"\x4e" + data

    sound = description("<f8", [2], "C")
    assert len(ext(sound)) == 64 + 16
    for name, about, content in [
        ("offset-0", "elements inside the offset itself", ext(sound, offset=0)),
        ("offset-short", "elements at no multiple of 64", ext(sound, offset=57)),
        ("offset-inside", "elements inside the description", ext(sound, offset=8)),
        ("offset-end", "elements past the end", ext(sound, offset=58 + 64)),
        ("offset-most", "a hostile offset", ext(sound, offset=2**32 - 6)),
        ("padding", "padding that is not zero", ext(sound, pad=b"\1")),
        ("padding-long", "more than 63 bytes of padding", ext(sound, more=64)),
        ("list-of-2", "no order", ext(list_of(text("<f8"), list_of(uint(2))))),
        ("list-of-4", "one too many", ext(list_of(text("<f8"), list_of(uint(2)), text("C"), NIL))),
        ("map", "a map instead of the list", ext(map_of((text("<f8"), list_of(uint(2)))))),
        (
            "dtype-bin",
            "a dtype that is no str",
            ext(list_of(binary(b"<f8"), list_of(uint(2)), text("C"))),
        ),
        ("dtype-nul", "a dtype with a NUL", ext(description("<f8\0", [2], "C"))),
        ("dtype-object", "objects are refused", ext(description("|O8", [2], "C"))),
        ("dtype-native", "no byte order", ext(description("=f8", [2], "C"))),
        ("order", "an order that is neither", ext(description("<f8", [2], "K"))),
        ("shape-number", "a shape that is no list", ext(list_of(text("<f8"), uint(2), text("C")))),
        (
            "shape-negative",
            "a negative size",
            ext(list_of(text("<f8"), list_of(integer(-2)), text("C"))),
        ),
        ("shape-count", "a hostile count", ext(b"\x93" + text("<f8") + b"\xdd\xff\xff\xff\xff")),
        ("shape-65", "65 dimensions", ext(description("<f8", [1] * 65, "C"), bytes(8), more=64)),
        ("short", "elements are missing", ext(sound, bytes(15))),
        ("long", "elements too many", ext(sound, bytes(17))),
        ("overflow", "sizes whose product overflows", ext(description("<f8", [2**62, 8], "C"))),
        (
            "structured",
            "no multiple of the number of elements",
            ext(description('[["a","<i4"]]', [3], "C")),
        ),
        ("no-data", "an extension of no bytes", b"\xc7\0\x4e"),
        ("one-byte", "an extension of one byte", b"\xd4\x4e\0"),
        ("four-bytes", "only the offset", b"\xd6\x4e\4\0\0\0"),
    ]:
        yield bad(f"msgpack/bad-array-{name}.msgpack", about, content)


def all_array_cases():
    return [*array_cases(), *several_arrays(), *bad_arrays()]
