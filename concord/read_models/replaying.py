"""A part of a read model folded again: rows that the records of a range write, held against those in force.

What a fold remembers of a pair, and what it counts over many, follows from the whole log. So the log is folded from its
beginning, up to exactly where the build in force stands, into a file that is thrown away; only rows that records of the
range wrote are then compared and, when told so, put right in one transaction in which the build stands there still.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kafka import TopicPartition
from sqlalchemy import Connection, Engine, Table, and_, delete, insert, select, update
from sqlalchemy.engine import URL

from concord.config import Config
from concord.read_models.database import database_url, open_database, plainly
from concord.read_models.keeper import TOPICS_READ, Fact, Keeper, WentOn
from concord.read_models.rebuilding import model_named, read_lanes
from concord.read_models.writing import clean
from concord.replay_ranges import Range, Start, ranges_of
from projections.read_models.catalogue import MODELS
from projections.read_models.model import ReadModel
from projections.read_models.rows import Count, Put, Remove, Rewrite, RowChange
from projections.read_models.tables import METADATA, NOTES
from schemas.errors import ConcordError

Positions = Mapping[int, Mapping[str, int]]
"""The next offset of each topic, by lane."""

# How often a model is folded anew because it went on meanwhile.
ATTEMPTS: Final = 3
ADDED: Final = "added"
CHANGED: Final = "changed"
REMOVED: Final = "removed"


@dataclass(frozen=True)
class OtherRow:
    """One row that the fold makes otherwise: its key, and the columns that differ (of a row that is `changed`)."""

    table: str
    key: dict[str, Any]
    how: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replayed:
    """What a replay found, and whether it put it right: records in the range, rows they wrote, and rows that differ."""

    model: str
    records: int
    rows: int
    differing: tuple[OtherRow, ...]
    is_executed: bool


class Touched:
    """The rows that records of the range wrote, named by the values of some of their columns."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._from = {(one.partition, one.topic): (one.first, one.until) for one in ranges}
        self.records = sum(until - first for first, until in self._from.values())
        self.pairs: set[str] = set()
        self._named: dict[str, dict[tuple[str, ...], set[tuple[Any, ...]]]] = {}

    def see(self, lane: int, fact: Fact, changes: Iterable[RowChange]) -> None:
        """One record, and what its fold did."""
        first, until = self._from.get((lane, fact.topic), (0, 0))
        if not first <= fact.offset < until:
            return
        if fact.pair_key:
            self.pairs.add(clean(fact.pair_key))
        for change in changes:
            where = _where(change)
            names = tuple(sorted(where))
            place = tuple(clean(where[name]) for name in names)
            self._named.setdefault(change.table, {}).setdefault(names, set()).add(place)

    def covers(self, table: Table, row: Any) -> bool:
        """Whether a record of the range wrote this row."""
        if table is NOTES:
            return row["pair_key"] in self.pairs
        named = self._named.get(table.name, {})
        return any(tuple(row[name] for name in names) in places for names, places in named.items())


def _where(change: RowChange) -> Mapping[str, Any]:
    """What names the rows that a change is about."""
    match change:
        case Put(name, values):
            return {column: values[column] for column in _key(name)}
        case Count(_, key, _):
            return key
        case Remove(_, where) | Rewrite(_, where, _, _):
            return where


def _key(name: str) -> list[str]:
    return [column.name for column in METADATA.tables[name].primary_key if column.name != "build"]


def positions_in(engine: Engine, model: ReadModel) -> Positions:
    """Where the build in force of a model stands. Raises ConcordError when other rules made it than those of today."""
    keeper = Keeper(engine, [model])
    if keeper.prepare():
        raise ConcordError(
            f"The rows of {model.name} were made by an older version of Concord.", f"`concord rebuild {model.name}`."
        )
    return {lane: keeper.positions(lane) for lane in keeper.lanes()}


def replay_models(
    config: Config, names: Sequence[str], wanted: Start, *, topic: str = "", partitions: Sequence[int] = (),
    key: str = "", executes: bool = False, on_progress: Callable[[int], None] | None = None,
) -> list[Replayed]:  # fmt: skip
    """Replay the models of these names, all when there is none, from where `wanted` says. Raises ConcordError."""
    if topic and topic not in TOPICS_READ:
        raise ConcordError(f"The stage projections does not read {topic}.", f"It reads {', '.join(TOPICS_READ)}.")
    models = [model_named(name) for name in names] or MODELS
    engine = open_database(database_url(config))
    done = []
    try:
        for model in models:
            for attempt in range(1, ATTEMPTS + 1):
                positions = positions_in(engine, model)
                taken = {
                    TopicPartition(name, lane): at for lane, ats in positions.items() for name, at in ats.items()
                    if topic in ("", name)
                }  # fmt: skip
                ranges = ranges_of(config.broker, taken, wanted, partitions=partitions, key=key)
                try:
                    found = replay(
                        engine, config.broker, model, positions, ranges, executes=executes, on_progress=on_progress
                    )
                except WentOn:
                    if attempt == ATTEMPTS:
                        raise
                else:
                    done.append(found)
                    break
    finally:
        engine.dispose()
    return done


