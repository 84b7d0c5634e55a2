"""What the change log becomes on the bus."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from support.pubsub_client import ALL, EVENTS, HEADER, RELATIONS, BusOrg, Listener, build_bus

from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.salesforce.objects.event import EVENT
from simulators.salesforce.org import Org
from simulators.salesforce.schema import picklist

CALM = PubSubBehaviour().calm()
UI = "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"
TYPED = Org(custom_fields={"Event": (picklist("Type", "Type", "NCU", ("Call",)),)})


def kinds(listener: Listener) -> list[tuple[str, str]]:
    """(object, change type) of what one step brings."""
    return [(one.header["entityName"], one.kind) for one in listener.take()]


def test_a_create_carries_every_field(world: BusOrg) -> None:
    """Booleans are false, not null; empty fields are null; the bitmaps are empty."""
    listener = world.listen()
    key = world.org.event(Location="Room 4")
    got = listener.one()
    row = world.org.read("Event", key)
    assert got.header["recordIds"] == [key]
    assert (got.value["Subject"], got.value["Location"], got.value["DurationInMinutes"]) == ("Review", "Room 4", 60)
    assert (got.value["IsPrivate"], got.value["IsAllDayEvent"], got.value["WhoId"]) == (False, False, None)
    assert got.value["OwnerId"] == row["OwnerId"]
    assert [got.header[name] for name in ("nulledFields", "diffFields", "changedFields")] == [[], [], []]


def test_times_are_epoch_milliseconds(world: BusOrg) -> None:
    """ActivityDate is midnight UTC of the day, for timed events too."""
    listener = world.listen()
    world.org.event()
    value = listener.one().value
    assert value["ActivityDateTime"] == 1779357600000
    assert value["ActivityDate"] == 1779321600000
    assert value["CreatedDate"] == value["LastModifiedDate"] == 1779278400000


@pytest.mark.honest("salesforce", 13, 14)
def test_the_decoded_example_of_the_reference() -> None:
    """Moved, shortened, location cleared in Lightning: bits 4, 6, 7, 8 and 20 in an org with Type."""
    world = build_bus(TYPED)
    key = world.org.event(Location="Room 4")
    world.org.clock.advance(60)
    listener = world.listen()
    move = {"ActivityDateTime": "2026-05-22T14:00:00Z", "DurationInMinutes": 45, "Location": None}
    world.org.patch(f"/sobjects/Event/{key}", move, x_sim_origin="ui")
    got = listener.one()
    header = got.header
    moment = 1779278460000
    assert set(got.value) == {HEADER, *world.bus.schema_of("Event").names}
    assert header == {
        "entityName": "Event",
        "recordIds": [key],
        "changeType": "UPDATE",
        "changeOrigin": UI,
        "transactionKey": header["transactionKey"],
        "sequenceNumber": 1,
        "commitTimestamp": moment,
        "commitNumber": header["commitNumber"],
        "commitUser": world.org.simulator.integration_user_id,
        "nulledFields": ["0x10"],
        "diffFields": [],
        "changedFields": ["0x1001D0"],
    }
    assert got.filled == {
        "ActivityDateTime": 1779458400000,
        "ActivityDate": 1779408000000,
        "DurationInMinutes": 45,
        "LastModifiedDate": moment,
    }


@pytest.mark.honest("salesforce", 13)
def test_an_update_nulls_what_did_not_change(world: BusOrg) -> None:
    """Booleans too; LastModifiedDate always; LastModifiedById when somebody else wrote before."""
    key = world.org.event()
    listener = world.listen()
    world.org.patch(f"/sobjects/Event/{key}", {"Subject": "New"})
    same = listener.one()
    assert same.changed == ["Subject", "LastModifiedDate"]
    assert same.filled == {"Subject": "New", "LastModifiedDate": same.header["commitTimestamp"]}
    assert same.value["IsPrivate"] is None
    world.org.patch(f"/sobjects/Event/{key}", {"IsPrivate": True}, x_sim_user="ada@firm.example")
    other = listener.one()
    assert other.changed == ["IsPrivate", "LastModifiedDate", "LastModifiedById"]
    assert other.value["LastModifiedById"] == world.org.ids["ada"]


def test_a_clear_is_told_by_the_nulled_bit_alone(world: BusOrg) -> None:
    """A cleared field is null like the unchanged ones; only nulledFields says so, and changedFields has it too."""
    key = world.org.event(Location="Room 4", Description="x")
    listener = world.listen()
    world.org.patch(f"/sobjects/Event/{key}", {"Location": None, "Subject": "Y"})
    got = listener.one()
    assert (got.nulled, got.value["Location"], got.value["Description"]) == (["Location"], None, None)
    assert set(got.nulled) < set(got.changed)


@pytest.mark.parametrize("act", ["delete", "undelete"])
def test_delete_is_empty_and_undelete_is_whole(world: BusOrg, act: str) -> None:
    """DELETE has a header only; UNDELETE has every field like a CREATE."""
    key = world.org.event()
    if act == "undelete":
        world.org.simulator.delete("Event", key)
    listener = world.listen()
    getattr(world.org.simulator, act)("Event", key)
    got = listener.one()
    assert (got.kind, got.header["recordIds"]) == (act.upper(), [key])
    assert (got.filled == {}) is (act == "delete")
    assert got.value["Subject"] == (None if act == "delete" else "Review")


@pytest.mark.honest("salesforce", 21)
def test_headers_name_origin_and_user(world: BusOrg) -> None:
    """Own writes come back like any other, with the client's name; Classic and system jobs have none."""
    listener = world.listen()
    body = {"Subject": "x", "ActivityDateTime": "2026-05-21T10:00:00Z", "DurationInMinutes": 9}
    key = world.org.create("Event", body, sforce_call_options="client=concord")
    world.org.patch(f"/sobjects/Event/{key}", {"Subject": "y"}, x_sim_origin="ui", x_sim_user="bob@firm.example")
    world.org.simulator.update("Event", key, {"Subject": "z"}, origin="system")
    origins = [(one.header["changeOrigin"], one.header["commitUser"]) for one in listener.take()]
    own = world.org.simulator.integration_user_id
    assert origins == [("com/salesforce/api/rest/66.0;client=concord", own), (UI, world.org.ids["bob"]), ("", own)]


