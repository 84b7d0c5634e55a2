"""Orgs that are made differently: no custom fields, another namespace, Shared Activities; and who is in them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import (
    NAMES,
    Poller,
    build_lasting,
    calls_to,
    carry_out,
    content,
    create,
    delete,
    made,
    own_events,
    people,
    reading,
    told,
    update,
)

from connectors.exchange import Call, Reply, run
from connectors.salesforce.directory import read_directory
from connectors.salesforce.fields import FieldNames, read_field_names
from connectors.salesforce.org import adapted
from projections.directory import Directory
from schemas.calendar import Attendee, Sensitivity, ShowAs
from schemas.commands import Result
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.errors import AuthRejected
from simulators.salesforce.objects.practifi import contact_fields, event_fields, sync_key
from simulators.salesforce.org import Org
from simulators.salesforce.schema import column

BARE = FieldNames(
    sync_key="", external_id="", sync_status="", show_as="", send_invitations="", recurring="", alternative_email=""
)
ONLY_KEY = replace(BARE, sync_key="Concord_Sync_Key__c")
ONLY_EXTERNAL_ID = replace(BARE, external_id="practifi__External_ID__c")


def org_with(names: FieldNames) -> SalesforceClient:
    """An org that has, of all our fields, only those named."""
    fields = tuple(field for field in (*event_fields("practifi"), sync_key()) if field.name in names.of_event())
    return build_lasting(replace(Org(), custom_fields={"Event": fields}))


@pytest.mark.parametrize("names", [ONLY_KEY, ONLY_EXTERNAL_ID], ids=["only the key", "only the external id"])
def test_an_org_with_one_field_of_ours_is_kept_in_step(names: FieldNames) -> None:
    """Creates, repeats, updates, deletions and polls do without the others; Show Time As is the standard one."""
    org = org_with(names)
    wanted = content(org, show_as=ShowAs.TENTATIVE, send_invitations=True, recurring="Every day")
    item = made(org, wanted, names)
    assert own_events(org)[0]["ShowAs"] == "Busy"
    assert (item.content.show_as, item.content.send_invitations, item.content.sync_status) == (ShowAs.BUSY, False, "")
    assert carry_out(create(wanted), calls_to(org), names).item == item
    assert carry_out(create(wanted), calls_to(org), names).result is Result.APPLIED
    assert len(own_events(org)) == 1
    away = update(item, "show_as", "people", "marks", "recurring", show_as=ShowAs.OUT_OF_OFFICE, attendees=())
    assert carry_out(away, calls_to(org), names).result is Result.APPLIED
    assert own_events(org)[0]["ShowAs"] == "OutOfOffice"
    (change,) = Poller(org, names).poll()
    assert change.item == reading(org, item.id, names)
    assert carry_out(delete(reading(org, item.id, names)), calls_to(org), names).result is Result.APPLIED
    assert own_events(org) == []


def test_an_edit_of_an_event_that_only_its_external_id_finds_is_kept() -> None:
    """Looked up before it is made: somebody's edit of the record of an earlier try stays."""
    org = org_with(ONLY_EXTERNAL_ID)
    item = made(org, names=ONLY_EXTERNAL_ID)
    org.simulator.update("Event", item.id, {"Subject": "Theirs"})
    outcome = carry_out(create(content(org)), calls_to(org), ONLY_EXTERNAL_ID)
    assert outcome.result is Result.STALE
    assert own_events(org)[0]["Subject"] == "Theirs"


def test_a_create_done_again_does_not_undo_what_people_ticked() -> None:
    """Whether invitations go out belongs to the people of an event, who are added to; the tick is theirs."""
    names = replace(NAMES, sync_key="")
    org = build_lasting()
    item = made(org, names=names)
    org.simulator.update("Event", item.id, {"practifi__Send_Invitations_to_Attendees__c": True})
    outcome = carry_out(create(content(org)), calls_to(org), names)
    assert outcome.result is Result.STALE
    assert reading(org, item.id, names).content.send_invitations


