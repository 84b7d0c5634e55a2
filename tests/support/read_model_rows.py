"""Read models folded into rows in memory: what a database would hold, without one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from projections.read_models.catalogue import MODELS
from projections.read_models.model import ReadModel
from projections.read_models.notes import Note, Placed
from projections.read_models.rows import Count, Put, Remove, Rewrite, RowChange
from projections.read_models.stored import text_of
from projections.read_models.tables import METADATA
from schemas.commands import Decision
from schemas.journal import SettingsChanged

Row = tuple[tuple[str, Any], ...]


class Rows:
    """One build of every model."""

    def __init__(self, models: Iterable[ReadModel] = MODELS) -> None:
        self.models = tuple(models)
        self.tables: dict[str, dict[Row, dict[str, Any]]] = {}
        self.notes: dict[tuple[str, str], Note] = {}

    def fold(self, *facts: Placed | Decision) -> Rows:
        """Fold these records into every model."""
        for fact in facts:
            if isinstance(fact, tuple) and isinstance(fact[2].what, SettingsChanged):
                continue
            key = fact.pair_key if isinstance(fact, Decision) else fact[2].pair_key
            for model in self.models:
                note = self.notes.get((model.name, key), Note(key))
                done = model.decision(note, fact) if isinstance(fact, Decision) else model.entry(note, fact)
                self.notes[model.name, key], changes = done
                for change in changes:
                    self._carry_out(change)
        return self

    def _carry_out(self, change: RowChange) -> None:
        table = self.tables.setdefault(change.table, {})
        names = [column.name for column in METADATA.tables[change.table].primary_key if column.name != "build"]
        match change:
            case Put(_, values):
                table.setdefault(tuple((name, values[name]) for name in names), {}).update(values)
            case Count(_, key, amounts):
                row = table.setdefault(tuple((name, key[name]) for name in names), dict(key))
                for name, amount in amounts.items():
                    row[name] = row.get(name, 0) + amount
            case Remove(_, where):
                for place in [place for place, row in table.items() if _matches(row, where)]:
                    del table[place]
            case Rewrite(_, where, column, rewritten):
                for row in table.values():
                    if _matches(row, where):
                        row[column] = rewritten(row.get(column))

    def of(self, table: str) -> list[dict[str, Any]]:
        """The rows of one table, by key."""
        return [row for _, row in sorted(self.tables.get(table, {}).items())]

    def everything(self) -> str:
        """All text that is kept, notes included."""
        kept = [repr([sorted(row.items()) for row in self.of(name)]) for name in sorted(self.tables) if self.of(name)]
        return "\n".join([*kept, *(text_of(note) for _, note in sorted(self.notes.items()))])


def _matches(row: dict[str, Any], where: dict[str, Any]) -> bool:
    return all(row.get(name) == value for name, value in where.items())
