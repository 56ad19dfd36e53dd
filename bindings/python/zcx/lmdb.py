"""The names that users of the guide know, on the same store."""

import datetime
import enum
import os
import threading
from collections.abc import Mapping
from typing import Any

from . import _zcx
from ._helpers import decode_reference, encode_reference, is_reference
from .calculator import Calculator, Reference, options_text, take_reference
from .envelope import Envelope
from .store import Store

__all__ = ["DataFormat", "LMDBTransport", "wrap_with_lmdb"]


class DataFormat(str, enum.Enum):
    JSON = "json"
    MSGPACK = "msgpack"
    RAW = "raw"
    NUMPY = "numpy"
    ARROW = "arrow"


class LMDBTransport:
    """A store of this process: one for each path, shared by all who ask for it."""

    _instances: dict[tuple[int, str | None], "LMDBTransport"] = {}
    _lock = threading.Lock()

    def __init__(self, store: Store):
        self.store = store

    @classmethod
    def get_instance(cls, path: str | os.PathLike[str] | None = None) -> "LMDBTransport":
        """The transport at a path; after a fork the child gets its own."""
        place = None if path is None else os.path.realpath(os.fspath(path))
        with cls._lock:
            known = cls._instances.get((os.getpid(), place))
            if known is None or known.store.closed:
                known = cls._instances[os.getpid(), place] = cls(Store(path))
            return known

    def put(self, key: str | bytes, data: Any, format: DataFormat | str = DataFormat.MSGPACK,
            ttl: float | datetime.timedelta | None = 300) -> int:
        """Returns LMDB's transaction id. `ttl` is seconds; 0: until deleted."""
        return self.store.put(key, data, format=format, ttl=ttl)

    def get(self, key: str | bytes) -> Any | None:
        """The object, or None when there is none or it expired."""
        return self.store.get(key, None)

    def get_raw(self, key: str | bytes) -> tuple[_zcx.View, Envelope] | None:
        """The payload's bytes, as a View, and its envelope; None when there is none."""
        try:
            view = self.store.view(key)
        except KeyError:
            return None
        return view, view.envelope

    def delete(self, key: str | bytes) -> bool:
        return self.store.delete(key)

    def close(self) -> None:
        """Ends it; what was read stays valid, and get_instance opens a new one."""
        self.store.close()


def wrap_with_lmdb(calculator: Any, config: Mapping[str, Any], name: str) -> Any:
    """An object whose calculate(data) answers what the calculator's own would, with large inputs
    and outputs handed over through the store.

    `config` has the options lmdb_…; with `lmdb_enabled` false the calculator itself is returned. A
    leg that would come out of its format as something else (tuples, integers beyond 64 bits, other
    classes) goes directly. Arrays that went through the store are read-only. A calculator with
    `lmdb_references = True` gets the references of the protocol.
    """
    options = {**config, "name": name}
    exchange = _zcx.Exchange(options_text(options), False)
    if not exchange.enabled:
        return calculator
    if isinstance(calculator, Calculator):
        return Calculator({**calculator.config, **options})
    if getattr(calculator, "lmdb_references", False):
        return _Referred(calculator, exchange)
    return _Wrapped(calculator, exchange)


class _Wrapped:
    """Calls a calculator that knows nothing of stores."""

    def __init__(self, calculator: Any, exchange: _zcx.Exchange):
        self._calculator = calculator
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calculator, name)

    def __repr__(self) -> str:
        return f"<zcx {self._exchange.mode} of {self._calculator!r}>"

    def _by_reference(self, call: _zcx.Call, data: Any, output: bool) -> bool:
        if self._exchange.mode == "reference":
            return True
        size = _zcx.exact_size(data, self._exchange.format)
        return size is not None and call.by_reference(size, output)

    def _as_given(self, value: Any) -> Any:
        """Raw bytes are read as a memoryview, and were bytes."""
        return bytes(value) if self._exchange.format == "raw" else value

    def calculate(self, data: Any) -> Any:
        call = self._exchange.call()
        answer = self._calculator.calculate(self._pass_input(call, data))
        if not self._by_reference(call, answer, True):
            return answer
        call.put_output(answer)
        if self._exchange.mode == "reference":
            return take_reference(call)
        return self._as_given(call.result())

    def _pass_input(self, call: _zcx.Call, data: Any) -> Any:
        """What the calculator is to get. The call has an input in any case."""
        if is_reference(data):
            call.input_reference(encode_reference(data))
        elif _zcx.from_store(data) or not self._by_reference(call, data, False):
            call.skip_input()  # it lies in the store already, or is not worth the way
            return data
        else:
            call.put_input(data)
        read = call.read_input()
        return self._as_given(read[0]) if read else data


class _Referred(_Wrapped):
    """Calls a calculator that reads and answers references."""

    def calculate(self, data: Any) -> Any:
        call = self._exchange.call()
        if is_reference(data):
            call.input_reference(encode_reference(data))
        elif not call.chain(data):
            call.put_input(data)
        encoded = call.request()
        if encoded is None:
            return self._calculator.calculate(data)
        request = decode_reference(encoded)
        answer = self._calculator.calculate(request)
        if "_lmdb_output_key" not in request:
            return answer
        call.accept(encode_reference(answer) if isinstance(answer, dict) else None)
        if self._exchange.mode == "reference":
            return take_reference(call)
        return self._as_given(call.result())
