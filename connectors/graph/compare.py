"""Whether an event holds what a write asked for, group by group. Pure.

Looser than equality where Exchange rewrites what it is given: display names, white space of a body, the Teams join
block, answers of attendees, the case of addresses. Used only to tell what became of a write whose answer was lost
or refused; what changed in content is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from connectors.graph.text import clean, clean_body, is_same_text
from schemas.calendar import AttendeeKind, CalendarEvent
from schemas.changes import Item
from schemas.groups import CONTENT, JOIN_URL, MARKS, OWNER, RECURRING


def holds(item: Item, content: CalendarEvent, groups: Iterable[str], pair_key: str) -> bool:
    """Whether the item holds these groups of `content`, and with the marks group also our tag."""
    return all(
        item.sync_key == pair_key if group == MARKS else is_same(item.content, content, group)
        for group in groups
        if group not in (OWNER, RECURRING, JOIN_URL)
    )


def is_unchanged(item: Item, basis: CalendarEvent) -> bool:
    """Whether the item still holds the content that a write was decided on, whatever its version says."""
    return all(is_same(item.content, basis, group) for group in CONTENT)


def is_same(one: CalendarEvent, other: CalendarEvent, group: str) -> bool:
    """Whether two contents say the same in one group."""
    match group:
        case "time":
            return _times(one) == _times(other)
        case "subject":
            return clean(one.subject) == clean(other.subject)
        case "body":
            return is_same_text(clean_body(one.body), clean_body(other.body))
        case "location":
            return clean(one.location) == clean(other.location)
        case "show_as":
            return one.show_as is other.show_as
        case "privacy":
            return one.sensitivity is other.sensitivity
        case "reminder":
            return one.reminder_minutes == other.reminder_minutes
        case "teams":
            return one.is_teams == other.is_teams
        case "rooms":
            return _resources(one) == _resources(other)
        case _:
            assert group == "people", f"no such group: {group}"
            organizers = {c.organizer.address.lower() for c in (one, other) if c.organizer is not None}
            return _people(one, organizers) == _people(other, organizers)


def _times(content: CalendarEvent) -> tuple[object, ...]:
    span = content.span
    return span.start_utc, span.end_utc, span.is_all_day


def _resources(content: CalendarEvent) -> frozenset[str]:
    return frozenset(a.address.strip().lower() for a in content.attendees if a.kind is AttendeeKind.RESOURCE)


def _people(content: CalendarEvent, organizers: Set[str]) -> frozenset[tuple[str, str]]:
    """Who is invited and how. The organizer is no attendee, though some clients list it; rooms are told apart."""
    people = (a for a in content.attendees if a.kind is not AttendeeKind.RESOURCE)
    addressed = ((a.address.strip().lower(), str(a.kind)) for a in people)
    return frozenset(person for person in addressed if person[0] and person[0] not in organizers)
