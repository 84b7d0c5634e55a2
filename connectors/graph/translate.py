"""Graph's JSON to our values and back: tables read both ways, nothing sent. Pure.

Reading takes whatever the service sends: a missing, null or absurd member becomes the nearest value that the
vocabulary can hold. Only an event without an id or without readable times cannot be read (`UnreadableEvent`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.graph import wire
from connectors.graph.text import clean, clean_body, html_to_text
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Item, Kind, Side
from schemas.errors import ConcordError
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

# One table per enumeration, ours to Graph's. Where several of Graph's words mean one of ours, the first is written.
SHOW_AS_WORDS: Final[tuple[tuple[ShowAs, str], ...]] = (
    (ShowAs.BUSY, "busy"),
    (ShowAs.FREE, "free"),
    (ShowAs.TENTATIVE, "tentative"),
    (ShowAs.OUT_OF_OFFICE, "oof"),
    (ShowAs.WORKING_ELSEWHERE, "workingElsewhere"),
    (ShowAs.UNKNOWN, "unknown"),
)
SENSITIVITY_WORDS: Final[tuple[tuple[Sensitivity, str], ...]] = (
    (Sensitivity.NORMAL, "normal"),
    (Sensitivity.PERSONAL, "personal"),
    (Sensitivity.PRIVATE, "private"),
    (Sensitivity.CONFIDENTIAL, "confidential"),
)
ATTENDEE_WORDS: Final[tuple[tuple[AttendeeKind, str], ...]] = (
    (AttendeeKind.REQUIRED, "required"),
    (AttendeeKind.OPTIONAL, "optional"),
    (AttendeeKind.RESOURCE, "resource"),
)
RESPONSE_WORDS: Final[tuple[tuple[Response, str], ...]] = (
    (Response.NONE, "none"),
    (Response.NONE, "notResponded"),
    (Response.ACCEPTED, "accepted"),
    (Response.DECLINED, "declined"),
    (Response.TENTATIVE, "tentativelyAccepted"),
    (Response.ORGANIZER, "organizer"),
)
KIND_WORDS: Final[tuple[tuple[Kind, str], ...]] = (
    (Kind.SINGLE, "singleInstance"),
    (Kind.OCCURRENCE, "occurrence"),
    (Kind.EXCEPTION, "exception"),
    (Kind.SERIES_MASTER, "seriesMaster"),
)

_SHOW_AS_READ: Final = {word.lower(): value for value, word in SHOW_AS_WORDS}
_SHOW_AS_WRITTEN: Final = dict(SHOW_AS_WORDS)
_SENSITIVITY_READ: Final = {word.lower(): value for value, word in SENSITIVITY_WORDS}
_SENSITIVITY_WRITTEN: Final = dict(SENSITIVITY_WORDS)
_ATTENDEE_READ: Final = {word.lower(): value for value, word in ATTENDEE_WORDS}
_ATTENDEE_WRITTEN: Final = dict(ATTENDEE_WORDS)
_RESPONSE_READ: Final = {word.lower(): value for value, word in RESPONSE_WORDS}
_KIND_READ: Final = {word.lower(): value for value, word in KIND_WORDS}

# Bytes of JSON that we keep beside a change. Larger ones (pasted pictures, long threads) are left out.
NATIVE_BYTES_MAX: Final = 200_000
# Minutes. Graph takes any 32-bit number; Outlook offers at most four weeks. Ten years keeps arithmetic on dates safe.
REMINDER_MINUTES_MAX: Final = 10 * 365 * 24 * 60

# Characters kept of one-line texts. Graph's own limits lie below; these only keep a record of an absurd event within
# what a topic takes. Salesforce's 255 are applied in the mapping.
LINE_LENGTH_MAX: Final = 1_000
NAME_LENGTH_MAX: Final = 255
URL_LENGTH_MAX: Final = 2_000

TEAMS_WORD: Final = "teamsForBusiness"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_LAST_MIDNIGHT: Final = datetime.combine(_LAST, time(), UTC)
_UTC_NAMES: Final = frozenset({"", "utc", "gmt", "z", "etc/utc", "etc/gmt", "tzone://microsoft/utc"})
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\Z", re.I)


class UnreadableEvent(ConcordError):
    """An event that has no id or no times we can read. It belongs in quarantine."""


def to_item(event: Mapping[str, Any], mailbox: str, sync_key: str | None = None) -> Item:
    """One event as read from a mailbox.

    `sync_key` overrides the tag, for answers that never carry it (those of POST and PATCH). Raises UnreadableEvent.
    """
    event_id = event.get("id")
    if not isinstance(event_id, str) or not event_id:
        raise UnreadableEvent("The event has no id.")
    created = _instant(event.get("createdDateTime"))
    modified = _instant(event.get("lastModifiedDateTime"))
    etag, change_key = event.get("@odata.etag"), event.get("changeKey")
    version = etag if isinstance(etag, str) else f'W/"{change_key}"' if isinstance(change_key, str) else ""
    return Item(
        side=Side.GRAPH,
        id=event_id,
        version=version,
        modified_at=modified or created or _EPOCH,
        created_at=created or modified or _EPOCH,
        content=to_content(event),
        mailbox=mailbox,
        kind=_KIND_READ.get(_word(event.get("type")), Kind.SINGLE),
        i_cal_uid=clean(event.get("iCalUId")),
        series_master_id=clean(event.get("seriesMasterId")),
        original_start=_instant(event.get("originalStart")),
        sync_key=wire.tag_of(event) if sync_key is None else sync_key,
        is_organizer=event.get("isOrganizer") is not False,
        is_draft=event.get("isDraft") is True,
    )


def to_content(event: Mapping[str, Any]) -> CalendarEvent:
    """What an event holds. Raises UnreadableEvent when its times cannot be read."""
    span = _span(event)
    return CalendarEvent(
        span=span,
        subject=_line(event.get("subject")),
        body=_body(event.get("body")),
        location=_location(event),
        show_as=_SHOW_AS_READ.get(_word(event.get("showAs")), ShowAs.UNKNOWN),
        sensitivity=_sensitivity(event.get("sensitivity")),
        reminder_minutes=_reminder(event, span),
        attendees=_attendees(event.get("attendees")),
        organizer=_organizer(event.get("organizer")),
        is_teams=_is_teams(event),
        join_url=_join_url(event) if _is_teams(event) else "",
        rooms=_rooms(event),
    )


def to_native(event: Mapping[str, Any]) -> str:
    """The event's JSON for the log, "" when it is larger than NATIVE_BYTES_MAX."""
    raw = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return raw.decode() if len(raw) <= NATIVE_BYTES_MAX else ""


