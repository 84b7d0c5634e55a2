"""Real calendars put into a simulated mailbox: an iCalendar file in, a report of what was imported and refused out.

The mailbox becomes the organizer of events that name no organizer or its own; an event of an outside organizer becomes
an attendee's copy; one whose organizer has another mailbox of the tenant goes into that one. Nobody is mailed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final

from simulators.graph.errors import GraphError
from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import User
from simulators.graph.zones import is_zone, zone
from simulators.ics_events import IcsEvent, Moment, Person, Unread, Unusable
from simulators.ics_reading import read_ics
from simulators.ics_series import series_json

# Length given to an event that lasts no time, in minutes: Outlook's own for a new meeting. Graph takes none without.
DEFAULT_MINUTES: Final = 30


# Years that a mailbox can hold: Exchange's calendar begins in 1601 and ends in 4500.
YEARS: Final = range(1601, 4500)


@dataclass(frozen=True)
class Refusal:
    """An event that was not imported, and why."""

    uid: str
    subject: str
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What became of one file. `read` = `imported` + the number of refusals; a series counts once, dates and all."""

    file: str
    read: int
    imported: int
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]
    """Events that were imported with something left out or completed, one sentence each."""
    problem: str = ""
    """Why the file as a whole could not be read; "" when it could."""
    events: tuple[str, ...] = ()
    """Graph ids of the imported events."""
    series: int = 0
    """How many of the imported events are series."""

    def sentence(self) -> str:
        """The counts in one line."""
        if self.problem:
            return f"{self.file}: not imported, {self.problem}"
        series = f" ({self.series} of them series)" if self.series else ""
        return f"{self.file}: {self.read} events read, {self.imported} imported{series}, {len(self.refused)} refused"


def import_ics(graph: GraphSimulator, path: Path, mailbox: str) -> ImportReport:
    """Import a file into `mailbox` (id or address). Never raises for what the file holds; the report says it all."""
    try:
        events, unread = read_ics(path.read_bytes())
    except (OSError, ValueError) as problem:
        text = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        return ImportReport(path.name, 0, 0, (), (), problem=text)
    return _Importer(graph, mailbox).run(path.name, events, unread)


class _Importer:
    def __init__(self, graph: GraphSimulator, mailbox: str) -> None:
        user = graph.world.user(mailbox)
        if user is None:
            raise KeyError(mailbox)
        self._graph = graph
        self._user = user
        self._held: dict[str, set[str]] = {}

    def run(self, file: str, events: tuple[IcsEvent, ...], unread: tuple[Unread, ...]) -> ImportReport:
        """Put every event where it belongs."""
        refused = [Refusal(entry.uid, entry.subject, entry.reason) for entry in unread]
        notes: list[str] = []
        placed: list[str] = []
        series = 0
        for event in events:
            try:
                event_id, said = self._put(event)
                placed.append(event_id)
                series += event.repeats is not None
                notes += [f"{event.subject or '(no subject)'}: {note}" for note in said]
            except Unusable as problem:
                refused.append(Refusal(event.uid, event.subject, str(problem)))
            except GraphError as problem:
                refused.append(Refusal(event.uid, event.subject, f"the mailbox refuses it: {problem.message}"))
        return ImportReport(
            file, len(events) + len(unread), len(placed), tuple(refused), tuple(notes), events=tuple(placed),
            series=series,
        )  # fmt: skip

    def _put(self, event: IcsEvent) -> tuple[str, list[str]]:
        """The new event's Graph id, and what was left out or completed. Raises Unusable, GraphError."""
        notes = list(event.notes)
        user = self._mailbox_of(event.organizer)
        is_own = event.organizer is None or self._is_address_of(user, event.organizer.address)
        if user.id != self._user.id:
            notes.append(f"put into the mailbox of its organizer, {user.mail}")
        if is_own and event.is_cancelled:
            raise Unusable("it is cancelled, and an organizer's mailbox keeps no cancelled meeting")
        held = self._held.get(user.id)
        if held is None:
            held = self._held[user.id] = {str(one["iCalUId"]) for one in self._graph.events_of(user.id)}
        name = event.uid if event.instead_of is None else f"{event.uid}_{event.instead_of.wall:%Y%m%d}"
        if event.uid and name in held:
            raise Unusable("the mailbox holds it already (same UID)")
        if event.start.wall.year not in YEARS or event.end.wall.year not in YEARS:
            raise Unusable(f"its dates lie outside the years {YEARS.start} to {YEARS.stop} that a mailbox holds")
        if event.start == event.end:
            event = replace(event, end=replace(event.end, wall=event.end.wall + timedelta(minutes=DEFAULT_MINUTES)))
            notes.append(f"it lasts no time, which a mailbox does not take: given {DEFAULT_MINUTES} minutes")
        value = event_json(event, user, is_own=is_own)
        if event.repeats is not None:
            members, said = series_json(event, user, lambda one: event_json(one, user, is_own=is_own))
            value |= members
            notes += said
        elif event.instead_of is not None and event.uid:
            notes.append("one date of a series that the file does not hold: put in as a single event")
        event_id = self._graph.add_event(user.id, value)
        held.add(name)
        return event_id, notes

    def _mailbox_of(self, organizer: Person | None) -> User:
        """The organizer's own mailbox when the tenant has it, else the one the file is imported for."""
        if organizer is None or self._is_address_of(self._user, organizer.address):
            return self._user
        mailbox = self._graph.world.mailbox_at(organizer.address)
        user = self._graph.world.user(mailbox) if mailbox is not None else None
        return user if user is not None and mailbox not in self._graph.world.rooms else self._user

    @staticmethod
    def _is_address_of(user: User, address: str) -> bool:
        return address.lower() in user.addresses


