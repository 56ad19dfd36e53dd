"""msgpack as bytes, made by hand so that every form, right or wrong, can be written."""

import struct


def uint(value):
    if value < 128:
        return bytes([value])
    for head, form, limit in (
        (0xCC, ">B", 8),
        (0xCD, ">H", 16),
        (0xCE, ">I", 32),
        (0xCF, ">Q", 64),
    ):
        if value < 1 << limit:
            return bytes([head]) + struct.pack(form, value)


def integer(value):
    if value >= 0:
        return uint(value)
    if value >= -32:
        return struct.pack(">b", value)
    for head, form, limit in (
        (0xD0, ">b", 7),
        (0xD1, ">h", 15),
        (0xD2, ">i", 31),
        (0xD3, ">q", 63),
    ):
        if value >= -(1 << limit):
            return bytes([head]) + struct.pack(form, value)


def real(value):
    return b"\xcb" + struct.pack(">d", value)


def counted(count, fixed, fixed_limit, *heads):
    """A head and a count, in the shortest of its forms."""
    if count < fixed_limit:
        return bytes([fixed + count])
    for head, form, limit in heads:
        if count < limit:
            return bytes([head]) + struct.pack(form, count)


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return (
        counted(
            len(data), 0xA0, 32, (0xD9, ">B", 1 << 8), (0xDA, ">H", 1 << 16), (0xDB, ">I", 1 << 32)
        )
        + data
    )


def binary(data):
    return (
        counted(len(data), 0, 0, (0xC4, ">B", 1 << 8), (0xC5, ">H", 1 << 16), (0xC6, ">I", 1 << 32))
        + data
    )


def list_of(*items):
    return counted(len(items), 0x90, 16, (0xDC, ">H", 1 << 16), (0xDD, ">I", 1 << 32)) + b"".join(
        items
    )


def map_of(*pairs):
    return counted(len(pairs), 0x80, 16, (0xDE, ">H", 1 << 16), (0xDF, ">I", 1 << 32)) + b"".join(
        key + value for key, value in pairs
    )


def description(dtype, shape, order):
    return list_of(text(dtype), list_of(*map(uint, shape)), text(order))


def typed_array(before, dtype, shape, order, elements):
    """A typed array that comes after `before` in the payload: `before` and it."""
    body = len(before) + 6
    what = description(dtype, shape, order)
    offset = 4 + len(what)
    offset += -(body + offset) % 64
    data = struct.pack("<I", offset) + what.ljust(offset - 4, b"\0") + elements
    return before + b"\xc9" + struct.pack(">I", len(data)) + b"\x4e" + data
