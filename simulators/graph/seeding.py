"""What happens to mailboxes without a Graph call: events are placed, people edit in Outlook, outsiders write."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from simulators.graph.answers import Answers, Reply
from simulators.graph.copies import cancelled_subject
from simulators.graph.event_input import NO_TIME, read_event
from simulators.graph.extended import merged, read_extensions, read_multi, read_single
from simulators.graph.meetings import Meetings, addresses_in, new_props
from simulators.graph.online_meeting import join_members, settle_online
from simulators.graph.prefer import Expansion
from simulators.graph.render import PLAIN, View, render_event
from simulators.graph.snapshot import find_item, has_day, occurrence, original_day, whole
from simulators.graph.store import MailboxStore, StoredEvent
from simulators.graph.world import Origin, World
from simulators.graph.zones import instant_text, parse_instant

_REPLIES = ("none", "organizer", "tentativelyAccepted", "accepted", "declined", "notResponded")


class Seeding:
    """Python-level writes for seeds, imports, the control surface and tests."""

    def __init__(self, world: World, meetings: Meetings, answers: Answers) -> None:
        self._world = world
        self._meetings = meetings
        self._answers = answers

    def add_event(self, mailbox: str, value: dict[str, Any], mails: bool, folder: int) -> str:
        """Place an event given as Graph JSON and return its id.

        Beside what a POST may hold, `organizer`, `iCalUId`, `isDraft`, `isCancelled`, `responseStatus`,
        `createdDateTime` and attendees' `status` count; for a series also `cancelledOccurrences` (texts that end in
        the original day) and `exceptionOccurrences` (events with `originalStart`), so what `events_of` gives can be
        placed again. An organizer elsewhere makes this an attendee's copy. Without
        `mails` nothing is mailed or notified, and people of the tenant who attend get copies with the answer the
        attendee list gives (a room: accepted).
        """
        store = self._world.store(mailbox)
        user = self._world.user(mailbox)
        own = {"name": user.display_name, "address": user.mail} if user is not None else {"name": "", "address": ""}
        organizer = value.get("organizer", {}).get("emailAddress") or own
        is_own = user is not None and str(organizer["address"]).lower() in user.addresses
        given = read_event(value)
        event = self._meetings.new_event(
            folder,
            new_props(given, {"name": organizer.get("name") or organizer["address"], "address": organizer["address"]}),
        )
        event.is_organizer = is_own
        event.change(self._given_states(value, event, is_own))
        if is_own:
            event.change(settle_online(self._world, store.id, given, None))
        elif given.get("isOnlineMeeting"):
            event.change({"onlineMeetingProvider": "teamsForBusiness"})
        if event.props["isOnlineMeeting"]:
            event.change(join_members(self._world, store.id, event.props["body"]["content"]))
        if isinstance(value.get("iCalUId"), str):
            event.ical_uid = value["iCalUId"]
        event.extended, event.multi_extended = merged({}, read_single(value)), merged({}, read_multi(value))
        event.extensions = read_extensions(value)
        if given.get("transactionId"):
            event.transaction = {"id": given["transactionId"], "digest": ""}
        created = parse_instant(str(value.get("createdDateTime", "")))
        if created is not None:
            event.created = created
        if event.is_series:
            self._place_instances(store, event, value)
        self._meetings.publish(store, event, Origin("seed", "seed", mails=mails, notifies=mails))
        if not mails and is_own:
            self._settle_answers(store, event)
        return store.event_id(event)

    def _place_instances(self, store: MailboxStore, event: StoredEvent, value: dict[str, Any]) -> None:
        """Give a placed series its deleted and edited occurrences. Raises ValueError for days it does not have."""
        days = [date.fromisoformat(str(text)[-10:]) for text in value.get("cancelledOccurrences") or []]
        for given in value.get("exceptionOccurrences") or []:
            start = parse_instant(str(given.get("originalStart", "")))
            if start is None:
                raise ValueError("an exception needs its originalStart")
            day = original_day(event, start)
            item = occurrence(store, event, day)
            named = {name: member for name, member in given.items() if name != "recurrence"}
            made = self._meetings.changes_of(item, read_event(named))
            own = {name: member for name, member in made.items() if member != item.props.get(name)}
            times = {name: made.get(name, item.props[name]) for name in ("start", "end")}
            event.exceptions[day.isoformat()] = {**times, **own}
            days.append(day)
        for day in days:
            if not has_day(event, day):
                raise ValueError(f"the series has no occurrence on {day}")
        event.cancelled = [str(text)[-10:] for text in value.get("cancelledOccurrences") or []]

    def _given_states(self, value: dict[str, Any], event: StoredEvent, is_own: bool) -> dict[str, Any]:
        attendees = []
        for stored, given in zip(event.props["attendees"], value.get("attendees") or [], strict=True):
            status = given.get("status") or {}
            reply = status.get("response", "none")
            if reply not in _REPLIES:
                raise ValueError(f"unknown response {reply!r}")
            default_time = NO_TIME if reply in ("none", "notResponded") else instant_text(event.created)
            attendees.append({**stored, "status": {"response": reply, "time": status.get("time") or default_time}})
        default = {"response": "organizer" if is_own else "notResponded", "time": NO_TIME}
        return {
            "attendees": attendees,
            "isCancelled": bool(value.get("isCancelled", False)),
            "isDraft": bool(value.get("isDraft", False)) and bool(attendees),
            "responseStatus": {**default, **(value.get("responseStatus") or {})},
        }

    def _settle_answers(self, store: MailboxStore, event: StoredEvent) -> None:
        """Bring the copies of a placed meeting to the answers its attendee list gives."""
        attendees = []
        for attendee in event.props["attendees"]:
            mailbox = self._world.mailbox_at(attendee["emailAddress"]["address"])
            if mailbox in self._world.rooms and attendee["status"]["response"] in ("none", "notResponded"):
                attendee = {**attendee, "status": {"response": "accepted", "time": instant_text(event.created)}}
            attendees.append(attendee)
            copy = None if mailbox in (None, store.id) else self._world.store(str(mailbox)).by_ical_uid(event.ical_uid)
            if copy is None:
                continue
            reply = attendee["status"]["response"]
            copy_store = self._world.store(str(mailbox))
            if reply == "declined":
                self._world.record(copy_store, copy, "deleted", notifies=False)
            elif reply in ("accepted", "tentativelyAccepted"):
                shows = "busy" if reply == "accepted" else "tentative"
                copy.change({"responseStatus": attendee["status"], "showAs": shows})
        event.change({"attendees": attendees})

    def edit_event(self, mailbox: str, event_id: str, changes: dict[str, Any], mails: bool, client: str) -> None:
        """Someone edits an event in Outlook: like a PATCH, with the mails as chosen there.

        `isDraft: true` leaves the change unsent: no mail goes out and no copy follows.
        """
        store = self._world.store(mailbox)
        item = find_item(store, event_id)
        single = read_single(changes)
        given = read_event(changes)
        if changes.get("isDraft") and item.event.is_organizer and item.day is None:
            made = self._meetings.changes_of(item, given)
            item.event.change({**made, "isDraft": bool(addresses_in({**item.props, **made}))})
            item.event.extended = merged(item.event.extended, single)
            self._world.record(store, item.event, "updated")
            return
        if single is not None and item.day is not None:
            given["_extended"] = merged(item.props.get("_extended", {}), single)
        self._meetings.patch(item, given, Origin(client, "edit in Outlook", mails=mails), bool(single))
        if single is not None and item.day is None:
            item.event.extended = merged(item.event.extended, single)

    def remove_event(self, mailbox: str, event_id: str, client: str) -> None:
        """Someone deletes an event in Outlook; an organizer's meeting is cancelled."""
        self._meetings.delete(find_item(self._world.store(mailbox), event_id), Origin(client, "delete in Outlook"))

    def receive(self, mailbox: str, event_id: str, changes: dict[str, Any], is_cancelled: bool) -> None:
        """An outside organizer's update or cancellation reaches an attendee's copy."""
        store = self._world.store(mailbox)
        item = find_item(store, event_id)
        given = self._meetings.changes_of(item, read_event(changes))
        if is_cancelled:
            subject = cancelled_subject(given.get("subject", item.props["subject"]))
            given |= {"isCancelled": True, "subject": subject, "showAs": "free"}
        if item.day is not None:
            day = item.day.isoformat()
            times = {name: item.props[name] for name in ("start", "end")}
            own = item.event.exceptions.get(day, {})
            item.event.exceptions = {**item.event.exceptions, day: {**times, **own, **given}}
        else:
            item.event.change(given)
        self._world.record(store, item.event, "updated")

    def answer(self, mailbox: str, event_id: str, address: str, reply: Reply) -> bool:
        """Someone's answer reaches the organizer's copy now. False when the address does not attend."""
        store = self._world.store(mailbox)
        item = find_item(store, event_id)
        payload = {"reply": reply, "addresses": [address.lower()]}
        return self._answers.note(store, item.event, item.day, payload)


def whole_json(store: MailboxStore, event: StoredEvent) -> dict[str, Any]:
    """Everything there is about a single event or a series, expanded: for comparison from outside."""
    item = whole(store, event)
    everything = Expansion(frozenset(event.extended), frozenset(event.multi_extended), frozenset())
    value = render_event(item, View(PLAIN.prefer, None, everything))
    if event.is_series:
        value["cancelledOccurrences"] = [f"OID.{value['id']}.{day}" for day in sorted(event.cancelled)]
        changed = (occurrence(store, event, date.fromisoformat(day)) for day in sorted(event.exceptions))
        value["exceptionOccurrences"] = [render_event(one) for one in changed]
    return value


def utc_now_text(moment: datetime) -> str:
    """A moment as the error bodies print it: UTC without fraction or offset."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
