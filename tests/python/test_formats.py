"""msgpack, JSON and Arrow: what goes in, what comes out, and what is refused with advice."""

import collections
import datetime
import decimal
import enum
import math
import threading

import numpy as np
import pytest

import zcx


def there_and_back(store, data, **options):
    store.put("key", data, **options)
    return store.get("key")


@pytest.mark.parametrize("data", [
    None, True, False, 0, -1, 127, 128, -129, 2**31, -(2**63), 2**63, 2**64 - 1, 0.0, -0.0, 1.5,
    math.inf, -math.inf, 5e-324, "", "text", "äöü€😀", "x" * 70_000, b"", b"\0\xff" * 1000, [], {},
    [1, [2, [3, []]]], {"a": {"b": [None, {"c": b"d"}]}}, {1: "one", -5: "minus", 2**63: "big"},
    {1.5: 1, b"bytes": 2, None: 3, True: 4}, {(1, "a"): 5}, list(range(100_000)),
    {str(number): number for number in range(70_000)},
], ids=lambda data: repr(data)[:30])
def test_msgpack(store, data):
    got = there_and_back(store, data, format="msgpack")
    assert got == data and type(got) is type(data)
    if isinstance(data, dict):
        assert list(got) == list(data) and [type(key) for key in got] == [type(key) for key in data]


def test_nan_and_signed_zero(store):
    got = there_and_back(store, [math.nan, -0.0])
    assert math.isnan(got[0]) and math.copysign(1, got[1]) == -1


def test_what_becomes_something_plainer(store):
    class Color(enum.IntEnum):
        RED = 1

    class Name(str):
        pass

    point = collections.namedtuple("Point", "x y")(1, 2)
    ordered = collections.OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    got = there_and_back(store, [(1, 2), point, Color.RED, Name("n"), ordered,
                                 collections.defaultdict(int, a=1), bytearray(b"a"), memoryview(b"b")])
    assert got == [[1, 2], [1, 2], 1, "n", {"b": 2, "a": 1}, {"a": 1}, b"a", b"b"]
    assert list(got[4]) == ["b", "a"]


@pytest.mark.parametrize("data, error, advice", [
    ({1, 2}, TypeError, "list"), ([1, {"a": frozenset()}], TypeError, r"\[1\]\['a'\].*list"),
    (2**64, OverflowError, "64 bits"), (-(2**63) - 1, OverflowError, "64 bits"),
    ({"n": [2**70]}, OverflowError, r"\['n'\]\[0\]"), (1j, TypeError, "array"),
    (datetime.datetime.now(), TypeError, "datetime64"), (decimal.Decimal(1), TypeError, "str"),
    (object(), TypeError, "pickle"), ([lambda: 1], TypeError, "pickle"),
    ({"a": memoryview(b"abcdef")[::2]}, TypeError, "contiguous"), ("\ud800", ValueError, "surrogate"),
    (range(3), TypeError, "list"),
])
def test_refused_with_advice(store, data, error, advice):
    with pytest.raises(error, match=advice):
        store.put("key", data, format="msgpack")
    assert not store.exists("key")


def test_dataclasses_and_frames_get_advice(store):
    import dataclasses

    @dataclasses.dataclass
    class Point:
        x: int

    class DataFrame:
        pass

    with pytest.raises(TypeError, match="asdict"):
        store.put("key", Point(1))
    with pytest.raises(TypeError, match="from_pandas"):
        store.put("key", DataFrame())


def nested(depth, kind):
    data = [] if kind is list else {}
    for _ in range(depth - 1):
        data = [data] if kind is list else {"a": data}
    return data


@pytest.mark.parametrize("kind", [list, dict])
def test_nesting(store, kind):
    assert there_and_back(store, nested(512, kind)) == nested(512, kind)
    with pytest.raises(zcx.LimitExceeded, match="512"):
        store.put("key", nested(513, kind))
    endless = []
    endless.append(endless)
    with pytest.raises(zcx.LimitExceeded):
        store.put("key", endless)


def test_a_container_that_changes_meanwhile_is_an_error_not_an_overrun(store):
    """The GIL is free while a large array is copied: another thread gets in."""
    array = np.zeros(4_000_000)
    data = {"array": array, "list": list(range(10))}
    done = threading.Event()

    def change():
        while not done.is_set():
            data["list"].append("x" * 100)
            if len(data["list"]) > 5000:
                del data["list"][5:]

    thread = threading.Thread(target=change)
    thread.start()
    refused = 0
    try:
        for _ in range(100):
            try:
                store.put("key", data)
            except (zcx.InvalidArgument, zcx.LimitExceeded, zcx.Corrupt):
                refused += 1
            else:
                assert set(store.get("key")) == {"array", "list"}
    finally:
        done.set()
        thread.join()
    assert store.check()["sound"]


def test_an_array_that_changes_its_type_is_refused(store):
    class Sneaky(dict):
        """Another list of items at each look."""

        looks = 0

        def items(self):
            Sneaky.looks += 1
            return [("a", "x" * (10 if Sneaky.looks % 2 else 100_000))]

        def keys(self):
            return ["a"]

    with pytest.raises(zcx.Error):
        store.put("key", Sneaky(a=1))


