"""References: requests and answers, in both encodings (SPEC.md, section 6)."""

import base64
import json

from generator.msgpack import binary, list_of, map_of, text, uint

STORE = {
    "_lmdb_db_path": "/dev/shm/zcx-1000",
    "_lmdb_db_name": "default",
    "_lmdb_format": "msgpack",
    "_txn_id": "00c1000000000007",
}
IN = {"_lmdb_input_key": "input:delays:00c1000000000007"}
OUT = {"_lmdb_output_key": "output:delays:00c1000000000007"}
DATA = {"_lmdb_data": b"\x81\xa1a\x01"}
REF, WRITTEN = {"_lmdb_ref": True}, {"_lmdb_output_written": True}


def as_msgpack(value):
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, bytes):
        return binary(value)
    return uint(value) if isinstance(value, int) else text(value)


def encode(pairs):
    """The pairs (name, value) in msgpack and in JSON, duplicates and all."""
    packed = map_of(*((as_msgpack(name), as_msgpack(value)) for name, value in pairs))
    plain = [
        (name, base64.b64encode(value).decode() if isinstance(value, bytes) else value)
        for name, value in pairs
    ]
    return packed, "{%s}" % ", ".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in plain)


def both(name, about, fields, status="OK", expect=None):
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    packed, plain = encode(pairs)
    case = dict(status=status, about=about)
    if status == "OK":
        known = {**REF, **STORE, **IN, **OUT, **DATA, **WRITTEN}
        says = {
            key: value.hex() if isinstance(value, bytes) else value
            for key, value in pairs
            if key in known
        }
        case["expect"] = says if expect is None else expect
    yield f"reference/{name}.msgpack", packed, {"kind": "reference-msgpack", **case}
    yield f"reference/{name}.json", plain.encode(), {"kind": "reference-json", **case}


def one(name, about, content, status):
    encoding = name.rsplit(".", 1)[1]
    return (
        f"reference/{name}",
        content,
        dict(kind=f"reference-{encoding}", status=status, about=about),
    )


def good_references():
    request = {**REF, **STORE}
    yield from both("input", "mode input: the answer is the result itself", {**request, **IN})
    yield from both("output", "mode output: the input comes along", {**request, **DATA, **OUT})
    yield from both("both", "mode both, a large input", {**request, **IN, **OUT})
    yield from both("empty-data", "an input of no bytes", {**request, **OUT, "_lmdb_data": b""})
    yield from both(
        "all-bytes", "every byte as data", {**request, **OUT, "_lmdb_data": bytes(range(256))}
    )
    for form in ("raw", "json", "numpy", "arrow"):
        yield from both(f"format-{form}", "a format", {**request, **IN, "_lmdb_format": form})
    yield from both(
        "unknown", "unknown names are skipped", {"later": "yes", **request, **IN, "even": 5}
    )
    yield from both(
        "unicode", "keys may be any text", {**request, "_lmdb_input_key": "Zürich \U0001f40d"}
    )
    yield from both("longest-key", "511 bytes", {**request, "_lmdb_input_key": "k" * 511})
    yield from both("answer", "the least that an answer says", WRITTEN)
    yield from both(
        "answer-full", "an answer that is a reference too", {**request, **OUT, **WRITTEN}
    )
    yield from both(
        "answer-false",
        "reads well; who waits for it takes it as a failure",
        {"_lmdb_output_written": False},
    )


def bad_references():
    request = {**REF, **STORE, **IN, **OUT}
    for field in ("_lmdb_ref", *STORE):
        yield from both(
            f"bad-without{field}",
            f"a request without {field}",
            {k: v for k, v in request.items() if k != field},
            "EINVAL",
        )
    yield from both("bad-without-keys", "neither key", {**REF, **STORE}, "EINVAL")
    yield from both(
        "bad-without-input", "an output key, and no input at all", {**REF, **STORE, **OUT}, "EINVAL"
    )
    yield from both("bad-two-inputs", "a key and the data", {**request, **DATA}, "EINVAL")
    wrong = [
        ("ref-false", "_lmdb_ref", False),
        ("ref-type", "_lmdb_ref", 1),
        ("written-type", "_lmdb_output_written", "true"),
        ("key-type", "_lmdb_input_key", 7),
        ("key-empty", "_lmdb_input_key", ""),
        ("key-long", "_lmdb_output_key", "k" * 512),
        ("key-nul", "_lmdb_input_key", "a\0b"),
        ("path-relative", "_lmdb_db_path", "dev/shm"),
        ("path-long", "_lmdb_db_path", "/" + "p" * 4095),
        ("name-long", "_lmdb_db_name", "n" * 65),
        ("name-empty", "_lmdb_db_name", ""),
        ("format", "_lmdb_format", "xml"),
        ("format-case", "_lmdb_format", "JSON"),
        ("id-short", "_txn_id", "00c100000000000"),
        ("id-upper", "_txn_id", "00C1000000000007"),
        ("id-sign", "_txn_id", "-0c1000000000007"),
        ("data-type", "_lmdb_data", 1),
    ]
    for name, field, value in wrong:
        yield from both(f"bad-{name}", f"{field} is wrong", {**request, field: value}, "EINVAL")
    yield from both("bad-twice", "a field twice", [*request.items(), ("_lmdb_ref", True)], "EINVAL")
    yield from both(
        "bad-unknown-twice",
        "an unknown field twice",
        [*request.items(), ("later", 1), ("later", 1)],
        "EINVAL",
    )

    packed, plain = encode(request.items())
    yield one("bad-cut.msgpack", "cut off", packed[:-1], "ECORRUPT")
    yield one("bad-trailing.msgpack", "a byte after it", packed + b"\xc0", "ECORRUPT")
    yield one("bad-list.msgpack", "a list", list_of(), "ECORRUPT")
    yield one("bad-empty.msgpack", "nothing", b"", "ECORRUPT")
    yield one("bad-name.msgpack", "a name that is a number", map_of((uint(1), uint(1))), "EINVAL")
    yield one(
        "bad-utf8.msgpack",
        "a key that is not UTF-8",
        map_of(
            *((text(k), text(b"\xff") if k in IN else as_msgpack(v)) for k, v in request.items())
        ),
        "EINVAL",
    )
    yield one(
        "bad-count.msgpack", "a hostile count", b"\xdf\xff\xff\xff\xff" + packed[1:], "ECORRUPT"
    )
    yield one(
        "bad-65.msgpack",
        "more than 64 names",
        map_of(*((text(f"n{i}"), uint(i)) for i in range(65))),
        "EINVAL",
    )
    yield one("bad-cut.json", "cut off", plain.encode()[:-1], "ECORRUPT")
    yield one("bad-trailing.json", "something after it", plain.encode() + b" x", "ECORRUPT")
    yield one("bad-list.json", "a list", b"[]", "ECORRUPT")
    yield one("bad-empty.json", "nothing", b"", "ECORRUPT")
    yield one(
        "bad-utf8.json", "not UTF-8", plain.encode().replace(b"input:", b"input\xff"), "ECORRUPT"
    )
    for name, value in [
        ("alphabet", "gaF-AQ=="),
        ("unpadded", "gaFhAQ"),
        ("bits", "gaFhAR=="),
        ("line", "gaFh\nAQ=="),
    ]:
        fields = {**REF, **STORE, **OUT, "_lmdb_data": value}
        yield one(
            f"bad-base64-{name}.json",
            "base64 that is not as RFC 4648 has it",
            json.dumps(fields).encode(),
            "EINVAL",
        )


def reference_cases():
    return [*good_references(), *bad_references()]
