"""Hosts a Python calculator in a process of its own.

    python -m zcx.worker module:Class --config JSON|@FILE [--queue NAME] [--concurrency N]

The class is made with the configuration's `options` (a dict) if it takes an argument, once for each
request that is answered at a time. Its calculate(data) gets what Store.get would, in place; what it
returns is stored as Store.put would, and what it raises fails the call, with the traceback as the
trace. SIGTERM and SIGINT finish the requests in hand and end the worker with status 0; a second one
ends it at once.
"""

import argparse
import importlib
import inspect
import json
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from . import _zcx
from .errors import CalculatorError, Cancelled, Error, InvalidArgument, Timeout


def load(name: str) -> Any:
    """What "module:Class" names, on Python's path: under `python -m` that begins with the current
    directory, and under `python -P -m` it does not have it."""
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise InvalidArgument(f"{name!r} is no calculator: it must be module:Class")
    return getattr(importlib.import_module(module), attribute)


def make(factory: Any, options: dict[str, Any]) -> Any:
    """A calculator of a class or function; what is one already is shared by all threads."""
    if hasattr(factory, "calculate") and not isinstance(factory, type):
        return factory
    takes = bool(inspect.signature(factory).parameters)
    if options and not takes:
        raise InvalidArgument(f"{factory.__qualname__} takes no options, and the configuration has "
                              f"{', '.join(options)}")
    made = factory(options) if takes else factory()
    if not callable(getattr(made, "calculate", None)):
        raise InvalidArgument(f"{factory.__qualname__} has no calculate(data)")
    return made


def _fail(call: _zcx.Call, error: BaseException) -> None:
    """Its text is the message, and its traceback, from the calculator on, the trace."""
    message = str(error) or type(error).__name__
    if not isinstance(error, CalculatorError):
        message = f"{type(error).__name__}: {error}"
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    trace = "".join(traceback.format_exception(type(error), error, frames))
    call.fail(*(text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
                for text in (message, trace)))


def answer(calculator: Any, call: _zcx.Call) -> None:
    """Answers one call, or fails it."""
    try:
        call.put_output(calculator.calculate(call.take_input()))
    except Cancelled:
        pass  # nobody wants it any more
    except Exception as error:
        _fail(call, error)
    except BaseException as error:
        _fail(call, error)
        raise
    finally:
        call.close()


def _serve(worker: _zcx.Worker, calculator: Any, ended: Callable[[BaseException | None], None]) -> None:
    try:
        while True:
            try:
                call = worker.take()
            except Timeout:
                continue  # of a lock
            if call is None:
                break
            answer(calculator, call)
            del call
        ended(None)
    except BaseException as error:
        ended(error)


def serve(calculators: Sequence[Any], config: dict[str, Any]) -> None:
    """Answers requests until a signal, each calculator in a thread of its own: the main thread only
    handles signals, so that none has to wait for a request."""
    worker = _zcx.Worker(json.dumps(config))
    failures: list[BaseException] = []
    left = threading.Semaphore(0)

    def stop(*_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        worker.stop()

    def ended(error: BaseException | None) -> None:
        if error is not None:
            failures.append(error)
            worker.stop()
        left.release()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    for calculator in calculators:
        threading.Thread(target=_serve, args=(worker, calculator, ended), daemon=True).start()
    for _ in calculators:
        left.acquire()
    worker.close()
    if failures:
        raise failures[0]


def _configuration(text: str, queue: str | None) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):  # `zcx worker` takes a file's bare name
        with open(text.removeprefix("@"), encoding="utf-8") as file:
            text = file.read()
    config = json.loads(text)
    if not isinstance(config, dict):
        raise InvalidArgument("the configuration is not a JSON object")
    return {**config, "queue": queue} if queue else config


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m zcx.worker", description="Answers the requests of a queue with a Python calculator.")
    parser.add_argument("calculator", metavar="module:Class", help="it has calculate(data)")
    parser.add_argument("--config", required=True, metavar="JSON|@FILE",
                        help="the calculator's configuration, which is its callers' but for `options`")
    parser.add_argument("--queue", metavar="NAME", help="instead of the configuration's")
    parser.add_argument("--concurrency", type=int, default=1, metavar="N",
                        help="requests that are answered at a time (1)")
    given = parser.parse_args(arguments)
    if given.concurrency < 1:
        parser.error(f"--concurrency is {given.concurrency}: it must be at least 1")
    try:
        config = _configuration(given.config, given.queue)
        factory = load(given.calculator)
        serve([make(factory, config.get("options", {})) for _ in range(given.concurrency)], config)
    except (Error, OSError, ValueError, ImportError, AttributeError) as error:
        print(f"zcx.worker: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