@pytest.mark.parametrize("data", [
    None, {"a": [1, 2.5, "ä", None, True, {"b": {}}]}, [], "text", 2**200, 0.1, {"": 0},
])
def test_json(store, data):
    assert there_and_back(store, data, format="json") == data
    assert store.view("key").envelope.format == "json"


@pytest.mark.parametrize("data, error", [
    (math.nan, ValueError), ([math.inf], ValueError), (b"x", TypeError), ({1, 2}, TypeError),
    ({(1, 2): 3}, TypeError), (np.zeros(3), TypeError), ("\ud800", ValueError),
])
def test_json_refused(store, data, error):
    with pytest.raises(error):
        store.put("key", data, format="json")


@pytest.mark.parametrize("format, payload", [
    ("json", b"{"), ("json", b"NaN"), ("json", b"\xff"), ("msgpack", b"\xc1"), ("msgpack", b""),
    ("msgpack", b"\x01\x02"), ("msgpack", b"\xdd\xff\xff\xff\xff"), ("msgpack", b"\xa5ab"),
    ("arrow", b"not arrow"), ("arrow", b""), ("msgpack", b"\x81\x80\x01"),
])
def test_payloads_of_another_making(store, format, payload):
    pytest.importorskip("pyarrow")
    loan = store.loan(len(payload))
    memoryview(loan)[:] = payload
    loan.publish("key", format=format)
    with pytest.raises((zcx.Corrupt, TypeError)):
        store.get("key")
    assert bytes(store.view("key")) == payload


def test_unknown_extensions(store):
    payload = b"\x92\xd4\x05x\xc7\x03\xffabc"
    loan = store.loan(len(payload))
    memoryview(loan)[:] = payload
    loan.publish("key", format="msgpack")
    assert store.get("key") == [zcx.Extension(5, b"x"), zcx.Extension(-1, b"abc")]


# ---- Arrow ------------------------------------------------------------------------------------


def tables():
    pa = pytest.importorskip("pyarrow")
    return {
        "numbers": pa.table({"a": np.arange(100_000), "b": np.arange(100_000) / 3}),
        "text": pa.table({"t": ["ä", None, "b" * 1000] * 1000}),
        "nested": pa.table({"l": [[1, 2], None, []], "s": [{"x": 1}, {"x": None}, None]}),
        "dictionary": pa.table({"d": pa.array(["a", "b", "a", None]).dictionary_encode()}),
        "chunked": pa.concat_tables([pa.table({"a": [1, 2]}), pa.table({"a": [3]})]),
        "empty": pa.table({"a": pa.array([], "f8")}), "no columns": pa.table({}),
        "metadata": pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
        "sliced": pa.table({"a": np.arange(10_000)}).slice(1000, 10),
    }


@pytest.mark.parametrize("name", ["numbers", "text", "nested", "dictionary", "chunked", "empty",
                                  "no columns", "metadata", "sliced"])
def test_arrow(store, name):
    table = tables()[name]
    got = there_and_back(store, table)
    assert got.equals(table) and got.schema.equals(table.schema, check_metadata=True)
    assert store.view("key").envelope.format == "arrow"


def test_a_record_batch_comes_back_as_a_table(store):
    pa = pytest.importorskip("pyarrow")
    batch = pa.record_batch({"a": [1, 2, 3]})
    assert there_and_back(store, batch).to_batches() == [batch]
    assert there_and_back(store, batch, format="arrow").num_rows == 3


def test_arrow_lies_in_the_store_and_holds_it(store):
    pa = pytest.importorskip("pyarrow")
    store.put("key", pa.table({"a": np.arange(100_000)}))
    before = pa.total_allocated_bytes()
    column = store.get("key")["a"].chunk(0)
    assert pa.total_allocated_bytes() - before < 10_000
    for number in range(100):
        store.put("key", pa.table({"a": np.full(100_000, number)}))
    store.delete("key")
    store.sweep(trim=True)
    assert column.to_numpy().sum() == 4999950000
    assert store.stat()["holders"][0]["views"] == 1
    del column
    assert store.stat()["holders"][0]["views"] == 0


def test_tables_inside_containers_are_refused(store):
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(TypeError, match="key of its own"):
        store.put("key", {"table": pa.table({"a": [1]})})


def test_an_arrow_buffer_is_raw(store):
    pa = pytest.importorskip("pyarrow")
    assert bytes(there_and_back(store, pa.py_buffer(b"abc"))) == b"abc"


def test_arrow_over_a_view(store):
    pa = pytest.importorskip("pyarrow")
    store.put("key", pa.table({"a": [1, 2]}))
    with store.view("key") as view:
        buffer = pa.py_buffer(view)
        assert not buffer.is_mutable
    assert pa.ipc.open_stream(buffer).read_all()["a"].to_pylist() == [1, 2]