@pytest.mark.honest("salesforce", 16)
def test_numbers_of_a_commit(world: BusOrg) -> None:
    """Commit numbers above 2**53; whole seconds; a key for each transaction."""
    listener = world.listen()
    world.org.clock.advance(0.6)
    world.org.event()
    world.org.event()
    first, second = (one.header for one in listener.take())
    assert 2**53 < first["commitNumber"] < second["commitNumber"] < 2**63
    assert first["commitTimestamp"] % 1000 == 0
    assert first["transactionKey"] != second["transactionKey"]


@pytest.mark.honest("pubsub", 9)
def test_an_invitation_is_one_transaction(world: BusOrg) -> None:
    """Parent, invitee's copy and relation share a key and are numbered; a relation's channel sees a hole before it."""
    every, relations = world.listen(ALL), world.listen(RELATIONS)
    body = {
        "allOrNone": True,
        "compositeRequest": [
            {
                "method": "POST",
                "url": "/services/data/v66.0/sobjects/Event",
                "referenceId": "e",
                "body": {"Subject": "x", "ActivityDateTime": "2026-05-21T10:00:00Z", "DurationInMinutes": 30},
            },
            {
                "method": "POST",
                "url": "/services/data/v66.0/sobjects/EventRelation",
                "referenceId": "r",
                "body": {"EventId": "@{e.id}", "RelationId": world.org.ids["bob"]},
            },
        ],
    }
    assert world.org.post("/composite", body).status == 200
    got = every.take()
    assert [(one.header["entityName"], one.kind, one.header["sequenceNumber"]) for one in got] == [
        ("Event", "CREATE", 1),
        ("Event", "CREATE", 2),
        ("EventRelation", "CREATE", 3),
    ]
    assert [one.value["IsChild"] for one in got[:2]] == [False, True]
    assert len({one.header["transactionKey"] for one in got}) == 1
    assert relations.one().header["sequenceNumber"] == 3


