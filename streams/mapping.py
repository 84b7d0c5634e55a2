"""How one side's content reads on the other: value tables, limits and the views that reconcile compares.

Everything is compared in Practifi's vocabulary, the poorer of the two: `practifi_view` says what Practifi shall hold
for a Microsoft 365 item, `graph_content` what Microsoft 365 shall hold when groups are carried outbound. A value that
Practifi cannot express is therefore never a change, and never written back. Pure.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Item
from schemas.groups import BODY, LOCATION, MARKS, OWNER, PEOPLE, READ_ONLY, ROOMS, TIME, take
from schemas.join_block import own_text
from schemas.settings import Settings, ShowAsList
from schemas.state import Status
from schemas.values import replace

SUBJECT_LENGTH_MAX: Final = 255  # characters, both services
LOCATION_LENGTH_MAX: Final = 255  # characters, Salesforce
BODY_LENGTH_MAX: Final = 32_000  # characters, Salesforce Description
URL_LENGTH_MAX: Final = 255  # characters, Practifi; half an address leads nowhere
ATTENDEES_MAX: Final = 50  # rule 7.11
DURATION_MAX: Final = timedelta(days=14)  # rule 7.22: Salesforce refuses longer events

# What each Show Time As becomes in Practifi; lists that lack a value fall back to Busy.
SHOW_AS_EXTENDED: Final[dict[ShowAs, ShowAs]] = {
    ShowAs.FREE: ShowAs.FREE,
    ShowAs.TENTATIVE: ShowAs.TENTATIVE,
    ShowAs.BUSY: ShowAs.BUSY,
    ShowAs.OUT_OF_OFFICE: ShowAs.OUT_OF_OFFICE,
    ShowAs.WORKING_ELSEWHERE: ShowAs.WORKING_ELSEWHERE,
    ShowAs.UNKNOWN: ShowAs.BUSY,
}
SHOW_AS_STANDARD: Final[dict[ShowAs, ShowAs]] = {
    **SHOW_AS_EXTENDED,
    ShowAs.TENTATIVE: ShowAs.BUSY,
    ShowAs.WORKING_ELSEWHERE: ShowAs.BUSY,
}
SENSITIVITIES: Final[dict[Sensitivity, Sensitivity]] = {
    Sensitivity.NORMAL: Sensitivity.NORMAL,
    Sensitivity.PERSONAL: Sensitivity.PRIVATE,
    Sensitivity.PRIVATE: Sensitivity.PRIVATE,
    Sensitivity.CONFIDENTIAL: Sensitivity.PRIVATE,
}
RESPONSES: Final[dict[Response, Response]] = {
    Response.NONE: Response.NONE,
    Response.ACCEPTED: Response.ACCEPTED,
    Response.DECLINED: Response.DECLINED,
    Response.TENTATIVE: Response.TENTATIVE,
    Response.ORGANIZER: Response.ACCEPTED,
}
STATUS_LABELS: Final[dict[Status, str]] = {
    Status.NOT_SYNCED: "Not Synced",
    Status.PENDING: "Pending",
    Status.SYNCED: "Synced",
    Status.ERROR: "Error",
}


def is_private(content: CalendarEvent) -> bool:
    """Whether Practifi shows this as private."""
    return SENSITIVITIES[content.sensitivity] is Sensitivity.PRIVATE


def owner_of(item: Item, settings: Settings) -> str:
    """The Salesforce user a Microsoft 365 item belongs to: the organizer if enabled, else the mailbox's user (7.12)."""
    for mailbox in (item.organizer_mailbox, item.mailbox):
        user = settings.user_of_mailbox(mailbox)
        if user is not None and user.is_enabled:
            return user.salesforce_id
    return ""


def practifi_view(item: Item, settings: Settings) -> CalendarEvent:
    """What Practifi shall hold for this Microsoft 365 item."""
    content = item.content
    show_as = SHOW_AS_STANDARD if settings.show_as_list is ShowAsList.STANDARD else SHOW_AS_EXTENDED
    owner_id = owner_of(item, settings)
    return replace(
        content,
        span=_whole_seconds(content.span),
        subject=content.subject[:SUBJECT_LENGTH_MAX].strip(),
        body=content.body[:BODY_LENGTH_MAX].strip(),
        location=content.location[:LOCATION_LENGTH_MAX].strip(),
        show_as=show_as[content.show_as],
        sensitivity=SENSITIVITIES[content.sensitivity],
        attendees=() if is_private(content) else matched_people(content, owner_id),
        owner_id=owner_id,
        send_invitations=settings.send_invitations,
        external_id=item.id,
        organizer=None,
        sync_status="",
        join_url=content.join_url if len(content.join_url) <= URL_LENGTH_MAX else "",
        rooms=() if is_private(content) else tuple({a.record_id: a for a in content.rooms if a.record_id}.values()),
    )


