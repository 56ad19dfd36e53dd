"""Records: envelopes with and without an inline payload (SPEC.md, section 2)."""

import struct

from generator.msgpack import binary, integer, list_of, map_of, text, typed_array, uint

CREATED, EXPIRES = 1_700_000_000_000_000_000, 4_102_444_800_000_000_000  # 2023, 2100
RAW, JSON, MSGPACK, NUMPY, ARROW = range(5)
SLOT, ERROR, CHECKSUM = 1, 2, 4
EMPTY = map_of()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def record(payload=b"", extras=EMPTY, seal=True, **fields):
    """The bytes of a record, sound unless fields say otherwise."""
    f = dict(
        magic=0x4558435A,
        version=1,
        format=RAW,
        flags=0,
        header_length=72 + len(extras),
        payload_crc=0,
        payload_length=len(payload),
        payload_offset=72 + len(extras),
        transaction=42,
        created=CREATED,
        expires=EXPIRES,
        slot=0,
        generation=0,
        reserved=0,
    )
    f.update(fields)
    header = struct.pack("<IBBHIIQQQQQIII", *f.values())
    crc = crc32c(header + extras) if seal else 0xDEADBEEF
    return header + struct.pack("<I", crc) + extras + payload


def pairs(**named):
    return map_of(*((text(name), value) for name, value in named.items()))


def numpy_extras(dtype, shape, order="C"):
    return pairs(dtype=text(dtype), shape=list_of(*map(uint, shape)), order=text(order))


def good(name, about, payload=b"", says=None, **fields):
    expect = dict(
        format=fields.get("format", RAW),
        flags=fields.get("flags", 0) & ~SLOT,
        in_slot=bool(fields.get("flags", 0) & SLOT),
        length=len(payload),
        transaction=42,
        created=CREATED,
        expires=EXPIRES,
        slot=0,
        generation=0,
        checksum=0,
    )
    expect.update({key: value for key, value in fields.items() if key in expect and key != "flags"})
    expect.update(says or {})
    if not expect["in_slot"]:
        expect["payload"] = payload.hex()
    return (
        f"record/{name}.bin",
        record(payload, **fields),
        dict(kind="record", status="OK", about=about, expect=expect),
    )


def bad(name, about, content, status="ECORRUPT"):
    return f"record/{name}.bin", content, dict(kind="record", status=status, about=about)


def in_slot(**fields):
    return dict(flags=SLOT, slot=7, generation=3, payload_offset=48, **fields)


