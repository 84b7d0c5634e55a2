"""Who attends on which side, who is mailed, and who must not be (rules 7.6, 7.7, 7.11, 7.18)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.builders import (
    CLIENT,
    COLLEAGUE,
    ROOM,
    STRANGER,
    firm_settings,
    meeting,
)
from support.pair_looks import OTHER, last, only, records, short, state_of
from support.pair_world import World, a_pair

from schemas.calendar import Attendee, Response, Sensitivity
from schemas.changes import Side
from schemas.groups import PEOPLE, PRIVACY, SUBJECT
from schemas.settings import Direction

GRAPH, SALESFORCE = Side.GRAPH, Side.SALESFORCE


# ---- people ----------------------------------------------------------------------------------------------------------


def test_people_travel_inbound_with_their_answers() -> None:
    """Added, removed, accepted: Practifi's relations follow."""
    world = World()
    _, graph_id, _ = a_pair(world, meeting(attendees=(CLIENT,)))
    world.edit(GRAPH, graph_id, attendees=(replace(CLIENT, response=Response.ACCEPTED), OTHER, STRANGER, ROOM))
    world.settle()
    assert {(a.record_id, a.response) for a in only(world, SALESFORCE).attendees} == {
        ("003CLIENT", Response.ACCEPTED), ("003OTHER", Response.NONE),
    }  # fmt: skip


@pytest.mark.rule("7.6")
def test_attendee_list_alone_is_not_carried_outbound() -> None:
    """Rule 7.6; the next save of anything else takes it along, where invitations are asked for."""
    world = World()
    content = meeting(attendees=(CLIENT,), send_invitations=True)
    _, _, salesforce_id = a_pair(world, content, first=SALESFORCE)
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, attendees=(CLIENT, OTHER))
    world.settle()
    assert world.commands[before:] == []
    assert state_of(world).reason == "attendees_only"
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    assert short(world.commands[before]) == (
        GRAPH, (SUBJECT, PEOPLE), ["invite other@out.example", "update client@out.example"],
    )  # fmt: skip


@pytest.mark.rule("7.18")
def test_ticking_invitations_later_adds_the_attendees() -> None:
    """Rule 7.18: added and invited then; nothing else is written."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(attendees=(CLIENT,)), first=SALESFORCE)
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, send_invitations=True)
    world.settle()
    assert short(world.commands[before]) == (GRAPH, (PEOPLE,), ["invite client@out.example"])
    assert records(only(world, GRAPH)) == ["003CLIENT"]


def test_ticking_invitations_when_all_are_there_is_agreed_without_a_write() -> None:
    """From then on a change of the list alone is a change of the list alone (7.6), and cancels nobody's invitation."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(attendees=(CLIENT, OTHER)))
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, send_invitations=True)
    world.settle()
    assert (world.commands[before:], state_of(world).reason) == ([], "in_agreement")
    world.edit(SALESFORCE, salesforce_id, attendees=(CLIENT,))
    world.settle()
    assert (world.commands[before:], state_of(world).reason) == ([], "attendees_only")


def test_ticking_invitations_for_somebody_without_address_is_agreed_without_a_write() -> None:
    """Nobody can be invited, so nothing is left to carry; the others' invitations do not hang on it afterwards."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(attendees=(CLIENT,)))
    before = len(world.commands)
    unknown = Attendee("", "New", record_id="003NEW")
    world.edit(SALESFORCE, salesforce_id, send_invitations=True, attendees=(CLIENT, unknown))
    world.settle()
    world.edit(SALESFORCE, salesforce_id, attendees=(unknown,))
    world.settle()
    assert (world.commands[before:], state_of(world).reason) == ([], "attendees_only")


@pytest.mark.rule("7.18")
def test_unticking_invitations_uninvites_nobody() -> None:
    """No cancellation is mailed for an unticked box, whatever happened to the list."""
    world = World()
    content = meeting(attendees=(CLIENT, OTHER), send_invitations=True)
    _, _, salesforce_id = a_pair(world, content, first=SALESFORCE)
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, send_invitations=False, attendees=(CLIENT,))
    world.settle()
    assert world.commands[before:] == []
    assert state_of(world).reason == "no_invitations"
    world.edit(SALESFORCE, salesforce_id, location="Room 2")
    world.settle()
    assert sorted(records(only(world, GRAPH))) == ["003CLIENT", "003OTHER"]


def test_list_that_was_not_sent_is_kept_when_microsoft_overrules_it() -> None:
    """It was never agreed upon, so its loss is a conflict and stands in the decision."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world, meeting(attendees=(CLIENT,)))
    world.edit(SALESFORCE, salesforce_id, attendees=(CLIENT, COLLEAGUE), subject="Renamed")
    world.settle()
    world.edit(GRAPH, graph_id, attendees=(CLIENT, OTHER))
    world.settle()
    (row,) = last(world).lost
    assert row.field == PEOPLE
    assert [name for name, *_ in json.loads(row.before)] == ["Client", "Bob"]


