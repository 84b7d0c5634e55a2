"""What people did against what both sides hold at the end: every change that was accepted last must stand. Pure.

Only a change in Practifi may have lost: in a conflict, in which Microsoft 365 wins and a decision keeps what lost.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bench.plan import Kind
from bench.watching import Expected
from concord.comparison import Firm, instant
from schemas.changes import Side
from schemas.commands import Decision

Held = tuple[str, datetime]
"""Subject and start of an event."""

# Reasons of decisions in which Microsoft 365 won over what was done in Practifi.
WON: Final = frozenset({"conflict", "edit_beats_deletion"})


def pairs_won(decisions: Iterable[Decision]) -> frozenset[str]:
    """The pairs in which Microsoft 365 won a conflict."""
    return frozenset(decision.pair_key for decision in decisions if decision.reason in WON)


def has_lost(change: Expected, won: Container[str]) -> bool:
    """Whether a change may not stand because Microsoft 365 won: made in Practifi, of a pair with a conflict."""
    meeting = change.meeting
    return change.towards is Side.GRAPH and (f"m:{meeting.ical_uid}" in won or f"s:{meeting.record_id}" in won)


def last_of_each(changes: Iterable[Expected]) -> list[Expected]:
    """The change of each event that was accepted last; they must stand in the order in which they were made."""
    last: dict[int, Expected] = {}
    for change in changes:
        if not change.is_refused and change.accepted is not None:
            last[id(change.meeting)] = change
    return list(last.values())


def losses(changes: Iterable[Expected], firm: Firm, won: Container[str] = frozenset()) -> list[str]:
    """What was accepted and is not there, or was deleted and still is, in words; `won` as `pairs_won` gives it."""
    organized = [event for events in firm.mailboxes.values() for event in events if event["isOrganizer"]]
    microsoft = {event["iCalUId"]: (event["subject"], instant(event["start"])) for event in organized}
    practifi = {record["Id"]: (record["Subject"], _start(record)) for record in firm.events}
    return [
        words
        for change in last_of_each(changes)
        if not has_lost(change, won)
        for words in (
            *_problem(change, "Microsoft 365", microsoft, change.meeting.ical_uid),
            *_problem(change, "Practifi", practifi, change.meeting.record_id),
        )
    ]


def _start(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(record["StartDateTime"])


def _problem(change: Expected, side: str, held: Mapping[str, Held], known: str) -> Iterator[str]:
    """What is wrong on one side with an event of which `known` is the id there, "" when it was never seen there."""
    wanted = (change.subject, change.start)
    name = f"{change.subject!r} in {side}"
    found: Sequence[Held] = [held[known]] if known in held else []
    if not known:
        found = [one for one in held.values() if one[0] == change.subject]
    if change.kind is Kind.DELETE:
        if found:
            yield f"{name}: deleted, and still there"
    elif not found:
        yield f"{name}: {change.kind} accepted, and not there"
    elif found[0] != wanted:
        yield f"{name}: {change.kind} accepted, and it holds {found[0][0]!r} at {found[0][1]:%d %b %H:%M} instead"
