"""Group events: invitees, their copies, resources, privacy. Section 1 rules 8 to 10."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.salesforce_client import SalesforceClient, build_org, error_of, event_body

from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.org import Org


def invite(org: SalesforceClient, event: str, who: str, **fields: Any) -> str:
    """Relate a named record of the org to an event; the relation's id."""
    return org.create("EventRelation", {"EventId": event, "RelationId": org.ids.get(who, who), **fields})


def refusal(org: SalesforceClient, event: str, who: str, **fields: Any) -> tuple[int, str, list[str]]:
    """The refusal of a relation."""
    return error_of(org.post("/sobjects/EventRelation", {"EventId": event, "RelationId": org.ids[who], **fields}))


def copies(org: SalesforceClient) -> list[dict[str, Any]]:
    """The invitees' copies in the org."""
    return [row for row in org.simulator.records("Event") if row["IsChild"]]


@pytest.mark.honest("salesforce", 7)
def test_each_invited_user_gets_a_copy(org: SalesforceClient) -> None:
    """Two invited users make three events and two relations; contacts and rooms make no copy."""
    key = org.event(OwnerId=org.ids["ada"])
    for who in ("bob", "cleo", "contact", "room"):
        invite(org, key, who)
    rows = copies(org)
    assert {row["OwnerId"] for row in rows} == {org.ids["bob"], org.ids["cleo"]}
    assert len({row["Id"] for row in rows} | {key}) == 3
    for row in rows:
        assert (row["IsChild"], row["IsGroupEvent"], row["Subject"]) == (True, True, "Review")
        assert row["StartDateTime"] == "2026-05-21T10:00:00.000+0000"
    parent = org.read("Event", key)
    assert (parent["IsChild"], parent["IsGroupEvent"], parent["GroupEventType"]) == (False, True, "1")


def test_a_relation_has_the_documented_defaults(org: SalesforceClient) -> None:
    """Status is New, and the event stays what it was when the relation is the only write."""
    key = org.event(OwnerId=org.ids["ada"])
    before = org.read("Event", key)["SystemModstamp"]
    org.clock.advance(60)
    row = org.read("EventRelation", invite(org, key, "contact"))
    assert (row["Status"], row["Response"], row["RespondedDate"]) == ("New", None, None)
    assert org.read("Event", key)["SystemModstamp"] == before


def test_a_relation_touches_its_event_only_by_switch() -> None:
    """Unverified: with the switch the event's SystemModstamp moves with its relations."""
    org = build_org(behaviour=replace(Behaviour().calm(), relation_touches_event=True))
    key = org.event()
    org.clock.advance(60)
    relation = invite(org, key, "contact")
    assert org.read("Event", key)["SystemModstamp"] == "2026-05-20T12:01:00.000+0000"
    org.clock.advance(60)
    org.delete(f"/sobjects/EventRelation/{relation}")
    assert org.read("Event", key)["SystemModstamp"] == "2026-05-20T12:02:00.000+0000"


@pytest.mark.honest("salesforce", 7)
def test_copies_follow_their_event(org: SalesforceClient) -> None:
    """A change of the event reaches the copies, each with a change event of its own."""
    key = org.event(OwnerId=org.ids["ada"])
    invite(org, key, "bob")
    org.patch(f"/sobjects/Event/{key}", {"Subject": "Moved", "StartDateTime": "2026-05-22T10:00:00Z"})
    (copy,) = copies(org)
    assert (copy["Subject"], copy["StartDateTime"]) == ("Moved", "2026-05-22T10:00:00.000+0000")
    last = org.simulator.changes[-2:]
    assert [(change.record_id, change.change_type) for change in last] == [(key, "UPDATE"), (copy["Id"], "UPDATE")]
    assert last[0].transaction_key == last[1].transaction_key