def replay(
    engine: Engine, broker: str, model: ReadModel, positions: Positions, ranges: Sequence[Range], *, executes: bool,
    on_progress: Callable[[int], None] | None = None,
) -> Replayed:  # fmt: skip
    """Fold the log up to these positions, and compare the rows that records of the ranges wrote. Raises ConcordError,
    also when the build in force does not stand there any more: nothing is changed then."""
    touched = Touched(ranges)
    with tempfile.TemporaryDirectory(prefix="concord-replay-") as folder:
        scratch = open_database(URL.create("sqlite", database=str(Path(folder) / "scratch.db")))
        try:
            _fold(Keeper(scratch, [model], touched.see), broker, model, positions, on_progress)
            with plainly(), engine.begin() as transaction, scratch.begin() as made:
                keeper = Keeper(engine, [model])
                build = keeper.stands_at(transaction, model, positions)
                return _compared(transaction, made, model, build, touched, executes=executes)
        finally:
            scratch.dispose()


def _fold(
    keeper: Keeper, broker: str, model: ReadModel, positions: Positions, on_progress: Callable[[int], None] | None
) -> None:
    """Fold every record below the positions into the scratch build."""
    keeper.prepare()
    begun: set[tuple[int, str]] = set()
    done = 0
    for lane, facts in read_lanes(broker, positions):
        known = [fact for fact in facts if fact.offset < positions.get(lane, {}).get(fact.topic, 0)]
        for fact in known:
            if (lane, fact.topic) not in begun:  # the first records of a topic may be gone
                begun.add((lane, fact.topic))
                keeper.begin_at(model.name, 1, lane, fact.topic, fact.offset)
        if known:
            keeper.fill(model.name, 1, lane, known)
        done += len(facts)
        if on_progress is not None:
            on_progress(done)


def _compared(
    transaction: Connection, made: Connection, model: ReadModel, build: int, touched: Touched, *, executes: bool
) -> Replayed:
    found: list[OtherRow] = []
    count = 0
    for table in (*model.tables, NOTES):
        known = _rows(transaction, table, model, build, touched)
        fresh = _rows(made, table, model, 1, touched)
        others = list(_others(table, known, fresh))
        if table is not NOTES:
            count += len(known.keys() | fresh.keys())
            found += [one for _, one in others]
        if executes:
            for place, one in others:
                _put_right(transaction, table, model, build, one, fresh.get(place))
    return Replayed(model.name, touched.records, count, tuple(found), is_executed=executes)


def _columns(table: Table) -> list[str]:
    """The columns of a row that say something."""
    return [column.name for column in table.c if column.name not in ("build", "model")]


def _names(table: Table) -> list[str]:
    return [column.name for column in table.primary_key if column.name not in ("build", "model")]


def _rows(
    connection: Connection, table: Table, model: ReadModel, build: int, touched: Touched
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows of a build that records of the range wrote, by key."""
    names, columns = _names(table), _columns(table)
    wanted = select(*(table.c[name] for name in columns)).where(_of_build(table, model, build))
    found = {}
    for row in connection.execute(wanted).mappings():
        if touched.covers(table, row):
            found[tuple(row[name] for name in names)] = dict(row)
    return found


def _of_build(table: Table, model: ReadModel, build: int) -> Any:
    here = table.c.build == build
    return and_(here, table.c.model == model.name) if "model" in table.c else here


def _others(
    table: Table, known: Mapping[tuple[Any, ...], dict[str, Any]], fresh: Mapping[tuple[Any, ...], dict[str, Any]]
) -> Iterator[tuple[tuple[Any, ...], OtherRow]]:
    """What differs, by key."""
    for place in sorted(known.keys() | fresh.keys(), key=repr):
        key = dict(zip(_names(table), place, strict=True))
        before, after = known.get(place), fresh.get(place)
        if before is None or after is None:
            yield place, OtherRow(table.name, key, REMOVED if after is None else ADDED)
        elif before != after:
            yield place, OtherRow(table.name, key, CHANGED, tuple(n for n in before if before[n] != after[n]))


def _put_right(
    transaction: Connection, table: Table, model: ReadModel, build: int, one: OtherRow, row: dict[str, Any] | None
) -> None:
    here = and_(_of_build(table, model, build), *(table.c[name] == value for name, value in one.key.items()))
    if one.how == REMOVED:
        transaction.execute(delete(table).where(here))
    elif one.how == CHANGED and row is not None:
        transaction.execute(update(table).where(here).values({name: row[name] for name in one.columns}))
    elif row is not None:
        of_model = {"model": model.name} if "model" in table.c else {}
        transaction.execute(insert(table).values({**row, **of_model, "build": build}))
