"""Store: the extension's class, and what a mapping has besides."""

import datetime
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import _threads, _zcx
from .errors import Timeout


class Store(_zcx.Store):
    """A directory that programs share payloads through.

    Store(path=None, *, database=None, budget=None, map_size=None, durability=None,
          max_readers=None, lock_timeout=None, group=None, create=True)

    `path` defaults to $ZCX_PATH, else /dev/shm/zcx-<uid>, else $XDG_RUNTIME_DIR/zcx, else
    /tmp/zcx-<uid>. `budget` and `map_size` are bytes, `durability` is "none" or "commit"; they and
    `max_readers` are fixed at creation. `lock_timeout` is seconds. `group` is the name or number of a
    group whose members share the store; without it a store is its owner's only, and every opener
    names it. All threads may use a store at once; after a fork the child opens its own. Keys are text
    or bytes, of 1 to 511 bytes; text is stored as UTF-8, and keys that are UTF-8 come back as text.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[str | bytes]:
        return self.scan()

    def keys(self) -> Iterator[str | bytes]:
        return self.scan()

    def items(self) -> Iterator[tuple[str | bytes, Any]]:
        """Pairs of key and object; what is deleted or expires meanwhile is left out."""
        gone = object()
        for key in self.scan():
            value = self.get(key, gone)
            if value is not gone:
                yield key, value

    def values(self) -> Iterator[Any]:
        return (value for _, value in self.items())

    def count(self) -> int:
        """Records, with expired ones that no sweep has met yet."""
        return len(self)

    def __bool__(self) -> bool:
        return True

    async def wait_async(self, key: str | bytes, after: int = 0,
                         timeout: float | datetime.timedelta | None = None) -> _zcx.View:
        """wait, for asyncio: nothing blocks the loop."""
        import asyncio  # which most programs do without

        if isinstance(timeout, datetime.timedelta):
            timeout = timeout.total_seconds()
        end = float("inf") if timeout is None else time.monotonic() + timeout

        def work(cancelled: Callable[[], bool]) -> _zcx.View:
            while True:
                left = max(0.0, end - time.monotonic())
                slice = min(left, _threads.SLICE_MS / 1000)
                try:
                    return self.wait(key, after, slice)
                except Timeout:
                    if cancelled():
                        raise
                    if left == slice:
                        raise Timeout(f"nothing came to {key!r} in {timeout} s") from None

        return await asyncio.wrap_future(_threads.start(work, True))

    def stat(self) -> dict[str, Any]:
        """What the store is and holds: docs/stat.md."""
        return json.loads(self._stat())

    def sweep(self, *, trim: bool = False) -> dict[str, Any]:
        """Deletes what expired and frees what dead processes held; with `trim` it gives the memory
        of idle slots back. Returns what it did."""
        return json.loads(self._sweep(trim))

    def check(self) -> dict[str, Any]:
        """Is it sound? Reads every record, and every payload that has a checksum."""
        return json.loads(self._check())

    def __repr__(self) -> str:
        if self.closed:
            return "<zcx.Store, closed>"
        return f"<zcx.Store {self.path!r}, database {self.database!r}>"
