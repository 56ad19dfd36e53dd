"""Calculators: plug-ins in C, C++ or Rust, called in this process, and workers of any language."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from . import _zcx, _threads
from ._helpers import decode_reference, encode_reference, is_reference
from .errors import Cancelled, Error, Timeout


class Reference(dict[str, Any]):
    """A result that stays in the store: what travels instead of it, a map with `_lmdb_ref`.

    It holds the result's record, which is deleted some time after the reference is gone.
    """

    __slots__ = ("_payload",)

    def __init__(self, fields: Mapping[str, Any], payload: _zcx.Pin | None = None):
        super().__init__(fields)
        self._payload = payload


def options_text(config: Mapping[str, Any] | str) -> str:
    """A configuration as JSON; the core reads and judges it."""
    return config if isinstance(config, str) else json.dumps(config, default=os.fspath)


def take_reference(call: _zcx.Call) -> Reference:
    found = call.reference()
    assert found, "in mode 'reference' a result is a record"
    encoded, payload = found
    return Reference(decode_reference(encoded), payload)


def _never() -> bool:
    return False


class Calculator:
    """A plug-in of this process, or workers in processes of their own, by configuration: a mapping
    or JSON text.

    {"name": "delays", "calculator": "c", "type": "group_delays", "plugin": "/…/group_delays.so",
     "options": {…}, "lmdb_enabled": True, "lmdb_db_path": "/dev/shm/demo", …}

    {"name": "delays", "queue": "delays", "lmdb_enabled": True, …}

    All threads may call it at once; a plug-in that is not thread-safe runs one call at a time. A
    worker has `lmdb_wait_timeout` milliseconds to answer.
    """

    def __init__(self, config: Mapping[str, Any] | str):
        text = options_text(config)
        self._exchange = _zcx.Exchange(text, True)
        self.config = json.loads(text)
        self.name = self._exchange.name
        self._queued = "queue" in self.config

    def calculate(self, data: Any) -> Any:
        """Its answer to `data`, in place: arrays of it lie in the store and hold their record.

        An array, table, View or reference that came from the store is handed on by the record that
        it has. In mode "reference" the answer is a Reference. Raises CalculatorError when it fails;
        of workers also Timeout, and ProducerDied when three of them died over the request. Ctrl-C
        cancels a request to workers; a plug-in in this process cannot be interrupted.
        """
        return self._calculate(data, _never)

    def submit(self, data: Any) -> "Future[Any]":
        """The answer as a future, computed and waited for by a thread; `data` must not be changed
        meanwhile. Its cancel() takes a request back from the workers, within a tenth of a second,
        or drops their answer; a plug-in in this process that has begun cannot be cancelled."""
        return _threads.start(lambda cancelled: self._calculate(data, cancelled), self._queued)

    async def calculate_async(self, data: Any) -> Any:
        """The answer, for asyncio: nothing blocks the loop, and cancelling the task cancels the
        request as submit says."""
        import asyncio  # which most programs do without

        return await asyncio.wrap_future(self.submit(data))

    def _calculate(self, data: Any, cancelled: Callable[[], bool]) -> Any:
        call = self._answered(data, cancelled)
        if self._exchange.mode == "reference" and self._exchange.enabled:
            return take_reference(call)
        return call.result()

    def _answered(self, data: Any, cancelled: Callable[[], bool]) -> _zcx.Call:
        call = self._exchange.call()
        try:
            if is_reference(data):
                call.input_reference(encode_reference(data))
            elif not call.chain(data):
                call.put_input(data)
            if self._queued:
                self._await(call, cancelled)
            else:
                call.run()
        except BaseException:
            with contextlib.suppress(Error):  # else the next call does it
                call.cancel()
            call.close()  # whoever keeps the exception keeps no payload
            raise
        return call

    def _await(self, call: _zcx.Call, cancelled: Callable[[], bool]) -> None:
        call.send()
        whole = self._exchange.wait_timeout_ms
        end = time.monotonic() + whole / 1000
        while True:  # in slices, for Python to see signals between them
            left = max(0, round((end - time.monotonic()) * 1000))
            slice = min(left, _threads.SLICE_MS)
            waiting = call.wait(slice)
            if waiting is None:
                return
            if cancelled():
                raise Cancelled(f"the call of calculator {self.name!r} was cancelled")
            if left == slice:
                raise Timeout(waiting.replace(f" in {slice} ms", f" in {whole} ms"))

    def sweep(self) -> None:
        """Deletes the records of released results now instead of at the next call."""
        self._exchange.sweep()

    def __repr__(self) -> str:
        return f"<zcx.Calculator {self.name!r}>"
