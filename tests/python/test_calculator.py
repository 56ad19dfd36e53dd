"""Calculators: plug-ins in C, called from Python, and chained without a copy."""

import asyncio
import gc
import json
import threading

import numpy as np
import pytest

import zcx


@pytest.fixture
def make(plugins, path):
    def calculator(kind="transform", **options):
        return zcx.Calculator({
            "name": "test", "calculator": "c", "type": kind, "plugin": plugins / f"{kind}.so",
            "options": options.pop("options", {"operation": "clip", "low": 0, "high": 5}),
            "lmdb_enabled": True, "lmdb_db_path": path, "lmdb_map_size": 256 << 20, **options})

    return calculator


@pytest.mark.parametrize("mode", ["input", "output", "both"])
@pytest.mark.parametrize("format", ["msgpack", "numpy"])
@pytest.mark.parametrize("size", [0, 1, 10, 127, 128, 1000, 1_000_000])
def test_every_leg(make, mode, format, size):
    calculator = make(lmdb_exchange_mode=mode, lmdb_data_format=format)
    data = np.linspace(-10, 10, size)
    got = calculator.calculate(data)
    assert got.dtype == "f8" and (got == np.clip(data, 0, 5)).all() and not got.flags.writeable
    assert (make(lmdb_enabled=False, lmdb_data_format=format).calculate(data) == got).all()


def test_results_are_in_the_store_and_their_records_go(make, path):
    calculator = make()
    with zcx.Store(path) as store:
        got = calculator.calculate(np.ones(10_000))
        keys = list(store)
        assert len(keys) == 1 and keys[0].startswith("output:test:")
        part = got[5:10]
        del got
        calculator.sweep()
        assert list(store) == keys and (part == 1).all()
        del part
        calculator.sweep()
        assert list(store) == []


def test_columns_by_group(make):
    calculator = make("group_delays", options={"group": "carrier", "delay": "late"})
    groups = np.array([b"UA", b"AA", b"UA", b"AA", b"UA"] * 1000)
    late = np.arange(5000, dtype="f8")
    late[::7] = np.nan
    got = calculator.calculate({"carrier": groups, "late": late, "ignored": [1, "two"]})
    assert got["group"].tolist() == [b"AA", b"UA"]
    for row, group in enumerate(got["group"]):
        of = late[groups == group]
        assert got["count"][row] == (~np.isnan(of)).sum()
        assert np.isclose(got["mean"][row], np.nanmean(of))
        assert np.allclose(got["quantiles"][row], np.nanquantile(of, [0.25, 0.5, 0.75]))


def test_chaining_puts_nothing_twice(make, path):
    first, second = make(name="first"), make(name="second")
    with zcx.Store(path, budget=256 << 20) as store:
        store.put("mine", np.linspace(0, 10, 100_000))
        for data in (store.get("mine"), store.view("mine")):
            before = store.stat()["slots"]["published"]["slots"]
            got = first.calculate(data)
            assert store.stat()["slots"]["published"]["slots"] == before + 1
            again = second.calculate(got)
            assert store.stat()["slots"]["published"]["slots"] == before + 2
            assert (again == np.clip(np.linspace(0, 10, 100_000), 0, 5)).all()
            del got, again
            first.sweep()
            second.sweep()
        assert list(store) == ["mine"]
        part = first.calculate(store.get("mine")[:50_000])
        assert part.shape == (50_000,)
        stale = store.get("mine")
        store.put("mine", np.zeros(100_000))
        assert (first.calculate(stale) == np.clip(stale, 0, 5)).all()


def test_references(make, path):
    calculator = make(lmdb_exchange_mode="reference", lmdb_data_format="numpy")
    reference = calculator.calculate(np.arange(10.0))
    assert isinstance(reference, zcx.Reference) and reference["_lmdb_output_written"] is True
    again = calculator.calculate(reference)
    sent = json.loads(json.dumps(calculator.calculate(again)))
    with zcx.Store(path) as store:
        assert store.get(again["_lmdb_output_key"]).tolist() == [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]
        del again, reference
        calculator.sweep()
        assert list(store) == []
    with pytest.raises(KeyError):
        calculator.calculate(sent)


def test_failures(make):
    calculator = make()
    with pytest.raises(zcx.CalculatorError, match="test"):
        calculator.calculate(np.zeros(3, "i8"))
    with pytest.raises(zcx.CalculatorError):
        calculator.calculate({"no": "array"})
    with pytest.raises(TypeError, match="list"):
        calculator.calculate({1, 2})
    assert calculator.calculate(np.zeros(3)).tolist() == [0, 0, 0]
    assert "test" in repr(calculator) and calculator.name == "test"


@pytest.mark.parametrize("wrong, says", [
    ({"lmdb_min_size": "big"}, "lmdb_min_size"), ({"lmdb_exchange_mode": "all"}, "lmdb_exchange_mode"),
    ({"lmdb_data_format": "pickle"}, "lmdb_data_format"), ({"lmdb_ttl": -1}, "lmdb_ttl"),
    ({"color": 1}, "color"), ({"type": "other"}, "type"), ({"plugin": "relative.so"}, "plugin"),
    ({"options": {"operation": "clip", "extra": 1}}, "extra"), ({"name": ""}, "name"),
    ({"options": {"operation": "none"}}, "operation"),
])
def test_wrong_configuration_names_the_option(make, wrong, says):
    with pytest.raises(ValueError, match=says):
        make(**wrong)


def test_a_missing_plugin(make):
    with pytest.raises(zcx.NotFound, match="/nowhere.so"):
        make(plugin="/nowhere.so")
    with pytest.raises(ValueError):
        zcx.Calculator("{not json")


def test_threads(make):
    calculator, wrong = make(), []

    def work(number):
        for round in range(100):
            data = np.full(500 + round * 10, float(number % 5))
            if not (calculator.calculate(data) == data).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_result_outlives_its_calculator(make, path):
    calculator = make()
    got = calculator.calculate(np.ones(100_000))
    del calculator
    with zcx.Store(path) as store:
        for number in range(50):
            store.put("other", np.zeros(100_000))
        assert (got == 1).all()


def test_submit_and_asyncio(make, path):
    calculator = make()
    futures = [calculator.submit(np.full(1000 * i, float(i))) for i in range(20)]
    for i, future in enumerate(futures):
        assert (future.result() == min(i, 5)).all() and not future.cancel()
    with pytest.raises(zcx.CalculatorError):
        calculator.submit({}).result()

    async def main():
        return await asyncio.gather(*(calculator.calculate_async(np.full(1000, float(i)))
                                      for i in range(50)))

    got = asyncio.run(main())
    assert [one[0] for one in got] == [min(i, 5) for i in range(50)]
    del futures, future, got
    gc.collect()
    calculator.sweep()
    with zcx.Store(path) as store:
        assert list(store) == []