def event_json(event: IcsEvent, user: User, *, is_own: bool) -> dict[str, Any]:
    """An event as the Graph JSON of its copy in this user's mailbox. Pure."""
    value: dict[str, Any] = {
        "subject": event.subject,
        "body": {"contentType": "text", "content": event.body},
        "start": _date_time(event.start, user),
        "end": _date_time(event.end, user),
        "isAllDay": event.is_all_day,
        "showAs": event.show_as,
        "sensitivity": event.sensitivity,
        "importance": event.importance,
        "isReminderOn": event.reminder_minutes is not None,
        "reminderMinutesBeforeStart": event.reminder_minutes if event.reminder_minutes is not None else 15,
        "categories": list(event.categories),
        "isCancelled": event.is_cancelled,
        "attendees": [_attendee(person) for person in event.attendees if not _organizes(person, event, user)],
    }
    if event.location:
        value["location"] = {"displayName": event.location}
    if event.uid:
        value["iCalUId"] = event.uid if event.instead_of is None else f"{event.uid}_{event.instead_of.wall:%Y%m%d}"
    if event.is_all_day:
        # Both ends need one zone name, and dates have none: they float.
        value["end"]["timeZone"] = value["start"]["timeZone"] = user.time_zone
        value["start"]["dateTime"] = event.start.wall.isoformat()
        value["end"]["dateTime"] = event.end.wall.isoformat()
    if not is_own and event.organizer is not None:
        value["organizer"] = {"emailAddress": {"address": event.organizer.address, "name": event.organizer.name}}
        own = next((person for person in event.attendees if person.address.lower() in user.addresses), None)
        reply = own.response if own is not None and own.response != "none" else "notResponded"
        value["responseStatus"] = {"response": reply, "time": "0001-01-01T00:00:00Z"}
    return value


def _organizes(person: Person, event: IcsEvent, user: User) -> bool:
    """Whether this attendee is the organizer, whom exports list among the attendees and Graph does not."""
    organizer = event.organizer.address.lower() if event.organizer is not None else user.mail.lower()
    return person.address.lower() == organizer


def _attendee(person: Person) -> dict[str, Any]:
    return {
        "type": person.kind,
        "emailAddress": {"address": person.address, "name": person.name},
        "status": {"response": person.response},
    }


def _date_time(moment: Moment, user: User) -> dict[str, str]:
    """A dateTimeTimeZone: in the file's zone where Graph knows its name, in UTC where not; floating times are local."""
    if moment.zone is None:
        return {"dateTime": moment.wall.isoformat(), "timeZone": user.time_zone}
    name = getattr(moment.zone, "key", None)
    if isinstance(name, str) and is_zone(name) and zone(name) == moment.zone:
        return {"dateTime": moment.wall.isoformat(), "timeZone": name}
    instant = moment.wall.replace(tzinfo=moment.zone).astimezone(UTC)
    return {"dateTime": instant.replace(tzinfo=None).isoformat(), "timeZone": "UTC"}
