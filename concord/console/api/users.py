"""Users & Mailboxes: list, look at a change, save it."""

from __future__ import annotations

from pydantic import Field

from concord.console.accounts import Role
from concord.console.api.overview import EventCounts, counts
from concord.console.desk import in_force
from concord.console.draft import Draft, Person, draft_of, people, users_as_wanted
from concord.console.operations import Listing, Operation, Paging, Shape, following, operation
from concord.console.pages import Page, Visit
from concord.console.setting_words import user_changes
from concord.console.users import standing_by_mailbox, standing_of_person
from projections.overview import Standing
from schemas.errors import ConfigError
from schemas.settings import Settings, change_users


class UsersAsked(Paging):
    """Which users."""

    search: str = Field("", max_length=100, description="a part of a name or address")


class Mailbox(Shape):
    """One mailbox of a user."""

    mailbox: str
    address: str


class User(Shape):
    """One person with their mailboxes."""

    key: str = Field(description="Salesforce user id, or the mailbox of whom no Salesforce user has the address")
    name: str
    is_matched: bool = Field(description="whether a Salesforce user belongs to them; without one they cannot take part")
    is_enabled: bool
    primary: str = Field(description="the Primary Mailbox; empty: several are there and none is chosen")
    mailboxes: list[Mailbox]
    events: EventCounts | None


class Users(Listing):
    """Users by name."""

    items: list[User]
    enabled: int
    licences: int = Field(description="how many may take part; 0: no limit")


class UserChange(Shape):
    """What is to change for one user; what is left out stays."""

    key: str
    is_enabled: bool | None = None
    primary: str | None = None


class UserChanges(Shape):
    """Changes that are made together or not at all."""

    changes: list[UserChange] = Field(min_length=1, max_length=10_000)


class UsersReview(Shape):
    """What a change would do."""

    changes: list[str]
    enabled_now: int
    enabled_then: int
    problems: list[str] = Field(description="why it could not be saved; none: it can")


class Saved(Shape):
    """The settings in force afterwards."""

    number: int
    is_changed: bool = Field(description="false: it was so already")
    changes: list[str]


def show(visit: Visit) -> Users:
    """A part of the table."""
    asked = visit.asks(UsersAsked)
    settings = in_force(visit.desk.documents())
    found = [one for one in people(visit.desk.people(settings).users) if one.is_named(asked.search)]
    standings = standing_by_mailbox(visit, settings)
    return Users(
        items=[_user(person, standings) for person in found[asked.start : asked.start + asked.limit]],
        total=len(found), next=following("/users", asked, len(found)),
        enabled=settings.enabled_count, licences=settings.licences,
    )  # fmt: skip


def _user(person: Person, standings: dict[str, Standing]) -> User:
    standing = standing_of_person(person, standings)
    return User(
        key=person.key, name=person.name, is_matched=person.is_matched, is_enabled=person.is_enabled,
        primary=person.primary,
        mailboxes=[Mailbox(mailbox=one.mailbox, address=one.address) for one in person.mailboxes],
        events=counts(standing) if standing is not None else None,
    )  # fmt: skip


def _wanted(visit: Visit, current: Settings) -> Settings:
    """The next document. Raises ConfigError."""
    everybody = people(visit.desk.people(current).users)
    rows = [(one.key, one.is_enabled, one.primary) for one in visit.takes(UserChanges).changes]
    draft: Draft = draft_of(rows, everybody)
    users = users_as_wanted(draft.changed(everybody), draft)
    return change_users(current, users, by=visit.who.name, now=visit.site.now())


def review(visit: Visit) -> UsersReview:
    """What a change would do. Nothing is saved."""
    before, problems = in_force(visit.desk.documents()), []
    after = before
    try:
        after = _wanted(visit, before)
    except ConfigError as error:
        problems = error.problems
    return UsersReview(
        changes=user_changes(before, after), enabled_now=before.enabled_count, enabled_then=after.enabled_count,
        problems=problems,
    )  # fmt: skip


def save(visit: Visit) -> Saved:
    """Save, on top of whatever others saved meanwhile. Sent twice, it is saved once."""
    before = in_force(visit.desk.documents())
    after = visit.desk.change(lambda current: _wanted(visit, current))
    return Saved(number=after.number, is_changed=after.number != before.number, changes=user_changes(before, after))


def pages() -> tuple[Page, ...]:
    """The operations of this module."""
    told = Operation("What a change of users would do. Nothing is saved", UsersReview, takes=UserChanges)
    saved = Operation("Change users. Sent twice, it is saved once", Saved, takes=UserChanges)
    return (
        operation("/users", show, Role.VIEWER, Operation("Users and their mailboxes", Users, UsersAsked)),
        operation("/users/review", review, Role.ADMINISTRATOR, told, "POST"),
        operation("/users", save, Role.ADMINISTRATOR, saved, "PATCH"),
    )
