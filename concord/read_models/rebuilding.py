"""A read model made anew from the log, beside the one in force; then put in its place in one step."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, and_, func, select, update

from concord.config import Config
from concord.read_models.database import database_url, open_database, plainly
from concord.read_models.facts import Lane, fact_of
from concord.read_models.keeper import ACTIVE, FILLING, OLD, Fact, Keeper, delete_build
from concord.read_models.writing import upsert_rows
from concord.reading import Tail
from projections.read_models.catalogue import BY_NAME
from projections.read_models.model import ReadModel
from projections.read_models.tables import BUILDS
from schemas.errors import ConfigError
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL

# Records folded in one transaction.
BATCH: Final = 2_000


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did: from how many records, in how many seconds; the digests of its rows and of those in force
    before, which differ also when those had not come as far."""

    model: str
    build: int
    records: int
    seconds: float
    digest: str
    digest_before: str


def rebuild(config: Config, name: str, on_progress: Callable[[int], None] | None = None) -> Rebuilt:
    """Make a read model anew and put it in force; the build before it is kept for `roll_back`.

    For `concord rebuild NAME`. Reads the journal and the decisions from their beginnings to their ends as they are
    now, without a group; `concord project` may run meanwhile and goes on from there. `on_progress` is told the records
    read so far. Raises ConfigError for a name that no read model has, and ConcordError.
    """
    model = model_named(name)
    engine = open_database(database_url(config))
    try:
        return rebuild_in(engine, config.broker, model, on_progress)
    finally:
        engine.dispose()


def model_named(name: str) -> ReadModel:
    """The read model of this name. Raises ConfigError."""
    if name not in BY_NAME:
        raise ConfigError([f"{name}: no read model has this name"], f"There are: {', '.join(sorted(BY_NAME))}.")
    return BY_NAME[name]


def rebuild_in(
    engine: Engine, broker: str, model: ReadModel, on_progress: Callable[[int], None] | None = None
) -> Rebuilt:
    """The same in a database that is open."""
    began = time.monotonic()
    keeper = Keeper(engine, [model])
    keeper.prepare()
    build = _begin(engine, model)
    records = 0
    begun: set[tuple[int, str]] = set()
    for lane, facts in read_lanes(broker):
        for fact in facts:
            if (lane, fact.topic) not in begun:  # the first records of a topic may be gone
                begun.add((lane, fact.topic))
                keeper.begin_at(model.name, build, lane, fact.topic, fact.offset)
        keeper.fill(model.name, build, lane, facts)
        records += len(facts)
        if on_progress is not None:
            on_progress(records)
    with plainly(), engine.begin() as transaction:
        before = _active(transaction, model)
        digest_before = digest_of(transaction, model, before) if before is not None else ""
        digest = digest_of(transaction, model, build)
        _put_in_force(transaction, model, build)
    return Rebuilt(model.name, build, records, time.monotonic() - began, digest, digest_before)


def roll_back(engine: Engine, model: ReadModel) -> int | None:
    """Put the build before the one in force back; returns it, None when none is kept."""
    with plainly(), engine.begin() as transaction:
        here = and_(BUILDS.c.model == model.name, BUILDS.c.state == OLD)
        build = transaction.execute(select(func.max(BUILDS.c.build)).where(here)).scalar()
        if build is not None:
            _put_in_force(transaction, model, build)
        return build


def forget_old(engine: Engine, model: ReadModel) -> None:
    """Remove what is kept for `roll_back`."""
    with plainly(), engine.begin() as transaction:
        old = select(BUILDS.c.build).where(and_(BUILDS.c.model == model.name, BUILDS.c.state == OLD))
        for left in transaction.execute(old).scalars().all():
            delete_build(transaction, model, left)


def _begin(engine: Engine, model: ReadModel) -> int:
    """A new build; what an unfinished rebuild left is removed."""
    with plainly(), engine.begin() as transaction:
        here = BUILDS.c.model == model.name
        unfinished = select(BUILDS.c.build).where(and_(here, BUILDS.c.state == FILLING))
        for left in transaction.execute(unfinished).scalars().all():
            delete_build(transaction, model, left)
        build = int(transaction.execute(select(func.max(BUILDS.c.build)).where(here)).scalar() or 0) + 1
        row = {"model": model.name, "build": build, "state": FILLING, "fold": model.version}
        upsert_rows(transaction, BUILDS, [{**row, "made_ms": int(time.time() * 1000)}], ())
        return build


def _active(transaction: Connection, model: ReadModel) -> int | None:
    here = and_(BUILDS.c.model == model.name, BUILDS.c.state == ACTIVE)
    return transaction.execute(select(BUILDS.c.build).where(here)).scalar()


def _put_in_force(transaction: Connection, model: ReadModel, build: int) -> None:
    """Read this build from now on; the one before is kept, older ones are removed."""
    here = BUILDS.c.model == model.name
    older = select(BUILDS.c.build).where(and_(here, BUILDS.c.state == OLD, BUILDS.c.build != build))
    for left in transaction.execute(older).scalars().all():
        delete_build(transaction, model, left)
    transaction.execute(update(BUILDS).where(and_(here, BUILDS.c.state == ACTIVE)).values(state=OLD))
    transaction.execute(update(BUILDS).where(and_(here, BUILDS.c.build == build)).values(state=ACTIVE))


def read_lanes(broker: str, until: Mapping[int, Mapping[str, int]] | None = None) -> Iterator[tuple[int, list[Fact]]]:
    """Everything on the journal and then on the decisions, as batches of one lane each. What was decided about entries
    that came meanwhile is left to `concord project`.

    `until`, by lane and topic, is where a build stands that is folded again: what it took is not left out, whether or
    not the entry that it is about ever came.
    """
    lanes: dict[int, Lane] = {}
    for topic in (SYNC_JOURNAL, SYNC_DECISIONS):
        waiting: dict[int, list[Fact]] = {}
        with Tail(broker, topic) as tail:
            for record in tail.more():
                facts = waiting.setdefault(record.partition, [])
                facts.append(fact_of(topic, record.partition, record.offset, record.value))
                if len(facts) >= BATCH:
                    yield record.partition, _ready(lanes, record.partition, waiting.pop(record.partition))
        for number, facts in sorted(waiting.items()):
            yield number, _ready(lanes, number, facts)
    for number, lane in sorted(lanes.items()):
        if until is not None and lane.waiting:
            yield number, lane.ready((), 0)


def _ready(lanes: dict[int, Lane], number: int, facts: list[Fact]) -> list[Fact]:
    return lanes.setdefault(number, Lane(number, 0)).ready(facts)


def digest_of(transaction: Connection, model: ReadModel, build: int) -> str:
    """Names everything that a build's rows hold: equal digests, equal rows."""
    total = 0  # a sum, because databases sort text in different ways
    for table in model.tables:
        columns = [column for column in table.c if column.name != "build"]
        for row in transaction.execute(select(*columns).where(table.c.build == build)):
            total += int.from_bytes(hashlib.sha256(repr((table.name, *row)).encode()).digest())
    return f"{total % (1 << 256):064x}"
