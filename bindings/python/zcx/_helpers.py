"""What the extension asks Python for: NumPy's descriptions, JSON, Arrow, advice."""

import json
import sys
import weakref
from typing import NamedTuple

from . import _zcx
from .errors import EXCEPTIONS, CalculatorError, Corrupt


class Extension(NamedTuple):
    """A msgpack extension that zcx does not know."""

    code: int
    data: bytes


# ---- NumPy ------------------------------------------------------------------------------------


def dtype_to_text(dtype) -> str:
    """The array-protocol string; for a structured dtype its descr as JSON."""
    import numpy

    if dtype.hasobject:
        raise TypeError(
            f"an array of dtype {dtype} holds Python objects: make it an array of numbers, of "
            "fixed-width text (astype('U')) or of records, or put it as a list"
        )
    if dtype.names is None:
        text = dtype.str
        if text[1] == "V" and dtype.type is not numpy.void or numpy.dtype(text) != dtype:
            raise TypeError(f"an array of dtype {dtype} has no portable description: view it as "
                            "integers of its size")
        return text
    text = json.dumps(numpy.lib.format.dtype_to_descr(dtype), ensure_ascii=False)
    if dtype_from_text(text) != dtype:
        raise TypeError(f"records of dtype {dtype} have no portable description: their fields "
                        "overlap or are out of order")
    return text


def _tuples(descr):
    """JSON's lists as the tuples that NumPy asks for."""
    if isinstance(descr, str):
        return descr
    fields = []
    for name, kind, *shape in descr:
        name = tuple(name) if isinstance(name, list) else name
        fields.append((name, _tuples(kind), *(tuple(sizes) for sizes in shape)))
    return fields


def dtype_from_text(text: str):
    import numpy

    try:
        if not text.startswith("["):
            dtype = numpy.dtype(text)
        else:
            dtype = numpy.lib.format.descr_to_dtype(_tuples(json.loads(text)))
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"a dtype that NumPy {numpy.__version__} cannot read: {text!r}") from error
    if dtype.hasobject:
        raise ValueError(f"a dtype that holds objects: {text!r}")
    return dtype


def check_class(array) -> None:
    import numpy

    if isinstance(array, numpy.ma.MaskedArray):
        raise TypeError("a masked array is two arrays: put array.filled(…), or "
                        '{"data": array.data, "mask": array.mask}')


def gather(array, memory) -> None:
    """Copies strided elements, in C order, into memory."""
    import numpy

    numpy.copyto(numpy.ndarray(array.shape, array.dtype, memory), array, casting="no")


def simplify_scalar(scalar):
    """A Python number or text where there is one, else an array without dimensions."""
    import numpy

    simple = scalar.item()
    if isinstance(simple, (bool, int, float, str, bytes)) and not isinstance(
        scalar, (numpy.datetime64, numpy.timedelta64)
    ):
        return simple
    return numpy.asarray(scalar)


# ---- JSON ---------------------------------------------------------------------------------------


