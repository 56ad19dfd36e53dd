"""Transforms an array into one of the same dtype, shape and order.

Input: an array of f8 or f4, or a map with one under `array`. NaN is a missing value: it stays NaN,
and no other value is computed from it.

Options:
  operation  "standardise"   (x - mean) / std of all values; 0 everywhere if they are all equal
             "clip"          into [low, high]
             "rolling_mean"  mean of the value and the window - 1 before it; one dimension; NaN only
                             where the whole window is missing
  low, high  -infinity, infinity
  window     7
  array      none            name of the array in a map
"""

import math

import numpy as np

from options import Options

OPERATIONS = ("standardise", "clip", "rolling_mean")


def standardise(x):
    there = x[~np.isnan(x)].astype("f8")
    if not len(there):
        return x
    mean = there.sum() / len(there)
    off = (there - mean).sum()  # what the first pass lost by rounding
    variance = (np.square(there - mean).sum() - off * off / len(there)) / len(there)
    scale = 1 / math.sqrt(variance) if variance > 0 else 0.0
    return (x - (mean + off / len(there))) * scale


def rolling_mean(x, window):
    """Sums are only ever added to, so nothing drifts and an infinity spoils no later window: a
    window is the rest of one block of `window` values and the beginning of the next."""
    if x.ndim != 1:
        raise ValueError(f"operation 'rolling_mean' needs one dimension, not {x.ndim}")
    window = max(1, min(window, len(x)))
    blocks = -(-len(x) // window)
    padded = np.full(blocks * window, np.nan)
    padded[:len(x)] = x

    def windows(values):
        values = values.reshape(blocks, window)
        rest = np.zeros((blocks + 1, window + 1), values.dtype)  # of the block before
        rest[1:, :window] = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
        return (np.cumsum(values, axis=1) + rest[:-1, 1:]).ravel()[:len(x)]

    there = ~np.isnan(padded)
    return windows(np.where(there, padded, 0.0)) / windows(there.astype("i8"))


class Transform:
    def __init__(self, options):
        options = Options(options)
        self.operation = options.text("operation", OPERATIONS[0], OPERATIONS)
        self.low = options.number("low", -math.inf)
        self.high = options.number("high", math.inf)
        self.window = options.whole("window", 7, 10**9)
        self.array = options.text("array", None)
        options.end()
        if not self.low <= self.high:
            raise ValueError(f"option 'low' is {self.low:g}; allowed: at most 'high', which is "
                             f"{self.high:g}")

    def input(self, data):
        if self.array is not None:
            data = data.get(self.array) if isinstance(data, dict) else None
        if not isinstance(data, np.ndarray):
            raise ValueError(f"the input has no array '{self.array}'" if self.array is not None else
                             "the input is no array; option 'array' names one in a map")
        if data.dtype.str not in ("<f8", "<f4"):
            raise ValueError(f"the array is of {data.dtype.str}; allowed: <f8 <f4")
        return data

    def calculate(self, data):
        x = self.input(data)
        out = np.empty_like(x)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if self.operation == "clip":
                np.clip(x, x.dtype.type(self.low), x.dtype.type(self.high), out=out)
            elif self.operation == "rolling_mean":
                out[...] = rolling_mean(x, self.window)
            else:
                out[...] = standardise(x)
        return out
