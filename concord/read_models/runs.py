"""The run log by the page: what was carried for whom, what failed, and what became of it when it was tried again.

Every question is one or two statements, bounded by the page that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, and_, case, func, select, tuple_

from concord.read_models.builds import moment_at, reading
from concord.read_models.keeper import KEYS_MAX
from projections.read_models.rows import ms_of
from projections.read_models.run_log import ERROR, RUN_MS
from projections.read_models.tables import PAIRS, RETRIES, RUN_HOURS, RUN_RECORDS, RUNS
from schemas.state import Status

PAGE: Final = 50
# Records of one run that are shown, and batches of retries.
RECORDS: Final = 200
BATCHES: Final = 20

ERRORS: Final = "errors"
SYNCED: Final = "synced"
NEITHER: Final = "neither"


@dataclass(frozen=True)
class RunKey:
    """Names one run."""

    started_ms: int
    direction: str
    owner: str


@dataclass(frozen=True)
class Run:
    """One row of Logs & Errors. `owner` is a mailbox or a record id in Practifi; `message` the last error's."""

    started: datetime
    finished: datetime
    direction: str
    owner: str
    processed: int
    synced: int
    errors: int
    message: str = ""
    created: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def key(self) -> RunKey:
        """Its name."""
        return RunKey(ms_of(self.started), self.direction, self.owner)


@dataclass(frozen=True)
class RunFilter:
    """Which runs are meant: those that fit all of what is given.

    `owners` None: everybody's. `since` and `until` (exclusive) are when the run was under way. `action`: created,
    updated or deleted. `status`: errors, synced (something was, and nothing failed) or neither.
    """

    owners: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    direction: str = ""
    action: str = ""
    status: str = ""


@dataclass(frozen=True)
class RunPage:
    """Some runs, the newest first, and whether there are newer and older ones."""

    rows: tuple[Run, ...]
    has_newer: bool = False
    has_older: bool = False


@dataclass(frozen=True)
class RunRecord:
    """One event that a run dealt with. `event` is it in words, without text where it is private; `action` is "" where
    nothing was sent; `status` how the event stands now."""

    at: datetime
    place: str
    pair_key: str
    event: str
    action: str
    result: str
    code: str
    message: str
    status: str


@dataclass(frozen=True)
class Retrying:
    """Events that were asked for together to be tried again, by what became of them so far."""

    at: datetime
    by: str
    waiting: int
    under_way: int
    failed: int
    done: int

    @property
    def asked(self) -> int:
        """How many."""
        return self.waiting + self.under_way + self.failed + self.done


@dataclass(frozen=True)
class Hour:
    """What ended within one hour."""

    began: datetime
    processed: int
    synced: int
    errors: int


