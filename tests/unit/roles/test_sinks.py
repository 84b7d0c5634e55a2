"""What a sink says of a command that it cannot carry out: an answer, so that its pair does not wait for ever."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from concord.guard import Record
from concord.roles.sinks import QUARANTINED, tell_of_poison
from schemas.changes import Side
from schemas.codec import decode, encode
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import Refused, UnreadableRecord
from schemas.topics import GRAPH_COMMANDS, SYNC_OUTCOMES
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
