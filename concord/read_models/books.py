"""The database of the read models for who only reads it: opened at the first question, and kept open."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sqlalchemy import Engine, and_, select
from sqlalchemy.engine import URL

from concord.read_models.builds import moment_at, reading
from concord.read_models.database import open_database
from concord.read_models.mailbook import MailBook
from concord.read_models.runs import RunLog
from concord.read_models.shelf import ConflictShelf
from projections.read_models.catalogue import MODELS
from projections.read_models.tables import BUILDS


@dataclass(frozen=True)
class BuildInForce:
    """Which build of a read model is read: its number, when it was begun, the version of the fold that fills it, and
    that of this version of Concord."""

    model: str
    build: int
    made: str
    fold: int
    wanted_fold: int


class Books:
    """Run log, conflict shelf and mail ledger. For any thread. Everything may raise ConcordError. `close` when done."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The database."""
        with self._lock:
            if self._engine is None:
                self._engine = open_database(self._url, writes=False)
            return self._engine

    @property
    def runs(self) -> RunLog:
        """What was carried for whom."""
        return RunLog(self.engine)

    @property
    def shelf(self) -> ConflictShelf:
        """What was lost in conflicts."""
        return ConflictShelf(self.engine)

    @property
    def mails(self) -> MailBook:
        """Who was mailed."""
        return MailBook(self.engine)

    def builds(self) -> list[BuildInForce]:
        """The builds that are read, by read model; one that nobody has begun is left out."""
        folds = {model.name: model.version for model in MODELS}
        with reading(self.engine) as (connection, _):
            here = and_(BUILDS.c.state == "active", BUILDS.c.model.in_(folds))
            rows = connection.execute(select(BUILDS).where(here).order_by(BUILDS.c.model)).all()
        return [
            BuildInForce(
                row.model, row.build, f"{moment_at(row.made_ms):%Y-%m-%d %H:%M:%S} UTC", row.fold, folds[row.model]
            )
            for row in rows
        ]

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None
