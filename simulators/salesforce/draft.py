"""A write on its way: what was sent for one record, what it was, what it will be. Field-level checks live here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.salesforce.changes import Transaction
from simulators.salesforce.errors import (
    SalesforceError,
    invalid_cross_reference,
    malformed_id,
    no_such_column,
    not_writable,
    required_missing,
)
from simulators.salesforce.schema import Field, Schema, SObject
from simulators.salesforce.store import Row, Store
from simulators.salesforce.values import coerce

_NOT_FIELDS: Final = frozenset({"attributes", "type"})


@dataclass
class Draft:
    """`sent` holds coerced values by column, `after` the row that will be stored; rules may change `after` only."""

    tx: Transaction
    sobject: SObject
    before: Row | None
    sent: Mapping[str, Any]
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def is_create(self) -> bool:
        """Whether the record does not exist yet."""
        return self.before is None

    def changes(self, name: str) -> bool:
        """Whether the write gives this column another value than it had."""
        return self.before is None or self.before.get(name) != self.after.get(name)


def read_body(
    schema: Schema, store: Store, sobject: SObject, body: Mapping[str, Any], *, privileged: bool, trims_text: bool
) -> tuple[dict[str, Any], list[Field]]:
    """Coerced values by column, and the fields they belong to, from a JSON object of a write.

    `privileged` lets read-only fields through, which is for seeding. Raises SalesforceError for unknown fields and for
    values that do not fit.
    """
    values: dict[str, Any] = {}
    fields: list[Field] = []
    for name, value in body.items():
        if name in _NOT_FIELDS and sobject.field(name) is None:
            continue
        if name == "attributes":
            continue
        definition = sobject.field(name)
        if definition is None:
            above = sobject.way_up(name)
            if above is None or not isinstance(value, dict):
                raise no_such_column(name, sobject.name)
            definition, value = above, _by_external_id(schema, store, above, value)
        values[definition.column] = coerce(definition, value, trims_text=trims_text)
        fields.append(definition)
    if privileged:
        values.pop("Id", None)
        fields = [item for item in fields if item.name != "Id"]
    return values, fields


def check_writable(sobject: SObject, fields: list[Field], *, creating: bool) -> None:
    """Refuse fields that this call may not write."""
    if any(item.type == "id" for item in fields):
        what = "cannot specify Id in an insert call" if creating else "The Id field should not be specified"
        raise SalesforceError(400, "INVALID_FIELD", f"{what} in the sobject data for {sobject.name}.", ["Id"])
    refused = [item.name for item in fields if not (item.createable if creating else item.updateable)]
    if refused:
        raise not_writable(refused)


def check_nulls(draft: Draft) -> None:
    """Refuse null where the field needs a value. Missing fields of a create count as null."""
    missing: list[str] = []
    for item in draft.sobject.fields:
        if item.nillable or draft.after.get(item.column) is not None:
            continue
        if item.type == "boolean" and item.column in draft.sent:
            text = f"{item.label}: value not of required type: null"
            raise SalesforceError(400, "INVALID_TYPE_ON_FIELD_IN_RECORD", text, [item.name])
        if item.createable and item.type != "boolean" and (draft.is_create or item.column in draft.sent):
            missing.append(item.name)
    if missing:
        raise required_missing(missing)


def check_references(schema: Schema, draft: Draft) -> None:
    """Refuse references to another object's ids and to records that do not exist."""
    store = draft.tx.store
    for item in draft.sobject.fields:
        if not item.reference_to or not draft.changes(item.column):
            continue
        value = draft.after.get(item.column)
        if value is None or item.column not in draft.sent:
            continue
        target = schema.of_id(value)
        if target is None or target.name not in item.reference_to:
            raise malformed_id(item.label, value, [item.name])
        if store.live(target.table, value) is None:
            raise invalid_cross_reference(item.name)


def check_unique(draft: Draft) -> None:
    """Refuse a value of a unique field that another live record has."""
    for item in draft.sobject.fields:
        value = draft.after.get(item.column)
        if not item.unique or value is None or not draft.changes(item.column):
            continue
        for other in draft.tx.store.find(draft.sobject.table, item.column, value):
            if other["Id"] != draft.after["Id"]:
                text = f"duplicate value found: {item.name} duplicates value on record with id: {other['Id'][:15]}"
                raise SalesforceError(400, "DUPLICATE_VALUE", text, [])


def _by_external_id(schema: Schema, store: Store, above: Field, value: Mapping[str, Any]) -> str:
    """The id of the record that a nested object such as `{"Username": "..."}` names."""
    given = {name: item for name, item in value.items() if name not in _NOT_FIELDS}
    wanted = (value.get("attributes") or {}).get("type") or value.get("type")
    target = schema.find(wanted) if wanted else schema.find(above.reference_to[0])
    if len(given) != 1 or target is None or target.name not in above.reference_to:
        raise SalesforceError(400, "INVALID_FIELD", f"{above.relationship}: one external id of one object is needed")
    name, key = next(iter(given.items()))
    definition = target.field(name)
    if definition is None or definition.indexed_as != "hash" or definition.is_id:
        raise no_such_column(name, target.name)
    found = list(store.find(target.table, definition.column, key))
    if len(found) != 1:
        text = f"Foreign key external ID: {key} not found for field {definition.name} in entity {target.name}"
        raise SalesforceError(400, "INVALID_FIELD", text)
    return str(found[0]["Id"])
