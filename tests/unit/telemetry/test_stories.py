"""The log tells what became of a pair: by its key and the decision's name, in every role, and without any text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.builders import CLIENT, NOW, firm_settings, graph_item, meeting, seen
from support.log_lines import lines, restored_logging

from concord.guard.record import DECISION, Record, whose
from concord.observing import configure_logs
from concord.roles.reconcile import SETTINGS_ROW, reconcile_step
from concord.roles.sinks import Sink
from schemas.calendar import Sensitivity
from schemas.codec import decode, encode
from schemas.commands import Command, Outcome, Result
from schemas.topics import GRAPH_COMMANDS, GRAPH_WAKEUPS, SALESFORCE_COMMANDS, SYNC_JOURNAL

SECRET = "Surgery with Dr Grey"
PRIVATE = meeting(SECRET, body=SECRET, location=SECRET, sensitivity=Sensitivity.PRIVATE, attendees=(CLIENT,))
WORDS = (SECRET, CLIENT.address, CLIENT.name, "ann@firm.example")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Other tests share the process."""
    with restored_logging():
        yield


class Table:
    """A lane: rows in memory, and what was sent."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {SETTINGS_ROW: encode(firm_settings())}
        self.sent: list[tuple[str, bytes, tuple[tuple[str, bytes], ...]]] = []
        self.get = self.rows.get
        self.set = self.rows.__setitem__

    def send(self, topic: str, key: bytes, value: bytes, headers: Any = ()) -> None:
        """Send a record."""
        self.sent.append((topic, value, tuple(headers)))


def decided() -> list[tuple[str, bytes, tuple[tuple[str, bytes], ...]]]:
    """What reconcile sends when a private event was read, its entry at partition 2, offset 42."""
    table = Table()
    entry = seen(graph_item(PRIVATE))
    reconcile_step(Record(SYNC_JOURNAL, 2, 42, 0, entry.pair_key.encode(), encode(entry)), table)  # type: ignore[arg-type]
    return table.sent


def test_each_decision_is_a_line_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    """With pair, decision and why; at INFO it costs nothing and says nothing."""
    configure_logs("DEBUG", "json")
    assert decided()
    (line,) = [line for line in lines(capsys) if line["message"] == "decided"]
    assert (line["pair_key"], line["decision"], line["verdict"]) == ("m:uid-G", "2/42", "write")
    assert (line["reason"], line["commands"], line["level"]) == ("created_in_microsoft", 1, "debug")
    assert not [word for word in WORDS if word in repr(line)]
    configure_logs("INFO", "json")
    decided()
    assert lines(capsys) == []


def test_a_command_carries_the_decision_and_its_outcome_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The line of the sink names the same pair and decision as that of reconcile. A refusal is a warning."""
    configure_logs("INFO", "json")
    (sent,) = [one for one in decided() if one[0] == SALESFORCE_COMMANDS]
    assert sent[2] == ((DECISION, b"2/42"),)
    asked = decode(Command, sent[1])
    record = Record(SALESFORCE_COMMANDS, 1, 7, 0, asked.pair_key.encode(), sent[1], sent[2])
    results = [Result.APPLIED, Result.REFUSED]

    async def carry_out(_: Command) -> Outcome:
        return Outcome(
            asked.command_id, asked.pair_key, asked.side, asked.action, results.pop(0), NOW, code="C", message=SECRET
        )

    async def scenario() -> None:
        for _ in range(2):
            await Sink(carry_out).step(record, Table())  # type: ignore[arg-type]

    asyncio.run(scenario())
    told = lines(capsys)
    assert [(line["result"], line["level"]) for line in told] == [("applied", "info"), ("refused", "warning")]
    for line in told:
        assert (line["pair_key"], line["decision"], line["command"]) == ("m:uid-G", "2/42", asked.command_id)
        assert (line["side"], line["action"], line["code"]) == ("salesforce", "create", "C")
        assert not [word for word in WORDS if word in repr(line)]


def test_whose_a_record_is() -> None:
    """A pair where the key is one; a decision where the record is a journal entry, or carries its name."""
    record = Record(SYNC_JOURNAL, 2, 42, 0, b"m:one", b"")
    assert whose(record) == {"pair_key": "m:one", "decision": "2/42"}
    assert whose(replace(record, topic=GRAPH_COMMANDS)) == {"pair_key": "m:one"}
    assert whose(replace(record, topic=GRAPH_WAKEUPS)) == {}
    named = replace(record, topic=GRAPH_COMMANDS, key=None, headers=((DECISION, b"0/1"),))
    assert whose(named) == {"decision": "0/1"}
