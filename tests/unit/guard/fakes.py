"""Stand-ins for the doors of an owned partition: a topic in memory, an outbox answered by the test, a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from concord.guard.lane import AgentOptions, Lane, Step
from concord.guard.outbox import Outgoing
from concord.guard.partition import OwnedPartition
from concord.guard.ports import Shared
from concord.guard.positions import Rules
from concord.guard.quarantine import Reporter
from concord.guard.record import Record
from concord.guard.store import PartitionStore

TOPIC = "things"
CHANGELOG = "app-things-changelog"


def record(offset: int, key: bytes = b"k", value: bytes | None = b"v") -> Record:
    """A record of the topic."""
    return Record(TOPIC, 0, offset, 1000 + offset, key, value)


class MemoryDatabase:
    """A database as `PartitionStore` uses it."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """A value."""
        return self.held.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Store a value."""
        self.held[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key."""
        self.held.pop(key, None)

    def items(self, *, from_key: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Sorted, from a key on, as they stood when called."""
        return iter(sorted(item for item in self.held.items() if item[0] >= (from_key or b"")))


@dataclass
class MemoryTopic:
    """The input topic: what a plain consumer would read."""

    records: dict[int, Record] = field(default_factory=dict)
    earliest: int = 0
    end: int = 0
    failures: list[Exception] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def fill(self, end: int) -> None:
        """Offsets 0 to `end` - 1, over three keys."""
        self.records = {offset: record(offset, b"k%d" % (offset % 3)) for offset in range(end)}
        self.end = end

    async def earliest_and_end(self, topic: str, partition: int) -> tuple[int, int]:
        """The bounds; fails first as often as told."""
        if self.failures:
            raise self.failures.pop(0)
        return self.earliest, self.end

    async def read(self, topic: str, partition: int, first: int, last: int) -> AsyncGenerator[Record, None]:
        """A range, leaving out what does not exist."""
        self.ranges.append((first, last))
        for offset in range(first, last + 1):
            if offset in self.records:
                yield self.records[offset]


class HeldOutbox:
    """Keeps what is posted until the test answers, or answers at once."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.sent: list[Outgoing] = []
        self.waiting: list[Outgoing] = []

    def post(self, outgoing: Outgoing) -> None:
        """Take a record."""
        self.sent.append(outgoing)
        if self.answers:
            outgoing.answered(len(self.sent) - 1)
        else:
            self.waiting.append(outgoing)

    def answer(self, number: int = 1) -> None:
        """The broker acknowledges the oldest records waiting."""
        for _ in range(number):
            self.waiting.pop(0).answered(len(self.sent))

    def to(self, topic: str) -> list[Outgoing]:
        """What was sent to a topic."""
        return [outgoing for outgoing in self.sent if outgoing.topic == topic]


@dataclass
class Bench:
    """One owned partition on fakes."""

    step: Step
    options: AgentOptions = field(default_factory=AgentOptions)
    topic: MemoryTopic = field(default_factory=MemoryTopic)
    outbox: HeldOutbox = field(default_factory=HeldOutbox)
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    committed: int | None = None

    def partition(self) -> OwnedPartition:
        """Take the partition over, as after an assignment."""

        async def committed(number: int) -> int | None:
            return self.committed

        shared = Shared(
            topic=TOPIC,
            changelog=CHANGELOG,
            step=self.step,
            options=self.options,
            reporter=Reporter("app", "worker-1", "tests.step", self.options.error_stage),
            outbox=self.outbox,
            reader=self.topic,
            committed=committed,
            places=asyncio.Semaphore(self.options.lanes),
            rules=Rules(redo=self.options.redo_finished),
        )
        return OwnedPartition(0, PartitionStore(lambda: self.database), shared)


async def settle() -> None:
    """Let every task do what it can do now."""
    for _ in range(60):
        await asyncio.sleep(0)


class Journal:
    """A step that notes what it was given, and writes and sends."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def __call__(self, given: Record, lane: Lane) -> None:
        """Note, write, send."""
        self.offsets.append(given.offset)
        lane.set(given.key or b"", b"%d" % given.offset)
        lane.send("out", given.key, b"%d" % given.offset)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Play a scenario on a loop of its own."""
    asyncio.run(asyncio.wait_for(scenario, 20))


async def begun(bench: Bench) -> OwnedPartition:
    """A partition that took over and came to rest."""
    owned = bench.partition()
    owned.begin()
    await settle()
    return owned
