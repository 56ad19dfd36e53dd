"""Statistics of delays by group.

Input: a map with two arrays of one dimension and the same length: the groups (integers, booleans, or
byte strings of up to 8 bytes) and the delays (integers or floats; NaN is missing).

Output: a map of arrays with one row per group, in ascending order of the groups:
  group      dtype of the input's
  count      i8, delays that are there
  missing    i8, delays that are not
  mean, std, min, max   f8; std is the sample's (n - 1); NaN where there are too few delays
  quantiles  f8, shape (groups, quantiles), interpolated linearly, as NumPy does by default

Options:
  group      "group"  name of the groups' array
  delay      "delay"  name of the delays' array
  missing    none     a delay of this value is missing, too
  quantiles  [0.25, 0.5, 0.75]   ascending, 0 to 1, at most 16
"""

import math

import numpy as np

from options import Options

QUANTILES_MAX = 16
NUMBERS = ["|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"]
GROUP_DTYPES = ["|b1", *NUMBERS, *(f"|S{size}" for size in range(1, 9))]
DELAY_DTYPES = ["<f8", "<f4", *NUMBERS]


def column(data, name, dtypes):
    array = data.get(name) if isinstance(data, dict) else None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"the input has no array '{name}'")
    if array.dtype.str not in dtypes:
        raise ValueError(f"array '{name}' is of {array.dtype.str}; allowed: {' '.join(dtypes)}")
    return array


def summarise(values):
    """Mean, std, min, max; of no values NaN."""
    count = len(values)
    if not count:
        return [math.nan] * 4
    mean = values.sum() / count
    if not math.isfinite(mean):
        return [mean, math.nan, values.min(), values.max()]
    off = (values - mean).sum()  # what the first pass lost by rounding
    squares = np.square(values - mean).sum() - off * off / count
    std = math.sqrt(squares / (count - 1)) if count > 1 else math.nan
    return [mean + off / count, std, values.min(), values.max()]


def find_quantiles(values, quantiles):
    if not len(values):
        return np.full(len(quantiles), np.nan)
    values = np.sort(values)
    position = quantiles * (len(values) - 1)
    at = position.astype(np.int64)
    part = position - at
    found, above = values[at], values[np.minimum(at + 1, len(values) - 1)]
    return np.where(part > 0, found + part * (above - found), found)


class GroupDelays:
    def __init__(self, options):
        options = Options(options)
        self.group = options.text("group", "group")
        self.delay = options.text("delay", "delay")
        self.missing = options.number("missing", math.nan)
        quantiles = options.numbers("quantiles", [0.25, 0.5, 0.75], QUANTILES_MAX)
        options.end()
        for last, this in zip([0.0, *quantiles], quantiles):
            if not last <= this <= 1:
                raise ValueError(f"option 'quantiles' has {this:g} after {last:g}; allowed: "
                                 "ascending numbers from 0 to 1")
        self.quantiles = np.array(quantiles)

    def calculate(self, data):
        group = column(data, self.group, GROUP_DTYPES)
        delay = column(data, self.delay, DELAY_DTYPES)
        if group.ndim != 1 or delay.ndim != 1 or len(group) != len(delay):
            raise ValueError(f"'{self.group}' and '{self.delay}' need one dimension and the same "
                             f"length, not shapes {group.shape} and {delay.shape}")
        delay = delay.astype("f8")
        missing = np.isnan(delay) | (delay == self.missing)
        groups, number = np.unique(group, return_inverse=True)
        rows = number[~missing]
        count = np.bincount(rows, minlength=len(groups))
        by_group = np.split(delay[~missing][np.argsort(rows, kind="stable")], np.cumsum(count)[:-1])
        with np.errstate(invalid="ignore"):  # infinities
            summaries = np.array([summarise(by_group[i]) for i in range(len(groups))])
            quantiles = [find_quantiles(by_group[i], self.quantiles) for i in range(len(groups))]
        mean, std, least, most = summaries.reshape(-1, 4).T.copy()
        return {
            "group": groups, "count": count,
            "missing": np.bincount(number[missing], minlength=len(groups)),
            "mean": mean, "std": std, "min": least, "max": most,
            "quantiles": np.array(quantiles).reshape(len(groups), len(self.quantiles)),
        }
