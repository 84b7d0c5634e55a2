"""The part of the scripted day about where people meet: a room that is booked, and Teams."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from concord.comparison import TEAMS, TEAMS_URL
from concord.demo_day import Firm, Scene, seen_in_outlook
from concord.demo_players import graph_time, practifi_time


def place_scenes(firm: Firm) -> Iterator[Scene]:
    """A room booked in Outlook hangs on the event in Practifi; a tick in Practifi makes a Teams meeting."""
    yield from _room(firm)
    yield from _teams(firm)


def _room(firm: Firm) -> Iterator[Scene]:
    (name, calendar), start = firm.room, firm.noon + timedelta(days=6)

    def book() -> None:
        room = firm.outlook.room(name)
        address = {"name": room["displayName"], "address": room["emailAddress"]}
        event: dict[str, Any] = {
            "subject": "Board",
            "start": graph_time(start),
            "end": graph_time(start + timedelta(hours=1)),
            "location": {"displayName": name, "locationType": "conferenceRoom",
                         "locationEmailAddress": room["emailAddress"]},
            "attendees": [{"type": "resource", "emailAddress": address}],
        }  # fmt: skip
        firm.made["board"] = firm.outlook.create(firm.adviser, event)["id"]

    def is_booked() -> bool:
        record = firm.practifi.with_external_id(firm.made["board"])
        return record is not None and calendar in firm.practifi.related(record["Id"])

    yield Scene(f"{name} booked in Outlook", "Practifi", book, is_booked)


def _teams(firm: Firm) -> Iterator[Scene]:
    start = firm.noon + timedelta(days=6, hours=2)

    def create() -> None:
        times = {"StartDateTime": practifi_time(start), "EndDateTime": practifi_time(start + timedelta(hours=1))}
        firm.made["online"] = firm.practifi.create(
            {"Subject": "Portfolio online", "OwnerId": firm.adviser_id, TEAMS: True, **times}
        )

    def has_link() -> bool:
        record = firm.practifi.get(firm.made["online"])
        return record is not None and bool(record[TEAMS_URL]) and is_made()

    is_made = seen_in_outlook(firm, "online", lambda event: event["isOnlineMeeting"])
    yield Scene("Teams Meeting ticked in Practifi: made there, its link comes back", "both", create, has_link)
