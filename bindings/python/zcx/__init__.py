"""Hands large payloads between programs in place, through one LMDB file.

    with zcx.Store("/dev/shm/demo") as store:
        with store.loan(8_000_000) as loan:
            loan.array("f8", (1000, 1000))[:] = 1.0
            loan.publish("prices", ttl=60)
        prices = store.get("prices")
"""

import atexit

from . import _zcx
from ._helpers import Extension
from ._zcx import Batch, Loan, Scan, View
from .calculator import Calculator, Reference
from .envelope import Envelope
from .errors import (
    AccessRefused, Busy, CalculatorError, Cancelled, Closed, Corrupt, Deleted, Error, Expired,
    Forked, Full, InvalidArgument, LimitExceeded, LoanLost, NotFound, OutOfMemory, ProducerDied,
    Stale, SystemFailure, Timeout, Unsupported, UnsupportedVersion,
)
from .store import Store

__version__ = _zcx.version
__all__ = [
    "AccessRefused", "Batch", "Busy", "Calculator", "CalculatorError", "Cancelled", "Closed",
    "Corrupt", "Deleted", "Envelope", "Error", "Expired", "Extension", "Forked", "Full",
    "InvalidArgument", "LimitExceeded", "Loan", "LoanLost", "NotFound", "OutOfMemory",
    "ProducerDied", "Reference", "Scan", "Stale", "Store", "SystemFailure", "Timeout",
    "Unsupported", "UnsupportedVersion", "View",
]

# Messages of the core that come later, while Python ends, go to stderr.
atexit.register(_zcx.log_end)
