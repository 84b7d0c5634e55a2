"""Field groups in words, as an administrator reads them: times in UTC, people by name. Pure.

Decisions store compound values as JSON, so that they can be undone; `stored` turns those into the same words.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from schemas.calendar import Attendee, CalendarEvent, Response, Sensitivity, TimeSpan
from schemas.groups import (
    BODY,
    JOIN_URL,
    LOCATION,
    MARKS,
    OWNER,
    PEOPLE,
    PRIVACY,
    RECURRING,
    REMINDER,
    ROOMS,
    SHOW_AS,
    SUBJECT,
    TEAMS,
    TIME,
)

# What is hidden of a private event. Times and the free/busy value stay: a calendar shows those to everyone.
PRIVATE_GROUPS: Final = frozenset({SUBJECT, BODY, LOCATION, PEOPLE, OWNER, JOIN_URL, ROOMS})
HIDDEN: Final = "(private)"

NAMES: Final[dict[str, str]] = {
    TIME: "time",
    SUBJECT: "subject",
    BODY: "description",
    LOCATION: "location",
    SHOW_AS: "show as",
    PRIVACY: "privacy",
    REMINDER: "reminder",
    PEOPLE: "attendees",
    OWNER: "assigned to",
    RECURRING: "series",
    TEAMS: "Teams meeting",
    JOIN_URL: "Teams meeting URL",
    ROOMS: "rooms",
    MARKS: "marks",
}
NOTHING: Final = "nothing"
NOBODY: Final = "nobody"
NO_REMINDER: Final = "none"


def words(content: CalendarEvent, group: str) -> str:
    """What an event holds in one group, in words."""
    match group:
        case "time":
            return span_words(content.span)
        case "people":
            return _people(content.attendees) + (" (invitations go out)" if content.send_invitations else "")
        case "owner":
            organizer = content.organizer
            return (organizer.name or organizer.address if organizer is not None else "") or content.owner_id or NOBODY
        case "reminder":
            return _reminder(content.reminder_minutes)
        case "marks":
            return ", ".join(part for part in (content.sync_status, content.external_id) if part) or NOTHING
        case "show_as":
            return _spaced(content.show_as)
        case "privacy":
            return str(content.sensitivity)
        case "rooms":
            return _people(content.rooms) if content.rooms else NOTHING
        case "teams":
            return "yes" if content.is_teams else "no"
        case _:
            return quoted(getattr(content, group))


def stored(group: str, text: str) -> str:
    """A value as a decision stores it (`streams.mapping.readable`), in words. Text that is not of that form stays."""
    if group == TIME and text:
        return _stored_time(text)
    if group == ROOMS and text in ("", "[]"):
        return NOTHING
    if group in (PEOPLE, ROOMS) and text:
        return _stored_people(text)
    if group == REMINDER:
        return _reminder(int(text)) if text.isdigit() else NO_REMINDER
    if group == TEAMS:
        return "yes" if text == str(True) else "no"
    if group in (SUBJECT, BODY, LOCATION, RECURRING, JOIN_URL):
        return quoted(text)
    return _spaced(text) or NOTHING


def _stored_time(text: str) -> str:
    try:
        value = json.loads(text)
        start, end = datetime.fromisoformat(value["start"]), datetime.fromisoformat(value["end"])
        return span_words(TimeSpan(start, end, bool(value["all_day"])))
    except (ValueError, KeyError, TypeError):
        return text


def _stored_people(text: str) -> str:
    try:
        rows = json.loads(text)
        if not isinstance(rows, list):
            return text
        return _people(tuple(Attendee(row[1], row[0], record_id=row[2], response=Response(row[3])) for row in rows))
    except (ValueError, KeyError, TypeError, IndexError):
        return text


def quoted(text: str) -> str:
    """Text in quotation marks, or the word for none."""
    return f"“{text}”" if text else NOTHING


def span_words(span: TimeSpan) -> str:
    """A span of time. The last day of an all-day event is inclusive here, as people say it."""
    start, end = span.start_utc, span.end_utc
    if span.is_all_day:
        last = max(start, end - timedelta(days=1))
        return f"all day {_day(start)}" if last.date() <= start.date() else f"all days {_day(start)} to {_day(last)}"
    if start.date() == end.date():
        return f"{_day(start)} {start:%H:%M}–{end:%H:%M} UTC"
    return f"{_day(start)} {start:%H:%M} to {_day(end)} {end:%H:%M} UTC"


def event_words(*contents: CalendarEvent) -> str:
    """What and when, as the first of what is held of an event says it; no text if any of it is private."""
    if not contents:
        return "An event"
    is_private = any(content.sensitivity is not Sensitivity.NORMAL for content in contents)
    subject = HIDDEN if is_private else contents[0].subject or "An event without subject"
    return f"{subject}, {span_words(contents[0].span)}"


def _day(moment: datetime) -> str:
    return f"{moment:%a} {moment.day} {moment:%b} {moment.year}"


def _people(people: tuple[Attendee, ...]) -> str:
    return ", ".join(_person(person) for person in people) or NOBODY


def _person(person: Attendee) -> str:
    name = person.name or person.address or person.record_id
    where = f" <{person.address}>" if person.name and person.address else ""
    answer = "" if person.response is Response.NONE else f" ({person.response})"
    return f"{name}{where}{answer}"


def _reminder(minutes: int | None) -> str:
    return NO_REMINDER if minutes is None else f"{minutes} minutes before"


def _spaced(text: str) -> str:
    return text.replace("_", " ")


def excerpts(before: str, after: str, length: int = 100) -> tuple[str, str]:
    """Two texts cut to about `length` characters each, around the place where they first differ, on one line each."""
    before, after = " ".join(before.split()), " ".join(after.split())
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    start = max(0, same - length // 4) if max(len(before), len(after)) > length else 0
    return _cut(before, start, length), _cut(after, start, length)


def _cut(text: str, start: int, length: int) -> str:
    part = text[start : start + length]
    return ("…" if start and part else "") + part + ("…" if start + length < len(text) else "")
