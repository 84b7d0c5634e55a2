"""Rooms and Resource Calendars find each other by identical, unique names."""

from __future__ import annotations

import pytest

from projections.directory import Directory
from schemas.directory import DirectoryEntry, EntryKind

CALENDAR = DirectoryEntry(EntryKind.ROOM, "023A", name="Banksia")
ROOM = DirectoryEntry(EntryKind.ROOM, "banksia@firm.example", "banksia@firm.example", "Banksia")


def directory(*entries: DirectoryEntry) -> Directory:
    """A directory of these facts."""
    known = Directory()
    for entry in entries:
        known.put(entry.key, entry)
    return known


def test_a_room_and_its_calendar_find_each_other() -> None:
    """By the room's address or by its name alone, and back."""
    known = directory(CALENDAR, ROOM)
    assert known.calendar_of("BANKSIA@firm.example ", "called otherwise in the invitation") == CALENDAR
    assert known.calendar_of("", " Banksia ") == CALENDAR
    assert known.room_of("023A") == (CALENDAR, ROOM)


@pytest.mark.parametrize(
    "twin",
    [
        DirectoryEntry(EntryKind.ROOM, "023B", name="Banksia"),
        DirectoryEntry(EntryKind.ROOM, "other@firm.example", "other@firm.example", "Banksia"),
    ],
)
def test_a_name_that_is_not_unique_matches_nothing(twin: DirectoryEntry) -> None:
    """Which of the two is meant cannot be told; once it is unique again it matches."""
    known = directory(CALENDAR, ROOM, twin)
    assert known.calendar_of(ROOM.address, ROOM.name) is None
    assert known.room_of("023A") == (CALENDAR, None)
    known.remove(twin.key)
    assert known.calendar_of(ROOM.address, ROOM.name) == CALENDAR


def test_what_is_not_known_matches_nothing() -> None:
    """Another spelling is another room; a calendar without a room stays one; no name is nobody's."""
    known = directory(CALENDAR, DirectoryEntry(EntryKind.ROOM, "023N", name=""))
    assert known.calendar_of("", "banksia") is None
    assert known.calendar_of("nobody@firm.example", "") is None
    assert known.room_of("023A") == (CALENDAR, None)
    assert known.room_of("023X") == (None, None)
