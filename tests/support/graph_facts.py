"""What the published metadata of Microsoft Graph says about the bodies that we send: names, types, enum members.

Facts as the reference tables them. `problems` judges a call of our connector by them; every call that a test turns into
a request goes through `checked`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from connectors.exchange import Call

ENUMS: Final[Mapping[str, str]] = {
    "bodyType": "text html",
    "freeBusyStatus": "unknown free tentative busy oof workingElsewhere",
    "sensitivity": "normal personal private confidential",
    "importance": "low normal high",
    "attendeeType": "required optional resource",
    "responseType": "none organizer tentativelyAccepted accepted declined notResponded",
    "onlineMeetingProviderType": "unknown skypeForBusiness skypeForConsumer teamsForBusiness",
    "locationType": "default conferenceRoom homeAddress businessAddress geoCoordinates streetAddress hotel restaurant"
    " localBusiness postalAddress",
    "locationUniqueIdType": "unknown locationStore directory private bing",
    "eventType": "singleInstance occurrence exception seriesMaster",
    "recurrencePatternType": "daily weekly absoluteMonthly relativeMonthly absoluteYearly relativeYearly",
    "recurrenceRangeType": "endDate noEnd numbered",
    "weekIndex": "first second third fourth last",
    "dayOfWeek": "sunday monday tuesday wednesday thursday friday saturday",
}

# Property, type, and whether it may be set on create (C) and by update (U). `*` means a collection.
_EVENT: Final = """
id String -                             changeKey String -              createdDateTime DateTimeOffset -
lastModifiedDateTime DateTimeOffset -   subject String CU               body itemBody CU
bodyPreview String -                    start dateTimeTimeZone CU       end dateTimeTimeZone CU
originalStartTimeZone String -          originalEndTimeZone String -    isAllDay Boolean CU
location location CU                    locations *location CU          attendees *attendee CU
organizer recipient -                   isOrganizer Boolean -           responseStatus responseStatus -
showAs freeBusyStatus CU                sensitivity sensitivity CU      importance importance CU
categories *String CU                   isReminderOn Boolean CU         reminderMinutesBeforeStart Int32 CU
responseRequested Boolean CU            allowNewTimeProposals Boolean CU hideAttendees Boolean CU
isCancelled Boolean -                   isDraft Boolean -               isOnlineMeeting Boolean CU
onlineMeetingProvider onlineMeetingProviderType CU                      onlineMeeting onlineMeetingInfo -
onlineMeetingUrl String -               recurrence patternedRecurrence CU type eventType -
seriesMasterId String -                 originalStart DateTimeOffset -  occurrenceId String -
cancelledOccurrences *String -          exceptionOccurrences *event -   iCalUId String -
transactionId String C                  webLink String -                hasAttachments Boolean -
singleValueExtendedProperties *singleValueLegacyExtendedProperty CU
multiValueExtendedProperties *multiValueLegacyExtendedProperty CU
extensions *openTypeExtension C         attachments *attachment -       calendar calendar -       instances *event -
"""
_TYPES: Final[Mapping[str, str]] = {
    "event": _EVENT,
    "itemBody": "contentType bodyType CU  content String CU",
    "dateTimeTimeZone": "dateTime WallClock CU  timeZone String CU",
    "emailAddress": "name String CU  address String CU",
    "recipient": "emailAddress emailAddress CU",
    "responseStatus": "response responseType CU  time DateTimeOffset CU",
    "timeSlot": "start dateTimeTimeZone CU  end dateTimeTimeZone CU",
    "attendee": "type attendeeType CU  emailAddress emailAddress CU  status responseStatus CU"
    " proposedNewTime timeSlot -",
    "physicalAddress": "street String CU city String CU state String CU countryOrRegion String CU postalCode String CU",
    "outlookGeoCoordinates": "latitude Double CU longitude Double CU altitude Double CU accuracy Double CU"
    " altitudeAccuracy Double CU",
    "location": "displayName String CU  locationType locationType -  uniqueId String CU"
    " uniqueIdType locationUniqueIdType CU  locationEmailAddress String CU  locationUri String CU"
    " address physicalAddress CU  coordinates outlookGeoCoordinates CU",
    "patternedRecurrence": "pattern recurrencePattern CU  range recurrenceRange CU",
    "recurrencePattern": "type recurrencePatternType CU  interval Int32 CU  month Int32 CU  dayOfMonth Int32 CU"
    " daysOfWeek *dayOfWeek CU  firstDayOfWeek dayOfWeek CU  index weekIndex CU",
    "recurrenceRange": "type recurrenceRangeType CU  startDate Date CU  endDate Date CU  recurrenceTimeZone String CU"
    " numberOfOccurrences Int32 CU",
    "singleValueLegacyExtendedProperty": "id PropertyId CU  value String CU",
    "multiValueLegacyExtendedProperty": "id PropertyId CU  value *String CU",
    "subscription": "id String -  changeType ChangeTypes C  notificationUrl HttpsUrl CU"
    " lifecycleNotificationUrl HttpsUrl C  resource String C  expirationDateTime DateTimeOffset CU"
    " clientState ClientState C"
    " latestSupportedTlsVersion String C  includeResourceData Boolean C  encryptionCertificate String C"
    " encryptionCertificateId String C  applicationId String -  creatorId String -",
    "batchRequest": "id String C  method Method C  url String C  headers Headers C  body Anything C"
    " dependsOn *String C",
}
_GUID: Final = r"\{[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}"


def _text(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None


_PRIMITIVES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "String": _text(".*"),
    "Boolean": lambda value: isinstance(value, bool),
    "Int32": lambda value: type(value) is int and -(2**31) <= value < 2**31,
    "Double": lambda value: type(value) in {int, float},
    "Date": _text(r"\d{4}-\d\d-\d\d"),
    "DateTimeOffset": _text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?Z"),
    # A wall clock without an offset: the zone stands beside it.
    "WallClock": _text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?"),
    "PropertyId": _text(rf"(?:String|Integer|Boolean|Double) (?:{_GUID} (?:Name .+|Id 0x[0-9a-fA-F]+)|0x[0-9a-fA-F]+)"),
    "ChangeTypes": _text(r"(?:created|updated|deleted)(?:,(?:created|updated|deleted))*"),
    "HttpsUrl": _text(r"https://.+"),
    "ClientState": _text(r".{0,128}"),
    "Method": _text("GET|POST|PATCH|PUT|DELETE"),
    "Headers": lambda value: isinstance(value, dict) and all(isinstance(one, str) for one in value.values()),
    "Anything": lambda value: True,
}
TYPES: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    name: {words[i]: (words[i + 1], words[i + 2]) for i in range(0, len(words), 3)}
    for name, text in _TYPES.items()
    for words in [text.split()]
}
"""Type -> property -> (its type, where it may be set)."""

SENT: Final[Counter[str]] = Counter()
"""How often a property was sent since the tests began, as `type.property`."""

_BODIES: Final = (
    ("POST", r"/users/[^/]+(?:/calendar|/calendars/[^/]+)?/events", "event", "C"),
    ("PATCH", r"/users/[^/]+(?:/calendar|/calendars/[^/]+)?/events/[^/]+", "event", "U"),
    ("POST", r"/subscriptions", "subscription", "C"),
    ("PATCH", r"/subscriptions/[^/]+", "subscription", "U"),
)


def problems(call: Call) -> list[str]:
    """What the metadata would not let pass in a call, in words; also counts what was sent."""
    if call.body is None:
        return []
    if call.path == "/$batch":
        return [problem for entry in call.body["requests"] for problem in _item_problems(entry)]
    path = urlsplit(call.path).path
    for method, pattern, name, letter in _BODIES:
        if call.method == method and re.fullmatch(pattern, path):
            return list(_problems(name, call.body, letter, name))
    return [f"no body is known of {call.method} {path}"]


def _item_problems(entry: Mapping[str, Any]) -> list[str]:
    found = list(_problems("batchRequest", entry, "C", "batchRequest"))
    if entry.get("body") is not None:
        headers = {name.lower(): value for name, value in entry.get("headers", {}).items()}
        if headers.get("content-type") != "application/json":
            found.append("an item with a body needs its content type")
        found += problems(Call(entry["method"], unquote(urlsplit(entry["url"]).path), body=entry["body"]))
    return found


def _problems(name: str, value: Any, letter: str, where: str) -> list[str]:
    """What is wrong with a value of a type; a property that is set needs the letter."""
    if name.startswith("*"):
        if not isinstance(value, list):
            return [f"{where} is no collection"]
        return [problem for one in value for problem in _problems(name[1:], one, letter, where)]
    if name in _PRIMITIVES:
        return [] if value is None or _PRIMITIVES[name](value) else [f"{where} is no {name}: {value!r}"]
    if name in ENUMS:
        return [] if value is None or value in ENUMS[name].split() else [f"{where} is no {name}: {value!r}"]
    if value is None:
        return []
    if not isinstance(value, dict) or name not in TYPES:
        return [f"{where} is no {name}"]
    found: list[str] = []
    for member, inner in value.items():
        kind, letters = TYPES[name].get(member, ("", ""))
        if not kind:
            found.append(f"{where} has no property {member}")
        elif letter not in letters:
            found.append(f"{where}.{member} cannot be set {'on create' if letter == 'C' else 'by update'}")
        else:
            SENT[f"{name}.{member}"] += 1
            found += _problems(kind, inner, letter, f"{where}.{member}")
    return found


def checked(call: Call) -> Call:
    """The call itself. Fails the test when the metadata would not let its body pass."""
    found = problems(call)
    assert not found, f"{call.method} {call.path}: {'; '.join(found)}"
    return call
