"""The whole loop in one process without faults, for stories told act by act: both simulated services, every stage.

It is the seeded simulation's world; here nothing happens but what the test does. The clock begins on Monday, 2 March
2026, at nine in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from simulation.firm import Client, Person
from simulation.listening import listening
from simulation.mutants import NONE
from simulation.outcome import Ending, read_ending
from simulation.remembered import remembered
from simulation.run import calm_down
from simulation.transport import Write
from simulation.world import World

from schemas.commands import Decision
from schemas.settings import ConflictScope, Direction, ShowAsList

RECURRING: Final = "practifi__Recurring_in_Microsoft_365__c"
EXTERNAL_ID: Final = "practifi__External_ID__c"
STATUS: Final = "practifi__Microsoft_365_Sync_Status__c"
INVITES: Final = "practifi__Send_Invitations_to_Attendees__c"

OPEN: Final = {
    "direction": Direction.TWO_WAY,
    "sync_internal_events": True,
    "sync_private_events": True,
    "sync_unmatched_events": True,
    "delete_from_microsoft": True,
    "delete_from_practifi": True,
    "send_invitations": False,
    "commencement_date": date(2025, 9, 1),
    "series_months": 2,
    "inbound_years": 2,
    "outbound_months": 24,
    "show_as_list": ShowAsList.EXTENDED,
    "licences": 0,
    "shadow": False,
    "conflict_scope": ConflictScope.FIELD,
    "outbound_origins": ("ui",),
    "invitation_limit_per_write": 0,
    "invitation_limit_per_hour": 9,
    "deletion_limit_events": 2,
    "deletion_limit_percent": 0,
}


@dataclass
class Story:
    """A firm and its people, two-way and with everything allowed unless told otherwise."""

    world: World

    @property
    def people(self) -> list[Person]:
        """The users, all enabled."""
        return self.world.services.people

    @property
    def clients(self) -> list[Client]:
        """The contacts with an address."""
        return [one for one in self.world.services.clients if one.address]

    # --- acts -------------------------------------------------------------------------------------------------

    def rule(self, **changes: Any) -> None:
        """An administrator changes settings; what they mean for existing events comes with `settle`."""
        world = self.world
        settings = replace(world.settings, **changes, number=world.settings.number + 1, changed_at=world.now())
        world._publish_settings(settings)

    def make(self, person: Person, subject: str, start: datetime, *, zone: str = "UTC", **more: Any) -> str:
        """A meeting of an hour in somebody's Outlook, on the clocks of a zone; returns its id."""
        body = {"subject": subject, **times(start, zone=zone), "attendees": [], **more}
        return str(self.world.outlook.request("POST", f"/users/{person.mailbox}/events", body)["id"])

    def change(self, person: Person, event_id: str, **members: Any) -> None:
        """An edit in Outlook."""
        self.world.outlook.request("PATCH", f"/users/{person.mailbox}/events/{event_id}", members)

    def delete(self, person: Person, event_id: str) -> None:
        """A deletion in Outlook."""
        self.world.outlook.request("DELETE", f"/users/{person.mailbox}/events/{event_id}", None)

    def save(self, person: Person, subject: str, start: datetime, **more: Any) -> str:
        """An event of an hour saved in Practifi; returns its record id."""
        span = {"StartDateTime": stamp(start), "EndDateTime": stamp(start + timedelta(hours=1))}
        fields = {"Subject": subject, "OwnerId": person.salesforce_id, **span}
        return str(self.world.practifi.request("POST", "/sobjects/Event", {**fields, **more})["id"])

    def edit(self, record_id: str, **fields: Any) -> None:
        """An edit in Practifi."""
        self.world.practifi.request("PATCH", f"/sobjects/Event/{record_id}", fields)

    def remove(self, record_id: str) -> None:
        """A deletion in Practifi."""
        self.world.practifi.request("DELETE", f"/sobjects/Event/{record_id}", None)

    def invite(self, record_id: str, *related: str) -> None:
        """Attendees added in Practifi."""
        for one in related:
            body = {"EventId": record_id, "RelationId": one}
            self.world.practifi.request("POST", "/sobjects/EventRelation", body)

    def settle(self) -> list[Write]:
        """Everything is read and carried out until nothing is left to do; what was written meanwhile."""
        logs = [self.world.services.graph.writes, self.world.services.salesforce.writes]
        before = [len(log) for log in logs]
        calm_down(self.world)
        return [write for log, count in zip(logs, before, strict=True) for write in log[count:]]

    def pass_time(self, **span: float) -> None:
        """Time goes by."""
        self.world.clock.advance(timedelta(**span).total_seconds())

    # --- what both sides hold ---------------------------------------------------------------------------------

    def event(self, person: Person, event_id: str) -> dict[str, Any] | None:
        """An event in Outlook, None when there is none."""
        path = f"/users/{person.mailbox}/events/{event_id}"
        found: dict[str, Any] | None = self.world.outlook.request("GET", path, None, None, True)
        return found

    def dates(self, person: Person, master_id: str, until: timedelta = timedelta(days=120)) -> list[dict[str, Any]]:
        """The dates of a series, by start."""
        start = self.world.now() - timedelta(days=60)
        query = {"startDateTime": stamp(start), "endDateTime": stamp(self.world.now() + until), "$top": "500"}
        path = f"/users/{person.mailbox}/events/{master_id}/instances"
        found = self.world.outlook.request("GET", path, None, query)["value"]
        return sorted(found, key=lambda one: str(one["start"]["dateTime"]))

    def records(self, subject: str = "") -> list[dict[str, Any]]:
        """Practifi's events whose subject begins so, by start."""
        extra = f"SELECT Id, {RECURRING} FROM Event WHERE IsChild = false"
        words = {row["Id"]: row[RECURRING] for row in self.world.practifi.rows(extra)}
        found = [one | {RECURRING: words[one["Id"]]} for one in self.world.practifi.events()]
        return sorted(
            (one for one in found if one["Subject"].startswith(subject)), key=lambda one: one["StartDateTime"]
        )

    def starts(self, subject: str = "") -> list[str]:
        """When they start, to the minute in UTC."""
        return [one["StartDateTime"][:16] for one in self.records(subject)]

    def related(self, record_id: str) -> set[str]:
        """Whom a Practifi event is related to."""
        return {one["RelationId"] for one in self.world.practifi.relations() if one["EventId"] == record_id}

    def counts(self) -> tuple[int, int]:
        """How many events both sides hold: Outlook (organizers' own), Practifi."""
        own = [one for p in self.people for one in self.world.outlook.events(p.mailbox) if one["isOrganizer"]]
        return len(own), len(self.records())

    def writes(self) -> list[Write]:
        """Every write of Concord's that a service carried out."""
        return [*self.world.services.graph.writes, *self.world.services.salesforce.writes]

    def mails(self) -> list[tuple[str, str]]:
        """Every mail that Concord's writes caused: kind and address."""
        return [(str(mail.kind), mail.address) for write in self.writes() for mail in write.mails]

    def ending(self) -> Ending:
        """Everything there is."""
        return read_ending(self.world)

    def decisions(self) -> list[Decision]:
        """Every decision so far."""
        return self.ending().decisions

    def reasons(self) -> set[str]:
        """The reasons of the pairs as they stand."""
        return {pair.reason for pair in self.ending().pairs.values()}


