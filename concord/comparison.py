"""What both services hold, compared by rules of its own: nothing here comes from `streams` or `connectors`.

Written from the field tables of the product facts and read from the simulators' own data, so that a wrong mapping, a
lost event or a doubled one in Concord shows as a difference here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

LABELS: Final = {
    "free": "Free",
    "tentative": "Tentative",
    "busy": "Busy",
    "oof": "Out of Office",
    "workingElsewhere": "Working Elsewhere",
    "unknown": "Busy",
}
STATUSES: Final = {"accepted": "Accepted", "organizer": "Accepted", "declined": "Declined"}
GROUPS: Final = (
    "subject",
    "body",
    "location",
    "time",
    "show_as",
    "privacy",
    "reminder",
    "people",
    "owner",
    "rooms",
    "teams",
)

EXTERNAL_ID: Final = "practifi__External_ID__c"
TEAMS: Final = "practifi__Teams_Meeting__c"
TEAMS_URL: Final = "practifi__Teams_Meeting_URL__c"
# How the ids of users and contacts begin, and those of calendars.
PEOPLE: Final = ("005", "003")
CALENDAR: Final = "023"
SYNC_STATUS: Final = "practifi__Microsoft_365_Sync_Status__c"
RECURRING: Final = "practifi__Recurring_in_Microsoft_365__c"
INVITES: Final = "practifi__Send_Invitations_to_Attendees__c"
# Salesforce takes no longer event, Practifi no more people, its Description no longer text (characters).
LONGEST: Final = timedelta(days=14)
CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PEOPLE_MAX: Final = 50
BODY_MAX: Final = 32_000
# The longest reminder that is carried, ten years in minutes: beyond it dates cannot be reckoned with everywhere.
REMINDER_MAX: Final = 10 * 365 * 24 * 60
# What of a text at that limit may be missing because the sides count line ends differently, in characters.
BODY_SLACK: Final = 1_000

EQUAL: Final = "on both sides and equal"
DIFFERS: Final = "differs"


@dataclass(frozen=True)
class Meeting:
    """One event in words that both sides share. `people` are (record id, status); `owner` is a Salesforce user; `rooms`
    are Resource Calendars; `teams` is where to join, and whether it is a Teams meeting at all."""

    subject: str
    body: str
    location: str
    time: tuple[datetime, datetime, bool]
    show_as: str
    privacy: bool
    reminder: int | None
    people: frozenset[tuple[str, str]]
    owner: str
    rooms: frozenset[str]
    teams: tuple[bool, str]


@dataclass
class Agreement:
    """The outcome: how many events agree, and every difference in words."""

    agreeing: int = 0
    microsoft_events: int = 0
    practifi_events: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    fates: dict[str, str] = field(default_factory=dict)
    """What became of each Microsoft 365 event, by its id: EQUAL, DIFFERS, or why it rightly stays out of Practifi."""

    @property
    def is_whole(self) -> bool:
        """Whether both sides agree."""
        return not self.problems


def plain(text: str | None) -> str:
    """Text without what HTML and line ends do to it, and without control characters, which nobody can read."""
    readable = CONTROLS.sub("", (text or "").replace("\r\n", "\n"))
    return "\n".join(line.strip() for line in readable.strip().split("\n"))


def instant(value: Mapping[str, str]) -> datetime:
    """Graph's time, read in UTC."""
    return datetime.fromisoformat(value["dateTime"][:19]).replace(tzinfo=UTC)


def of_outlook(
    event: Mapping[str, Any],
    text: str,
    records: Mapping[str, str],
    owners: Mapping[str, str],
    owner: str,
    rooms: Mapping[str, str],
) -> Meeting:
    """A Graph event, its body as plain text in `text`. `records` finds a record by address, `owners` an enabled user,
    `rooms` a Resource Calendar by its name in lower case; `owner` is the user whose mailbox holds it."""
    is_private = event["sensitivity"] != "normal"
    organizer = event["organizer"]["emailAddress"]["address"].lower()
    owner = owners.get(organizer, owner)
    return Meeting(
        subject=plain(event["subject"])[:255].strip(),
        body=plain(text),
        location=plain(event["location"].get("displayName"))[:255].strip(),
        time=(instant(event["start"]), instant(event["end"]), event["isAllDay"]),
        show_as=LABELS[event["showAs"]],
        privacy=is_private,
        reminder=min(event["reminderMinutesBeforeStart"], REMINDER_MAX) if event["isReminderOn"] else None,
        people=frozenset() if is_private else _people(event, records, owner),
        owner=owner,
        rooms=frozenset() if is_private else _rooms(event, rooms),
        teams=_teams(event),
    )