def is_cancelled_copy(event: Mapping[str, Any]) -> bool:
    """Whether this is an attendee's copy of a meeting that the organizer has cancelled."""
    return event.get("isCancelled") is True and event.get("isOrganizer") is False


def to_body(content: CalendarEvent, groups: Sequence[str], *, html: str | None = None) -> dict[str, Any]:
    """The members of a POST or PATCH body that these groups stand for, and no others.

    `html` replaces the plain text of the body group. Marks and owner have no members here: the tag is written by
    `wire.with_tag`, and Graph sets the organizer itself.
    """
    body: dict[str, Any] = {}
    for group in groups:
        match group:
            case "time":
                body |= _time_members(content.span)
            case "subject":
                body["subject"] = content.subject
            case "body":
                is_text = html is None
                body["body"] = {
                    "contentType": "text" if is_text else "html",
                    "content": content.body if is_text else html,
                }
            case "location":
                body |= _location_members(content)
            case "show_as":
                body["showAs"] = _SHOW_AS_WRITTEN[content.show_as]
            case "privacy":
                body["sensitivity"] = _SENSITIVITY_WRITTEN[content.sensitivity]
            case "reminder":
                body |= _reminder_members(content.reminder_minutes)
            case "people" | "rooms":
                body["attendees"] = [_attendee_member(a) for a in content.attendees if a.address]
            case "teams":
                # It cannot be switched off again, and Graph's word for "none" need not be said.
                body |= {"isOnlineMeeting": True, "onlineMeetingProvider": TEAMS_WORD} if content.is_teams else {}
            case _:
                assert group in {MARKS, OWNER, RECURRING, JOIN_URL}, f"no such group: {group}"
    return body


