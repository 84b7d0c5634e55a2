"""Field paths to values: what `Owner.Email` means on Event, and how to read it from a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.salesforce.schema import NAME_OBJECT, Field, Schema, SObject
from simulators.salesforce.soql.syntax import Path, SoqlError
from simulators.salesforce.store import Row, Store

_HINT = "Please reference your WSDL or the describe call for the appropriate names."
DEPTH_MAX = 5
"""Relationship steps that a path may take."""


@dataclass(frozen=True)
class Target:
    """A field at the end of a path: the object it belongs to, the steps to get there, and how to read it."""

    field: Field
    steps: tuple[Field, ...]
    read: Callable[[Row], Any]


class Columns:
    """Resolves paths on the objects of one schema."""

    def __init__(self, schema: Schema, store: Store) -> None:
        self.schema = schema
        self.store = store

    def resolve(self, sobject: SObject, path: Path) -> Target:
        """The field a path leads to. Raises SoqlError when a step or the field does not exist."""
        current = sobject
        steps: list[Field] = []
        for name in path.names[:-1]:
            step = current.way_up(name)
            if step is None:
                message = (
                    f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom "
                    f"relationship, be sure to append the '__r' after the custom relationship name. {_HINT}"
                )
                raise SoqlError("INVALID_FIELD", message, path.at)
            steps.append(step)
            current = self.above(step)
        if len(steps) > DEPTH_MAX:
            raise SoqlError("MALFORMED_QUERY", f"relationship path is longer than {DEPTH_MAX} steps", path.at)
        field = current.field(path.names[-1])
        if field is None:
            raise no_column(path.names[-1], current, path.at)
        return Target(field, tuple(steps), self._reader(tuple(steps), field))

    def above(self, step: Field) -> SObject:
        """The object that a relationship leads to; the Name pseudo-object for a polymorphic one."""
        return self.schema.object(NAME_OBJECT if step.is_polymorphic else step.reference_to[0])

    def parent(self, step: Field, row: Row) -> Row | None:
        """The row that a relationship leads to, as the Name pseudo-object shows it when polymorphic."""
        record_id = row.get(step.column)
        if record_id is None:
            return None
        target = self.schema.of_id(record_id)
        found = None if target is None else self.store.row(target.table, record_id)
        if found is None or target is None or not step.is_polymorphic:
            return found
        return {**found, "Type": target.name}

    def _reader(self, steps: tuple[Field, ...], field: Field) -> Callable[[Row], Any]:
        column = field.column
        if not steps:
            return lambda row: row.get(column)

        def read(row: Row) -> Any:
            current: Row | None = row
            for step in steps:
                current = self.parent(step, current) if current is not None else None
            return None if current is None else current.get(column)

        return read


def no_column(name: str, sobject: SObject, at: int) -> SoqlError:
    """A field that the object does not have."""
    message = (
        f"No such column '{name}' on entity '{sobject.name}'. If you are attempting to use a custom field, be sure to "
        f"append the '__c' after the custom field name. {_HINT}"
    )
    return SoqlError("INVALID_FIELD", message, at)


def no_object(name: str, at: int) -> SoqlError:
    """An object that the org does not have."""
    message = (
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the "
        f"'__c' after the entity name. {_HINT}"
    )
    return SoqlError("INVALID_TYPE", message, at)
