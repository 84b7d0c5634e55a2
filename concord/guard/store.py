"""One partition of an agent's table.

RocksDB holds only what the broker has acknowledged; what is still on its way lies over it in memory. So at every moment
the database is the fold of a prefix of its changelog: a killed worker never comes back ahead of what others recover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol

from schemas.errors import ConcordError

# Keys that begin with this byte belong to the guard (the position); Faust's own key begins with an underscore.
RESERVED: Final = b"\x00"
# Where Faust's RocksDB store keeps the changelog offset that the database has taken in (`Store.offset_key`).
CHANGELOG_OFFSET_KEY: Final = b"__faust\0offset__"


class Database(Protocol):
    """What is used of `rocksdict.Rdict` in raw mode."""

    def get(self, key: bytes) -> Any:
        """A value, None when there is none."""

    def put(self, key: bytes, value: bytes) -> None:
        """Store a value."""

    def delete(self, key: bytes) -> None:
        """Remove a key, there or not."""

    def items(self, *, from_key: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in key order, from a key on."""


class Write(NamedTuple):
    """A change that is on its way to the changelog. `value` None deletes."""

    key: bytes
    value: bytes | None
    number: int


class ReservedKey(ConcordError):
    """A step used a key that belongs to the guard or to Faust."""


def check_key(key: bytes) -> None:
    """Raise ReservedKey for a key that a step may not use."""
    if key.startswith(RESERVED) or key == CHANGELOG_OFFSET_KEY:
        raise ReservedKey("The table key is reserved for the guard.", "Begin the key with another byte.")


class PartitionStore:
    """Reads and writes one partition. `open_database` is called each time: no handle is kept, so that Faust can close
    the database when the partition goes away."""

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open = open_database
        self._on_its_way: dict[bytes, Write] = {}
        self._writes = 0
        self._acknowledged = -1
        self._saved = -1

    def get(self, key: bytes) -> bytes | None:
        """The newest value, acknowledged or not; None when there is none."""
        write = self._on_its_way.get(key)
        if write is not None:
            return write.value
        value = self._open().get(key)
        return None if value is None else bytes(value)

    def write(self, key: bytes, value: bytes | None) -> Write:
        """Make a change visible at once. It reaches the database when `acknowledged` is called with it."""
        self._writes += 1
        write = Write(key, value, self._writes)
        self._on_its_way[key] = write
        return write

    def acknowledged(self, write: Write, changelog_offset: int) -> None:
        """The broker has a change. Acknowledgements come in the order of the writes."""
        database = self._open()
        if write.value is None:
            database.delete(write.key)
        else:
            database.put(write.key, write.value)
        if self._on_its_way.get(write.key) is write:
            del self._on_its_way[write.key]
        self._acknowledged = max(self._acknowledged, changelog_offset)

    def save_changelog_offset(self) -> None:
        """Note how far the database has taken in its changelog, so that recovery starts there."""
        if self._acknowledged > self._saved:
            self._saved = self._acknowledged
            self._open().put(CHANGELOG_OFFSET_KEY, b"%d" % self._saved)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys with this prefix and their newest values, sorted by key, as they stand now; reserved keys left out."""
        unwritten = sorted(write for key, write in self._on_its_way.items() if key.startswith(prefix))
        below = self._open().items(from_key=prefix or None)
        return _merged(below, {write.key: write.value for write in unwritten}, prefix)


def _merged(
    below: Iterator[tuple[bytes, bytes]], over: dict[bytes, bytes | None], prefix: bytes
) -> Iterator[tuple[bytes, bytes]]:
    """`below` (sorted) with the changes of `over` (sorted, None deletes) laid on top."""
    waiting = iter(list(over.items()))
    ahead = next(waiting, None)
    for key, value in below:
        if not key.startswith(prefix):
            break
        while ahead is not None and ahead[0] < key:
            yield from _visible(*ahead)
            ahead = next(waiting, None)
        if ahead is not None and ahead[0] == key:
            yield from _visible(*ahead)
            ahead = next(waiting, None)
        else:
            yield from _visible(key, value)
    while ahead is not None:
        yield from _visible(*ahead)
        ahead = next(waiting, None)


def _visible(key: bytes, value: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    if value is not None and not key.startswith(RESERVED) and key != CHANGELOG_OFFSET_KEY:
        yield bytes(key), bytes(value)
