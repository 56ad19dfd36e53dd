"""Which airports had the latest flights from New York, and which of them cannot blame the distance?

A DAG of five languages over one table, handed on by reference; nothing is copied on the way.

    make demo
"""

import os
import pathlib
import sys
import tempfile
import time

import numpy as np
import zcx

import costs
import flights
import plot
from nodes import LANGUAGES, Node, workers

HERE = pathlib.Path(__file__).resolve().parent


def dag(store):
    """Python loads; C groups by airport; Rust ranks; Java joins with where the airports are; C++ finds
    the outliers; Python plots."""
    return [Node("group", "c", "group_delays", group="dest", delay="arr_delay", quantiles=[0.5, 0.9]),
            Node("rank", "rust", "rank", least=100),
            Node("distances", "java", "Distances", store=store.path, airports="airports"),
            Node("outliers", "cpp", "outliers", x="distance", y="mean", limit=2)]


def run(calculators, table):
    """Each node's result, a reference that the next one reads in place; and each one's seconds."""
    results, seconds = [table], []
    for calculate in calculators:
        start = time.perf_counter()
        results.append(calculate(results[-1]))
        seconds.append(time.perf_counter() - start)
    return results[1:], seconds


def show(ranked, found, names):
    print("\nAirports that they came late to             flights    mean      km  expected  score")
    for i in range(len(ranked["group"])):
        if i < 5 or found["outlier"][i]:
            code = ranked["group"][i].decode()
            print(f"  {code:4} {names.get(code, ''):36}{ranked['count'][i]:8,}{ranked['mean'][i]:8.1f}"
                  f"{found['distance'][i]:8,.0f}{found['expected'][i]:10.1f}{found['score'][i]:7.1f}"
                  f"{'  outlier' if found['outlier'][i] else ''}")


def main(path):
    columns = flights.load()  # {"carrier": array, "arr_delay": array, …} in Python's memory
    with zcx.Store(path) as store:
        store.put("flights", columns)  # the one copy
        store.put("airports", flights.places())
        nodes, table = dag(store), store.view("flights")
        print(f"{len(columns['dest']):,} flights from New York in 2013: {table.nbytes / 1e6:.1f} MB")

        idle = costs.nothing()
        with workers(store, [*nodes, *idle]):
            once, in_process = run([node.in_process(store).calculate for node in nodes], table)
            again, in_workers = run([node.in_worker(store).calculate for node in nodes], table)
            grouped, ranked, placed, found = (store.get(result["_lmdb_output_key"]) for result in once)
            other = store.get(again[-1]["_lmdb_output_key"])
            assert np.array_equal(found["score"], other["score"], equal_nan=True)
            found = {**found, "distance": placed["distance"]}
            show(ranked, found, flights.airports())

            print(f"\n{'Node':12}{'language':10}{'in process':>12}{'in a worker':>14}")
            for node, here, there in zip(nodes, in_process, in_workers):
                here = "" if node.language == "java" else costs.text(here)
                print(f"  {node.name:10}{LANGUAGES[node.language]:10}{here:>12}{costs.text(there):>14}")
            costs.show(store, columns, [table, *once], [grouped, ranked, placed, found], idle)
        print("\nPlot:", os.path.relpath(plot.save(HERE / "out", columns, ranked, found)))
        del once, again, grouped, ranked, placed, found, other, table


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    with tempfile.TemporaryDirectory(prefix="zcx-flights-", dir="/dev/shm") as directory:
        main(directory)
