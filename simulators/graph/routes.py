"""From a path to the call that answers it, with the checks that come first: mailbox, scope, permission."""

from __future__ import annotations

from collections.abc import Callable

from simulators.graph.calendars import calendar_json
from simulators.graph.call import Call, key_text, no_content
from simulators.graph.delta import DeltaReader
from simulators.graph.directory import Directory
from simulators.graph.errors import GraphError, access_denied, invalid_request, resource_not_found
from simulators.graph.events_api import EventsApi
from simulators.graph.listing import count_events, list_events, list_instances, list_view
from simulators.graph.paths import without_namespace
from simulators.graph.schedule import get_schedule
from simulators.graph.snapshot import find_item
from simulators.graph.store import DEFAULT_FOLDER, Calendar, MailboxStore
from simulators.graph.subscriptions import Subscriptions
from simulators.graph.tenant import User
from simulators.graph.world import World
from simulators.http import Response


class Router:
    """Answers one authenticated Graph call. Raises GraphError for everything that is refused."""

    def __init__(
        self,
        world: World,
        events: EventsApi,
        delta: DeltaReader,
        directory: Directory,
        subscriptions: Subscriptions,
    ) -> None:
        self._world = world
        self._subscriptions = subscriptions
        self._events = events
        self._delta = delta
        self._directory = directory

    def answer(self, call: Call) -> Response:
        """Find the collection and hand the call on."""
        segments = call.segments
        head = segments[0].lower() if segments else ""
        if head == "users":
            return self._users(call)
        if head == "places":
            _need(call, "GET")
            _permit(call, "Place.Read.All", is_directory=True)
            return self._directory.places(call)
        if head == "subscriptions":
            _permit(call, "Calendars.ReadWrite")
            return self._subscriptions.answer(call, self.open_mailbox)
        if head == "me":
            raise GraphError(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        raise GraphError(400, "BadRequest", f"Resource not found for the segment '{segments[0] if segments else ''}'.")

    def _users(self, call: Call) -> Response:
        segments = call.segments
        if len(segments) <= 2:
            _need(call, "GET")
            _permit(call, "User.Read.All", is_directory=True)
            if len(segments) == 1:
                return self._directory.list_users(call)
            if segments[1].lower() == "$count":
                return self._directory.count_users(call)
            return self._directory.one_user(call)
        user = self.open_mailbox(call, segments[1])
        store = self._world.store(user.id)
        rest = [without_namespace(segment) for segment in segments[2:]]
        first = rest[0].lower()
        if first == "mailboxsettings":
            _need(call, "GET")
            _permit(call, "MailboxSettings.Read")
            return self._directory.mailbox_settings(call, user, rest[1] if len(rest) > 1 else None)
        if first == "outlook" and len(rest) == 2 and rest[1].lower().startswith("supportedtimezones"):
            _need(call, "GET")
            return self._directory.time_zones(call, rest[1])
        _permit(call, "Calendars.ReadWrite")
        if first == "translateexchangeids" and len(rest) == 1:
            _need(call, "POST")
            return translate_ids(call, store)
        return self._calendars(call, store, rest)

    def open_mailbox(self, call: Call, name: str) -> User:
        """The user whose mailbox a call may enter. Raises GraphError 404 or 403."""
        user = self._world.user(name)
        if user is None:
            raise GraphError(404, "ErrorInvalidUser", f"The requested user '{name}' is invalid.")
        if not user.mailbox_enabled:
            raise GraphError(
                404,
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            )
        scope = call.caller.app.mailboxes
        is_outside = scope is not None and user.id.lower() not in {mailbox.lower() for mailbox in scope}
        if is_outside or user.id.lower() in self._world.out_of_scope:
            raise access_denied("Access to OData is disabled.")
        return user

    def _calendars(self, call: Call, store: MailboxStore, rest: list[str]) -> Response:
        first = rest[0].lower()
        if first == "calendars" and len(rest) == 1:
            return self._calendar_collection(call, store)
        folder: int | None = None
        if first == "calendar":
            folder, rest = DEFAULT_FOLDER, rest[1:]
        elif first == "calendars":
            folder, rest = store.find_calendar(rest[1]).number, rest[2:]
        if not rest:
            return self._calendar(call, store, store.calendars[folder or DEFAULT_FOLDER])
        first = rest[0].lower()
        if first == "calendarview":
            return self._view(call, store, DEFAULT_FOLDER if folder is None else folder, rest[1:])
        if first == "events":
            return self._event_paths(call, store, folder, rest[1:])
        if first == "getschedule" and len(rest) == 1:
            _need(call, "POST")
            return get_schedule(call, self._world)
        raise resource_not_found(f"Resource not found for the segment '{rest[0]}'.")

    def _view(self, call: Call, store: MailboxStore, folder: int, rest: list[str]) -> Response:
        _need(call, "GET")
        if not rest:
            return list_view(call, store, folder)
        if rest == ["delta"]:
            return self._delta.answer(call, store, folder)
        if len(rest) == 1:
            return self._events.read(call, find_item(store, rest[0]))
        raise resource_not_found(f"Resource not found for the segment '{rest[1]}'.")

    def _event_paths(self, call: Call, store: MailboxStore, folder: int | None, rest: list[str]) -> Response:
        own = DEFAULT_FOLDER if folder is None else folder
        if not rest:
            _need(call, "GET", "POST")
            return (
                list_events(call, store, own) if call.request.method == "GET" else self._events.create(call, store, own)
            )
        if rest == ["$count"]:
            _need(call, "GET")
            return count_events(call, store, own)
        if rest == ["delta"]:
            _need(call, "GET")
            return self._delta.answer(call, store, own)
        item = find_item(store, rest[0])
        if folder is not None and item.event.folder != folder:
            raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        if len(rest) == 1:
            _need(call, "GET", "PATCH", "DELETE")
            return {"GET": self._events.read, "PATCH": self._events.patch, "DELETE": self._events.delete}[
                call.request.method
            ](call, item)
        return self._below_event(call, store, rest)

    def _below_event(self, call: Call, store: MailboxStore, rest: list[str]) -> Response:
        name = rest[1].lower()
        item = find_item(store, rest[0])
        if name == "instances" and len(rest) == 2:
            _need(call, "GET")
            return list_instances(call, item)
        if name == "extensions" and len(rest) <= 3:
            return self._events.extensions(call, store, item, rest[2] if len(rest) == 3 else None)
        if name == "calendar" and len(rest) == 2:
            _need(call, "GET")
            return self._calendar(call, store, store.calendars[item.event.folder])
        if name == "attachments" and len(rest) == 2 and call.request.method == "GET":
            return Response.of_json(200, {"value": []})
        if len(rest) == 2:
            _need(call, "POST")
            return self._events.act(call, store, rest[0], rest[1])
        raise resource_not_found(f"Resource not found for the segment '{rest[2]}'.")

    # --- calendars --------------------------------------------------------------------------------------------

    def _calendar_collection(self, call: Call, store: MailboxStore) -> Response:
        _need(call, "GET", "POST")
        context = f"users('{key_text(call.segments[1])}')/calendars"
        if call.request.method == "POST":
            name = call.body().get("name")
            if not isinstance(name, str) or not name:
                raise invalid_request("A calendar needs a name.")
            if any(calendar.name.lower() == name.lower() for calendar in store.calendars.values()):
                raise GraphError(409, "ErrorFolderExists", "A folder with the specified name already exists.")
            calendar = store.add_calendar(name, self._world.mint_change_key())
            value = calendar_json(self._world, store, calendar)
            return Response.of_json(201, {"@odata.context": call.context(f"{context}/$entity"), **value})
        values = [calendar_json(self._world, store, calendar) for calendar in store.calendars.values()]
        return Response.of_json(200, {"@odata.context": call.context(context), "value": values})

    def _calendar(self, call: Call, store: MailboxStore, calendar: Calendar) -> Response:
        _need(call, "GET", "PATCH", "DELETE")
        if call.request.method == "DELETE":
            if calendar.number == DEFAULT_FOLDER:
                raise invalid_request("Your request can't be completed. The default calendar can't be deleted.")
            for event in store.in_folder(calendar.number):
                self._world.record(store, event, "deleted")
            del store.calendars[calendar.number]
            return no_content()
        if call.request.method == "PATCH":
            name = call.body().get("name")
            if isinstance(name, str) and name:
                calendar.name, calendar.change_key = name, self._world.mint_change_key()
        context = call.context(f"users('{key_text(call.segments[1])}')/calendars/$entity")
        return Response.of_json(200, {"@odata.context": context, **calendar_json(self._world, store, calendar)})


def _need(call: Call, *methods: str) -> None:
    if call.request.method not in methods:
        raise GraphError(
            405,
            "MethodNotAllowed",
            f"The method {call.request.method} is not allowed here.",
            headers={"allow": ", ".join(methods)},
        )


def _permit(call: Call, role: str, is_directory: bool = False) -> None:
    if role in call.caller.app.roles:
        return
    if is_directory:
        raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    raise access_denied()


def translate_ids(call: Call, store: MailboxStore) -> Response:
    """POST /users/{id}/translateExchangeIds, between the regular and the immutable form."""
    given = call.body()
    wanted = str(given.get("targetIdType", "")).lower()
    inputs = given.get("inputIds")
    if not isinstance(inputs, list) or len(inputs) > 1000 or wanted not in ("restid", "restimmutableentryid"):
        raise invalid_request(
            "inputIds must hold at most 1000 ids, and targetIdType be restId or restImmutableEntryId."
        )
    translate: Callable[[str], str] = lambda text: find_item(store, text).id(wanted == "restimmutableentryid")  # noqa: E731
    value = [{"sourceId": text, "targetId": translate(str(text))} for text in inputs]
    return Response.of_json(200, {"@odata.context": call.context("Collection(convertIdResult)"), "value": value})
