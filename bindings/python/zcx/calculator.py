"""Calculators: plug-ins in C, C++ or Rust, called in this process."""

import json
import os
from collections.abc import Mapping
from typing import Any

from . import _zcx
from ._helpers import decode_reference, encode_reference, is_reference


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


class Calculator:
    """A plug-in, by its configuration: a mapping or JSON text.

    {"name": "delays", "calculator": "c", "type": "group_delays", "plugin": "/…/group_delays.so",
     "options": {…}, "lmdb_enabled": True, "lmdb_db_path": "/dev/shm/demo", …}

    All threads may call it at once; a plug-in that is not thread-safe runs one call at a time.
    """

    def __init__(self, config: Mapping[str, Any] | str):
        text = options_text(config)
        self._exchange = _zcx.Exchange(text, True)
        self.config = json.loads(text)
        self.name = self._exchange.name

    def calculate(self, data: Any) -> Any:
        """Its answer to `data`, in place: arrays of it lie in the store and hold their record.

        An array, table, View or reference that came from the store is handed on by the record that
        it has. In mode "reference" the answer is a Reference. CalculatorError when it fails.
        """
        call = self._exchange.call()
        if is_reference(data):
            call.input_reference(encode_reference(data))
        elif not call.chain(data):
            call.put_input(data)
        call.run()
        if self._exchange.mode == "reference" and self._exchange.enabled:
            return take_reference(call)
        return call.result()

    def sweep(self) -> None:
        """Deletes the records of released results now instead of at the next call."""
        self._exchange.sweep()

    def __repr__(self) -> str:
        return f"<zcx.Calculator {self.name!r}>"
