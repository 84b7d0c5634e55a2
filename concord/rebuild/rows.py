"""A partition of a table on disk while it is folded, compared or written: rows, their digest, their differences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rocksdict import DBCompressionType, Options, Rdict, WriteBatch

from concord.guard.store import CHANGELOG_OFFSET_KEY, RESERVED

# RocksDB's memory for one table, in bytes.
WRITE_BUFFER_BYTES: Final = 32 << 20
# How many differing keys are named.
NAMED: Final = 10


class Rows:
    """One partition's rows in a scratch folder: keys and values, sorted. Not for two processes at once."""

    def __init__(self, folder: Path) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_compression_type(DBCompressionType.lz4())
        self._database: Any = Rdict(str(folder), options)

    def get(self, key: bytes) -> bytes | None:
        """A value, None when there is none."""
        value: bytes | None = self._database.get(key)
        return value

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Make changes, in order, as one batch; None deletes."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._database.write(batch)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """The step's rows by key; those of the guard and of Faust left out."""
        for key, value in self._database.items():
            if not key.startswith(RESERVED) and key != CHANGELOG_OFFSET_KEY:
                yield key, value

    def digest(self) -> Digest:
        """Names what these rows hold."""
        found, count = hashlib.sha256(), 0
        for key, value in self.items():
            count += 1
            found.update(b"%d,%d:" % (len(key), len(value)))
            found.update(key)
            found.update(value)
        return Digest(count, found.hexdigest())

    def close(self) -> None:
        """Close the database."""
        self._database.close()


@dataclass(frozen=True)
class Digest:
    """How many rows, and a SHA-256 over keys and values in the order of the keys."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Differences:
    """How many rows two tables hold differently, and the keys of the first few."""

    count: int = 0
    keys: tuple[bytes, ...] = ()


def differences(one: Rows, other: Rows) -> Differences:
    """Where two tables differ; both are read once, in step."""
    count = 0
    keys: list[bytes] = []
    for key, here, there in _side_by_side(one.items(), other.items()):
        if here != there:
            count += 1
            if len(keys) < NAMED:
                keys.append(key)
    return Differences(count, tuple(keys))


def _side_by_side(
    one: Iterator[tuple[bytes, bytes]], other: Iterator[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    left, right = next(one, None), next(other, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            yield left[0], left[1], None
            left = next(one, None)
        elif left is None or right[0] < left[0]:
            yield right[0], None, right[1]
            right = next(other, None)
        else:
            yield left[0], left[1], right[1]
            left, right = next(one, None), next(other, None)