def stamp(moment: datetime) -> str:
    """A moment as both services take it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def times(start: datetime, hours: float = 1, zone: str = "UTC") -> dict[str, Any]:
    """Start and end members of an event on the clocks of a zone."""
    end = start + timedelta(hours=hours)
    return {
        "start": {"dateTime": f"{start:%Y-%m-%dT%H:%M:%S}", "timeZone": zone},
        "end": {"dateTime": f"{end:%Y-%m-%dT%H:%M:%S}", "timeZone": zone},
    }


def day(number: int, hour: int = 9) -> datetime:
    """A moment so many days after Monday, 2 March 2026."""
    return datetime(2026, 3, 2, hour, tzinfo=UTC) + timedelta(days=number)


def weekly(start: datetime, count: int, zone: str = "UTC") -> dict[str, Any]:
    """A rule: every week on the weekday of `start`, so many times; 0 for ever."""
    bounds: dict[str, Any] = {"type": "numbered", "numberOfOccurrences": count} if count else {"type": "noEnd"}
    return {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": [f"{start:%A}".lower()]},
        "range": {**bounds, "startDate": f"{start:%F}", "recurrenceTimeZone": zone},
    }


def guest(address: str, name: str = "") -> dict[str, Any]:
    """An attendee as Outlook sends one."""
    return {"type": "required", "emailAddress": {"address": address, "name": name or address.split("@")[0]}}


@contextmanager
def story(seed: int = 1, **settings: Any) -> Iterator[Story]:
    """A firm at rest: everybody enabled, no faults, nothing in either calendar."""
    with remembered():
        world = World(seed, NONE)
        world.faults.is_on = False
        world.services.calm_down()
        clock = patch("concord.roles.sinks.datetime", SimpleNamespace(now=lambda _: world.now()))
        with clock, listening(world.logs):
            told = Story(world)
            since = world.now()
            users = tuple(replace(one, is_enabled=True, outbound_since=since) for one in world.settings.users)
            told.rule(**(OPEN | {"users": users} | settings))
            world.outlook.series_months = world.settings.series_months
            told.settle()
            yield told


def as_text(value: Any) -> str:
    """A value as JSON, for looking through."""
    return json.dumps(value, default=str)
