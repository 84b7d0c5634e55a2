"""The writes on events: create, change, delete, cancel. Decides which mails go out and whose copies follow."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from simulators.graph import ids
from simulators.graph.body import preview
from simulators.graph.copies import Copies
from simulators.graph.errors import GraphError, invalid_request, validation_failed
from simulators.graph.event_input import EMPTY_LOCATION, NO_TIME, check_times
from simulators.graph.online_meeting import join_members, settle_online, start_meeting
from simulators.graph.series import check_boundary, restarted, settle_series
from simulators.graph.snapshot import Snapshot, occurrence, whole
from simulators.graph.store import MailboxStore, StoredEvent
from simulators.graph.world import Mail, MailKind, Origin, World

MEETING_MEMBERS: Final = frozenset(
    {
        "subject", "body", "start", "end", "isAllDay", "location", "locations", "recurrence", "isOnlineMeeting",
        "onlineMeetingProvider", "responseRequested", "allowNewTimeProposals", "hideAttendees",
    }
)  # fmt: skip
"""A PATCH that names one of these mails every attendee, whatever the value."""
PRIVATE_MEMBERS: Final = frozenset(
    {"categories", "showAs", "sensitivity", "importance", "isReminderOn", "reminderMinutesBeforeStart"}
)
_DEFAULTS: Final[dict[str, Any]] = {
    "subject": None,
    "body": {"contentType": "html", "content": ""},
    "isAllDay": False,
    "location": EMPTY_LOCATION,
    "locations": [],
    "attendees": [],
    "showAs": "busy",
    "sensitivity": "normal",
    "importance": "normal",
    "categories": [],
    "isReminderOn": True,
    "reminderMinutesBeforeStart": 15,
    "responseRequested": True,
    "allowNewTimeProposals": True,
    "hideAttendees": False,
    "recurrence": None,
    "isCancelled": False,
    "isDraft": False,
    "isOnlineMeeting": False,
    "onlineMeetingProvider": "unknown",
    "onlineMeeting": None,
}


def new_props(given: dict[str, Any], organizer: dict[str, str]) -> dict[str, Any]:
    """All stored members of a new event. Raises GraphError when start or end is missing or breaks a rule."""
    if "start" not in given or "end" not in given:
        raise validation_failed(" An event needs a start and an end.")
    named = {name: value for name, value in given.items() if name != "transactionId"}
    props = {**_DEFAULTS, **named, "organizer": {"emailAddress": organizer}}
    props["bodyPreview"] = preview(props["body"]["content"])
    props["originalStartTimeZone"] = given["start"]["timeZone"]
    props["originalEndTimeZone"] = given["end"]["timeZone"]
    props["responseStatus"] = {"response": "organizer", "time": NO_TIME}
    check_times(props["start"], props["end"], props["isAllDay"])
    return settle_series(props) if props["recurrence"] is not None else props


def address_of(attendee: dict[str, Any]) -> str:
    """An attendee's address in lower case, by which attendees are told apart."""
    return str(attendee["emailAddress"]["address"]).lower()


def addresses_in(props: dict[str, Any]) -> dict[str, str]:
    """Whom a meeting's mails go to: address as written by its lower case. The organizer is never among them."""
    organizer = str(props["organizer"]["emailAddress"]["address"]).lower()
    written = {address_of(one): str(one["emailAddress"]["address"]) for one in props["attendees"]}
    return {lower: address for lower, address in written.items() if lower != organizer}


