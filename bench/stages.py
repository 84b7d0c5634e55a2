"""Where the time of a change went, stage by stage, told from the times of the records on the log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bench.plan import Kind
from bench.watching import Expected
from concord.reading import Read, read_topics
from schemas.changes import Change, Side
from schemas.codec import decode
from schemas.commands import Command
from schemas.journal import JournalEntry
from schemas.topics import GRAPH_CHANGES, GRAPH_COMMANDS, SALESFORCE_CHANGES, SALESFORCE_COMMANDS, SYNC_JOURNAL

CHANGES: Final = (GRAPH_CHANGES, SALESFORCE_CHANGES)
COMMANDS: Final = (GRAPH_COMMANDS, SALESFORCE_COMMANDS)


@dataclass(frozen=True)
class Legs:
    """Seconds of one change's way: until a source had read it (the service tells late, or is asked at intervals), in
    intake, in reconcile, and in the sink until it showed. Each ends when the next record was written."""

    read_s: float
    intake_s: float
    reconcile_s: float
    sink_s: float


def read_legs(broker: str, changes: Iterable[Expected]) -> dict[int, Legs]:
    """The legs of the changes that showed, by `id` of the expectation. Reads five topics whole."""
    records = read_topics(broker, *CHANGES, SYNC_JOURNAL, *COMMANDS)
    return match_legs(changes, sorted(records, key=lambda record: record.timestamp_ms))


def match_legs(changes: Iterable[Expected], records: Iterable[Read]) -> dict[int, Legs]:
    """Follow each change through the records, which come in the order of their times. Pure.

    One that took another way is left out: put into a later command together with another, or read twice.
    """
    wanted = {_sign(one): one for one in changes if one.latency_s is not None}
    entries: dict[tuple[str, int, int], tuple[Expected, float]] = {}
    commands: dict[tuple[str, datetime], tuple[Expected, float, float]] = {}
    legs: dict[int, Legs] = {}
    for record in records:
        now = record.timestamp_ms / 1000
        if record.topic in CHANGES:
            one = wanted.pop(_sign_of(decode(Change, record.value)), None)
            if one is not None:
                entries[record.topic, record.partition, record.offset] = one, now
        elif record.topic == SYNC_JOURNAL:
            entry = decode(JournalEntry, record.value)
            found = entries.pop((entry.source.topic, entry.source.partition, entry.source.offset), None)
            if found is not None:
                commands[entry.pair_key, entry.observed_at] = *found, now
        else:
            command = decode(Command, record.value)
            known = commands.get((command.pair_key, command.decided_at))
            if known is not None and command.side is known[0].towards:
                one, read, entered = commands.pop((command.pair_key, command.decided_at))
                legs[id(one)] = _legs(one, read, entered, now)
    return legs


def _legs(one: Expected, read: float, entered: float, decided: float) -> Legs:
    assert one.latency_s is not None
    return Legs(
        max(0.0, read - one.accepted_at), entered - read, decided - entered,
        max(0.0, one.accepted_at + one.latency_s - decided),
    )  # fmt: skip


Sign = tuple[Side, str, str, str]


def _sign(one: Expected) -> Sign:
    """What a record must say to be about this change. Of one event, no two changes make the same subject and start."""
    side = Side.GRAPH if one.towards is Side.SALESFORCE else Side.SALESFORCE
    native = one.meeting.graph_id if side is Side.GRAPH else one.meeting.record_id
    if one.kind is Kind.DELETE:
        return side, native, "", ""
    return side, native, one.subject, one.start.isoformat()


def _sign_of(change: Change) -> Sign:
    if change.item is None:
        return change.side, change.id, "", ""
    content = change.item.content
    return change.side, change.id, content.subject, content.span.start_utc.isoformat()
