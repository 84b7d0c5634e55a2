"""Worker processes: their agents, what survives their crash, and what happens next in them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from simulation import faults
from simulation.faults import Faults
from simulation.guarded import SENT, Agent, Crash, OwnedPartition, Surroundings, Table
from simulation.log import Consumer, Producer

T = TypeVar("T")


def rotations(items: Sequence[T]) -> list[tuple[T, ...]]:
    """The items in order, once from each of them on."""
    return [(*items[first:], *items[:first]) for first in range(len(items))]


@dataclass
class Process:
    """One role. Tables and consumers outlive a crash; partitions in hand and the producer do not.

    `forget` empties what else the role holds in memory.
    """

    name: str
    agents: tuple[Agent, ...]
    around: Surroundings
    faults: Faults
    forget: Callable[[], None] | None = None
    tables: dict[tuple[str, int], Table] = field(default_factory=dict)
    consumers: dict[tuple[str, int], Consumer] = field(default_factory=dict)
    partitions: list[OwnedPartition] = field(default_factory=list)
    restarts: int = 0

    def __post_init__(self) -> None:
        for agent in self.agents:
            for number in range(self.around.log.count(agent.topic)):
                self.tables[agent.name, number] = Table()
                self.consumers[agent.name, number] = Consumer(self.around.log, agent.topic, number)
        self.producer = Producer(self.around.log)
        self.idle_at = -1
        """How long the log was when nothing was left to do here; -1 for not known."""
        self._own()

    def _own(self) -> None:
        self.idle_at = -1
        self.partitions = [
            OwnedPartition(
                agent, number, self.tables[agent.name, number], self.consumers[agent.name, number], self.producer,
                self.around,
            )
            for agent in self.agents
            for number in range(self.around.log.count(agent.topic))
        ]  # fmt: skip
        self._orders = rotations(self.partitions)

    def advance(self) -> bool:
        """One thing happens in this process. Returns whether anything could."""
        rng, log = self.around.rng, self.around.log
        if self.idle_at == log.number:
            return False
        is_busy = self.producer.is_busy
        if is_busy and rng.random() < 0.6:
            self._produce()
            return True
        for partition in self._orders[rng.randrange(len(self._orders))]:
            if partition.quiet_at != len(partition.records) and partition.advance():
                return True
        if is_busy:
            self._produce()
            return True
        if all(partition.quiet_at == len(partition.records) for partition in self.partitions):
            self.idle_at = log.number
        return False

    def disturb(self) -> None:
        """Something other than a new record gives this process work."""
        self.idle_at = -1
        for partition in self.partitions:
            partition.quiet_at = -1

    def _produce(self) -> None:
        what, outgoing = self.producer.advance(self.around.rng, self.around.now(), lambda: self.faults.strikes(0.01))
        if what == "lost":
            self.faults.count(faults.DUPLICATE)
        if what == "sent":
            self.around.on_point(outgoing.owner, SENT)

    def crash(self, rng: random.Random, *, is_faulty: bool = True, fault: str | None = None) -> None:
        """Everything in hand is gone; the process starts again, on its own disk or on an empty one.

        Delivery begins again where it may, for each partition by chance, or everywhere with the same `fault`.
        """
        self.restarts += 1
        self.producer.crash()
        if self.forget is not None:
            self.forget()
        for (agent, number), table in self.tables.items():
            if is_faulty and table.changelog and rng.random() < 0.15:
                table.wipe()
                self.faults.count(faults.WIPED)
            consumer = self.consumers[agent, number]
            chosen = fault if fault is not None else rng.choice(("", "", "rewind", "hole"))
            chosen = chosen if is_faulty else ""
            if consumer.restart(rng, chosen):
                self.faults.count(faults.REWIND if chosen == "rewind" else faults.HOLE)
        self._own()

    def partition(self, agent: str, number: int) -> OwnedPartition:
        """One partition in hand."""
        return next(one for one in self.partitions if (one.agent.name, one.number) == (agent, number))

    @property
    def is_idle(self) -> bool:
        """Whether nothing can happen before something new arrives or time passes."""
        return not self.producer.is_busy and all(partition.is_idle for partition in self.partitions)


__all__ = ["Crash", "Process"]
