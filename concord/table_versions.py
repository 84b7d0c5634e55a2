"""Versions of a stage's table: how they are called, and which one is in use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from concord.changing import append
from concord.connecting import admin_of
from concord.reading import read_topics
from schemas.codec import decode
from schemas.tables import TableVersion
from schemas.topics import TABLE_VERSIONS

FIRST: Final = 1


def versioned(table: str, version: int) -> str:
    """What a version of a table is called; the first has the bare name."""
    return table if version == FIRST else f"{table}-v{version}"


def changelog_of(app: str, table: str, version: int) -> str:
    """The changelog topic of a version of a table."""
    return f"{app}-{versioned(table, version)}-changelog"


def newest_version(broker: str, table: str) -> TableVersion:
    """The version of a table that is in use, the first when none was ever chosen. Raises ConcordError."""
    found = TableVersion(table, FIRST, 0, datetime.fromtimestamp(0, UTC))
    with admin_of(broker) as admin:
        if TABLE_VERSIONS not in set(admin.list_topics()):
            return found  # a deployment from before there were versions
    for record in read_topics(broker, TABLE_VERSIONS):
        told = decode(TableVersion, record.value)
        if told.table == table:
            found = told
    return found


def version_in_use(broker: str, table: str) -> int:
    """Its number. Raises ConcordError."""
    return newest_version(broker, table).version


def put_in_use(broker: str, table: str, version: int, *, previous: int, by: str) -> TableVersion:
    """Let workers that start from now on use this version. Raises ConcordError."""
    chosen = TableVersion(table, version, previous, datetime.now(UTC), by)
    append(broker, TABLE_VERSIONS, [(table, chosen)])
    return chosen
