"""What a value shows of itself: enough to know what it is, no private text (I9)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import CLIENT, NOW, command, graph_item, meeting, seen

from concord.glimpse import glimpse
from schemas.calendar import Sensitivity
from schemas.changes import Change, Side, Wakeup
from schemas.codec import encode
from schemas.commands import Action, Outcome, Result
from schemas.settings import Settings
from schemas.topics import (
    GRAPH_CHANGES,
    GRAPH_WAKEUPS,
    SALESFORCE_COMMANDS,
    SETTINGS_CHANGES,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
)

SECRET = "Surgery with Dr Grey"
PRIVATE = meeting(SECRET, body=SECRET, location=SECRET, sensitivity=Sensitivity.PRIVATE, attendees=(CLIENT,))


def text_of(topic: str, value: bytes | None) -> str:
    """All rows as one text."""
    return "\n".join(f"{name}: {text}" for name, text in glimpse(topic, value))


def test_a_readable_record_says_what_it_is() -> None:
    """Ids, times and our own words; of a plain event its subject and time."""
    change = Change(Side.GRAPH, "G", NOW, graph_item(meeting("Review")), mailbox="m", cause="delta", native='{"x": 1}')
    found = text_of(GRAPH_CHANGES, encode(change))
    for words in ("record: Change", "id: G", "mailbox: m", "side: graph", "cause: delta", "item.content: “Review”, "):
        assert words in found
    assert '{"x"' not in found


@pytest.mark.parametrize(
    ("topic", "record"),
    [
        (GRAPH_CHANGES, Change(Side.GRAPH, "G", NOW, graph_item(PRIVATE), native=SECRET)),
        (SYNC_JOURNAL, seen(graph_item(PRIVATE))),
        (SALESFORCE_COMMANDS, command(content=PRIVATE, source=PRIVATE, target=PRIVATE, basis=PRIVATE)),
        (SALESFORCE_COMMANDS, command(content=meeting(SECRET), basis=PRIVATE)),
        (
            SYNC_OUTCOMES,
            Outcome(
                "c#1", "p", Side.GRAPH, Action.UPDATE, Result.REFUSED, NOW, graph_item(PRIVATE), "C", SECRET, SECRET
            ),
        ),
    ],
)
def test_nothing_of_a_private_event_is_shown(topic: str, record: object) -> None:
    """Neither text nor people, wherever in the record it stands; also when only one version of it was private."""
    found = text_of(topic, encode(record))
    assert "record: " in found
    assert SECRET not in found
    assert CLIENT.address not in found
    assert CLIENT.name not in found
    assert "(private)" in found


def test_words_of_a_service_and_people_are_not_shown_of_a_plain_event_either() -> None:
    """A message may quote anything; the subject is all that is told of the content."""
    item = graph_item(meeting("Review", body="Notes", location="Room 9", attendees=(CLIENT,)))
    outcome = Outcome("c#1", "p", Side.GRAPH, Action.UPDATE, Result.REFUSED, NOW, item, "C", "said so", "left out")
    found = text_of(SYNC_OUTCOMES, encode(outcome))
    assert "code: C" in found
    for words in ("said so", "left out", "Notes", "Room 9", CLIENT.address, "ann@firm.example"):
        assert words not in found


@pytest.mark.parametrize("topic", [GRAPH_CHANGES, "", "no.topic"])
@pytest.mark.parametrize("value", [SECRET.encode(), b"\xc3\x01" + b"12345678" + SECRET.encode()])
def test_bytes_that_cannot_be_read_show_size_and_digest_only(topic: str, value: bytes) -> None:
    """Their text might be private: neither as text nor as numbers."""
    found = text_of(topic, value)
    assert f"{len(value)} bytes, sha256 " in found
    assert "Surgery" not in found
    assert value[10:].hex() not in found
    assert value[10:14].hex(" ") not in found


def test_what_is_known_of_the_schema_is_told() -> None:
    """An unknown fingerprint tells which version wrote it; a record of another kind is named."""
    assert "fingerprint 3132333435363738" in text_of(GRAPH_CHANGES, b"\xc3\x0112345678x")
    assert "none: no Avro" in text_of(GRAPH_CHANGES, b"x")
    assert "Wakeup stands where a Change belongs" in text_of(GRAPH_CHANGES, encode(Wakeup("m", "timer", NOW)))


def test_other_records_and_none() -> None:
    """Whoever is on the topic; a tombstone has no value."""
    assert "key: m" in text_of(GRAPH_WAKEUPS, encode(Wakeup("m", "timer", NOW + timedelta(days=1))))
    assert "number: 3" in text_of(SETTINGS_CHANGES, encode(replace(Settings(), number=3)))
    assert text_of(GRAPH_CHANGES, None) == "value: none"
