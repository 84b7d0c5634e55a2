"""The firm that the simulators stand for when nobody brings one: invented people, the same in every run. Pure."""

from __future__ import annotations

import random
import re
from datetime import datetime, time, timedelta
from typing import Final

from simulators.graph.zones import zone
from simulators.seed import Seed, SeedAttendee, SeedContact, SeedEvent, SeedRoom, SeedUser, Side

DOMAIN: Final = "harbourlight.example"
TIME_ZONE: Final = "Australia/Sydney"

_STAFF: Final = (
    ("Tessa Marlowe", "Australia/Sydney"),
    ("Idris Calder", "Australia/Sydney"),
    ("Noor Whitlock", "Australia/Brisbane"),
    ("Pavel Ashgrove", "Australia/Perth"),
    ("Linnea Quill", "Pacific/Auckland"),
    ("Rafe Underhill", "Australia/Sydney"),
    ("Maeve Sandoval", "Australia/Adelaide"),
    ("Anselm Boyd", "Australia/Sydney"),
)
_FIRST: Final = re.findall(
    r"\w+",
    "Ada Beatrix Cosmo Delphine Edmund Fenella Gaspar Hester Ignatius Juno Kester Lavinia Magnus Nerida Orlando "
    "Petra Quentin Rosalind Silas Tamsin Ulric Verity Wystan Xanthe Yorick Zelda",
)
_LAST: Final = re.findall(
    r"\w+",
    "Alderbrook Bramwell Coldstream Dunmore Eastlake Fairweather Greenhalgh Hollowell Ironside Jessamy Kirkbride "
    "Larkspur Merriwether Netherby Oakhurst Pemberley Quarrington Ravenscroft Silverdale Thornbury Umberleigh "
    "Vandermeer Wetherby Yarrow",
)
_HOUSEHOLDS: Final = ("Family Trust", "Holdings", "Superannuation Fund", "Partners")
_ROOMS: Final = (("Room Banksia", 12), ("Room Grevillea", 6), ("Room Waratah", 4))
_SUBJECTS: Final = (
    "Annual review",
    "Portfolio review",
    "Onboarding meeting",
    "Strategy session",
    "Estate planning",
    "Insurance check",
    "Investment committee",
    "Adviser stand-up",
    "Phone call",
    "Team lunch",
)
_BODIES: Final = (
    "",
    "Agenda:\n- changes since last time\n- plan for the year",
    "Please bring the signed forms.",
    "Notes from the last meeting are in the file.",
)


def build_firm(now: datetime, users: int = 5, contacts: int = 40, events: int = 12, rooms: int = 3) -> Seed:
    """A firm with so many of each; the events lie on both sides, before and after `now` (aware).

    The same arguments give the same firm, apart from the days, which count from `now`.
    """
    rng = random.Random(f"{users}/{contacts}/{events}/{rooms}")
    people = tuple(_user(number) for number in range(users))
    clients = tuple(_contact(number) for number in range(contacts))
    places = tuple(
        SeedRoom(f"{name} {level}".strip(), f"{name.split()[1].lower()}{level}@{DOMAIN}", capacity, "Harbour House")
        for name, capacity, level in (_room(number) for number in range(rooms))
    )
    entries = tuple(_event(rng, number, people, clients, now) for number in range(events)) if people else ()
    return Seed("Harbourlight Advisers", DOMAIN, TIME_ZONE, people, clients, places, entries)


def _user(number: int) -> SeedUser:
    name, time_zone = _STAFF[number % len(_STAFF)]
    lap = number // len(_STAFF)
    name = f"{name} {lap + 1}" if lap else name
    local = name.lower().replace(" ", ".")
    # One person has a second address, as people who changed their name do.
    aliases = (f"{local.split('.')[0]}.{lap}@{DOMAIN}",) if number == 1 else ()
    return SeedUser(name, f"{local}@{DOMAIN}", time_zone, aliases)


def _contact(number: int) -> SeedContact:
    first, last = _FIRST[number % len(_FIRST)], _LAST[(number * 7 + number // len(_FIRST)) % len(_LAST)]
    household = f"{last} {_HOUSEHOLDS[number % len(_HOUSEHOLDS)]}"
    local = f"{first}.{last}{number if number >= len(_FIRST) else ''}".lower()
    # Two contacts have no address at all and every tenth a second one, as in a real book of clients.
    email = "" if number % 20 == 19 else f"{local}@clients.example"
    alternative = f"{local}@home.example" if email and number % 10 == 3 else ""
    return SeedContact(first, last, email, alternative, household)


def _room(number: int) -> tuple[str, int, str]:
    name, capacity = _ROOMS[number % len(_ROOMS)]
    lap = number // len(_ROOMS)
    return name, capacity, str(lap + 1) if lap else ""


def _event(
    rng: random.Random, number: int, users: tuple[SeedUser, ...], contacts: tuple[SeedContact, ...], now: datetime
) -> SeedEvent:
    """One event: two in three lie in Microsoft 365, one in four in the past, one in ten lasts all day."""
    side: Side = "salesforce" if number % 3 == 2 else "microsoft365"
    owner = users[number % len(users)]
    is_all_day = number % 10 == 4
    is_private = number % 13 == 6
    day = now.astimezone(zone(owner.time_zone)).date() + timedelta(days=_day(rng, number))
    if is_all_day:
        start = datetime.combine(day, time())
        end = start + timedelta(days=rng.choice((1, 1, 2)))
    else:
        start = datetime.combine(day, time(rng.randint(8, 16), rng.choice((0, 15, 30, 45))))
        end = start + timedelta(minutes=rng.choice((15, 30, 45, 60, 90)))
    reachable = [contact.email for contact in contacts if contact.email]
    invited = [] if is_private or is_all_day else rng.sample(reachable, min(rng.randint(0, 2), len(reachable)))
    colleagues = [user.email for user in users if user is not owner]
    if side == "microsoft365" and invited and colleagues and number % 4 == 0:
        invited.append(rng.choice(colleagues))
    return SeedEvent(
        side=side,
        calendar=owner.email,
        subject=f"{'Leave' if is_all_day else _SUBJECTS[number % len(_SUBJECTS)]} {number + 1:03d}",
        start=start,
        end=end,
        time_zone=owner.time_zone,
        is_all_day=is_all_day,
        body=_BODIES[number % len(_BODIES)],
        location=rng.choice(("", "Harbour House", "Phone")),
        attendees=tuple(SeedAttendee(address) for address in invited),
        show_as="oof" if is_all_day else "busy",
        is_private=is_private,
        reminder_minutes=None if is_all_day else 15,
    )


def _day(rng: random.Random, number: int) -> int:
    """Days from now: within the past eight weeks for one in four, within the next eight for the rest."""
    return -rng.randint(1, 56) if number % 4 == 1 else rng.randint(1, 56)
