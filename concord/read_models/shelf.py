"""The conflict shelf by the page: what Practifi users lost where both sides had been edited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, and_, select, tuple_

from concord.read_models.builds import moment_at, reading
from projections.read_models.rows import ms_of
from projections.read_models.tables import LOST_ASKED, LOST_VALUES, PAIRS
from schemas.changes import Side

PAGE: Final = 50

# Names one lost value: when, and where its decision stands.
Place = tuple[int, int, int, str]


@dataclass(frozen=True)
class LostValue:
    """One value on the shelf, as its decision stores it. `decision` is what `concord undo` takes; `event` is the event
    in words, without text where it is private; `asked_at` when somebody asked to have the value back."""

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
    owner: str = ""
    event: str = ""

    @property
    def place(self) -> Place:
        """Its name on the shelf."""
        partition, _, offset = self.decision.partition("/")
        return ms_of(self.at), int(partition), int(offset), self.group


@dataclass(frozen=True)
class LostFilter:
    """Which values are meant. `owners` None: everybody's; `asked`: yes, no, or "" for either."""

    owners: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    asked: str = ""


@dataclass(frozen=True)
class LostPage:
    """Some values, the newest first, and whether there are newer and older ones."""

    rows: tuple[LostValue, ...]
    has_newer: bool = False
    has_older: bool = False


class ConflictShelf:
    """Reads the shelf. Raises ConcordError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(
        self, wanted: LostFilter, *, before: Place | None = None, after: Place | None = None, limit: int = PAGE
    ) -> LostPage:
        """The newest values; `before`: those older than this one, `after`: those just newer than it. One statement."""
        lost, asked = LOST_VALUES.c, LOST_ASKED.c
        columns = (lost.at_ms, lost.partition, lost.offset, lost.field)
        with reading(self._engine, "conflicts", "freshness") as (connection, builds):
            is_asked = and_(asked.build == lost.build, asked.partition == lost.partition, asked.offset == lost.offset)
            pair = and_(PAIRS.c.build == builds["freshness"], PAIRS.c.pair_key == lost.pair_key)
            chosen = (
                select(LOST_VALUES, PAIRS.c.event, asked.at_ms.label("asked_ms"), asked.by)
                .select_from(LOST_VALUES.outerjoin(LOST_ASKED, is_asked).outerjoin(PAIRS, pair))
                .where(and_(*_fits(wanted, builds["conflicts"])))
            )
            if before is not None:
                chosen = chosen.where(tuple_(*columns) < tuple_(*before))
            if after is not None:
                chosen = chosen.where(tuple_(*columns) > tuple_(*after))
            ordered = [column.asc() if after is not None else column.desc() for column in columns]
            found = connection.execute(chosen.order_by(*ordered).limit(limit + 1)).all()
        rows = [_lost(row) for row in found[:limit]]
        if after is not None:
            return LostPage(tuple(reversed(rows)), has_newer=len(found) > limit, has_older=True)
        return LostPage(tuple(rows), has_newer=before is not None, has_older=len(found) > limit)


def _fits(wanted: LostFilter, build: int) -> list[Any]:
    lost = LOST_VALUES.c
    fits: list[Any] = [lost.build == build]
    if wanted.owners is not None:
        fits.append(lost.owner.in_(wanted.owners))
    if wanted.since is not None:
        fits.append(lost.at_ms >= ms_of(wanted.since))
    if wanted.until is not None:
        fits.append(lost.at_ms < ms_of(wanted.until))
    if wanted.asked:
        is_asked = LOST_ASKED.c.at_ms.is_not(None)
        fits.append(is_asked if wanted.asked == "yes" else ~is_asked)
    return fits


def _lost(row: Any) -> LostValue:
    return LostValue(
        row.pair_key, f"{row.partition}/{row.offset}", moment_at(row.at_ms), Side(row.side), row.field, row.lost,
        row.won, row.is_private, None if row.asked_ms is None else moment_at(row.asked_ms), row.by or "", row.owner,
        row.event or "",
    )  # fmt: skip