def test_without_any_field_of_ours_nothing_is_made_twice() -> None:
    """A create is refused with the reason, the rest works; the settings say so before anything starts."""
    org = org_with(BARE)
    outcome = carry_out(create(content(org)), calls_to(org), BARE)
    assert (outcome.result, outcome.code) == (Result.REFUSED, "NO_KEY")
    event = org.event(Subject="Theirs")
    (change,) = Poller(org, BARE).poll()
    assert change.item is not None
    change = replace(change.item, content=replace(change.item.content, owner_id=org.ids["ada"]))
    outcome = carry_out(update(reading(org, event, BARE), "subject", "marks", subject="x"), calls_to(org), BARE)
    assert outcome.result is Result.APPLIED
    assert carry_out(update(reading(org, event, BARE), "marks"), calls_to(org), BARE).result is Result.APPLIED


@pytest.mark.parametrize("namespace", ["acme", ""])
def test_another_namespace_is_a_file_of_names(namespace: str, tmp_path: Path) -> None:
    """All names of the package come from one file."""
    prefix = f"{namespace}__" if namespace else ""
    usual = {name: value for name, value in vars(NAMES).items() if value.startswith("practifi__")}
    path = tmp_path / "names.json"
    path.write_text(json.dumps({name: value.replace("practifi__", prefix) for name, value in usual.items()}))
    names = read_field_names(path)
    org = build_lasting(Org(namespace=namespace))
    item = made(org, content(org, send_invitations=True), names)
    assert (item.content.show_as, item.content.sync_status) == (ShowAs.OUT_OF_OFFICE, "Synced")
    (change,) = Poller(org, names).poll()
    assert change.item == item


def test_a_field_that_the_org_lacks_waits_for_a_person() -> None:
    """It is nobody's event's fault: no command is refused because of it, no poll passes."""
    org = org_with(ONLY_KEY)
    with pytest.raises(AuthRejected, match="No such column"):
        Poller(org).poll()
    with pytest.raises(AuthRejected, match="Check the names of the org's fields"):
        carry_out(create(content(org)), calls_to(org))
    assert own_events(org) == []


SHARED = replace(NAMES, invitee="IsInvitee")


def shared_org() -> tuple[SalesforceClient, str]:
    """An org with Shared Activities and an event about the contact, with Bob invited."""
    org = build_lasting(Org(shared_activities=True))
    event = org.event(OwnerId=org.ids["ada"])
    link = {"EventId": event, "RelationId": org.ids["contact"], "IsParent": True, "IsWhat": False, "IsInvitee": False}
    org.create("EventRelation", link)
    org.create("EventRelation", {"EventId": event, "RelationId": org.ids["bob"]})
    return org, event


def flags(org: SalesforceClient, event: str) -> dict[str, tuple[bool, bool]]:
    """(IsParent, IsInvitee) by whom the rows of an event point to."""
    rows = (row for row in org.simulator.records("EventRelation") if row["EventId"] == event)
    return {row["RelationId"]: (row["IsParent"], row["IsInvitee"]) for row in rows}


def test_an_org_tells_by_itself_that_it_has_shared_activities() -> None:
    """Asked once; a name that was given is not asked for."""
    shared, _ = shared_org()
    assert run(adapted(NAMES), calls_to(shared)) == SHARED
    assert run(adapted(NAMES), calls_to(build_lasting())) == NAMES
    before = shared.simulator.calls_used
    assert run(adapted(SHARED), calls_to(shared)) is SHARED
    assert shared.simulator.calls_used == before


def test_whom_an_event_is_about_is_never_taken_off() -> None:
    """With Shared Activities one row may be link and invitation; only the invitation is ours."""
    org, event = shared_org()
    contact, bob, other = org.ids["contact"], org.ids["bob"], org.ids["other_contact"]
    item = reading(org, event, SHARED)
    assert [a.record_id for a in item.content.attendees] == [bob]
    both = (Attendee("", record_id=contact), Attendee("", record_id=other))
    outcome = carry_out(update(item, "people", attendees=both), calls_to(org), SHARED)
    assert (outcome.result, outcome.warning) == (Result.APPLIED, "")
    assert flags(org, event) == {contact: (True, True), other: (False, True)}
    outcome = carry_out(update(reading(org, event, SHARED), "people", attendees=()), calls_to(org), SHARED)
    assert outcome.result is Result.APPLIED
    assert flags(org, event) == {contact: (True, False)}
    assert told(Poller(org, SHARED).poll()) == [("poll", "Review")]


