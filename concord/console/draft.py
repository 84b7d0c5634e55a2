"""Users as people with their mailboxes, and changes to them that are not saved yet. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from schemas.errors import ConfigError
from schemas.settings import UserSetting

T = TypeVar("T")


@dataclass(frozen=True)
class Person:
    """One user with every mailbox of theirs, the primary one first; `key` is the Salesforce user id, or the mailbox of
    whom no Salesforce user has the address."""

    key: str
    mailboxes: tuple[UserSetting, ...]

    @property
    def name(self) -> str:
        """Their name, else their address."""
        first = self.mailboxes[0]
        return first.name or first.address

    @property
    def is_enabled(self) -> bool:
        """Whether their events take part."""
        return any(mailbox.is_enabled for mailbox in self.mailboxes)

    @property
    def is_matched(self) -> bool:
        """Whether a Salesforce user belongs to them; without one they cannot take part."""
        return bool(self.mailboxes[0].salesforce_id)

    @property
    def primary(self) -> str:
        """The mailbox that is chosen, "" when several are there and none is."""
        chosen = next((one.mailbox for one in self.mailboxes if one.is_primary), "")
        return chosen or (self.mailboxes[0].mailbox if len(self.mailboxes) == 1 else "")

    def is_named(self, text: str) -> bool:
        """Whether a name or address of theirs holds this text."""
        wanted = text.casefold()
        return any(wanted in word.casefold() for one in self.mailboxes for word in (one.name, one.address))


def people(users: Iterable[UserSetting]) -> list[Person]:
    """These users as people, by name."""
    found: dict[str, list[UserSetting]] = {}
    for user in users:
        found.setdefault(user.salesforce_id or user.mailbox, []).append(user)
    rows = [
        Person(key, tuple(sorted(own, key=lambda one: (not one.is_primary, one.address)))) for key, own in found.items()
    ]
    return sorted(rows, key=lambda person: (person.name.casefold(), person.key))


@dataclass
class Draft:
    """What somebody ticked and chose, by person; only what differs from what is in force counts."""

    enabled: dict[str, bool] = field(default_factory=dict)
    primary: dict[str, str] = field(default_factory=dict)

    def note(self, shown: Iterable[Person], ticked: Iterable[str], chosen: Mapping[str, str]) -> None:
        """One page as it was sent: who was shown, whose box was ticked, which mailbox each has chosen."""
        keys = set(ticked)
        for person in shown:
            if person.is_matched:
                _keep_difference(self.enabled, person.key, person.key in keys, person.is_enabled)
                primary = chosen.get(person.key, "")
                if primary in {one.mailbox for one in person.mailboxes}:
                    _keep_difference(self.primary, person.key, primary, person.primary)

    def wants(self, person: Person) -> tuple[bool, str]:
        """Whether this person would take part, and their primary mailbox."""
        return (
            self.enabled.get(person.key, person.is_enabled),
            self.primary.get(person.key, person.primary),
        )  # fmt: skip

    def changed(self, everybody: Iterable[Person]) -> list[Person]:
        """Whom it would change."""
        return [person for person in everybody if self.wants(person) != (person.is_enabled, person.primary)]

    def clear(self) -> None:
        """Forget everything."""
        self.enabled.clear()
        self.primary.clear()

    @property
    def digest(self) -> str:
        """Names what it holds: what is saved is what was looked at."""
        held = repr((sorted(self.enabled.items()), sorted(self.primary.items())))
        return hashlib.sha256(held.encode()).hexdigest()

    def copy(self) -> Draft:
        """As it is now."""
        return Draft(dict(self.enabled), dict(self.primary))


def _keep_difference(kept: dict[str, T], key: str, wanted: T, is_so: T) -> None:
    if wanted == is_so:
        kept.pop(key, None)
    else:
        kept[key] = wanted


def draft_of(changes: Iterable[tuple[str, bool | None, str | None]], everybody: Iterable[Person]) -> Draft:
    """A draft of (person, Sync Events, Primary Mailbox) rows; None: as it is. Raises ConfigError that lists every
    person and mailbox that is not known."""
    known, draft, problems = {person.key: person for person in everybody}, Draft(), []
    for key, is_enabled, primary in changes:
        person = known.get(key)
        if person is None:
            problems.append(f"{key!r} is nobody known")
        elif not person.is_matched:
            problems.append(f"{person.name}: no Salesforce user has this address")
        elif primary is not None and primary not in {one.mailbox for one in person.mailboxes}:
            problems.append(f"{primary!r} is no mailbox of {person.name}")
        else:
            draft.enabled |= {} if is_enabled is None else {key: is_enabled}
            draft.primary |= {} if primary is None else {key: primary}
    if problems:
        raise ConfigError(problems, "Nothing was changed.")
    return draft


def users_as_wanted(changed: Iterable[Person], draft: Draft) -> list[UserSetting]:
    """The users to write for these people. A person with one mailbox needs no mark on it."""
    rows = []
    for person in changed:
        is_enabled, primary = draft.wants(person)
        for one in person.mailboxes:
            is_primary = one.mailbox == primary if len(person.mailboxes) > 1 else one.is_primary
            rows.append(replace(one, is_enabled=is_enabled, is_primary=is_primary))
    return rows
