"""What an iCalendar file says of an event, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any


class Unusable(Exception):
    """An event cannot be used; the text says why, in words for the person who gave the file."""


@dataclass(frozen=True)
class Person:
    """Someone named in an event. `kind` is required, optional or resource; `response` a Graph response word."""

    address: str
    name: str
    kind: str = "required"
    response: str = "none"


@dataclass(frozen=True)
class Moment:
    """A start or end: wall-clock time and its zone. `zone` None floats: it means the reader's own zone."""

    wall: datetime
    zone: tzinfo | None


@dataclass(frozen=True)
class Repeats:
    """What makes an event a series: its rule as icalendar reads it and as text with its UNTIL on the series' own clocks
    ("" without a rule), and the days that are left out or added."""

    rule: Mapping[str, list[Any]]
    text: str
    excluded: tuple[Moment, ...]
    added: tuple[Moment, ...]


@dataclass(frozen=True)
class IcsEvent:
    """One event of a file. `reminder_minutes` None means no reminder; ends of all-day events are exclusive.

    A series has `repeats` and its changed dates as `overrides`; each of these names in `instead_of` the date it stands
    for. A changed date whose series the file does not hold is an event of its own.
    """

    uid: str
    sequence: int
    subject: str
    body: str
    location: str
    start: Moment
    end: Moment
    is_all_day: bool
    sensitivity: str
    show_as: str
    importance: str
    is_cancelled: bool
    reminder_minutes: int | None
    categories: tuple[str, ...]
    organizer: Person | None
    attendees: tuple[Person, ...]
    notes: tuple[str, ...]
    """What of it was left out: lines that cannot be read, attendees without a mail address."""
    repeats: Repeats | None = None
    overrides: tuple[IcsEvent, ...] = ()
    instead_of: Moment | None = None


@dataclass(frozen=True)
class Unread:
    """An event of the file that is not used, and why."""

    uid: str
    subject: str
    reason: str
