"""Records that nobody can read, on every topic that an agent reads: quarantined as they are, and nobody waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.running import Running

from concord.changing import read_directory
from concord.connecting import producer_of
from concord.processes import ROLES
from concord.reading import Read, read_topics
from concord.roles.sinks import QUARANTINED
from schemas.changes import Change, Side, Wakeup
from schemas.codec import MARKER, encode
from schemas.commands import Action, Command, Outcome, Result
from schemas.topics import (
    BY_NAME,
    DEFAULT_PARTITIONS,
    DIRECTORY_CHANGES,
    GRAPH_CHANGES,
    GRAPH_COMMANDS,
    GRAPH_WAKEUPS,
    OPERATOR_ACTIONS,
    SALESFORCE_CHANGES,
    SALESFORCE_COMMANDS,
    SALESFORCE_WAKEUPS,
    SETTINGS_CHANGES,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
    SYNC_QUARANTINE,
)

pytestmark = pytest.mark.broker

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# Who reads each topic, by the name of its application.
READERS = {
    GRAPH_WAKEUPS: "concord-source-graph",
    SALESFORCE_WAKEUPS: "concord-source-salesforce",
    GRAPH_CHANGES: "concord-reconcile",
    SALESFORCE_CHANGES: "concord-reconcile",
    SYNC_OUTCOMES: "concord-reconcile",
    SETTINGS_CHANGES: "concord-reconcile",
    OPERATOR_ACTIONS: "concord-reconcile",
    SYNC_JOURNAL: "concord-reconcile",
    GRAPH_COMMANDS: "concord-sink-graph",
    SALESFORCE_COMMANDS: "concord-sink-salesforce",
}
WAKEUP = encode(Wakeup("nobody", "operator", NOW))
CHANGE = encode(Change(Side.GRAPH, "nothing", NOW))
UNKNOWN_FINGERPRINT = MARKER + b"\x01\x02\x03\x04\x05\x06\x07\x08" + b"body"


def bad_values(topic: str) -> list[bytes]:
    """What must not stand on a topic: garbage, a schema that nobody knows, another record, one cut short, nothing."""
    other = CHANGE if topic in (GRAPH_WAKEUPS, SALESFORCE_WAKEUPS) else WAKEUP
    return [b"\x00garbage \xff", UNKNOWN_FINGERPRINT, other, other[:10], b""]


def put(
    firm: Running, topic: str, values: list[bytes], key: bytes = b"bad", partitions: int = 0
) -> dict[tuple[str, int, int], bytes]:
    """Write values to the first so many partitions of a topic, 0 for all; where each stands."""
    partitions = partitions or BY_NAME[topic].partitions or DEFAULT_PARTITIONS
    with producer_of(firm.broker) as producer:
        sent = [
            (producer.send(topic, key=key, value=value, partition=number), value)
            for number in range(partitions)
            for value in values
        ]
        return {(topic, number.partition, number.offset): value
                for number, value in ((future.get(timeout=30), value) for future, value in sent)}  # fmt: skip


def quarantined(firm: Running) -> dict[tuple[str, int, int], Read]:
    """What stands in quarantine, by the place it came from."""
    found = {}
    for read in read_topics(firm.broker, SYNC_QUARANTINE):
        headers = {name: value.decode() for name, value in read.headers}
        where = tuple(headers.get(f"__connect.errors.{name}", "0") for name in ("topic", "partition", "offset"))
        found[where[0], int(where[1]), int(where[2])] = read
    return found


@pytest.mark.long
def test_bad_records_are_quarantined_and_hold_nobody_up(firm: Running) -> None:
    """Five kinds of nonsense in every partition of every topic that an agent reads: each stands in quarantine with its
    bytes, its key and Connect's headers, every partition moves on, and what people do afterwards is synced."""
    restarts = firm.env.roles.restarts
    bad: dict[tuple[str, int, int], bytes] = {}
    for topic in READERS:
        bad |= put(firm, topic, bad_values(topic))
    user, day = firm.users[0], firm.a_free_day()
    made = firm.outlook.create(user.address, firm.meeting("After the nonsense", day))
    record_id = firm.practifi.create(firm.entry("After the nonsense, there", day, user))
    firm.record_of(made["id"], Subject="After the nonsense")
    firm.event_of(user, record_id, subject="After the nonsense, there")
    firm.settle()
    held = firm.until(lambda: (found := quarantined(firm)).keys() >= bad.keys() and found, "all of them in quarantine")
    for where, value in bad.items():
        headers = {name: text.decode() for name, text in held[where].headers}
        assert (held[where].key, held[where].value) == (b"bad", value), where
        assert headers["__connect.errors.connector.name"] == READERS[where[0]]
        assert headers["__connect.errors.stage"] == "VALUE_CONVERTER"
        assert headers["__connect.errors.exception.class.name"] == "schemas.errors.UnreadableRecord"
        assert headers["__connect.errors.exception.message"]
        assert "codec" in headers["__connect.errors.exception.stacktrace"]
        assert headers["__connect.errors.task.id"].endswith("-0")
    assert firm.env.roles.restarts == restarts, "a role ended because of a bad record"


def test_a_readable_record_that_cannot_be_processed_is_quarantined(firm: Running) -> None:
    """A create that says nothing of what to make cannot be carried out: it stands in quarantine under Connect's word
    for a sink, its text in no header; the pair is told, and the partition moves on."""
    command = Command(
        "secret#1", "secret", Side.GRAPH, Action.CREATE, NOW, 1, mailbox="nobody", fields=("subject",), reason="secret"
    )
    bad = put(firm, GRAPH_COMMANDS, [encode(command)], partitions=1)
    bad |= put(firm, SALESFORCE_COMMANDS, [encode(replace(command, side=Side.SALESFORCE))], partitions=1)
    held = firm.until(lambda: (found := quarantined(firm)).keys() >= bad.keys() and found, "all of them in quarantine")
    for where in bad:
        headers = {name: text.decode() for name, text in held[where].headers}
        assert headers["__connect.errors.stage"] == "TASK_PUT"
        assert "secret" not in "".join(headers.values())
    firm.settle()
    told = {(o.side, o.result, o.code) for o in firm.decoded(Outcome, SYNC_OUTCOMES) if o.command_id == "secret#1"}
    assert told == {(side, Result.REFUSED, QUARANTINED) for side in Side}


def test_a_bad_fact_in_the_directory_is_passed_over(firm: Running) -> None:
    """The directory is followed by everybody and read by the command line: nonsense among its facts stops neither."""
    before = read_directory(firm.broker).entries
    put(firm, DIRECTORY_CHANGES, [b"\x00garbage \xff", UNKNOWN_FINGERPRINT, WAKEUP], key=b"bad \xff")
    assert read_directory(firm.broker).entries == before
    user, day = firm.users[1], firm.a_free_day()
    made = firm.outlook.create(user.address, firm.meeting("After a bad fact", day, 2))
    record = firm.record_of(made["id"], Subject="After a bad fact")
    wanted = {one[0] for one in firm.people[:2]}
    firm.until(lambda: firm.invitees(record["Id"]) == wanted, "the attendees")
    for role in ROLES:
        assert firm.env.roles.is_running(role)