class RunLog:
    """Reads the run log. Raises ConcordError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(
        self, wanted: RunFilter, *, before: RunKey | None = None, after: RunKey | None = None, limit: int = PAGE
    ) -> RunPage:
        """The newest runs; `before`: those older than this one, `after`: those just newer than it."""
        with reading(self._engine, "run-log") as (connection, builds):
            build = builds["run-log"]
            chosen = _chosen(build, wanted)
            place = tuple_(RUNS.c.started_ms, RUNS.c.direction, RUNS.c.owner)
            if before is not None:
                chosen = chosen.where(place < _place(before))
            if after is not None:
                chosen = chosen.where(place > _place(after))
            columns = (RUNS.c.started_ms, RUNS.c.direction, RUNS.c.owner)
            ordered = [column.asc() if after is not None else column.desc() for column in columns]
            found = connection.execute(chosen.order_by(*ordered).limit(limit + 1)).all()
        rows = [_run(row) for row in found[:limit]]
        is_cut = len(found) > limit
        if after is not None:
            return RunPage(tuple(reversed(rows)), has_newer=is_cut, has_older=True)
        return RunPage(tuple(rows), has_newer=before is not None, has_older=is_cut)

    def run(self, key: RunKey) -> Run | None:
        """One run; None when there is none of this name."""
        with reading(self._engine, "run-log") as (connection, builds):
            place = tuple_(RUNS.c.started_ms, RUNS.c.direction, RUNS.c.owner)
            row = connection.execute(_chosen(builds["run-log"], RunFilter()).where(place == _place(key))).first()
        return None if row is None else _run(row)

    def records(self, key: RunKey, *, limit: int = RECORDS) -> tuple[RunRecord, ...]:
        """What a run dealt with, its errors first, then the newest."""
        with reading(self._engine, "run-log", "freshness") as (connection, builds):
            pair = and_(PAIRS.c.build == builds["freshness"], PAIRS.c.pair_key == RUN_RECORDS.c.pair_key)
            wanted = (
                select(RUN_RECORDS, PAIRS.c.event, PAIRS.c.status)
                .select_from(RUN_RECORDS.outerjoin(PAIRS, pair))
                .where(_of_run(builds["run-log"], key))
                .order_by(
                    case((RUN_RECORDS.c.result == ERROR, 0), else_=1), RUN_RECORDS.c.at_ms.desc(),
                    RUN_RECORDS.c.offset.desc(),
                )
                .limit(limit)
            )  # fmt: skip
            return tuple(
                RunRecord(
                    moment_at(row.at_ms), f"{row.partition}/{row.offset}", row.pair_key, row.event or "", row.action,
                    row.result, row.code, row.message, row.status or "",
                )
                for row in connection.execute(wanted)
            )  # fmt: skip

    def failed(self, key: RunKey) -> tuple[str, ...]:
        """The pairs with an error in this run."""
        with reading(self._engine, "run-log") as (connection, builds):
            here = and_(_of_run(builds["run-log"], key), RUN_RECORDS.c.result == ERROR)
            return tuple(sorted(set(connection.execute(select(RUN_RECORDS.c.pair_key).where(here)).scalars())))

    def in_error(self, *, run: RunKey | None = None, since: datetime | None = None) -> tuple[str, ...]:
        """The pairs that are in error now, with an error in this run, or one since then."""
        with reading(self._engine, "run-log", "freshness") as (connection, builds):
            told = [RUN_RECORDS.c.build == builds["run-log"], RUN_RECORDS.c.result == ERROR]
            if since is not None:
                told.append(RUN_RECORDS.c.at_ms >= ms_of(since))
            if run is not None:
                told.append(_of_run(builds["run-log"], run))
            keys = sorted(set(connection.execute(select(RUN_RECORDS.c.pair_key).where(and_(*told))).scalars()))
            # Asked by key, some at a time: a join would begin with every pair in error, of whatever time. And sorted
            # here: a database might read every record by its key to save the sorting.
            found: set[str] = set()
            for first in range(0, len(keys), KEYS_MAX):
                is_one = and_(
                    PAIRS.c.build == builds["freshness"], PAIRS.c.pair_key.in_(keys[first : first + KEYS_MAX])
                )
                for row in connection.execute(select(PAIRS.c.pair_key, PAIRS.c.status).where(is_one)):
                    found |= {row.pair_key} if row.status == Status.ERROR else set()
            return tuple(key for key in keys if key in found)

    def retries(self, since: datetime, *, limit: int = BATCHES) -> tuple[Retrying, ...]:
        """What was asked to be tried again since then, and how far that is, the newest first.

        An event that was asked for again later counts there.
        """
        with reading(self._engine, "freshness") as (connection, builds):
            status, is_decided = PAIRS.c.status, PAIRS.c.decided_offset >= RETRIES.c.offset
            pair = and_(PAIRS.c.build == RETRIES.c.build, PAIRS.c.pair_key == RETRIES.c.pair_key)
            counts = {
                "waiting": and_(status == Status.ERROR, ~is_decided),
                "under_way": status == Status.PENDING,
                "failed": and_(status == Status.ERROR, is_decided),
                "done": status.not_in((Status.ERROR, Status.PENDING)),
            }
            columns = (func.sum(case((is_so, 1), else_=0)).label(name) for name, is_so in counts.items())
            wanted = (
                select(RETRIES.c.at_ms, RETRIES.c.by, *columns)
                .select_from(RETRIES.join(PAIRS, pair))
                .where(and_(RETRIES.c.build == builds["freshness"], RETRIES.c.at_ms >= ms_of(since)))
                .group_by(RETRIES.c.at_ms, RETRIES.c.by)
                .order_by(RETRIES.c.at_ms.desc(), RETRIES.c.by)
                .limit(limit)
            )
            return tuple(
                Retrying(moment_at(row.at_ms), row.by, row.waiting, row.under_way, row.failed, row.done)
                for row in connection.execute(wanted)
            )

    def hours(self, since: datetime) -> tuple[Hour, ...]:
        """What ended in each hour since then, the oldest first; an hour in which nothing did is left out."""
        with reading(self._engine, "run-log") as (connection, builds):
            here = and_(RUN_HOURS.c.build == builds["run-log"], RUN_HOURS.c.hour_ms >= ms_of(since))
            wanted = select(RUN_HOURS).where(here).order_by(RUN_HOURS.c.hour_ms)
            return tuple(
                Hour(moment_at(row.hour_ms), row.processed, row.synced, row.errors)
                for row in connection.execute(wanted)
            )


def _place(key: RunKey) -> Any:
    return tuple_(key.started_ms, key.direction, key.owner)


def _of_run(build: int, key: RunKey) -> Any:
    return and_(
        RUN_RECORDS.c.build == build, RUN_RECORDS.c.started_ms == key.started_ms,
        RUN_RECORDS.c.direction == key.direction, RUN_RECORDS.c.owner == key.owner,
    )  # fmt: skip


def _chosen(build: int, wanted: RunFilter) -> Any:
    """The runs that are meant, each with the end of its last record and the words of its last error."""
    record = RUN_RECORDS.c
    of_run = and_(
        record.build == build, record.started_ms == RUNS.c.started_ms, record.direction == RUNS.c.direction,
        record.owner == RUNS.c.owner,
    )  # fmt: skip
    errors = and_(of_run, record.result == ERROR)
    last = (record.at_ms.desc(), record.offset.desc())
    finished = select(func.max(record.at_ms)).where(of_run).scalar_subquery()
    code = select(record.code).where(errors).order_by(*last).limit(1).scalar_subquery()
    message = select(record.message).where(errors).order_by(*last).limit(1).scalar_subquery()
    chosen = select(RUNS, finished.label("finished_ms"), code.label("code"), message.label("message"))
    chosen = chosen.where(RUNS.c.build == build)
    if wanted.owners is not None:
        chosen = chosen.where(RUNS.c.owner.in_(wanted.owners))
    if wanted.since is not None:
        chosen = chosen.where(RUNS.c.started_ms > ms_of(wanted.since) - RUN_MS)
    if wanted.until is not None:
        chosen = chosen.where(RUNS.c.started_ms < ms_of(wanted.until))
    if wanted.direction:
        chosen = chosen.where(RUNS.c.direction == wanted.direction)
    if wanted.action:
        chosen = chosen.where(RUNS.c[wanted.action] > 0)
    match wanted.status:
        case "errors":
            chosen = chosen.where(RUNS.c.errors > 0)
        case "synced":
            chosen = chosen.where(and_(RUNS.c.errors == 0, RUNS.c.synced > 0))
        case "neither":
            chosen = chosen.where(and_(RUNS.c.errors == 0, RUNS.c.synced == 0))
    return chosen


def _run(row: Any) -> Run:
    return Run(
        moment_at(row.started_ms), moment_at(row.finished_ms or row.started_ms), row.direction, row.owner,
        row.processed, row.synced, row.errors, ": ".join(part for part in (row.code, row.message) if part),
        row.created, row.updated, row.deleted,
    )  # fmt: skip
