"""Schemas of change events: which fields, in which order, under which id. Section 6 of the reference."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from support.pubsub_client import ALL, HEADER, BusOrg, build_bus
from support.salesforce_client import START

from simulators.pubsub.event_schema import build_schema, event_name
from simulators.salesforce.objects.event import EVENT, event_relation
from simulators.salesforce.org import Org
from simulators.salesforce.schema import column, picklist

TYPE = picklist("Type", "Type", "NCU", ("Call", "Meeting"))
# Positions of the reference, with Type: (first position, "name type ...") with S string, B boolean, I int, L long.
POSITIONS = {
    1: "WhoId S WhatId S Subject S Location S IsAllDayEvent B",
    6: "ActivityDateTime L ActivityDate L DurationInMinutes I Description S AccountId S OwnerId S",
    12: "Type S IsPrivate B ShowAs S IsChild B IsGroupEvent B GroupEventType S",
    18: "CreatedDate L CreatedById S LastModifiedDate L LastModifiedById S RecurrenceActivityId S",
    23: "IsRecurrence B RecurrenceStartDateTime L RecurrenceEndDateOnly L RecurrenceTimeZoneSidKey S RecurrenceType S"
    " RecurrenceInterval I RecurrenceDayOfWeekMask I RecurrenceDayOfMonth I RecurrenceInstance S"
    " RecurrenceMonthOfYear S",
    33: "ReminderDateTime L IsReminderSet B IsRecurrence2Exclusion B Recurrence2PatternText S"
    " Recurrence2PatternVersion S ActivityRecurrence2Id S ActivityRecurrence2ExceptionId S",
}
LETTERS = {"S": "string", "B": "boolean", "I": "int", "L": "long"}


def plain(schema_json: str) -> list[tuple[str, object]]:
    """(name, type in the union) of every field behind the header."""
    return [(field["name"], field["type"][1]) for field in json.loads(schema_json)["fields"][1:]]


def test_event_fields_stand_where_the_reference_says() -> None:
    """Positions 0 to 39 in an org with Type; custom fields from 40 on."""
    custom = column("CalSync_External_Id__c", "string", "Key", "NCU", custom=True)
    schema = build_schema(EVENT.with_fields([TYPE, custom]))
    for start, text in POSITIONS.items():
        words = text.split()
        expected = list(zip(words[::2], [LETTERS[letter] for letter in words[1::2]], strict=True))
        assert plain(schema.text)[start - 1 : start - 1 + len(expected)] == expected
    assert plain(schema.text)[39:] == [("CalSync_External_Id__c", "string")]
    assert schema.layout[0] == (HEADER, ()) or schema.layout[0][0] == HEADER


def test_without_type_the_rest_moves_up() -> None:
    """An org without the Type field has every later field one position earlier."""
    names = build_schema(EVENT).names
    assert (names[10], names[11]) == ("OwnerId", "IsPrivate")
    assert len(names) == 38


@pytest.mark.honest("salesforce", 12)
def test_events_have_no_start_and_no_end() -> None:
    """Start comes from ActivityDateTime or ActivityDate, the end from the duration."""
    left_out = {"StartDateTime", "EndDateTime", "EndDate", "EventSubtype", "IsArchived", "IsRecurrence2", "IsDeleted"}
    names = set(build_schema(EVENT).names)
    assert not names & (left_out | {"SystemModstamp", "Id"})
    assert {"ActivityDateTime", "ActivityDate", "DurationInMinutes"} <= names


@pytest.mark.parametrize("shared", [False, True])
def test_relation_fields(shared: bool) -> None:
    """Shared Activities adds four fields behind EventId."""
    names = build_schema(event_relation(shared_activities=shared)).names
    added = ("IsWhat", "IsParent", "IsInvitee", "AccountId") if shared else ()
    audit = ("CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById")
    assert names == ("RelationId", "EventId", *added, "Status", "RespondedDate", "Response", *audit)


@pytest.mark.honest("pubsub", 8)
def test_header_and_unions_have_the_captured_shape() -> None:
    """Null is branch 0 with default null; the header and its members are no unions; docs end with a field id."""
    custom = column("CalSync_External_Id__c", "string", "Key", "NCU", custom=True)
    value = json.loads(build_schema(EVENT.with_fields([custom])).text)
    assert (value["name"], value["type"], value["namespace"]) == ("EventChangeEvent", "record", "com.sforce.eventbus")
    header, who = value["fields"][:2]
    assert (header["name"], header["doc"], header["type"]["type"]) == (HEADER, "Data:ComplexValueType", "record")
    assert [field["name"] for field in header["type"]["fields"]] == [
        "entityName", "recordIds", "changeType", "changeOrigin", "transactionKey", "sequenceNumber",
        "commitTimestamp", "commitNumber", "commitUser", "nulledFields", "diffFields", "changedFields",
    ]  # fmt: skip
    symbols = header["type"]["fields"][2]["type"]["symbols"]
    assert (symbols[0], symbols[8], symbols[-1], len(symbols)) == ("CREATE", "GAP_OVERFLOW", "SNAPSHOT", 10)
    assert who == {"name": "WhoId", "type": ["null", "string"], "doc": "ForeignKey:EntityId", "default": None}
    assert all(field["type"][0] == "null" and field["default"] is None for field in value["fields"][1:])
    assert re.fullmatch(r"Data:Text:00N[0-9A-Za-z]{12}", value["fields"][-1]["doc"])
    docs = {field["name"]: field["doc"] for field in value["fields"]}
    assert (docs["Description"], docs["CreatedDate"], docs["ActivityDate"]) == (
        "Data:StringPlusClob", "CreatedDate:DateTime", "Data:DateOnly",
    )  # fmt: skip


@pytest.mark.honest("pubsub", 3)
def test_the_id_is_the_md5_of_the_schema() -> None:
    """22 characters of base64url."""
    schema = build_schema(EVENT)
    digest = hashlib.md5(schema.text.encode(), usedforsecurity=False).digest()
    assert base64.urlsafe_b64decode(schema.id + "==") == digest
    assert len(schema.id) == 22


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        ("Event", "EventChangeEvent"),
        ("practifi__Thing__c", "practifi__Thing__ChangeEvent"),
        ("User", "UserChangeEvent"),
    ],
)
def test_names_of_change_events(entity: str, expected: str) -> None:
    """A custom object's event swaps its ending."""
    assert event_name(entity) == expected


