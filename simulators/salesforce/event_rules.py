"""Rules of Event: times, privacy, owner, account, reminders, and invitees' copies that follow their event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulators.salesforce.draft import Draft
from simulators.salesforce.errors import SalesforceError, integrity, not_writable
from simulators.salesforce.event_times import TIME_COLUMNS, TimeRules, occupied, settle_times
from simulators.salesforce.objects.practifi import ORIGIN
from simulators.salesforce.store import PARENT, RELATION

if TYPE_CHECKING:
    from simulators.salesforce.changes import Transaction
    from simulators.salesforce.records import Records
    from simulators.salesforce.store import Row

CHILD_WRITABLE: Final = frozenset({"IsReminderSet", "ReminderDateTime"})
"""All that may be changed on an invitee's copy."""
_OWN_OF_CHILD: Final = frozenset(
    {
        "Id",
        "OwnerId",
        "IsChild",
        "IsReminderSet",
        "ReminderDateTime",
        "IsDeleted",
        "IsArchived",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
    }
)
_SERIES: Final = {"IsRecurrence": "RecurrenceActivityId", "Recurrence2PatternText": "IsRecurrence2"}
"""What asks for a series, and the read-only column with which a seed makes a single occurrence of one."""


def _keep_origin(records: Records, draft: Draft) -> None:
    """The org's own trigger: it notes how an event is saved, and leaves out what the integration does by itself."""
    actor = draft.tx.actor
    users = records.store.live("User", actor.user_id) or {}
    is_integration = actor.origin == "api" and users.get("Username") == records.org.integration_username
    if draft.sobject.field(ORIGIN) is not None and actor.origin != "system" and not is_integration:
        draft.after[ORIGIN] = actor.origin


class EventRules:
    """Event."""

    def before_save(self, records: Records, draft: Draft) -> None:
        """Complete the times and refuse what an event may not be."""
        if draft.before is not None and draft.before["IsChild"]:
            self._check_child(draft)
            return
        self._check_series(draft)
        if draft.is_create or any(name in draft.sent for name in TIME_COLUMNS):
            draft.after.update(settle_times(draft.sent, draft.before, _time_rules(records)))
        self._check_owner(records, draft)
        self._check_private(records, draft)
        self._check_reminder(draft)
        draft.after["AccountId"] = _account_of(records, draft.after)
        _keep_origin(records, draft)
        if not draft.is_create and any(draft.changes(name) for name in ("StartDateTime", "EndDateTime")):
            check_resources_free(records, draft.after)

    def after_save(self, records: Records, draft: Draft) -> None:
        """Let the invitees' copies follow."""
        if draft.before is None or draft.after["IsChild"]:
            return
        for child in children_of(records, draft.after["Id"]):
            follow(records, draft.tx, draft.after, child)

    def after_delete(self, records: Records, tx: Transaction, row: Row) -> None:
        """Delete an event's relations, and with them its invitees' copies."""
        if row["IsChild"]:
            return
        relation = records.schema.object("EventRelation")
        for child in children_of(records, row["Id"]):
            records.remove(tx, records.schema.object("Event"), child)
        for link in list(records.store.find("EventRelation", "EventId", row["Id"])):
            records.remove(tx, relation, link)

    @staticmethod
    def restore(records: Records, tx: Transaction, row: Row, gone: str) -> None:
        """Bring back the relations and copies that were deleted with an event, which the common moment tells."""
        for name, column in (("EventRelation", "EventId"), ("Event", PARENT)):
            sobject = records.schema.object(name)
            table = records.store.tables[sobject.table]
            for record_id in table.with_value(column, row["Id"]):
                held = table.rows[record_id]
                if held["IsDeleted"] and held["SystemModstamp"] == gone:
                    records.write_derived(tx, sobject, {**held, "IsDeleted": False}, change_type="UNDELETE")

    @staticmethod
    def _check_series(draft: Draft) -> None:
        asked = [name for name, single in _SERIES.items() if draft.sent.get(name) and single not in draft.sent]
        if asked:
            raise integrity("Series cannot be created through this API", asked)

    @staticmethod
    def _check_child(draft: Draft) -> None:
        refused = [name for name in draft.sent if name not in CHILD_WRITABLE]
        if refused:
            raise not_writable(refused)
        EventRules._check_reminder(draft)

    @staticmethod
    def _check_owner(records: Records, draft: Draft) -> None:
        if not draft.changes("OwnerId"):
            return
        owner_id = draft.after["OwnerId"]
        if owner_id is None:
            return
        user = records.store.live("User", owner_id)
        if user is not None and not user["IsActive"]:
            text = f"operation performed with inactive user [{owner_id[:15]}] as owner of event"
            raise SalesforceError(400, "INACTIVE_OWNER_OR_USER", text, ["OwnerId"])
        calendar = records.store.live("Calendar", owner_id)
        if calendar is not None and calendar["Type"] != "Public":
            raise integrity("Only a public calendar can own events", ["OwnerId"])

    @staticmethod
    def _check_private(records: Records, draft: Draft) -> None:
        if not draft.after["IsPrivate"]:
            return
        linked = [name for name in ("WhoId", "WhatId") if draft.after[name] is not None]
        if not linked and draft.before is not None and records.behaviour.private_refuses_invitees:
            links = records.store.find("EventRelation", "EventId", draft.after["Id"])
            linked = ["IsPrivate"] if any(is_person_link(link) for link in links) else []
        if linked:
            text = "A private event cannot be associated with an account, contact, lead or other record"
            raise integrity(text, linked)

    @staticmethod
    def _check_reminder(draft: Draft) -> None:
        if draft.after["IsReminderSet"] and draft.after["ReminderDateTime"] is None:
            raise integrity("A reminder needs a date and time", ["ReminderDateTime"])


