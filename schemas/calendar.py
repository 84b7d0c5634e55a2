"""A calendar entry as both sides can describe it: frozen values, every time in UTC.

Each side keeps its own fidelity in the same shape (Graph five `show_as` values, Salesforce fewer); what is lost
between them is decided in `streams.mapping`, never here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ShowAs(StrEnum):
    """How the time shows to others."""

    BUSY = "busy"
    FREE = "free"
    TENTATIVE = "tentative"
    OUT_OF_OFFICE = "out_of_office"
    WORKING_ELSEWHERE = "working_elsewhere"
    UNKNOWN = "unknown"


class Sensitivity(StrEnum):
    """Who may read the entry. Salesforce knows only `normal` and `private`."""

    NORMAL = "normal"
    PERSONAL = "personal"
    PRIVATE = "private"
    CONFIDENTIAL = "confidential"


class AttendeeKind(StrEnum):
    """How a person or room was invited."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    RESOURCE = "resource"


class Response(StrEnum):
    """What an attendee answered. `none` covers every form of silence."""

    NONE = "none"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    TENTATIVE = "tentative"
    ORGANIZER = "organizer"


@dataclass(frozen=True)
class TimeSpan:
    """Start (inclusive) and end (exclusive), aware, in UTC.

    An all-day entry floats: its dates are written as midnights in UTC whatever zone anyone is in, and `end_utc` is
    the midnight after the last day.
    """

    start_utc: datetime
    end_utc: datetime
    is_all_day: bool = False


@dataclass(frozen=True)
class Attendee:
    """One invited person or room.

    `record_id` is the Salesforce User, Contact or (of a room) Calendar that the address matched ("" when none did);
    intake fills in whichever of address and record the side that was read does not know.
    """

    address: str
    name: str = ""
    kind: AttendeeKind = AttendeeKind.REQUIRED
    response: Response = Response.NONE
    record_id: str = ""
    is_user: bool = False


@dataclass(frozen=True)
class CalendarEvent:
    """What one side holds for an entry: the content that is compared and carried across.

    `body` is plain text with `\\n` line ends and no white space around it. `reminder_minutes` is None when no
    reminder is set. `owner_id` is a Salesforce user id ("" when unknown). `send_invitations`, `sync_status` and
    `external_id` exist in Salesforce only. `recurring` says in words which series an entry is a part of. `is_teams`: it
    is a Teams meeting, which people join at `join_url` ("" until the service has made it). `rooms` are where it takes
    place: `record_id` is the Resource Calendar, `address` the room's mailbox; in Graph they are attendees, too.
    """

    span: TimeSpan
    subject: str = ""
    body: str = ""
    location: str = ""
    show_as: ShowAs = ShowAs.BUSY
    sensitivity: Sensitivity = Sensitivity.NORMAL
    reminder_minutes: int | None = None
    attendees: tuple[Attendee, ...] = ()
    organizer: Attendee | None = None
    owner_id: str = ""
    send_invitations: bool = False
    sync_status: str = ""
    external_id: str = ""
    recurring: str = ""
    is_teams: bool = False
    join_url: str = ""
    rooms: tuple[Attendee, ...] = ()
