"""Reads a zcx store with py-lmdb: written from protocol/SPEC.md alone, and without zcx.

    foreign_decoder.py STORE             prints each record of "default" as a line of JSON
    foreign_decoder.py STORE --hold KEY  prints the checksum of a payload, waits for a line, and
                                         prints it again, all in one read transaction

Objects are printed as protocol/vectors/index.json has them.
"""

import json
import struct
import sys
import time
from pathlib import Path

import lmdb
import numpy
import pyarrow

FORMATS = ["raw", "json", "msgpack", "numpy", "arrow"]
IN_SLOT, ERROR, CHECKSUM = 1, 2, 4
HEADER = struct.Struct("<IBBHIIQQQQQIIII")
NAMES = """magic version format flags header_length payload_crc payload_length payload_offset
           transaction created expires slot generation reserved header_crc""".split()


class Corrupt(Exception):
    pass


def check(sound, what):
    if not sound:
        raise Corrupt(what)


def crc_table():
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        yield crc


TABLE = list(crc_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


# ---- msgpack, section 5 -----------------------------------------------------------------------


class Extension(tuple):
    pass


class Reader:
    """Reads one object of `data`; arrays are views of it."""

    FIXED = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b",
             0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    COUNTS = {0xC4: ("bin", 1), 0xC5: ("bin", 2), 0xC6: ("bin", 4), 0xC7: ("ext", 1),
              0xC8: ("ext", 2), 0xC9: ("ext", 4), 0xD9: ("str", 1), 0xDA: ("str", 2),
              0xDB: ("str", 4), 0xDC: ("list", 2), 0xDD: ("list", 4), 0xDE: ("map", 2),
              0xDF: ("map", 4)}

    def __init__(self, data):
        self.data, self.at = memoryview(data), 0

    def take(self, count):
        check(self.at + count <= len(self.data), f"cut off at {self.at}")
        self.at += count
        return self.data[self.at - count:self.at]

    def object(self, depth=0):
        head = self.take(1)[0]
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 256
        if head in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[head]
        if head in self.FIXED:
            form = self.FIXED[head]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if 0xD4 <= head <= 0xD8:
            return self.extension(1 << head - 0xD4)
        if head < 0xC0:
            kind, count = (("map", head & 15) if head < 0x90 else ("list", head & 15)
                           if head < 0xA0 else ("str", head & 31))
        else:
            check(head in self.COUNTS, "the byte that is never used")
            kind, width = self.COUNTS[head]
            count = int.from_bytes(self.take(width), "big")
        return self.counted(kind, count, depth)

    def counted(self, kind, count, depth):
        if kind == "ext":
            return self.extension(count)
        if kind == "bin":
            return bytes(self.take(count))
        if kind == "str":
            return str(self.take(count), "utf-8")
        check(depth < 512, "nested too deep")
        check(count <= len(self.data) - self.at, "a hostile count")
        if kind == "list":
            return [self.object(depth + 1) for _ in range(count)]
        return {self.object(depth + 1): self.object(depth + 1) for _ in range(count)}

    def extension(self, length):
        kind = struct.unpack("b", self.take(1))[0]
        begin = self.at
        data = self.take(length)
        if kind != 78:
            return Extension((kind, bytes(data)))
        offset = int.from_bytes(data[:4], "little")
        check(4 <= offset <= length and (begin + offset) % 64 == 0, "elements at a wrong place")
        inner = Reader(data[4:offset])
        dtype, shape, order = inner.object()
        check(not any(inner.data[inner.at:]), "padding that is not zero")
        return array_of(data[offset:], dtype, shape, order)

    def whole(self):
        value = self.object()
        check(self.at == len(self.data), "bytes after the object")
        return value


# ---- arrays, section 5 ------------------------------------------------------------------------


def fields_of(fields):
    """The lists of JSON as what NumPy takes."""
    if isinstance(fields, str):
        return fields
    return [(tuple(name) if isinstance(name, list) else name, fields_of(kind), *map(tuple, shape))
            for name, kind, *shape in fields]


def array_of(elements, dtype, shape, order):
    said = json.loads(dtype) if dtype.startswith("[") else dtype
    real = numpy.lib.format.descr_to_dtype(fields_of(said))
    count = int(numpy.prod(shape, dtype=object)) if shape else 1
    check(len(elements) == count * real.itemsize, "sizes that disagree")
    array = numpy.ndarray(shape, real, elements, order=order)
    return {"array": {"dtype": dtype, "shape": shape, "order": order,
                      "elements": array.tobytes(order).hex()}}


def printable(value):
    """As protocol/vectors/index.json writes objects."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"float": struct.pack(">d", value).hex()}
    if isinstance(value, bytes):
        return {"bin": value.hex()}
    if isinstance(value, Extension):
        return {"ext": [value[0], value[1].hex()]}
    if isinstance(value, list):
        return [printable(item) for item in value]
    if "array" in value and isinstance(value["array"], dict) and "elements" in value["array"]:
        return value
    return {"map": [[printable(key), printable(item)] for key, item in value.items()]}


# ---- records, sections 2 to 4 -----------------------------------------------------------------


def envelope_of(record):
    check(len(record) > 72, "no room for a header")
    header = dict(zip(NAMES, HEADER.unpack(record[:72])))
    check(header["magic"] == int.from_bytes(b"ZCXE", "little"), "another magic number")
    check(header["version"] == 1, "another version")
    end = header["header_length"]
    check(72 < end <= min(len(record), 72 + 32768), "a wrong header length")
    check(crc32c(bytes(record[:68]) + bytes(record[72:end])) == header["header_crc"], "header_crc")
    check(not header["flags"] & ~7 and header["reserved"] == 0, "a later version's")
    extras = Reader(record[72:end]).whole()
    return header, extras


def payload_of(record, header, slots, transaction):
    begin, length = header["payload_offset"], header["payload_length"]
    if header["flags"] & IN_SLOT:
        record = transaction.get(struct.pack("<I", header["slot"]), db=slots)
        check(record is not None, "no such slot")
    check(begin + length <= len(record), "a payload outside its value")
    payload = memoryview(record)[begin:begin + length]
    if header["flags"] & CHECKSUM:
        check(crc32c(payload) == header["payload_crc"], "payload_crc")
    return payload


def object_of(payload, header, extras):
    form = "msgpack" if header["flags"] & ERROR else FORMATS[header["format"]]
    if form == "json":
        return printable(json.loads(str(payload, "utf-8")))
    if form == "msgpack":
        return printable(Reader(payload).whole())
    if form == "numpy":
        return array_of(payload, extras["dtype"], extras["shape"], extras["order"])
    if form == "arrow":
        table = pyarrow.ipc.open_stream(pyarrow.py_buffer(payload)).read_all()
        return {"arrow": {"names": table.column_names, "types": [str(t) for t in table.schema.types],
                          "columns": [column.to_pylist() for column in table.columns]}}
    return {"bin": bytes(payload).hex()}


def describe(key, record, slots, transaction):
    header, extras = envelope_of(record)
    out = {"key": key.hex(), **header, "extras": extras, "format": FORMATS[header["format"]]}
    if header["expires"] and header["expires"] <= time.time_ns():
        return {**out, "object": "expired"}
    payload = payload_of(record, header, slots, transaction)
    return {**out, "object": object_of(payload, header, extras)}


# ---- the store, section 1 ---------------------------------------------------------------------


def open_store(path):
    said = json.loads((Path(path) / "store.json").read_text())
    check(said["protocol"] == 1, "a store of another protocol")
    environment = lmdb.open(path, readonly=True, map_size=said["map_size"], max_dbs=4,
                            max_readers=said["max_readers"])
    return (environment, environment.open_db(b"default", create=False),
            environment.open_db(b"zcx.slots", create=False))


def main(path, *hold):
    environment, records, slots = open_store(path)
    with environment.begin(buffers=True) as transaction:
        if hold:
            record = transaction.get(hold[1].encode(), db=records)
            for _ in range(2):
                header, _ = envelope_of(record)
                print(crc32c(payload_of(record, header, slots, transaction)), flush=True)
                sys.stdin.readline()
            return
        for key, record in transaction.cursor(db=records):
            print(json.dumps(describe(bytes(key), record, slots, transaction)))


if __name__ == "__main__":
    main(*sys.argv[1:])
