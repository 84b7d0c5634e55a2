"""What the partitions of one agent have in common: the step, and the doors to Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from concord.guard.lane import AgentOptions, Step
from concord.guard.outbox import Outgoing
from concord.guard.positions import Rules
from concord.guard.quarantine import Reporter
from concord.guard.record import Record


class Posting(Protocol):
    """Where records go out: `concord.guard.outbox.Outbox`."""

    def post(self, outgoing: Outgoing) -> None:
        """Queue a record; returns at once."""


class Ranges(Protocol):
    """Where ranges are read back: `concord.guard.log_reader.LogReader`."""

    async def earliest_and_end(self, topic: str, partition: int) -> tuple[int, int]:
        """Bounds of a partition. Raises KafkaError."""

    def read(self, topic: str, partition: int, first: int, last: int) -> AsyncGenerator[Record, None]:
        """Records of a range. Raises KafkaError."""


@dataclass(frozen=True)
class Shared:
    """One agent's step, options and doors."""

    topic: str
    changelog: str
    step: Step
    options: AgentOptions
    reporter: Reporter
    outbox: Posting
    reader: Ranges
    committed: Callable[[int], Awaitable[int | None]]
    """The group's committed offset of a partition of `topic`: where Faust delivers from. None: from the beginning."""
    places: asyncio.Semaphore
    """Places for running steps when several run side by side."""
    rules: Rules