def _rooms(event: Mapping[str, Any], rooms: Mapping[str, str]) -> frozenset[str]:
    """The rooms that were invited and did not decline, and conference rooms among the locations."""
    names = [
        attendee["emailAddress"].get("name") or ""
        for attendee in event["attendees"]
        if attendee["type"] == "resource" and attendee["status"]["response"] != "declined"
    ]
    names += [one["displayName"] for one in event["locations"] if one.get("locationType") == "conferenceRoom"]
    return frozenset(rooms[name.lower()] for name in names if name.lower() in rooms)


def _teams(event: Mapping[str, Any]) -> tuple[bool, str]:
    is_teams = event["isOnlineMeeting"] and event["onlineMeetingProvider"] == "teamsForBusiness"
    return (is_teams, (event["onlineMeeting"] or {}).get("joinUrl") or "") if is_teams else (False, "")


def _people(event: Mapping[str, Any], records: Mapping[str, str], owner: str) -> frozenset[tuple[str, str]]:
    """Everyone who takes part and is on record, except the owner: the first 50 by name, then address."""
    organizer = event["organizer"]["emailAddress"]
    present = [(organizer.get("name") or "", organizer["address"].lower(), "organizer")]
    for attendee in event["attendees"]:
        who = attendee["emailAddress"]
        if attendee["type"] != "resource":
            present.append((who.get("name") or "", who["address"].lower(), attendee["status"]["response"]))
    people: dict[str, str] = {}
    for _, address, answer in sorted(present, key=lambda one: (one[0].casefold(), one[1])):
        record = records.get(address)
        if record is not None and record != owner:
            people.setdefault(record, "organizer" if address == organizer["address"].lower() else answer)
    return frozenset((record, STATUSES.get(answer, "New")) for record, answer in list(people.items())[:PEOPLE_MAX])


