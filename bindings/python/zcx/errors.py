"""Every status of libzcx has one exception, which is also the built-in that fits it."""

import errno


class Error(Exception):
    """Base of all errors of zcx: one sentence with the names and numbers that matter.

    `status` is libzcx's number, `cause` an errno, LMDB's code (negative) or 0.
    """

    status = 0

    def __init__(self, message: str = "", cause: int = 0):
        super().__init__(message)
        self.cause = cause

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class _SystemError(Error, OSError):
    """Has an errno as OSError does."""

    def __init__(self, message: str = "", cause: int = 0):
        super().__init__(message, cause)
        self.errno = cause if cause > 0 else self._errno

    _errno: int | None = None


class NotFound(Error, KeyError):
    """There is no record at the key, or no store at the path."""

    status = 1


class Expired(Error, KeyError):
    """The record's time to live is over."""

    status = 2


class InvalidArgument(Error, ValueError):
    status = 3


class LimitExceeded(Error, ValueError):
    status = 4


class Full(_SystemError):
    """There is no room; the message says who holds it."""

    status = 5
    _errno = errno.ENOSPC


class Busy(_SystemError):
    status = 6
    _errno = errno.EBUSY


class Timeout(Error, TimeoutError):
    status = 7


class Corrupt(Error, ValueError):
    """The store or the payload holds what no writer writes."""

    status = 8


class UnsupportedVersion(Error, RuntimeError):
    status = 9


class AccessRefused(_SystemError, PermissionError):
    status = 10
    _errno = errno.EACCES


class LoanLost(Error, RuntimeError):
    """The loan was taken for dead and given to others."""

    status = 11


class Stale(_SystemError):
    """The store's directory was removed while it was open."""

    status = 12
    _errno = errno.ESTALE


class Forked(Error, RuntimeError):
    """The object was inherited over fork: open the store anew in the child."""

    status = 13


class Closed(Error, ValueError):
    status = 14


class Unsupported(_SystemError):
    status = 15
    _errno = errno.ENOTSUP


class OutOfMemory(Error, MemoryError):
    status = 16


class SystemFailure(_SystemError):
    """A system call or LMDB failed."""

    status = 17


class CalculatorError(Error, RuntimeError):
    """A calculator failed: `message` is its sentence, `trace` where it was, or None."""

    status = 18

    def __init__(self, message: str = "", cause: int = 0, trace: str | None = None):
        super().__init__(message, cause)
        self.message = message
        self.trace = trace


class Deleted(Error, KeyError):
    """What was waited for was deleted, or nobody can answer any more."""

    status = 19


class ProducerDied(Error, RuntimeError):
    """Three workers died over the request."""

    status = 20


class Cancelled(Error, RuntimeError):
    """The call was cancelled."""

    status = 21


# By status; 0, success, stands for what this version does not know.
EXCEPTIONS = (
    Error, NotFound, Expired, InvalidArgument, LimitExceeded, Full, Busy, Timeout, Corrupt,
    UnsupportedVersion, AccessRefused, LoanLost, Stale, Forked, Closed, Unsupported, OutOfMemory,
    SystemFailure, CalculatorError, Deleted, ProducerDied, Cancelled,
)
