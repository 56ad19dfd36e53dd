"""zcx.lmdb: the guide's names, and Python calculators behind the store."""

import logging
import math
import os
import threading

import numpy as np
import pytest

import zcx
from zcx.lmdb import DataFormat, LMDBTransport, wrap_with_lmdb


@pytest.fixture
def transport(path):
    transport = LMDBTransport.get_instance(path)
    yield transport
    transport.close()


def test_transport(transport, path):
    assert LMDBTransport.get_instance(path) is transport
    assert LMDBTransport.get_instance(os.path.join(path, "..", "store")) is transport
    first = transport.put("key", {"a": 1})
    assert transport.put("key", {"a": 2}) > first > 0
    assert transport.get("key") == {"a": 2} and transport.get("nothing") is None
    view, envelope = transport.get_raw("key")
    assert bytes(view) == b"\x81\xa1a\x02" and envelope.format == "msgpack"
    assert envelope.ttl == 300 and transport.get_raw("nothing") is None
    assert transport.delete("key") is True and transport.delete("key") is False


@pytest.mark.parametrize("format, data", [
    (DataFormat.JSON, {"a": [1, None]}), (DataFormat.MSGPACK, {1: b"x"}), (DataFormat.RAW, b"x" * 9000),
    (DataFormat.NUMPY, np.arange(9000)), ("json", "text"),
])
def test_formats(transport, format, data):
    transport.put("key", data, format=format, ttl=0)
    got, (_, envelope) = transport.get("key"), transport.get_raw("key")
    assert (got == data).all() if isinstance(data, np.ndarray) else got == data
    assert envelope.format == format and envelope.expires is None


def test_arrow(transport):
    pa = pytest.importorskip("pyarrow")
    transport.put("key", pa.table({"a": [1]}), format=DataFormat.ARROW)
    assert transport.get("key")["a"].to_pylist() == [1]


