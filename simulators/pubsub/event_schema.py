"""Avro schemas of change events: which fields an object's events have, in which order, and the id of the whole."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import fastavro

from simulators.pubsub.bitmaps import Layout
from simulators.salesforce.schema import Field, SObject

NAMESPACE: Final = "com.sforce.eventbus"
HEADER: Final = "ChangeEventHeader"
CHANGE_TYPES: Final = (
    "CREATE",
    "UPDATE",
    "DELETE",
    "UNDELETE",
    "GAP_CREATE",
    "GAP_UPDATE",
    "GAP_DELETE",
    "GAP_UNDELETE",
    "GAP_OVERFLOW",
    "SNAPSHOT",
)
_HEADER_TYPE: Final[dict[str, Any]] = {
    "name": HEADER,
    "type": "record",
    "fields": [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": {"type": "array", "items": "string"}},
        {"name": "changeType", "type": {"name": "ChangeType", "type": "enum", "symbols": list(CHANGE_TYPES)}},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        {"name": "nulledFields", "type": {"type": "array", "items": "string"}},
        {"name": "diffFields", "type": {"type": "array", "items": "string"}},
        {"name": "changedFields", "type": {"type": "array", "items": "string"}},
    ],
}

REFERENCE: Final = "ForeignKey:EntityId"
_TEXT: Final = "Data:Text"
_DATE_TIME: Final = "Data:DateTime"
_CREATED: Final = "CreatedDate:DateTime"

_AUDIT: Final = (
    ("CreatedDate", "long", _CREATED),
    ("CreatedById", "string", REFERENCE),
    ("LastModifiedDate", "long", _DATE_TIME),
    ("LastModifiedById", "string", REFERENCE),
)
EVENT_FIELDS: Final = (
    ("WhoId", "string", REFERENCE),
    ("WhatId", "string", REFERENCE),
    ("Subject", "string", "Data:DynamicEnum"),
    ("Location", "string", _TEXT),
    ("IsAllDayEvent", "boolean", "Data:Boolean"),
    ("ActivityDateTime", "long", _DATE_TIME),
    ("ActivityDate", "long", "Data:DateOnly"),
    ("DurationInMinutes", "int", "Data:Integer"),
    ("Description", "string", "Data:StringPlusClob"),
    ("AccountId", "string", REFERENCE),
    ("OwnerId", "string", REFERENCE),
    ("Type", "string", "Data:DynamicEnum"),
    ("IsPrivate", "boolean", "Data:Boolean"),
    ("ShowAs", "string", "Data:StaticEnum"),
    ("IsChild", "boolean", "Data:Boolean"),
    ("IsGroupEvent", "boolean", "Data:Boolean"),
    ("GroupEventType", "string", "Data:StaticEnum"),
    *_AUDIT,
    ("RecurrenceActivityId", "string", REFERENCE),
    ("IsRecurrence", "boolean", "Data:Boolean"),
    ("RecurrenceStartDateTime", "long", _DATE_TIME),
    ("RecurrenceEndDateOnly", "long", "Data:DateOnly"),
    ("RecurrenceTimeZoneSidKey", "string", "Data:StaticEnum"),
    ("RecurrenceType", "string", "Data:StaticEnum"),
    ("RecurrenceInterval", "int", "Data:Integer"),
    ("RecurrenceDayOfWeekMask", "int", "Data:Integer"),
    ("RecurrenceDayOfMonth", "int", "Data:Integer"),
    ("RecurrenceInstance", "string", "Data:StaticEnum"),
    ("RecurrenceMonthOfYear", "string", "Data:StaticEnum"),
    ("ReminderDateTime", "long", _DATE_TIME),
    ("IsReminderSet", "boolean", "Data:Boolean"),
    ("IsRecurrence2Exclusion", "boolean", "Data:Boolean"),
    ("Recurrence2PatternText", "string", _TEXT),
    ("Recurrence2PatternVersion", "string", "Data:StaticEnum"),
    ("ActivityRecurrence2Id", "string", REFERENCE),
    ("ActivityRecurrence2ExceptionId", "string", REFERENCE),
)
"""(name, Avro type, doc) of EventChangeEvent. No StartDateTime, EndDateTime, EndDate, EventSubtype, IsArchived or
IsRecurrence2; `Type` only where the org has it."""
RELATION_FIELDS: Final = (
    ("RelationId", "string", REFERENCE),
    ("EventId", "string", REFERENCE),
    ("IsWhat", "boolean", "Data:Boolean"),
    ("IsParent", "boolean", "Data:Boolean"),
    ("IsInvitee", "boolean", "Data:Boolean"),
    ("AccountId", "string", REFERENCE),
    ("Status", "string", "Data:StaticEnum"),
    ("RespondedDate", "long", _DATE_TIME),
    ("Response", "string", _TEXT),
    *_AUDIT,
)
"""EventRelationChangeEvent; the four in the middle only under Shared Activities."""
_TABLED: Final = {"Event": EVENT_FIELDS, "EventRelation": RELATION_FIELDS}
_ONLY_WHERE_DESCRIBED: Final = frozenset({"Type", "IsWhat", "IsParent", "IsInvitee"})

_LEFT_OUT: Final = frozenset({"Id", "IsDeleted", "SystemModstamp"})
PERSON_NAME: Final = ("Salutation", "FirstName", "LastName")
"""The parts of the compound Name of a person."""
_PEOPLE: Final = frozenset({"Contact", "Lead", "User"})

_AVRO: Final = {"boolean": "boolean", "int": "int", "double": "double", "currency": "double", "percent": "double"}
_DOCS: Final = {
    "boolean": "Data:Boolean",
    "int": "Data:Integer",
    "double": "Data:Double",
    "currency": "Data:Currency",
    "percent": "Data:Percent",
    "datetime": _DATE_TIME,
    "date": "Data:DateOnly",
    "reference": REFERENCE,
    "picklist": "Data:DynamicEnum",
    "combobox": "Data:DynamicEnum",
    "email": "Data:Email",
    "phone": "Data:Phone",
    "url": "Data:Url",
}


class EventSchema:
    """One version of the schema of an object's change events. `text` is the JSON that GetSchema answers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.id = schema_id(text)
        value = json.loads(text)
        self.name: str = value["name"]
        self.layout: Layout = tuple((field["name"], _parts_of(field["type"])) for field in value["fields"])
        self.names = tuple(name for name, _parts in self.layout[1:])
        """The fields behind the header, in order."""
        self._parsed = fastavro.parse_schema(value)

    def encode(self, header: Mapping[str, Any], body: Mapping[str, Any]) -> bytes:
        """A bare Avro datum; fields that `body` does not have are null."""
        record = {**dict.fromkeys(self.names), **body, HEADER: dict(header)}
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, self._parsed, record)
        return buffer.getvalue()


