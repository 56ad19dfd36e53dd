"""The calculators in Python answer what those in C do."""

import pathlib

import numpy as np
import pytest

import zcx

PYTHON = pathlib.Path(__file__).resolve().parents[2] / "calculators/python"


@pytest.fixture
def pair(plugins, monkeypatch):
    """The same calculator in C and in Python, by its options."""
    monkeypatch.syspath_prepend(PYTHON)
    import group_delays
    import transform

    classes = {"group_delays": group_delays.GroupDelays, "transform": transform.Transform}

    def make(kind, **options):
        return (zcx.Calculator({"name": kind, "calculator": "c", "type": kind,
                                "plugin": plugins / f"{kind}.so", "options": options}),
                classes[kind](options))

    return make


def close(one, other):
    assert one.dtype == other.dtype and one.shape == other.shape
    assert one.flags.f_contiguous == other.flags.f_contiguous
    if one.dtype.kind == "f":
        tolerance = 1e-12 if one.dtype == "f8" else 1e-6
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    else:
        assert (one == other).all()


NAN = np.nan
rng = np.random.default_rng(1)
COLUMNS = [
    (rng.integers(0, 20, 5000).astype("i2"), rng.normal(10, 30, 5000)),
    (np.array([b"UA", b"AA", b"UA", b"AAL"]), np.array([5, -1, 7, 100], "i4")),
    (np.array([2, 1, 2, 1, 3]), np.array([5.0, NAN, 7.0, NAN, 1.0])),
    (np.array([True, False, True]), np.array([1, 2, 3], "u1")),
    (np.array([1, 1, 2, 2, 2]), np.array([np.inf, 1.0, -np.inf, 3.0, 4.0])),
    (np.array([-1, 1, -128], "i1"), np.array([1.5, 2.5, 3.5], "f4")),
    (np.zeros(0, "u8"), np.zeros(0)),
]


@pytest.mark.parametrize("options", [
    {}, {"quantiles": [0, 0.1, 0.1, 1]}, {"quantiles": 0.9, "missing": 7}, {"quantiles": []}])
@pytest.mark.parametrize("columns", COLUMNS)
def test_group_delays(pair, options, columns):
    in_c, in_python = pair("group_delays", group="carrier", delay="late", **options)
    data = dict(zip(("carrier", "late"), columns), other=1)
    one, other = in_c.calculate(data), in_python.calculate(data)
    assert list(one) == list(other)
    for name in one:
        close(one[name], other[name])


ARRAYS = [
    rng.normal(5, 2, 1000), rng.normal(5, 2, 1000).astype("f4"), np.full(10, 3.0), np.zeros(0),
    np.array([NAN, 1, NAN, NAN, NAN, 5, 6, NAN]), np.full(5, NAN), np.array([np.inf, 1, 2, 3, 4, NAN, 5]),
    np.asfortranarray(rng.normal(0, 1, (7, 5))), np.ones((2, 3, 4), "f4"), np.array(4.0),
]


@pytest.mark.parametrize("options", [
    {}, {"operation": "clip", "low": -1, "high": 4.5}, {"operation": "clip", "high": 1e300},
    {"operation": "rolling_mean", "window": 3}, {"operation": "rolling_mean", "window": 10**9},
    {"operation": "rolling_mean", "window": 1}])
@pytest.mark.parametrize("array", ARRAYS)
def test_transform(pair, options, array):
    in_c, in_python = pair("transform", **options)
    if options.get("operation") == "rolling_mean" and array.ndim != 1:
        for calculator in (in_c, in_python):
            with pytest.raises(Exception, match="needs one dimension"):
                calculator.calculate(array)
        return
    close(in_c.calculate(array), in_python.calculate(array))
    in_c, in_python = pair("transform", **options, array="x")
    close(in_c.calculate({"x": array}), in_python.calculate({"x": array}))


@pytest.mark.parametrize("kind, options, says", [
    ("transform", {"operation": "none"}, "operation"), ("transform", {"low": 2, "high": 1}, "low"),
    ("transform", {"window": 1.5}, "window"), ("transform", {"window": 0}, "window"),
    ("transform", {"color": 1}, "color"), ("transform", {"low": "x"}, "low"),
    ("transform", {"array": 5}, "array"), ("group_delays", {"group": 1}, "group"),
    ("group_delays", {"quantiles": [0.5, 0.1]}, "quantiles"),
    ("group_delays", {"quantiles": [0.1] * 17}, "quantiles"),
    ("group_delays", {"quantiles": [2]}, "quantiles"), ("group_delays", {"missing": True}, "missing"),
])
def test_wrong_options_are_refused_by_both(pair, plugins, kind, options, says):
    in_python = pair(kind)[1].__class__
    with pytest.raises(ValueError, match=f"'{says}'"):
        in_python(options)
    with pytest.raises(ValueError, match=f"'{says}'"):
        pair(kind, **options)


@pytest.mark.parametrize("kind, data, says", [
    ("transform", np.zeros(3, "i8"), "<i8"), ("transform", {"a": 1}, "array"),
    ("group_delays", np.zeros(3), "group"), ("group_delays", {"group": np.zeros(3, "i8")}, "delay"),
    ("group_delays", {"group": np.zeros(3, "i8"), "delay": np.zeros(2)}, "same length"),
    ("group_delays", {"group": np.zeros(3), "delay": np.zeros(3)}, "<f8"),
])
def test_wrong_inputs_are_refused_by_both(pair, kind, data, says):
    for calculator in pair(kind):
        with pytest.raises((zcx.CalculatorError, ValueError), match=says):
            calculator.calculate(data)


@pytest.mark.parametrize("name", ["group_delays:GroupDelays", "transform:Transform"])
def test_in_a_worker(queue, name):
    queue.serving(name, cwd=PYTHON, options={"quantiles": [1]} if "group" in name else {"window": 3})
    data = {"group": np.array([2, 1, 2]), "delay": np.array([5.0, 1.0, 7.0])}
    if "group" in name:
        assert queue.calculator().calculate(data)["quantiles"].tolist() == [[1.0], [7.0]]
    else:
        assert queue.calculator().calculate(data["delay"]).shape == (3,)
