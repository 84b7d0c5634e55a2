"""What describe says about the fields that we write in Salesforce: names, types, lengths, what may be set when.

Standard fields as the reference tables them; fields of the package by their names without namespace, which vary.
`problems` judges a call of our connector by them; every call that a test turns into a request goes through `checked`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from connectors.exchange import Call


@dataclass(frozen=True)
class FieldFact:
    """One field. `flags`: N nillable, C createable, U updateable, X neither filterable nor sortable."""

    type: str
    length: int
    flags: str
    values: tuple[str, ...] = ()
    """Of a restricted picklist."""


def _read(text: str) -> dict[str, FieldFact]:
    """`Name type(length) flags value,value`, between them ` | ` or a new line; `_` in a value is a space."""
    found = {}
    for entry in re.split(r"\s*[|\n]\s*", text.strip().replace(",\n", ",")):
        name, kind, flags, *values = entry.split()
        match = re.fullmatch(r"(\w+)(?:\((\d+)\))?", kind)
        assert match is not None, entry
        choices = tuple(one.replace("_", " ") for one in values[0].split(",")) if values else ()
        found[name] = FieldFact(match[1], int(match[2] or 0), flags.strip("-"), choices)
    return found


# Event in describe order, without the audit fields.
EVENT: Final = _read("""
Id id(18) - | WhoId reference(18) NCU | WhatId reference(18) NCU | Subject combobox(255) NCU
Location string(255) NCU | IsAllDayEvent boolean CU | ActivityDateTime datetime NCU | ActivityDate date NCU
DurationInMinutes int NCU | StartDateTime datetime NCU | EndDateTime datetime NCU | EndDate date N
Description textarea(32000) NCUX | AccountId reference(18) N | OwnerId reference(18) CU | IsPrivate boolean CU
ShowAs picklist(40) NCU Busy,OutOfOffice,Free | IsDeleted boolean - | IsChild boolean - | IsGroupEvent boolean -
GroupEventType picklist(40) N 0,1,2,3
CreatedDate datetime - | CreatedById reference(18) - | LastModifiedDate datetime - | LastModifiedById reference(18) -
SystemModstamp datetime - | IsArchived boolean - | RecurrenceActivityId reference(18) N
IsRecurrence boolean C | RecurrenceStartDateTime datetime NCU | RecurrenceEndDateOnly date NCU
RecurrenceTimeZoneSidKey picklist(40) NCU
RecurrenceType picklist(40) NCU RecursDaily,RecursEveryWeekday,RecursMonthly,RecursMonthlyNth,RecursWeekly,
RecursYearly,RecursYearlyNth
RecurrenceInterval int NCU | RecurrenceDayOfWeekMask int NCU | RecurrenceDayOfMonth int NCU
RecurrenceInstance picklist(40) NCU First,Second,Third,Fourth,Last | RecurrenceMonthOfYear picklist(40) NCU
ReminderDateTime datetime NCU | IsReminderSet boolean CU | EventSubtype picklist(40) NC Event
IsRecurrence2Exclusion boolean - | Recurrence2PatternText textarea(512) NCX
Recurrence2PatternVersion picklist(40) N 1,2
IsRecurrence2 boolean - | IsRecurrence2Exception boolean - | Recurrence2PatternStartDate datetime N
Recurrence2PatternTimeZone string(255) N
""")
RELATION: Final = _read("""
Id id(18) - | RelationId reference(18) C | EventId reference(18) C
Status picklist(40) NCU New,Declined,Accepted,Uninvited,Maybe | RespondedDate datetime NCU | Response string(255) NCU
CreatedDate datetime - | CreatedById reference(18) - | LastModifiedDate datetime - | LastModifiedById reference(18) -
SystemModstamp datetime - | IsDeleted boolean -
""")
SHARED: Final = _read("IsInvitee boolean CU | IsParent boolean CU | IsWhat boolean C | AccountId reference(18) N")
"""Of EventRelation, under Shared Activities only."""
CUSTOM: Final = _read("""
Concord_Sync_Key__c string(255) NCU | External_ID__c string(255) NCU
Microsoft_365_Sync_Status__c picklist(255) NCU Not_Synced,Pending,Synced,Error
Show_Time_As__c picklist(255) NCU Free,Tentative,Busy,Out_of_Office,Working_Elsewhere
Send_Invitations_to_Attendees__c boolean CU | Recurring_in_Microsoft_365__c string(255) NCU
Teams_Meeting__c boolean CU | Teams_Meeting_URL__c url(255) NCU
""")
"""Of Event, without the namespace: as the product facts and `deploy/salesforce` say."""
_OWN_NAMES: Final = {
    "External_ID__c": "Concord_External_ID__c",
    "Microsoft_365_Sync_Status__c": "Concord_Sync_Status__c",
    "Show_Time_As__c": "Concord_Show_Time_As__c",
    "Send_Invitations_to_Attendees__c": "Concord_Send_Invitations__c",
    "Recurring_in_Microsoft_365__c": "Concord_Recurring__c",
    "Teams_Meeting__c": "Concord_Teams_Meeting__c",
    "Teams_Meeting_URL__c": "Concord_Teams_Meeting_URL__c",
}
"""What the same fields are called in an org without the package."""
LOG: Final = _read("""
Error_Message__c textarea(32768) NCUX | External_System__c string(255) NCU | Date_Time__c datetime NCU
Is_Error__c boolean CU
""")
OBJECTS: Final[Mapping[str, Mapping[str, FieldFact]]] = {
    "Event": EVENT | CUSTOM | {own: CUSTOM[name] for name, own in _OWN_NAMES.items()},
    "EventRelation": RELATION | SHARED,
    "Integration_Log__c": LOG,
    "Concord_Integration_Log__c": LOG,
}

SENT: Final[Counter[str]] = Counter()
"""How often a field was written since the tests began, as `object.field`."""

_NAMESPACE: Final = re.compile(r"^[A-Za-z]\w*?__(?=\w+__c$)")
_DATETIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?(?:Z|[+-]\d\d:\d\d)")
_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda value: type(value) is int,
    "datetime": lambda value: isinstance(value, str) and _DATETIME.fullmatch(value) is not None,
    "date": lambda value: isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None,
    "reference": lambda value: isinstance(value, str) and re.fullmatch(r"\w{15}(?:\w{3})?", value) is not None,
}


def problems(call: Call) -> list[str]:
    """What describe would not let pass in a call, in words; also counts what was sent."""
    if call.body is None:
        return []
    if call.path == "/composite":
        parts = (Call(one["method"], one["url"], body=one.get("body")) for one in call.body["compositeRequest"])
        return [problem for part in parts for problem in problems(part)]
    path = re.sub(r"^/services/data/v\d+\.0", "", call.path)
    if path == "/composite/sobjects" and call.method in {"POST", "PATCH"}:
        found = []
        for record in call.body["records"]:
            members = {name: value for name, value in record.items() if name not in {"attributes", "id"}}
            found += _problems(record["attributes"]["type"], members, "C" if call.method == "POST" else "U")
        return found
    match = re.fullmatch(r"/sobjects/(\w+)(?:/(\w+))?", path)
    if match is None or call.method not in {"POST", "PATCH"}:
        return [f"no body is known of {call.method} {path}"]
    return _problems(match[1], call.body, "U" if match[2] else "C")


def _problems(sobject: str, members: Mapping[str, Any], letter: str) -> list[str]:
    name = _NAMESPACE.sub("", sobject)
    fields = OBJECTS.get(name)
    if fields is None:
        return [f"describe knows no {sobject}"]
    found = []
    for given, value in members.items():
        bare = _NAMESPACE.sub("", given)
        fact = fields.get(bare)
        if fact is None:
            found.append(f"{sobject} has no field {given}")
        elif letter not in fact.flags:
            found.append(f"{given} cannot be set {'on create' if letter == 'C' else 'by update'}")
        else:
            SENT[f"{name}.{bare}"] += 1
            found += _value_problems(given, fact, value)
    return found


def _value_problems(name: str, fact: FieldFact, value: Any) -> list[str]:
    if value is None:
        return [] if "N" in fact.flags else [f"{name} cannot be null"]
    check = _CHECKS.get(fact.type, lambda text: isinstance(text, str))
    if not check(value):
        return [f"{name} is no {fact.type}: {value!r}"]
    if fact.values and value not in fact.values:
        return [f"{name} has no value {value!r}"]
    if fact.type not in _CHECKS and len(value.encode("utf-16-le")) > 2 * fact.length:
        return [f"{name} takes {fact.length} characters, not {len(value)}"]
    return []


_is_checked = True


@contextmanager
def bad_on_purpose() -> Iterator[None]:
    """For a test of how the service refuses what should never be sent."""
    global _is_checked  # one switch for the one thread that tests run in
    _is_checked = False
    try:
        yield
    finally:
        _is_checked = True


def checked(call: Call) -> Call:
    """The call itself. Fails the test when describe would not let its body pass."""
    found = problems(call) if _is_checked else []
    assert not found, f"{call.method} {call.path}: {'; '.join(found)}"
    return call
