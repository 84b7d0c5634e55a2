"""Creating, updating, deleting and restoring records: the one way into the store, with every rule on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.changes import Actor, ChangeLog, Transaction
from simulators.salesforce.draft import (
    Draft,
    check_nulls,
    check_references,
    check_unique,
    check_writable,
    read_body,
)
from simulators.salesforce.errors import (
    MultipleChoices,
    SalesforceError,
    entity_is_deleted,
    invalid_cross_reference,
    malformed_id,
    no_such_record,
)
from simulators.salesforce.event_rules import EventRules
from simulators.salesforce.ids import IdSource, canonical
from simulators.salesforce.org import Org
from simulators.salesforce.people_rules import PersonRules, UserRules
from simulators.salesforce.relation_rules import RelationRules
from simulators.salesforce.schema import Field, Schema, SObject
from simulators.salesforce.store import Row, Store


class Clock(Protocol):
    """Where the service gets its time."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""


class Rules(Protocol):
    """What one object demands of its records beyond its fields."""

    def before_save(self, records: Records, draft: Draft) -> None:
        """Complete or refuse a draft. Raises SalesforceError."""

    def after_save(self, records: Records, draft: Draft) -> None:
        """Write what follows from a stored draft."""

    def after_delete(self, records: Records, tx: Transaction, row: Row) -> None:
        """Write what follows from a deletion."""


@dataclass
class Faults:
    """Faults inside the service, off by default."""

    lock_writes: int = 0
    """How many of the next record writes answer UNABLE_TO_LOCK_ROW."""
    locked: int = 0
    """How many did so far."""