def _whole_seconds(span: TimeSpan) -> TimeSpan:
    if span.start_utc.microsecond == 0 == span.end_utc.microsecond:
        return span
    return replace(span, start_utc=span.start_utc.replace(microsecond=0), end_utc=span.end_utc.replace(microsecond=0))


def participants(content: CalendarEvent) -> tuple[Attendee, ...]:
    """Everyone who takes part, the organizer included, rooms not."""
    organizer = "" if content.organizer is None else content.organizer.address
    people = tuple(a for a in content.attendees if a.kind != "resource" and (not a.address or a.address != organizer))
    return people if content.organizer is None else (replace(content.organizer, response=Response.ORGANIZER), *people)


def matched_people(content: CalendarEvent, owner_id: str) -> tuple[Attendee, ...]:
    """The participants that are Salesforce records, once each, never the owner: the first 50 by name, then address."""
    ordered = sorted(participants(content), key=lambda a: (a.name.casefold(), a.address.casefold()))
    people: dict[str, Attendee] = {}
    for person in ordered:
        if person.record_id and person.record_id != owner_id:
            people.setdefault(person.record_id, replace(person, response=RESPONSES[person.response]))
    return tuple(list(people.values())[:ATTENDEES_MAX])


def is_truncated(content: CalendarEvent) -> bool:
    """Whether Practifi cannot hold all of its people. A truncated list is never written outbound (7.11)."""
    return len(content.attendees) > ATTENDEES_MAX


def value(content: CalendarEvent, group: str) -> Any:
    """One group of a Practifi-vocabulary content in a form that compares: equal values mean nothing to carry."""
    match group:
        case "people":
            return tuple(sorted((a.record_id, a.response) for a in content.attendees))
        case "owner":
            return content.owner_id
        case "time":
            return content.span
        case "privacy":
            return SENSITIVITIES[content.sensitivity]
        case "reminder":
            return content.reminder_minutes
        case "teams":
            return content.is_teams
        case "rooms":
            return tuple(sorted({a.record_id for a in content.rooms if a.record_id}))
        case "marks":
            return content.sync_status, content.external_id
        case _:
            return getattr(content, group)


def edited_value(content: CalendarEvent, group: str) -> Any:
    """Like `value`, for what a Practifi user can edit: who is invited, and whether invitations go out; no answers."""
    if group in READ_ONLY:
        return None
    if group == PEOPLE:
        return content.send_invitations, tuple(sorted(a.record_id for a in content.attendees))
    return value(content, group)


def is_edited(content: CalendarEvent, base: CalendarEvent, group: str) -> bool:
    """Whether somebody in Microsoft 365 edited a group since `base`. An answer is no edit: it changes nobody's plan.
    Nor is the block that Teams adds to the body, or a location that only names the rooms."""
    if group == PEOPLE:
        return _members(content) != _members(base)
    if group == BODY and content.join_url:
        return own_text(content.body, content.join_url).split() != own_text(base.body, content.join_url).split()
    if group == LOCATION:
        return _own_location(content) != _own_location(base)
    return bool(value(content, group) != value(base, group))


def _own_location(content: CalendarEvent) -> str:
    return "" if content.location == names_of(content.rooms) else content.location


def names_of(rooms: tuple[Attendee, ...]) -> str:
    """Rooms as a location names them."""
    return "; ".join(room.name for room in rooms if room.name)


def _members(content: CalendarEvent) -> frozenset[str]:
    return frozenset(a.record_id for a in content.attendees)


def practifi_people(
    view: CalendarEvent, held: CalendarEvent, base: CalendarEvent | None, *, private: bool
) -> tuple[Attendee, ...]:
    """Whom Practifi shall hold when people are carried inbound: Microsoft's list where somebody edited it since `base`
    (what Microsoft held when both last agreed), else whom Practifi holds, with the answers that came in.

    Without a base whoever Practifi holds uninvited stays: Microsoft could not know them.
    """
    if private:
        return ()
    if base is None:
        listed = {a.record_id for a in view.attendees}
        own = () if carries_people(held) else tuple(a for a in held.attendees if a.record_id not in listed)
        return (*view.attendees, *own)[:ATTENDEES_MAX]
    if is_edited(view, base, PEOPLE):
        return view.attendees
    answers = {a.record_id: a.response for a in view.attendees}
    return tuple(replace(a, response=answers.get(a.record_id, a.response)) for a in held.attendees)


