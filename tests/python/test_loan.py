"""Loans: built in place, and unwritable once published."""

import gc
import weakref

import numpy as np
import pytest

import zcx


def test_bytes_in_place(store):
    with store.loan(100_000) as loan:
        assert loan.nbytes == len(loan) == 100_000 and "100000" in repr(loan)
        with memoryview(loan) as memory:
            assert not memory.readonly
            memory[:5] = b"hello"
        loan.publish("key", 5)
        assert loan.ended and "ended" in repr(loan)
    assert store.get("key") == b"hello"


@pytest.mark.parametrize("size", [0, 10, 1000, 1024, 1025, 5000])
def test_sizes(store, size):
    loan = store.loan(size)
    memoryview(loan)[:] = b"a" * size
    loan.publish("key", content_type="text/plain")
    assert store.get("key") == b"a" * size
    assert store.view("key").envelope.content_type == "text/plain"


def test_an_only_array_is_a_numpy_payload(store):
    loan = store.loan(100_000)
    array = loan.array(">f4", (10, 20), "F")
    array[:] = np.arange(200).reshape(10, 20)
    loan.publish("key")
    got = store.get("key")
    assert got.dtype == ">f4" and got.shape == (10, 20) and got.flags.f_contiguous
    assert (got == np.arange(200).reshape(10, 20)).all() and got.nbytes == 800


def test_an_array_published_as_something_else(store):
    loan = store.loan(80)
    loan.array("f8", 10)[:] = 1
    loan.publish("raw", format="raw")
    assert store.get("raw") == np.ones(10).tobytes()
    loan = store.loan(80_000)
    loan.array("f8", 10)[:] = 1
    loan.publish("short", 16, format="raw")
    assert store.get("short") == np.ones(2).tobytes()


def test_several_arrays(store):
    loan = store.loan(16_000)
    loan.array("i8", 1000)[:] = 1
    loan.array("i8", 1000, offset=8000)[:] = 2
    with pytest.raises(ValueError, match="2"):
        loan.publish("two", format="numpy")
    loan.publish("two")
    assert store.view("two").envelope.format == "raw"
    assert np.frombuffer(store.get("two"), "i8").sum() == 3000


def test_a_structured_array(store):
    kind = np.dtype([("a", "i4"), ("b", "U3"), ("c", "M8[ns]")])
    loan = store.loan(kind.itemsize * 1000)
    loan.array(kind, 1000)["b"] = "abc"
    loan.publish("records")
    assert store.get("records").dtype == kind and store.get("records")["b"][999] == "abc"


def test_wrong_arrays(store):
    with store.loan(5000) as loan:
        for kind in ("O", np.dtype([("a", "O")]), np.dtypes.StringDType()):
            with pytest.raises(TypeError, match="objects"):
                loan.array(kind, 10)
        with pytest.raises(TypeError):
            loan.array("f8", 1000)
        with pytest.raises(TypeError):
            loan.array("no such type", 1)
        with pytest.raises(ValueError, match="5001"):
            loan.array("f8", 1, offset=5001)
        with pytest.raises(ValueError, match="5001"):
            loan.publish("key", 5001)
        with pytest.raises(ValueError, match="order|'C'"):
            loan.array("f8", 1, order="X")
        loan.publish("key", 0)


