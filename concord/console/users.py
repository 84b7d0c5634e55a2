"""Users & Mailboxes: who takes part, and which mailbox of theirs is the primary one. Nothing applies before Save."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from concord.console.accounts import Role
from concord.console.desk import in_force
from concord.console.draft import Draft, Person, people, users_as_wanted
from concord.console.pages import Page, Visit
from concord.console.setting_words import user_changes
from concord.standing import standing_of
from projections.overview import Standing, total
from schemas.errors import ConfigError
from schemas.settings import Settings, change_users

# People on one page.
PAGE: Final = 50
# Characters of a search that are looked at, and changes listed before the rest is only counted.
SEARCH_MAX: Final = 100
LISTED: Final = 100


@dataclass(frozen=True)
class Row:
    """One person as the table shows them: as they would be, and how their events stand."""

    person: Person
    is_enabled: bool
    primary: str
    standing: Standing | None

    @property
    def is_changed(self) -> bool:
        """Whether this is not saved yet."""
        return (self.is_enabled, self.primary) != (self.person.is_enabled, self.person.primary)


@dataclass(frozen=True)
class Listing:
    """What a request is about: the settings, everyone, those found, and the page of them."""

    settings: Settings
    everybody: tuple[Person, ...]
    found: tuple[Person, ...]
    search: str
    number: int
    complete_sides: frozenset[str]

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-len(self.found) // PAGE))

    @property
    def shown(self) -> tuple[Person, ...]:
        """The people of this page."""
        return self.found[(self.number - 1) * PAGE : self.number * PAGE]

    def at(self, number: int, search: str | None = None) -> str:
        """The address of a page."""
        asked = {"search": self.search if search is None else search, "page": str(number)}
        left = urlencode({key: value for key, value in asked.items() if value not in ("", "1")})
        return f"/users?{left}" if left else "/users"


def _listing(visit: Visit) -> Listing:
    asked = visit.form if visit.page.method == "POST" else visit.query
    settings = in_force(visit.desk.documents())
    known = visit.desk.people(settings)
    everybody = tuple(people(known.users))
    search = asked.one("search")[:SEARCH_MAX]
    found = tuple(person for person in everybody if person.is_named(search)) if search else everybody
    text = asked.one("page", "1")
    number = int(text) if text.isdecimal() and len(text) < 7 else 1
    last = max(1, -(-len(found) // PAGE))
    return Listing(settings, everybody, found, search, min(max(1, number), last), known.complete_sides)


def show(visit: Visit) -> Response:
    """The table, with what is not saved yet."""
    listing, draft = _listing(visit), visit.who.draft
    standings = standing_by_mailbox(visit, listing.settings)
    rows = [Row(person, *draft.wants(person), standing_of_person(person, standings)) for person in listing.shown]
    changed = draft.changed(listing.everybody)
    return visit.show(
        "users.html", listing=listing, rows=rows, unsaved=len(changed),
        enabled=listing.settings.enabled_count, would_be=_would_be(listing, changed, draft),
        may_change=visit.who.role >= Role.ADMINISTRATOR,
    )  # fmt: skip


def standing_by_mailbox(visit: Visit, settings: Settings) -> dict[str, Standing]:
    """How the events of each mailbox stand."""
    pairs = visit.desk.pairs()
    return {row.mailbox: row for row in standing_of(pairs.states, pairs.observed, settings, visit.site.now())}


def standing_of_person(person: Person, standings: Mapping[str, Standing]) -> Standing | None:
    """How the events of all their mailboxes stand."""
    own = [standings[one.mailbox] for one in person.mailboxes if one.mailbox in standings]
    return total(own) if own else None


def _would_be(listing: Listing, changed: Iterable[Person], draft: Draft) -> int:
    """How many users would take part."""
    return _after(listing.settings, changed, draft).enabled_count


def _after(settings: Settings, changed: Iterable[Person], draft: Draft) -> Settings:
    """The settings with the draft's users in it, unchecked."""
    merged = {user.mailbox: user for user in settings.users}
    merged |= {user.mailbox: user for user in users_as_wanted(changed, draft)}
    return replace(settings, users=tuple(merged.values()))


def note(visit: Visit) -> Response:
    """Keep what was ticked on this page, then go where the button says. Nothing is saved."""
    listing, draft, form = _listing(visit), visit.who.draft, visit.form
    chosen = {key.removeprefix("primary:"): value for key, value in form.pairs if key.startswith("primary:")}
    shown = set(form.all("shown"))
    draft.note([one for one in listing.everybody if one.key in shown], form.all("sync"), chosen)
    match form.one("go"):
        case "all" | "none" as which:
            draft.note(listing.found, [one.key for one in listing.found] if which == "all" else [], {})
            return visit.go(listing.at(listing.number))
        case "discard":
            draft.clear()
            return visit.go(listing.at(listing.number), "Your changes were discarded.")
        case "review":
            return visit.go("/users/review")
        case "search":
            return visit.go(listing.at(1, form.one("new_search")[:SEARCH_MAX]))
        case text if text.isdecimal() and len(text) < 7:
            return visit.go(listing.at(int(text)))
        case _:
            return visit.go(listing.at(listing.number))


def review(visit: Visit) -> Response:
    """What Save would do."""
    listing, draft = _listing(visit), visit.who.draft
    changed = draft.changed(listing.everybody)
    if not changed:
        return visit.go("/users", "Nothing is changed.")
    problems: list[str] = []
    after = _after(listing.settings, changed, draft)
    try:
        after = change_users(
            listing.settings, users_as_wanted(changed, draft), by=visit.who.name, now=visit.site.now()
        )  # fmt: skip
    except ConfigError as error:
        problems = error.problems
    lines = user_changes(listing.settings, after)
    begins = sum(draft.wants(person)[0] and not person.is_enabled for person in changed)
    ends = sum(person.is_enabled and not draft.wants(person)[0] for person in changed)
    return visit.show(
        "users_review.html", lines=lines[:LISTED], more=max(0, len(lines) - LISTED), begins=begins, ends=ends,
        problems=problems, before=listing.settings, after=after, seen=draft.digest,
    )  # fmt: skip


def save(visit: Visit) -> Response:
    """Save the reviewed draft on top of whatever others saved meanwhile. Sent twice, it is saved once."""
    draft = visit.who.draft.copy()
    if not draft.enabled and not draft.primary:
        return visit.go("/users", "Nothing is left to save.")
    if visit.form.one("seen") != draft.digest:
        return visit.go("/users/review", "Your changes are others than those that you looked at. Look again.")
    known = visit.desk.people
    now, by = visit.site.now(), visit.who.name

    def make(current: Settings) -> Settings:
        everybody = people(known(current).users)
        return change_users(current, users_as_wanted(draft.changed(everybody), draft), by=by, now=now)

    try:
        after = visit.desk.change(make)
    except ConfigError as error:
        return visit.go("/users/review", f"Nothing was saved: {'; '.join(error.problems)}.")
    visit.who.draft.clear()
    return visit.go("/users", f"Saved as settings number {after.number}.")


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (
        Page("/users", show, Role.VIEWER),
        Page("/users", note, Role.ADMINISTRATOR, "POST"),
        Page("/users/review", review, Role.ADMINISTRATOR),
        Page("/users/save", save, Role.ADMINISTRATOR, "POST"),
    )