def is_person_link(link: Row) -> bool:
    """Whether a relation leads to a contact or lead."""
    return str(link["RelationId"])[:3] in {"003", "00Q"}


def children_of(records: Records, event_id: str) -> list[Row]:
    """The live invitees' copies of an event."""
    return list(records.store.find("Event", PARENT, event_id))


def copied_columns(records: Records) -> list[str]:
    """The columns that an invitee's copy shares with its event."""
    copies_custom = records.behaviour.children_copy_custom_fields
    return [
        field.column
        for field in records.schema.object("Event").fields
        if field.column not in _OWN_OF_CHILD and not field.unique and (copies_custom or not field.custom)
    ]


def follow(records: Records, tx: Transaction, parent: Row, child: Row) -> None:
    """Bring a copy to its event's values; a copy that has them already is not written."""
    wanted = {name: parent[name] for name in copied_columns(records)}
    if any(child.get(name) != value for name, value in wanted.items()):
        records.write_derived(tx, records.schema.object("Event"), {**child, **wanted})


def make_child(records: Records, tx: Transaction, parent: Row, relation: Row) -> None:
    """Put an invitee's copy of an event into the invited user's calendar."""
    event = records.schema.object("Event")
    row: dict[str, Any] = {field.column: field.default for field in event.fields}
    row.update({name: parent[name] for name in copied_columns(records)})
    row.update(
        {
            "Id": records.new_id(event),
            "OwnerId": relation["RelationId"],
            "IsChild": True,
            PARENT: parent["Id"],
            RELATION: relation["Id"],
        }
    )
    records.write_derived(tx, event, row, change_type="CREATE")


def check_resources_free(records: Records, row: Row, extra: str | None = None) -> None:
    """Refuse an event while another one occupies one of its resource calendars (`extra`: one about to be added)."""
    resources = {
        str(link["RelationId"])
        for link in records.store.find("EventRelation", "EventId", row["Id"])
        if str(link["RelationId"]).startswith("023")
    }
    if extra is not None:
        resources.add(extra)
    start, end = occupied(row)
    for calendar_id in sorted(resources):
        for link in records.store.find("EventRelation", "RelationId", calendar_id):
            other = records.store.live("Event", link["EventId"])
            if other is None or other["Id"] == row["Id"]:
                continue
            other_start, other_end = occupied(other)
            if start < other_end and other_start < end:
                raise integrity("The resource is not available at this time", ["RelationId"])


def _time_rules(records: Records) -> TimeRules:
    return TimeRules(
        multiday=records.org.multiday_events,
        move_keeps_duration=records.behaviour.move_keeps_duration,
        all_day_has_activity_datetime=records.behaviour.all_day_has_activity_datetime,
    )


def _account_of(records: Records, row: Row) -> str | None:
    what = row["WhatId"]
    if what is not None and what.startswith("001"):
        return str(what)
    who = records.store.live("Contact", row["WhoId"])
    return who["AccountId"] if who is not None else None


def rest_of_series(records: Records, row: Row) -> list[Row]:
    """An occurrence of a Lightning series and the later ones. Nothing but owner and pattern joins them."""
    table = records.store.tables["Event"]
    later = (table.rows[record_id] for record_id in table.between("StartDateTime", row["StartDateTime"], None))
    return [
        other
        for other in later
        if other["IsRecurrence2"]
        and not other["IsDeleted"]
        and not other["IsChild"]
        and (other["OwnerId"], other["Recurrence2PatternText"]) == (row["OwnerId"], row["Recurrence2PatternText"])
    ]
