"""What was told of each record (`connectors.salesforce.marks`), a row for each: however many there are, where the
polling stands stays one small row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from concord.roles.removals import Rows
from schemas.cursors import SalesforceCursor

MARK_ROW: Final = b"told/"


class Table(Rows, Protocol):
    """What is used of a lane beside its rows."""

    def delete(self, row: bytes) -> None:
        """Remove a row, there or not."""

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows that begin with a prefix, sorted."""


class KeptMarks(Mapping[str, str]):
    """The marks by record id, looked up one by one. An earlier version kept them in the cursor: a poll moves them."""

    def __init__(self, table: Table, cursor: SalesforceCursor) -> None:
        self._table = table
        self._cursor = cursor

    def __getitem__(self, record_id: str) -> str:
        raw = self._table.get(mark_row(record_id))
        return self._cursor.recent[record_id] if raw is None else raw.decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._cursor.recent.keys() | kept_marks(self._table).keys())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def mark_row(record_id: str) -> bytes:
    """Where the mark of a record is kept."""
    return MARK_ROW + record_id.encode()


def kept_marks(table: Table) -> dict[str, str]:
    """All marks that stand in rows."""
    return {row.removeprefix(MARK_ROW).decode(): mark.decode() for row, mark in table.items(MARK_ROW)}
