"""The firm's settings as one numbered document, and the only way to make the next one."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from schemas.errors import ConfigError
from schemas.values import replace


class Direction(StrEnum):
    """Which way changes flow."""

    MICROSOFT_TO_PRACTIFI = "microsoft_to_practifi"
    PRACTIFI_TO_MICROSOFT = "practifi_to_microsoft"
    TWO_WAY = "two_way"

    @property
    def is_inbound(self) -> bool:
        """Whether Microsoft 365 changes are written to Practifi."""
        return self is not Direction.PRACTIFI_TO_MICROSOFT

    @property
    def is_outbound(self) -> bool:
        """Whether Practifi changes are written to Microsoft 365."""
        return self is not Direction.MICROSOFT_TO_PRACTIFI


# Words of `outbound_origins` beside literal origins (`streams.origins` says what each lets through).
ORIGIN_UI: Final = "ui"
ORIGIN_UNKNOWN: Final = "unknown"


class ConflictScope(StrEnum):
    """What Microsoft wins when both sides changed: the field groups that both changed, or the whole event."""

    FIELD = "field"
    RECORD = "record"


class ShowAsList(StrEnum):
    """Which Show Time As values the org has: Practifi's five, or the three of standard Salesforce."""

    EXTENDED = "extended"
    STANDARD = "standard"


@dataclass(frozen=True)
class UserSetting:
    """One mailbox: its Graph user id, its address, and the Salesforce user it belongs to. Events made in Salesforce
    before `outbound_since` go out only when edited after it (rule 7.5).

    Of a user with several mailboxes one `is_primary`: it receives what the user makes in Practifi, and its address
    sends the invitations.
    """

    mailbox: str
    address: str
    salesforce_id: str
    name: str = ""
    is_enabled: bool = False
    outbound_since: datetime | None = None
    is_primary: bool = False


@dataclass(frozen=True)
class Settings:
    """Everything a decision depends on beside the pair itself. `number` grows by one with each change.

    `preflight_at` and `preflight_by` say when and by whom it was confirmed that nothing stands in the way of writing to
    Microsoft 365, above all that no other calendar sync is on (rules 1.1, 1.2). Under `shadow` everything is decided
    and nothing written.
    """

    number: int = 0
    changed_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    changed_by: str = ""
    direction: Direction = Direction.MICROSOFT_TO_PRACTIFI
    sync_internal_events: bool = False
    sync_private_events: bool = False
    sync_unmatched_events: bool = False
    send_invitations: bool = False
    delete_from_microsoft: bool = False
    delete_from_practifi: bool = False
    commencement_date: date | None = None
    inbound_years: int = 10
    outbound_months: int = 24
    series_months: int = 24
    conflict_scope: ConflictScope = ConflictScope.FIELD
    show_as_list: ShowAsList = ShowAsList.EXTENDED
    licences: int = 0
    outbound_origins: tuple[str, ...] = (ORIGIN_UI,)
    users: tuple[UserSetting, ...] = ()
    invitation_limit_per_write: int = 20
    invitation_limit_per_hour: int = 200
    deletion_limit_events: int = 20
    deletion_limit_percent: int = 10
    preflight_at: datetime | None = None
    preflight_by: str = ""
    shadow: bool = False

    @property
    def writes_outbound(self) -> bool:
        """Whether anything may be written to Microsoft 365 at all."""
        return self.direction.is_outbound and not self.shadow

    def user_of_mailbox(self, mailbox: str) -> UserSetting | None:
        """The user whose mailbox this is, enabled or not."""
        return next((user for user in self.users if user.mailbox == mailbox), None)

    def user_of_record(self, salesforce_id: str) -> UserSetting | None:
        """The user with this Salesforce user id, enabled or not: their primary mailbox if they have several."""
        own = self.mailboxes_of(salesforce_id)
        return next((user for user in own if user.is_primary), own[0] if own else None)

    def mailboxes_of(self, salesforce_id: str) -> tuple[UserSetting, ...]:
        """Every mailbox of a Salesforce user."""
        return tuple(user for user in self.users if user.salesforce_id == salesforce_id)

    def lacks_primary(self, salesforce_id: str) -> bool:
        """Whether it is open which of a user's several mailboxes their events go to."""
        own = self.mailboxes_of(salesforce_id)
        return len(own) > 1 and sum(user.is_primary for user in own) != 1

    @property
    def enabled_count(self) -> int:
        """How many users take part, each counted once however many mailboxes they have."""
        return len({user.salesforce_id or user.mailbox for user in self.users if user.is_enabled})

    def is_mailbox_enabled(self, mailbox: str) -> bool:
        """Whether events of this mailbox take part."""
        user = self.user_of_mailbox(mailbox)
        return user is not None and user.is_enabled


# How far back the past range begins unless an administrator says otherwise, counted from the first enablement.
COMMENCEMENT_MONTHS: Final = 6

# Name on the command line -> how its text is read. The one list of settings an administrator can change.
_BOOLEANS: Final = {"on": True, "off": False, "yes": True, "no": False, "true": True, "false": False}