def test_a_closed_or_forked_transport_is_opened_anew(transport, path):
    transport.put("key", 1)
    transport.close()
    again = LMDBTransport.get_instance(path)
    assert again is not transport and again.get("key") == 1
    child = os.fork()
    if child == 0:
        own = LMDBTransport.get_instance(path)
        own.put("key", 2)
        os._exit(0 if own is not again else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert again.get("key") == 2
    again.close()


class Same:
    """Answers its input, or what it is told to; remembers what it got."""

    answer = None

    def calculate(self, data):
        self.got = data
        return data if self.answer is None else self.answer

    def other(self):
        return "other"


def wrap(calculator, path, **options):
    return wrap_with_lmdb(calculator, {"lmdb_enabled": True, "lmdb_db_path": path,
                                       "lmdb_map_size": 256 << 20, **options}, "same")


def equal(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and (one == other).all()
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other or one != one and other != other


def cases():
    array = np.arange(10_000)
    return [
        None, 1, 2**64, -(2**70), 1.5, math.nan, "text", "x" * 10_000, b"x", b"x" * 10_000,
        bytearray(b"x" * 2000), [1, 2], list(range(5000)), (1, 2), tuple(range(5000)),
        {"a": (1,) * 2000}, {"a": [2**65] * 500}, {1: "x" * 2000}, {(1, 2): "x" * 2000},
        {"a": array, "b": [array, "x"]}, array, array[::2], array.astype("O"), array[:0],
        np.array(5), np.float64(1.5), [np.float32(1)] * 1000, {1, 2}, object, "\ud800" * 2000,
        np.ma.masked_array(array, array > 5), {True: "x" * 2000}, [True, 1, 1.0] * 1000,
        {"nan": [math.nan] * 1000}, np.asfortranarray(np.ones((50, 60))),
        np.zeros(300, [("a", "i4"), ("b", "M8[s]")]),
    ]


@pytest.mark.parametrize("mode", ["input", "output", "both"])
@pytest.mark.parametrize("format", DataFormat)
def test_the_answer_is_the_calculators_own(path, mode, format):
    pytest.importorskip("pyarrow")
    wrapped = wrap(Same(), path, lmdb_exchange_mode=mode, lmdb_data_format=format.value)
    for data in cases():
        got = wrapped.calculate(data)
        if isinstance(data, np.ma.MaskedArray) or type(data) is np.ndarray and data.dtype == "O":
            assert got is data
        else:
            assert equal(got, data), data
    answering = Same()
    wrapped = wrap(answering, path, lmdb_exchange_mode=mode, lmdb_data_format=format.value)
    for data in cases()[1:]:
        answering.answer = data
        assert equal(wrapped.calculate("small"), data) or data is wrapped.calculate("small")


@pytest.mark.parametrize("size", [0, 1, 100, 1000, 1014, 1015, 1023, 1024, 1025, 10**6])
@pytest.mark.parametrize("mode", ["input", "output", "both"])
def test_every_size(path, mode, size):
    calculator = Same()
    wrapped = wrap(calculator, path, lmdb_exchange_mode=mode)
    data = {"text": "x" * size}
    assert wrapped.calculate(data) == data
    through = mode != "output" and len(zcx._zcx.pack(data)) >= 1024
    assert (calculator.got is not data) == through


def test_arrays_reach_the_calculator_in_place(path):
    calculator = Same()
    wrapped = wrap(calculator, path)
    got = wrapped.calculate({"a": np.arange(10_000)})
    assert isinstance(calculator.got["a"].base, zcx._zcx.Pin) and not got["a"].flags.writeable
    assert (got["a"] == np.arange(10_000)).all()
    with zcx.Store(path, budget=256 << 20) as store:
        assert [key.split(":")[0] for key in store] == ["output"]
        del got
        wrapped.calculate("small")
        assert list(store) == []
        store.put("mine", np.arange(5000))
        mine = store.get("mine")
        wrapped.calculate(mine)
        assert calculator.got is mine


def test_disabled_is_the_same_object(path):
    calculator = Same()
    assert wrap_with_lmdb(calculator, {"lmdb_enabled": False}, "same") is calculator
    assert wrap_with_lmdb(calculator, {}, "same") is calculator
    with pytest.raises(ValueError, match="lmdb_ttl"):
        wrap_with_lmdb(calculator, {"lmdb_enabled": False, "lmdb_ttl": "soon"}, "same")
    wrapped = wrap(calculator, path)
    assert wrapped is not calculator and wrapped.other() == "other" and "both" in repr(wrapped)


@pytest.mark.parametrize("option, value", [
    ("lmdb_enabled", "yes"), ("lmdb_db_path", "relative"), ("lmdb_db_name", "zcx.slots"),
    ("lmdb_min_size", -1), ("lmdb_exchange_mode", "none"), ("lmdb_data_format", "pickle"),
    ("lmdb_ttl", 1.5), ("lmdb_wait_timeout", None), ("lmdb_map_size", 0), ("lmdb_max_readers", 0),
    ("lmdb_colour", 1),
])
def test_wrong_configuration_names_the_option(path, option, value):
    with pytest.raises(ValueError, match=option):
        wrap(Same(), path, **{option: value})


def test_the_calculators_exceptions_come_through(path):
    class Failing:
        def calculate(self, data):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        wrap(Failing(), path).calculate("x" * 5000)


def test_a_full_store_goes_directly_with_one_warning(path, caplog):
    wrapped = wrap(Same(), path, lmdb_map_size=8 << 20)
    with caplog.at_level(logging.WARNING, "zcx"):
        for _ in range(3):
            data = {"a": np.ones(4_000_000)}
            assert equal(wrapped.calculate(data), data)
    said = [record.getMessage() for record in caplog.records if record.name == "zcx"]
    assert len(said) == 1 and "'same'" in said[0]


def test_a_store_that_cannot_be_opened_goes_directly(caplog):
    with caplog.at_level(logging.WARNING, "zcx"):
        wrapped = wrap(Same(), "/proc/no/such/place")
        assert wrapped.calculate("x" * 5000) == "x" * 5000
    assert any("same" in record.getMessage() for record in caplog.records)


class Referred:
    """A calculator that understands references: doubles the array at the input key."""

    lmdb_references = True
    answer = None

    def calculate(self, request):
        self.got = request
        if not isinstance(request, dict) or "_lmdb_ref" not in request:
            return request * 2
        with zcx.Store(request["_lmdb_db_path"], database=request["_lmdb_db_name"]) as store:
            if "_lmdb_input_key" in request:
                data = np.frombuffer(store.get(request["_lmdb_input_key"]), "f8")
            else:
                data = np.frombuffer(request["_lmdb_data"], "f8")
            if "_lmdb_output_key" not in request:
                return data * 2
            if self.answer is None:
                store.put(request["_lmdb_output_key"], data * 2)
        return {"_lmdb_output_written": True} if self.answer is None else self.answer


@pytest.mark.parametrize("size", [10, 10_000])
@pytest.mark.parametrize("mode, small, large", [
    ("input", None, {"_lmdb_input_key"}), ("output", {"_lmdb_data", "_lmdb_output_key"}, None),
    ("both", {"_lmdb_data", "_lmdb_output_key"}, {"_lmdb_input_key", "_lmdb_output_key"}),
    ("reference", {"_lmdb_input_key", "_lmdb_output_key"}, None),
])
def test_references_by_mode(path, size, mode, small, large):
    calculator = Referred()
    wrapped = wrap(calculator, path, lmdb_exchange_mode=mode, lmdb_data_format="raw")
    data = np.arange(float(size))
    got = wrapped.calculate(data)
    expected = small if size == 10 or large is None else large
    names = {"_lmdb_data", "_lmdb_input_key", "_lmdb_output_key"}
    if isinstance(calculator.got, dict):
        assert names & set(calculator.got) == expected
    else:
        assert expected is None
    if mode == "reference":
        with zcx.Store(path, budget=256 << 20) as store:
            got = store.get(got["_lmdb_output_key"])
    if isinstance(got, bytes):
        got = np.frombuffer(got)
    assert np.array_equal(got, data * 2)


@pytest.mark.parametrize("answer", [5, {}, {"_lmdb_output_written": False}, "x",
                                    {"_lmdb_output_written": True}])
def test_a_reference_answered_with_anything_else_fails_at_once(path, answer):
    calculator = Referred()
    calculator.answer = answer
    with pytest.raises(zcx.CalculatorError, match="same"):
        wrap(calculator, path).calculate(np.arange(10_000.0))


def test_plain_calculators_in_mode_reference(path):
    calculator = Same()
    wrapped = wrap(calculator, path, lmdb_exchange_mode="reference")
    first = wrapped.calculate({"a": [1]})
    assert isinstance(first, zcx.Reference)
    second = wrapped.calculate(first)
    assert calculator.got == {"a": [1]}
    with zcx.Store(path, budget=256 << 20) as store:
        assert store.get(second["_lmdb_output_key"]) == {"a": [1]}


def test_threads(path):
    wrapped, wrong = wrap(Same(), path), []

    def work(number):
        for round in range(50):
            data = {"n": number, "a": np.full(300 * round, number)}
            if not equal(wrapped.calculate(data), data):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
