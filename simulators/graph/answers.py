"""Answers to invitations: an attendee's own copy at once, the organizer's list later; rooms go by their free/busy."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final, Literal

from simulators.graph.errors import invalid_parameter, invalid_request
from simulators.graph.meetings import address_of
from simulators.graph.snapshot import Snapshot, in_window, instances, occurrence, whole
from simulators.graph.store import DEFAULT_FOLDER, MailboxStore, StoredEvent
from simulators.graph.world import Origin, World
from simulators.graph.zones import instant_text

Reply = Literal["accepted", "tentativelyAccepted", "declined"]

_FREE: Final = frozenset({"free", "workingElsewhere", "unknown"})

# How far ahead a room looks when it answers a series, in days; real rooms have a booking window of this length.
BOOKING_WINDOW_DAYS: Final = 180


class Answers:
    """Carries answers from attendees' copies to the organizer, each after the service's delay."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.tasks["answer"] = self._arrive
        world.tasks["room_answer"] = self._room_answers

    def respond(
        self, item: Snapshot, reply: Reply, send_response: bool, proposed: dict[str, Any] | None, origin: Origin
    ) -> None:
        """Answer an invitation from the attendee's copy. Declining takes the copy out of the calendar.

        Raises GraphError on one's own event, and for a proposed time that is not allowed.
        """
        if item.event.is_organizer:
            raise invalid_request(
                "Your request can't be completed. You can't respond to this meeting because you're the organizer."
            )
        if proposed is not None and not send_response:
            raise invalid_parameter("A new time can only be proposed with a response that is sent.")
        if proposed is not None and not item.props["allowNewTimeProposals"]:
            raise invalid_request("The meeting organizer does not allow new time proposals.")
        self._own_copy(item, reply)
        if send_response:
            user = self._world.user(item.store.id)
            payload = {
                "organizer": item.event.organizer_address,
                "ical_uid": item.event.ical_uid,
                "day": item.day.isoformat() if item.day is not None else None,
                "addresses": list(user.addresses) if user is not None else [],
                "reply": reply,
                "proposed": proposed,
            }
            self._world.plan(self._world.behaviour.attendee_answer_s, "answer", payload)

    def _own_copy(self, item: Snapshot, reply: Reply) -> None:
        store, event = item.store, item.event
        day = item.day.isoformat() if item.day is not None else None
        if reply == "declined":
            if day is None:
                self._world.record(store, event, "deleted")
                return
            event.exceptions = {other: changes for other, changes in event.exceptions.items() if other != day}
            event.cancelled = [*event.cancelled, day]
        else:
            status = {"response": reply, "time": instant_text(self._world.now())}
            changes: dict[str, Any] = {"responseStatus": status}
            if item.props["showAs"] in ("tentative", "busy"):
                changes["showAs"] = "busy" if reply == "accepted" else "tentative"
            if day is None:
                event.change(changes)
            else:
                times = {name: item.props[name] for name in ("start", "end")}
                event.exceptions = {**event.exceptions, day: {**times, **event.exceptions.get(day, {}), **changes}}
        self._world.record(store, event, "updated")

    def _arrive(self, payload: dict[str, Any]) -> None:
        mailbox = self._world.mailbox_at(payload["organizer"])
        if mailbox is None:
            return
        store = self._world.store(mailbox)
        event = store.by_ical_uid(payload["ical_uid"])
        if event is not None:
            day = date.fromisoformat(payload["day"]) if payload["day"] else None
            self.note(store, event, day, payload)

    def note(self, store: MailboxStore, event: StoredEvent, day: date | None, payload: dict[str, Any]) -> bool:
        """Write an answer into the organizer's attendee list. False when nobody there has the answering address."""
        item = whole(store, event) if day is None else occurrence(store, event, day)
        status = {"response": payload["reply"], "time": instant_text(self._world.now())}
        attendees = []
        is_found = False
        for attendee in item.props["attendees"]:
            if address_of(attendee) in payload["addresses"]:
                is_found = True
                attendee = {**attendee, "status": status}
                if payload.get("proposed") is not None:
                    attendee["proposedNewTime"] = payload["proposed"]
            attendees.append(attendee)
        if not is_found:
            return False
        if day is None:
            event.change({"attendees": attendees})
        else:
            own = event.exceptions.get(day.isoformat(), {})
            times = {name: item.props[name] for name in ("start", "end")}
            event.exceptions = {**event.exceptions, day.isoformat(): {**times, **own, "attendees": attendees}}
        self._world.record(store, event, "updated")
        return True

    # --- rooms ------------------------------------------------------------------------------------------------

    def _room_answers(self, payload: dict[str, Any]) -> None:
        store = self._world.store(payload["room"])
        event = store.by_ical_uid(payload["ical_uid"])
        if event is None or event.props["isCancelled"]:
            return
        reply: Reply = "accepted" if self._room_is_free(store, event) else "declined"
        self.respond(whole(store, event), reply, True, None, Origin("room", "room answers"))

    def _room_is_free(self, store: MailboxStore, event: StoredEvent) -> bool:
        if event.is_series:
            until = event.span[0] + timedelta(days=BOOKING_WINDOW_DAYS)
            wanted = list(instances(store, event, event.span[0], until))
        else:
            wanted = [whole(store, event)]
        return not any(self._is_taken(store, event, item) for item in wanted)

    def _is_taken(self, store: MailboxStore, event: StoredEvent, item: Snapshot) -> bool:
        return any(
            other.event is not event and _blocks(other) for other in in_window(store, DEFAULT_FOLDER, *item.span)
        )


def _blocks(item: Snapshot) -> bool:
    """Whether an item in a room's calendar takes the room: bookings that are merely invited do not."""
    accepted = item.event.is_organizer or item.props["responseStatus"]["response"] == "accepted"
    return accepted and item.props["showAs"] not in _FREE and not item.props["isCancelled"]
