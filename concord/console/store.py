"""What the console keeps between two requests, for every process of it: a table of texts that end.

In the database of the read models where CONCORD_DATABASE_URL names one, else in a SQLite file of its own: sign-ins do
not wait for whoever fills the read models.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Double, Engine, MetaData, String, Table, Text, create_engine, delete, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.sql import text

from concord.read_models.database import plainly

FILE: Final = "console.db"
# Names the lock under which the table is made, so that instances that start together do not make it twice.
LAYOUT_LOCK: Final = 0xC04C04E
# Longest wait for another writer of the same SQLite file, in seconds.
BUSY_S: Final = 10.0

METADATA: Final = MetaData()
KEPT: Final = Table(
    "console_kept",
    METADATA,
    Column("kind", String(20), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("ends", Double, nullable=False),
)


def open_store(url: URL) -> Engine:
    """The database, with the table made. Raises ConcordError."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_S})
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
    lay_out(engine)
    return engine


def lay_out(engine: Engine) -> None:
    """Make the table where there is none. Raises ConcordError."""
    with plainly(), engine.begin() as transaction:
        if engine.dialect.name == "postgresql":
            transaction.execute(text(f"SELECT pg_advisory_xact_lock({LAYOUT_LOCK})"))
        METADATA.create_all(transaction)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


class Kept:
    """The texts of one kind, by name. `ends` is a moment in seconds since 1970. For any thread. Raises ConcordError."""

    def __init__(self, engine: Engine, kind: str) -> None:
        self._engine = engine
        self._kind = kind
        self._insert: Any = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    def get(self, name: str, now: float) -> str | None:
        """The text of a name, None when there is none or it has ended."""
        wanted = select(KEPT.c.value).where(*self._is(name), KEPT.c.ends > now)
        with plainly(), self._engine.begin() as transaction:
            found: str | None = transaction.execute(wanted).scalar()
        return found

    def put(self, name: str, value: str, ends: float) -> None:
        """Keep a text, in the place of what has this name."""
        row = self._insert(KEPT).values(kind=self._kind, name=name, value=value, ends=ends)
        row = row.on_conflict_do_update(index_elements=["kind", "name"], set_={"value": value, "ends": ends})
        with plainly(), self._engine.begin() as transaction:
            transaction.execute(row)

    def change(self, name: str, value: str, ends: float) -> None:
        """Put another text in the place of what has this name, if it is still there."""
        with plainly(), self._engine.begin() as transaction:
            transaction.execute(KEPT.update().where(*self._is(name)).values(value=value, ends=ends))

    def keep_first(self, name: str, value: str, ends: float) -> str:
        """Keep a text unless there is one of this name; the one that is kept."""
        row = self._insert(KEPT).values(kind=self._kind, name=name, value=value, ends=ends).on_conflict_do_nothing()
        with plainly(), self._engine.begin() as transaction:
            transaction.execute(row)
            return str(transaction.execute(select(KEPT.c.value).where(*self._is(name))).scalar_one())

    def take(self, name: str, now: float) -> str | None:
        """The text of a name; whoever takes it is the only one."""
        gone = delete(KEPT).where(*self._is(name), KEPT.c.ends > now).returning(KEPT.c.value)
        with plainly(), self._engine.begin() as transaction:
            found: str | None = transaction.execute(gone).scalar()
        return found

    def drop(self, name: str) -> None:
        """Forget a name."""
        with plainly(), self._engine.begin() as transaction:
            transaction.execute(delete(KEPT).where(*self._is(name)))

    def make_room(self, now: float, most: int) -> None:
        """Forget what has ended, and what would end first until there is room for one more."""
        own = KEPT.c.kind == self._kind
        with plainly(), self._engine.begin() as transaction:
            transaction.execute(delete(KEPT).where(own, KEPT.c.ends <= now))
            over = transaction.execute(select(func.count()).select_from(KEPT).where(own)).scalar_one() - most + 1
            if over > 0:
                first = select(KEPT.c.name).where(own).order_by(KEPT.c.ends).limit(over)
                transaction.execute(delete(KEPT).where(own, KEPT.c.name.in_(first.scalar_subquery())))

    def _is(self, name: str) -> tuple[Any, Any]:
        return (KEPT.c.kind == self._kind, KEPT.c.name == name)
