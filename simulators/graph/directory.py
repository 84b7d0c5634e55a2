"""Users, places, mailbox settings and time zone lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from simulators.graph.call import Call
from simulators.graph.errors import GraphError, bad_query, resource_not_found
from simulators.graph.odata import Member, Schema, compile_filter, compile_search, sort_items
from simulators.graph.paths import without_namespace
from simulators.graph.prefer import read_count, read_select, selected
from simulators.graph.tenant import Room, RoomList, User, user_json
from simulators.graph.world import World
from simulators.graph.zones import WINDOWS_ZONES
from simulators.http import Response

USER_TYPE: Final = "microsoft.graph.user"
PAGE_SIZE: Final = 100
PAGE_MAX: Final = 999
_DEFAULT_MEMBERS: Final = frozenset(
    {
        "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
        "preferredLanguage", "surname", "userPrincipalName", "id",
    }
)  # fmt: skip
_USER_MEMBERS: Final = _DEFAULT_MEMBERS | {"accountEnabled", "proxyAddresses", "mailNickname", "userType"}


def _member(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda item: item[name]


_USER_SCHEMA: Final = Schema(
    USER_TYPE,
    {
        **{
            name.lower(): Member(_member(name))
            for name in (
                "mail",
                "userPrincipalName",
                "displayName",
                "givenName",
                "surname",
                "jobTitle",
                "userType",
                "id",
            )
        },
        "accountenabled": Member(_member("accountEnabled"), "bool"),
    },
    {"proxyaddresses": (_member("proxyAddresses"), {"": Member(lambda text: text)})},
)
_USER_SEARCH: Final = {
    name.lower(): _member(name) for name in ("displayName", "mail", "userPrincipalName", "givenName", "surname")
}
"""What `$search` looks at, by lower-case name."""
_PLACE_SCHEMA: Final = Schema(
    "microsoft.graph.place",
    {
        **{
            name.lower(): Member(lambda item, name=name: item.get(name))  # type: ignore[misc]
            for name in (
                "id",
                "displayName",
                "emailAddress",
                "building",
                "floorLabel",
                "nickname",
                "label",
                "bookingType",
            )
        },
        "capacity": Member(lambda item: item.get("capacity"), "int"),
        "floornumber": Member(lambda item: item.get("floorNumber"), "int"),
        "iswheelchairaccessible": Member(lambda item: item.get("isWheelChairAccessible"), "bool"),
    },
)


class Directory:
    """Answers calls about users, places and settings."""

    def __init__(self, world: World) -> None:
        self._world = world

    # --- users ------------------------------------------------------------------------------------------------

    def find_user(self, name: str) -> User:
        """A user by id or user principal name. Raises GraphError Request_ResourceNotFound."""
        user = self._world.user(name)
        if user is None:
            raise GraphError(
                404,
                "Request_ResourceNotFound",
                f"Resource '{name}' does not exist or one of its queried reference-property objects are not present.",
            )
        return user

    def one_user(self, call: Call) -> Response:
        """GET /users/{id}."""
        user = self.find_user(call.segments[1])
        select = read_select(call.options.get("$select", ""), _USER_MEMBERS, USER_TYPE) or _DEFAULT_MEMBERS
        value = selected(user_json(user), select)
        return Response.of_json(200, {"@odata.context": call.context("users/$entity"), **value})

    def list_users(self, call: Call) -> Response:
        """GET /users."""
        items = self._matching_users(call)
        select = read_select(call.options.get("$select", ""), _USER_MEMBERS, USER_TYPE) or _DEFAULT_MEMBERS
        context = call.context("users")
        return _page(call, [selected(item, select) for item in items], context)

    def count_users(self, call: Call) -> Response:
        """GET /users/$count: an advanced query of its own."""
        if call.request.header("consistencylevel").lower() != "eventual":
            raise _unsupported("Request to count needs the header ConsistencyLevel: eventual.")
        return Response.of_text(200, str(len(self._matching_users(call, is_advanced=True))))

    def _matching_users(self, call: Call, is_advanced: bool = False) -> list[dict[str, Any]]:
        items = [user_json(user) for user in self._world.all_users()]
        eventual = call.request.header("consistencylevel").lower() == "eventual"
        is_advanced = is_advanced or (eventual and call.options.get("$count", "").lower() == "true")
        for option in ("$expand", "$skip"):
            if option in call.options:
                raise _unsupported(f"{option} is not supported here.")
        if search := call.options.get("$search"):
            if not eventual:
                raise _unsupported("Request with $search needs the header ConsistencyLevel: eventual.")
            found = compile_search(search, _USER_SEARCH)
            items = [item for item in items if found(item)]
        order = call.options.get("$orderby")
        if text := call.options.get("$filter"):
            predicate, features = compile_filter(text, _USER_SCHEMA)
            needs_advanced = features.has_not or {"endswith", "contains"} & features.functions or order
            if "contains" in features.functions:
                raise _unsupported("Unsupported query: contains.")
            if needs_advanced and not is_advanced:
                raise _unsupported(
                    "Unsupported or invalid query filter clause without ConsistencyLevel: eventual and $count=true."
                )
            items = [item for item in items if predicate(item)]
        return sort_items(items, order, _USER_SCHEMA) if order else items

    # --- mailbox settings -------------------------------------------------------------------------------------

    def mailbox_settings(self, call: Call, user: User, name: str | None) -> Response:
        """GET /users/{id}/mailboxSettings and its single members."""
        settings = self._settings(user)
        context = call.context(f"users('{call.segments[1]}')/mailboxSettings")
        if name is None:
            return Response.of_json(200, {"@odata.context": context, **settings})
        by_lower = {key.lower(): key for key in settings}
        if name.lower() not in by_lower:
            raise resource_not_found(f"Resource not found for the segment '{name}'.")
        key = by_lower[name.lower()]
        value = settings[key]
        body = value if isinstance(value, dict) else {"value": value}
        return Response.of_json(200, {"@odata.context": f"{context}/{key}", **body})

    def _settings(self, user: User) -> dict[str, Any]:
        is_room = user.id.lower() in self._world.rooms
        return {
            "archiveFolder": None,
            "timeZone": user.time_zone,
            "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
            "dateFormat": "d/MM/yyyy",
            "timeFormat": "h:mm tt",
            "userPurpose": "room" if is_room else "user",
            "language": {"locale": user.preferred_language or "en-AU", "displayName": "English"},
            "workingHours": {
                "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"],
                "startTime": "08:00:00.0000000",
                "endTime": "17:00:00.0000000",
                "timeZone": {"name": user.time_zone},
            },
        }

    def time_zones(self, call: Call, function: str) -> Response:
        """GET /users/{id}/outlook/supportedTimeZones, with Windows or IANA names."""
        if "iana" in function.lower():
            names = sorted({"Etc/UTC", *WINDOWS_ZONES.values()})
        elif "(" not in function or "windows" in function.lower() or function.endswith("()"):
            names = sorted(WINDOWS_ZONES)
        else:
            raise bad_query(f"Unknown time zone standard in '{function}'.")
        value = [{"alias": name, "displayName": name} for name in names]
        context = call.context("Collection(microsoft.graph.timeZoneInformation)")
        return Response.of_json(200, {"@odata.context": context, "value": value})

    # --- places -----------------------------------------------------------------------------------------------

    def places(self, call: Call) -> Response:
        """Everything under GET /places."""
        rest = call.segments[1:]
        if not rest:
            raise resource_not_found("Resource not found for the segment 'places'.")
        kind = _cast(rest[-1])
        if len(rest) == 1 and kind == "room":
            return self._list_places(call, [_room_json(room) for room in self._world.rooms.values()], "room")
        if len(rest) == 1 and kind == "roomlist":
            return self._list_places(call, [_room_list_json(one) for one in self._world.room_lists], "roomList")
        if len(rest) == 2 and rest[1].lower() == "$count" and _cast(rest[0]) in ("room", "roomlist"):
            many = self._world.rooms if _cast(rest[0]) == "room" else self._world.room_lists
            return Response.of_text(200, str(len(many)))
        if len(rest) == 3 and _cast(rest[1]) == "roomlist" and rest[2].lower() == "rooms":
            return self._rooms_of(call, rest[0])
        if len(rest) == 1 or (len(rest) == 2 and kind in ("room", "roomlist")):
            return self._one_place(call, rest[0])
        raise resource_not_found("Resource not found below 'places'.")

    def _rooms_of(self, call: Call, address: str) -> Response:
        for room_list in self._world.room_lists:
            if room_list.email_address.lower() == address.lower():
                wanted = {room.lower() for room in room_list.rooms}
                rooms = [room for room in self._world.rooms.values() if room.email_address.lower() in wanted]
                return self._list_places(call, [_room_json(room) for room in rooms], "room")
        raise resource_not_found(f"The room list '{address}' was not found. It is found by its email address only.")

    def _one_place(self, call: Call, name: str) -> Response:
        places: list[Room | RoomList] = [*self._world.rooms.values(), *self._world.room_lists]
        for place in places:
            if name.lower() in (place.id.lower(), place.email_address.lower()):
                is_room = isinstance(place, Room)
                value = _room_json(place) if isinstance(place, Room) else _room_list_json(place)
                kind = "room" if is_room else "roomList"
                value = {"@odata.type": f"#microsoft.graph.{kind}", **value}
                return Response.of_json(200, {"@odata.context": call.context("places/$entity"), **value})
        raise resource_not_found(f"The place '{name}' was not found.")

    def _list_places(self, call: Call, items: list[dict[str, Any]], kind: str) -> Response:
        if text := call.options.get("$filter"):
            predicate, _ = compile_filter(text, _PLACE_SCHEMA)
            items = [item for item in items if predicate(item)]
        if order := call.options.get("$orderby"):
            items = sort_items(items, order, _PLACE_SCHEMA)
        known = frozenset(items[0]) if items else frozenset(_PLACE_SCHEMA.members)
        select = read_select(call.options.get("$select", ""), known, f"microsoft.graph.{kind}") if items else None
        context = call.context(f"places/microsoft.graph.{kind}")
        return _page(call, [selected(item, select) for item in items], context)


def _cast(segment: str) -> str:
    """`microsoft.graph.roomList` as `roomlist`; empty when the segment is no type cast."""
    plain = without_namespace(segment)
    return plain.lower() if plain != segment else ""


def _room_json(room: Room) -> dict[str, Any]:
    return {
        "id": room.id,
        "displayName": room.display_name,
        "address": dict(room.address) or None,
        "geoCoordinates": None,
        "phone": room.phone or "",
        "nickname": room.nickname or room.display_name,
        "label": room.label,
        "capacity": room.capacity,
        "building": room.building,
        "floorLabel": room.floor_label,
        "floorNumber": room.floor_number,
        "isWheelChairAccessible": room.is_wheel_chair_accessible,
        "bookingType": room.booking_type,
        "tags": list(room.tags),
        "audioDeviceName": None,
        "videoDeviceName": None,
        "displayDeviceName": None,
        "emailAddress": room.email_address,
    }


def _room_list_json(room_list: RoomList) -> dict[str, Any]:
    return {
        "id": room_list.id,
        "displayName": room_list.display_name,
        "address": None,
        "geoCoordinates": None,
        "phone": "",
        "emailAddress": room_list.email_address,
    }


def _page(call: Call, items: list[dict[str, Any]], context: str) -> Response:
    """One page of a directory collection; the next one is found by `$skiptoken`."""
    size = read_count(call.options, "$top", PAGE_SIZE, PAGE_MAX) or PAGE_SIZE
    start = read_count(call.options, "$skip", 0, 2**31)
    if token := call.options.get("$skiptoken"):
        try:
            start = int(token.removeprefix("m~"), 16)
        except ValueError:
            raise bad_query("The $skiptoken is not valid.") from None
    value: dict[str, Any] = {"@odata.context": context}
    if call.options.get("$count", "").lower() == "true":
        value["@odata.count"] = len(items)
    if start + size < len(items):
        value["@odata.nextLink"] = call.link({"$skiptoken": f"m~{start + size:08x}"})
    value["value"] = items[start : start + size]
    return Response.of_json(200, value)


def _unsupported(message: str) -> GraphError:
    return GraphError(400, "Request_UnsupportedQuery", message)
