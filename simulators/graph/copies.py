"""Attendees' copies: what arrives in the other mailboxes when an organizer invites, updates or cancels."""

from __future__ import annotations

from typing import Any, Final

from simulators.graph import ids
from simulators.graph.event_input import NO_TIME
from simulators.graph.snapshot import Snapshot
from simulators.graph.store import DEFAULT_FOLDER, MailboxStore, StoredEvent
from simulators.graph.world import World

CANCELED: Final = "Canceled: "
_SHARED: Final = (
    "subject", "body", "bodyPreview", "start", "end", "isAllDay", "location", "locations", "recurrence", "attendees",
    "organizer", "isOnlineMeeting", "onlineMeetingProvider", "onlineMeeting", "responseRequested", "importance",
    "allowNewTimeProposals", "hideAttendees", "originalStartTimeZone", "originalEndTimeZone", "sensitivity",
)  # fmt: skip
"""Members of a meeting that an organizer's update overwrites in every copy."""


class Copies:
    """Keeps the copies of a meeting in the attendees' mailboxes. Called by the organizer's writes only."""

    def __init__(self, world: World) -> None:
        self._world = world

    def deliver(self, item: Snapshot, address: str, notifies: bool = True) -> None:
        """Bring an attendee's copy up to the organizer's state, creating it when needed. Outside addresses: nothing."""
        mailbox = self._world.mailbox_at(address)
        if mailbox is None or mailbox == item.store.id:
            return
        store = self._world.store(mailbox)
        is_moved = True
        series = store.by_ical_uid(item.event.ical_uid) if item.day is not None else None
        if series is not None and series.is_series and item.day is not None:
            self._update_occurrence(store, series, item, notifies)
        else:
            copy = store.by_ical_uid(item.ical_uid)
            shared = self._shared(item, mailbox)
            if copy is None:
                self._create(store, item, shared, notifies)
            else:
                is_moved = any(copy.props[name] != shared[name] for name in ("start", "end", "isAllDay", "recurrence"))
                self._overwrite(store, copy, item, shared, notifies)
        room = self._world.rooms.get(mailbox)
        if room is not None and room.auto_accept and is_moved:
            payload = {"room": mailbox, "ical_uid": item.event.ical_uid if item.day is not None else item.ical_uid}
            self._world.plan(self._world.behaviour.room_answer_s, "room_answer", payload)

    def revoke(self, item: Snapshot, address: str, notifies: bool = True) -> None:
        """Mark an attendee's copy as cancelled. A room takes a cancelled meeting out of its calendar itself."""
        mailbox = self._world.mailbox_at(address)
        if mailbox is None or mailbox == item.store.id:
            return
        store = self._world.store(mailbox)
        if item.day is not None:
            series = store.by_ical_uid(item.event.ical_uid)
            if series is not None and series.is_series:
                self._cancel_occurrence(store, series, item, notifies)
                return
        copy = store.by_ical_uid(item.ical_uid)
        if copy is None:
            return
        if mailbox in self._world.rooms:
            self._world.record(store, copy, "deleted", notifies)
            return
        copy.change(cancelled(copy.props))
        copy.exceptions = {day: {**changes, **cancelled(changes)} for day, changes in copy.exceptions.items()}
        self._world.record(store, copy, "updated", notifies)

    def _shared(self, item: Snapshot, mailbox: str) -> dict[str, Any]:
        shared = {name: item.props[name] for name in _SHARED}
        shared["attendees"] = self._as_seen_by(mailbox, shared["attendees"], shared["hideAttendees"])
        return shared

    def _as_seen_by(self, mailbox: str, attendees: list[dict[str, Any]], is_hidden: bool) -> list[dict[str, Any]]:
        """The attendee list in someone's copy: no answers of others, and only himself when the list is hidden."""
        unanswered = [
            {name: value for name, value in attendee.items() if name != "proposedNewTime"}
            | {"status": {"response": "none", "time": NO_TIME}}
            for attendee in attendees
        ]
        if not is_hidden:
            return unanswered
        return [one for one in unanswered if self._world.mailbox_at(one["emailAddress"]["address"]) == mailbox]

    def _create(self, store: MailboxStore, item: Snapshot, shared: dict[str, Any], notifies: bool) -> None:
        now = self._world.now()
        copy = StoredEvent(
            key=ids.mint_key(self._world.rng),
            folder=DEFAULT_FOLDER,
            ical_uid=item.ical_uid,
            is_organizer=False,
            props={
                **shared,
                "showAs": "tentative",
                "categories": [],
                "isReminderOn": True,
                "reminderMinutesBeforeStart": 15,
                "isCancelled": False,
                "isDraft": False,
                "responseStatus": {"response": "notResponded", "time": NO_TIME},
            },
            created=now,
            modified=now,
        )
        self._mirror_instances(copy, item, store.id)
        self._world.record(store, copy, "created", notifies)

    def _overwrite(
        self, store: MailboxStore, copy: StoredEvent, item: Snapshot, shared: dict[str, Any], notifies: bool
    ) -> None:
        changes: dict[str, Any] = {**shared, "isCancelled": False}
        if copy.props["isCancelled"]:
            changes |= {"showAs": "tentative", "responseStatus": {"response": "notResponded", "time": NO_TIME}}
        copy.change(changes)
        self._mirror_instances(copy, item, store.id)
        self._world.record(store, copy, "updated", notifies)

    def _mirror_instances(self, copy: StoredEvent, item: Snapshot, mailbox: str) -> None:
        """Give the copy of a series the organizer's exceptions and deleted occurrences."""
        if item.day is not None or not item.event.is_series:
            return
        mirrored = {}
        for day, changes in item.event.exceptions.items():
            mirrored[day] = self._shared_changes(changes, item.event.props["hideAttendees"], mailbox)
        copy.exceptions = {day: changes for day, changes in mirrored.items() if changes}
        copy.cancelled = list(item.event.cancelled)

    def _shared_changes(self, changes: dict[str, Any], is_hidden: bool, mailbox: str) -> dict[str, Any]:
        shared = {name: value for name, value in changes.items() if name in _SHARED}
        if "attendees" in shared:
            shared["attendees"] = self._as_seen_by(mailbox, shared["attendees"], is_hidden)
        return shared

    def _update_occurrence(self, store: MailboxStore, series: StoredEvent, item: Snapshot, notifies: bool) -> None:
        day = str(item.day)
        changes = self._shared_changes(item.event.exceptions.get(day, {}), item.props["hideAttendees"], store.id)
        own = series.exceptions.get(day, {})
        kept: dict[str, Any] = {name: own[name] for name in ("responseStatus", "showAs", "categories") if name in own}
        series.exceptions = {**series.exceptions, day: {**kept, **changes, "isCancelled": False}}
        series.cancelled = [other for other in series.cancelled if other != day]
        self._world.record(store, series, "updated", notifies)

    def _cancel_occurrence(self, store: MailboxStore, series: StoredEvent, item: Snapshot, notifies: bool) -> None:
        day = str(item.day)
        if store.id in self._world.rooms:
            series.exceptions = {other: changes for other, changes in series.exceptions.items() if other != day}
            series.cancelled = [*series.cancelled, day]
        else:
            subject = cancelled_subject(item.props["subject"])
            changes = {**series.exceptions.get(day, {}), "isCancelled": True, "subject": subject, "showAs": "free"}
            series.exceptions = {**series.exceptions, day: changes}
        self._world.record(store, series, "updated", notifies)


def cancelled(props: dict[str, Any]) -> dict[str, Any]:
    """What a cancellation changes; an occurrence without a subject of its own has its series'."""
    subject = {"subject": cancelled_subject(props["subject"])} if "subject" in props else {}
    return {"isCancelled": True, "showAs": "free", **subject}


def cancelled_subject(subject: str | None) -> str:
    """The subject of a cancelled copy."""
    return subject if subject is not None and subject.startswith(CANCELED) else f"{CANCELED}{subject or ''}"
