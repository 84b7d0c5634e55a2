"""The builds of read models that are in force, for whoever reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, and_, select

from concord.read_models.database import plainly
from projections.read_models.tables import BUILDS

# Names no build: a read model that nobody has filled yet has no rows.
NONE = -1


@contextmanager
def reading(engine: Engine, *models: str) -> Iterator[tuple[Connection, dict[str, int]]]:
    """One state of the database, and the build in force of each of these read models. Raises ConcordError."""
    with plainly(), engine.connect() as connection:
        here = and_(BUILDS.c.model.in_(models), BUILDS.c.state == "active")
        found = connection.execute(select(BUILDS.c.model, BUILDS.c.build).where(here)).all()
        yield connection, dict.fromkeys(models, NONE) | {row.model: row.build for row in found}


def moment_at(ms: int) -> datetime:
    """Milliseconds since 1970 as a moment."""
    return datetime.fromtimestamp(ms / 1000, UTC)