def test_answer_alone_neither_drops_nor_brings_back_people_in_practifi() -> None:
    """Microsoft's list was not edited: whom Practifi added and dropped stays, answers come in."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world, meeting(attendees=(CLIENT, OTHER)))
    world.edit(SALESFORCE, salesforce_id, attendees=(CLIENT, COLLEAGUE))
    world.settle()
    world.edit(GRAPH, graph_id, attendees=(replace(CLIENT, response=Response.ACCEPTED), OTHER))
    world.settle()
    assert {(a.record_id, a.response) for a in only(world, SALESFORCE).attendees} == {
        ("003CLIENT", Response.ACCEPTED), ("005BOB", Response.NONE),
    }  # fmt: skip


@pytest.mark.rule("7.11")
def test_more_than_fifty_are_shortened_inbound_and_never_written_outbound() -> None:
    """Rule 7.11: the first 50 by name; the other fields still travel."""
    crowd = tuple(Attendee(f"{n:02}@out.example", f"N{n:02}") for n in range(60))
    world = World(settings=firm_settings(invitation_limit_per_write=0, invitation_limit_per_hour=0))
    for n in range(60):
        world.know(f"{n:02}@out.example", f"003{n:02}")
    _, graph_id, salesforce_id = a_pair(world, meeting(attendees=crowd))
    held = only(world, SALESFORCE)
    assert records(held) == [f"003{n:02}" for n in range(50)]
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, attendees=held.attendees[:10], send_invitations=True)
    world.settle()
    assert (world.commands[before:], state_of(world).reason) == ([], "truncated")
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    assert [c.fields for c in world.commands[before:] if c.side is GRAPH] == [(SUBJECT,)]
    assert len(world.items[GRAPH][graph_id].content.attendees) == 60


@pytest.mark.rule("7.7a")
def test_event_that_turns_private_in_microsoft_loses_its_relations_in_practifi() -> None:
    """Rule 7.7a: with the first write that says so; its attendees in Microsoft 365 are not touched."""
    world = World()
    _, graph_id, _ = a_pair(world, meeting(attendees=(CLIENT,)))
    before = len(world.commands)
    world.edit(GRAPH, graph_id, sensitivity=Sensitivity.PRIVATE)
    world.settle()
    assert {c.side for c in world.commands[before:]} == {SALESFORCE}
    assert world.commands[before].content is not None
    assert world.commands[before].content.attendees == ()
    assert (only(world, SALESFORCE).attendees, records(only(world, GRAPH))) == ((), ["003CLIENT"])


@pytest.mark.rule("7.7a")
def test_event_that_turns_private_in_practifi_mails_nobody() -> None:
    """Rule 7.7a: sensitivity is written, attendees never are; Practifi's relations go."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(attendees=(CLIENT,), send_invitations=True), first=SALESFORCE)
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, sensitivity=Sensitivity.PRIVATE)
    world.settle()
    written = [c for c in world.commands[before:] if c.side is GRAPH]
    assert [short(c) for c in written] == [(GRAPH, (PRIVACY,), [])]
    assert (only(world, SALESFORCE).attendees, records(only(world, GRAPH))) == ((), ["003CLIENT"])


@pytest.mark.rule("7.7")
def test_who_was_invited_while_the_record_was_private_comes_in_once_it_is_not() -> None:
    """Private in Practifi alone, because its edits stay there: whom it may not show is not agreed on."""
    world = World(firm_settings(direction=Direction.MICROSOFT_TO_PRACTIFI))
    _, graph_id, salesforce_id = a_pair(world)
    world.edit(SALESFORCE, salesforce_id, sensitivity=Sensitivity.PRIVATE)
    world.settle()
    world.edit(GRAPH, graph_id, attendees=(CLIENT,))
    world.settle()
    assert records(only(world, SALESFORCE)) == []
    world.edit(SALESFORCE, salesforce_id, sensitivity=Sensitivity.NORMAL)
    world.settle()
    assert records(only(world, SALESFORCE)) == ["003CLIENT"]


def test_private_event_that_turns_normal_gets_its_people_back() -> None:
    """From Microsoft 365, where they never left."""
    world = World()
    _, graph_id, _ = a_pair(world, meeting(attendees=(CLIENT,), sensitivity=Sensitivity.PRIVATE))
    assert only(world, SALESFORCE).attendees == ()
    world.edit(GRAPH, graph_id, sensitivity=Sensitivity.NORMAL)
    world.settle()
    assert records(only(world, SALESFORCE)) == ["003CLIENT"]


def test_whom_a_meeting_lost_while_its_record_was_being_made_is_taken_off() -> None:
    """The mailbox's copy goes and another comes before the create is answered. All that the create made is ours: who
    stands in the record and not in the new copy was taken off since, and is nobody whom Practifi added."""
    world = World()
    first = world.make(Side.GRAPH, meeting(attendees=(CLIENT, COLLEAGUE)))
    world.read(Side.GRAPH)
    assert world.journal("graph")
    world.delete(Side.GRAPH, first)
    world.read(Side.GRAPH)
    assert world.journal("graph")
    world.restore(Side.GRAPH, first)
    world.edit(Side.GRAPH, first, attendees=(CLIENT,))
    world.read(Side.GRAPH)
    assert world.journal("graph")
    world.settle()
    (record,) = world.items[Side.SALESFORCE].values()
    assert [one.record_id for one in record.content.attendees] == [CLIENT.record_id]
