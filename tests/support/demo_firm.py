"""A firm whose two sides agree, as the demo reads it from the services: for tests that then tamper with one side."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from concord.comparison import EXTERNAL_ID, INVITES, RECURRING, SYNC_STATUS, TEAMS, TEAMS_URL, Firm
from concord.demo_evidence import Evidence, Log

ADVISER, PARTNER = "tessa@firm.example", "idris@firm.example"
OWNERS = {ADVISER: "005000000000001AAA", PARTNER: "005000000000002AAA"}
CLIENTS = {f"client{number:02d}@home.example": f"0030000000000{number:02d}AAA" for number in range(1, 61)}
RECORDS = {**CLIENTS, **OWNERS}
EARLIEST, LATEST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 6, 1, tzinfo=UTC)
HORIZON = datetime(2027, 1, 1, tzinfo=UTC)
SINCE = datetime(2026, 6, 1, tzinfo=UTC)
ROOM, ROOM_ID = "Harbour Room", "023000000000001AAA"
JOIN_URL = "https://teams.example/join/1"


def person(address: str, response: str = "none", kind: str = "required") -> dict[str, Any]:
    """An attendee in Graph's words."""
    return {
        "type": kind,
        "emailAddress": {"name": address.split("@")[0], "address": address},
        "status": {"response": response},
    }


def graph_event(number: int, **more: Any) -> dict[str, Any]:
    """A meeting with two clients in the adviser's mailbox."""
    text = "Agenda:\n- portfolio"
    return {
        "id": f"event-{number}",
        "iCalUId": f"uid-{number}",
        "type": "singleInstance",
        "subject": f"Review {number}",
        "body": {"contentType": "text", "content": text},
        "text": text,
        "location": {"displayName": "Harbour House"},
        "start": {"dateTime": f"2026-07-{number:02d}T02:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": f"2026-07-{number:02d}T03:00:00.0000000", "timeZone": "UTC"},
        "isAllDay": False,
        "showAs": "busy",
        "sensitivity": "normal",
        "isReminderOn": True,
        "reminderMinutesBeforeStart": 15,
        "organizer": {"emailAddress": {"name": "Tessa", "address": ADVISER}},
        "attendees": [person("client01@home.example", "accepted"), person("client02@home.example")],
        "isOrganizer": True,
        "isDraft": False,
        "isCancelled": False,
        "locations": [],
        "isOnlineMeeting": False,
        "onlineMeetingProvider": "unknown",
        "onlineMeeting": None,
        **more,
    }


def practifi_record(number: int, **more: Any) -> dict[str, Any]:
    """The same meeting in Practifi, as Concord leaves it."""
    return {
        "Id": f"00U0000000000{number:02d}AAA",
        "Subject": f"Review {number}",
        "Description": "Agenda:\r\n- portfolio",
        "Location": "Harbour House",
        "StartDateTime": f"2026-07-{number:02d}T02:00:00.000+0000",
        "EndDateTime": f"2026-07-{number:02d}T03:00:00.000+0000",
        "IsAllDayEvent": False,
        "practifi__Show_Time_As__c": "Busy",
        "IsPrivate": False,
        "IsReminderSet": True,
        "ReminderDateTime": f"2026-07-{number:02d}T01:45:00.000+0000",
        "OwnerId": OWNERS[ADVISER],
        "LastModifiedDate": "2026-06-02T00:00:00.000+0000",
        EXTERNAL_ID: f"event-{number}",
        SYNC_STATUS: "Synced",
        INVITES: False,
        TEAMS: False,
        TEAMS_URL: None,
        **more,
    }


def relation(number: int, client: int, status: str) -> dict[str, Any]:
    """One attendee of a Practifi event."""
    return {
        "EventId": f"00U0000000000{number:02d}AAA",
        "RelationId": CLIENTS[f"client{client:02d}@home.example"],
        "Status": status,
    }


def agreeing_records() -> list[dict[str, Any]]:
    """The Practifi events of `agreeing_firm`."""
    return [
        practifi_record(1, **{TEAMS: True, TEAMS_URL: JOIN_URL}),
        practifi_record(2, IsPrivate=True),
        practifi_record(
            3, IsAllDayEvent=True, IsReminderSet=False, StartDateTime="2026-07-03T00:00:00.000+0000",
            EndDateTime="2026-07-04T00:00:00.000+0000", practifi__Show_Time_As__c="Out of Office",
        ),
        practifi_record(4),
        practifi_record(20, **{RECURRING: "Weekly on Mon, no end"}),
        practifi_record(27, **{RECURRING: "Weekly on Mon, no end"}),
        practifi_record(
            30, **{EXTERNAL_ID: None, SYNC_STATUS: "Not Synced", "LastModifiedDate": "2026-05-01T00:00:00.000+0000"}
        ),
    ]  # fmt: skip


