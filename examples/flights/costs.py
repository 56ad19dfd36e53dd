"""What each hand-over cost: through the store, and by pickle and JSON of the same data."""

import json
import pickle
import re
from statistics import median
from time import perf_counter


def seconds(function, rounds):
    """Median time of a call."""
    times = []
    for _ in range(rounds):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return median(times)


def text(value):
    """12.3 µs, 45.6 ms, …"""
    unit, scale = ("s", 1) if value >= 1 else ("ms", 1e-3) if value >= 1e-3 else ("µs", 1e-6)
    return f"{value / scale:.1f} {unit}"


def arrays(data):
    return list(data.values()) if isinstance(data, dict) else [data]


def size(data):
    return sum(array.nbytes for array in arrays(data))


def plain(data):
    """The same in lists and texts, as JSON wants it."""
    if isinstance(data, dict):
        return {name: plain(value) for name, value in data.items()}
    return (data.astype("U") if data.dtype.kind == "S" else data).tolist()


def copied(store, data):
    """Bytes of the arrays that do not lie in the store's file, as this process has it mapped."""
    with open("/proc/self/maps") as maps:
        areas = [re.match(r"(\w+)-(\w+)", line).groups() for line in maps if store.path in line]
    places = [(array.__array_interface__["data"][0], array.nbytes) for array in arrays(data)]
    return sum(nbytes for at, nbytes in places
               if not any(int(low, 16) <= at < int(high, 16) for low, high in areas))


def show(store, columns, table, airlines, trend, nothing):
    """`nothing` is a calculator whose work on the table is none: its calls are all hand-over."""

    def put():
        store.put("again", columns)

    def call():
        nothing.calculate(table)

    def answer(data):
        """As a calculator answers: memory of the store, published, read in place."""
        def function():
            with store.loan(size(data)) as loan:
                loan.publish("again")
            store.view("again").release()
        return function

    edges = [("Python → store, once", columns, put, copied(store, columns)),
             ("store → C, each call", store.get("flights"), call, copied(store, store.get("flights"))),
             ("C → Python, by airline", airlines, answer(airlines), copied(store, airlines)),
             ("C → Python, smoothed", trend, answer(trend), copied(store, trend))]
    print(f"\n{'Hand-over, median':28}{'size':>10}{'zcx':>10}{'copied':>10}{'pickle':>10}{'JSON':>10}")
    others = {}  # of each size; the table goes two ways
    for name, data, function, bytes_copied in edges:
        if size(data) not in others:
            by_pickle = seconds(lambda: pickle.loads(pickle.dumps(data, protocol=5)), 11)
            by_json = seconds(lambda: json.loads(json.dumps(plain(data))), 3)
            others[size(data)] = f"{text(by_pickle):>10}{text(by_json):>10}"
        print(f"  {name:26}{size(data) / 1e3:7,.0f} KB{text(seconds(function, 101)):>10}"
              f"{bytes_copied / 1e3:7,.0f} KB{others[size(data)]}")
    store.delete("again")