@pytest.mark.parametrize("size", [800, 80_000])
def test_lent_arrays_become_read_only(store, size):
    loan = store.loan(size)
    array = loan.array("f8", size // 8)
    assert isinstance(array, np.ndarray) and array.flags.writeable
    array[:] = 1
    loan.publish("key")
    assert not array.flags.writeable
    with pytest.raises(ValueError):
        array[0] = 2
    for attempt in (lambda: setattr(array.flags, "writeable", True),
                    lambda: array.setflags(write=True),
                    lambda: setattr(array.base.flags, "writeable", True),
                    lambda: setattr(array[1:].flags, "writeable", True),
                    lambda: setattr(array.view(np.ndarray).flags, "writeable", True),
                    lambda: setattr(array.base.view(np.ndarray).flags, "writeable", True)):
        with pytest.raises(ValueError):
            attempt()
    for exporter in (array, array.base, array.base.base):
        with memoryview(exporter) as memory:
            assert memory.readonly
    assert not np.frombuffer(array.base.base, "u1").flags.writeable
    assert not np.ndarray(10, "u1", array.base.base).flags.writeable
    assert (store.get("key") == 1).all() and (array == 1).all()


def holders():
    """Everything that could write to a lent array after publish, by how it was made."""

    def from_dlpack(array):
        return np.from_dlpack(array)

    return {
        "a slice": lambda array: array[1:],
        "a slice of a slice": lambda array: array[1:][1:],
        "a view": lambda array: array.view(),
        "a plain view": lambda array: array.view(np.ndarray),
        "asarray": np.asarray,
        "a reshape": lambda array: array.reshape(-1, 2),
        "the transpose": lambda array: array.T,
        "another dtype": lambda array: array.view("u1"),
        "the base": lambda array: array.base,
        "its exporter": lambda array: memoryview(array.base.base),
        "a memoryview": memoryview,
        "its data": lambda array: array.data,
        "a memoryview of a slice": lambda array: memoryview(array[5:]),
        "a sliced memoryview": lambda array: memoryview(array)[5:],
        "frombuffer": lambda array: np.frombuffer(array, "u1"),
        "ndarray over it": lambda array: np.ndarray(8, "u1", array),
        "ndarray over a slice": lambda array: np.ndarray(8, "u1", array[2:]),
        "a plain view of a slice": lambda array: np.asarray(array[2:]),
        "as_strided": lambda array: np.lib.stride_tricks.as_strided(array, (2,), (8,)),
        "DLPack": from_dlpack,
        "a DLPack capsule": lambda array: array.__dlpack__(),
        "a field": lambda array: array.view([("a", "f4"), ("b", "f4")])["a"],
        "the real part": lambda array: array.view("c16").real,
        "a broadcast": lambda array: np.broadcast_to(array, (2, array.size)),
        "a split": lambda array: np.split(array, 2),
        "an Arrow buffer": lambda array: pytest.importorskip("pyarrow").py_buffer(array),
    }


@pytest.mark.parametrize("how", holders())
@pytest.mark.parametrize("size", [800, 8000])
def test_what_could_still_write_is_a_buffer_error(store, size, how):
    loan = store.loan(size)
    array = loan.array("f8", size // 8)
    array[:] = 1
    held = holders()[how](array)
    with pytest.raises(BufferError, match=r"\d+ writable buffer"):
        loan.publish("key")
    assert array.flags.writeable and not store.exists("key")
    del held
    loan.publish("key")
    assert (store.get("key") == 1).all()


def test_buffers_are_counted(store):
    loan = store.loan(8000)
    whole, array = memoryview(loan), loan.array("f8", 100)
    parts, view = [whole[1:], array[1:], array[2:]], memoryview(array)
    with pytest.raises(BufferError, match="4 writable buffers .* still live "):
        loan.publish("key")
    del parts
    view.release()
    with pytest.raises(BufferError, match="1 writable buffer .* still lives "):
        loan.publish("key")
    whole.release()
    loan.publish("key")


def test_names_and_containers_of_the_array_are_no_writers(store):
    loan = store.loan(8000)
    array = loan.array("f8", 1000)
    other, box, kept = array, [array], {"key": array}
    loan.publish("key")
    for name in (other, box[0], kept["key"]):
        with pytest.raises(ValueError):
            name[0] = 1


def test_lent_arrays_compute_like_plain_ones(store):
    with store.loan(8000) as loan:
        array = loan.array("f8", (10, 100))
        array[:] = np.arange(1000).reshape(10, 100)
        assert type(array + 1) is np.ndarray and type(np.sqrt(array)) is np.ndarray
        assert type(array.sum()) is np.float64 and type(np.add.reduce(array, None)) is np.float64
        assert (array.sum(axis=0) == np.arange(1000).reshape(10, 100).sum(axis=0)).all()
        before = array
        array += 1
        assert array is before
        assert np.add(array, 1, out=array) is array
        assert array[0, 0] == 2 and type(array[0, 0]) is np.float64
        copy = array.copy()
        copy[:] = 0
        import copy as copying
        import pickle
        again = pickle.loads(pickle.dumps(array))
        assert type(again) is np.ndarray and (again == array).all()
        assert (copying.deepcopy(array) == array).all()
        del copy, again
        loan.publish("key")
    assert store.get("key")[0, 0] == 2


def test_copies_may_live_on(store):
    loan = store.loan(8000)
    array = loan.array("f8", 1000)
    array[:] = 1
    copies = [array.copy(), array + 0, memoryview(array.copy()), array.astype("f4"), array[:5].copy()]
    loan.publish("key")
    copies[0][:] = 2
    assert (store.get("key") == 1).all()


def test_leaving_without_publish_discards(store):
    with store.loan(5000):
        pass
    with pytest.raises(RuntimeError, match="mine"):
        with store.loan(5000) as loan:
            raise RuntimeError("mine")
    assert loan.ended and len(store) == 0
    for call in (lambda: loan.publish("key"), lambda: loan.array("f8", 1), lambda: len(loan),
                 lambda: memoryview(loan), lambda: loan.__enter__(), lambda: loan.nbytes):
        with pytest.raises(zcx.Closed):
            call()
    loan.discard()
    assert store.stat()["slots"]["loaned"]["slots"] == 0


def test_memory_of_a_discarded_loan_is_not_lent_again_while_it_is_held(store):
    loan = store.loan(5000)
    array, memory = loan.array("u1", 5000), None
    array[:] = 7
    loan.discard()
    other = store.loan(5000)
    memory = memoryview(other)
    memory[:] = b"\0" * 5000
    assert (array == 7).all()
    array[:] = 8
    assert bytes(memory) == b"\0" * 5000
    loans = store.stat()["slots"]["loaned"]["slots"]
    del array
    assert store.stat()["slots"]["loaned"]["slots"] == loans - 1
    del memory
    other.discard()
    loan = store.loan(5000)
    memory = memoryview(loan)
    loan.discard()
    memory[:] = b"\1" * 5000
    assert store.stat()["slots"]["loaned"]["slots"] == 1
    del memory
    assert store.stat()["slots"]["loaned"]["slots"] == 0


@pytest.mark.parametrize("size", [800, 80_000])
def test_a_lent_array_keeps_its_bytes_after_publish(store, size):
    loan = store.loan(size)
    array = loan.array("u1", size)
    array[:] = 7
    loan.publish("key")
    for number in range(200):
        store.put("key", np.full(size, number % 7, "u1"))
    store.delete("key")
    store.sweep(trim=True)
    for number in range(20):
        store.put(f"key{number}", np.zeros(size, "u1"))
    assert (array == 7).all()


def test_a_failed_publish_leaves_the_loan(store):
    loan = store.loan(8000)
    array = loan.array("f8", 1000)
    array[:] = 3
    for key, error in (("", ValueError), ("x" * 600, ValueError), (5, TypeError)):
        with pytest.raises(error):
            loan.publish(key)
    with pytest.raises(ValueError):
        loan.publish("key", 8001)
    with pytest.raises(ValueError):
        loan.publish("key", 24, format="numpy")
    assert array.flags.writeable
    array[0] = 4
    loan.publish("key")
    assert store.get("key")[0] == 4


def test_a_dropped_loan_goes_back(store):
    loan = store.loan(5000)
    gone = weakref.ref(loan)
    array = loan.array("f8", 10)
    del loan
    gc.collect()
    assert gone() is None
    array[:] = 1
    del array
    assert store.stat()["slots"]["loaned"]["slots"] == 0


def test_the_store_may_close_first(path):
    with zcx.Store(path) as store:
        loan = store.loan(8000)
        array = loan.array("f8", 1000)
    array[:] = 5
    loan.publish("key")
    del loan, array
    with zcx.Store(path) as store:
        assert (store.get("key") == 5).all()