# The groups that `to_body` writes, for tests that each is covered.
WRITTEN_GROUPS: Final = (TIME, SUBJECT, BODY, LOCATION, SHOW_AS, PRIVACY, REMINDER, PEOPLE, TEAMS, ROOMS)


def _word(value: Any) -> str:
    return value.lower() if isinstance(value, str) else ""


def _line(value: Any) -> str:
    return clean(value)[:LINE_LENGTH_MAX].rstrip()


def _body(value: Any) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("content"), str):
        return ""
    is_html = _word(value.get("contentType")) == "html"
    return clean_body(html_to_text(value["content"]) if is_html else value["content"])


def _sensitivity(value: Any) -> Sensitivity:
    """A word that we do not know counts as private: what may be secret must not be shown."""
    word = _word(value)
    return _SENSITIVITY_READ.get(word, Sensitivity.PRIVATE) if word else Sensitivity.NORMAL


def _location(event: Mapping[str, Any]) -> str:
    location = event.get("location")
    name = _line(location.get("displayName")) if isinstance(location, dict) else ""
    if name:
        return name
    names = (_line(one.get("displayName")) for one in _objects(event.get("locations")))
    return _line("; ".join(name for name in names if name))


def _is_teams(event: Mapping[str, Any]) -> bool:
    """Whether people meet in Teams; other providers do not count."""
    return event.get("isOnlineMeeting") is True and _word(event.get("onlineMeetingProvider")) == TEAMS_WORD.lower()


def _join_url(event: Mapping[str, Any]) -> str:
    """Where to join, "" while the service has not made it yet."""
    meeting = event.get("onlineMeeting")
    url = clean(meeting.get("joinUrl")) if isinstance(meeting, dict) else ""
    url = url or clean(event.get("onlineMeetingUrl"))
    return url if len(url) <= URL_LENGTH_MAX else ""


def _rooms(event: Mapping[str, Any]) -> tuple[Attendee, ...]:
    """Where it takes place: the rooms that were invited, and conference rooms among the locations. One that declined
    is not booked. What is written through the API reads back as a location of no kind, so the invitation counts too."""
    invited = [a for a in _attendees(event.get("attendees")) if a.kind is AttendeeKind.RESOURCE]
    rooms = [replace(a, response=Response.NONE) for a in invited if a.response is not Response.DECLINED]
    known = {a.address for a in invited if a.address} | {a.name for a in invited if a.name}
    for place in (*_objects(event.get("locations")), *_objects([event.get("location")])):
        name, address = clean(place.get("displayName"))[:NAME_LENGTH_MAX], _line(place.get("locationEmailAddress"))
        if _word(place.get("locationType")) == "conferenceroom" and name and not {name, address.lower()} & known:
            rooms.append(Attendee(address.lower(), name, AttendeeKind.RESOURCE))
            known.add(name)
    return tuple(rooms)


def _location_members(content: CalendarEvent) -> dict[str, Any]:
    """One location for the text; where it names nothing but the rooms, one for each of them."""
    if content.rooms and content.location == "; ".join(room.name for room in content.rooms if room.name):
        return {"locations": [
            {"displayName": room.name} | ({"locationEmailAddress": room.address} if room.address else {})
            for room in content.rooms if room.name
        ]}  # fmt: skip
    return {"location": {"displayName": content.location}}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a collection; whatever else stands in it, or in its place, is left out."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _reminder(event: Mapping[str, Any], span: TimeSpan) -> int | None:
    """Minutes before the start. Graph keeps the number when the reminder is off, so off wins.

    Held where dates can be reckoned with; None as well when the reminder would lie before the year 1.
    """
    minutes = event.get("reminderMinutesBeforeStart")
    if event.get("isReminderOn") is not True or not isinstance(minutes, int) or isinstance(minutes, bool):
        return None
    minutes = min(max(minutes, 0), REMINDER_MINUTES_MAX)
    return minutes if span.start_utc - _FIRST >= timedelta(minutes=minutes) else None


def _attendees(value: Any) -> tuple[Attendee, ...]:
    """Everyone with an address or at least a name: an entry with neither is nobody."""
    found = (_attendee(one) for one in _objects(value))
    return tuple(attendee for attendee in found if attendee.address or attendee.name)


