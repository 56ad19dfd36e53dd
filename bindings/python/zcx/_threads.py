"""Work in daemon threads. concurrent.futures joins its threads when Python ends, however long they
still wait; here, what is under way then is cancelled."""

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

SLICE_MS = 100  # the longest wait between two looks for a cancellation
_MOST = 256  # threads
_IDLE = 10.0  # seconds, after which an idle one ends


class Pool:
    """As many threads as there is work at a time, up to a limit."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._work: deque[tuple[Future[Any], Callable[[], None]]] = deque()
        self._under_way: set[Future[Any]] = set()
        self._threads = self._idle = 0
        self._ending = False

    def start(self, future: Future[Any], work: Callable[[], None]) -> None:
        """Calls `work`, which ends `future` and raises nothing, in a thread."""
        with self._changed:
            self._work.append((future, work))
            self._under_way.add(future)
            if len(self._work) <= self._idle:
                self._changed.notify()
            elif self._threads < _MOST:
                self._threads += 1
                threading.Thread(target=self._run, name="zcx", daemon=True).start()

    def _next(self) -> tuple[Future[Any], Callable[[], None]] | None:
        with self._changed:
            self._idle += 1
            found = self._changed.wait_for(lambda: self._work, _IDLE)
            self._idle -= 1
            if found:
                return self._work.popleft()
            self._threads -= 1
            return None

    def _run(self) -> None:
        while taken := self._next():
            future, work = taken
            work()
            with self._changed:
                self._under_way.discard(future)
                if self._ending:
                    self._changed.notify_all()
            del taken, future, work  # an idle thread keeps no payload

    def end(self) -> None:
        """Cancels what is under way, and gives it the time to be cancelled."""
        with self._changed:
            self._ending = True
            left = list(self._under_way)
        for future in left:
            future.cancel()
        with self._changed:
            self._changed.wait_for(lambda: all(future.running() for future in self._under_way),
                                   2 * SLICE_MS / 1000)


pool = Pool()


def _forked() -> None:
    """The parent's threads are not the child's."""
    global pool
    pool = Pool()


os.register_at_fork(after_in_child=_forked)
atexit.register(lambda: pool.end())


def start(work: Callable[[Callable[[], bool]], Any], cancellable: bool) -> Future[Any]:
    """A future of work(cancelled), which asks now and then whether it is, if it is `cancellable`;
    else it can be cancelled only before it begins."""
    future: Future[Any] = Future()  # which is pending as long as it can be cancelled

    def run() -> None:
        begun = False
        try:
            if future.cancelled() or not cancellable and not future.set_running_or_notify_cancel():
                return
            begun = not cancellable
            result = work(future.cancelled)
            if begun or future.set_running_or_notify_cancel():
                future.set_result(result)
        except BaseException as error:
            if begun or future.set_running_or_notify_cancel():
                future.set_exception(error)

    pool.start(future, run)
    return future
