"""What both services hold, compared by rules of its own: nothing here comes from `streams` or `connectors`.

Written from the field tables of the product facts and read from the simulators' own data, so that a wrong mapping, a
lost event or a doubled one in Concord shows as a difference here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
GROUPS: Final = ("subject", "body", "location", "time", "show_as", "privacy", "reminder", "people", "owner")

EXTERNAL_ID: Final = "practifi__External_ID__c"
SYNC_STATUS: Final = "practifi__Microsoft_365_Sync_Status__c"
INVITES: Final = "practifi__Send_Invitations_to_Attendees__c"
LONGEST: Final = timedelta(days=14)


@dataclass(frozen=True)
class Meeting:
    """One event in words that both sides share. `people` are (record id, status); `owner` is a Salesforce user."""

    subject: str
    body: str
    location: str
    time: tuple[datetime, datetime, bool]
    show_as: str
    privacy: bool
    reminder: int | None
    people: frozenset[tuple[str, str]]
    owner: str


@dataclass
class Agreement:
    """The outcome: how many events agree, and every difference in words."""

    agreeing: int = 0
    microsoft_events: int = 0
    practifi_events: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether both sides agree."""
        return not self.problems


def plain(text: str | None) -> str:
    """Text without what HTML and line ends do to it."""
    return "\n".join(line.strip() for line in (text or "").replace("\r\n", "\n").strip().split("\n"))


def instant(value: Mapping[str, str]) -> datetime:
    """Graph's time, read in UTC."""
    return datetime.fromisoformat(value["dateTime"][:19]).replace(tzinfo=UTC)


def of_outlook(
    event: Mapping[str, Any], text: str, records: Mapping[str, str], owners: Mapping[str, str], owner: str
) -> Meeting:
    """A Graph event, its body as plain text in `text`. `records` finds a record by address, `owners` an enabled user;
    `owner` is the user whose mailbox holds it."""
    is_private = event["sensitivity"] != "normal"
    organizer = event["organizer"]["emailAddress"]["address"].lower()
    owner = owners.get(organizer, owner)
    answers = {organizer: "organizer"}
    for attendee in event["attendees"]:
        if attendee["type"] != "resource":
            answers.setdefault(attendee["emailAddress"]["address"].lower(), attendee["status"]["response"])
    people = {
        (records[address], STATUSES.get(answer, "New"))
        for address, answer in answers.items()
        if address in records and records[address] != owner and not is_private
    }
    return Meeting(
        subject=plain(event["subject"])[:255].strip(),
        body=plain(text),
        location=plain(event["location"].get("displayName"))[:255].strip(),
        time=(instant(event["start"]), instant(event["end"]), event["isAllDay"]),
        show_as=LABELS[event["showAs"]],
        privacy=is_private,
        reminder=event["reminderMinutesBeforeStart"] if event["isReminderOn"] else None,
        people=frozenset(people),
        owner=owner,
    )


def of_practifi(record: Mapping[str, Any], relations: Iterable[Mapping[str, Any]]) -> Meeting:
    """A Salesforce event with its relations to users and contacts."""
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
        people=frozenset((one["RelationId"], one["Status"]) for one in relations),
        owner=record["OwnerId"],
    )


def differences(microsoft: Meeting, practifi: Meeting, *, sends_invitations: bool) -> list[str]:
    """The groups in which they differ. Without invitations Microsoft 365 need not know all of Practifi's people."""
    found = [group for group in GROUPS if getattr(microsoft, group) != getattr(practifi, group)]
    if "people" in found and not sends_invitations and microsoft.people <= practifi.people:
        found.remove("people")
    return found


@dataclass(frozen=True)
class Firm:
    """What is compared: per enabled mailbox its events (full Graph JSON with a `text` member), the Salesforce events
    without invitees' copies, their relations, and who is who."""

    mailboxes: Mapping[str, list[dict[str, Any]]]
    events: list[dict[str, Any]]
    relations: list[dict[str, Any]]
    records: Mapping[str, str]
    owners: Mapping[str, str]
    since: datetime
    """Practifi events saved at or after this moment must be in Microsoft 365."""
    earliest: datetime
    latest: datetime


