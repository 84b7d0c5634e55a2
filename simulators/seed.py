"""What both simulated services hold at the start: a firm's people, contacts, rooms and calendars, as plain values.

`read_seed` reads a seed file (its format is docs/reference/seed-file.md); `simulators.firm` builds a default one;
`simulators.seeding` puts it into the services. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal

from schemas.errors import ConfigError
from simulators.graph.zones import is_zone, zone

Side = Literal["microsoft365", "salesforce"]

SIDES: Final = ("microsoft365", "salesforce")
SHOW_AS: Final = ("free", "tentative", "busy", "oof", "workingElsewhere")
KINDS: Final = ("required", "optional", "resource")

_ADDRESS: Final = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+\.[^\s@,;<>\"]+")
_RELATIVE: Final = re.compile(r"([+-]\d{1,4})d(?: (\d{1,2}):(\d{2}))?")


@dataclass(frozen=True)
class SeedUser:
    """A person of the firm. `aliases` are further mail addresses; the two switches say where the person exists."""

    name: str
    email: str
    time_zone: str
    aliases: tuple[str, ...] = ()
    microsoft365: bool = True
    salesforce: bool = True


@dataclass(frozen=True)
class SeedContact:
    """A Salesforce contact; `account` names the account it belongs to, "" for none."""

    first_name: str
    last_name: str
    email: str = ""
    alternative_email: str = ""
    account: str = ""


@dataclass(frozen=True)
class SeedRoom:
    """A room with a mailbox; `salesforce_calendar` adds a resource calendar of the same name there."""

    name: str
    email: str
    capacity: int | None = None
    building: str = ""
    salesforce_calendar: bool = True


@dataclass(frozen=True)
class SeedAttendee:
    """Someone invited. In Salesforce only addresses of seeded users and contacts become relations."""

    email: str
    kind: str = "required"


@dataclass(frozen=True)
class SeedEvent:
    """One single event. Times are wall-clock in `time_zone`; of an all-day event they are midnights, end exclusive."""

    side: Side
    calendar: str
    """Mail address of the user whose calendar holds it."""
    subject: str
    start: datetime
    end: datetime
    time_zone: str
    is_all_day: bool = False
    body: str = ""
    location: str = ""
    attendees: tuple[SeedAttendee, ...] = ()
    show_as: str = "busy"
    is_private: bool = False
    reminder_minutes: int | None = 15
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seed:
    """Everything the two services start with."""

    firm: str
    domain: str
    time_zone: str
    users: tuple[SeedUser, ...] = ()
    contacts: tuple[SeedContact, ...] = ()
    rooms: tuple[SeedRoom, ...] = ()
    events: tuple[SeedEvent, ...] = ()


def read_seed(text: str, now: datetime) -> Seed:
    """Read a seed file. Relative days count from `now`. Raises ConfigError that lists every problem at once."""
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise ConfigError([f"the seed file is not JSON: {problem}"]) from None
    reader = _Reader(now)
    seed = reader.seed(value)
    if reader.problems:
        raise ConfigError(reader.problems, "See docs/reference/seed-file.md.")
    return seed


class _Reader:
    """Walks the file once and collects problems with the place where each stands."""

    def __init__(self, now: datetime) -> None:
        self.problems: list[str] = []
        self._now = now

    def seed(self, value: Any) -> Seed:
        where = "the seed file"
        if not isinstance(value, dict):
            self.problems.append(f"{where} is not a JSON object")
            value = {}
        self._known(value, where, ("firm", "domain", "time_zone", "users", "contacts", "rooms", "events"))
        domain = self._text(value, "domain", where, "firm.example")
        time_zone = self._zone(value, where, "UTC")
        users = tuple(self._list(value, "users", lambda item, at: self._user(item, at, time_zone)))
        contacts = tuple(self._list(value, "contacts", self._contact))
        rooms = tuple(self._list(value, "rooms", self._room))
        self._unique([user.email for user in users] + [room.email for room in rooms], "users and rooms")
        self._unique([alias for user in users for alias in (user.email, *user.aliases)], "addresses of users")
        if not any(user.microsoft365 for user in users):
            self.problems.append("users: at least one with a Microsoft 365 mailbox is needed")
        by_address = {user.email.lower(): user for user in users}
        events = tuple(self._list(value, "events", lambda item, at: self._event(item, at, by_address, time_zone)))
        firm = self._text(value, "firm", where, "Seeded firm")
        return Seed(firm, domain, time_zone, users, contacts, rooms, events)

    def _user(self, item: Mapping[str, Any], at: str, time_zone: str) -> SeedUser:
        self._known(item, at, ("name", "email", "time_zone", "aliases", "microsoft365", "salesforce"))
        aliases = tuple(self._address(alias, f"{at}.aliases") for alias in self._sequence(item, "aliases", at))
        return SeedUser(
            self._text(item, "name", at),
            self._address(item.get("email"), f"{at}.email"),
            self._zone(item, at, time_zone),
            aliases,
            self._switch(item, "microsoft365", at, default=True),
            self._switch(item, "salesforce", at, default=True),
        )

    def _contact(self, item: Mapping[str, Any], at: str) -> SeedContact:
        self._known(item, at, ("first_name", "last_name", "email", "alternative_email", "account"))
        email, alternative = item.get("email") or "", item.get("alternative_email") or ""
        return SeedContact(
            self._text(item, "first_name", at, ""),
            self._text(item, "last_name", at),
            self._address(email, f"{at}.email") if email else "",
            self._address(alternative, f"{at}.alternative_email") if alternative else "",
            self._text(item, "account", at, ""),
        )

    def _room(self, item: Mapping[str, Any], at: str) -> SeedRoom:
        self._known(item, at, ("name", "email", "capacity", "building", "salesforce_calendar"))
        return SeedRoom(
            self._text(item, "name", at),
            self._address(item.get("email"), f"{at}.email"),
            self._whole(item, "capacity", at),
            self._text(item, "building", at, ""),
            self._switch(item, "salesforce_calendar", at, default=True),
        )

    def _event(self, item: Mapping[str, Any], at: str, users: Mapping[str, SeedUser], time_zone: str) -> SeedEvent:
        self._known(item, at, _EVENT_MEMBERS)
        side: Any = self._choice(item, "side", at, SIDES, "")
        calendar = self._address(item.get("calendar"), f"{at}.calendar")
        owner = users.get(calendar.lower())
        if calendar and (owner is None or (side in SIDES and not getattr(owner, side))):
            self.problems.append(f"{at}.calendar: {calendar} is no user with a calendar on the side {side or '?'}")
        own_zone = self._zone(item, at, owner.time_zone if owner is not None else time_zone)
        start, end, is_all_day = self._span(item, at, own_zone)
        return SeedEvent(
            side=side,
            calendar=calendar,
            subject=self._text(item, "subject", at, ""),
            start=start,
            end=end,
            time_zone=own_zone,
            is_all_day=is_all_day,
            body=self._text(item, "body", at, ""),
            location=self._text(item, "location", at, ""),
            attendees=tuple(self._attendee(one, f"{at}.attendees") for one in self._sequence(item, "attendees", at)),
            show_as=self._choice(item, "show_as", at, SHOW_AS, "free" if is_all_day else "busy"),
            is_private=self._switch(item, "is_private", at, default=False),
            reminder_minutes=self._whole(item, "reminder_minutes", at) if "reminder_minutes" in item else 15,
            categories=tuple(str(one) for one in self._sequence(item, "categories", at)),
        )

    def _attendee(self, value: Any, at: str) -> SeedAttendee:
        if isinstance(value, str):
            return SeedAttendee(self._address(value, at))
        if not isinstance(value, dict):
            self.problems.append(f"{at}: {value!r} is neither an address nor an object")
            return SeedAttendee("")
        self._known(value, at, ("email", "kind"))
        kind = self._choice(value, "kind", at, KINDS, "required")
        return SeedAttendee(self._address(value.get("email"), f"{at}.email"), kind)

    # --- time -------------------------------------------------------------------------------------------------

    def _span(self, item: Mapping[str, Any], at: str, own_zone: str) -> tuple[datetime, datetime, bool]:
        days = self._whole(item, "days", at)
        start = self._moment(item.get("start"), f"{at}.start", own_zone)
        if days is not None:
            if start.time() != time():
                self.problems.append(f"{at}.start: an all-day event (one with days) starts with a date alone")
            if "end" in item or "minutes" in item:
                self.problems.append(f"{at}: days goes with neither end nor minutes")
            return start, start + timedelta(days=max(days, 1)), True
        if "end" in item:
            end = self._moment(item["end"], f"{at}.end", own_zone)
        else:
            end = start + timedelta(minutes=self._whole(item, "minutes", at) or 30)
        if end < start:
            self.problems.append(f"{at}: it ends before it starts")
        return start, end, False

    def _moment(self, value: Any, at: str, own_zone: str) -> datetime:
        """A wall-clock time from "2026-03-02T09:30", "2026-03-02", "+3d 09:30" or "-1d"."""
        text = value if isinstance(value, str) else ""
        relative = _RELATIVE.fullmatch(text)
        rules = zone(own_zone) if is_zone(own_zone) else UTC
        try:
            if relative is not None:
                day = self._now.astimezone(rules).date() + timedelta(days=int(relative[1]))
                return datetime.combine(day, time(int(relative[2] or 0), int(relative[3] or 0)))
            moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.problems.append(f'{at}: {value!r} is not a time such as "2026-03-02T09:30" or "+3d 09:30"')
            return datetime.combine(date(2000, 1, 1), time())
        return moment.astimezone(rules).replace(tzinfo=None) if moment.tzinfo is not None else moment

    # --- members ----------------------------------------------------------------------------------------------

    def _list(self, value: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any], str], Any]) -> list[Any]:
        read_items = []
        for number, item in enumerate(self._sequence(value, name, "the seed file")):
            at = f"{name}[{number}]"
            if isinstance(item, dict):
                read_items.append(read(item, at))
            else:
                self.problems.append(f"{at} is not a JSON object")
        return read_items

    def _known(self, value: Mapping[str, Any], at: str, known: Sequence[str]) -> None:
        self.problems += [f"{at}: unknown member {name!r}" for name in value if name not in known]

    def _unique(self, addresses: Sequence[str], what: str) -> None:
        lower = [address.lower() for address in addresses if address]
        doubled = sorted({address for address in lower if lower.count(address) > 1})
        self.problems += [f"{what}: {address} stands more than once" for address in doubled]

    def _sequence(self, value: Mapping[str, Any], name: str, at: str) -> Sequence[Any]:
        found = value.get(name, [])
        if isinstance(found, list):
            return found
        self.problems.append(f"{at}: {name} is not a list")
        return []

    def _text(self, value: Mapping[str, Any], name: str, at: str, default: str | None = None) -> str:
        found = value.get(name, default)
        if isinstance(found, str) and (found or default is not None):
            return found
        self.problems.append(f"{at}: {name} is missing" if found in (None, "") else f"{at}: {name} is not text")
        return ""

    def _address(self, value: Any, at: str) -> str:
        if isinstance(value, str) and _ADDRESS.fullmatch(value):
            return value
        self.problems.append(f"{at} is missing" if value in (None, "") else f"{at}: {value!r} is not a mail address")
        return ""

    def _switch(self, value: Mapping[str, Any], name: str, at: str, *, default: bool) -> bool:
        found = value.get(name, default)
        if isinstance(found, bool):
            return found
        self.problems.append(f"{at}: {name} is neither true nor false")
        return default

    def _whole(self, value: Mapping[str, Any], name: str, at: str) -> int | None:
        found = value.get(name)
        if found is None or (isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= 10_000_000):
            return found
        self.problems.append(f"{at}: {name} is not a whole number from 0 up")
        return None

    def _choice(self, value: Mapping[str, Any], name: str, at: str, choices: Sequence[str], default: str) -> str:
        found = value.get(name, default)
        if found in choices:
            return str(found)
        self.problems.append(f"{at}: {name} is {found!r}, not one of {', '.join(choices)}")
        return default

    def _zone(self, value: Mapping[str, Any], at: str, default: str) -> str:
        found = value.get("time_zone", default)
        if isinstance(found, str) and is_zone(found):
            return found
        self.problems.append(f"{at}: time_zone {found!r} is neither an IANA nor a Windows zone name")
        return default


_EVENT_MEMBERS: Final = (
    "side",
    "calendar",
    "subject",
    "start",
    "end",
    "minutes",
    "days",
    "time_zone",
    "body",
    "location",
    "attendees",
    "show_as",
    "is_private",
    "reminder_minutes",
    "categories",
)