def test_an_invitation_that_is_a_link_too_keeps_the_event_from_turning_private() -> None:
    """The org refuses it, and nobody is taken off."""
    org, event = shared_org()
    (row,) = (r["Id"] for r in org.simulator.records("EventRelation") if r["RelationId"] == org.ids["contact"])
    org.patch(f"/sobjects/EventRelation/{row}", {"IsInvitee": True})
    item = reading(org, event, SHARED)
    hide = update(item, "privacy", sensitivity=Sensitivity.PRIVATE, attendees=())
    outcome = carry_out(hide, calls_to(org), SHARED)
    assert outcome.result is Result.REFUSED
    assert flags(org, event) == {org.ids["contact"]: (True, True), org.ids["bob"]: (False, True)}
    assert set(people(org, event)) == {org.ids["contact"], org.ids["bob"]}


# Who is in an org


def directory(org: SalesforceClient, names: FieldNames = NAMES) -> tuple[DirectoryEntry, ...]:
    """What the source reads."""
    return run(read_directory(names), calls_to(org))


@pytest.mark.rule("7.8")
def test_everybody_is_read_with_every_address() -> None:
    """Users, contacts by each of their email fields, rooms; last the mark that all was read."""
    fields = (*contact_fields("practifi"), column("Old_Mail__c", "email", "Old", "NCU", length=80, custom=True))
    usual = Org().added_fields
    org = build_lasting(replace(Org(), custom_fields={**usual, "Contact": fields}))
    addresses = {
        "Email": " Sun@Kim.EXAMPLE ", "practifi__Alternative_Email__c": "alt@kim.example",
        "Old_Mail__c": "old@kim.example",
    }  # fmt: skip
    org.simulator.update("Contact", org.ids["contact"], addresses, origin="system")
    org.simulator.update("User", org.ids["bob"], {"IsActive": False})
    org.simulator.insert("Contact", {"LastName": "Nobody"})
    org.simulator.insert("Calendar", {"Name": "Torn down", "Type": "Resource", "IsActive": False})
    entries = directory(org)
    contact = [entry for entry in entries if entry.id == org.ids["contact"]]
    assert {(entry.address, entry.address_class) for entry in contact} == {
        ("sun@kim.example", AddressClass.EMAIL),
        ("alt@kim.example", AddressClass.ALTERNATIVE),
        ("old@kim.example", AddressClass.CUSTOM),
    }
    users = {entry.id: entry for entry in entries if entry.address_class is AddressClass.USER}
    assert users[org.ids["ada"]].address == "ada@firm.example"
    assert users[org.ids["ada"]].name == "Ada Lovelace"
    assert (users[org.ids["ada"]].is_active, users[org.ids["bob"]].is_active) == (True, False)
    rooms = [entry for entry in entries if entry.kind is EntryKind.ROOM]
    assert [(entry.id, entry.name) for entry in rooms] == [(org.ids["room"], "Room 4")]
    assert entries[-1] == DirectoryEntry(EntryKind.COMPLETE, "salesforce")
    assert all(entry.address for entry in entries if entry.kind is EntryKind.ADDRESS)


@pytest.mark.rule("7.9")
def test_encrypted_addresses_are_read_as_they_come_and_match_nobody() -> None:
    """An encrypted field cannot be filtered on, so no query does; what it shows instead matches nobody."""
    org = build_lasting(Org())
    org.simulator.update("Contact", org.ids["contact"], {"Email": "xxxxx@xxxxx.xxx"}, origin="system")
    queries: list[str] = []

    def send(call: Call) -> Reply:
        queries.append(call.params.get("q", "") if call.params else "")
        return calls_to(org)(call)

    known = Directory()
    for entry in run(read_directory(NAMES), send):
        known.put(entry.key, entry)
    assert not [query for query in queries if "Email" in query.partition(" WHERE ")[2]]
    assert known.record_for("sun@kim.example") is None


def test_a_large_directory_is_read_page_by_page() -> None:
    """Also without the package's fields."""
    org = org_with(BARE)
    for number in range(2500):
        org.simulator.insert("Contact", {"LastName": f"C{number}", "Email": f"c{number}@client.example"})
    entries = directory(org, BARE)
    assert sum(entry.address.startswith("c") for entry in entries) >= 2500
    assert len({entry.key for entry in entries}) == len(entries)
