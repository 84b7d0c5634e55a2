"""What the read models say, as values: the pages of a console and `concord runs` ask here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, case, func, select

from concord.read_models.database import plainly
from projections.mail_ledger import Mailing, counting
from projections.read_models.run_log import ERROR, RUN_MS
from projections.read_models.stored import value_of
from projections.read_models.tables import (
    BUILDS,
    DECISIONS,
    HELD_WRITES,
    LOST_ASKED,
    LOST_VALUES,
    MAIL_ANSWERS,
    MAILINGS,
    MOMENTS,
    PAIRS,
    RUN_RECORDS,
    RUNS,
    WRITES,
)
from projections.timeline import Moment
from schemas.changes import Side
from schemas.commands import Action, Decision, Outcome, PredictedMail, Result
from schemas.settings import Settings
from schemas.state import Status

PAGE: Final = 100


def moment_at(ms: int) -> datetime:
    """Milliseconds since 1970 as a moment."""
    return datetime.fromtimestamp(ms / 1000, UTC)


@dataclass(frozen=True)
class Run:
    """One row of Logs & Errors. `owner` is a mailbox or a record id in Practifi; `message` the last error's; `failed`
    the pairs whose errors `concord retry` would try again."""

    started: datetime
    finished: datetime
    direction: str
    owner: str
    processed: int
    synced: int
    errors: int
    message: str = ""
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class LostValue:
    """One value on the conflict shelf, as its decision stores it. `decision` is what `concord undo` takes; `asked_at`
    when somebody asked for it."""

    pair_key: str
    decision: str
    at: datetime
    side: Side
    group: str
    lost: str
    won: str
    is_private: bool
    asked_at: datetime | None = None
    asked_by: str = ""


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

    @contextmanager
    def _reading(self, model: str) -> Iterator[tuple[Connection, int]]:
        with plainly(), self._engine.connect() as connection:
            here = and_(BUILDS.c.model == model, BUILDS.c.state == "active")
            build = connection.execute(select(BUILDS.c.build).where(here)).scalar()
            yield connection, -1 if build is None else build

    def runs(self, *, errors_only: bool = False, since: datetime | None = None, limit: int = PAGE) -> list[Run]:
        """The newest runs first."""
        with self._reading("run-log") as (connection, build):
            wanted = select(RUNS).where(RUNS.c.build == build)
            if errors_only:
                wanted = wanted.where(RUNS.c.errors > 0)
            if since is not None:
                wanted = wanted.where(RUNS.c.started_ms >= round(since.timestamp() * 1000) - RUN_MS)
            wanted = wanted.order_by(RUNS.c.started_ms.desc(), RUNS.c.direction, RUNS.c.owner).limit(limit)
            return [self._run(connection, build, row) for row in connection.execute(wanted).all()]

    def _run(self, connection: Connection, build: int, row: Any) -> Run:
        here = and_(
            RUN_RECORDS.c.build == build, RUN_RECORDS.c.started_ms == row.started_ms,
            RUN_RECORDS.c.direction == row.direction, RUN_RECORDS.c.owner == row.owner,
        )  # fmt: skip
        finished = connection.execute(select(func.max(RUN_RECORDS.c.at_ms)).where(here)).scalar()
        run = Run(
            moment_at(row.started_ms), moment_at(finished or row.started_ms), row.direction, row.owner, row.processed,
            row.synced, row.errors,
        )  # fmt: skip
        if not row.errors:
            return run
        wanted = select(RUN_RECORDS.c.pair_key, RUN_RECORDS.c.code, RUN_RECORDS.c.message).where(
            and_(here, RUN_RECORDS.c.result == ERROR)
        )
        failed = connection.execute(wanted.order_by(RUN_RECORDS.c.at_ms, RUN_RECORDS.c.offset)).all()
        message = ": ".join(part for part in (failed[-1].code, failed[-1].message) if part)
        return replace(run, message=message, failed=tuple(dict.fromkeys(one.pair_key for one in failed)))

    def timeline(self, pair_key: str) -> list[Moment]:
        """The story of one pair, private text left out; without the commands, which their topics drop after days."""
        with self._reading("timeline") as (connection, build):
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

    def mailings(self, since: datetime | None = None) -> list[Mailing]:
        """The mail ledger, oldest first; `projections.mail_ledger.by_day` counts it."""
        with self._reading("mail-ledger") as (connection, build):
            wanted = select(MAILINGS).where(MAILINGS.c.build == build)
            if since is not None:
                wanted = wanted.where(MAILINGS.c.at_ms >= round(since.timestamp() * 1000))
            rows = connection.execute(wanted.order_by(MAILINGS.c.at_ms, MAILINGS.c.pair_key)).all()
            names = {name for row in rows for name in json.loads(row.commands)}
            answers: dict[str, Outcome] = {}
            wanted = select(MAIL_ANSWERS).where(MAIL_ANSWERS.c.build == build).order_by(MAIL_ANSWERS.c.at_ms)
            for row in connection.execute(wanted):
                if row.command_id in names:
                    answers[row.command_id] = counting(answers.get(row.command_id), _answer(row))
        return [_mailing(row, answers) for row in rows]

    def lost_values(self, limit: int = PAGE) -> list[LostValue]:
        """The conflict shelf, newest first."""
        with self._reading("conflicts") as (connection, build):
            asked = LOST_ASKED.alias("asked")
            is_asked = and_(
                asked.c.build == LOST_VALUES.c.build, asked.c.partition == LOST_VALUES.c.partition,
                asked.c.offset == LOST_VALUES.c.offset,
            )  # fmt: skip
            wanted = (
                select(LOST_VALUES, asked.c.at_ms.label("asked_ms"), asked.c.by)
                .select_from(LOST_VALUES.outerjoin(asked, is_asked))
                .where(LOST_VALUES.c.build == build)
                .order_by(
                    LOST_VALUES.c.at_ms.desc(), LOST_VALUES.c.partition, LOST_VALUES.c.offset, LOST_VALUES.c.field
                )
                .limit(limit)
            )
            return [
                LostValue(
                    row.pair_key, f"{row.partition}/{row.offset}", moment_at(row.at_ms), Side(row.side), row.field,
                    row.lost, row.won, row.is_private, None if row.asked_ms is None else moment_at(row.asked_ms),
                    row.by or "",
                )
                for row in connection.execute(wanted)
            ]  # fmt: skip

    def held_writes(self) -> list[HeldWrite]:
        """What waits for an operator, the longest first."""
        with self._reading("held-writes") as (connection, build):
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
        with self._reading("freshness") as (connection, build):
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


def _answer(row: Any) -> Outcome:
    return Outcome(row.command_id, "", Side.GRAPH, Action(row.action), Result(row.result), moment_at(row.at_ms))


def _mailing(row: Any, answers: Mapping[str, Outcome]) -> Mailing:
    mails = tuple(
        value_of(PredictedMail, json.dumps({"kind": kind, "address": to})) for kind, to in json.loads(row.mails)
    )
    mailing = Mailing(row.pair_key, moment_at(row.at_ms), mails)
    for name in json.loads(row.commands):
        if name in answers:
            mailing.outcome = replace(answers[name], pair_key=row.pair_key)
    return mailing