@pytest.mark.honest("salesforce", 7)
def test_a_copy_takes_reminders_only(org: SalesforceClient) -> None:
    """Any other edit of a copy is refused; it can be queried and deleted."""
    invite(org, org.event(OwnerId=org.ids["ada"]), "bob")
    (copy,) = copies(org)
    path = f"/sobjects/Event/{copy['Id']}"
    assert org.patch(path, {"IsReminderSet": True, "ReminderDateTime": "2026-05-21T09:00:00Z"}).status == 204
    assert error_of(org.patch(path, {"Subject": "x"})) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Subject"])
    assert len(org.query("SELECT Id FROM Event WHERE IsChild = true")) == 1
    assert org.delete(path).status == 204


@pytest.mark.honest("salesforce", 8)
def test_a_copy_has_no_relations(org: SalesforceClient) -> None:
    """An EventRelation on a copy is refused."""
    invite(org, org.event(OwnerId=org.ids["ada"]), "bob")
    (copy,) = copies(org)
    assert refusal(org, copy["Id"], "contact")[1:] == ("FIELD_INTEGRITY_EXCEPTION", ["EventId"])


@pytest.mark.honest("salesforce", 8)
def test_a_relations_ends_are_immutable(org: SalesforceClient) -> None:
    """EventId and RelationId cannot be changed; status and response can."""
    key = org.event()
    relation = invite(org, key, "contact")
    path = f"/sobjects/EventRelation/{relation}"
    for name, value in (("EventId", key), ("RelationId", org.ids["bob"])):
        assert error_of(org.patch(path, {name: value})) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE", [name])
    change = {"Status": "Accepted", "Response": "Gladly", "RespondedDate": "2026-05-20T12:00:00Z"}
    assert org.patch(path, change).status == 204
    assert org.read("EventRelation", relation)["Status"] == "Accepted"


@pytest.mark.honest("salesforce", 8)
@pytest.mark.parametrize("field", ["IsWhat", "IsParent", "IsInvitee"])
def test_shared_fields_need_shared_activities(org: SalesforceClient, field: str) -> None:
    """Without Shared Activities the fields do not exist."""
    assert refusal(org, org.event(), "contact", **{field: True})[1] == "INVALID_FIELD"


def test_nobody_is_invited_twice(org: SalesforceClient) -> None:
    """A second relation of the same record to the same event answers DUPLICATE_VALUE."""
    key = org.event()
    invite(org, key, "contact")
    assert refusal(org, key, "contact")[1] == "DUPLICATE_VALUE"


def test_the_owner_is_not_an_invitee(org: SalesforceClient) -> None:
    """A relation to the event's own owner is refused."""
    assert refusal(org, org.event(OwnerId=org.ids["ada"]), "ada")[1] == "FIELD_INTEGRITY_EXCEPTION"


def test_only_people_and_calendars_are_related(org: SalesforceClient) -> None:
    """Without Shared Activities an account's id is of the wrong type."""
    assert refusal(org, org.event(), "account")[1:] == ("MALFORMED_ID", ["RelationId"])


def test_a_relation_removed_takes_its_copy_along(org: SalesforceClient) -> None:
    """Deleting the relations deletes the copies; without any the event is no group event."""
    key = org.event(OwnerId=org.ids["ada"])
    relations = [invite(org, key, who) for who in ("bob", "contact")]
    org.delete(f"/sobjects/EventRelation/{relations[0]}")
    assert copies(org) == []
    assert org.read("Event", key)["IsGroupEvent"] is True
    org.delete(f"/sobjects/EventRelation/{relations[1]}")
    assert (org.read("Event", key)["IsGroupEvent"], org.read("Event", key)["GroupEventType"]) == (False, "0")


