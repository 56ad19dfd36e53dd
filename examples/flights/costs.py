"""What each hand-over cost: through the store, and by pickle and JSON of the same data."""

import json
import pickle
import re
from statistics import median
from time import perf_counter

from nodes import LANGUAGES, Node


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


def nothing():
    """Calculators that do next to nothing, one for each edge of the DAG: what their calls cost is the
    hand-over."""
    arrays = {"c": "year", "rust": "mean", "java": "mean", "cpp": "mean"}
    return [Node(f"nothing in {language}", language, "Transform" if language == "java" else "transform",
                 operation="clip", array=array) for language, array in arrays.items()]


def show(store, columns, handed, values, idle):
    """`handed`: what goes to each node, and the last one's result; `values`: the nodes' results."""
    values = [store.get("flights"), *values]
    print(f"\n{'Hand-over, median':24}{'size':>10}{'in process':>12}{'in a worker':>13}{'copied':>10}"
          f"{'pickle':>10}{'JSON':>10}")
    start = perf_counter()
    store.put("again", columns)
    line("Python → store, once", columns, text(perf_counter() - start), "", store, columns)
    store.delete("again")
    before = "store"
    for node, reference, value in zip(idle, handed, values):
        here = "" if node.language == "java" else text(seconds(calling(node.in_process(store), reference), 101))
        there = text(seconds(calling(node.in_worker(store), reference), 101))
        line(f"{before} → {LANGUAGES[node.language]}", value, here, there, store, value)
        before = LANGUAGES[node.language]
    key = handed[-1]["_lmdb_output_key"]
    line(f"{before} → Python", values[-1], text(seconds(lambda: store.get(key), 101)), "", store, store.get(key))


def calling(calculator, reference):
    return lambda: calculator.calculate(reference)


others = {}  # of each size: the same table goes two ways


def line(name, data, here, there, store, lies):
    if size(data) not in others:
        rounds = 1 if size(data) > 1_000_000 else 11  # JSON takes seconds
        by_pickle = seconds(lambda: pickle.loads(pickle.dumps(data, protocol=5)), 11)
        by_json = seconds(lambda: json.loads(json.dumps(plain(data))), rounds)
        others[size(data)] = f"{text(by_pickle):>10}{text(by_json):>10}"
    print(f"  {name:22}{size(data) / 1e3:7,.0f} KB{here:>12}{there:>13}{copied(store, lies) / 1e3:7,.0f} KB"
          f"{others[size(data)]}")
