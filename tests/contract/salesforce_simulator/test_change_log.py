"""The change log: what a change data capture stream will be built from."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from support.salesforce_client import SalesforceClient, build_org, error_of, event_body

from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.changes import Change


def last(org: SalesforceClient) -> Change:
    """The newest change."""
    return org.simulator.changes[-1]


@pytest.mark.honest("salesforce", 21)
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "com/salesforce/api/rest/66.0"),
        ({"sforce_call_options": "client=concord"}, "com/salesforce/api/rest/66.0;client=concord"),
        ({"sforce_call_options": "client=a/1, defaultNamespace=practifi"}, "com/salesforce/api/rest/66.0;client=a/1"),
        ({"x_sim_origin": "ui"}, "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"),
        ({"x_sim_origin": "bulk"}, "com/salesforce/api/bulkapi/66.0"),
        ({"x_sim_origin": "system"}, ""),
    ],
)
def test_the_origin_says_what_wrote(org: SalesforceClient, headers: dict[str, str], expected: str) -> None:
    """The API, its version and the client; SfdcInternalAPI for the browser; nothing for the system."""
    org.create("Event", event_body(), **headers)
    assert last(org).change_origin == expected
    assert last(org).origin == headers.get("x_sim_origin", "api")


def test_the_version_of_the_path_is_in_the_origin(org: SalesforceClient) -> None:
    """A write under v59.0 says so."""
    org.post("/services/data/v59.0/sobjects/Event", event_body())
    assert last(org).change_origin == "com/salesforce/api/rest/59.0"


def test_an_unknown_origin_is_refused(org: SalesforceClient) -> None:
    """A typing error in the test header does not pass silently."""
    assert error_of(org.post("/sobjects/Event", event_body(), x_sim_origin="gui"))[0] == 400


def test_collections_name_the_client_by_switch() -> None:
    """Unverified: with the switch off a collection's origin lacks the client."""
    for names, tail in ((True, ";client=concord"), (False, "")):
        org = build_org(behaviour=replace(Behaviour().calm(), collections_name_client=names))
        record = {"attributes": {"type": "Event"}, **event_body()}
        org.post("/composite/sobjects", {"records": [record]}, sforce_call_options="client=concord")
        assert last(org).change_origin == f"com/salesforce/api/rest/66.0{tail}"


def test_the_acting_user_is_the_tokens_or_the_one_played(org: SalesforceClient) -> None:
    """Owner, creator and commit user are the token's user; X-Sim-User acts as somebody else, by id or username."""
    row = org.read("Event", org.event())
    assert row["OwnerId"] == row["CreatedById"] == last(org).commit_user == org.simulator.integration_user_id
    for named in (org.ids["ada"], "ada@firm.example"):
        key = org.create("Event", event_body(), x_sim_user=named)
        assert org.read("Event", key)["OwnerId"] == last(org).commit_user == org.ids["ada"]
    assert error_of(org.get("/limits", x_sim_user="nobody@firm.example"))[0] == 400


def test_an_update_names_changed_and_nulled_fields(org: SalesforceClient) -> None:
    """Only what differs is named, LastModifiedDate always, LastModifiedById when another user wrote."""
    key = org.event(Location="Room 4")
    org.clock.advance(1)
    org.patch(f"/sobjects/Event/{key}", {"Subject": "New", "Location": None, "ShowAs": "Busy"})
    assert last(org).change_type == "UPDATE"
    assert last(org).changed_fields == ("Subject", "Location", "LastModifiedDate")
    assert last(org).nulled_fields == ("Location",)
    org.patch(f"/sobjects/Event/{key}", {"Subject": "Newer"}, x_sim_user="ada@firm.example")
    assert last(org).changed_fields == ("Subject", "LastModifiedDate", "LastModifiedById")
    move = {"StartDateTime": "2026-05-22T10:00:00Z", "EndDateTime": "2026-05-22T11:00:00Z"}
    org.patch(f"/sobjects/Event/{key}", move)
    assert {"ActivityDateTime", "ActivityDate", "StartDateTime", "EndDateTime"} < set(last(org).changed_fields)
    assert "DurationInMinutes" not in last(org).changed_fields


def test_creates_and_deletes_name_no_fields(org: SalesforceClient) -> None:
    """The lists are filled for UPDATE only; the row is the record as it then was."""
    key = org.event()
    assert (last(org).change_type, last(org).changed_fields, last(org).row["Id"]) == ("CREATE", (), key)
    org.delete(f"/sobjects/Event/{key}")
    assert (last(org).change_type, last(org).changed_fields, last(org).nulled_fields) == ("DELETE", (), ())


def test_an_update_without_difference_is_a_change_by_switch() -> None:
    """Unverified: by default the dates move and a change is logged; with the switch off nothing happens."""
    for logged in (True, False):
        org = build_org(behaviour=replace(Behaviour().calm(), unchanged_update_is_logged=logged))
        key = org.event()
        org.clock.advance(60)
        count = len(org.simulator.changes)
        assert org.patch(f"/sobjects/Event/{key}", {"Subject": "Review"}).status == 204
        assert len(org.simulator.changes) - count == int(logged)
        moved = org.read("Event", key)["SystemModstamp"] == "2026-05-20T12:01:00.000+0000"
        assert moved is logged


@pytest.mark.honest("salesforce", 3, 16)
def test_numbers_are_large_rising_and_whole_seconds(org: SalesforceClient) -> None:
    """Commit numbers above 2**53 that rise with gaps; commit timestamps in whole seconds."""
    org.clock.advance(0.7)
    for _ in range(5):
        org.event()
    numbers = [change.sequence for change in org.simulator.changes]
    assert numbers == sorted(numbers)
    assert numbers[0] > 2**53
    assert numbers[-1] < 2**63
    assert any(second - first > 1 for first, second in pairwise(numbers))
    assert {change.commit_timestamp % 1000 for change in org.simulator.changes} == {0}


@pytest.mark.honest("salesforce", 15)
def test_an_invitation_is_numbered_in_one_transaction(org: SalesforceClient) -> None:
    """The copy comes before the relation, both under one key; the parent's derived marks are no change."""
    key = org.event()
    org.create("EventRelation", {"EventId": key, "RelationId": org.ids["bob"]})
    copy, relation = org.simulator.changes[-2:]
    assert [(item.entity, item.change_type, item.sequence_number) for item in (copy, relation)] == [
        ("Event", "CREATE", 1),
        ("EventRelation", "CREATE", 2),
    ]
    assert copy.transaction_key == relation.transaction_key
    assert copy.row["IsChild"] is True


def test_a_refused_write_leaves_no_trace(org: SalesforceClient) -> None:
    """What is refused after its first steps is neither stored nor logged."""
    key = org.event()
    invited = org.create("EventRelation", {"EventId": key, "RelationId": org.ids["room"]})
    count = len(org.simulator.changes)
    clash = org.event()
    response = org.post("/sobjects/EventRelation", {"EventId": clash, "RelationId": org.ids["room"]})
    assert response.status == 400
    assert len(org.simulator.changes) == count + 1
    assert [row["Id"] for row in org.simulator.records("EventRelation")] == [invited]


def test_changes_survive_as_json(org: SalesforceClient) -> None:
    """A change written as JSON reads back equal."""
    org.patch(f"/sobjects/Event/{org.event()}", {"Location": "x"})
    assert Change.from_json(last(org).to_json()) == last(org)
