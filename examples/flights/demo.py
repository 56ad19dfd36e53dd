"""Which airlines and airports were late? From Python to calculators in C and back, without a copy.

    make demo
"""

import os
import pathlib
import sys
import tempfile

import zcx

import costs
import flights
import plot

HERE = pathlib.Path(__file__).resolve().parent
PLUGINS = pathlib.Path(sys.argv[1] if sys.argv[1:] else HERE.parents[1] / "build/release/calculators")


def calculator(name, plugin, path, **options):
    """A calculator in C, loaded into this process; its payloads travel through the store at path."""
    return zcx.Calculator({"name": name, "calculator": "c", "type": plugin,
                           "plugin": PLUGINS / f"{plugin}.so", "options": options,
                           "lmdb_enabled": True, "lmdb_db_path": path})


def show(title, statistics, names, rows):
    """The groups of some size with the longest mean delay."""
    print(f"\n{title:36}flights    mean  median    90 %   (minutes)")
    order = statistics["mean"].argsort()[::-1]
    for i in order[statistics["count"][order] >= 100][:rows]:
        code = statistics["group"][i].decode()
        median, most = statistics["quantiles"][i]
        print(f"  {code:4} {names.get(code, ''):28}{statistics['count'][i]:8,}"
              f"{statistics['mean'][i]:8.1f}{median:8.1f}{most:8.1f}")


def main(path):
    columns = flights.load()  # {"carrier": array, "arr_delay": array, …} in Python's memory
    with zcx.Store(path) as store:
        store.put("flights", columns)  # the one copy
        table = store.view("flights")

        late = {"delay": "arr_delay", "quantiles": [0.5, 0.9]}
        by_airline = calculator("by_airline", "group_delays", path, group="carrier", **late)
        by_airport = calculator("by_airport", "group_delays", path, group="dest", **late)
        smooth = calculator("smooth", "transform", path, array="arr_delay",
                            operation="rolling_mean", window=20_000)

        airlines = by_airline.calculate(table)  # C reads the table in place, and builds its answer
        airports = by_airport.calculate(table)  # where Python reads it
        trend = smooth.calculate(table)

        print(f"{len(trend):,} flights from New York in 2013: {table.nbytes / 1e6:.1f} MB")
        show("Airlines that came late", airlines, flights.airlines(), 8)
        show("Airports that they came late to", airports, flights.airports(), 5)
        nothing = calculator("nothing", "transform", path, array="year", operation="clip")
        costs.show(store, columns, table, airlines, trend, nothing)
        print("\nPlot:", os.path.relpath(plot.save(HERE / "out", columns, airlines, trend)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="zcx-flights-", dir="/dev/shm") as directory:
        main(directory)
