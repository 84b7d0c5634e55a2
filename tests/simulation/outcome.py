"""What a finished run left behind, read once: raw items of both sides, pairs, commands, decisions, journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from schemas.changes import Change
from schemas.codec import decode
from schemas.commands import Command, Decision, Outcome
from schemas.journal import JournalEntry, OperatorActed, OperatorVerb
from schemas.state import PairState
from schemas.topics import (
    GRAPH_CHANGES,
    GRAPH_COMMANDS,
    SALESFORCE_CHANGES,
    SALESFORCE_COMMANDS,
    SYNC_DECISIONS,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
)
from simulation.guarded import POSITION_ROW
from simulation.log import Stored
from simulation.transport import Write
from simulation.world import World


@dataclass
class Ending:
    """The end of a run."""

    world: World
    graph: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    """Living Graph events by id: (mailbox, raw)."""
    salesforce: dict[str, dict[str, Any]] = field(default_factory=dict)
    relations: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pairs: dict[str, PairState] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    journal: list[tuple[Stored, JournalEntry]] = field(default_factory=list)
    changes: dict[tuple[str, int], list[Change | None]] = field(default_factory=dict)
    """Every change by topic and partition, in order of offset; None where the record cannot be read."""

    @property
    def writes(self) -> list[Write]:
        """Every write that either service carried out for us, in order per side."""
        services = self.world.services
        return [*services.graph.writes, *services.salesforce.writes]

    def has_dropped(self, pair_key: str) -> bool:
        """Whether an operator dropped what a pair held."""
        entries = (entry for _, entry in self.journal if entry.pair_key == pair_key)
        acts = [entry.what for entry in entries if isinstance(entry.what, OperatorActed)]
        return any(acted.verb is OperatorVerb.DROP for acted in acts)

    def mails_by_command(self) -> dict[str, Counter[Any]]:
        """The mails that each command caused; those of writes without a command stand under ""."""
        found: dict[str, Counter[Any]] = {}
        for write in self.world.services.graph.writes:
            found.setdefault(write.command_id, Counter()).update(write.mails)
        return {command: mails for command, mails in found.items() if mails}


def read_ending(world: World) -> Ending:
    """Read everything. Sends nothing on Concord's behalf."""
    ending = Ending(world)
    _read_services(ending)
    for (agent, _), table in world.process("reconcile").tables.items():
        if agent == "reconcile":
            for row, value in table.local.items():
                if not row.startswith(b"!") and row != POSITION_ROW:
                    state = decode(PairState, value)
                    ending.pairs[state.pair_key] = state
    for topic in (GRAPH_COMMANDS, SALESFORCE_COMMANDS):
        ending.commands |= {command.command_id: command for _, command in readable(world, topic, Command)}
    for _, outcome in readable(world, SYNC_OUTCOMES, Outcome):
        ending.outcomes.setdefault(outcome.command_id, []).append(outcome)
    for topic in (GRAPH_CHANGES, SALESFORCE_CHANGES):
        for number in range(world.log.count(topic)):
            records = (record.value for record in world.log.read(topic, number))
            found = [None if value in world.poison else decode(Change, value) for value in records]
            ending.changes[topic, number] = found
    ending.decisions = [decision for _, decision in readable(world, SYNC_DECISIONS, Decision)]
    ending.journal = list(readable(world, SYNC_JOURNAL, JournalEntry))
    return ending


def _read_services(ending: Ending) -> None:
    world = ending.world
    for person in world.services.people:
        for event in world.outlook.events(person.mailbox):
            ending.graph[event["id"]] = (person.mailbox, event)
    for record in world.practifi.events():
        ending.salesforce[record["Id"]] = record
    for relation in world.practifi.relations():
        ending.relations.setdefault(relation["EventId"], []).append(relation)


T = TypeVar("T")


def readable(world: World, topic: str, kind: type[T]) -> Iterator[tuple[Stored, T]]:
    """The records of a topic, without those that were planted to be unreadable."""
    for record in world.log.whole(topic):
        if record.value not in world.poison:
            yield record, decode(kind, record.value)