@pytest.mark.honest("salesforce", 15)
def test_objects_that_are_not_selected_leave_holes(world: BusOrg) -> None:
    """An Account in the same transaction takes a number and makes no event."""
    listener = world.listen(ALL)
    make = {"method": "POST", "url": "/services/data/v66.0/sobjects/Account", "referenceId": "a", "body": {"Name": "A"}}
    event = {"Subject": "x", "ActivityDateTime": "2026-05-21T10:00:00Z", "DurationInMinutes": 30}
    second = {**make, "url": "/services/data/v66.0/sobjects/Event", "referenceId": "e", "body": event}
    world.org.post("/composite", {"allOrNone": True, "compositeRequest": [make, second]})
    assert listener.one().header["sequenceNumber"] == 2


@pytest.mark.honest("salesforce", 15)
def test_one_event_per_record_and_transaction(world: BusOrg) -> None:
    """The first type with the final values."""
    listener = world.listen()
    url = "/services/data/v66.0/sobjects/Event"
    event = {"Subject": "x", "ActivityDateTime": "2026-05-21T10:00:00Z", "DurationInMinutes": 30}
    world.org.post(
        "/composite",
        {
            "allOrNone": True,
            "compositeRequest": [
                {"method": "POST", "url": url, "referenceId": "e", "body": event},
                {"method": "PATCH", "url": f"{url}/@{{e.id}}", "referenceId": "p", "body": {"Subject": "final"}},
            ],
        },
    )
    got = listener.one()
    assert (got.kind, got.value["Subject"]) == ("CREATE", "final")


@pytest.mark.honest("salesforce", 15)
def test_equal_changes_of_a_transaction_may_be_merged() -> None:
    """With the switch on: one event for several records, one header, one set of values."""
    world = build_bus(behaviour=replace(CALM, merge=1.0))
    keys = [world.org.event() for _ in range(3)]
    listener = world.listen()
    records = [{"attributes": {"type": "Event"}, "id": key, "Location": "Hall"} for key in keys]
    world.org.patch("/composite/sobjects", {"allOrNone": True, "records": records})
    got = listener.one()
    assert (got.header["recordIds"], got.value["Location"]) == (keys, "Hall")
    world.org.patch("/composite/sobjects", {"records": [{**one, "Location": f"{n}"} for n, one in enumerate(records)]})
    assert [one.header["recordIds"] for one in listener.take()] == [[key] for key in keys]


@pytest.mark.honest("pubsub", 12)
def test_a_long_text_may_come_as_a_difference() -> None:
    """The diff bit is set, the value is a unified difference with the SHA-256 of the new text."""
    world = build_bus(behaviour=replace(CALM, diff=1.0))
    old = "\n".join(f"line {number} of the agenda" for number in range(60))
    new = old.replace("line 30", "line thirty")
    listener = world.listen()
    key = world.org.event(Description=old)
    world.org.patch(f"/sobjects/Event/{key}", {"Description": new})
    created, updated = listener.take()
    assert created.value["Description"] == old
    assert updated.header["diffFields"] == ["0x0200"]
    assert "Description" in updated.changed
    lines = updated.value["Description"].split("\n")
    assert lines[:2] == ["--- ", f"+++ {hashlib.sha256(new.encode()).hexdigest()}"]
    assert "-line 30 of the agenda" in lines
    assert "+line thirty of the agenda" in lines


@pytest.mark.honest("salesforce", 22)
def test_archiving_is_announced_as_a_gap(world: BusOrg) -> None:
    """Header only, no origin."""
    key = world.org.event()
    listener = world.listen()
    world.org.clock.advance(400 * 86_400)
    world.org.simulator.archive()
    got = listener.one()
    assert (got.kind, got.header["recordIds"], got.header["changeOrigin"]) == ("GAP_UPDATE", [key], "")
    assert got.filled == {}