def compare(firm: Firm) -> Agreement:
    """Every event of both sides against the other."""
    agreement = Agreement()
    found: dict[str, list[dict[str, Any]]] = {}
    for record in firm.events:
        if record.get(EXTERNAL_ID):
            found.setdefault(record[EXTERNAL_ID], []).append(record)
    related: dict[str, list[dict[str, Any]]] = {}
    for relation in firm.relations:
        if relation["RelationId"].startswith(("005", "003")):
            related.setdefault(relation["EventId"], []).append(relation)
    matched: set[str] = set()
    for address, events in firm.mailboxes.items():
        for event in events:
            if not _leads(event, firm):
                continue
            agreement.microsoft_events += 1
            matched |= _check(agreement, firm, address, event, found.get(event["id"], []), related)
    for record in firm.events:
        agreement.practifi_events += 1
        if record["Id"] not in matched:
            _check_alone(agreement, firm, record)
    return agreement


def _leads(event: Mapping[str, Any], firm: Firm) -> bool:
    """The organizer's copy counts; an attendee's copy only when the organizer is nobody of the firm's."""
    organizer = event["organizer"]["emailAddress"]["address"].lower()
    return not event["isCancelled"] and (event["isOrganizer"] or organizer not in firm.owners)


def refusal(event: Mapping[str, Any], firm: Firm) -> str | None:
    """Why an event rightly stays out of Practifi, if it does."""
    start, end = instant(event["start"]), instant(event["end"])
    if event["type"] != "singleInstance":
        return "part of a series"
    if event["isDraft"]:
        return "draft"
    if not firm.earliest <= start <= firm.latest:
        return "out of range"
    return "longer than 14 days" if end - start > LONGEST else None


def _check(
    agreement: Agreement, firm: Firm, address: str, event: dict[str, Any], records: list[dict[str, Any]],
    related: Mapping[str, list[dict[str, Any]]],
) -> set[str]:  # fmt: skip
    name = f"{event['subject'][:60]!r} of {address}"
    refused = refusal(event, firm)
    if refused is not None and not records:
        agreement.refused[refused] += 1
        return set()
    if len(records) != 1:
        agreement.problems.append(f"{name}: {len(records)} events in Practifi instead of 1")
        return {record["Id"] for record in records}
    record = records[0]
    microsoft = of_outlook(event, event["text"], firm.records, firm.owners, firm.owners[address])
    practifi = of_practifi(record, related.get(record["Id"], []))
    differing = differences(microsoft, practifi, sends_invitations=bool(record[INVITES]))
    for group in differing:
        one, other = getattr(microsoft, group), getattr(practifi, group)
        agreement.problems.append(f"{name}: {group} is {one!r} in Microsoft 365 and {other!r} in Practifi")
    if record[SYNC_STATUS] != "Synced":
        agreement.problems.append(f"{name}: Practifi shows {record[SYNC_STATUS]!r} instead of 'Synced'")
    if not differing:
        agreement.agreeing += 1
    return {record["Id"]}


def _check_alone(agreement: Agreement, firm: Firm, record: Mapping[str, Any]) -> None:
    """A Practifi event without a Microsoft 365 event: right only if it was there before and not saved since."""
    name = f"{str(record['Subject'])[:60]!r} in Practifi"
    if record[SYNC_STATUS] == "Synced":
        agreement.problems.append(f"{name}: shows 'Synced', but has no event in Microsoft 365")
    elif record["OwnerId"] in firm.owners.values() and datetime.fromisoformat(record["LastModifiedDate"]) >= firm.since:
        agreement.problems.append(f"{name}: saved since outbound sync began, but not in Microsoft 365")
    else:
        agreement.refused["in Practifi before, not edited since"] += 1
