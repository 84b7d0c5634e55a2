"""A seed put into a simulated Microsoft 365 tenant: users with mailboxes, rooms, the application, events."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from simulators.clock import SimulatorClock
from simulators.graph.service import GraphSimulator, OutboundCall
from simulators.graph.tenant import App, Room, Tenant, User
from simulators.seed import Seed, SeedEvent, SeedUser

TENANT_ID: Final = "c0ffee00-1111-4222-8333-444455556666"
CLIENT_ID: Final = "5d0c0bd4-9a7e-4f1b-8f0e-2b6a1c3d4e5f"
CLIENT_SECRET: Final = "simulator-client-secret"
CONSOLE_CLIENT_ID: Final = "0c750a11-52c0-4a70-b4e9-3d1f62b0c0de"
CONSOLE_CLIENT_SECRET: Final = "simulator-console-secret"
CONSOLE_BACK: Final = "/sign-in/entra/back"
CONSOLE_ROLES: Final = ("Concord.Administrator", "Concord.Operator", "Concord.Viewer")
STATIC_TOKEN: Final = "simulator.long-lived.graph.token"
"""A bearer token that never expires, beside those that the token endpoint issues."""
STATIC_CLIENT: Final = "long-lived-token"
"""The client that this token's requests and mails are counted under, so that it is told apart from the product's."""

# Age of seeded events, in days: what was there before anybody looked.
AGE_DAYS: Final = 7


def build_graph(
    seed: Seed, clock: SimulatorClock, rng_seed: int = 1, call: OutboundCall | None = None
) -> GraphSimulator:
    """A tenant that holds the seed and returns to it on reset. `call` sends the validation of subscriptions.

    Raises GraphError for a seed that breaks a rule of the service.
    """
    simulator = GraphSimulator(
        tenant_of(seed), clock, random.Random(rng_seed), static_tokens={STATIC_TOKEN: STATIC_CLIENT}, call=call
    )
    names = names_of(seed)
    created = clock.now() - timedelta(days=AGE_DAYS)
    for event in seed.events:
        if event.side == "microsoft365":
            simulator.add_event(user_id(event.calendar), event_json(event, names, created))
    simulator.mark_seeded()
    return simulator


def user_id(email: str) -> str:
    """The id of a seeded user or room, the same in every run. Pure."""
    return str(uuid.uuid5(uuid.UUID(TENANT_ID), email.lower()))


def tenant_of(seed: Seed) -> Tenant:
    """The directory of a seed. Pure."""
    rooms = tuple(
        Room(
            id=user_id(room.email),
            display_name=room.name,
            email_address=room.email,
            capacity=room.capacity,
            building=room.building or None,
            time_zone=seed.time_zone,
        )
        for room in seed.rooms
    )
    return Tenant(
        id=TENANT_ID,
        domain=seed.domain,
        display_name=seed.firm,
        users=tuple(_user(user) for user in seed.users if user.microsoft365),
        rooms=rooms,
        apps=(App(CLIENT_ID, "Concord", secrets=(CLIENT_SECRET,)), _console_app(seed)),
    )


def _console_app(seed: Seed) -> App:
    """What people sign in to Concord's console with: the first three users have one app role each."""
    users = [user_id(user.email) for user in seed.users if user.microsoft365]
    return App(
        CONSOLE_CLIENT_ID, "Concord's console", secrets=(CONSOLE_CLIENT_SECRET,), roles=frozenset(),
        redirect_uris=tuple(f"http://{host}{CONSOLE_BACK}" for host in ("localhost", "127.0.0.1")),
        app_roles={user: (role,) for user, role in zip(users, CONSOLE_ROLES, strict=False)},
    )  # fmt: skip


def _user(user: SeedUser) -> User:
    first, _, last = user.name.rpartition(" ")
    return User(
        id=user_id(user.email),
        display_name=user.name,
        mail=user.email,
        user_principal_name=user.email,
        time_zone=user.time_zone,
        proxy_addresses=(f"SMTP:{user.email}", *(f"smtp:{alias}" for alias in user.aliases)),
        given_name=first or None,
        surname=last or None,
    )


def names_of(seed: Seed) -> dict[str, str]:
    """Display names by lower-case address, for attendee lists. Pure."""
    names = {room.email.lower(): room.name for room in seed.rooms}
    names |= {
        contact.email.lower(): f"{contact.first_name} {contact.last_name}".strip()
        for contact in seed.contacts
        if contact.email
    }
    return names | {address.lower(): user.name for user in seed.users for address in (user.email, *user.aliases)}


def event_json(event: SeedEvent, names: dict[str, str], created: datetime) -> dict[str, Any]:
    """A seeded event as Graph JSON. Pure."""
    attendees = [
        {
            "type": attendee.kind,
            "emailAddress": {"address": attendee.email, "name": names.get(attendee.email.lower(), attendee.email)},
        }
        for attendee in event.attendees
        if attendee.email.lower() != event.calendar.lower()
    ]
    value: dict[str, Any] = {
        "subject": event.subject,
        "body": {"contentType": "text", "content": event.body},
        "start": {"dateTime": event.start.isoformat(), "timeZone": event.time_zone},
        "end": {"dateTime": event.end.isoformat(), "timeZone": event.time_zone},
        "isAllDay": event.is_all_day,
        "attendees": attendees,
        "showAs": event.show_as,
        "sensitivity": "private" if event.is_private else "normal",
        "isReminderOn": event.reminder_minutes is not None,
        "reminderMinutesBeforeStart": event.reminder_minutes if event.reminder_minutes is not None else 15,
        "categories": list(event.categories),
        "createdDateTime": created.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    if event.location:
        value["location"] = {"displayName": event.location}
    return value