@dataclass(frozen=True)
class AddedField:
    """A text field that an administrator makes while the bus runs. No record has a value in it."""

    name: str

    @cached_property
    def as_avro(self) -> dict[str, Any]:
        """Its entry in a schema."""
        return _entry(self.name, "string", _custom_doc(_TEXT, self.name))


def schema_id(text: str) -> str:
    """22 characters: the MD5 of the schema's compact text in base64url."""
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def event_name(sobject: str) -> str:
    """The name of an object's change event: EventChangeEvent, Custom__ChangeEvent."""
    return f"{sobject.removesuffix('c')}ChangeEvent" if sobject.endswith("__c") else f"{sobject}ChangeEvent"


def build_schema(sobject: SObject, added: Sequence[AddedField] = ()) -> EventSchema:
    """The schema of an object as the org describes it; `added` fields come before the other custom ones. Pure."""
    tabled = _TABLED.get(sobject.name)
    if tabled is None:
        standard = _described(sobject)
    else:
        has = {field.name for field in sobject.fields}
        optional = _ONLY_WHERE_DESCRIBED | ({"AccountId"} if sobject.name == "EventRelation" else set())
        standard = [_entry(*row) for row in tabled if row[0] not in optional or row[0] in has]
    custom = [_of_field(field) for field in sobject.fields if field.custom]
    header = {"name": HEADER, "type": _HEADER_TYPE, "doc": "Data:ComplexValueType"}
    fields = [header, *standard, *(field.as_avro for field in added), *custom]
    value = {"name": event_name(sobject.name), "type": "record", "namespace": NAMESPACE, "fields": fields}
    return EventSchema(json.dumps(value, separators=(",", ":")))


def _described(sobject: SObject) -> list[dict[str, Any]]:
    """Standard fields of an object without a table of its own, in describe order; a person's Name is compound."""
    entries: list[dict[str, Any]] = []
    for field in sobject.fields:
        if field.custom or field.name in _LEFT_OUT or _is_part(sobject.name, field.name):
            continue
        if sobject.name in _PEOPLE and field.name == "Name":
            parts = [_entry(part, "string", _TEXT) for part in PERSON_NAME]
            kind = {"name": "Switchable_PersonName", "type": "record", "fields": parts}
            entries.append(
                {"name": "Name", "type": ["null", kind], "doc": "Data:SwitchablePersonName", "default": None}
            )
        else:
            entries.append(_of_field(field))
    return entries


def path_of(sobject: str, column: str) -> str:
    """Where a column's value sits in an event: `Name.FirstName` for the parts of a person's name."""
    return f"Name.{column}" if _is_part(sobject, column) else column


def _is_part(sobject: str, column: str) -> bool:
    return sobject in _PEOPLE and column in PERSON_NAME


def _of_field(field: Field) -> dict[str, Any]:
    kind = "long" if field.type in {"datetime", "date"} else _AVRO.get(field.type, "string")
    doc = _DOCS.get(field.type, _TEXT)
    if field.name == "CreatedDate":
        doc = _CREATED
    return _entry(field.name, kind, _custom_doc(doc, field.name) if field.custom else doc)


def _entry(name: str, kind: str, doc: str) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "doc": doc, "default": None}


def _custom_doc(doc: str, name: str) -> str:
    """The doc of a custom field ends with the field's own id, here one that its name decides."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    tail = ""
    for _ in range(5):
        number, place = divmod(number, 62)
        tail += letters[place]
    return f"{doc}:00NQH00000{tail}"


def _parts_of(kind: Any) -> tuple[str, ...]:
    """Names inside a compound field's type, empty for a plain one."""
    options = kind if isinstance(kind, list) else []
    return tuple(part["name"] for option in options if isinstance(option, dict) for part in option.get("fields", ()))
