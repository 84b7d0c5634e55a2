"""The overview, and who is signed in."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from concord.console.accounts import Role
from concord.console.operations import Operation, Shape, operation
from concord.console.overview import Glance, glance
from concord.console.pages import Page, Visit
from projections.overview import Standing
from schemas.state import Status


class EventCounts(Shape):
    """Events by status."""

    synced: int
    pending: int
    error: int
    not_synced: int


class ReasonCount(Shape):
    """Why events are not synced or in error."""

    text: str
    events: int


class Attention(Shape):
    """A user with events under way or in error."""

    address: str
    events: EventCounts


class BacklogTold(Shape):
    """What is not worked off."""

    records: int
    oldest_s: float = Field(description="age of the oldest, in seconds")
    set_aside: int = Field(description="records that could not be worked on")


class OverviewTold(Shape):
    """The firm at one moment."""

    as_of: datetime
    is_in_agreement: bool
    settings_number: int
    is_shadow: bool
    users_enabled: int
    events: EventCounts
    held: int
    backlog: BacklogTold
    unreadable: int
    last_heard_at: datetime | None
    oldest_pending_at: datetime | None
    reasons: list[ReasonCount]
    attention: list[Attention]


class Who(Shape):
    """Who asks."""

    name: str
    role: str
    token: str = Field(description="for the header X-Concord-Token beside a session's cookie; empty for programs")


def counts(standing: Standing) -> EventCounts:
    """A standing as counts."""
    found = standing.statuses
    return EventCounts(
        synced=found[Status.SYNCED], pending=found[Status.PENDING], error=found[Status.ERROR],
        not_synced=found[Status.NOT_SYNCED],
    )  # fmt: skip


def show(visit: Visit) -> OverviewTold:
    """The overview."""
    seen: Glance = glance(visit)
    return OverviewTold(
        as_of=seen.at,
        is_in_agreement=seen.is_in_agreement,
        settings_number=seen.settings.number,
        is_shadow=seen.settings.shadow,
        users_enabled=seen.settings.enabled_count,
        events=counts(seen.total),
        held=seen.held,
        backlog=BacklogTold(
            records=seen.backlog.records, oldest_s=seen.backlog.oldest_s, set_aside=seen.backlog.set_aside
        ),
        unreadable=seen.unreadable,
        last_heard_at=seen.total.observed_at,
        oldest_pending_at=seen.total.oldest_pending,
        reasons=[ReasonCount(text=text, events=count) for text, count in seen.reasons],
        attention=[Attention(address=row.address, events=counts(row)) for row in seen.attention],
    )


def who(visit: Visit) -> Who:
    """Who asks."""
    token = "" if visit.is_program else visit.site.tokens.of(visit.cookie)
    return Who(name=visit.who.name, role=visit.who.role.word, token=token)


def pages() -> tuple[Page, ...]:
    """The operations of this module."""
    return (
        operation("/overview", show, Role.VIEWER, Operation("Is everything in agreement?", OverviewTold)),
        operation("/session", who, Role.VIEWER, Operation("Who asks", Who)),
    )
