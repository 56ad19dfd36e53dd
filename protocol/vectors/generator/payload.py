"""Payloads of each format (SPEC.md, sections 4 and 5)."""

import math
import struct

import pyarrow as pa

from generator.array import all_array_cases
from generator.case import FALSE, NIL, TRUE, bad, bits, good
from generator.msgpack import (
    binary,
    integer,
    list_of,
    map_of,
    real,
    text,
    uint,
)

# ---- msgpack -----------------------------------------------------------------------------------


def leaves():
    for name, content, expect in [
        ("nil", NIL, None),
        ("true", TRUE, True),
        ("false", FALSE, False),
    ]:
        yield good(f"msgpack/{name}.msgpack", name, content, expect)
    numbers = [
        0,
        127,
        128,
        255,
        256,
        65535,
        65536,
        2**32 - 1,
        2**32,
        2**63 - 1,
        2**63,
        2**64 - 1,
        -1,
        -32,
        -33,
        -128,
        -129,
        -32768,
        -32769,
        -(2**31),
        -(2**31) - 1,
        -(2**63),
    ]
    yield good(
        "msgpack/integers.msgpack",
        "each edge, in the shortest form",
        list_of(*map(integer, numbers)),
        [{"int": str(n)} for n in numbers],
    )
    forms = [
        b"\xcc\x07",
        b"\xcd\0\x07",
        b"\xce\0\0\0\x07",
        b"\xcf" + bytes(7) + b"\x07",
        b"\xd0\x07",
        b"\xd1\0\x07",
        b"\xd2\0\0\0\x07",
        b"\xd3" + bytes(7) + b"\x07",
    ]
    yield good(
        "msgpack/integers-wide.msgpack", "7 in each other form", list_of(*forms), [{"int": "7"}] * 8
    )
    yield good(
        "msgpack/integers-wide-negative.msgpack",
        "-7 in each other form",
        list_of(
            b"\xd0\xf9", b"\xd1\xff\xf9", b"\xd2\xff\xff\xff\xf9", b"\xd3" + b"\xff" * 7 + b"\xf9"
        ),
        [{"int": "-7"}] * 4,
    )
    floats = [0.0, -0.0, 1.5, 5e-324, math.inf, -math.inf]
    yield good(
        "msgpack/floats.msgpack", "64 bits", list_of(*map(real, floats)), [*map(bits, floats)]
    )
    yield good(
        "msgpack/float32.msgpack",
        "32 bits are widened",
        b"\xca" + struct.pack(">f", -1.5),
        bits(-1.5),
    )
    words = ["", "a", "x" * 31, "x" * 32, "x" * 255, "x" * 256, "Zürich 東京 \U0001f40d", "a\0b"]
    yield good("msgpack/strs.msgpack", "each length's form", list_of(*map(text, words)), words)
    yield good(
        "msgpack/str-wide.msgpack",
        "a short str in the long forms",
        list_of(b"\xd9\1a", b"\xda\0\1a", b"\xdb\0\0\0\1a"),
        ["a"] * 3,
    )
    blobs = [b"", b"\0\xff", bytes(255), bytes(256)]
    yield good(
        "msgpack/bins.msgpack",
        "each length's form",
        list_of(*map(binary, blobs)),
        [{"bin": blob.hex()} for blob in blobs],
    )
    yield good(
        "msgpack/extensions.msgpack",
        "types of others, in each form",
        list_of(
            b"\xd4\1a",
            b"\xd5\2ab",
            b"\xd6\xff" + bytes(4),
            b"\xd7\x7f" + bytes(8),
            b"\xd8\x80" + bytes(16),
            b"\xc7\0\5",
            b"\xc8\0\1\5a",
            b"\xc9\0\0\0\1\5a",
        ),
        [
            {"ext": ext}
            for ext in (
                [1, "61"],
                [2, "6162"],
                [-1, "00" * 4],
                [127, "00" * 8],
                [-128, "00" * 16],
                [5, ""],
                [5, "61"],
                [5, "61"],
            )
        ],
    )


def containers():
    yield good(
        "msgpack/empty.msgpack", "nothing in them", list_of(list_of(), map_of()), [[], {"map": []}]
    )
    yield good(
        "msgpack/lists.msgpack",
        "15, 16 and 300 items",
        list_of(*(list_of(*[NIL] * n) for n in (15, 16, 300))),
        [[None] * n for n in (15, 16, 300)],
    )
    many = [(uint(i), TRUE) for i in range(16)]
    yield good(
        "msgpack/map-16.msgpack",
        "integers as keys stay integers",
        map_of(*many),
        {"map": [[{"int": str(i)}, True] for i in range(16)]},
    )
    yield good(
        "msgpack/wide.msgpack",
        "small counts in the long forms",
        b"\xdc\0\4" b"\xdd\0\0\0\0" b"\xde\0\1\1\2" b"\xdf\0\0\0\1\1\2" b"\xdd\0\0\0\1\xc0",
        [
            [],
            {"map": [[{"int": "1"}, {"int": "2"}]]},
            {"map": [[{"int": "1"}, {"int": "2"}]]},
            [None],
        ],
    )
    yield good(
        "msgpack/keys.msgpack",
        "keys of many kinds",
        map_of(
            (NIL, uint(1)),
            (TRUE, uint(2)),
            (integer(-5), uint(3)),
            (real(0.5), uint(4)),
            (text("k"), uint(5)),
            (binary(b"k"), uint(6)),
        ),
        {
            "map": [
                [None, {"int": "1"}],
                [True, {"int": "2"}],
                [{"int": "-5"}, {"int": "3"}],
                [bits(0.5), {"int": "4"}],
                ["k", {"int": "5"}],
                [{"bin": "6b"}, {"int": "6"}],
            ]
        },
    )
    yield good(
        "msgpack/nested-512.msgpack",
        "as deep as it may be",
        b"\x91" * 512 + NIL,
        {"nested": ["list", 512, None]},
    )
    yield good(
        "msgpack/nested-maps.msgpack",
        "maps count too",
        b"\x81\1" * 511 + b"\x80",
        {"nested": ["map", 511, {"map": []}]},
    )