@pytest.mark.honest("salesforce", 22)
def test_an_event_that_is_too_large_becomes_a_gap() -> None:
    """Over the size limit only the header is sent."""
    world = build_bus(behaviour=replace(CALM, payload_max=2_000))
    listener = world.listen()
    key = world.org.event(Description="x" * 3_000)
    got = listener.one()
    assert (got.kind, got.header["recordIds"], got.filled) == ("GAP_CREATE", [key], {})
    assert PubSubBehaviour().payload_max == 1_000_000


@pytest.mark.honest("salesforce", 22)
def test_gaps_on_demand(world: BusOrg) -> None:
    """The next changes become gaps of their own type; one can be published for any record."""
    listener = world.listen()
    world.bus.gap_next(2)
    key = world.org.event()
    world.org.patch(f"/sobjects/Event/{key}", {"Subject": "y"})
    world.org.delete(f"/sobjects/Event/{key}")
    world.bus.gap(key, kind="UNDELETE")
    got = listener.take()
    assert [one.kind for one in got] == ["GAP_CREATE", "GAP_UPDATE", "DELETE", "GAP_UNDELETE"]
    assert all(one.filled == {} and one.header["changedFields"] == [] for one in got)


def test_a_huge_transaction_overflows() -> None:
    """Each updated field counts one; past the limit one event stands for each object, without a record."""
    world = build_bus(behaviour=replace(CALM, overflow_changes=4))
    keys = [world.org.event() for _ in range(4)]
    listener = world.listen(ALL)
    records = [{"attributes": {"type": "Event"}, "id": key, "Location": "Hall"} for key in keys]
    world.org.patch("/composite/sobjects", {"allOrNone": True, "records": records})
    got = listener.take()
    assert [one.kind for one in got] == ["UPDATE", "UPDATE", "GAP_OVERFLOW"]
    assert got[-1].header["recordIds"] == ["000000000000000AAA"]
    assert got[-1].filled == {}
    assert PubSubBehaviour().overflow_changes == 100_000


@pytest.mark.honest("salesforce", 22)
def test_overflow_on_demand(world: BusOrg) -> None:
    """Without any change in the org."""
    listener = world.listen(RELATIONS)
    world.bus.overflow("EventRelation")
    assert kinds(listener) == [("EventRelation", "GAP_OVERFLOW")]


@pytest.mark.honest("pubsub", 12)
def test_hidden_fields_stay_null() -> None:
    """Field-level security: the schema lists the field, no event has a value or a bit for it."""
    world = build_bus(behaviour=replace(CALM, hidden_fields=frozenset({"Subject"})))
    listener = world.listen()
    key = world.org.event()
    world.org.patch(f"/sobjects/Event/{key}", {"Subject": "y", "Location": None})
    created, updated = listener.take()
    assert (created.value["Subject"], updated.value["Subject"]) == (None, None)
    assert updated.changed == ["LastModifiedDate"]
    assert "Subject" in world.bus.schema_of("Event").names


def test_a_relation_update(world: BusOrg) -> None:
    """An answer changes Status alone, under the relation's own layout."""
    key = world.org.event()
    link = world.org.create("EventRelation", {"EventId": key, "RelationId": world.org.ids["contact"]})
    listener = world.listen(RELATIONS)
    world.org.patch(f"/sobjects/EventRelation/{link}", {"Status": "Accepted"})
    got = listener.one()
    assert (got.changed, got.value["Status"], got.value["EventId"]) == (
        ["Status", "LastModifiedDate"],
        "Accepted",
        None,
    )


def test_schema_columns_that_the_org_lacks_are_null(world: BusOrg) -> None:
    """The two series ids of the schema are no columns of the org."""
    described = {field.name for field in EVENT.fields}
    assert set(world.bus.schema_of("Event").names) - described >= {"ActivityRecurrence2Id"}
    listener = world.listen(EVENTS)
    world.org.event()
    value: dict[str, Any] = listener.one().value
    assert value["ActivityRecurrence2Id"] is None
