"""What an org's objects and fields are: frozen descriptions, looked up by case-insensitive name. No rows, no rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from simulators.salesforce.errors import not_found

TEXT_TYPES: Final = frozenset({"string", "combobox", "picklist", "textarea", "email", "url", "phone"})
ID_TYPES: Final = frozenset({"id", "reference"})
NUMBER_TYPES: Final = frozenset({"int", "double", "currency", "percent"})
NAME_OBJECT: Final = "Name"
"""The pseudo-object behind polymorphic relationships: only its fields can be selected through Who, What or Owner."""


@dataclass(frozen=True)
class Field:
    """One field. `type` is the describe type; `length` counts characters; `default` is what a create without it stores.

    `picklist` holds (API value, label) pairs. `reference_to` names the objects a reference may point to,
    `relationship` the name of the way up, `children` the name of the way down (on the parent). `stored_as` is the key
    in the row when it differs from the name (a request under a default namespace). `index` is "", "hash" or "sorted".
    """

    name: str
    type: str
    label: str
    length: int = 0
    nillable: bool = False
    createable: bool = False
    updateable: bool = False
    filterable: bool = True
    default: Any = None
    picklist: tuple[tuple[str, str], ...] = ()
    restricted: bool = False
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    reference_to: tuple[str, ...] = ()
    relationship: str | None = None
    children: str | None = None
    custom: bool = False
    is_name: bool = False
    index: str = ""
    stored_as: str = ""

    @property
    def column(self) -> str:
        """The key of this field's value in a row."""
        return self.stored_as or self.name

    @property
    def is_text(self) -> bool:
        """Whether values are text compared without regard to case, `unique` and `case_sensitive` apart."""
        return self.type in TEXT_TYPES

    @property
    def is_id(self) -> bool:
        """Whether values are record ids."""
        return self.type in ID_TYPES

    @property
    def is_polymorphic(self) -> bool:
        """Whether the way up leads to the Name pseudo-object instead of one object."""
        return len(self.reference_to) > 1

    @property
    def indexed_as(self) -> str:
        """The index the store keeps for this field."""
        if self.index:
            return self.index
        return "hash" if self.unique or self.external_id or self.type == "reference" else ""


def column(name: str, kind: str, label: str, access: str, **more: Any) -> Field:
    """A field with its access in letters: N nillable, C createable, U updateable, X neither filterable nor sortable."""
    return Field(
        name=name,
        type=kind,
        label=label,
        nillable="N" in access,
        createable="C" in access,
        updateable="U" in access,
        filterable="X" not in access,
        **more,
    )


def checkbox(name: str, label: str, access: str, **more: Any) -> Field:
    """A boolean field, false by default."""
    return column(name, "boolean", label, access, **{"default": False, **more})


def picklist(name: str, label: str, access: str, values: Iterable[str | tuple[str, str]], **more: Any) -> Field:
    """A restricted picklist. `values` are API values, or (API value, label) where they differ."""
    pairs = tuple((value, value) if isinstance(value, str) else value for value in values)
    return column(name, "picklist", label, access, **{"length": 40, "restricted": True, "picklist": pairs, **more})


def lookup(name: str, label: str, access: str, to: Iterable[str], relationship: str | None, **more: Any) -> Field:
    """A reference field."""
    return column(
        name, "reference", label, access, length=18, reference_to=tuple(to), relationship=relationship, **more
    )


ALL_CALLS: Final = frozenset({"create", "update", "delete", "undelete", "query", "retrieve", "search", "replicate"})
READ_CALLS: Final = frozenset({"query", "retrieve", "search"})


@dataclass(frozen=True)
class SObject:
    """One object. `prefix` is the key prefix of its ids; `calls` says what the API offers on it.

    A view reads another object's rows: `view_of` names it and `view_where` the (field, value) pairs its rows must have.
    """

    name: str
    label: str
    plural: str
    prefix: str
    fields: tuple[Field, ...]
    calls: frozenset[str] = ALL_CALLS
    custom: bool = False
    view_of: str = ""
    view_where: tuple[tuple[str, Any], ...] = ()
    stored_as: str = ""

    @property
    def table(self) -> str:
        """The name under which the store keeps the rows."""
        return self.view_of or self.stored_as or self.name

    @property
    def label_of_id(self) -> str:
        """How messages name this object's id."""
        return f"{self.label} ID"

    @cached_property
    def _by_name(self) -> Mapping[str, Field]:
        names = {field.column.lower(): field for field in self.fields}
        names.update((field.name.lower(), field) for field in self.fields)
        return names

    @cached_property
    def _by_relationship(self) -> Mapping[str, Field]:
        return {field.relationship.lower(): field for field in self.fields if field.relationship}

    def field(self, name: str) -> Field | None:
        """The field of this name, whatever its case, or None."""
        return self._by_name.get(name.lower())

    def known(self, name: str) -> Field:
        """The field of this name, which the caller knows to exist."""
        return self._by_name[name.lower()]

    def way_up(self, relationship: str) -> Field | None:
        """The reference field whose relationship has this name, or None."""
        return self._by_relationship.get(relationship.lower())

    @cached_property
    def name_field(self) -> Field | None:
        """The field that names a record to people, if the object has one."""
        return next((field for field in self.fields if field.is_name), None)

    def with_fields(self, extra: Iterable[Field]) -> SObject:
        """The same object with more fields at the end."""
        return replace(self, fields=(*self.fields, *extra))


@dataclass(frozen=True)
class ChildRelationship:
    """The way down from a parent object: `name` is what a subquery says after FROM."""

    name: str
    child: SObject
    field: Field


class Schema:
    """All objects of an org."""

    def __init__(self, objects: Iterable[SObject]) -> None:
        self.objects = tuple(objects)
        self._by_name = {item.table.lower() if not item.view_of else item.name.lower(): item for item in self.objects}
        self._by_name.update((item.name.lower(), item) for item in self.objects)
        self._by_prefix = {item.prefix: item for item in self.objects if item.prefix and not item.view_of}
        self._narrowed: dict[str, Schema] = {}

    def find(self, name: str) -> SObject | None:
        """The object of this name, whatever its case, or None."""
        return self._by_name.get(name.lower())

    def object(self, name: str) -> SObject:
        """The object of this name. Raises SalesforceError (404 NOT_FOUND) when there is none."""
        found = self.find(name)
        if found is None:
            raise not_found()
        return found

    def of_id(self, record_id: str) -> SObject | None:
        """The object whose ids begin like this one."""
        return self._by_prefix.get(record_id[:3])

    def children(self, parent: SObject) -> list[ChildRelationship]:
        """The relationships that lead down from an object, in the order of the objects."""
        return [
            ChildRelationship(field.children, child, field)
            for child in self.objects
            for field in child.fields
            if field.children and parent.name in field.reference_to
        ]

    def under(self, namespace: str) -> Schema:
        """The schema as a request with this default namespace sees it: names of the namespace without their prefix."""
        if not namespace:
            return self
        if namespace not in self._narrowed:
            self._narrowed[namespace] = Schema(_without_prefix(item, f"{namespace}__") for item in self.objects)
        return self._narrowed[namespace]


def _without_prefix(sobject: SObject, prefix: str) -> SObject:
    fields = tuple(
        replace(field, name=field.name.removeprefix(prefix), stored_as=field.name)
        if field.name.startswith(prefix)
        else field
        for field in sobject.fields
    )
    if not sobject.name.startswith(prefix):
        return replace(sobject, fields=fields)
    return replace(sobject, fields=fields, name=sobject.name.removeprefix(prefix), stored_as=sobject.name)