def of_practifi(record: Mapping[str, Any], relations: Iterable[Mapping[str, Any]]) -> Meeting:
    """A Salesforce event with its relations to users, contacts and Resource Calendars."""
    start, end = (datetime.fromisoformat(record[name]) for name in ("StartDateTime", "EndDateTime"))
    if record["IsAllDayEvent"]:
        end += timedelta(days=1)
    reminder = None
    if record["IsReminderSet"]:
        reminder = max(0, int((start - datetime.fromisoformat(record["ReminderDateTime"])).total_seconds() // 60))
    return Meeting(
        subject=plain(record["Subject"]),
        body=plain(record["Description"]),
        location=plain(record["Location"]),
        time=(start, end, record["IsAllDayEvent"]),
        show_as=record["practifi__Show_Time_As__c"],
        privacy=record["IsPrivate"],
        reminder=reminder,
        people=frozenset((one["RelationId"], one["Status"]) for one in relations if _is_person(one)),
        owner=record["OwnerId"],
        rooms=frozenset(one["RelationId"] for one in relations if not _is_person(one)),
        teams=(record[TEAMS], record[TEAMS_URL] or ""),
    )


def _is_person(relation: Mapping[str, Any]) -> bool:
    return str(relation["RelationId"]).startswith(PEOPLE)


def differences(microsoft: Meeting, practifi: Meeting, *, may_have_more_people: bool) -> list[str]:
    """The groups in which they differ; Practifi may hold more people than Microsoft 365 if it is said."""
    found = [group for group in GROUPS if getattr(microsoft, group) != getattr(practifi, group)]
    if "people" in found and may_have_more_people and microsoft.people <= practifi.people:
        found.remove("people")
    if "body" in found and _is_cut(microsoft.body, practifi.body):
        found.remove("body")
    return found


def _is_cut(whole: str, held: str) -> bool:
    """Whether a text that is too long for Practifi stands there as far as it fits."""
    return len(whole) > BODY_MAX - BODY_SLACK <= len(held) and whole.startswith(held)


@dataclass(frozen=True)
class Firm:
    """What is compared: per enabled mailbox its events (full Graph JSON with a `text` member; a series and its dates),
    the Salesforce events without invitees' copies, their relations, and who is who."""

    mailboxes: Mapping[str, list[dict[str, Any]]]
    events: list[dict[str, Any]]
    relations: list[dict[str, Any]]
    records: Mapping[str, str]
    owners: Mapping[str, str]
    since: datetime
    """Practifi events saved at or after this moment must be in Microsoft 365."""
    earliest: datetime
    latest: datetime
    horizon: datetime | None = None
    """Dates of series that begin at or after this moment are not carried yet; None: all are."""
    rooms: Mapping[str, str] = field(default_factory=dict)
    """Resource Calendars by their names in lower case."""
    practifi_has_own_people: bool = True
    """Whether Practifi's users may have added people of whom Microsoft 365 is not told (invitations not ticked)."""


def compare(firm: Firm) -> Agreement:
    """Every event of both sides against the other."""
    agreement = Agreement()
    found: dict[str, list[dict[str, Any]]] = {}
    for record in firm.events:
        if record.get(EXTERNAL_ID):
            found.setdefault(record[EXTERNAL_ID], []).append(record)
    related: dict[str, list[dict[str, Any]]] = {}
    for relation in firm.relations:
        if relation["RelationId"].startswith((*PEOPLE, CALENDAR)):
            related.setdefault(relation["EventId"], []).append(relation)
    led = _led_by_another_copy(firm, found)
    matched: set[str] = set()
    for address, events in firm.mailboxes.items():
        for event in events:
            why = _not_leading(event, firm) or ("an attendee's copy" if event["id"] in led else None)
            if event["type"] == "seriesMaster":
                continue
            if why is None:
                agreement.microsoft_events += 1
                matched |= _check(agreement, firm, address, event, found.get(event["id"], []), related)
            else:
                agreement.fates[event["id"]] = why
    for record in firm.events:
        agreement.practifi_events += 1
        if record["Id"] not in matched:
            _check_alone(agreement, firm, record)
    agreement.fates |= {master: _fate_of_series(fates) for master, fates in _by_series(firm, agreement.fates).items()}
    return agreement


def _by_series(firm: Firm, fates: Mapping[str, str]) -> dict[str, list[str]]:
    """What became of the dates of each series."""
    events = [event for events in firm.mailboxes.values() for event in events]
    series: dict[str, list[str]] = {event["id"]: [] for event in events if event["type"] == "seriesMaster"}
    for event in events:
        if event.get("seriesMasterId") in series:
            series[event["seriesMasterId"]].append(fates[event["id"]])
    return series


def _fate_of_series(fates: list[str]) -> str:
    """A series agrees when one of its dates does and none differs."""
    decisive = [fate for fate in (DIFFERS, EQUAL) if fate in fates]
    return (decisive or fates or ["a series without a date in the range of sync"])[0]


def _not_leading(event: Mapping[str, Any], firm: Firm) -> str | None:
    """Why this copy does not count: the organizer's does; an attendee's only when the organizer is nobody of ours."""
    if event["isCancelled"]:
        return "cancelled by its organizer"
    organizer = event["organizer"]["emailAddress"]["address"].lower()
    return None if event["isOrganizer"] or organizer not in firm.owners else "an attendee's copy"


def _led_by_another_copy(firm: Firm, found: Mapping[str, list[dict[str, Any]]]) -> set[str]:
    """Copies of outsiders' meetings beside the one that leads: a meeting in several mailboxes is one event."""
    copies: dict[str, list[str]] = {}
    for event in (event for events in firm.mailboxes.values() for event in events):
        if not event["isOrganizer"] and _not_leading(event, firm) is None:
            copies.setdefault(event["iCalUId"], []).append(event["id"])
    led: set[str] = set()
    for ids in copies.values():
        first = next((one for one in ids if one in found), ids[0])
        led |= {one for one in ids if one != first and one not in found}
    return led


def refusal(event: Mapping[str, Any], firm: Firm) -> str | None:
    """Why an event rightly stays out of Practifi, if it does."""
    start, end = instant(event["start"]), instant(event["end"])
    if event["type"] == "seriesMaster":
        return "a series, whose dates are events of their own"
    if event["isDraft"]:
        return "a draft"
    if start < firm.earliest:
        return f"begins before {firm.earliest:%d %b %Y}, where the range of sync begins"
    if start > firm.latest:
        return f"begins after {firm.latest:%d %b %Y}, where the range of sync ends"
    if event["type"] != "singleInstance" and firm.horizon is not None and start >= firm.horizon:
        return f"a date of a series after {firm.horizon:%d %b %Y}, up to where series are carried"
    return f"longer than {LONGEST.days} days, which Salesforce refuses" if end - start > LONGEST else None


def _check(
    agreement: Agreement, firm: Firm, address: str, event: dict[str, Any], records: list[dict[str, Any]],
    related: Mapping[str, list[dict[str, Any]]],
) -> set[str]:  # fmt: skip
    """One Microsoft 365 event against its Practifi records; returns the ids of these."""
    when = f" on {instant(event['start']):%d %b %Y}" if event["type"] != "singleInstance" else ""
    name = f"{event['subject'][:60]!r} of {address}{when}"
    refused = refusal(event, firm)
    if refused is not None and not records:
        agreement.refused[refused] += 1
        agreement.fates[event["id"]] = refused
        return set()
    problems = [f"{name}: {len(records)} events in Practifi instead of 1"] if len(records) != 1 else []
    start, end = instant(event["start"]), instant(event["end"])
    for record in records if not problems else ():
        microsoft = of_outlook(event, event["text"], firm.records, firm.owners, firm.owners[address], firm.rooms)
        practifi = of_practifi(record, related.get(record["Id"], []))
        if microsoft.rooms:
            taken = _taken(firm, record["Id"], start, end)
            microsoft = replace(microsoft, rooms=microsoft.rooms - (taken - practifi.rooms))
        more = firm.practifi_has_own_people and not record[INVITES]
        for group in differences(microsoft, practifi, may_have_more_people=more):
            one, other = getattr(microsoft, group), getattr(practifi, group)
            problems.append(f"{name}: {group} is {one!r} in Microsoft 365 and {other!r} in Practifi")
        if bool(record.get(RECURRING)) != (event["type"] != "singleInstance"):
            problems.append(f"{name}: Practifi shows {record.get(RECURRING)!r} as its recurrence")
        if record[SYNC_STATUS] != "Synced":
            problems.append(f"{name}: Practifi shows {record[SYNC_STATUS]!r} instead of 'Synced'")
    agreement.problems += problems
    agreement.agreeing += not problems
    agreement.fates[event["id"]] = DIFFERS if problems else EQUAL
    return {record["Id"] for record in records}


def _taken(firm: Firm, record_id: str, start: datetime, end: datetime) -> frozenset[str]:
    """The Resource Calendars that other Practifi events hold at that time: Salesforce lets nobody else book them."""
    busy = {
        record["Id"]
        for record in firm.events
        if record["Id"] != record_id
        and datetime.fromisoformat(record["StartDateTime"]) < end
        and start < datetime.fromisoformat(record["EndDateTime"])
    }
    rooms = (one for one in firm.relations if str(one["RelationId"]).startswith(CALENDAR))
    return frozenset(one["RelationId"] for one in rooms if one["EventId"] in busy)


def _check_alone(agreement: Agreement, firm: Firm, record: Mapping[str, Any]) -> None:
    """A Practifi event without a Microsoft 365 event: right only if it was there before and not saved since."""
    name = f"{str(record['Subject'])[:60]!r} in Practifi"
    if record[SYNC_STATUS] == "Synced":
        agreement.problems.append(f"{name}: shows 'Synced', but has no event in Microsoft 365")
    elif record["OwnerId"] in firm.owners.values() and datetime.fromisoformat(record["LastModifiedDate"]) >= firm.since:
        agreement.problems.append(f"{name}: saved since outbound sync began, but not in Microsoft 365")
    else:
        agreement.refused["in Practifi before, not edited since"] += 1


def doubled(now: Firm, before: Firm) -> list[str]:
    """Events that look alike in subject and time, beyond as many as both sides together held before."""
    allowed: Counter[tuple[str, datetime, datetime]] = Counter()
    for looks in _looks(before).values():
        allowed.update(looks)
    return [
        f"{looks[0][:60]!r} at {looks[1]:%d %b %Y %H:%M} stands {count} times in {side}"
        for side, counted in _looks(now).items()
        for looks, count in counted.items()
        if count > max(1, allowed[looks])
    ]


def _looks(firm: Firm) -> dict[str, Counter[tuple[str, datetime, datetime]]]:
    microsoft: Counter[tuple[str, datetime, datetime]] = Counter()
    for event in (event for events in firm.mailboxes.values() for event in events):
        if _not_leading(event, firm) is None and event["type"] != "seriesMaster":
            subject = plain(event["subject"])[:255].strip()
            microsoft[subject, instant(event["start"]), instant(event["end"])] += 1
    practifi: Counter[tuple[str, datetime, datetime]] = Counter()
    for record in firm.events:
        meeting = of_practifi(record, ())
        practifi[meeting.subject, meeting.time[0], meeting.time[1]] += 1
    return {"Microsoft 365": microsoft, "Practifi": practifi}
