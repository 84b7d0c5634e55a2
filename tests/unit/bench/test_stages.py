"""The way of a change through the log."""

from __future__ import annotations

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.builders import NOW, command, graph_item, meeting, removed, salesforce_item, seen

from bench.plan import Kind
from bench.stages import Legs, match_legs
from bench.watching import Expected, Meeting
from concord.reading import Read
from schemas.changes import Change, Side
from schemas.codec import encode
from schemas.commands import Action
from schemas.topics import GRAPH_CHANGES, GRAPH_COMMANDS, SALESFORCE_CHANGES, SALESFORCE_COMMANDS, SYNC_JOURNAL

ACCEPTED_AT = 1_000_000.0


def _read(topic: str, record: Any, after_s: float, offset: int = 0) -> Read:
    return Read(topic, 0, offset, round((ACCEPTED_AT + after_s) * 1000), b"key", encode(record))


def _expected(kind: Kind, towards: Side, latency_s: float = 1.0, subject: str = "Review") -> Expected:
    start = meeting().span.start_utc
    held = Meeting(subject, start, timedelta(hours=1), "mailbox-ann", "uid-G", "G", "S")
    return Expected(kind, towards, held, subject, start, accepted=50.0, accepted_at=ACCEPTED_AT, seen=50.0 + latency_s)


def test_a_change_is_followed_through_every_stage() -> None:
    """From Outlook: read after 0.4 s, in the journal after 0.5, decided after 0.7, seen in Salesforce after 1 s."""
    expected = _expected(Kind.EDIT, Side.SALESFORCE)
    item = graph_item()
    records = [
        _read(GRAPH_CHANGES, Change(Side.GRAPH, "G", NOW, item, mailbox=item.mailbox), 0.4, offset=7),
        _read(SYNC_JOURNAL, seen(item, offset=7), 0.5, offset=3),
        _read(SALESFORCE_COMMANDS, command(Side.SALESFORCE, Action.UPDATE), 0.7),
    ]
    legs = match_legs([expected], records)[id(expected)]
    assert legs == Legs(*(pytest.approx(value) for value in (0.4, 0.1, 0.2, 0.3)))


def test_a_deletion_is_known_by_its_id() -> None:
    """A removal names nothing but the record."""
    expected = _expected(Kind.DELETE, Side.GRAPH)
    records = [
        _read(SALESFORCE_CHANGES, Change(Side.SALESFORCE, "S", NOW), 0.2, offset=1),
        _read(SYNC_JOURNAL, removed(Side.SALESFORCE, "S", offset=1), 0.3),
        _read(GRAPH_COMMANDS, command(Side.GRAPH, Action.DELETE), 0.4),
    ]
    assert match_legs([expected], records).keys() == {id(expected)}


def test_another_changes_records_are_passed_over() -> None:
    """Another subject, another source position, a command to the other side, or a change that never showed: no legs."""
    expected = _expected(Kind.EDIT, Side.SALESFORCE)
    item = graph_item()
    change = Change(Side.GRAPH, "G", NOW, item, mailbox=item.mailbox)
    other = replace(change, item=graph_item(meeting("Other")))
    entry = _read(SYNC_JOURNAL, seen(item, offset=7), 0.5)
    decided = _read(SALESFORCE_COMMANDS, command(), 0.7)
    assert not match_legs([expected], [_read(GRAPH_CHANGES, other, 0.4, offset=7), entry, decided])
    assert not match_legs([expected], [_read(GRAPH_CHANGES, change, 0.4, offset=8), entry, decided])
    outbound = _read(GRAPH_COMMANDS, command(Side.GRAPH), 0.7)
    read = _read(GRAPH_CHANGES, change, 0.4, offset=7)
    assert not match_legs([expected], [read, entry, outbound])
    assert match_legs([expected], [read, entry, outbound, decided])
    expected.seen = None
    assert not match_legs([expected], [read, entry, decided])


def test_the_subject_is_looked_for_in_what_was_read() -> None:
    """A change made in Practifi is told by a record of the other topic."""
    expected = _expected(Kind.MOVE, Side.GRAPH)
    item = salesforce_item()
    records = [
        _read(SALESFORCE_CHANGES, Change(Side.SALESFORCE, "S", NOW, item), 0.1, offset=2),
        _read(SYNC_JOURNAL, seen(item, offset=2), 0.2),
        _read(GRAPH_COMMANDS, command(Side.GRAPH, Action.UPDATE), 0.3),
    ]
    assert match_legs([expected], records)[id(expected)].read_s == pytest.approx(0.1)
