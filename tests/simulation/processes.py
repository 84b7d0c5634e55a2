"""Worker processes: their agents, what survives their crash, and what happens next in them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from simulation import faults
from simulation.faults import Faults
from simulation.guarded import SENT, Agent, Crash, OwnedPartition, Surroundings, Table
from simulation.log import Consumer, Producer


@dataclass
class Process:
    """One role. Tables and consumers outlive a crash; partitions in hand and the producer do not."""

    name: str
    agents: tuple[Agent, ...]
    around: Surroundings
    faults: Faults
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
        self._idle_at = -1
        self._own()

    def _own(self) -> None:
        self._idle_at = -1
        self.partitions = [
            OwnedPartition(
                agent, number, self.tables[agent.name, number], self.consumers[agent.name, number], self.producer,
                self.around,
            )
            for agent in self.agents
            for number in range(self.around.log.count(agent.topic))
        ]  # fmt: skip

    def advance(self) -> bool:
        """One thing happens in this process. Returns whether anything could."""
        rng = self.around.rng
        if self._idle_at == self.around.log.number:
            return False
        if self.producer.is_busy and rng.random() < 0.6:
            self._produce()
            return True
        first = rng.randrange(len(self.partitions))
        for number in range(len(self.partitions)):
            if self.partitions[(first + number) % len(self.partitions)].advance():
                return True
        if self.producer.is_busy:
            self._produce()
            return True
        if all(partition.is_idle for partition in self.partitions):
            self._idle_at = self.around.log.number
        return False

    def disturb(self) -> None:
        """Something other than a new record gives this process work."""
        self._idle_at = -1

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