def _read_bool(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("use on or off")
    return _BOOLEANS[text.lower()]


def _read_between(low: int, high: int) -> Any:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise ValueError(f"use a whole number from {low} to {high}")
        return int(text)

    return read


def _read_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("use a date as YYYY-MM-DD") from None


def _read_choice(kind: type[StrEnum]) -> Any:
    def read(text: str) -> StrEnum:
        try:
            return kind(text)
        except ValueError:
            raise ValueError("use one of: " + ", ".join(kind)) from None

    return read


def _read_origins(text: str) -> tuple[str, ...]:
    """A list apart by commas, each once, in its order."""
    parts = [part.strip() for part in text.split(",")]
    found = dict.fromkeys(part.lower() if part.lower() in (ORIGIN_UI, ORIGIN_UNKNOWN) else part for part in parts)
    if not all(found) or any(" " in part or not part.isascii() or not part.isprintable() for part in found):
        raise ValueError(
            f"use {ORIGIN_UI}, {ORIGIN_UNKNOWN} or origins as Salesforce gives them, with commas between and no spaces"
        )
    return tuple(found)


READERS: Final[dict[str, Any]] = {
    "direction": _read_choice(Direction),
    "sync_internal_events": _read_bool,
    "sync_private_events": _read_bool,
    "sync_unmatched_events": _read_bool,
    "send_invitations": _read_bool,
    "delete_from_microsoft": _read_bool,
    "delete_from_practifi": _read_bool,
    "commencement_date": _read_date,
    "inbound_years": _read_between(0, 50),
    "outbound_months": _read_between(0, 120),
    "series_months": _read_between(1, 120),
    "conflict_scope": _read_choice(ConflictScope),
    "show_as_list": _read_choice(ShowAsList),
    "licences": _read_between(0, 1_000_000),
    "invitation_limit_per_write": _read_between(0, 500),
    "invitation_limit_per_hour": _read_between(0, 1_000_000),
    "deletion_limit_events": _read_between(0, 1_000_000),
    "deletion_limit_percent": _read_between(0, 100),
    "outbound_origins": _read_origins,
    "shadow": _read_bool,
}


# Why outbound sync cannot be turned on yet (rule 1.2).
PREFLIGHT_FIRST: Final = (
    "writing to Microsoft 365 mails people, so it needs a confirmed preflight first (concord preflight --confirm)"
)


def confirm_preflight(current: Settings, *, by: str, now: datetime) -> Settings:
    """The next document, in which somebody confirms that writing to Microsoft 365 may be turned on. Pure."""
    return _stamped(current, replace(current, preflight_at=now, preflight_by=by), by=by, now=now)


def change_settings(current: Settings, updates: dict[str, str], *, by: str, now: datetime) -> Settings:
    """The next document, with `updates` (name -> text) applied: all of them or none.

    Raises ConfigError that lists every unknown name and bad value. Pure.
    """
    problems, values = [], {}
    for name, text in updates.items():
        reader = READERS.get(name)
        if reader is None:
            problems.append(f"unknown setting {name!r} (known: {', '.join(READERS)})")
            continue
        try:
            values[name] = reader(text)
        except ValueError as error:
            problems.append(f"{name}={text!r}: {error}")
    if isinstance(values.get("commencement_date"), date) and values["commencement_date"] > now.date():
        problems.append("commencement_date lies in the future")
    after = replace(current, **values)
    if after.writes_outbound and not current.writes_outbound and current.preflight_at is None:
        told = "shadow=off" if current.shadow else f"direction={after.direction}"
        problems.append(f"{told}: {PREFLIGHT_FIRST}")
    licences, enabled = values.get("licences"), current.enabled_count
    if licences and enabled > licences:
        problems.append(f"{enabled} users are enabled, but only {licences} would be licensed")
    if problems:
        raise ConfigError(problems, "Nothing was changed.")
    return _stamped(current, after, by=by, now=now)


def change_users(current: Settings, users: list[UserSetting], *, by: str, now: datetime) -> Settings:
    """The next document, with these users added or replaced (by mailbox). Raises ConfigError. Pure."""
    merged = {user.mailbox: user for user in current.users} | {user.mailbox: user for user in users}
    after = replace(current, users=tuple(merged[mailbox] for mailbox in sorted(merged)))
    problems = [
        f"{user.address}: no Salesforce user has this address"
        for user in after.users
        if user.is_enabled and not user.salesforce_id
    ]
    problems += _without_primary(after)
    enabled = after.enabled_count
    if after.licences and enabled > after.licences:
        problems.append(f"{enabled} users would be enabled, but only {after.licences} are licensed")
    if problems:
        raise ConfigError(problems, "Nothing was changed.")
    return _stamped(current, after, by=by, now=now)


def _without_primary(after: Settings) -> list[str]:
    """Enabled users of whose mailboxes not exactly one is the primary one."""
    enabled = dict.fromkeys(user.salesforce_id for user in after.users if user.is_enabled and user.salesforce_id)
    found = []
    for salesforce_id in enabled:
        if after.lacks_primary(salesforce_id):
            addresses = ", ".join(user.address for user in after.mailboxes_of(salesforce_id))
            found.append(f"{addresses} belong to one user: one of them must be the primary mailbox")
    return found


def _months_before(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 - months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _stamped(before: Settings, after: Settings, *, by: str, now: datetime) -> Settings:
    """Number the document; start each user's outbound time when outbound begins for them (rule 7.5), and anew when
    shadow mode ends: what was saved before goes out when it is next saved."""
    users = []
    for user in after.users:
        old = before.user_of_mailbox(user.mailbox)
        is_kept = before.direction.is_outbound and (after.shadow or not before.shadow)
        was_outbound = old is not None and old.is_enabled and is_kept
        is_outbound = user.is_enabled and after.direction.is_outbound
        since = old.outbound_since if old is not None and was_outbound else None
        users.append(replace(user, outbound_since=(since or now) if is_outbound else None))
    commencement = after.commencement_date
    if commencement is None and any(user.is_enabled for user in after.users):
        commencement = _months_before(now.date(), COMMENCEMENT_MONTHS)
    return replace(
        after,
        number=before.number + 1,
        changed_at=now,
        changed_by=by,
        commencement_date=commencement,
        users=tuple(users),
    )