def good_records():
    array = {"dtype": "<f8", "shape": [2, 3], "order": "F"}
    return [
        good("empty", "no payload at all"),
        good("raw", "a few bytes, inline", b"\0\1\2 bytes"),
        good("never-expires", "expires 0", b"x", expires=0),
        good(
            "expired",
            "sound, but expired long ago: no payload for anybody",
            b"x",
            created=1000,
            expires=2000,
        ),
        good(
            "texts",
            "source, target and content type",
            b"x",
            extras=pairs(
                source=text("engine"), target=text("Zürich"), content_type=text("text/plain")
            ),
            says=dict(source="engine", target="Zürich", content_type="text/plain"),
        ),
        good(
            "empty-text", "a text may be empty", extras=pairs(source=text("")), says=dict(source="")
        ),
        good(
            "unknown-extras",
            "names of later versions are skipped, whatever they hold",
            b"x",
            extras=map_of(
                (text("later"), list_of(map_of((uint(1), binary(b"\xff"))), integer(-5))),
                (uint(9), b"\xc0"),
                (text("source"), text("me")),
            ),
            says=dict(source="me"),
        ),
        good(
            "wide-extras",
            "lengths and counts in their longest forms",
            b"x",
            extras=b"\xdf\0\0\0\1" b"\xdb\0\0\0\6source" b"\xdb\0\0\0\2me",
            says=dict(source="me"),
        ),
        good(
            "most-extras",
            "32,768 bytes of extras",
            b"x",
            extras=pairs(source=text("s" * (32768 - 11))),
            says=dict(source="s" * (32768 - 11)),
        ),
        good("unknown-format", "read as raw, with the tag shown", b"?", format=200),
        good(
            "checksum",
            "the payload's CRC32C",
            b"123456789",
            flags=CHECKSUM,
            payload_crc=0xE3069283,
            says=dict(checksum=0xE3069283),
        ),
        good(
            "error",
            "an error record",
            map_of(
                (text("message"), text("no such column")), (text("trace"), text("line 1\nline 2"))
            ),
            format=MSGPACK,
            flags=ERROR,
        ),
        good(
            "slot",
            "the payload is in slot 7",
            **in_slot(payload_length=100_000_000),
            says=dict(length=100_000_000, slot=7, generation=3),
        ),
        good(
            "slot-largest",
            "the largest payload",
            **in_slot(payload_length=4294901760),
            says=dict(length=4294901760, slot=7, generation=3),
        ),
        good("json", "a JSON payload", b'{"window": 20}', format=JSON),
        good(
            "msgpack",
            "a typed array in a record begins at a multiple of 64 of the payload",
            typed_array(b"\x81" + text("weights"), "<f8", [1], "C", struct.pack("<d", 1.0)),
            format=MSGPACK,
        ),
        good(
            "numpy",
            "six doubles, columns first",
            struct.pack("<6d", *range(6)),
            format=NUMPY,
            extras=numpy_extras(*array.values()),
            says=array,
        ),
        good(
            "numpy-scalar",
            "no dimension: one element",
            b"\x07",
            format=NUMPY,
            extras=numpy_extras("|u1", []),
            says=dict(dtype="|u1", shape=[], order="C"),
        ),
        good(
            "numpy-empty",
            "a size of 0: no bytes, whatever the others are",
            format=NUMPY,
            extras=numpy_extras("<i4", [2**64 - 1, 0, 3]),
            says=dict(dtype="<i4", shape=["18446744073709551615", 0, 3], order="C"),
        ),
        good(
            "numpy-64",
            "as many dimensions as there may be",
            b"\1",
            format=NUMPY,
            extras=numpy_extras("|b1", [1] * 64),
            says=dict(dtype="|b1", shape=[1] * 64, order="C"),
        ),
    ]


def bad_headers():
    body, sound = b"payload", record(b"payload")
    flip = lambda at, bit=1: sound[:at] + bytes([sound[at] ^ bit]) + sound[at + 1 :]
    return [
        bad("bad-nothing", "an empty value", b""),
        bad("bad-72", "a header without extras", sound[:72]),
        bad("bad-magic", "another magic number", record(body, magic=0x4558435B)),
        bad("bad-version", "an envelope of version 2", record(body, version=2), "EVERSION"),
        bad("bad-version-0", "version 0 never was", record(body, version=0), "EVERSION"),
        *(
            bad(
                f"bad-flip-{at}",
                f"one bit of byte {at}, in {name}, is not what was sealed",
                flip(at),
            )
            for at, name in [
                (5, "format"),
                (6, "flags"),
                (12, "payload_crc"),
                (16, "payload_length"),
                (24, "payload_offset"),
                (32, "transaction"),
                (40, "created"),
                (48, "expires"),
                (56, "slot"),
                (60, "generation"),
                (64, "reserved"),
                (68, "header_crc"),
                (72, "the extras"),
            ]
        ),
        bad("bad-seal", "no checksum of the header", record(body, seal=False)),
        bad("bad-header-length-72", "no room for extras", record(body, header_length=72)),
        bad(
            "bad-header-length",
            "the header is longer than the record",
            record(body, header_length=81),
        ),
        bad(
            "bad-header-length-most",
            "a hostile header length",
            record(body, header_length=2**32 - 1),
        ),
        bad(
            "bad-extras-length",
            "32,769 bytes of extras",
            record(body, extras=pairs(source=text("s" * (32769 - 11)))),
        ),
        bad("bad-flag-8", "a flag of a later version", record(body, flags=8), "EVERSION"),
        bad("bad-flag-32768", "the last flag", record(body, flags=32768), "EVERSION"),
        bad("bad-reserved", "reserved is 0", record(body, reserved=1)),
        bad("bad-checksum", "a checksum without its flag", record(body, payload_crc=1)),
        bad("bad-inline-slot", "inline, and a slot", record(body, slot=1)),
        bad("bad-inline-generation", "inline, and a generation", record(body, generation=1)),
        bad(
            "bad-inline-offset",
            "inline, but not behind the extras",
            record(body, payload_offset=72),
        ),
        bad("bad-inline-short", "the payload is cut off", sound[:-1]),
        bad("bad-inline-long", "a byte after the payload", sound + b"\0"),
        bad("bad-inline-huge", "a hostile payload length", record(body, payload_length=2**64 - 1)),
        bad(
            "bad-slot-0",
            "slots are numbered from 1",
            record(**{**in_slot(payload_length=9), "slot": 0}),
        ),
        bad(
            "bad-slot-trailing",
            "in a slot, with bytes behind the extras",
            record(b"x", **in_slot(payload_length=9)),
        ),
        bad(
            "bad-slot-length",
            "a payload of more than 4 GiB - 64 KiB",
            record(**in_slot(payload_length=4294901761)),
        ),
    ]


