"""What the read models say, as values: one event's story, what waits, how fresh everything is.

`runs`, `shelf` and `mailbook` beside this read what is shown by the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, and_, case, func, select

from concord.read_models.builds import moment_at, reading
from projections.read_models.stored import value_of
from projections.read_models.tables import (
    DECISIONS,
    HELD_WRITES,
    MOMENTS,
    PAIRS,
    WRITES,
)
from projections.timeline import Moment
from schemas.changes import Side
from schemas.commands import Action, Decision
from schemas.settings import Settings
from schemas.state import Status


@dataclass(frozen=True)
class HeldWrite:
    """One write that waits. `mails` is kind and address, without addresses where the event is private."""

    pair_key: str
    kind: str
    digest: str
    since: datetime
    side: Side
    action: Action
    groups: tuple[str, ...]
    mails: tuple[tuple[str, str], ...]
    outside: int
    is_private: bool


@dataclass
class Freshness:
    """How up to date one owner is: when each side was last heard of, and what is under way.

    `owner` is a mailbox, or a record id in Practifi that is no user's. `statuses` counts pairs that were decided
    about. `slowest_s` is the longest that a write took of those answered, in seconds from its decision.
    """

    owner: str
    statuses: dict[str, int] = field(default_factory=dict)
    graph_at: datetime | None = None
    salesforce_at: datetime | None = None
    under_way: int = 0
    oldest_under_way: datetime | None = None
    slowest_s: float | None = None


class Reader:
    """Reads the builds in force. Raises ConcordError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def timeline(self, pair_key: str) -> list[Moment]:
        """The story of one pair, private text left out; without the commands, which their topics drop after days."""
        with reading(self._engine, "timeline") as (connection, builds):
            build = builds["timeline"]
            wanted = (
                select(MOMENTS.c.moment, DECISIONS.c.decision)
                .select_from(
                    MOMENTS.outerjoin(
                        DECISIONS,
                        and_(
                            DECISIONS.c.build == MOMENTS.c.build, DECISIONS.c.partition == MOMENTS.c.partition,
                            DECISIONS.c.offset == MOMENTS.c.offset,
                        ),
                    )
                )
                .where(and_(MOMENTS.c.build == build, MOMENTS.c.pair_key == pair_key))
                .order_by(MOMENTS.c.partition, MOMENTS.c.offset)
            )  # fmt: skip
            moments = [
                replace(
                    value_of(Moment, row.moment),
                    decision=value_of(Decision, row.decision) if row.decision is not None else None,
                )
                for row in connection.execute(wanted)
            ]
        ordered_at = {
            name: one.decision.decided_at for one in moments if one.decision for name in one.decision.commands
        }
        return [_with_duration(moment, ordered_at) for moment in moments]

    def held_writes(self) -> list[HeldWrite]:
        """What waits for an operator, the longest first."""
        with reading(self._engine, "held-writes") as (connection, builds):
            build = builds["held-writes"]
            wanted = select(HELD_WRITES).where(HELD_WRITES.c.build == build)
            return [
                HeldWrite(
                    row.pair_key, row.kind, row.digest, moment_at(row.since_ms), Side(row.side), Action(row.action),
                    tuple(json.loads(row.fields)), tuple((kind, to) for kind, to in json.loads(row.mails)), row.outside,
                    row.is_private,
                )
                for row in connection.execute(wanted.order_by(HELD_WRITES.c.since_ms, HELD_WRITES.c.pair_key))
            ]  # fmt: skip

    def freshness(self, settings: Settings) -> list[Freshness]:
        """Every owner's, by owner; what belongs to a user's record in Practifi counts for the user's mailbox."""
        mailboxes = {user.salesforce_id: user.mailbox for user in settings.users if user.salesforce_id}
        rows: dict[str, Freshness] = {}
        with reading(self._engine, "freshness") as (connection, builds):
            build = builds["freshness"]
            for row in connection.execute(_standings(build)):
                one = _of(rows, mailboxes, row.owner)
                if row.status:
                    one.statuses[Status(row.status)] = one.statuses.get(Status(row.status), 0) + row.pairs
                one.graph_at = _later(one.graph_at, row.graph_ms)
                one.salesforce_at = _later(one.salesforce_at, row.salesforce_ms)
            for row in connection.execute(_writes(build)):
                one = _of(rows, mailboxes, row.owner)
                one.under_way += row.under_way
                if row.oldest_ms is not None:
                    one.oldest_under_way = min(filter(None, (one.oldest_under_way, moment_at(row.oldest_ms))))
                if row.slowest_ms is not None:
                    one.slowest_s = max(one.slowest_s or 0.0, row.slowest_ms / 1000)
        return [rows[owner] for owner in sorted(rows)]


def _of(rows: dict[str, Freshness], mailboxes: Mapping[str, str], owner: str) -> Freshness:
    owner = mailboxes.get(owner, owner)
    return rows.setdefault(owner, Freshness(owner))


def _later(moment: datetime | None, ms: int | None) -> datetime | None:
    return moment if ms is None else max(filter(None, (moment, moment_at(ms))))


def _standings(build: int) -> Any:
    columns = (PAIRS.c.owner, PAIRS.c.status)
    latest = (func.max(PAIRS.c[name]).label(name) for name in ("graph_ms", "salesforce_ms"))
    return select(*columns, func.count().label("pairs"), *latest).where(PAIRS.c.build == build).group_by(*columns)


def _writes(build: int) -> Any:
    took = WRITES.c.answered_ms - WRITES.c.decided_ms
    is_open = and_(WRITES.c.answered_ms.is_(None), WRITES.c.decided_ms.is_not(None))
    joined = WRITES.join(PAIRS, and_(PAIRS.c.build == WRITES.c.build, PAIRS.c.pair_key == WRITES.c.pair_key))
    return (
        select(
            PAIRS.c.owner, func.sum(case((is_open, 1), else_=0)).label("under_way"),
            func.min(case((is_open, WRITES.c.decided_ms))).label("oldest_ms"), func.max(took).label("slowest_ms"),
        )
        .select_from(joined)
        .where(WRITES.c.build == build)
        .group_by(PAIRS.c.owner)
    )  # fmt: skip


def _with_duration(moment: Moment, ordered_at: Mapping[str, datetime]) -> Moment:
    if moment.outcome is None or moment.outcome.command_id not in ordered_at:
        return moment
    took = moment.outcome.at - ordered_at[moment.outcome.command_id]
    return replace(moment, took_s=max(0.0, round(took.total_seconds(), 3)))
