"""The story of one pair: what was seen, what was decided and why, what was written, what became of it. Pure.

A join of the journal (in its own order) with the decisions, commands and outcomes that name its entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from schemas.calendar import CalendarEvent
from schemas.changes import Item, Side
from schemas.commands import Command, Decision, Outcome
from schemas.groups import ALL, MEMBERS
from schemas.journal import JournalEntry, OperatorActed, OutcomeKnown, Seen


@dataclass(frozen=True)
class Moment:
    """One journal entry of a pair with all that followed from it. `edited` names the groups that differ from what
    was last seen on that side."""

    at: datetime
    partition: int
    offset: int
    entry: JournalEntry
    edited: tuple[str, ...]
    decision: Decision | None
    commands: tuple[Command, ...]


def timeline(
    entries: Iterable[tuple[int, int, JournalEntry]], decisions: Iterable[Decision], commands: Iterable[Command]
) -> list[Moment]:
    """The pair's moments in journal order. Repeats of one entry, decision or command are told once."""
    decided = {(d.partition, d.offset): d for d in decisions}
    by_id = {command.command_id: command for command in commands}
    last: dict[tuple[Side, str], CalendarEvent] = {}
    told: set[tuple[str, int]] = set()
    moments = []
    for partition, offset, entry in sorted(entries, key=lambda row: (row[0], row[1])):
        source = (entry.source.lane, entry.source.offset)
        if source in told:
            continue
        told.add(source)
        decision = decided.get((partition, offset))
        sent = tuple(by_id[name] for name in decision.commands if name in by_id) if decision is not None else ()
        item = item_of(entry)
        edited: tuple[str, ...] = ()
        if item is not None:
            key = (item.side, item.id)
            edited = _edited(last.get(key), item.content)
            last[key] = item.content
        moments.append(Moment(entry.observed_at, partition, offset, entry, edited, decision, sent))
    return moments


def item_of(entry: JournalEntry) -> Item | None:
    """The item that an entry shows, if any."""
    match entry.what:
        case Seen(item=item):
            return item
        case OutcomeKnown(Outcome(item=item)):
            return item
        case _:
            return None


def _edited(before: CalendarEvent | None, after: CalendarEvent) -> tuple[str, ...]:
    if before is None:
        return ()
    return tuple(
        group for group in ALL if any(getattr(before, name) != getattr(after, name) for name in MEMBERS[group])
    )


def headline(entry: JournalEntry) -> str:
    """What an entry is, in words."""
    match entry.what:
        case Seen(side, item=None):
            return f"deletion seen in {service(side)}"
        case Seen(side):
            return f"seen in {service(side)}"
        case OutcomeKnown(outcome):
            return f"{service(outcome.side)} answered: {outcome.action} {outcome.result}"
        case OperatorActed(verb, by):
            return f"{by} asked for {verb}"
        case _:
            return "settings changed"


def service(side: Side) -> str:
    """The service as an administrator calls it."""
    return "Microsoft 365" if side is Side.GRAPH else "Practifi"
