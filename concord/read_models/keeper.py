"""Records into rows, exactly once: rows, what a fold remembers, and the position go into one transaction.

A lane is one partition number of the journal and of the decisions: everything about a pair stands in one lane. The
positions of a lane are locked while it is written, so that several instances may write at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, delete, select, update

from concord.read_models.database import plainly
from concord.read_models.writing import clean, upsert_rows, write_changes
from projections.read_models.catalogue import MODELS
from projections.read_models.model import ReadModel
from projections.read_models.notes import Note, Placed
from projections.read_models.rows import RowChange
from projections.read_models.stored import text_of, value_of
from projections.read_models.tables import BUILDS, NOTES, POSITIONS
from schemas.commands import Decision
from schemas.errors import ConcordError
from schemas.journal import SettingsChanged
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL

TOPICS_READ: Final = (SYNC_JOURNAL, SYNC_DECISIONS)
# What a build is: being filled by a rebuild, the one that is read, the one before it.
FILLING: Final = "filling"
ACTIVE: Final = "active"
OLD: Final = "old"
# Keys asked for in one statement: SQLite takes no more than 999 values in old versions.
KEYS_MAX: Final = 500


class Behind(ConcordError):
    """A build has not come as far as the records that it was given: they must be read from `position` on."""


class WentOn(ConcordError):
    """A build has come further than it was when something was made of it."""


@dataclass(frozen=True)
class Fact:
    """One record of a lane; `value` None for one that nobody can read."""

    topic: str
    offset: int
    value: Placed | Decision | None

    @property
    def pair_key(self) -> str:
        """The pair it is about; "" for one that is about none."""
        if isinstance(self.value, tuple):
            return "" if isinstance(self.value[2].what, SettingsChanged) else self.value[2].pair_key
        return self.value.pair_key if self.value is not None else ""


Watch = Callable[[int, Fact, tuple[RowChange, ...]], None]
"""Told of each record that is folded: its lane, and what its fold did to rows."""


class Keeper:
    """Writes into one database. For one thread. `watch` is told of each record that is folded."""

    def __init__(self, engine: Engine, models: Sequence[ReadModel] = MODELS, watch: Watch | None = None) -> None:
        self.engine = engine
        self._watch = watch
        self.models = {model.name: model for model in models}

    def prepare(self) -> list[str]:
        """Give each model a build to fill. Returns the models whose rows an older fold made: they want a rebuild."""
        outdated = []
        with plainly(), self.engine.begin() as transaction:
            active = {row.model: row for row in self._builds(transaction)}
            for model in self.models.values():
                if model.name not in active:
                    row = {
                        "model": model.name,
                        "build": 1,
                        "state": ACTIVE,
                        "fold": model.version,
                        "made_ms": _now_ms(),
                    }
                    upsert_rows(transaction, BUILDS, [row], ())
                elif active[model.name].fold < model.version:
                    outdated.append(model.name)
        return outdated

    def _builds(self, transaction: Connection) -> Sequence[Any]:
        wanted = and_(BUILDS.c.state == ACTIVE, BUILDS.c.model.in_(self.models))
        return transaction.execute(select(BUILDS).where(wanted).order_by(BUILDS.c.model)).all()

    def active(self) -> dict[str, int]:
        """The build in force of each model."""
        with plainly(), self.engine.begin() as transaction:
            return {row.model: row.build for row in self._builds(transaction)}

    def positions(self, lane: int) -> dict[str, int]:
        """From where each topic of a lane must be read on, so that no model misses a record."""
        with plainly(), self.engine.begin() as transaction:
            known = [self._lock(transaction, row.model, row.build, lane) for row in self._builds(transaction)]
        return {topic: min((one[topic] for one in known), default=0) for topic in TOPICS_READ}

    def lanes(self) -> list[int]:
        """The lanes of which something was taken."""
        with plainly(), self.engine.begin() as transaction:
            wanted = select(POSITIONS.c.partition).where(POSITIONS.c.model.in_(self.models)).distinct()
            return sorted(transaction.execute(wanted).scalars())

    def stands_at(self, transaction: Connection, model: ReadModel, positions: Mapping[int, Mapping[str, int]]) -> int:
        """The build in force of a model, which stays at these positions, by lane and topic, until the transaction ends.

        Raises WentOn when it stands elsewhere.
        """
        (row,) = [row for row in self._builds(transaction) if row.model == model.name]
        if any(self._lock(transaction, model.name, row.build, lane) != known for lane, known in positions.items()):
            raise WentOn(
                f"`concord project` went on with {model.name} meanwhile: nothing was changed.",
                "Try again; with much going on, stop it first.",
            )
        return int(row.build)

    def skip_to(self, lane: int, topic: str, offset: int) -> None:
        """Leave out what the topic does not have any more, in every build."""
        with plainly(), self.engine.begin() as transaction:
            here = and_(
                POSITIONS.c.topic == topic, POSITIONS.c.partition == lane, POSITIONS.c.next_offset < offset
            )  # fmt: skip
            transaction.execute(update(POSITIONS).where(here).values(next_offset=offset))

    def apply(self, lane: int, facts: Sequence[Fact]) -> dict[str, int]:
        """Fold these records of a lane into the active build of every model. Returns these builds.

        Raises Behind, and ConcordError.
        """
        with plainly(), self.engine.begin() as transaction:
            builds = self._builds(transaction)
            for row in builds:
                self._fold(transaction, self.models[row.model], row.build, lane, facts)
            return {row.model: row.build for row in builds}

    def begin_at(self, model: str, build: int, lane: int, topic: str, offset: int) -> None:
        """Let a build begin at this offset of a lane's topic."""
        row = {"model": model, "build": build, "topic": topic, "partition": lane, "next_offset": offset}
        with plainly(), self.engine.begin() as transaction:
            upsert_rows(transaction, POSITIONS, [row], ("next_offset",))

    def fill(self, model: str, build: int, lane: int, facts: Sequence[Fact]) -> None:
        """The same for one build that is being filled."""
        with plainly(), self.engine.begin() as transaction:
            self._fold(transaction, self.models[model], build, lane, facts)

    def _lock(self, transaction: Connection, model: str, build: int, lane: int) -> dict[str, int]:
        """The positions of a lane, locked until the transaction ends; made where there are none."""
        here = and_(POSITIONS.c.model == model, POSITIONS.c.build == build, POSITIONS.c.partition == lane)
        wanted = select(POSITIONS.c.topic, POSITIONS.c.next_offset).where(here).order_by(POSITIONS.c.topic)
        found = transaction.execute(wanted.with_for_update()).all()
        if len(found) < len(TOPICS_READ):
            rows = [
                {"model": model, "build": build, "topic": topic, "partition": lane, "next_offset": 0}
                for topic in TOPICS_READ
            ]
            upsert_rows(transaction, POSITIONS, rows, ())
            found = transaction.execute(wanted.with_for_update()).all()
        return {row.topic: row.next_offset for row in found}

    def _fold(self, transaction: Connection, model: ReadModel, build: int, lane: int, facts: Sequence[Fact]) -> None:
        positions = self._lock(transaction, model.name, build, lane)
        fresh = []
        for fact in facts:
            if fact.offset > positions[fact.topic]:
                raise Behind(f"{model.name} stands at {positions[fact.topic]} of {fact.topic}/{lane}.")
            if fact.offset == positions[fact.topic]:
                positions[fact.topic] = fact.offset + 1
                fresh.append(fact)
        if not fresh:
            return
        notes = self._notes(transaction, model.name, build, {fact.pair_key for fact in fresh if fact.pair_key})
        before = dict(notes)
        changes: list[RowChange] = []
        for fact in fresh:
            note = notes.get(fact.pair_key)
            if note is None or fact.value is None:
                continue
            fold = model.decision if isinstance(fact.value, Decision) else model.entry
            notes[fact.pair_key], more = fold(note, fact.value)  # type: ignore[arg-type]
            changes += more
            if self._watch is not None:
                self._watch(lane, fact, more)
        write_changes(transaction, build, changes)
        rows = [
            {"model": model.name, "build": build, "pair_key": clean(key), "note": text_of(note)}
            for key, note in notes.items()
            if note != before[key]
        ]
        if rows:
            upsert_rows(transaction, NOTES, rows, ("note",))
        for topic, offset in positions.items():
            here = and_(
                POSITIONS.c.model == model.name, POSITIONS.c.build == build, POSITIONS.c.topic == topic,
                POSITIONS.c.partition == lane,
            )  # fmt: skip
            transaction.execute(update(POSITIONS).where(here).values(next_offset=offset))

    def _notes(self, transaction: Connection, model: str, build: int, keys: set[str]) -> dict[str, Note]:
        notes = {key: Note(key) for key in keys}
        ordered = sorted(keys)
        for start in range(0, len(ordered), KEYS_MAX):
            some = {clean(key): key for key in ordered[start : start + KEYS_MAX]}
            here = and_(NOTES.c.model == model, NOTES.c.build == build, NOTES.c.pair_key.in_(some))
            for row in transaction.execute(select(NOTES.c.pair_key, NOTES.c.note).where(here)):
                notes[some[row.pair_key]] = value_of(Note, row.note)
        return notes


def delete_build(transaction: Connection, model: ReadModel, build: int) -> None:
    """Remove every row of a build."""
    for table in model.tables:
        transaction.execute(delete(table).where(table.c.build == build))
    for table in (NOTES, POSITIONS, BUILDS):
        transaction.execute(delete(table).where(and_(table.c.model == model.name, table.c.build == build)))


def _now_ms() -> int:
    return int(time.time() * 1000)