def test_a_deleted_event_takes_everything_along_and_brings_it_back(org: SalesforceClient) -> None:
    """Relations and copies go with the event, and an undelete restores them."""
    key = org.event(OwnerId=org.ids["ada"])
    for who in ("bob", "contact"):
        invite(org, key, who)
    org.clock.advance(60)
    org.delete(f"/sobjects/Event/{key}")
    assert (org.simulator.records("Event"), org.simulator.records("EventRelation")) == ([], [])
    org.simulator.undelete("Event", key)
    assert len(org.simulator.records("Event")) == 2
    assert len(org.simulator.records("EventRelation")) == 2
    assert [change.change_type for change in org.simulator.changes[-4:]] == ["UNDELETE"] * 4


@pytest.mark.honest("salesforce", 9)
def test_a_room_is_accepted_and_only_when_free(org: SalesforceClient) -> None:
    """A resource's status is Accepted; a second event at an overlapping time cannot have it."""
    first = org.event()
    relation = invite(org, first, "room")
    assert org.read("EventRelation", relation)["Status"] == "Accepted"
    response = org.patch(f"/sobjects/EventRelation/{relation}", {"Status": "Declined"})
    assert error_of(response)[1:] == ("FIELD_INTEGRITY_EXCEPTION", ["Status"])
    clash = org.event(StartDateTime="2026-05-21T10:59:00Z", EndDateTime="2026-05-21T12:00:00Z")
    assert refusal(org, clash, "room")[1] == "FIELD_INTEGRITY_EXCEPTION"
    assert refusal(org, clash, "room", Status="New")[2] == ["Status"]
    following = org.event(StartDateTime="2026-05-21T11:00:00Z", EndDateTime="2026-05-21T12:00:00Z")
    invite(org, following, "room")
    move = {"StartDateTime": "2026-05-21T10:30:00Z", "EndDateTime": "2026-05-21T11:30:00Z"}
    assert error_of(org.patch(f"/sobjects/Event/{following}", move))[1] == "FIELD_INTEGRITY_EXCEPTION"
    assert org.read("Event", following)["StartDateTime"] == "2026-05-21T11:00:00.000+0000"


@pytest.mark.honest("salesforce", 9)
def test_an_all_day_event_occupies_a_room_to_the_end_of_its_last_day(org: SalesforceClient) -> None:
    """Rule 6: the last day counts whole."""
    whole = org.create("Event", {"Subject": "x", "IsAllDayEvent": True, "ActivityDate": "2026-05-21"})
    invite(org, whole, "room")
    assert refusal(org, org.event(), "room")[1] == "FIELD_INTEGRITY_EXCEPTION"
    invite(org, org.event(StartDateTime="2026-05-22T00:00:00Z", EndDateTime="2026-05-22T01:00:00Z"), "room")


@pytest.mark.honest("salesforce", 9)
def test_calendars_are_read_only(org: SalesforceClient) -> None:
    """No create, update or delete on Calendar; query, retrieve and describe work."""
    path = f"/sobjects/Calendar/{org.ids['room']}"
    assert error_of(org.post("/sobjects/Calendar", {"Name": "x"}))[1] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    assert error_of(org.patch(path, {"Name": "x"}))[1] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    assert error_of(org.delete(path))[0] == 400
    assert org.read("Calendar", org.ids["room"])["Type"] == "Resource"
    assert len(org.query("SELECT Id FROM Calendar WHERE Type = 'User'")) == 4
    described = org.get("/sobjects/Calendar/describe").json()
    assert (described["createable"], described["queryable"]) == (False, True)


def test_a_public_calendar_owns_events_and_a_room_does_not(org: SalesforceClient) -> None:
    """OwnerId may be a public calendar."""
    assert org.read("Event", org.event(OwnerId=org.ids["public"]))["OwnerId"] == org.ids["public"]
    assert error_of(org.post("/sobjects/Event", event_body(OwnerId=org.ids["room"])))[2] == ["OwnerId"]


