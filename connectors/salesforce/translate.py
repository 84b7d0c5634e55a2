"""Salesforce records to items and back: one table per value, read both ways. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.salesforce.fields import FieldNames
from connectors.salesforce.wire import instant
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Item, Side
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
    SHOW_AS,
    SUBJECT,
    TEAMS,
    TIME,
)

BODY_LENGTH_MAX: Final = 32_000
TEXT_LENGTH_MAX: Final = 255
NATIVE_BYTES_MAX: Final = 200_000

# Practifi's extended list; the standard field knows only three (`STANDARD_SHOW_AS`).
EXTENDED_SHOW_AS: Final = (
    ("Free", ShowAs.FREE),
    ("Tentative", ShowAs.TENTATIVE),
    ("Busy", ShowAs.BUSY),
    ("Out of Office", ShowAs.OUT_OF_OFFICE),
    ("Working Elsewhere", ShowAs.WORKING_ELSEWHERE),
)
STANDARD_SHOW_AS: Final = (("Busy", ShowAs.BUSY), ("OutOfOffice", ShowAs.OUT_OF_OFFICE), ("Free", ShowAs.FREE))

# EventRelation.Status knows three states; a tentative answer keeps its nuance in the Response text.
TENTATIVE: Final = "Tentative"
STATUSES: Final = {
    Response.NONE: "New",
    Response.TENTATIVE: "New",
    Response.ACCEPTED: "Accepted",
    Response.ORGANIZER: "Accepted",
    Response.DECLINED: "Declined",
}
# Maybe is in the picklist, though documented as not supported.
_RESPONSES: Final = {"Accepted": Response.ACCEPTED, "Declined": Response.DECLINED, "Maybe": Response.TENTATIVE}

# Id prefixes of the people an EventRelation may point to; anything else (calendars, leads) is left alone.
USER_PREFIX: Final = "005"
PEOPLE_PREFIXES: Final = (USER_PREFIX, "003")
# Ids are compared by their case-sensitive part: the rest is a checksum of it, which not everybody writes.
ID_LENGTH: Final = 15

STANDARD_FIELDS: Final = (
    "Id", "Subject", "Description", "Location", "StartDateTime", "EndDateTime", "IsAllDayEvent", "IsPrivate", "ShowAs",
    "OwnerId", "IsReminderSet", "ReminderDateTime", "CreatedDate", "LastModifiedDate",
    "SystemModstamp", "IsDeleted",
)  # fmt: skip
PARENT: Final = "IsParent"  # EventRelation, with Shared Activities: says whom the event is about

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def event_fields(names: FieldNames) -> tuple[str, ...]:
    """Every field of Event that is read."""
    return (*STANDARD_FIELDS, *names.of_event())


def relation_fields(names: FieldNames) -> tuple[str, ...]:
    """Every field of EventRelation that is read."""
    fields = ("Id", "EventId", "RelationId", "Status", "Response")
    return (*fields, names.invitee, PARENT) if names.invitee else fields


def clean(value: Any) -> str:
    """A text as we hold it: `\\n` line ends, no control characters, no outer white space. None is ""."""
    text = str(value or "").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", text).strip()


def fitted(text: str, limit: int) -> str:
    """A text as we write it: clean, and cut to so many UTF-16 units, the strictest way to count characters."""
    text = clean(text)
    if len(text.encode("utf-16-le")) > 2 * limit:
        text = text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore").strip()
    return text


def moment(text: str) -> datetime:
    """A dateTime of the API (`+0000` and milliseconds) as an aware time in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def to_item(record: Mapping[str, Any], relations: Iterable[Mapping[str, Any]], names: FieldNames) -> Item:
    """One Event record with its relation rows. Raises KeyError, TypeError or ValueError when it is no such record."""
    start = moment(record["StartDateTime"])
    end = moment(record["EndDateTime"]) if record.get("EndDateTime") else start
    is_all_day = bool(record["IsAllDayEvent"])
    if is_all_day:  # dates: the end is the last day itself
        start, end = (day.replace(hour=0, minute=0, second=0, microsecond=0) for day in (start, end))
        end += timedelta(days=1)
    relations = tuple(relations)
    content = CalendarEvent(
        span=TimeSpan(start, end, is_all_day),
        subject=clean(record.get("Subject")),
        body=clean(record.get("Description")),
        location=clean(record.get("Location")),
        show_as=_show_as(record, names),
        sensitivity=Sensitivity.PRIVATE if record.get("IsPrivate") else Sensitivity.NORMAL,
        reminder_minutes=_reminder_minutes(record, start),
        attendees=tuple(_attendee(row) for row in relations if is_attendee(row, names)),
        owner_id=str(record.get("OwnerId") or ""),
        send_invitations=bool(record.get(names.send_invitations)) if names.send_invitations else False,
        sync_status=str(record.get(names.sync_status) or "") if names.sync_status else "",
        external_id=str(record.get(names.external_id) or "") if names.external_id else "",
        recurring=clean(record.get(names.recurring)) if names.recurring else "",
        is_teams=bool(record.get(names.teams)) if names.teams else False,
        join_url=clean(record.get(names.join_url)) if names.join_url else "",
        rooms=tuple(_room(row) for row in relations if is_room(row, names)),
    )
    return Item(
        side=Side.SALESFORCE,
        id=record["Id"],
        version=record["SystemModstamp"],
        modified_at=moment(record["SystemModstamp"]),
        created_at=moment(record["CreatedDate"]),
        content=content,
        sync_key=str(record.get(names.sync_key) or "") if names.sync_key else "",
    )


