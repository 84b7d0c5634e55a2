"""Rows in memory: tables with hash and sorted indexes, the delete log, and undo. Knows no rules and no permissions.

A row is a dict from column to stored value and is never changed in place: a write puts a new dict. So a change log or
an open query may keep a row, and undo is putting the old one back. Columns that begin with `_` are the simulator's own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.salesforce.schema import Field, Schema

Row = Mapping[str, Any]
PARENT: Final = "_Parent"
"""On a child event: the id of the event it is an invitee's copy of."""
RELATION: Final = "_Relation"
"""On a child event: the id of the EventRelation that made it."""
OWN_INDEXES: Final = {"Event": (PARENT, RELATION)}


def index_key(definition: Field, value: Any) -> Any:
    """The form in which a value is looked up: text without case unless the field is case-sensitive."""
    if isinstance(value, str) and definition.is_text and not definition.case_sensitive:
        return value.lower()
    return value


@dataclass
class Table:
    """The rows of one object, deleted ones included."""

    hashed: dict[str, Field | None] = field(default_factory=dict)
    sorted_columns: tuple[str, ...] = ()
    rows: dict[str, Row] = field(default_factory=dict)
    _buckets: dict[str, dict[Any, dict[str, None]]] = field(default_factory=dict)
    _orders: dict[str, list[tuple[Any, str]]] = field(default_factory=dict)

    def put(self, row: Row) -> None:
        """Insert a row or replace the one of the same id."""
        record_id = row["Id"]
        self._reindex(record_id, self.rows.get(record_id), row)
        self.rows[record_id] = row

    def remove(self, record_id: str) -> None:
        """Drop a row without a trace."""
        self._reindex(record_id, self.rows.pop(record_id), None)

    def _reindex(self, record_id: str, old: Row | None, new: Row | None) -> None:
        for name, definition in self.hashed.items():
            before, after = (None if row is None else row.get(name) for row in (old, new))
            if before == after:
                continue
            buckets = self._buckets.setdefault(name, {})
            if before is not None:
                key = before if definition is None else index_key(definition, before)
                bucket = buckets[key]
                del bucket[record_id]
                if not bucket:
                    del buckets[key]
            if after is not None:
                key = after if definition is None else index_key(definition, after)
                buckets.setdefault(key, {})[record_id] = None
        for name in self.sorted_columns:
            before, after = (None if row is None else row.get(name) for row in (old, new))
            if before == after:
                continue
            order = self._orders.setdefault(name, [])
            if before is not None:
                del order[bisect_left(order, (before, record_id))]
            if after is not None:
                insort(order, (after, record_id))

    def with_value(self, name: str, value: Any) -> list[str]:
        """Ids of the rows whose hashed column holds `value`, in its looked-up form."""
        definition = self.hashed[name]
        key = value if definition is None else index_key(definition, value)
        return list(self._buckets.get(name, {}).get(key, ()))

    def between(self, name: str, low: Any, high: Any, *, with_high: bool = True) -> list[str]:
        """Ids of the rows whose sorted column is from `low` up to `high`; None leaves an end open."""
        order = self._orders.get(name, [])
        start = 0 if low is None else bisect_left(order, (low,))
        if high is None:
            stop = len(order)
        else:
            # No id sorts after this character, so that every row of the value `high` is inside.
            stop = bisect_right(order, (high, "\uffff")) if with_high else bisect_left(order, (high,))
        return [record_id for _value, record_id in order[start:stop]]

    def count_between(self, name: str, low: Any, high: Any) -> int:
        """How many rows `between` would give, without listing them."""
        order = self._orders.get(name, [])
        start = 0 if low is None else bisect_left(order, (low,))
        stop = len(order) if high is None else bisect_right(order, (high, "\uffff"))
        return max(0, stop - start)


@dataclass(frozen=True)
class Deletion:
    """One entry of the delete log: an object's name, the record and the moment (wire text)."""

    sobject: str
    record_id: str
    deleted: str


class Store:
    """All tables of an org, and an undo journal that is open while a transaction is."""

    def __init__(self, schema: Schema) -> None:
        self.tables: dict[str, Table] = {}
        self.deletions: list[Deletion] = []
        self.purged_until: str | None = None
        """The latest moment of which the delete log has lost entries."""
        self._undo: list[tuple[str, str, Row | None]] | None = None
        for sobject in schema.objects:
            if sobject.view_of:
                continue
            hashed: dict[str, Field | None] = {
                item.column: item for item in sobject.fields if item.indexed_as == "hash"
            }
            hashed.update(dict.fromkeys(OWN_INDEXES.get(sobject.name, ())))
            ordered = tuple(item.column for item in sobject.fields if item.indexed_as == "sorted")
            self.tables[sobject.table] = Table(hashed, ordered)

    def row(self, table: str, record_id: str) -> Row | None:
        """One row, deleted or not."""
        return self.tables[table].rows.get(record_id)

    def live(self, table: str, record_id: str | None) -> Row | None:
        """One row unless it is deleted."""
        row = self.tables[table].rows.get(record_id or "")
        return None if row is None or row.get("IsDeleted") else row

    def find(self, table: str, column: str, value: Any) -> Iterator[Row]:
        """The live rows whose hashed column holds `value`, oldest entry first."""
        held = self.tables[table]
        for record_id in held.with_value(column, value):
            row = held.rows[record_id]
            if not row.get("IsDeleted"):
                yield row

    def put(self, table: str, row: Row) -> None:
        """Insert or replace a row, undoably while a transaction is open."""
        held = self.tables[table]
        if self._undo is not None:
            self._undo.append((table, row["Id"], held.rows.get(row["Id"])))
        held.put(row)

    def log_deletion(self, deletion: Deletion) -> None:
        """Append to the delete log. Its order is the order of time."""
        self.deletions.append(deletion)

    def begin(self) -> None:
        """Open the undo journal. Transactions do not nest."""
        assert self._undo is None, "a transaction is open already"
        self._undo = []

    def mark(self) -> int:
        """A place in the journal to which `undo_to` can return."""
        assert self._undo is not None, "no transaction is open"
        return len(self._undo)

    def undo_to(self, mark: int) -> None:
        """Take back every write since the mark, newest first."""
        assert self._undo is not None, "no transaction is open"
        while len(self._undo) > mark:
            table, record_id, before = self._undo.pop()
            if before is None:
                self.tables[table].remove(record_id)
            else:
                self.tables[table].put(before)

    def end(self) -> None:
        """Close the journal: what was written stays."""
        self._undo = None

    def dump(self) -> dict[str, Any]:
        """Rows and delete log as JSON values."""
        return {
            "rows": {name: [dict(row) for row in table.rows.values()] for name, table in self.tables.items()},
            "deletions": [[item.sobject, item.record_id, item.deleted] for item in self.deletions],
            "purged_until": self.purged_until,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace everything by what `dump` gave."""
        for name, table in self.tables.items():
            fresh = Table(table.hashed, table.sorted_columns)
            self.tables[name] = fresh
            _fill(fresh, state["rows"].get(name, ()))
        self.deletions = [Deletion(*entry) for entry in state["deletions"]]
        self.purged_until = state["purged_until"]


def _fill(table: Table, rows: Iterable[Row]) -> None:
    for row in rows:
        table.put(dict(row))