def test_a_private_event_has_no_links(org: SalesforceClient) -> None:
    """A private event refuses contact and account, on create, on update and as an invitee; users may come."""
    links = {"WhoId": org.ids["contact"], "WhatId": org.ids["account"]}
    for name, value in links.items():
        response = org.post("/sobjects/Event", event_body(IsPrivate=True, **{name: value}))
        assert error_of(response) == (400, "FIELD_INTEGRITY_EXCEPTION", [name])
    linked = org.event(**links)
    assert error_of(org.patch(f"/sobjects/Event/{linked}", {"IsPrivate": True}))[2] == ["WhoId", "WhatId"]
    assert org.patch(f"/sobjects/Event/{linked}", {"IsPrivate": True, "WhoId": None, "WhatId": None}).status == 204
    assert refusal(org, linked, "contact")[1] == "FIELD_INTEGRITY_EXCEPTION"
    invite(org, linked, "bob")
    invited = org.event()
    invite(org, invited, "contact")
    assert error_of(org.patch(f"/sobjects/Event/{invited}", {"IsPrivate": True}))[2] == ["IsPrivate"]


def test_the_account_is_computed(org: SalesforceClient) -> None:
    """AccountId is the What's account, else the Who's, else null, and cannot be written."""
    by_who = org.event(WhoId=org.ids["contact"])
    by_what = org.event(WhatId=org.ids["account"], WhoId=org.ids["other_contact"])
    without = org.event(WhoId=org.ids["other_contact"])
    assert [org.read("Event", key)["AccountId"] for key in (by_who, by_what, without)] == [
        org.ids["account"],
        org.ids["account"],
        None,
    ]
    assert error_of(org.patch(f"/sobjects/Event/{without}", {"AccountId": org.ids["account"]}))[2] == ["AccountId"]
    org.patch(f"/sobjects/Contact/{org.ids['other_contact']}", {"AccountId": org.ids["account"]})
    assert org.read("Event", without)["AccountId"] == org.ids["account"]


def test_views_show_relations_by_status(org: SalesforceClient) -> None:
    """AcceptedEventRelation and its kin are read-only and hold the rows of their status."""
    key = org.event()
    relation = invite(org, key, "contact", Status="Accepted")
    invite(org, key, "other_contact")
    soql = f"SELECT Id, Relation.Email FROM AcceptedEventRelation WHERE EventId = '{key}'"
    assert [(row["Id"], row["Relation"]["Email"]) for row in org.query(soql)] == [(relation, "sun@kim.example")]
    assert len(org.query("SELECT Id FROM UndecidedEventRelation")) == 1
    assert error_of(org.post("/sobjects/AcceptedEventRelation", {}))[1] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"


def test_shared_activities_add_their_fields() -> None:
    """With Shared Activities a relation is an invitee by default, and a who link when it says so."""
    org = build_org(replace(Org(), shared_activities=True))
    key = org.event()
    invitee = org.read("EventRelation", invite(org, key, "contact"))
    link = org.read("EventRelation", invite(org, key, "other_contact", IsParent=True, IsInvitee=False))
    assert (invitee["IsInvitee"], invitee["IsParent"], invitee["AccountId"]) == (True, False, org.ids["account"])
    assert (link["IsInvitee"], link["IsParent"]) == (False, True)
    assert [row["RelationId"] for row in org.query("SELECT RelationId FROM EventWhoRelation")] == [
        org.ids["other_contact"]
    ]


def test_an_org_without_the_package_has_none_of_its_fields() -> None:
    """The custom fields are data: without them a write of one answers INVALID_FIELD."""
    org = build_org(Org().without_custom_fields())
    org.event()
    assert error_of(org.post("/sobjects/Event", event_body(Concord_Sync_Key__c="k")))[1] == "INVALID_FIELD"
    assert org.get("/sobjects/practifi__Integration_Log__c/describe").status == 404
    other = build_org(replace(Org(), namespace="acme"))
    assert other.read("Event", other.event(acme__External_ID__c="x"))["acme__External_ID__c"] == "x"
