"""Each test of this folder runs on SQLite, and on a real PostgreSQL where one is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import URL
from support.databases import new_database, postgres_server, postgres_tools

from concord.read_models.database import open_database


@pytest.fixture(scope="package")
def server() -> Iterator[URL]:
    """One PostgreSQL server for the folder."""
    tools = postgres_tools()
    if tools is None:
        pytest.skip("PostgreSQL is not installed: `make setup-extras` as root installs Debian's")
    with postgres_server(tools) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """An empty database."""
    if request.param == "sqlite":
        return URL.create("sqlite", database=str(tmp_path / "models.db"))
    return new_database(request.getfixturevalue("server"))


@pytest.fixture
def engine(url: URL) -> Iterator[Engine]:
    """The database, opened."""
    engine = open_database(url)
    yield engine
    engine.dispose()