def json_to_bytes(data) -> bytes:
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except TypeError as error:
        raise TypeError(f"{error}: format 'json' takes dicts, lists, text, numbers, booleans and "
                        "None") from None
    return text.encode()


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def json_from_buffer(buffer):
    try:
        return json.loads(str(buffer, "utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        raise Corrupt(f"the payload is not JSON: {error}") from None


# ---- Arrow ----------------------------------------------------------------------------------------


def _pyarrow():
    try:
        import pyarrow.ipc
    except ModuleNotFoundError:
        raise ImportError("this payload is an Arrow stream, and pyarrow is not installed: "
                          "pip install pyarrow, or use Store.view for its bytes") from None
    return pyarrow


def is_arrow(data) -> bool:
    pyarrow = sys.modules["pyarrow"]
    return isinstance(data, (pyarrow.Table, pyarrow.RecordBatch))


def _write_stream(data, out) -> int:
    with _pyarrow().ipc.new_stream(out, data.schema) as writer:
        writer.write(data)
    return out.tell()


def arrow_size(data) -> int:
    pyarrow = _pyarrow()
    if not is_arrow(data):
        raise TypeError(f"format 'arrow' takes a pyarrow.Table or RecordBatch, not {type(data)}")
    return _write_stream(data, pyarrow.MockOutputStream())


def arrow_write(data, memory: memoryview) -> int:
    """Writes the stream into memory, whose owner takes it back afterwards."""
    with memory:
        return _write_fixed(data, memory)


def _write_fixed(data, memory) -> int:
    """A call of its own: pyarrow lets go of the memory when its objects end, not when closed."""
    pyarrow = _pyarrow()
    with pyarrow.FixedSizeBufferWriter(pyarrow.py_buffer(memory)) as out:
        return _write_stream(data, out)


_tables: dict[int, tuple] = {}  # which tables were read in place, and from what


def arrow_from_buffer(buffer):
    pyarrow = _pyarrow()
    try:
        table = pyarrow.ipc.open_stream(pyarrow.py_buffer(buffer)).read_all()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise Corrupt(f"the payload is not a whole Arrow stream: {error}") from None
    number = id(table)
    _tables[number] = weakref.ref(table, lambda _: _tables.pop(number, None)), buffer
    return table


def arrow_origin(table):
    """The payload that a whole table was read from, or None."""
    known = _tables.get(id(table))
    return known[1] if known and known[0]() is table else None


def exact_json_size(data) -> int | None:
    """The bytes that it takes as JSON; None when it would be read back as something else."""
    try:
        return len(json_to_bytes(data)) if _is_json(data) else None
    except (ValueError, RecursionError):
        return None


def _is_json(data) -> bool:
    if type(data) is dict:
        return all(type(key) is str and _is_json(value) for key, value in data.items())
    if type(data) is list:
        return all(map(_is_json, data))
    return data is None or type(data) in (bool, int, float, str)


def exact_arrow_size(data) -> int | None:
    pyarrow = sys.modules.get("pyarrow")
    if not pyarrow or type(data) is not pyarrow.Table:
        return None
    try:
        return arrow_size(data)
    except pyarrow.ArrowException:
        return None


# ---- references and origins -----------------------------------------------------------------------


def is_reference(data) -> bool:
    return isinstance(data, dict) and ("_lmdb_ref" in data or "_lmdb_output_written" in data)


def encode_reference(reference) -> bytes:
    return _zcx.pack(dict(reference))


def decode_reference(encoded: bytes) -> dict:
    return _zcx.unpack(encoded)


def origin(data):
    """The payload that a memoryview or an Arrow table is the whole of, or None."""
    if isinstance(data, memoryview):
        owner = data.obj
        whole = data.contiguous and data.format == "B"
        return owner if whole and type(owner) is _zcx.Pin and data.nbytes == owner.nbytes else None
    return arrow_origin(data)


# ---- errors -----------------------------------------------------------------------------------------


def raise_record(record):
    """Raises what an error record says."""
    record = record if isinstance(record, dict) else {}
    message, status = record.get("message") or "a calculator failed", record.get("status")
    if type(status) is int and 0 < status < len(EXCEPTIONS) and status != CalculatorError.status:
        raise EXCEPTIONS[status](message)
    raise CalculatorError(message, 0, record.get("trace"))


_ADVICE = (
    (("set", "frozenset", "dict_keys", "dict_values", "generator", "range", "deque"),
     "make it a list"),
    (("datetime", "date", "time", "timedelta"),
     "use numpy.datetime64 in an array, text (isoformat()) or seconds"),
    (("Decimal", "UUID", "PosixPath", "Path"), "make it text with str()"),
    (("complex", "Fraction"), "put it in an array, or as two numbers"),
    (("DataFrame",), "use pyarrow.Table.from_pandas(frame), or a dict of its columns' arrays"),
    (("Series", "Index"), "use its array: series.to_numpy()"),
    (("Tensor",), "use its array: tensor.numpy()"),
    (("Table", "RecordBatch"), "put it under a key of its own, which stores it as Arrow"),
)


def advice(data) -> str:
    """What to do with an object that would have to be pickled."""
    name = type(data).__name__
    for names, what in _ADVICE:
        if name in names:
            return what
    if hasattr(data, "__dataclass_fields__"):
        return "make it a dict with dataclasses.asdict()"
    return ("it would need pickle, which zcx never does; make it of dicts, lists, numbers, text, "
            "bytes and arrays")
