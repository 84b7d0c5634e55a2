"""What a step gets to work with: its partition of the table, and sending. Nothing here waits for the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from concord.guard.outbox import Headers
from concord.guard.positions import Work
from concord.guard.record import Record


class PartitionLost(asyncio.CancelledError):
    """The partition belongs to another worker now, which does the record again. Not to be caught."""


class Partition(Protocol):
    """What a lane needs of its partition."""

    number: int

    def read(self, key: bytes) -> bytes | None:
        """A value of the table."""

    def put(self, work: Work, key: bytes, value: bytes | None) -> None:
        """Write to the table; None deletes."""

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the table."""

    def post(
        self,
        work: Work,
        topic: str,
        content: tuple[bytes | None, bytes | None, Headers],
        partition: int | None,
        timestamp_ms: int | None,
    ) -> None:
        """Send a record."""

    async def idle(self, seconds: float) -> None:
        """Sleep without holding a place."""

    async def until(self, reached: Callable[[], bool], limit_s: float | None) -> bool:
        """Wait for a condition; returns whether it was reached within the limit."""


class Lane:
    """The hands of one step, bound to the partition of its record; valid until the step ends.

    What it causes belongs to the record: the record is finished when the broker has acknowledged all of it. After the
    partition was taken away every method raises PartitionLost.
    """

    __slots__ = ("_partition", "_work", "partition")

    def __init__(self, partition: Partition, work: Work) -> None:
        self._partition = partition
        self._work = work
        self.partition = partition.number
        """Number of the partition: of the input topic, and of the table."""

    def get(self, key: bytes) -> bytes | None:
        """The table's newest value in this partition, None when there is none."""
        return self._partition.read(key)

    def set(self, key: bytes, value: bytes) -> None:
        """Write to the table; the next record sees it at once.

        Raises ReservedKey for a key that begins with a NUL byte, RecordTooLarge for more than a topic takes.
        """
        self._partition.put(self._work, key, value)

    def delete(self, key: bytes) -> None:
        """Remove a key from the table; removing one that is not there is harmless. Raises ReservedKey."""
        self._partition.put(self._work, key, None)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys of this partition that begin with a prefix, and their values, sorted, as they stand now."""
        return self._partition.items(prefix)

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> None:
        """Send a record; records of one call order keep it per partition. Raises RecordTooLarge."""
        self._partition.post(self._work, topic, (key, value, headers), partition, timestamp_ms)

    async def acknowledged(self) -> None:
        """Wait until the broker has everything that this step wrote and sent so far: for hooks that send very much."""
        await self._partition.until(lambda: self._work.unacknowledged == 0, None)

    async def sleep(self, seconds: float) -> None:
        """Wait without holding one of the places for running steps. The record's key stays reserved."""
        await self._partition.idle(seconds)


Step = Callable[[Record, Lane], Awaitable[None] | None]
Hook = Callable[[int, Lane], Awaitable[None] | None]
PoisonHook = Callable[[Record, BaseException, Lane], None]


@dataclass(frozen=True)
class AgentOptions:
    """How a guarded agent runs its step."""

    lanes: int = 1
    """1: one record after another per partition. More: records of one key in order, different keys side by side, at
    most this many steps running per worker."""
    window: int = 500
    """Most records of a partition that are started and not finished; also how many arrivals may wait."""
    redo_finished: bool = True
    """Whether a record that was handed on before runs again when it arrives again, or is passed over."""
    on_assigned: Hook | None = None
    """Called once per partition when it was assigned and its table recovered, before its first record."""
    every_s: float = 0.0
    """Seconds between calls of `on_tick` for each owned partition; 0 for never."""
    on_tick: Hook | None = None
    """Called between records. With one lane never while a step runs; with more, steps may be waiting meanwhile."""
    on_poison: PoisonHook | None = None
    """Called before a record goes to quarantine, to say so elsewhere."""
    error_stage: str = "TRANSFORMATION"
    """The `stage` header of quarantined records, in Kafka Connect's words; unreadable ones say VALUE_CONVERTER."""
    stage_name: str = ""
    """The connector name in quarantine headers; empty for the application's name."""