def bad_msgpack():
    packed = map_of((text("a"), list_of(uint(300), text("word"), binary(b"bin"), real(1.0))))
    for cut in range(len(packed)):
        yield bad(
            f"msgpack/bad-cut-{cut:02}.msgpack",
            f"the first {cut} bytes of {len(packed)}",
            packed[:cut],
        )
    for name, about, content in [
        ("trailing", "a byte after the object", packed + NIL),
        ("reserved", "the byte that msgpack never uses", b"\xc1"),
        ("reserved-inside", "in a list", list_of(NIL, b"\xc1")),
        ("list-count", "a hostile count", b"\xdd\xff\xff\xff\xff\xc0"),
        ("map-count", "a hostile count", b"\xdf\xff\xff\xff\xff\xc0\xc0"),
        ("map-count-wrap", "twice it is 2^32", b"\xdf\x80\0\0\0\xc0\xc0"),
        ("list-bomb", "lists that claim all bytes left, each", b"\xdd\0\0\0\x60" * 20),
        ("str-length", "a hostile length", b"\xdb\xff\xff\xff\xffa"),
        ("bin-length", "a hostile length", b"\xc6\xff\xff\xff\xffa"),
        ("ext-length", "a hostile length", b"\xc9\xff\xff\xff\xff\x4e"),
        ("utf8", "a byte that begins nothing", text(b"\xff")),
        ("utf8-overlong", "a slash in two bytes", text(b"\xc0\xaf")),
        ("utf8-surrogate", "half a pair", text(b"\xed\xa0\x80")),
        ("utf8-cut", "half a character", text(b"a\xc3")),
    ]:
        yield bad(f"msgpack/bad-{name}.msgpack", about, content)
    yield bad("msgpack/bad-nested-513.msgpack", "too deep", b"\x91" * 513 + NIL, "ELIMIT")
    yield bad(
        "msgpack/bad-nested-empty.msgpack",
        "too deep, though empty",
        b"\x91" * 512 + b"\x90",
        "ELIMIT",
    )


# ---- the others --------------------------------------------------------------------------------


def json_cases():
    yield good(
        "json/object.json",
        "the usual",
        b'{"window": 20, "names": ["Z\xc3\xbcrich", "\xe6\x9d\xb1\\u4eac"],'
        b' "x": [1.5, -0.25, true, false, null]}',
        {
            "map": [
                ["window", {"int": "20"}],
                ["names", ["Zürich", "東京"]],
                ["x", [bits(1.5), bits(-0.25), True, False, None]],
            ]
        },
    )
    for name, content, expect in [
        ("text", b'"a"', "a"),
        ("number", b" 7\n", {"int": "7"}),
        ("empty", b"{}", {"map": []}),
        ("twice", b'{"a": 1, "a": 2}', {"map": [["a", {"int": "2"}]]}),
    ]:
        yield good(f"json/{name}.json", name, content, expect)
    for name, about, content in [
        ("nothing", "no text", b""),
        ("cut", "cut off", b'{"a": 1'),
        ("trailing", "two texts", b"{} {}"),
        ("nan", "not a number", b"[NaN]"),
        ("infinity", "infinite", b"[-Infinity]"),
        ("bom", "a byte order mark", b"\xef\xbb\xbf{}"),
        ("utf8", "not UTF-8", b'"\xff"'),
        ("utf16", "another encoding", '{"a": 1}'.encode("utf-16-le")),
        ("comma", "a comma too many", b"[1,]"),
        ("quotes", "the wrong quotes", b"{'a': 1}"),
    ]:
        yield bad(f"json/bad-{name}.json", about, content)


def arrow_stream(table, batch=2):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=batch)
    return sink.getvalue().to_pybytes()


def arrow_cases():
    flights = pa.table(
        {
            "carrier": pa.array(["UA", None, "DL"]).dictionary_encode(),
            "delay": pa.array([2.5, -1.0, None], pa.float32()),
            "number": pa.array([1, 2, 3], pa.int64()),
        }
    )
    nothing = flights.schema.empty_table()
    for name, about, table in [
        ("table", "two batches, nulls, a dictionary", flights),
        ("empty", "a schema and no batch", nothing),
    ]:
        yield good(
            f"arrow/{name}.arrows",
            about,
            arrow_stream(table),
            {
                "arrow": {
                    "names": table.column_names,
                    "types": [str(t) for t in table.schema.types],
                    "columns": [column.to_pylist() for column in table.columns],
                }
            },
        )
    stream = arrow_stream(flights)
    yield bad("arrow/bad-nothing.arrows", "no bytes", b"")
    yield bad("arrow/bad-cut.arrows", "cut off in a batch", stream[:-100])
    yield bad("arrow/bad-text.arrows", "something else", b"carrier,delay\nUA,2.5\n")


def payload_cases():
    yield good("raw/bytes.bin", "any bytes", bytes(range(256)), {"bin": bytes(range(256)).hex()})
    yield good("raw/empty.bin", "none", b"", {"bin": ""})
    yield from [
        *all_array_cases(),
        *leaves(),
        *containers(),
        *bad_msgpack(),
        *json_cases(),
        *arrow_cases(),
    ]
