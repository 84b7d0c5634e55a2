"""From the org's change log to change events: headers, bodies, merging, gaps, overflow. No replay ids, no channels."""

from __future__ import annotations

import difflib
import hashlib
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from itertools import groupby
from typing import Any, Final

from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.pubsub.bitmaps import bitmaps
from simulators.pubsub.event_log import StoredEvent
from simulators.pubsub.event_schema import EventSchema, path_of
from simulators.salesforce.changes import Change
from simulators.salesforce.schema import Schema, SObject
from simulators.salesforce.values import read_date, read_datetime

NOBODY: Final = "000000000000000AAA"
"""The record id of an overflow event."""
DIFF_MIN: Final = 1000
"""Characters of the shortest text that may be sent as a difference."""
WHOLE: Final = frozenset({"CREATE", "UNDELETE"})
"""Change types whose body holds every field."""


class ChangeEventBuilder:
    """Turns the changes of one transaction into events.

    `schema_of` gives the schema served for an object at this moment. `gaps` counts how many of the next events are to
    become gaps; `happened` counts what varies by the name of its switch.
    """

    def __init__(
        self,
        org: Schema,
        rng: random.Random,
        behaviour: PubSubBehaviour,
        schema_of: Callable[[str], EventSchema],
    ) -> None:
        self._org = org
        self._rng = rng
        self.behaviour = behaviour
        self._schema_of = schema_of
        self._texts: dict[str, Mapping[str, str]] = {}
        self.gaps = 0
        self.happened: Counter[str] = Counter()

    def events(self, changes: Sequence[Change], selected: frozenset[str]) -> Iterator[StoredEvent]:
        """The events of committed changes, of the selected objects, transaction by transaction."""
        for _key, transaction in groupby(changes, key=lambda change: change.transaction_key):
            yield from self._transaction([change for change in transaction if change.entity in selected])

    def overflow(self, entity: str, like: Mapping[str, Any]) -> StoredEvent:
        """The event that stands for all further changes of an object in a transaction. `like` is a header of it."""
        header = {**like, "entityName": entity, "recordIds": [NOBODY], "changeType": "GAP_OVERFLOW"}
        return self._bare(entity, header)

    def gap(self, change: Change) -> StoredEvent:
        """The event that says that a record changed, and nothing else."""
        return self._gap(change.entity, header_of(change))

    def dump(self) -> dict[str, Any]:
        """What is remembered from one transaction to the next, as JSON values."""
        return {"gaps": self.gaps, "texts": {key: dict(texts) for key, texts in self._texts.items()}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace it by what `dump` gave."""
        self.gaps, self._texts = state["gaps"], dict(state["texts"])

    # Inside

    def _transaction(self, changes: Sequence[Change]) -> Iterator[StoredEvent]:
        spent = 0
        overflown: dict[str, Change] = {}
        kept: list[Change] = []
        for change in changes:
            # Each updated field counts as one change.
            spent += max(1, len(change.changed_fields))
            if spent > self.behaviour.overflow_changes:
                overflown.setdefault(change.entity, change)
            else:
                kept.append(change)
        for group in self._merged(kept):
            yield self._event(group)
        for entity, change in overflown.items():
            yield self.overflow(entity, header_of(change))

    def _merged(self, changes: Sequence[Change]) -> Iterator[list[Change]]:
        """Equal changes that follow each other, now and then as one."""
        group: list[Change] = []
        for change in changes:
            if group and same_change(group[-1], change) and self.strikes(self.behaviour.merge, "merge"):
                group.append(change)
                continue
            if group:
                yield group
            group = [change]
        if group:
            yield group

    def _event(self, group: Sequence[Change]) -> StoredEvent:
        first = group[0]
        header = {**header_of(first), "recordIds": [change.record_id for change in group]}
        if first.change_type.startswith("GAP_"):
            return self._bare(first.entity, header)
        sobject = self._org.object(first.entity)
        schema = self._schema_of(first.entity)
        body, header = self._body(sobject, schema, first, header)
        for change in group:
            self._remember(sobject, change)
        if self.gaps > 0 or self.strikes(self.behaviour.gap, "gap"):
            self.happened["gap"] += self.gaps > 0
            self.gaps = max(0, self.gaps - 1)
            return self._gap(first.entity, header)
        payload = schema.encode(header, body)
        if len(payload) > self.behaviour.payload_max:
            return self._gap(first.entity, header)
        return StoredEvent(self._new_id(), first.entity, schema.id, header, body, payload)

    def _body(
        self, sobject: SObject, schema: EventSchema, change: Change, header: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields with a value, and the header with its bitmaps."""
        hidden = self.behaviour.hidden_fields
        if change.change_type in WHOLE:
            names = [field.column for field in sobject.fields if field.column not in hidden]
            return body_of(sobject, schema, change.row, names), header
        if change.change_type != "UPDATE":
            return {}, header
        changed = [name for name in change.changed_fields if name not in hidden]
        body = body_of(sobject, schema, change.row, changed)
        diffs = self._diffs(change, changed)
        body.update({name: text for name, text in diffs.items() if name in body})
        lists = {
            "nulledFields": [name for name in change.nulled_fields if name not in hidden],
            "diffFields": list(diffs),
            "changedFields": changed,
        }
        return body, header | {
            name: bitmaps(schema.layout, {path_of(sobject.name, column) for column in columns})
            for name, columns in lists.items()
        }

    def _diffs(self, change: Change, changed: Sequence[str]) -> dict[str, str]:
        """Long texts as differences from what they were, where that is known."""
        before = self._texts.get(change.record_id, {})
        found: dict[str, str] = {}
        for name in changed:
            old, new = before.get(name), change.row.get(name)
            if old and isinstance(new, str) and len(new) >= DIFF_MIN and self.strikes(self.behaviour.diff, "diff"):
                found[name] = unified_difference(old, new)
        return found

    def _remember(self, sobject: SObject, change: Change) -> None:
        if not self.behaviour.diff:
            return
        texts = {
            field.column: change.row[field.column]
            for field in sobject.fields
            if field.type == "textarea" and len(change.row.get(field.column) or "") >= DIFF_MIN
        }
        if texts:
            self._texts[change.record_id] = texts
        else:
            self._texts.pop(change.record_id, None)

    def _gap(self, entity: str, header: Mapping[str, Any]) -> StoredEvent:
        lists: dict[str, Any] = {"nulledFields": [], "diffFields": [], "changedFields": []}
        kind = str(header["changeType"])
        gap = kind if kind.startswith("GAP_") else f"GAP_{kind}"
        return self._bare(entity, {**header, **lists, "changeType": gap, "changeOrigin": ""})

    def _bare(self, entity: str, header: Mapping[str, Any]) -> StoredEvent:
        """An event whose fields are all null."""
        schema = self._schema_of(entity)
        return StoredEvent(self._new_id(), entity, schema.id, header, {}, schema.encode(header, {}))

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def strikes(self, probability: float, what: str) -> bool:
        """Draw once, if there is anything to draw; what happens is counted under its name."""
        happens = probability > 0 and self._rng.random() < probability
        self.happened[what] += happens
        return happens


def header_of(change: Change) -> dict[str, Any]:
    """The ChangeEventHeader of one change, its bitmaps empty. Pure."""
    return {
        "entityName": change.entity,
        "recordIds": [change.record_id],
        "changeType": change.change_type,
        "changeOrigin": change.change_origin,
        "transactionKey": change.transaction_key,
        "sequenceNumber": change.sequence_number,
        "commitTimestamp": change.commit_timestamp,
        "commitNumber": change.sequence,
        "commitUser": change.commit_user,
        "nulledFields": [],
        "diffFields": [],
        "changedFields": [],
    }


def body_of(sobject: SObject, schema: EventSchema, row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """The named columns of a row as values of the schema; columns that it does not have are left out. Pure."""
    layout = dict(schema.layout)
    body: dict[str, Any] = {}
    for column in columns:
        field = sobject.field(column)
        value = None if field is None else avro_value(field.type, row.get(column))
        compound, _, part = path_of(sobject.name, column).rpartition(".")
        if compound in layout and part in layout[compound]:
            body.setdefault(compound, dict.fromkeys(layout[compound]))[part] = value
        elif column in layout and not layout[column]:
            body[column] = value
    return body


def avro_value(kind: str, value: Any) -> Any:
    """A stored value as an Avro one: times and dates become epoch milliseconds, a date midnight UTC. Pure."""
    if value is None:
        return None
    if kind == "datetime":
        return int(read_datetime(value).timestamp()) * 1000
    if kind == "date":
        return int(datetime.combine(read_date(value), time(), UTC).timestamp()) * 1000
    if kind in {"double", "currency", "percent"}:
        return float(value)
    return value


def same_change(one: Change, other: Change) -> bool:
    """Whether two changes of a transaction can be one event: same kind, and for an update the same values."""
    if (one.entity, one.change_type) != (other.entity, other.change_type) or one.change_type in WHOLE:
        return False
    fields = (one.changed_fields, one.nulled_fields, one.commit_timestamp)
    if fields != (other.changed_fields, other.nulled_fields, other.commit_timestamp):
        return False
    return all(one.row.get(name) == other.row.get(name) for name in one.changed_fields)


def unified_difference(old: str, new: str) -> str:
    """A long text as the difference from the one before; the second line carries the SHA-256 of the new text."""
    digest = hashlib.sha256(new.encode()).hexdigest()
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm=""))
    return "\n".join(["--- ", f"+++ {digest}", *lines[2:]])


def gap_of(change: Change, kind: str) -> Change:
    """A change as the gap that an administrator's act announces."""
    return replace(change, change_type=f"GAP_{kind}", changed_fields=(), nulled_fields=(), change_origin="")
