"""Arrays of every dtype without objects come back as they were, in place and read-only."""

import gc

import numpy as np
import pytest

import zcx

STRUCTURED = np.dtype([("name", "U5"), ("when", "M8[ms]"), ("at", ">f4", (2, 3)),
                       ("in", [("x", "i1"), ("y", "c8")]), ("raw", "V3"), ("text", "S4")])
DTYPES = ["?", "b", "B", "i2", ">u4", "i8", "u8", "f2", ">f4", "f8", "g", "c8", ">c16", "S7", "U3",
          ">U2", "V5", "M8[ns]", ">M8[D]", "M8[25s]", "m8[us]", "m8", STRUCTURED,
          np.dtype([("a", "i1"), ("b", "f8")], align=True),
          np.dtype({"names": ["x", "y"], "formats": ["i2", "f8"], "offsets": [4, 16],
                    "itemsize": 32}),
          np.dtype([(("a title", "n"), "i4")]), np.dtype([("ä\"", "i4")])]


def sample(dtype, shape):
    """An array of this dtype, of any bytes that it may have."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape))
    numbers = np.random.default_rng(1).integers(0, 50, count * dtype.itemsize, "u1")
    if dtype.kind == "?" or dtype.kind == "b":
        numbers %= 2
    if dtype.kind == "U" or dtype.names:
        return np.zeros(shape, dtype) if dtype.names else np.full(shape, "äb", dtype)
    return np.frombuffer(numbers.tobytes(), dtype).reshape(shape)


def same(got, array):
    assert type(got) is np.ndarray and got.dtype == array.dtype and got.shape == array.shape
    assert got.tobytes() == array.tobytes()
    assert not got.flags.writeable and (not got.size or got.flags.aligned)
    with pytest.raises(ValueError):
        got.flags.writeable = True


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4, 5), (2, 0, 3), (40, 50)], ids=str)
def test_every_dtype(store, dtype, shape):
    array = sample(dtype, shape)
    store.put("array", array)
    same(store.get("array"), array)
    store.put("inside", {"a": [array, array]})
    for got in store.get("inside")["a"]:
        same(got, array)
    store.put("alone", array, format="msgpack")
    same(store.get("alone"), array)


def layouts():
    base = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    return {
        "C": base, "Fortran": np.asfortranarray(base), "transposed": base.T,
        "sliced": base[:, 1:, ::2], "reversed": base[::-1, :, ::-1], "swapped": base.swapaxes(0, 2),
        "broadcast": np.broadcast_to(np.arange(5), (4, 5)), "a column": base[0, 0, :, 2],
        "read-only": np.frombuffer(base.tobytes()), "offset": np.arange(100, dtype="u1")[3:],
        "unaligned": np.frombuffer(b"x" + bytes(80), "f8", 10, 1), "diagonal": base[0, 0].diagonal(),
        "large and strided": np.arange(600_000.0).reshape(600, 1000)[:, ::3],
        "large Fortran": np.asfortranarray(np.arange(600_000.0).reshape(600, 1000)),
    }


@pytest.mark.parametrize("layout", layouts())
def test_every_layout(store, layout):
    array = layouts()[layout]
    for key, options in (("numpy", {}), ("msgpack", {"format": "msgpack"})):
        store.put(key, array, **options)
        got = store.get(key)
        assert (got == array).all() and got.shape == array.shape and got.dtype == array.dtype
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        assert got.flags.f_contiguous if fortran else got.flags.c_contiguous
        assert got.ctypes.data % 64 == 0


def test_arrays_lie_in_the_store(store):
    store.put("config", {"small": np.arange(3), "large": [np.arange(100_000)]})
    assert store.stat()["slots"]["published"]["slots"] == 1
    got = store.get("config")
    assert got["small"].ctypes.data % 64 == got["large"][0].ctypes.data % 64 == 0
    assert got["small"].base is got["large"][0].base


def test_64_dimensions(store):
    array = np.zeros((1,) * 60 + (2, 3))
    store.put("array", array)
    assert store.get("array").shape == array.shape


@pytest.mark.parametrize("array, advice", [
    (np.array([1, "a", None], object), "fixed-width text"),
    (np.zeros(3, [("a", "O")]), "objects"),
    (np.array(["a", "b"], np.dtypes.StringDType()), "astype"),
    (np.ma.masked_array([1, 2], [True, False]), "filled"),
    (np.zeros(3, np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 2]})),
     "overlap"),
])
def test_what_has_no_portable_description(store, array, advice):
    for data, options in ((array, {}), ([{"x": array}], {}), (array, {"format": "msgpack"})):
        with pytest.raises((TypeError, ValueError), match=advice):
            store.put("array", data, **options)
    assert "array" not in store


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_subclasses(store):
    store.put("matrix", np.asmatrix([[1, 2]]))
    assert type(store.get("matrix")) is np.ndarray
    store.put("records", np.rec.array([(1, 2.0)], dtype="i4,f8"))
    assert store.get("records")["f0"][0] == 1


def test_field_names_of_one_reader_are_not_another_ones(store):
    store.put("records", np.zeros(3, [("a", "i4"), ("b", "f8")]))
    store.get("records").dtype.names = ("x", "y")
    assert store.get("records").dtype.names == ("a", "b")
    kind = np.dtype([("a", "i4")])
    store.put("records", np.zeros(3, kind))
    kind.names = ("z",)
    store.put("records", np.zeros(3, kind))
    assert store.get("records").dtype.names == ("z",)


def test_scalars(store):
    numbers = [np.float32(1.5), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True), np.float64(0.1)]
    store.put("numbers", numbers)
    got = store.get("numbers")
    assert got == [1.5, -3, 2**64 - 1, True, 0.1]
    assert [type(number) for number in got] == [float, int, int, bool, float]
    store.put("texts", [np.str_("ä"), np.bytes_(b"b")])
    assert store.get("texts") == ["ä", b"b"]
    others = [np.datetime64("2020-01-02", "D"), np.timedelta64(5, "s"), np.complex128(1j),
              np.zeros(1, [("a", "i4")])[0], np.datetime64("2020-01-02T03", "ns")]
    store.put("others", others)
    for got, scalar in zip(store.get("others"), others):
        assert got.shape == () and got[()] == scalar and got.dtype == scalar.dtype


def test_arrays_hold_their_payload(store):
    store.put("array", np.arange(100_000))
    array = store.get("array")
    part, memory = array[10:20], memoryview(store.get("array"))
    del array
    for number in range(1000):
        store.put("array", np.full(100_000, number))
    store.delete("array")
    store.sweep(trim=True)
    gc.collect()
    assert (part == np.arange(10, 20)).all() and np.asarray(memory).sum() == 4999950000
    assert store.stat()["holders"][0]["views"] >= 1
    del part, memory
    assert store.stat()["holders"][0]["views"] == 0


def test_70000_arrays_of_one_key(store):
    store.put("array", np.arange(1000))
    held = []
    with pytest.raises(zcx.LimitExceeded, match="3276[78]"):
        while len(held) < 70_000:
            held.append(store.get("array"))
    assert len(held) >= 32767 and (held[0] == held[-1]).all()
    del held
    assert store.get("array")[999] == 999


def test_without_numpy(path, run):
    with zcx.Store(path) as store:
        store.put("array", np.arange(10))
    said = run("""
import sys
sys.modules["numpy"] = None
import zcx
store = zcx.Store(sys.argv[1])
try:
    store.get("array")
except ImportError as error:
    print(error)
print(len(store.view("array")), store.put("list", [1, b"2", {"a": None}]) > 0, store.get("list"))
with store.loan(10) as loan:
    memoryview(loan)[:] = b"0123456789"
    loan.publish("raw")
print(bytes(store.get("raw")))
""", path)
    assert "pip install numpy" in said and "80 True" in said and "0123456789" in said
