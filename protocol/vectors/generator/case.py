"""One case of the index: its file, its bytes, and what they give."""

import struct

NIL, FALSE, TRUE = b"\xc0", b"\xc2", b"\xc3"


def good(name, about, content, expect, **more):
    kind = name.split("/")[0]
    return name, content, dict(kind=kind, status="OK", about=about, expect=expect, **more)


def bad(name, about, content, status="ECORRUPT"):
    return name, content, dict(kind=name.split("/")[0], status=status, about=about)


def bits(value):
    return {"float": struct.pack(">d", value).hex()}
