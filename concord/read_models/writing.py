"""Row changes carried out in one transaction: in order within a table, many rows a statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from projections.read_models.rows import Count, Put, Remove, Rewrite, RowChange, Values
from projections.read_models.tables import METADATA

_INSERT: Final[Mapping[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def write_changes(transaction: Connection, build: int, changes: Iterable[RowChange]) -> None:
    """Carry out these changes of one build."""
    waiting: dict[str, _Rows] = {}
    for change in changes:
        match change:
            case Put(name, values):
                _gather(transaction, waiting, name, ("put", *values), {"build": build, **values})
            case Count(name, key, amounts):
                _gather(transaction, waiting, name, ("count", *amounts), {"build": build, **key, **amounts})
            case Remove(name, where):
                _flush(transaction, waiting, name)
                table = METADATA.tables[name]
                transaction.execute(delete(table).where(_matching(table, build, where)))
            case Rewrite():
                _flush(transaction, waiting, change.table)
                _rewrite(transaction, build, change)
    for name in list(waiting):
        _flush(transaction, waiting, name)


class _Rows:
    """Rows of one shape that wait for a table's next statement."""

    def __init__(self, shape: tuple[str, ...]) -> None:
        self.shape = shape
        self.rows: list[Values] = []


def _gather(transaction: Connection, waiting: dict[str, _Rows], name: str, shape: tuple[str, ...], row: Values) -> None:
    if name in waiting and waiting[name].shape != shape:
        _flush(transaction, waiting, name)
    waiting.setdefault(name, _Rows(shape)).rows.append({column: clean(value) for column, value in row.items()})


def _flush(transaction: Connection, waiting: dict[str, _Rows], name: str) -> None:
    gathered = waiting.pop(name, None)
    if gathered is not None:
        kind, *columns = gathered.shape
        upsert_rows(transaction, METADATA.tables[name], gathered.rows, columns, adds=kind == "count")


def upsert_rows(
    transaction: Connection, table: Table, rows: list[Values], columns: Iterable[str], *, adds: bool = False
) -> None:
    """Insert these rows; where one stands already its `columns` are replaced, or grow (`adds`)."""
    statement = _INSERT[transaction.dialect.name](table)
    key = [column.name for column in table.primary_key]
    changed = {
        name: table.c[name] + statement.excluded[name] if adds else statement.excluded[name]
        for name in columns
        if name not in key
    }
    if changed:
        statement = statement.on_conflict_do_update(index_elements=key, set_=changed)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    transaction.execute(statement, rows)


def _matching(table: Table, build: int, where: Values) -> Any:
    return and_(table.c.build == build, *(table.c[name] == clean(value) for name, value in where.items()))


def _rewrite(transaction: Connection, build: int, change: Rewrite) -> None:
    table = METADATA.tables[change.table]
    key = list(table.primary_key)
    column = table.c[change.column]
    for *place, value in transaction.execute(select(*key, column).where(_matching(table, build, change.where))).all():
        is_row = and_(*(part == at for part, at in zip(key, place, strict=True)))
        transaction.execute(update(table).where(is_row).values({column: clean(change.change(value))}))


def clean(value: Any) -> Any:
    """A value that any database takes: PostgreSQL has no NUL in text, and UTF-8 no half of a surrogate pair."""
    if isinstance(value, str):
        value = str(value).replace("\x00", "\N{REPLACEMENT CHARACTER}")
        return value.encode("utf-8", "replace").decode()
    return value
