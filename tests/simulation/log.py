"""Kafka as the simulation sees it: topics with partitions and offsets, producers, and consumers that behave badly.

A producer's records reach the log in order per target partition, each acknowledged later; an acknowledgement can be
lost, and the record then stands twice. A consumer hands out arrivals as Faust was measured to: repeats, rewinds,
offsets ahead of the committed one whose skipped range comes later or only after another restart, commits ahead of
finished work.
"""

from __future__ import annotations

import random
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """One record of a topic's partition, with the members that a guarded step reads. `number` counts over the log."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    number: int


class Log:
    """Every topic; `special` names those whose partitions differ from `width`."""

    def __init__(self, width: int, special: dict[str, int]) -> None:
        self._width = width
        self._special = special
        self._records: dict[tuple[str, int], list[Stored]] = {}
        self.number = 0
        """How many records were ever appended."""

    def count(self, topic: str) -> int:
        """How many partitions a topic has."""
        return self._special.get(topic, self._width)

    def partition_of(self, topic: str, key: bytes | None) -> int:
        """The partitioner of every producer: equal keys meet in equally numbered partitions of equally wide topics."""
        return zlib.crc32(key or b"") % self.count(topic)

    def append(self, outgoing: Outgoing, at: datetime) -> Stored:
        """Add a record at the end of its partition."""
        records = self.read(outgoing.topic, outgoing.partition)
        self.number += 1
        stored = Stored(
            outgoing.topic, outgoing.partition, len(records), int(at.timestamp() * 1000), outgoing.key, outgoing.value,
            outgoing.headers, self.number,
        )  # fmt: skip
        records.append(stored)
        return stored

    def read(self, topic: str, partition: int) -> list[Stored]:
        """A partition's records from offset 0, not to be changed by the caller."""
        records = self._records.get((topic, partition))
        if records is None:
            records = self._records[topic, partition] = []
        return records

    def whole(self, topic: str) -> list[Stored]:
        """All records of a topic, partition by partition."""
        return [record for number in range(self.count(topic)) for record in self.read(topic, number)]


@dataclass(slots=True)
class Outgoing:
    """A record on its way; `on_ack` is called once the broker has confirmed it."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    owner: str = ""
    on_ack: Callable[[], None] | None = None


class Producer:
    """What one process has sent and the broker has not confirmed. Per target partition one record is in flight."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._unsent: dict[tuple[str, int], deque[Outgoing]] = {}
        self._unconfirmed: dict[tuple[str, int], Outgoing] = {}

    def send(self, outgoing: Outgoing) -> None:
        """Queue a record."""
        self._unsent.setdefault((outgoing.topic, outgoing.partition), deque()).append(outgoing)

    @property
    def is_busy(self) -> bool:
        """Whether something is queued or unconfirmed."""
        return bool(self._unsent or self._unconfirmed)

    def advance(self, rng: random.Random, at: datetime, is_lost: Callable[[], bool]) -> tuple[str, Outgoing]:
        """One thing happens: a record reaches the log, or its confirmation arrives or is lost.

        Targets overtake each other. Returns what happened (sent, confirmed, lost), and to which record.
        """
        free = [target for target in self._unsent if target not in self._unconfirmed]
        choice = rng.randrange(len(free) + len(self._unconfirmed))
        if choice < len(free):
            target = free[choice]
            queue = self._unsent[target]
            outgoing = queue.popleft()
            if not queue:
                del self._unsent[target]
            self._log.append(outgoing, at)
            self._unconfirmed[target] = outgoing
            return "sent", outgoing
        target = list(self._unconfirmed)[choice - len(free)]
        outgoing = self._unconfirmed.pop(target)
        if is_lost():
            self._unsent.setdefault(target, deque()).appendleft(outgoing)
            return "lost", outgoing
        if outgoing.on_ack is not None:
            outgoing.on_ack()
        return "confirmed", outgoing

    def crash(self) -> None:
        """Everything unsent is gone; what is on the log stays there."""
        self._unsent.clear()
        self._unconfirmed.clear()


class Consumer:
    """One partition of one topic as it is delivered to one stage, across its crashes.

    `committed` is the group's offset (next to be read). It says nothing about finished work.
    """

    def __init__(self, log: Log, topic: str, partition: int) -> None:
        self._records = log.read(topic, partition)
        self.committed = 0
        self._next = 0
        self._late: deque[int] = deque()

    @property
    def has_more(self) -> bool:
        """Whether something can arrive, in order or late."""
        return self._next < len(self._records) or bool(self._late)

    def poll(self, rng: random.Random) -> Stored:
        """The next arrival."""
        if self._late and (self._next >= len(self._records) or rng.random() < 0.2):
            return self._records[self._late.popleft()]
        self._next += 1
        return self._records[self._next - 1]

    def commit(self) -> None:
        """The group's offset moves to what was delivered, finished or not."""
        self.committed = max(self.committed, self._next)

    def repeat(self, rng: random.Random) -> Stored | None:
        """A record that was delivered before comes again, None when there is none."""
        return self._records[rng.randrange(max(0, self._next - 8), self._next)] if self._next else None

    def jump(self, rng: random.Random, farthest: int = 6) -> bool:
        """Delivery goes on farther along; the records between come later, or only after another restart."""
        width = min(rng.randint(1, farthest), len(self._records) - 1 - self._next)
        if width <= 0:
            return False
        if rng.random() < 0.5:
            self._late.extend(range(self._next, self._next + width))
        self._next += width
        return True

    def restart(self, rng: random.Random, fault: str = "") -> bool:
        """Delivery begins again: at the committed offset, below it (`rewind`) or ahead of it (`hole`).

        Returns whether there was room for the fault.
        """
        self._late.clear()
        self._next = self.committed
        if fault == "rewind" and self._next:
            self._next = rng.randrange(self._next)
            return True
        if fault == "hole" and self._next < len(self._records) - 1:
            self._next = rng.randint(self._next + 1, len(self._records) - 1)
            return True
        return False
