"""Rows to the JSON of records: attributes first, then the selected fields, parents nested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulators.salesforce.schema import NAME_OBJECT, Field, SObject
from simulators.salesforce.store import Row

if TYPE_CHECKING:
    from simulators.salesforce.soql.columns import Columns


@dataclass(frozen=True)
class Node:
    """A selected field, or a relationship whose `children` are selected. `label` shows the picklist's label."""

    field: Field
    children: dict[str, Node] | None = None
    label: bool = False


def record_url(version: str, sobject: str, record_id: str) -> str:
    """The path of a record."""
    return f"/services/data/v{version}/sobjects/{sobject}/{record_id}"


def attributes(version: str, sobject: SObject, record_id: str) -> dict[str, str]:
    """The `attributes` member of a record."""
    return {"type": sobject.name, "url": record_url(version, sobject.name, record_id)}


def full_record(sobject: SObject, fields: Iterable[Field], row: Row, version: str) -> dict[str, Any]:
    """A record with these fields of its own."""
    body: dict[str, Any] = {"attributes": attributes(version, sobject, row["Id"])}
    body.update((field.name, row.get(field.column)) for field in fields)
    return body


def record_json(
    columns: Columns, sobject: SObject, nodes: Mapping[str, Node], row: Row, version: str
) -> dict[str, Any]:
    """A record with the selected fields, parents as nested records or null."""
    if sobject.name == NAME_OBJECT:
        # A parent behind a polymorphic relationship calls itself Name, but its URL names what it is.
        body: dict[str, Any] = {"attributes": {"type": NAME_OBJECT, "url": record_url(version, row["Type"], row["Id"])}}
    else:
        body = {"attributes": attributes(version, sobject, row["Id"])}
    for name, node in nodes.items():
        if node.children is None:
            value = row.get(node.field.column)
            body[name] = label_of(node.field, value) if node.label else value
            continue
        parent = columns.parent(node.field, row)
        above = columns.above(node.field)
        body[name] = None if parent is None else record_json(columns, above, node.children, parent, version)
    return body


def label_of(field: Field, value: Any) -> Any:
    """The label of a picklist value; any other value as it is."""
    return next((label for held, label in field.picklist if held == value), value)
