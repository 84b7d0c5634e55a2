"""A seed put into a simulated Salesforce org: users, accounts, contacts, calendars, events with their invitees."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from simulators.clock import SimulatorClock
from simulators.graph.zones import zone
from simulators.salesforce.org import Access, ConnectedApp, Org
from simulators.salesforce.service import SalesforceSimulator
from simulators.seed import Seed, SeedEvent

CLIENT_ID: Final = "3MVG9.Concord.Simulator.Consumer.Key"
CLIENT_SECRET: Final = "simulator-consumer-secret"
STATIC_TOKEN: Final = "00DQH0000009Cnc!AQ.simulator.long.lived.token"
"""A session that never ends, beside those that the token endpoint issues."""

SHOW_AS: Final = {"free": "Free", "oof": "OutOfOffice"}
PRACTIFI_SHOW_AS: Final = {
    "free": "Free",
    "tentative": "Tentative",
    "busy": "Busy",
    "oof": "Out of Office",
    "workingElsewhere": "Working Elsewhere",
}

# Age of seeded records, in days: older than any overlap with which a poller looks back.
AGE_DAYS: Final = 7


def build_salesforce(seed: Seed, clock: SimulatorClock, rng_seed: int = 2) -> SalesforceSimulator:
    """An org that holds the seed and returns to it on reset. Raises SalesforceError for a seed that breaks a rule."""
    org = Org(name=seed.firm, keeps_origin=True)
    access = Access(
        apps=(ConnectedApp(CLIENT_ID, CLIENT_SECRET, "Concord", execution_user=org.integration_username),),
        static_tokens={STATIC_TOKEN: org.integration_username},
    )
    simulator = SalesforceSimulator(org, clock, random.Random(rng_seed), access=access)
    _Seeder(simulator, seed, clock.now() - timedelta(days=AGE_DAYS)).run()
    simulator.seal()
    return simulator


class _Seeder:
    """Inserts in the order in which records refer to each other, and remembers who is reached by which address."""

    def __init__(self, simulator: SalesforceSimulator, seed: Seed, created: datetime) -> None:
        self._simulator = simulator
        self._seed = seed
        self._created = created
        self._users: dict[str, str] = {}
        self._invitable: dict[str, str] = {}

    def run(self) -> None:
        """Insert everything."""
        self._insert_users()
        self._insert_contacts()
        for room in self._seed.rooms:
            if room.salesforce_calendar:
                fields = {"Name": room.name, "Type": "Resource", "IsActive": True}
                self._invitable[room.email.lower()] = self._insert("Calendar", fields)
        for event in self._seed.events:
            if event.side == "salesforce":
                self._insert_event(event)

    def _insert(self, sobject: str, fields: dict[str, Any], user: str | None = None) -> str:
        return self._simulator.insert(sobject, fields, created=self._created, user=user)

    def _insert_users(self) -> None:
        for user in self._seed.users:
            if not user.salesforce:
                continue
            first, _, last = user.name.rpartition(" ")
            fields = {
                "Username": user.email,
                "Email": user.email,
                "FirstName": first or None,
                "LastName": last,
                "TimeZoneSidKey": getattr(zone(user.time_zone), "key", "GMT"),
            }
            user_id = self._insert("User", fields)
            self._users[user.email.lower()] = user_id
            for address in (user.email, *user.aliases):
                self._invitable[address.lower()] = user_id

    def _insert_contacts(self) -> None:
        accounts: dict[str, str] = {}
        owners = list(self._users.values())
        alternative = f"{self._simulator.org.namespace}__Alternative_Email__c"
        for number, contact in enumerate(self._seed.contacts):
            if contact.account and contact.account not in accounts:
                accounts[contact.account] = self._insert("Account", {"Name": contact.account})
            fields: dict[str, Any] = {"LastName": contact.last_name, "FirstName": contact.first_name or None}
            fields["AccountId"] = accounts.get(contact.account)
            fields["Email"] = contact.email or None
            fields[alternative] = contact.alternative_email or None
            if owners:
                fields["OwnerId"] = owners[number % len(owners)]
            contact_id = self._insert("Contact", fields)
            for address in (contact.email, contact.alternative_email):
                if address:
                    self._invitable.setdefault(address.lower(), contact_id)

    def _insert_event(self, event: SeedEvent) -> None:
        owner = self._users[event.calendar.lower()]
        event_id = self._insert("Event", event_fields(event, owner, self._simulator.org.namespace), owner)
        for target in self._invited(event, owner):
            is_resource = target in self._calendars
            fields = {"EventId": event_id, "RelationId": target, "Status": "Accepted" if is_resource else "New"}
            self._insert("EventRelation", fields, owner)

    @property
    def _calendars(self) -> set[str]:
        return {self._invitable[room.email.lower()] for room in self._seed.rooms if room.salesforce_calendar}

    def _invited(self, event: SeedEvent, owner: str) -> Iterator[str]:
        """Records of those invited, each once, the owner left out. A private event invites nobody."""
        if event.is_private:
            return
        seen = {owner}
        for attendee in event.attendees:
            target = self._invitable.get(attendee.email.lower())
            if target is not None and target not in seen:
                seen.add(target)
                yield target


def event_fields(event: SeedEvent, owner_id: str, namespace: str) -> dict[str, Any]:
    """A seeded event as the fields of an Event record. Pure."""
    fields: dict[str, Any] = {
        "OwnerId": owner_id,
        "Subject": event.subject or None,
        "Description": event.body or None,
        "Location": event.location or None,
        "IsPrivate": event.is_private,
        "ShowAs": SHOW_AS.get(event.show_as, "Busy"),
        f"{namespace}__Show_Time_As__c": PRACTIFI_SHOW_AS[event.show_as],
    }
    if event.is_all_day:
        days = max((event.end - event.start) // timedelta(days=1), 1)
        fields |= {
            "IsAllDayEvent": True,
            "ActivityDate": event.start.date().isoformat(),
            "DurationInMinutes": days * 1440,
        }
        return fields
    start = event.start.replace(tzinfo=zone(event.time_zone)).astimezone(UTC)
    end = event.end.replace(tzinfo=zone(event.time_zone)).astimezone(UTC)
    fields |= {"StartDateTime": start.isoformat(), "EndDateTime": end.isoformat()}
    if event.reminder_minutes is not None:
        reminder = start - timedelta(minutes=event.reminder_minutes)
        fields |= {"IsReminderSet": True, "ReminderDateTime": reminder.isoformat()}
    return fields