def _show_as(record: Mapping[str, Any], names: FieldNames) -> ShowAs:
    table = dict(EXTENDED_SHOW_AS if names.show_as else STANDARD_SHOW_AS)
    return table.get(str(record.get(names.show_as or "ShowAs")), ShowAs.BUSY)


def _reminder_minutes(record: Mapping[str, Any], start: datetime) -> int | None:
    if not record.get("IsReminderSet") or not record.get("ReminderDateTime"):
        return None
    return max(0, int((start - moment(record["ReminderDateTime"])).total_seconds() // 60))


def is_person(row: Mapping[str, Any]) -> bool:
    """Whether a relation row points to a user or a contact."""
    return str(row.get("RelationId", "")).startswith(PEOPLE_PREFIXES)


def is_attendee(row: Mapping[str, Any], names: FieldNames) -> bool:
    """Whether a relation row invites a person; otherwise it says whom the event is about, or names a room."""
    return is_person(row) and (not names.invitee or bool(row.get(names.invitee)))


def is_room(row: Mapping[str, Any], names: FieldNames) -> bool:
    """Whether a relation row books a Resource Calendar."""
    return bool(names.calendar_prefix) and str(row.get("RelationId", "")).startswith(names.calendar_prefix)


def response_of(row: Mapping[str, Any]) -> Response:
    """What an attendee answered, from its relation row."""
    response = _RESPONSES.get(str(row.get("Status")), Response.NONE)
    is_tentative = response is Response.NONE and row.get("Response") == TENTATIVE
    return Response.TENTATIVE if is_tentative else response


def _attendee(row: Mapping[str, Any]) -> Attendee:
    record_id = str(row["RelationId"])
    return Attendee("", response=response_of(row), record_id=record_id, is_user=record_id.startswith(USER_PREFIX))


def _room(row: Mapping[str, Any]) -> Attendee:
    return Attendee("", kind=AttendeeKind.RESOURCE, record_id=str(row["RelationId"]))


def native(record: Mapping[str, Any], relations: Sequence[Mapping[str, Any]]) -> str:
    """The record as read, or "" when it is too large to keep."""
    text = json.dumps({"event": record, "relations": list(relations)}, ensure_ascii=False, sort_keys=True)
    return text if len(text.encode(errors="replace")) <= NATIVE_BYTES_MAX else ""


def to_fields(content: CalendarEvent, groups: Iterable[str], names: FieldNames, pair_key: str) -> dict[str, Any]:
    """The record members that these groups are written to. People are written as relations, not here."""
    body: dict[str, Any] = {}
    groups = set(groups)
    if TIME in groups:
        body |= _times(content.span)
    if REMINDER in groups or (TIME in groups and content.reminder_minutes is not None):
        body |= _reminder(content)  # it is an instant there: a moved event moves its reminder
    for group, (name, text, limit) in _texts(content, names).items():
        if group in groups and name:
            body[name] = fitted(text, limit) or None
    if SHOW_AS in groups:
        body |= _show_as_fields(content.show_as, names)
    if PRIVACY in groups:
        body["IsPrivate"] = is_private(content)
    if OWNER in groups and content.owner_id:
        body["OwnerId"] = content.owner_id
    if PEOPLE in groups and names.send_invitations:
        body[names.send_invitations] = content.send_invitations
    if TEAMS in groups and names.teams:
        body[names.teams] = content.is_teams
    if MARKS in groups:
        marks = {names.sync_key: pair_key, names.external_id: content.external_id or None,
                 names.sync_status: content.sync_status or None}  # fmt: skip
        body |= {name: value for name, value in marks.items() if name}
    return body


def _texts(content: CalendarEvent, names: FieldNames) -> dict[str, tuple[str, str, int]]:
    """The groups that are one text each: which field holds it, the text, and how many characters fit."""
    return {
        SUBJECT: ("Subject", content.subject, TEXT_LENGTH_MAX),
        BODY: ("Description", content.body, BODY_LENGTH_MAX),
        LOCATION: ("Location", content.location, TEXT_LENGTH_MAX),
        RECURRING: (names.recurring, content.recurring, TEXT_LENGTH_MAX),
        JOIN_URL: (names.join_url, content.join_url, TEXT_LENGTH_MAX),
    }


def is_private(content: CalendarEvent) -> bool:
    """Whether Salesforce marks this as private: it knows only normal beside it."""
    return content.sensitivity is not Sensitivity.NORMAL


def _times(span: TimeSpan) -> dict[str, Any]:
    if not span.is_all_day:
        return {
            "IsAllDayEvent": False,
            "StartDateTime": instant(span.start_utc),
            "EndDateTime": instant(span.end_utc),
        }
    last_day = max(span.start_utc, span.end_utc - timedelta(days=1))
    return {"IsAllDayEvent": True, "StartDateTime": instant(span.start_utc), "EndDateTime": instant(last_day)}


def _reminder(content: CalendarEvent) -> dict[str, Any]:
    if content.reminder_minutes is None:
        return {"IsReminderSet": False, "ReminderDateTime": None}
    fires = content.span.start_utc - timedelta(minutes=content.reminder_minutes)
    return {"IsReminderSet": True, "ReminderDateTime": instant(fires)}


def _show_as_fields(show_as: ShowAs, names: FieldNames) -> dict[str, Any]:
    table = {value: label for label, value in (EXTENDED_SHOW_AS if names.show_as else STANDARD_SHOW_AS)}
    return {names.show_as or "ShowAs": table.get(show_as, "Busy")}


def wanted_people(content: CalendarEvent, owner_id: str) -> dict[str, Attendee]:
    """The attendees that shall have a relation, by the compared part of their ids.

    The owner is no attendee of its own event, and a private event has none.
    """
    people: dict[str, Attendee] = {}
    for person in () if is_private(content) else content.attendees:
        if person.record_id.startswith(PEOPLE_PREFIXES) and person.record_id[:ID_LENGTH] != owner_id[:ID_LENGTH]:
            people.setdefault(person.record_id[:ID_LENGTH], person)
    return people


def wanted_rooms(content: CalendarEvent, names: FieldNames) -> dict[str, Attendee]:
    """The Resource Calendars that shall have a relation, by the compared part of their ids; none if private."""
    rooms = () if is_private(content) or not names.calendar_prefix else content.rooms
    return {room.record_id[:ID_LENGTH]: room for room in rooms if room.record_id.startswith(names.calendar_prefix)}


def relation_members(person: Attendee, row: Mapping[str, Any], names: FieldNames) -> dict[str, Any]:
    """What a person's relation row lacks ({}: nothing); `row` is {} for one to be made. A comment stays as it is."""
    is_tentative = person.response is Response.TENTATIVE
    members: dict[str, Any] = {}
    if not row or _as_held(person.response) is not response_of(row):
        members["Status"] = STATUSES[person.response]
        if is_tentative or row.get("Response") == TENTATIVE:
            members["Response"] = TENTATIVE if is_tentative else None
    if names.invitee and not row.get(names.invitee):
        members[names.invitee] = True
    return members


def _as_held(response: Response) -> Response:
    return Response.ACCEPTED if response is Response.ORGANIZER else response


def people_as_held(content: CalendarEvent, owner_id: str) -> dict[str, Response]:
    """Who is invited, by the compared part of their ids, with their answers as Salesforce can hold them."""
    return {key: _as_held(person.response) for key, person in wanted_people(content, owner_id).items()}


def as_held(content: CalendarEvent, group: str, names: FieldNames) -> object:
    """One group in the form in which Salesforce can hold it: equal for what was written and for how it reads back.

    Of people only whether invitations go out; who they are is `people_as_held`.
    """
    span = content.span
    start = span.start_utc.replace(microsecond=0)
    match group:
        case "time":  # Salesforce counts whole minutes
            return start, (span.end_utc - start) // timedelta(minutes=1), span.is_all_day
        case "subject" | "body" | "location" | "recurring" | "join_url":
            name, text, limit = _texts(content, names)[group]
            return fitted(text, limit) if name else ""
        case "show_as":
            return _show_as(_show_as_fields(content.show_as, names), names)
        case "privacy":
            return is_private(content)
        case "reminder":
            return content.reminder_minutes
        case "owner":
            return content.owner_id[:ID_LENGTH]
        case "people":
            return content.send_invitations if names.send_invitations else False
        case "teams":
            return content.is_teams if names.teams else False
        case "rooms":
            return tuple(sorted(wanted_rooms(content, names)))
        case "marks":
            return (
                content.sync_status if names.sync_status else "",
                content.external_id if names.external_id else "",
            )
        case _:  # of a newer Concord: nothing that Salesforce holds
            return None
