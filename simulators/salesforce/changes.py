"""The change log and the transaction that writes to it: what a change data capture stream is built from."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from simulators.salesforce.schema import SObject
from simulators.salesforce.store import Deletion, Row, Store
from simulators.salesforce.values import datetime_text

UNTRACKED: Final = frozenset({"IsDeleted", "SystemModstamp"})
"""Columns whose change is not a change of the record for a stream."""
STAMPS: Final = frozenset({"LastModifiedDate", "LastModifiedById"})


@dataclass(frozen=True)
class Actor:
    """Who writes, and through what.

    `origin` is ui, api, bulk or system. `change_origin` is the header field of change events, "" for system jobs.
    """

    user_id: str
    origin: str
    change_origin: str


@dataclass(frozen=True)
class Change:
    """One record's change in one committed transaction.

    `sequence` is the commit number: unique, rising, above 2**53. `sequence_number` counts from 1 inside the transaction
    over all objects. `commit_timestamp` is epoch milliseconds in whole seconds. `changed_fields` and `nulled_fields`
    are column names in describe order, filled for UPDATE only. `row` is the record as the transaction left it.
    """

    sequence: int
    entity: str
    record_id: str
    change_type: str
    changed_fields: tuple[str, ...]
    nulled_fields: tuple[str, ...]
    change_origin: str
    origin: str
    commit_user: str
    commit_timestamp: int
    transaction_key: str
    sequence_number: int
    row: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """All members as JSON values."""
        lists = {name: list(getattr(self, name)) for name in ("changed_fields", "nulled_fields")}
        return {**asdict(self), **lists, "row": dict(self.row)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Change:
        """The inverse of `to_json`."""
        lists = {name: tuple(value[name]) for name in ("changed_fields", "nulled_fields")}
        return cls(**{**value, **lists})


class ChangeLog:
    """Every committed change, oldest first."""

    def __init__(self, rng: random.Random) -> None:
        self.changes: list[Change] = []
        self._rng = rng
        self._last = 0

    def take_commit_numbers(self, moment: datetime, count: int) -> int:
        """The first of `count` 64-bit numbers in the range real ones have: they rise with time and leave gaps."""
        floor = int(moment.timestamp() * 1000) * 1_000_000
        first = max(self._last, floor) + self._rng.randrange(1, 1000)
        self._last = first + count - 1
        return first

    def new_key(self) -> str:
        """A fresh transaction key."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def dump(self) -> dict[str, Any]:
        """The log as JSON values."""
        return {"last": self._last, "changes": [change.to_json() for change in self.changes]}

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace the log by what `dump` gave."""
        self._last = state["last"]
        self.changes = [Change.from_json(value) for value in state["changes"]]


@dataclass
class _Pending:
    sobject: SObject
    record_id: str
    change_type: str
    before: Row | None


class Transaction:
    """Writes that become visible in the change log together, or not at all.

    Used as `with Transaction(...) as tx`: leaving by an exception takes every write back. `savepoint` and `rollback_to`
    undo the writes of one record of a collection.
    """

    def __init__(self, store: Store, log: ChangeLog, actor: Actor, now: datetime) -> None:
        self.store = store
        self.actor = actor
        self.moment = now
        self.now = datetime_text(now)
        self._log = log
        self._pending: list[_Pending] = []
        self._deletions: list[Deletion] = []

    def __enter__(self) -> Transaction:
        self.store.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is not None:
            self.rollback_to((0, 0, 0))
        self._commit()
        self.store.end()

    def savepoint(self) -> tuple[int, int, int]:
        """The place to which `rollback_to` returns."""
        return self.store.mark(), len(self._pending), len(self._deletions)

    def rollback_to(self, savepoint: tuple[int, int, int]) -> None:
        """Take back every write since the savepoint."""
        mark, pending, deletions = savepoint
        self.store.undo_to(mark)
        del self._pending[pending:]
        del self._deletions[deletions:]

    def write(self, sobject: SObject, change_type: str, after: Row) -> None:
        """Store a row and note its change: CREATE, UPDATE, DELETE or UNDELETE."""
        before = self.store.row(sobject.table, after["Id"])
        self.store.put(sobject.table, after)
        if change_type == "DELETE":
            self._deletions.append(Deletion(sobject.table, after["Id"], self.now))
        self._pending.append(_Pending(sobject, after["Id"], change_type, before))

    def write_silently(self, sobject: SObject, after: Row) -> None:
        """Store a row without a change event: what the service derives by itself."""
        self.store.put(sobject.table, after)

    def _commit(self) -> None:
        for deletion in self._deletions:
            self.store.log_deletion(deletion)
        merged = self._merged()
        if not merged:
            return
        number = self._log.take_commit_numbers(self.moment, len(merged))
        key = self._log.new_key()
        stamp = int(self.moment.timestamp()) * 1000
        for place, item in enumerate(merged):
            # What is stored now is the final value, silent writes included.
            after = self.store.row(item.sobject.table, item.record_id) or {}
            changed, nulled = _difference(item, after) if item.change_type == "UPDATE" else ((), ())
            self._log.changes.append(
                Change(
                    sequence=number + place,
                    entity=item.sobject.table,
                    record_id=item.record_id,
                    change_type=item.change_type,
                    changed_fields=changed,
                    nulled_fields=nulled,
                    change_origin=self.actor.change_origin,
                    origin=self.actor.origin,
                    commit_user=self.actor.user_id,
                    commit_timestamp=stamp,
                    transaction_key=key,
                    sequence_number=place + 1,
                    row=after,
                )
            )

    def _merged(self) -> list[_Pending]:
        """One entry per record: the first type with the final values; a created record that is gone again, none."""
        by_record: dict[str, _Pending] = {}
        for item in self._pending:
            first = by_record.get(item.record_id)
            if first is None:
                by_record[item.record_id] = item
                continue
            if item.change_type == "DELETE":
                if first.change_type == "CREATE":
                    del by_record[item.record_id]
                    continue
                first.change_type = "DELETE"
        return list(by_record.values())


def _difference(item: _Pending, after: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    before = item.before or {}
    columns = [field.column for field in item.sobject.fields if field.column not in UNTRACKED]
    changed = tuple(name for name in columns if name == "LastModifiedDate" or before.get(name) != after.get(name))
    return changed, tuple(name for name in changed if after.get(name) is None)
