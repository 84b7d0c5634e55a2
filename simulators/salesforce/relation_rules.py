"""Rules of EventRelation: who and what may be invited, and what an invitation makes of the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulators.salesforce.draft import Draft
from simulators.salesforce.errors import SalesforceError, integrity
from simulators.salesforce.event_rules import check_resources_free, is_person_link, make_child
from simulators.salesforce.store import RELATION

if TYPE_CHECKING:
    from simulators.salesforce.changes import Transaction
    from simulators.salesforce.records import Records
    from simulators.salesforce.store import Row

INVITEES_MAX: Final = 1000
"""Invitees of a single event."""
WHO_LINKS_MAX: Final = 50
"""Contacts that an event can be related to under Shared Activities."""
_PERSON_TYPES: Final = {"003": "Contact", "00Q": "Lead", "005": "User", "023": "Calendar", "001": "Account"}


class RelationRules:
    """EventRelation."""

    def before_save(self, records: Records, draft: Draft) -> None:
        """Refuse relations that cannot be; complete the others and make the invited user's copy of the event."""
        event = records.store.live("Event", draft.after["EventId"])
        target = draft.after["RelationId"]
        if event is None or target is None:
            return
        if draft.is_create:
            if event["IsChild"]:
                raise integrity("An invitee's copy of an event cannot have relations", ["EventId"])
            self._check_duplicate(records, draft)
            self._check_target(records, draft, event)
            self._set_kind(records, draft)
        if str(target).startswith("023"):
            self._check_resource(records, draft, event)
        draft.after["Type"] = _PERSON_TYPES.get(str(target)[:3])
        if draft.is_create and draft.after.get("IsInvitee", True):
            event = _mark_group(records, draft.tx, event, invited=True)
            if str(target).startswith("005"):
                # The copy comes before the relation: change events are numbered in this order.
                make_child(records, draft.tx, event, draft.after)

    def after_save(self, records: Records, draft: Draft) -> None:
        """Keep the event's group marks true, and touch it where the org does so."""
        event = records.store.live("Event", draft.after["EventId"])
        if event is not None:
            _touch(records, draft.tx, _mark_group(records, draft.tx, event, invited=_has_invitees(records, event)))

    def after_delete(self, records: Records, tx: Transaction, row: Row) -> None:
        """Delete the invited user's copy; without invitees the event is no group event any more."""
        for child in list(records.store.find("Event", RELATION, row["Id"])):
            records.remove(tx, records.schema.object("Event"), child)
        event = records.store.live("Event", row["EventId"])
        if event is not None:
            _touch(records, tx, _mark_group(records, tx, event, invited=_has_invitees(records, event)))

    @staticmethod
    def _check_duplicate(records: Records, draft: Draft) -> None:
        for other in records.store.find("EventRelation", "EventId", draft.after["EventId"]):
            if other["RelationId"] == draft.after["RelationId"]:
                text = f"duplicate value found: RelationId duplicates value on record with id: {other['Id'][:15]}"
                raise SalesforceError(400, "DUPLICATE_VALUE", text, [])

    @staticmethod
    def _check_target(records: Records, draft: Draft, event: Row) -> None:
        target = draft.after["RelationId"]
        if event["OwnerId"] == target and not records.behaviour.owner_may_be_invited:
            raise integrity("The owner of an event cannot be invited to it", ["RelationId"])
        if event["IsPrivate"] and is_person_link(draft.after) and records.behaviour.private_refuses_invitees:
            raise integrity("A private event cannot be related to a contact or lead", ["RelationId"])
        links = len(records.store.tables["EventRelation"].with_value("EventId", event["Id"]))
        if links >= INVITEES_MAX:
            live = sum(1 for _ in records.store.find("EventRelation", "EventId", event["Id"]))
            if live >= INVITEES_MAX:
                text = f"An event can have at most {INVITEES_MAX} invitees"
                raise SalesforceError(400, "LIMIT_EXCEEDED", text, ["RelationId"])

    @staticmethod
    def _set_kind(records: Records, draft: Draft) -> None:
        """Shared Activities: a relation is an invitee unless it says otherwise."""
        if not records.org.shared_activities:
            return
        given = {name for name in ("IsWhat", "IsParent", "IsInvitee") if name in draft.sent}
        if not given:
            draft.after["IsInvitee"] = True
        person = records.store.live("Contact", draft.after["RelationId"])
        draft.after["AccountId"] = None if person is None else person["AccountId"]
        if draft.after["IsParent"] and not draft.after["IsWhat"]:
            links = records.store.find("EventRelation", "EventId", draft.after["EventId"])
            if sum(1 for link in links if link["IsParent"] and not link["IsWhat"]) >= WHO_LINKS_MAX:
                text = f"An event can be related to at most {WHO_LINKS_MAX} contacts"
                raise SalesforceError(400, "LIMIT_EXCEEDED", text, ["RelationId"])

    @staticmethod
    def _check_resource(records: Records, draft: Draft, event: Row) -> None:
        calendar = records.store.live("Calendar", draft.after["RelationId"])
        if calendar is None or calendar["Type"] != "Resource" or not calendar["IsActive"]:
            raise integrity("Only an active resource calendar can be added to an event", ["RelationId"])
        if draft.is_create and "Status" not in draft.sent:
            draft.after["Status"] = "Accepted"
        if draft.after["Status"] != "Accepted":
            raise integrity("The status of a resource can only be Accepted", ["Status"])
        if draft.is_create:
            check_resources_free(records, event, draft.after["RelationId"])


def _has_invitees(records: Records, event: Row) -> bool:
    links = records.store.find("EventRelation", "EventId", event["Id"])
    return any(link.get("IsInvitee", True) for link in links)


def _mark_group(records: Records, tx: Transaction, event: Row, *, invited: bool) -> Row:
    """Keep IsGroupEvent and GroupEventType true to the invitees. The service derives them: no stamp, no change."""
    if event["IsGroupEvent"] == invited:
        return event
    marked = {**event, "IsGroupEvent": invited, "GroupEventType": "1" if invited else "0"}
    tx.write_silently(records.schema.object("Event"), marked)
    return marked


def _touch(records: Records, tx: Transaction, event: Row) -> None:
    if records.behaviour.relation_touches_event:
        records.write_derived(tx, records.schema.object("Event"), event)
