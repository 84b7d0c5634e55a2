"""What both sides hold, read from their raw JSON by rules of its own.

Nothing here comes from `streams` or `connectors`. Written from the field tables of the product facts, so that a wrong
mapping in Concord shows as a difference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
STANDARD_LABELS: Final = LABELS | {"tentative": "Busy", "workingElsewhere": "Busy"}
"""Where the org has only the three values of standard Salesforce."""
STATUSES: Final = {"accepted": "Accepted", "organizer": "Accepted", "declined": "Declined"}


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
    teams: bool
    join_url: str
    rooms: frozenset[str]
    """Resource Calendars."""


GROUPS: Final = (
    "subject", "body", "location", "time", "show_as", "privacy", "reminder", "people", "owner", "teams", "join_url",
    "rooms",
)  # fmt: skip
JOIN_BLOCK: Final = re.compile(r"_{80}\s.*_{80}", re.DOTALL)


def plain(text: str | None) -> str:
    """Text without what HTML and line ends do to it."""
    return "\n".join(line.strip() for line in (text or "").replace("\r\n", "\n").strip().split("\n"))


def own_words(text: str | None) -> str:
    """A body without the block that Teams adds, which Practifi may hold or not."""
    return plain(JOIN_BLOCK.sub("", plain(text)))


def instant(value: Mapping[str, str]) -> datetime:
    """Graph's time, which is asked for in UTC."""
    assert value["timeZone"] == "UTC"
    return datetime.fromisoformat(value["dateTime"][:19]).replace(tzinfo=UTC)


def of_outlook(
    event: Mapping[str, Any], records: Mapping[str, str], owners: Mapping[str, str], owner: str,
    labels: Mapping[str, str] = LABELS,
) -> Meeting:  # fmt: skip
    """A Graph event. `records` finds a record by address (a room's calendar, too), `owners` an enabled user by address;
    `owner` is the user whose mailbox holds it, `labels` say Show Time As in the org's words."""
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
    resources = [one for one in event["attendees"] if one["type"] == "resource"]
    declined = {_address(one) for one in resources if one["status"]["response"] == "declined"}
    places = {_address(one) for one in resources} | {
        one["locationEmailAddress"].lower() for one in event["locations"] if one["locationType"] == "conferenceRoom"
    }
    is_teams = event["isOnlineMeeting"] and event["onlineMeetingProvider"] == "teamsForBusiness"
    return Meeting(
        subject=plain(event["subject"])[:255],
        body=own_words(event["body"]["content"]),
        location=plain(event["location"].get("displayName"))[:255],
        time=(instant(event["start"]), instant(event["end"]), event["isAllDay"]),
        show_as=labels[event["showAs"]],
        privacy=is_private,
        reminder=event["reminderMinutesBeforeStart"] if event["isReminderOn"] else None,
        people=frozenset(people),
        owner=owner,
        teams=is_teams,
        join_url=((event["onlineMeeting"] or {}).get("joinUrl") or "") if is_teams else "",
        rooms=frozenset(records[one] for one in places - declined if one in records and not is_private),
    )


def _address(attendee: Mapping[str, Any]) -> str:
    address: str = attendee["emailAddress"]["address"]
    return address.lower()


def of_practifi(record: Mapping[str, Any], relations: list[Mapping[str, Any]]) -> Meeting:
    """A Salesforce event with its relations."""
    start, end = (datetime.fromisoformat(record[name]) for name in ("StartDateTime", "EndDateTime"))
    if record["IsAllDayEvent"]:
        end += timedelta(days=1)
    reminder = None
    if record["IsReminderSet"]:
        reminder = max(0, int((start - datetime.fromisoformat(record["ReminderDateTime"])).total_seconds() // 60))
    return Meeting(
        subject=plain(record["Subject"]),
        body=own_words(record["Description"]),
        location=plain(record["Location"]),
        time=(start, end, record["IsAllDayEvent"]),
        show_as=record["practifi__Show_Time_As__c"],
        privacy=record["IsPrivate"],
        reminder=reminder,
        people=frozenset((one["RelationId"], one["Status"]) for one in relations if one["RelationId"][:3] != "023"),
        rooms=frozenset(one["RelationId"] for one in relations if one["RelationId"][:3] == "023"),
        owner=record["OwnerId"],
        teams=record["practifi__Teams_Meeting__c"],
        join_url=record["practifi__Teams_Meeting_URL__c"] or "",
    )


def differences(one: Meeting, other: Meeting) -> list[str]:
    """The groups in which they differ."""
    return [group for group in GROUPS if getattr(one, group) != getattr(other, group)]