class Records:
    """The records of an org and the rules they obey."""

    def __init__(self, org: Org, behaviour: Behaviour, clock: Clock, ids: IdSource, log: ChangeLog) -> None:
        self.org = org
        self.behaviour = behaviour
        self.clock = clock
        self.schema: Schema = org.schema()
        self.store = Store(self.schema)
        self.log = log
        self.faults = Faults()
        self._ids = ids
        self._rules: dict[str, Rules] = {
            "Event": EventRules(),
            "EventRelation": RelationRules(),
            "User": UserRules(),
            "Contact": PersonRules(),
            "Lead": PersonRules(),
        }

    def begin(self, actor: Actor, at: datetime | None = None) -> Transaction:
        """A transaction at the service's now, or at another moment when seeding."""
        return Transaction(self.store, self.log, actor, at or self.clock.now().astimezone(UTC))

    def create(
        self,
        tx: Transaction,
        sobject: SObject,
        body: Mapping[str, Any],
        *,
        record_id: str = "",
        privileged: bool = False,
    ) -> str:
        """Create a record from a JSON object and answer its id. Raises SalesforceError.

        `privileged` allows read-only fields and objects, for seeding; `record_id` then fixes the id.
        """
        if not privileged:
            self._require(sobject, "create")
        sent, fields = self._read(sobject, body, privileged=privileged)
        if not privileged:
            check_writable(sobject, fields, creating=True)
        self._lock(None)
        if record_id and self.store.row(sobject.table, record_id) is not None:
            raise SalesforceError(400, "DUPLICATE_VALUE", f"a record has this id already: {record_id}", ["Id"])
        after = {item.column: item.default for item in sobject.fields}
        after.update({"Id": record_id or self._ids.next(sobject.prefix), **sent})
        draft = Draft(tx, sobject, None, sent, after)
        owner = sobject.field("OwnerId")
        if owner is not None and after["OwnerId"] is None:
            after["OwnerId"] = tx.actor.user_id
        stamp(draft)
        self._save(draft, "CREATE")
        return str(after["Id"])

    def update(
        self,
        tx: Transaction,
        sobject: SObject,
        record_id: str,
        body: Mapping[str, Any],
        *,
        privileged: bool = False,
    ) -> None:
        """Change a record. Raises SalesforceError: 404 when it does not exist or is deleted."""
        if not privileged:
            self._require(sobject, "update")
        before = self.writable_row(sobject, record_id)
        sent, fields = self._read(sobject, body, privileged=privileged)
        if not privileged:
            check_writable(sobject, fields, creating=False)
        self._lock(before["Id"])
        after = {**before, **sent}
        draft = Draft(tx, sobject, before, sent, after)
        if not self.behaviour.unchanged_update_is_logged and after == before:
            return
        stamp(draft)
        self._save(draft, "UPDATE")

    def delete(self, tx: Transaction, sobject: SObject, record_id: str) -> None:
        """Move a record to the Recycle Bin. Raises SalesforceError: 404 when it is there already or never was."""
        self._require(sobject, "delete")
        row = self.writable_row(sobject, record_id, unknown=invalid_cross_reference("Id", 404))
        self._lock(row["Id"])
        self.remove(tx, sobject, row)

    def remove(self, tx: Transaction, sobject: SObject, row: Row) -> None:
        """Delete a live row, with what follows from that."""
        draft = Draft(tx, sobject, row, {}, {**row, "IsDeleted": True})
        stamp(draft)
        tx.write(sobject, "DELETE", draft.after)
        rules = self._rules.get(sobject.table)
        if rules is not None:
            rules.after_delete(self, tx, draft.after)

    def undelete(self, tx: Transaction, sobject: SObject, record_id: str) -> None:
        """Restore a record from the Recycle Bin; an event comes back with the relations that went with it."""
        row = self.store.row(sobject.table, record_id)
        if row is None or not row.get("IsDeleted"):
            raise SalesforceError(400, "UNDELETE_FAILED", "Entity is not in the recycle bin", [])
        gone = row["SystemModstamp"]
        draft = Draft(tx, sobject, row, {}, {**row, "IsDeleted": False})
        stamp(draft)
        check_unique(draft)
        tx.write(sobject, "UNDELETE", draft.after)
        if sobject.table == "Event":
            EventRules.restore(self, tx, draft.after, gone)

    def upsert(
        self, tx: Transaction, sobject: SObject, key: tuple[Field, str], body: Mapping[str, Any], *, update_only: bool
    ) -> tuple[str, bool]:
        """Update the record whose external id has this value, or create it. Answers (id, whether created).

        Raises MultipleChoices when several match, SalesforceError otherwise.
        """
        field, value = key
        found = self.matching(sobject, field, value)
        if len(found) > 1:
            raise MultipleChoices([row["Id"] for row in found])
        if found:
            self.update(tx, sobject, found[0]["Id"], body)
            return str(found[0]["Id"]), False
        if update_only:
            raise no_such_record(value)
        return self.create(tx, sobject, {**body, field.name: value}), True

    def matching(self, sobject: SObject, field: Field, value: str) -> list[Row]:
        """The live records whose external id has this value."""
        if field.type == "id":
            try:
                row = self.store.live(sobject.table, canonical(value))
            except ValueError:
                raise malformed_id(sobject.label_of_id, value) from None
            return [] if row is None else [row]
        return list(self.store.find(sobject.table, field.column, value))

    def readable_row(self, sobject: SObject, record_id: str) -> Row:
        """A live, unarchived row. Raises SalesforceError 404; 400 for an id of another object."""
        row = self.store.live(sobject.table, self._id_of(sobject, record_id))
        if row is None or row.get("IsArchived") or not fits_view(sobject, row):
            raise no_such_record(record_id)
        return row

    def writable_row(self, sobject: SObject, record_id: str, unknown: SalesforceError | None = None) -> Row:
        """A row that a write names: archived rows too. Raises SalesforceError."""
        row = self.store.row(sobject.table, self._id_of(sobject, record_id))
        if row is None:
            raise unknown or no_such_record(record_id)
        if row.get("IsDeleted"):
            raise entity_is_deleted()
        return row

    @staticmethod
    def _id_of(sobject: SObject, record_id: str) -> str:
        try:
            key = canonical(record_id)
        except ValueError:
            raise malformed_id(sobject.label_of_id, record_id) from None
        if sobject.prefix and not key.startswith(sobject.prefix):
            raise malformed_id(sobject.label_of_id, record_id)
        return key

    def write_derived(self, tx: Transaction, sobject: SObject, row: Row, *, change_type: str = "UPDATE") -> None:
        """Store a row that follows from another write, stamped, with its own change event."""
        draft = Draft(tx, sobject, self.store.row(sobject.table, row["Id"]), {}, dict(row))
        stamp(draft)
        tx.write(sobject, change_type, draft.after)

    def new_id(self, sobject: SObject) -> str:
        """A fresh id of an object."""
        return self._ids.next(sobject.prefix)

    def _read(
        self, sobject: SObject, body: Mapping[str, Any], *, privileged: bool
    ) -> tuple[dict[str, Any], list[Field]]:
        return read_body(
            self.schema, self.store, sobject, body, privileged=privileged, trims_text=self.behaviour.trims_text
        )

    def _save(self, draft: Draft, change_type: str) -> None:
        rules = self._rules.get(draft.sobject.table)
        check_references(self.schema, draft)
        if rules is not None:
            rules.before_save(self, draft)
        check_nulls(draft)
        check_unique(draft)
        draft.tx.write(draft.sobject, change_type, draft.after)
        if rules is not None:
            rules.after_save(self, draft)

    def _require(self, sobject: SObject, call: str) -> None:
        if call in sobject.calls:
            return
        if call == "delete":
            text = f"entity type cannot be deleted: {sobject.label}"
            raise SalesforceError(400, "INSUFFICIENT_ACCESS_OR_READONLY", text, [])
        text = f"entity type cannot be {call}d: {sobject.label}".replace("created", "inserted")
        raise SalesforceError(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text, [])

    def _lock(self, record_id: str | None) -> None:
        if self.faults.lock_writes <= 0:
            return
        self.faults.lock_writes -= 1
        self.faults.locked += 1
        named = f" or 1 records: {record_id}" if record_id else ""
        text = f"unable to obtain exclusive access to this record{named}"
        raise SalesforceError(400, "UNABLE_TO_LOCK_ROW", text, [])


def stamp(draft: Draft) -> None:
    """Set the who-and-when columns of a draft."""
    now, user = draft.tx.now, draft.tx.actor.user_id
    if draft.before is None:
        draft.after.update(CreatedDate=now, CreatedById=user)
    draft.after.update(LastModifiedDate=now, LastModifiedById=user, SystemModstamp=now)


def fits_view(sobject: SObject, row: Row) -> bool:
    """Whether a row belongs to a view; every row belongs to its own object."""
    return all(row.get(name) == value for name, value in sobject.view_where)