def bad_extras():
    make = lambda extras, payload=b"payload", **fields: record(payload, extras=extras, **fields)
    numpy = lambda extras, payload=bytes(16): make(extras, payload, format=NUMPY)
    return [
        bad("extras-list", "a list", make(list_of())),
        bad("extras-trailing", "a byte after the map", make(EMPTY + b"\xc0")),
        bad("extras-cut", "a key without a value", make(b"\x81" + text("source"))),
        bad("extras-cut-unknown", "an unknown key without a value", make(b"\x81" + text("later"))),
        bad("extras-count", "a hostile count of pairs", make(b"\xdf\xff\xff\xff\xff")),
        bad(
            "extras-twice",
            "a known name twice",
            make(map_of((text("source"), text("a")), (text("source"), text("a")))),
        ),
        bad("extras-type", "a source that is a number", make(pairs(source=uint(1)))),
        bad("extras-utf8", "a source that is not UTF-8", make(pairs(source=text(b"\xff")))),
        bad("extras-nul", "a source with a NUL", make(pairs(source=text("a\0b")))),
        bad("extras-order", "an order that is neither", make(pairs(order=text("K")))),
        bad("extras-shape-type", "a shape that is a number", make(pairs(shape=uint(2)))),
        bad("extras-shape-negative", "a negative size", make(pairs(shape=list_of(integer(-1))))),
        bad(
            "extras-shape-count",
            "a hostile count of sizes",
            make(pairs(shape=b"\xdd\xff\xff\xff\xff")),
        ),
        bad("extras-shape-65", "65 dimensions", make(pairs(shape=list_of(*[uint(1)] * 65)))),
        bad("numpy-bare", "numpy without a description", numpy(EMPTY)),
        bad(
            "numpy-no-dtype",
            "numpy without a dtype",
            numpy(pairs(shape=list_of(uint(2)), order=text("C"))),
        ),
        bad(
            "numpy-no-shape",
            "numpy without a shape",
            numpy(pairs(dtype=text("<f8"), order=text("C"))),
        ),
        bad(
            "numpy-no-order",
            "numpy without an order",
            numpy(pairs(dtype=text("<f8"), shape=list_of(uint(2)))),
        ),
        bad("numpy-short", "elements are missing", numpy(numpy_extras("<f8", [3]))),
        bad("numpy-long", "elements too many", numpy(numpy_extras("<f8", [1]))),
        bad(
            "numpy-overflow",
            "sizes whose product overflows",
            numpy(numpy_extras("<f8", [2**62, 8])),
        ),
        bad(
            "numpy-structured",
            "no multiple of the number of elements",
            numpy(numpy_extras('[["a", "<i4"]]', [3])),
        ),
        *(
            bad(f"numpy-dtype-{name}", about, numpy(numpy_extras(dtype, [2])))
            for name, dtype, about in [
                ("object", "|O8", "objects are refused"),
                ("native", "=f8", "no byte order"),
                ("bare", "f8", "no byte order"),
                ("none", "", "no dtype"),
                ("size", "<f3", "no such size"),
                ("unordered", "|f8", "numbers of several bytes have an order"),
                ("unit", "<f8[ns]", "only times have units"),
                ("tail", "<f8x", "something behind it"),
            ]
        ),
    ]


def record_cases():
    return [*good_records(), *bad_headers(), *bad_extras()]
