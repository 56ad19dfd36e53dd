"""Options of a calculator: what is not known, or is of another type, is an error that names it."""

import math
from collections.abc import Iterable


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Options:
    """The configuration's `options`, of which all have to be asked for, and then none be left."""

    def __init__(self, options: dict):
        self._left = dict(options)

    def text(self, name: str, fallback: str | None, allowed: Iterable[str] = ()) -> str | None:
        value = self._left.pop(name, fallback)
        if value is fallback or isinstance(value, str) and (not allowed or value in allowed):
            return value
        raise ValueError(f"option '{name}' is {value!r}; allowed: {', '.join(allowed) or 'text'}")

    def number(self, name: str, fallback: float) -> float:
        value = self._left.pop(name, fallback)
        if is_number(value):
            return float(value)
        raise ValueError(f"option '{name}' is {value!r}; allowed: a number")

    def whole(self, name: str, fallback: int, most: int) -> int:
        value = self.number(name, fallback)
        if 1 <= value <= most and value == math.floor(value):
            return int(value)
        raise ValueError(f"option '{name}' is {value:g}; allowed: a whole number from 1 to {most:g}")

    def numbers(self, name: str, fallback: list[float], most: int) -> list[float]:
        value = self._left.pop(name, fallback)
        values = [value] if is_number(value) else value
        if isinstance(values, list) and len(values) <= most and all(map(is_number, values)):
            return [float(value) for value in values]
        raise ValueError(f"option '{name}' is {value!r}; allowed: a number or up to {most} of them")

    def end(self) -> None:
        if self._left:
            raise ValueError(f"option '{next(iter(self._left))}' is not known")
