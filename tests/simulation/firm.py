"""The firm of one run: its people, its clients, and the settings it starts with, drawn from the seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.settings import ConflictScope, Direction, Settings, ShowAsList, UserSetting, change_users

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DOMAIN: Final = "firm.example"
STRANGERS: Final = ("una@elsewhere.example", "vic@elsewhere.example")


@dataclass(frozen=True)
class Person:
    """A user of the firm: their mailbox, address, Salesforce user. `is_shared` for a further mailbox that a user is the
    nominated one of: its address is no record's."""

    name: str
    mailbox: str
    address: str
    salesforce_id: str = ""
    is_shared: bool = False


@dataclass(frozen=True)
class Client:
    """A Salesforce contact. `address` "" for one that cannot be invited."""

    first_name: str
    last_name: str
    address: str
    contact_id: str = ""


@dataclass(frozen=True)
class Place:
    """A room: its mailbox, and the Resource Calendar of the same name ("" when nobody made one)."""

    name: str
    mailbox: str
    address: str
    calendar_id: str = ""


PLACES: Final = tuple(
    Place(name, f"00000000-0000-4000-8000-1{number:011x}", f"{name.lower()}@{DOMAIN}")
    for number, name in enumerate(("Banksia", "Wattle", "Attic"))
)
NO_CALENDAR: Final = "Attic"


NAMES: Final = ("Ann", "Bob", "Cleo", "Dan", "Eve")


def draw_people(rng: random.Random) -> list[Person]:
    """Three to five users."""
    return [
        Person(f"{name} Adviser", f"00000000-0000-4000-8000-{number:012x}", f"{name.lower()}@{DOMAIN}")
        for number, name in enumerate(NAMES[: rng.randint(3, 5)], start=1)
    ]


def draw_clients(rng: random.Random) -> list[Client]:
    """Four to seven contacts, one of them without an address."""
    count = rng.randint(4, 7)
    return [
        Client(f"Client{number}", f"Name{number}", "" if number == 0 else f"client{number}@clients.example")
        for number in range(count)
    ]


DESK: Final = Person("Front Desk", "00000000-0000-4000-8000-200000000000", f"desk@{DOMAIN}", is_shared=True)


def with_desk(settings: Settings, desk: Person, rng: random.Random) -> Settings:
    """The shared mailbox belongs to its nominated user, one of whose mailboxes is the primary one (rule 3.primary)."""
    nominated = settings.user_of_record(desk.salesforce_id)
    assert nominated is not None
    is_primary = rng.random() < 0.4
    shared = replace(
        nominated, mailbox=desk.mailbox, address=desk.address, name=desk.name, is_primary=is_primary,
        is_enabled=nominated.is_enabled and rng.random() < 0.85,
    )  # fmt: skip
    shared = replace(shared, outbound_since=nominated.outbound_since if shared.is_enabled else None)
    nominated = replace(nominated, is_primary=not is_primary)
    others = (user for user in settings.users if user.mailbox != nominated.mailbox)
    return replace(settings, users=tuple(sorted((*others, nominated, shared), key=lambda user: user.mailbox)))


def before_preflight(settings: Settings, rng: random.Random) -> Settings:
    """Some firms have not confirmed a preflight yet: nothing may leave Practifi, by the direction or by shadow mode."""
    if rng.random() >= 0.12:
        return settings
    settings = replace(settings, preflight_at=None)
    if rng.random() < 0.5:
        return replace(settings, shadow=True)
    users = tuple(replace(user, outbound_since=None) for user in settings.users)
    return replace(settings, direction=Direction.MICROSOFT_TO_PRACTIFI, users=users)


def draw_settings(rng: random.Random, people: list[Person]) -> Settings:
    """Mostly two-way and permissive, so that much crosses; now and then anything. Every setting differs in some run."""
    is_open = rng.random() < 0.6

    def mostly() -> bool:
        return is_open or rng.random() < 0.6

    directions = (Direction.TWO_WAY,) if is_open else (Direction.TWO_WAY, *Direction)
    settings = Settings(
        direction=rng.choice(directions),
        sync_internal_events=mostly(),
        sync_private_events=mostly(),
        sync_unmatched_events=mostly(),
        send_invitations=rng.random() < 0.5,
        delete_from_microsoft=rng.random() < 0.6,
        delete_from_practifi=rng.random() < 0.6,
        conflict_scope=rng.choice((ConflictScope.FIELD, ConflictScope.FIELD, ConflictScope.RECORD)),
        show_as_list=rng.choice((ShowAsList.EXTENDED, ShowAsList.EXTENDED, ShowAsList.STANDARD)),
        preflight_at=START,
        commencement_date=rng.choice((None, None, None, *(START.date() - timedelta(days=days) for days in (1, 10)))),
        series_months=rng.choice((1, 2, 2, 3)),
        inbound_years=rng.choice((0, 1, 2, 2, 2, 10)),
        outbound_months=rng.choice((1, 2, 24, 24)),
        shadow=rng.random() < 0.08,
        invitation_limit_per_write=rng.choice((0, 0, 1, 2)),
        invitation_limit_per_hour=rng.choice((0, 0, 3, 9)),
        deletion_limit_events=rng.choice((0, 2, 2, 20)),
        deletion_limit_percent=rng.choice((0, 10)),
    )
    users = [
        UserSetting(person.mailbox, person.address, person.salesforce_id, person.name, is_open or rng.random() < 0.85)
        for person in people
    ]
    if not any(user.is_enabled for user in users):
        users[0] = replace(users[0], is_enabled=True)
    enabled = sum(user.is_enabled for user in users)
    settings = replace(settings, licences=rng.choice((0, enabled, len(users))))
    return change_users(settings, users, by="setup", now=START - timedelta(days=1))