def agreeing_firm() -> Firm:
    """Six events that stand on both sides, and of each kind one that rightly stands on one side only.

    1 a Teams meeting with two clients in a room; 2 a private one; 3 a leave of two days, out of office, without
    reminder; 4 a meeting with 60 clients, of whom Practifi takes 50. Then a series of two dates that agree and a third
    beyond the horizon, a draft, one too early, one too late, one too long, one cancelled, a colleague's copy of the
    first, and an old Practifi event.
    """
    many = [person(address) for address in CLIENTS]
    day = {"timeZone": "UTC"}
    leave = {
        "isAllDay": True, "showAs": "oof", "isReminderOn": False, "attendees": [],
        "start": {"dateTime": "2026-07-03T00:00:00.0000000", **day},
        "end": {"dateTime": "2026-07-05T00:00:00.0000000", **day},
    }  # fmt: skip
    online = {
        "isOnlineMeeting": True, "onlineMeetingProvider": "teamsForBusiness", "onlineMeeting": {"joinUrl": JOIN_URL},
    }  # fmt: skip
    alone = [
        graph_event(5, isDraft=True),
        graph_event(
            6,
            type="occurrence",
            seriesMasterId="series-1",
            start={"dateTime": "2027-02-01T02:00:00.0000000", **day},
            end={"dateTime": "2027-02-01T03:00:00.0000000", **day},
        ),
        graph_event(7, start={"dateTime": "2025-12-31T23:00:00.0000000", **day}),
        graph_event(8, start={"dateTime": "2036-07-01T00:00:00.0000000", **day}),
        graph_event(9, end={"dateTime": "2026-07-24T03:00:00.0000000", **day}),
        graph_event(10, isCancelled=True),
    ]
    events = [
        graph_event(1, **online, locations=[{"displayName": ROOM, "locationType": "conferenceRoom"}]),
        graph_event(2, sensitivity="private"),
        graph_event(3, **leave),
        graph_event(4, attendees=many),
        *alone,
        graph_event(20, id="series-1", type="seriesMaster"),
        graph_event(20, type="occurrence", seriesMasterId="series-1"),
        graph_event(27, type="exception", seriesMasterId="series-1"),
    ]
    records = agreeing_records()
    booked = {"EventId": practifi_record(1)["Id"], "RelationId": ROOM_ID, "Status": "New"}
    answered = [(number, *answer) for number in (1, 20, 27) for answer in ((1, "Accepted"), (2, "New"))]
    relations = [relation(*one) for one in (*answered, *((4, number, "New") for number in range(1, 51)))]
    copy = graph_event(1, id="copy-1", isOrganizer=False)
    mailboxes = {ADVISER: events, PARTNER: [copy]}
    return Firm(
        mailboxes, records, [*relations, booked], RECORDS, OWNERS, SINCE, EARLIEST, LATEST, HORIZON,
        rooms={ROOM.lower(): ROOM_ID}, practifi_has_own_people=False,
    )  # fmt: skip


def tampered(side: str, number: int, changes: dict[str, Any]) -> Firm:
    """The agreeing firm with one event changed on one side (`microsoft` or `practifi`)."""
    firm = agreeing_firm()
    if side == "microsoft":
        events = deepcopy(firm.mailboxes[ADVISER])
        events[number - 1] |= changes
        return replace(firm, mailboxes={**firm.mailboxes, ADVISER: events})
    records = deepcopy(firm.events)
    records[number - 1] |= changes
    return replace(firm, events=records)


def good_evidence(**more: Any) -> Evidence:
    """What the demo reads after a day on which all went well."""
    mails = Counter({("invite", "client01@home.example"): 1, ("update", "client01@home.example"): 2})
    log = Log(
        pairs=5,
        changes={"graph": 12, "salesforce": 9},
        decisions={"created_in_microsoft": 4, "conflict": 1},
        writes={("graph", "update"): 1, ("salesforce", "create"): 4},
        predicted=mails,
    )
    evidence = Evidence(
        now=agreeing_firm(), before=agreeing_firm(), log=log, sent=Counter(mails), restarts=1,
        phases=(("start", 2.0), ("the day", 3.5)),
    )  # fmt: skip
    return replace(evidence, **more)