def with_answers_of(content: CalendarEvent, known: CalendarEvent) -> CalendarEvent:
    """`content` with the answers that `known` has, so that those it lacks still show as changes. Pure."""
    answers = {a.record_id: a.response for a in known.attendees}
    people = tuple(replace(a, response=answers.get(a.record_id, Response.NONE)) for a in content.attendees)
    return replace(content, attendees=people)


def carries_people(content: CalendarEvent) -> bool:
    """Whether Practifi's attendees may reach Microsoft 365: invitations are asked for (7.18), not private (7.7)."""
    return content.send_invitations and not is_private(content)


def known_to_both(one: CalendarEvent | None, other: CalendarEvent | None) -> frozenset[str]:
    """The records that two contents both list, people and rooms."""
    lists = [() if content is None else (*content.attendees, *content.rooms) for content in (one, other)]
    first, second = (frozenset(a.record_id for a in people if a.record_id) for people in lists)
    return first & second


def graph_content(
    groups: tuple[str, ...], source: CalendarEvent, held: CalendarEvent | None, known: frozenset[str] = frozenset()
) -> CalendarEvent:
    """What Microsoft 365 shall hold when these groups of the Practifi content `source` are carried outbound.

    `held` is what it holds now (None: to be created), `known` the records that both sides listed when they last
    agreed. People are carried as additions and removals, so that attendees Practifi does not know, rooms among them,
    stay.
    """
    if held is None:
        people = _invitable(source) if carries_people(source) else ()
        bare = replace(
            source, attendees=people, organizer=None, owner_id="", sync_status="", external_id="", join_url="", rooms=()
        )
        return bare if is_private(source) else _with_rooms(bare, source.rooms, known, fills=not bare.location)
    content = take(held, tuple(group for group in groups if group not in (PEOPLE, OWNER, ROOMS)), source)
    if ROOMS in groups and not is_private(source):
        fills = LOCATION not in groups and not _own_location(held)
        content = _with_rooms(content, source.rooms, known, fills=fills)
    if PEOPLE not in groups or not carries_people(source):
        return content
    held = replace(held, attendees=content.attendees)
    wanted = {a.record_id: a for a in source.attendees if a.record_id}
    kept = tuple(a for a in held.attendees if not (a.record_id in known and a.record_id not in wanted))
    present = {a.record_id for a in kept if a.record_id} | {a.address.casefold() for a in kept}
    added = tuple(a for a in _invitable(source) if not {a.record_id, a.address.casefold()} & present)
    return replace(content, attendees=(*kept, *added))


def _with_rooms(
    content: CalendarEvent, wanted: tuple[Attendee, ...], known: frozenset[str], *, fills: bool
) -> CalendarEvent:
    """`content` in these rooms. They are invited as resources, and named as the location if that `fills` it; rooms
    that Practifi does not know of stay."""
    ids = {room.record_id for room in wanted}
    gone = [room for room in content.rooms if room.record_id in known - ids]
    kept = tuple(room for room in content.rooms if room not in gone)
    present = {room.record_id for room in kept}
    added = tuple(replace(a, response=Response.NONE) for a in wanted if a.address and a.record_id not in present)
    dropped = {room.address.casefold() for room in gone}
    rooms = (*kept, *added)
    attendees = tuple(
        a for a in content.attendees if a.kind is not AttendeeKind.RESOURCE or a.address.casefold() not in dropped
    )
    invited = {a.address.casefold() for a in attendees}
    resources = tuple(replace(a, record_id="") for a in added if a.address.casefold() not in invited)
    location = names_of(rooms) if fills else content.location
    return replace(content, attendees=(*attendees, *resources), rooms=rooms, location=location)


def _invitable(source: CalendarEvent) -> tuple[Attendee, ...]:
    """Those with an address to invite, answers reset: an answer never goes outbound. The owner will organize."""
    invited = (a for a in source.attendees if a.address and (not a.record_id or a.record_id != source.owner_id))
    return tuple(replace(a, response=Response.NONE) for a in invited)


def readable(content: CalendarEvent | None, group: str) -> str:
    """One group as text for people and for undo: plain where it is one value, JSON where it is several."""
    if content is None:
        return ""
    if group == TIME:
        span = content.span
        return json.dumps(
            {"start": span.start_utc.isoformat(), "end": span.end_utc.isoformat(), "all_day": span.is_all_day}
        )
    if group in (PEOPLE, ROOMS):
        people = content.attendees if group == PEOPLE else content.rooms
        return json.dumps([[a.name, a.address, a.record_id, a.response] for a in people], ensure_ascii=False)
    found = value(content, group)
    if group == MARKS:
        return " ".join(part for part in found if part)
    return "" if found is None else str(found)