def keep_statuses(new: list[dict[str, Any]], old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A replaced attendee list in which those who stay keep their answers. They are matched by address."""
    answers = {address_of(attendee): attendee for attendee in old}
    return [{**one, "status": answers[address_of(one)]["status"]} if address_of(one) in answers else one for one in new]


class Meetings:
    """Writes on events of any mailbox, with everything that follows from them."""

    def __init__(self, world: World, copies: Copies) -> None:
        self._world = world
        self._copies = copies
        world.tasks["bump"] = world.bump
        world.tasks["join_url"] = self._arrive_join_url

    # --- create -----------------------------------------------------------------------------------------------

    def create(self, store: MailboxStore, folder: int, given: dict[str, Any]) -> StoredEvent:
        """A new event with this mailbox as its organizer, not stored yet. `given` are canonical members."""
        user = self._world.user(store.id)
        organizer = (
            {"name": user.display_name, "address": user.mail} if user is not None else {"name": "", "address": ""}
        )
        event = self.new_event(folder, new_props(given, organizer))
        event.change(settle_online(self._world, store.id, given, None))
        start_meeting(self._world, store, event)
        return event

    def new_event(self, folder: int, props: dict[str, Any]) -> StoredEvent:
        """A fresh event that is not stored yet."""
        now = self._world.now()
        rng = self._world.rng
        return StoredEvent(ids.mint_key(rng), folder, ids.ical_uid(rng), True, props, created=now, modified=now)

    def publish(self, store: MailboxStore, event: StoredEvent, origin: Origin) -> None:
        """Store a created event, invite everyone, hand out the copies."""
        self._world.record(store, event, "created", origin.notifies)
        item = whole(store, event)
        if event.is_organizer and not event.props["isDraft"]:
            self._send(item, "invite", list(addresses_in(event.props).values()), origin)

    # --- change -----------------------------------------------------------------------------------------------

    def patch(self, item: Snapshot, given: dict[str, Any], origin: Origin, has_extended: bool = False) -> Snapshot:
        """Change the named members of an item; an occurrence becomes an exception. Returns the item afterwards."""
        given = {name: value for name, value in given.items() if name != "transactionId"}
        changes = self.changes_of(item, given)
        event, store = item.event, item.store
        before = item.props
        if item.day is None:
            self._discard_instances(event, changes)
            event.change(changes)
            start_meeting(self._world, store, event)
            after = whole(store, event)
        else:
            after = self._change_occurrence(item, item.day, changes)
        self._world.record(store, event, "updated", origin.notifies)
        if event.is_organizer:
            self._mail_changes(after, before, set(given), origin, has_extended)
        return after

    def changes_of(self, item: Snapshot, given: dict[str, Any]) -> dict[str, Any]:
        """Everything that a write which names these members changes. Raises GraphError when it breaks a rule."""
        old = item.props
        changes = dict(given)
        if "attendees" in given:
            changes["attendees"] = keep_statuses(given["attendees"], old["attendees"])
        if "body" in given:
            changes["bodyPreview"] = preview(given["body"]["content"])
        if item.event.is_organizer:
            if {"body", "isOnlineMeeting", "onlineMeetingProvider"} & given.keys():
                changes |= settle_online(self._world, item.store.id, given, old)
            if old["isDraft"]:
                changes["isDraft"] = False
        else:
            changes = {
                name: value
                for name, value in changes.items()
                if name not in ("isOnlineMeeting", "onlineMeetingProvider")
            }
        props = {**old, **changes}
        check_times(props["start"], props["end"], props["isAllDay"])
        if item.day is not None:
            return self._occurrence_changes(item, item.day, changes)
        if props["recurrence"] is not None and {"recurrence", "start", "end", "isAllDay"} & given.keys():
            changes |= self._series_changes(old, given, props)
        return changes

    def _occurrence_changes(self, item: Snapshot, day: date, changes: dict[str, Any]) -> dict[str, Any]:
        if changes.pop("recurrence", None) is not None:
            raise invalid_request("The recurrence can only be set on the series master.")
        if "start" in changes:
            check_boundary(item.store, item.event, day, changes["start"])
        return changes

    def _series_changes(self, old: dict[str, Any], given: dict[str, Any], props: dict[str, Any]) -> dict[str, Any]:
        known_start = None
        if old["recurrence"] is not None:
            known_start = old["recurrence"]["range"]["startDate"]
            if "recurrence" not in given and "start" in given:
                props = {**props, "recurrence": restarted(old["recurrence"], given["start"])}
        settled = settle_series(props, known_start)
        return {name: settled[name] for name in ("recurrence", "start", "end")}

    def _discard_instances(self, event: StoredEvent, changes: dict[str, Any]) -> None:
        """A series with another rule or other times starts afresh: edited and deleted occurrences are forgotten."""
        if not event.is_series:
            return
        if any(
            name in changes and changes[name] != event.props[name]
            for name in ("recurrence", "start", "end", "isAllDay")
        ):
            event.exceptions, event.cancelled = {}, []

    def _change_occurrence(self, item: Snapshot, day: date, changes: dict[str, Any]) -> Snapshot:
        event = item.event
        own = event.exceptions.get(day.isoformat(), {})
        times = {name: item.props[name] for name in ("start", "end")}
        event.exceptions = {**event.exceptions, day.isoformat(): {**times, **own, **changes}}
        return occurrence(item.store, event, day)

    def _mail_changes(
        self, item: Snapshot, before: dict[str, Any], named: set[str], origin: Origin, has_extended: bool
    ) -> None:
        old, new = addresses_in(before), addresses_in(item.props)
        added = [address for lower, address in new.items() if lower not in old]
        removed = [address for lower, address in old.items() if lower not in new]
        kept = [address for lower, address in new.items() if lower in old]
        is_private = bool(named & PRIVATE_MEMBERS) or has_extended
        if before["isDraft"]:
            added, kept = [*added, *kept], []
        elif not (named & MEETING_MEMBERS or (is_private and self._world.behaviour.private_changes_mail)):
            kept = self._retyped(before, item.props, kept) if "attendees" in named else []
        self._send(item, "cancel", removed, origin)
        self._send(item, "invite", added, origin)
        self._send(item, "update", kept, origin)
        if item.day is None and kept:
            for day in sorted(item.event.exceptions):
                one = occurrence(item.store, item.event, date.fromisoformat(day))
                self._mail(one, "update", list(addresses_in(one.props).values()), origin)

    def _retyped(self, before: dict[str, Any], after: dict[str, Any], kept: list[str]) -> list[str]:
        """Those whose own entry changed: required became optional, or the like."""
        types = {address_of(attendee): attendee["type"] for attendee in before["attendees"]}
        changed = {
            address_of(one) for one in after["attendees"] if types.get(address_of(one)) not in (None, one["type"])
        }
        return [address for address in kept if address.lower() in changed]

    # --- delete -----------------------------------------------------------------------------------------------

    def delete(self, item: Snapshot, origin: Origin) -> None:
        """Delete an item. An organizer's delete cancels the meeting for everyone."""
        event = item.event
        if item.day is not None:
            day = item.day.isoformat()
            event.exceptions = {other: changes for other, changes in event.exceptions.items() if other != day}
            event.cancelled = [*event.cancelled, day]
            self._world.record(item.store, event, "updated", origin.notifies)
        else:
            self._world.record(item.store, event, "deleted", origin.notifies)
        if event.is_organizer and not item.props["isDraft"]:
            self._send(item, "cancel", list(addresses_in(item.props).values()), origin)

    def cancel(self, item: Snapshot, origin: Origin) -> None:
        """Cancel a meeting or one occurrence. Raises GraphError ErrorInvalidRequest on an attendee's copy."""
        if not item.event.is_organizer:
            raise invalid_request("Your request can't be completed. You need to be an organizer to cancel a meeting.")
        self.delete(item, origin)

    def forward(self, item: Snapshot, addresses: list[str], origin: Origin) -> None:
        """Send the invitation on. Those who receive it get copies; the organizer's attendee list stays as it is."""
        organizer = item.event.organizer_address
        self._send(item, "invite", [address for address in addresses if address.lower() != organizer], origin)

    # --- what follows -----------------------------------------------------------------------------------------

    def _send(self, item: Snapshot, kind: MailKind, addresses: list[str], origin: Origin) -> None:
        """Mail these people and bring their copies up to date."""
        self._mail(item, kind, addresses, origin)
        for address in addresses:
            if kind == "cancel":
                self._copies.revoke(item, address, origin.notifies)
            else:
                self._copies.deliver(item, address, origin.notifies)

    def _mail(self, item: Snapshot, kind: MailKind, addresses: list[str], origin: Origin) -> None:
        if not origin.mails:
            return
        when = self._world.now()
        for address in addresses:
            mail = Mail(kind, address, item.id(), item.ical_uid, item.store.id, when, origin.client, origin.cause)
            self._world.mails.append(mail)

    def _arrive_join_url(self, payload: dict[str, Any]) -> None:
        store = self._world.store(payload["mailbox"])
        event = store.events.get(payload["key"])
        if event is None or not event.props["isOnlineMeeting"] or event.props["onlineMeeting"] is not None:
            return
        event.change(join_members(self._world, store.id, event.props["body"]["content"]))
        self._world.record(store, event, "updated")
        item = whole(store, event)
        for address in addresses_in(event.props).values():
            self._copies.deliver(item, address)


def duplicate_transaction(event_id: str) -> GraphError:
    """A transactionId that was used for another event."""
    return GraphError(
        400,
        "ErrorDuplicateTransactionId",
        "The transactionId has already been used to create a different event.",
        extra={"@event.existingEventId": event_id},
    )
