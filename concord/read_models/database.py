"""The database of the read models: SQLite in the data folder, or PostgreSQL when a URL is given.

Opened here once for every user. Statements never carry their values into errors: those hold people's texts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, make_url, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from concord import credentials
from concord.config import Config
from projections.read_models.tables import LAYOUT, LAYOUTS, METADATA
from schemas.errors import ConcordError, ConfigError

FILE: Final = "read-models.db"
# Longest wait for another writer of the same SQLite file, in seconds.
BUSY_S: Final = 60.0
# Names the lock under which tables are made, so that instances that start together do not make them twice.
LAYOUT_LOCK: Final = 0xC04C04D


class DatabaseUnreachable(ConcordError):
    """The database does not answer; it may later."""


def database_url(config: Config) -> URL:
    """Where the read models are. Raises ConfigError for an address that no supported database has."""
    secret = credentials.secret(config, "database_url")
    given = secret.read() if secret else ""
    if not given:
        return URL.create("sqlite", database=str(config.data_dir / FILE))
    try:
        url = make_url(given)
    except ArgumentError:
        url = URL.create("nothing")
    match url.get_backend_name():
        case "sqlite":
            return url
        case "postgresql":
            return url.set(drivername="postgresql+psycopg")
        case _:
            raise ConfigError(
                ["CONCORD_DATABASE_URL: not an address of SQLite or PostgreSQL"],
                "Write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE or sqlite:///FILE.",
            )


def open_database(url: URL, *, writes: bool = True) -> Engine:
    """The database, with every table made. Who only reads says so and waits for no writer. Raises ConcordError."""
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).resolve().parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_S})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite if writes else _begin_reading)
    else:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
    try:
        with plainly():
            _lay_out(engine)
    except ConcordError:
        engine.dispose()
        raise
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Readers and one writer side by side; transactions begin where we say, not where the driver guesses."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Any) -> None:
    """Take the write lock at once: a transaction that reads first could not be given it later."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: Any) -> None:
    """One state of the file for the whole transaction."""
    connection.exec_driver_sql("BEGIN")


def _lay_out(engine: Engine) -> None:
    with engine.begin() as transaction:
        if engine.dialect.name == "postgresql":
            transaction.execute(text(f"SELECT pg_advisory_xact_lock({LAYOUT_LOCK})"))
        LAYOUTS.create(transaction, checkfirst=True)
        found = transaction.execute(select(LAYOUTS.c.layout)).scalars().all()
        if found and max(found) > LAYOUT:
            raise ConcordError(
                "The read models were made by a newer version of Concord.",
                "Run that version, or give this one a database of its own (CONCORD_DATABASE_URL).",
            )
        if found and max(found) < LAYOUT:  # rows of another shape: nothing in them that the log does not have
            METADATA.drop_all(transaction)
        METADATA.create_all(transaction)
        if not found or max(found) < LAYOUT:
            transaction.execute(LAYOUTS.insert().values(layout=LAYOUT))


def give_back(engine: Engine) -> None:
    """Write the file anew without what was deleted from it: SQLite keeps that in free pages. PostgreSQL vacuums by
    itself."""
    if engine.dialect.name != "sqlite":
        return
    with plainly(), contextlib.closing(engine.raw_connection()) as connection:
        connection.driver_connection.execute("VACUUM")  # type: ignore[union-attr]
        connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Whatever the database raises in this block becomes a ConcordError of one sentence."""
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnreachable(
            "The database of the read models does not answer.", "Check CONCORD_DATABASE_URL and that it runs."
        ) from error
    except SQLAlchemyError as error:
        raise ConcordError(
            f"The database of the read models did not do what was asked: {type(error).__name__}.",
            "`concord rebuild` makes a read model anew from the log.",
        ) from error
