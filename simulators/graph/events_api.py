"""The calls on single events: create, read, change, delete, and the actions of a meeting."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from simulators.graph.answers import Answers, Reply
from simulators.graph.calendars import calendar_json
from simulators.graph.call import Call, key_text, no_content
from simulators.graph.errors import conflict, invalid_parameter, resource_not_found, unreadable_body
from simulators.graph.event_input import read_event, read_recipient
from simulators.graph.extended import extension_name, merged, read_extension, read_extensions, read_multi, read_single
from simulators.graph.listing import read_window
from simulators.graph.meetings import Meetings, duplicate_transaction
from simulators.graph.primitives import read_boolean
from simulators.graph.render import View, etag, render_event
from simulators.graph.snapshot import Snapshot, find_item, instances, whole
from simulators.graph.store import MailboxStore, StoredEvent
from simulators.graph.world import Origin, World
from simulators.graph.zones import read_date_time_zone
from simulators.http import Response


class EventsApi:
    """Calls on one event or on the collection's POST."""

    def __init__(self, world: World, meetings: Meetings, answers: Answers) -> None:
        self._world = world
        self._meetings = meetings
        self._answers = answers
        self.actions: dict[str, Callable[[Call, Snapshot], Response]] = {
            "cancel": self._cancel,
            "accept": lambda call, item: self._respond(call, item, "accepted"),
            "tentativelyaccept": lambda call, item: self._respond(call, item, "tentativelyAccepted"),
            "decline": lambda call, item: self._respond(call, item, "declined"),
            "forward": self._forward,
            "snoozereminder": self._snooze,
            "dismissreminder": self._dismiss,
            "permanentdelete": lambda call, item: self.delete(call, item),
        }

    # --- create and read --------------------------------------------------------------------------------------

    def create(self, call: Call, store: MailboxStore, folder: int) -> Response:
        """POST /events."""
        body = call.body()
        prefer = call.prefer
        given = read_event(body)
        self._check_subject(given)
        transaction_id = given.get("transactionId")
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        if transaction_id:
            existing = store.by_transaction(transaction_id)
            if existing is not None and existing.transaction is not None:
                if existing.transaction["digest"] != digest:
                    raise duplicate_transaction(store.event_id(existing, prefer.immutable_ids))
                return self._answer(call, whole(store, existing), 201)
        single, multi, extensions = read_single(body), read_multi(body), read_extensions(body)
        event = self._meetings.create(store, folder, given)
        event.extended, event.multi_extended = merged({}, single), merged({}, multi)
        event.extensions = extensions
        if transaction_id:
            event.transaction = {"id": transaction_id, "digest": digest}
        self._meetings.publish(store, event, self._origin(call, "POST event"))
        item = whole(store, event)
        location = f"{call.root}/users/{key_text(call.segments[1])}/events/{key_text(item.id(prefer.immutable_ids))}"
        return self._answer(call, item, 201, {"location": location})

    def read(self, call: Call, item: Snapshot) -> Response:
        """GET /events/{id}."""
        view = call.view(is_single=True)
        value = render_event(item, view)
        if "calendar" in view.expand.relations:
            value["calendar"] = calendar_json(self._world, item.store, item.store.calendars[item.event.folder])
        if "instances" in view.expand.relations:
            start, end = read_window(call)
            is_series = item.day is None and item.event.is_series
            found = instances(item.store, item.event, start, end) if is_series else ()
            value["instances"] = [render_event(one, View(call.prefer)) for one in found]
        return Response.of_json(200, {"@odata.context": self._context(call), **value})

    def _answer(self, call: Call, item: Snapshot, status: int, headers: dict[str, str] | None = None) -> Response:
        """The item after a write: every member, but nothing that would have to be expanded."""
        value = render_event(item, View(call.prefer))
        return Response.of_json(status, {"@odata.context": self._context(call), **value}, headers)

    def _context(self, call: Call) -> str:
        return call.context(f"users('{key_text(call.segments[1])}')/events/$entity")

    # --- change -----------------------------------------------------------------------------------------------

    def patch(self, call: Call, item: Snapshot) -> Response:
        """PATCH /events/{id}."""
        self._check_version(call, item)
        body = call.body()
        given = read_event(body)
        self._check_subject(given)
        _ = call.prefer
        single, multi = read_single(body), read_multi(body)
        event = item.event
        if single is not None and item.day is not None:
            given["_extended"] = merged(item.props.get("_extended", {}), single)
        cause = "PATCH " + ",".join(sorted(name for name in body if "@" not in name))
        old = (event.extended, event.multi_extended)
        if item.day is None:
            event.extended = merged(event.extended, single)
            event.multi_extended = merged(event.multi_extended, multi)
        try:
            after = self._meetings.patch(item, given, self._origin(call, cause), has_extended=bool(single or multi))
        except Exception:
            event.extended, event.multi_extended = old
            raise
        return self._answer(call, after, 200)

    def delete(self, call: Call, item: Snapshot) -> Response:
        """DELETE /events/{id}."""
        if self._world.behaviour.delete_checks_version:
            self._check_version(call, item)
        self._meetings.delete(item, self._origin(call, "DELETE event"))
        return no_content()

    def _check_version(self, call: Call, item: Snapshot) -> None:
        wanted = call.request.header("if-match").strip()
        if wanted and wanted != "*":
            held = etag(item).removeprefix("W/").strip('"')
            if wanted.removeprefix("W/").strip('"') not in (held, item.event.change_key):
                raise conflict()
        elif self._world.chance(self._world.behaviour.transient_conflict, "transient_conflict"):
            raise conflict()

    def _check_subject(self, given: dict[str, Any]) -> None:
        most = self._world.behaviour.subject_length_max
        if most is not None and len(given.get("subject") or "") > most:
            raise unreadable_body(f"The subject is longer than {most} characters.")

    def _origin(self, call: Call, cause: str) -> Origin:
        return Origin(call.caller.name, cause)

    # --- actions ----------------------------------------------------------------------------------------------

    def act(self, call: Call, store: MailboxStore, event_id: str, action: str) -> Response:
        """POST /events/{id}/{action}."""
        found = self.actions.get(action.lower())
        if found is None:
            raise resource_not_found(f"Resource not found for the segment '{action}'.")
        return found(call, find_item(store, event_id))

    def _cancel(self, call: Call, item: Snapshot) -> Response:
        call.parameters()
        self._meetings.cancel(item, self._origin(call, "cancel"))
        return no_content(202)

    def _respond(self, call: Call, item: Snapshot, reply: Reply) -> Response:
        given = call.parameters()
        answer = given.get("sendresponse")
        send_response = answer is None or read_boolean(answer, "sendResponse")
        proposed = given.get("proposednewtime")
        if proposed is not None:
            if not isinstance(proposed, dict) or reply == "accepted":
                raise invalid_parameter("proposedNewTime cannot be used here.")
            proposed = {end: read_date_time_zone(proposed.get(end), end) for end in ("start", "end")}
        self._answers.respond(item, reply, send_response, proposed, self._origin(call, reply))
        return no_content(202)

    def _forward(self, call: Call, item: Snapshot) -> Response:
        recipients = call.parameters().get("torecipients")
        if not isinstance(recipients, list) or not recipients:
            raise invalid_parameter("ToRecipients must not be empty.")
        addresses = [
            read_recipient(one.get("emailAddress") if isinstance(one, dict) else None, "toRecipients")["address"]
            for one in recipients
        ]
        self._meetings.forward(item, addresses, self._origin(call, "forward"))
        return no_content(202)

    def _snooze(self, call: Call, item: Snapshot) -> Response:
        read_date_time_zone(call.parameters().get("newremindertime"), "newReminderTime")
        return no_content(200)

    def _dismiss(self, call: Call, item: Snapshot) -> Response:
        return no_content(200)

    # --- open extensions --------------------------------------------------------------------------------------

    def extensions(self, call: Call, store: MailboxStore, item: Snapshot, name: str | None) -> Response:
        """Everything under /events/{id}/extensions."""
        event, method = item.event, call.request.method
        if name is None:
            if method == "GET":
                return Response.of_json(200, {"value": list(event.extensions.values())})
            if method == "POST":
                extension = read_extension(call.body())
                return self._set_extension(store, event, extension["extensionName"], extension, 201)
        elif method in ("GET", "PATCH", "DELETE"):
            stored = extension_name(name, event.extensions)
            if method == "GET":
                return Response.of_json(200, event.extensions[stored])
            if method == "PATCH":
                changed = read_extension({**event.extensions[stored], **call.body(), "extensionName": stored})
                return self._set_extension(store, event, stored, changed, 200)
            event.extensions = {key: value for key, value in event.extensions.items() if key != stored}
            self._world.record(store, event, "updated")
            return no_content()
        raise resource_not_found("No such operation on extensions.")

    def _set_extension(
        self, store: MailboxStore, event: StoredEvent, name: str, value: dict[str, Any], status: int
    ) -> Response:
        event.extensions = {**event.extensions, name: value}
        self._world.record(store, event, "updated")
        return Response.of_json(status, value)
