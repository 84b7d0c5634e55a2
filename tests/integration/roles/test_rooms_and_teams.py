"""Rooms, Teams meetings and the org's log on real Kafka: booked, refused, joined, and found by an administrator."""

from __future__ import annotations

import pytest
from support.running import Running

pytestmark = pytest.mark.broker

TEAMS, JOIN_URL = "practifi__Teams_Meeting__c", "practifi__Teams_Meeting_URL__c"
LOG = (
    "SELECT practifi__Error_Message__c, practifi__External_System__c FROM practifi__Integration_Log__c "
    "WHERE practifi__Is_Error__c = false"
)


def test_a_room_is_booked_and_a_taken_one_is_a_warning_in_the_orgs_log(firm: Running) -> None:
    """Two events in one room at one time: Practifi holds both, the room hangs on the first; the log names what was
    left out, once."""
    adviser, day = firm.users[0], firm.a_free_day()
    calendars = firm.practifi.query("SELECT Id, Name FROM Calendar WHERE Type = 'Resource' ORDER BY Name")
    calendar = calendars[0]
    entry_id = firm.practifi.create(firm.entry("Room keeper", day, adviser), (calendar["Id"],))
    event = firm.event_of(adviser, entry_id, subject="Room keeper")
    rooms = [one for one in event["attendees"] if one["type"] == "resource"]
    assert [one["emailAddress"]["name"] for one in rooms] == [calendar["Name"]]
    address = rooms[0]["emailAddress"]["address"]
    booking = {
        "location": {
            "displayName": calendar["Name"],
            "locationType": "conferenceRoom",
            "locationEmailAddress": address,
        },
        "attendees": [{"type": "resource", "emailAddress": {"address": address, "name": calendar["Name"]}}],
    }
    other = firm.users[1]
    made = firm.outlook.create(other.address, {**firm.meeting("Room seeker", day), **booking})
    record = firm.record_of(made["id"], Subject="Room seeker", Location=calendar["Name"])
    assert calendar["Id"] not in firm.invitees(record["Id"])
    assert calendar["Id"] in firm.invitees(entry_id)
    rows = firm.until(
        lambda: [row for row in firm.practifi.query(LOG) if calendar["Id"] in row["practifi__Error_Message__c"]],
        "a row in the integration log",
    )
    assert [row["practifi__External_System__c"] for row in rows] == ["Microsoft Calendar Sync"]
    firm.settle()


def test_a_tick_in_practifi_makes_a_teams_meeting_and_its_url_comes_back(firm: Running) -> None:
    """The URL stands in the record; a new description keeps the block in Microsoft 365; unticking is put right."""
    adviser, day = firm.users[0], firm.a_free_day()
    entry_id = firm.practifi.create({**firm.entry("Teams talk", day, adviser), TEAMS: True, "Description": "Agenda"})
    event = firm.event_of(adviser, entry_id, isOnlineMeeting=True)
    url = firm.until(lambda: (firm.practifi.get(entry_id) or {}).get(JOIN_URL), "the URL in Practifi")
    assert url == firm.until(
        lambda: ((firm.outlook.get(adviser.address, event["id"]) or {}).get("onlineMeeting") or {}).get("joinUrl"),
        "the URL in Microsoft 365",
    )
    firm.practifi.edit(entry_id, {"Description": "A better agenda"})
    changed = firm.until(
        lambda: holding_text(firm.outlook.get(adviser.address, event["id"]), "A better agenda"), "the description"
    )
    assert changed["onlineMeeting"]["joinUrl"] == url
    firm.practifi.edit(entry_id, {TEAMS: False})
    firm.until(lambda: (firm.practifi.get(entry_id) or {}).get(TEAMS) is True, "the tick to come back")
    firm.settle()


def holding_text(event: dict | None, text: str) -> dict | None:  # type: ignore[type-arg]
    """The event, if its body holds the text."""
    return event if event is not None and text in event["body"]["content"] else None
