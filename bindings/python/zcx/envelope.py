"""What a record says about its payload."""

import datetime
from dataclasses import dataclass

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def _time(nanoseconds: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=nanoseconds // 1000)


@dataclass(frozen=True, slots=True)
class Envelope:
    format: str  # "raw", "json", "msgpack", "numpy", "arrow" or "unknown"
    format_tag: int  # its number, for what is unknown
    flags: int
    length: int  # of the payload, in bytes
    transaction: int  # LMDB's id of the transaction that published it
    created_ns: int  # Unix time in nanoseconds
    expires_ns: int  # 0: never
    source: str | None
    target: str | None
    content_type: str | None
    dtype: str | None  # numpy: "<f8", or JSON of dtype.descr
    shape: tuple[int, ...] | None
    order: str | None  # numpy: "C" or "F"
    in_slot: bool  # in a slot, or in the record itself
    slot: int
    generation: int
    crc32c: int  # of the payload, if has_checksum

    @property
    def created(self) -> datetime.datetime:
        return _time(self.created_ns)

    @property
    def expires(self) -> datetime.datetime | None:
        """None: never."""
        return _time(self.expires_ns) if self.expires_ns else None

    @property
    def ttl(self) -> float | None:
        """The seconds that it had to live when it was published; None: for ever."""
        return (self.expires_ns - self.created_ns) / 1e9 if self.expires_ns else None

    @property
    def is_error(self) -> bool:
        """It is a calculator's failure instead of a result."""
        return bool(self.flags & 2)

    @property
    def has_checksum(self) -> bool:
        return bool(self.flags & 4)
