"""Whether an event holds what a write asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.graph.compare import holds, is_same, is_unchanged
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Item, Side
from schemas.groups import ALL, CONTENT

START = datetime(2026, 3, 10, 23, tzinfo=UTC)
CONTENT_HELD = CalendarEvent(
    TimeSpan(START, START + timedelta(hours=1)), "Review", "Agenda", "Banksia", reminder_minutes=15,
    attendees=(Attendee("a@x", "A"), Attendee("room@x", "R", AttendeeKind.RESOURCE)), organizer=Attendee("tom@x"),
)  # fmt: skip
EDITS: dict[str, dict[str, Any]] = {
    "time": {"span": TimeSpan(START, START + timedelta(hours=2))},
    "subject": {"subject": "Other"},
    "body": {"body": "Other"},
    "location": {"location": ""},
    "show_as": {"show_as": ShowAs.FREE},
    "privacy": {"sensitivity": Sensitivity.PRIVATE},
    "reminder": {"reminder_minutes": None},
    "people": {"attendees": (Attendee("room@x", "R", AttendeeKind.RESOURCE),)},
    "rooms": {"attendees": (Attendee("a@x", "A"),)},
    "teams": {"is_teams": True},
}


def item(content: CalendarEvent, sync_key: str = "s:1") -> Item:
    """An item that holds this."""
    return Item(Side.GRAPH, "id", "v", START, START, content, sync_key=sync_key)


@pytest.mark.parametrize("group", CONTENT)
def test_each_group_is_told_apart(group: str) -> None:
    """An edit of one group shows in that group, and in no other."""
    edited = replace(CONTENT_HELD, **EDITS[group])
    assert [name for name in CONTENT if not is_same(CONTENT_HELD, edited, name)] == [group]
    assert not holds(item(edited), CONTENT_HELD, (group,), "s:1")
    assert holds(item(edited), CONTENT_HELD, tuple(name for name in CONTENT if name != group), "s:1")
    assert not is_unchanged(item(edited), CONTENT_HELD)


def test_what_exchange_rewrites_is_no_difference() -> None:
    """Names looked up in the directory, answers, record ids, the order of people, white space: all the same content."""
    people = (
        Attendee("ROOM@x", "Room Banksia", AttendeeKind.RESOURCE, Response.ACCEPTED),
        Attendee("A@X", "Anna A", AttendeeKind.REQUIRED, Response.DECLINED, "003"),
        Attendee("tom@x", "Tom"),
        Attendee("", "No address"),
    )
    kept = replace(CONTENT_HELD, attendees=people, body="Agenda  \n", subject=" Review")
    assert holds(item(kept), CONTENT_HELD, ALL, "s:1")
    assert is_unchanged(item(kept), CONTENT_HELD)


def test_another_kind_of_invitation_is_a_difference() -> None:
    """Required and optional are what people see; changing it is an edit."""
    optional = replace(CONTENT_HELD.attendees[0], kind=AttendeeKind.OPTIONAL)
    edited = replace(CONTENT_HELD, attendees=(optional, CONTENT_HELD.attendees[1]))
    assert not is_same(CONTENT_HELD, edited, "people")


def test_the_marks_group_is_our_tag() -> None:
    """It is held when the event carries exactly this pair's key."""
    assert holds(item(CONTENT_HELD), CONTENT_HELD, ("marks",), "s:1")
    assert not holds(item(CONTENT_HELD, ""), CONTENT_HELD, ("marks",), "s:1")
    assert not holds(item(CONTENT_HELD, "S:1"), CONTENT_HELD, ("marks",), "s:1")