def _attendee(value: Mapping[str, Any]) -> Attendee:
    address, name = _address(value)
    status = value.get("status")
    response = _word(status.get("response")) if isinstance(status, dict) else ""
    return Attendee(
        address=address,
        name=name,
        kind=_ATTENDEE_READ.get(_word(value.get("type")), AttendeeKind.REQUIRED),
        response=_RESPONSE_READ.get(response, Response.NONE),
    )


def _organizer(value: Any) -> Attendee | None:
    address, name = _address(value) if isinstance(value, dict) else ("", "")
    return Attendee(address=address, name=name, response=Response.ORGANIZER) if address or name else None


def _address(value: Mapping[str, Any]) -> tuple[str, str]:
    email = value.get("emailAddress")
    if not isinstance(email, dict):
        return "", ""
    return _line(email.get("address")).lower(), clean(email.get("name"))[:NAME_LENGTH_MAX].rstrip()


def _span(event: Mapping[str, Any]) -> TimeSpan:
    is_all_day = event.get("isAllDay") is True
    start, end = event.get("start"), event.get("end")
    if not is_all_day:
        return TimeSpan(_moment(start, "start"), _moment(end, "end"))
    first = datetime.combine(_wall(start, "start").date(), time(), UTC)
    last = _wall(end, "end")
    after = datetime.combine(last.date(), time(), UTC)
    if last.time() != time() or after <= first:  # an end inside its last day, or before the first: at least one day
        after = max(after, first)
        after = after + timedelta(days=1) if after < _LAST_MIDNIGHT else _LAST_MIDNIGHT
    return TimeSpan(first, after, is_all_day=True)


def _wall(value: Any, name: str) -> datetime:
    """The wall-clock time of a dateTimeTimeZone; an offset written into it is kept."""
    text = value.get("dateTime") if isinstance(value, dict) else None
    if not isinstance(text, str) or not _TIME.match(text.strip()):
        raise UnreadableEvent(f"The event's {name} is not a time.")
    try:
        return datetime.fromisoformat(text.strip().upper())
    except ValueError:
        raise UnreadableEvent(f"The event's {name} is not a time.") from None


def _moment(value: Any, name: str) -> datetime:
    """A dateTimeTimeZone as an instant in UTC. We ask for UTC; an IANA zone is understood as well."""
    wall = _wall(value, name)
    zone_name = clean(value.get("timeZone"))
    if wall.tzinfo is None and zone_name.lower() not in _UTC_NAMES:
        try:
            wall = wall.replace(tzinfo=ZoneInfo(zone_name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UnreadableEvent(f"The event's {name} is in a time zone that we do not know.") from None
    return _in_utc(wall)


def _in_utc(wall: datetime) -> datetime:
    if wall.tzinfo is None:
        return wall.replace(tzinfo=UTC)
    try:
        return wall.astimezone(UTC)
    except OverflowError:  # a zone's offset carried it out of the years 1 to 9999
        return _FIRST if wall.year == 1 else _LAST


def _instant(value: Any) -> datetime | None:
    """A DateTimeOffset, None when there is none or the year-1 value that stands for none."""
    if not isinstance(value, str) or not _TIME.match(value.strip()):
        return None
    try:
        moment = _in_utc(datetime.fromisoformat(value.strip().upper()))
    except ValueError:
        return None
    return None if moment.year == 1 else moment


def _time_members(span: TimeSpan) -> dict[str, Any]:
    def wall(moment: datetime) -> dict[str, str]:
        text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        return {"dateTime": text, "timeZone": "UTC"}

    return {"start": wall(span.start_utc), "end": wall(span.end_utc), "isAllDay": span.is_all_day}


def _reminder_members(minutes: int | None) -> dict[str, Any]:
    if minutes is None:
        return {"isReminderOn": False}
    return {"isReminderOn": True, "reminderMinutesBeforeStart": minutes}


def _attendee_member(attendee: Attendee) -> dict[str, Any]:
    email = {"address": attendee.address} | ({"name": attendee.name} if attendee.name else {})
    return {"type": _ATTENDEE_WRITTEN[attendee.kind], "emailAddress": email}