def test_the_default_org_serves_the_package_fields(world: BusOrg) -> None:
    """Custom fields follow in describe order."""
    names = world.bus.schema_of("Event").names
    assert names[38] == "practifi__External_ID__c"
    assert names[-1] == "Concord_Sync_Key__c"


@pytest.mark.honest("salesforce", 14)
def test_a_new_field_changes_id_and_positions_mid_stream(world: BusOrg) -> None:
    """Events before and after the change carry different schema ids, and each decodes with its own."""
    listener = world.listen()
    key = world.org.event()
    old = listener.one()
    world.bus.add_field("Event", "Added__c")
    world.org.patch(f"/sobjects/Event/{key}", {"Concord_Sync_Key__c": "k1"})
    new = listener.one()
    assert new.event.schema_id != old.event.schema_id
    assert new.changed == ["LastModifiedDate", "Concord_Sync_Key__c"]
    assert new.value["Concord_Sync_Key__c"] == "k1"
    assert int(new.header["changedFields"][0], 16).bit_length() == len(world.bus.schema_of("Event").names) + 1
    world.bus.remove_field("Event", "Added__c")
    assert world.bus.schema_of("Event").id == old.event.schema_id
    assert world.bus.schema_by_id(new.event.schema_id).names.count("Added__c") == 1


@pytest.mark.parametrize("name", ["Concord_Sync_Key__c", "Plain"])
def test_a_field_that_cannot_be_added_is_refused(world: BusOrg, name: str) -> None:
    """One that there is already, or no custom name."""
    with pytest.raises(ValueError, match="no name of a new custom field"):
        world.bus.add_field("Event", name)


def test_a_persons_name_is_compound(world: BusOrg) -> None:
    """Contact and User have Name as a record; a change of a part is in a bitmap of its own."""
    listener = world.listen("/data/ContactChangeEvent")
    world.org.patch(f"/sobjects/Contact/{world.org.ids['contact']}", {"FirstName": "Sunny", "Title": "Ms"})
    got = listener.one()
    assert got.changed == ["Title", "LastModifiedDate", "Name.FirstName"]
    assert got.value["Name"] == {"Salutation": None, "FirstName": "Sunny", "LastName": None}
    assert re.fullmatch(r"\d+-0x02", got.header["changedFields"][1])


def test_one_channel_mixes_schemas(world: BusOrg) -> None:
    """The schema id is each event's own."""
    listener = world.listen(ALL)
    key = world.org.event()
    world.org.create("EventRelation", {"EventId": key, "RelationId": world.org.ids["contact"]})
    first, second = listener.take()
    assert (first.header["entityName"], second.header["entityName"]) == ("Event", "EventRelation")
    assert first.event.schema_id != second.event.schema_id


def test_types_follow_the_type_map() -> None:
    """Numbers are doubles, dates and times longs in milliseconds, everything else text."""
    org = Org(
        custom_fields={
            "Event": (
                column("Rate__c", "percent", "Rate", "NCU", custom=True),
                column("Day__c", "date", "Day", "NCU", custom=True),
                column("Site__c", "url", "Site", "NCU", custom=True),
            )
        }
    )
    world = build_bus(org)
    listener = world.listen()
    world.org.event(Rate__c=5, Day__c="2026-05-21", Site__c="https://a.example")
    value = listener.one().value
    midnight = int(START.replace(hour=0).timestamp() * 1000) + 86_400_000
    assert (value["Rate__c"], value["Day__c"], value["Site__c"]) == (5.0, midnight, "https://a.example")
