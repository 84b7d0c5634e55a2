"""Reading an event from a request body: types, enums, time rules. Turns Graph JSON into the canonical stored members.

Canonical members are JSON values that are replaced on a write and never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time
from typing import Any, Final

from simulators.graph.body import stored_html
from simulators.graph.errors import GraphError, invalid_request, unreadable_body, validation_failed
from simulators.graph.primitives import read_boolean, read_int32
from simulators.graph.zones import is_zone, read_date_time_zone, utc_of, wall_of

NO_TIME: Final = "0001-01-01T00:00:00Z"
ATTENDEES_MAX: Final = 500

SHOW_AS: Final = ("unknown", "free", "tentative", "busy", "oof", "workingElsewhere")
SENSITIVITY: Final = ("normal", "personal", "private", "confidential")
IMPORTANCE: Final = ("low", "normal", "high")
ATTENDEE_TYPES: Final = ("required", "optional", "resource")
PROVIDERS: Final = ("unknown", "skypeForBusiness", "skypeForConsumer", "teamsForBusiness")
LOCATION_TYPES: Final = (
    "default", "conferenceRoom", "homeAddress", "businessAddress", "geoCoordinates", "streetAddress", "hotel",
    "restaurant", "localBusiness", "postalAddress",
)  # fmt: skip
_LOCATION_STRINGS: Final = ("displayName", "locationEmailAddress", "locationUri")
_ADDRESS_PARTS: Final = ("street", "city", "state", "countryOrRegion", "postalCode")
_COORDINATES: Final = ("altitude", "latitude", "longitude", "accuracy", "altitudeAccuracy")

READ_ONLY: Final = frozenset(
    {
        "id", "changeKey", "createdDateTime", "lastModifiedDateTime", "bodyPreview", "originalStartTimeZone",
        "originalEndTimeZone", "organizer", "isOrganizer", "responseStatus", "isCancelled", "isDraft", "onlineMeeting",
        "onlineMeetingUrl", "type", "seriesMasterId", "originalStart", "occurrenceId", "cancelledOccurrences",
        "exceptionOccurrences", "iCalUId", "webLink", "hasAttachments", "calendar", "instances", "uid",
    }
)  # fmt: skip
"""Members the service sets itself. In a request they are ignored, as the official PATCH sample relies on."""

EMPTY_LOCATION: Final[dict[str, Any]] = {
    "displayName": "",
    "locationType": "default",
    "uniqueIdType": "unknown",
    "address": {},
    "coordinates": {},
}


def enum_of(value: Any, names: tuple[str, ...], what: str) -> str:
    """One of `names`, whatever its case. Raises GraphError RequestBodyRead otherwise."""
    if isinstance(value, str):
        for name in names:
            if name.lower() == value.lower():
                return name
    raise unreadable_body(f"Requested value '{value}' was not found for the property '{what}'.")


def _text(value: Any, what: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise unreadable_body(f"Cannot read the value of '{what}' as Edm.String.")
    return value


def _flag(default: bool) -> Callable[[Any, str], bool]:
    return lambda value, what: default if value is None else read_boolean(value, what)


def _enum(names: tuple[str, ...], default: str) -> Callable[[Any, str], str]:
    return lambda value, what: default if value is None else enum_of(value, names, what)


def _minutes(value: Any, what: str) -> int:
    return 0 if value is None else read_int32(value, what)


def _strings(value: Any, what: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise unreadable_body(f"Cannot read '{what}' as Collection(Edm.String).")
    return list(value)


def _body(value: Any, what: str) -> dict[str, str]:
    if value is None:
        return {"contentType": "html", "content": ""}
    if not isinstance(value, dict):
        raise unreadable_body(f"Cannot read '{what}' as itemBody.")
    kind = enum_of(value.get("contentType") or "text", ("text", "html"), "contentType")
    return {"contentType": "html", "content": stored_html(_text(value.get("content"), "content") or "", kind)}


def read_location(value: Any, what: str = "location") -> dict[str, Any]:
    """A location as Graph stores and returns it; None and an empty object both mean no location."""
    if value is None:
        return dict(EMPTY_LOCATION)
    if not isinstance(value, dict):
        raise unreadable_body(f"Cannot read '{what}' as location.")
    strings = {name: text for name in _LOCATION_STRINGS if (text := _text(value.get(name), name)) is not None}
    name = strings.setdefault("displayName", "")
    result: dict[str, Any] = {**strings, "locationType": "default"}
    if value.get("locationType") is not None:
        result["locationType"] = enum_of(value["locationType"], LOCATION_TYPES, "locationType")
    result |= {"uniqueId": name, "uniqueIdType": "private"} if name else {"uniqueIdType": "unknown"}
    for member, parts in (("address", _ADDRESS_PARTS), ("coordinates", _COORDINATES)):
        given = value.get(member)
        if isinstance(given, dict):
            result[member] = {part: given[part] for part in parts if given.get(part) is not None}
        elif not name:
            result[member] = {}
    return result


def joined_location(locations: list[dict[str, Any]]) -> dict[str, Any]:
    """The one `location` that stands for several."""
    if not locations:
        return dict(EMPTY_LOCATION)
    if len(locations) == 1:
        return locations[0]
    name = "; ".join(place["displayName"] for place in locations)
    return {"displayName": name, "locationType": "default", "uniqueId": name, "uniqueIdType": "private"}


def _locations(value: Any, what: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise unreadable_body(f"Cannot read '{what}' as Collection(location).")
    return [place for place in (read_location(item, what) for item in value) if place["displayName"]]


def read_recipient(value: Any, what: str) -> dict[str, str]:
    """An emailAddress object. The name falls back to the address."""
    address = value.get("address") if isinstance(value, dict) else None
    if not isinstance(address, str) or not address.strip():
        raise GraphError(400, "ErrorInvalidRecipients", f"At least one recipient of '{what}' is not valid.")
    name = _text(value.get("name"), "name")
    return {"name": name or address.strip(), "address": address.strip()}


def _attendees(value: Any, what: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise unreadable_body(f"Cannot read '{what}' as Collection(attendee).")
    if len(value) > ATTENDEES_MAX:
        raise invalid_request(f"An event can have at most {ATTENDEES_MAX} attendees.")
    result = []
    for item in value:
        if not isinstance(item, dict):
            raise unreadable_body(f"Cannot read an element of '{what}' as attendee.")
        result.append(
            {
                "type": enum_of(item.get("type") or "required", ATTENDEE_TYPES, "type"),
                "status": {"response": "none", "time": NO_TIME},
                "emailAddress": read_recipient(item.get("emailAddress"), what),
            }
        )
    return result


def _recurrence(value: Any, what: str) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise unreadable_body(f"Cannot read '{what}' as patternedRecurrence.")
    return value


_READERS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "subject": _text,
    "body": _body,
    "start": read_date_time_zone,
    "end": read_date_time_zone,
    "isAllDay": _flag(False),
    "location": read_location,
    "locations": _locations,
    "attendees": _attendees,
    "showAs": _enum(SHOW_AS, "busy"),
    "sensitivity": _enum(SENSITIVITY, "normal"),
    "importance": _enum(IMPORTANCE, "normal"),
    "categories": _strings,
    "isReminderOn": _flag(False),
    "reminderMinutesBeforeStart": _minutes,
    "responseRequested": _flag(True),
    "allowNewTimeProposals": _flag(True),
    "hideAttendees": _flag(False),
    "isOnlineMeeting": _flag(False),
    "onlineMeetingProvider": _enum(PROVIDERS, "unknown"),
    "recurrence": _recurrence,
    "transactionId": _text,
}
_ELSEWHERE: Final = frozenset(
    {"singleValueExtendedProperties", "multiValueExtendedProperties", "extensions", "attachments"}
)


def read_event(body: Any) -> dict[str, Any]:
    """The members of a posted or patched event that it names, in canonical form.

    Read-only members and annotations are left out. Raises GraphError RequestBodyRead for an unknown member or a wrong
    type, and what the single members' rules raise.
    """
    if not isinstance(body, dict):
        raise unreadable_body("The request body must be a JSON object.")
    given: dict[str, Any] = {}
    for name, value in body.items():
        reader = _READERS.get(name)
        if reader is not None:
            given[name] = reader(value, name)
        elif name not in READ_ONLY and name not in _ELSEWHERE and "@" not in name:
            raise unreadable_body(
                f"The property '{name}' does not exist on type 'microsoft.graph.event'. Make sure to only use property "
                "names that are defined by the type or mark the type as open type."
            )
    _agree_locations(given)
    return given


def _agree_locations(given: dict[str, Any]) -> None:
    """Keep `location` and `locations` consistent: a set location replaces all of them."""
    if "locations" in given:
        joined = joined_location(given["locations"])
        if "location" not in given or (
            given["locations"] and given["location"]["displayName"] == joined["displayName"]
        ):
            given["location"] = joined
            return
    if "location" in given:
        given["locations"] = [given["location"]] if given["location"]["displayName"] else []


def check_times(start: dict[str, str], end: dict[str, str], is_all_day: bool) -> None:
    """The rules of start and end. Raises GraphError ErrorPropertyValidationFailure."""
    if is_all_day:
        if not (is_zone(start["timeZone"]) and start["timeZone"].lower() == end["timeZone"].lower()):
            raise validation_failed(" An all-day event needs start and end in the same time zone.")
        if wall_of(start).time() != time() or wall_of(end).time() != time():
            raise validation_failed(" The Event.Start and Event.End properties of an all-day event must be midnights.")
        if wall_of(end) <= wall_of(start):
            raise validation_failed(" An all-day event must last at least a day.")
    elif utc_of(end) <= utc_of(start):
        raise validation_failed(" The end of an event must come after its start.")
