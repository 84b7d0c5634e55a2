"""What a sink says of a command that it cannot carry out: an answer, so that its pair does not wait for ever."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.builders import graph_item, salesforce_item

from concord.guard import Record
from concord.roles.sinks import QUARANTINED, Sink, tell_of_poison
from schemas.changes import WRITTEN, Item, Kind, Side, Wakeup
from schemas.codec import decode, encode
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import Refused, UnreadableRecord
from schemas.topics import GRAPH_COMMANDS, GRAPH_WAKEUPS, SYNC_OUTCOMES
from streams.reasons import REASONS

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
COMMAND = Command("m:one#3", "m:one", Side.GRAPH, Action.UPDATE, NOW, 3, id="an-event")


class Sent:
    """Takes what is sent."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes]] = []

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """Send a record."""
        self.records.append((topic, key, value))

    def get(self, row: bytes) -> bytes | None:
        """Nothing was done before."""

    def set(self, row: bytes, value: bytes) -> None:
        """Nobody looks at it."""


def told(value: bytes, error: Exception) -> list[tuple[str, bytes, bytes]]:
    """What is sent when a record with this value fails for good."""
    lane = Sent()
    tell_of_poison(Record(GRAPH_COMMANDS, 0, 7, 0, b"m:one", value, ()), error, lane)  # type: ignore[arg-type]
    return lane.records


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (AssertionError("private words"), QUARANTINED, "AssertionError"),
        (KeyError("private words"), QUARANTINED, "KeyError"),
        (Refused("The id is malformed.", code="MALFORMED_ID"), "MALFORMED_ID", "The id is malformed."),
    ],
)
def test_a_poisonous_command_is_answered_as_refused(error: Exception, code: str, message: str) -> None:
    """The outcome names the command, a code with a sentence behind it, and no words of the record."""
    ((topic, key, value),) = told(encode(COMMAND), error)
    assert (topic, key) == (SYNC_OUTCOMES, b"m:one")
    outcome = decode(Outcome, value)
    assert (outcome.command_id, outcome.result, outcome.code, outcome.message) == (
        "m:one#3", Result.REFUSED, code, message,
    )  # fmt: skip
    assert QUARANTINED in REASONS


def test_nobody_waits_for_a_command_that_nobody_can_read() -> None:
    """Garbage goes to quarantine and nothing more is said."""
    assert told(b"garbage", UnreadableRecord("The record is empty.")) == []


@pytest.mark.parametrize(
    ("result", "item", "is_said"),
    [
        (Result.APPLIED, graph_item(), True),
        (Result.APPLIED, graph_item(kind=Kind.OCCURRENCE), False),
        (Result.STALE, graph_item(), False),
        (Result.APPLIED, None, False),
        (Result.APPLIED, salesforce_item(), False),
    ],
    ids=["ours", "a date of a series", "somebody else's", "a deletion", "in Practifi"],
)
def test_the_source_is_told_what_a_write_left(result: Result, item: Item | None, is_said: bool) -> None:
    """Only of a single event that stands as our write left it."""
    side = Side.GRAPH if item is None else item.side
    command = replace(COMMAND, side=side)

    async def carry_out(_: Command) -> Outcome:
        return Outcome("m:one#3", "m:one", side, Action.UPDATE, result, NOW, item)

    lane = Sent()
    record = Record(GRAPH_COMMANDS, 0, 7, 0, b"m:one", encode(command), ())
    asyncio.run(Sink(carry_out).step(record, lane))  # type: ignore[arg-type]
    said = [(key, decode(Wakeup, value)) for topic, key, value in lane.records if topic == GRAPH_WAKEUPS]
    expected = [(b"mailbox-ann", WRITTEN, ("etag-1 G",))] if is_said else []
    assert [(key, wakeup.reason, wakeup.versions) for key, wakeup in said] == expected
