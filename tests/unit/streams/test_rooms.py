"""Rooms: matched by unique names, carried both ways, named as the location where nothing else stands there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.builders import CLIENT, ROOM, meeting, span
from support.pair_looks import last, lone, only, sent, short, state_of
from support.pair_world import BANKSIA, WATTLE, World, a_pair

from schemas.calendar import Attendee, CalendarEvent, Response, Sensitivity
from schemas.changes import Side
from schemas.directory import DirectoryEntry, EntryKind
from schemas.groups import LOCATION, ROOMS, SUBJECT, TIME
from streams.mapping import is_edited

GRAPH, SALESFORCE = Side.GRAPH, Side.SALESFORCE


def booked(*rooms: Attendee, **members: Any) -> CalendarEvent:
    """A meeting as Graph shows it with these rooms booked: the record is not known there."""
    bare = tuple(replace(room, record_id="") for room in rooms)
    people = members.pop("attendees", (CLIENT,))
    return meeting(rooms=bare, attendees=(*people, *bare), **members)


def ids(content: CalendarEvent) -> list[str]:
    """Which Resource Calendars."""
    return [room.record_id for room in content.rooms]


def chosen(*rooms: Attendee) -> tuple[Attendee, ...]:
    """Rooms as Practifi shows them: the record alone."""
    return tuple(Attendee("", kind=room.kind, record_id=room.record_id) for room in rooms)


@pytest.mark.rule("6.rooms")
def test_a_room_of_microsoft_becomes_a_resource_in_practifi() -> None:
    """And the location text is kept."""
    world = lone(GRAPH, booked(BANKSIA, location="Banksia, second floor"))
    held = only(world, SALESFORCE)
    assert (ids(held), held.location) == ([BANKSIA.record_id], "Banksia, second floor")
    assert world.settle() == 0


@pytest.mark.rule("6.rooms")
@pytest.mark.parametrize("name", ["Nowhere", "banksia", "Twin", "Double"])
def test_a_room_whose_name_is_missing_or_not_unique_is_a_text_only(name: str) -> None:
    """Names must be identical, and unique on both sides."""
    world = World()
    for entry in (
        DirectoryEntry(EntryKind.ROOM, "023TWIN1", name="Twin"),
        DirectoryEntry(EntryKind.ROOM, "023TWIN2", name="Twin"),
        DirectoryEntry(EntryKind.ROOM, "023DOUBLE", name="Double"),
        DirectoryEntry(EntryKind.ROOM, "d1@firm.example", "d1@firm.example", "Double"),
        DirectoryEntry(EntryKind.ROOM, "d2@firm.example", "d2@firm.example", "Double"),
    ):
        world.know_room(entry)
    world.make(GRAPH, booked(Attendee("", name, ROOM.kind), location=name))
    world.settle()
    held = only(world, SALESFORCE)
    assert (ids(held), held.location) == ([], name)


@pytest.mark.rule("6.rooms")
def test_a_room_chosen_in_practifi_is_invited_and_named() -> None:
    """A new event: the room's mailbox gets an invitation, the location its name, which then comes in."""
    world = lone(SALESFORCE, meeting(rooms=chosen(BANKSIA)))
    create = world.commands[0]
    assert create.content is not None
    assert [mail.address for mail in create.mails] == [BANKSIA.address]
    there = only(world, GRAPH)
    assert [(a.address, a.kind) for a in there.attendees] == [(BANKSIA.address, ROOM.kind)]
    assert (there.location, only(world, SALESFORCE).location) == (BANKSIA.name, BANKSIA.name)


def test_a_location_of_ones_own_is_kept() -> None:
    """The room is invited all the same."""
    world = lone(SALESFORCE, meeting(rooms=chosen(BANKSIA), location="Level 4"))
    assert only(world, GRAPH).location == "Level 4"
    assert [a.address for a in only(world, GRAPH).attendees] == [BANKSIA.address]


def test_another_room_goes_out_with_the_next_save() -> None:
    """Rule 7.6: choosing a resource alone is no save; with one the rooms are exchanged, and only those are mailed."""
    world = World()
    _, _, salesforce_id = a_pair(world, booked(BANKSIA, location=BANKSIA.name))
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, rooms=chosen(WATTLE))
    world.settle()
    assert (sent(world, before), state_of(world).reason) == ([], "attendees_only")
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    command = world.commands[before]
    assert set(command.fields) == {SUBJECT, ROOMS, LOCATION}
    kinds = {mail.address: str(mail.kind) for mail in command.mails}
    assert kinds == {BANKSIA.address: "cancel", WATTLE.address: "invite", CLIENT.address: "update"}
    assert only(world, GRAPH).location == only(world, SALESFORCE).location == WATTLE.name
    assert ids(only(world, SALESFORCE)) == [WATTLE.record_id]


def test_rooms_that_practifi_does_not_know_stay() -> None:
    """A room without a calendar is nobody's to remove."""
    world = World()
    _, _, salesforce_id = a_pair(world, booked(BANKSIA, ROOM))
    world.edit(SALESFORCE, salesforce_id, rooms=chosen(WATTLE), subject="Renamed")
    world.settle()
    addresses = {a.address for a in only(world, GRAPH).attendees}
    assert addresses == {CLIENT.address, ROOM.address, WATTLE.address}


def test_a_room_that_declines_is_not_booked() -> None:
    """Its relation goes; the event stays."""
    world = World()
    _, graph_id, _ = a_pair(world, booked(BANKSIA))
    world.edit(GRAPH, graph_id, rooms=())
    world.settle()
    assert ids(only(world, SALESFORCE)) == []


def test_a_private_event_has_no_rooms_in_practifi() -> None:
    """Rule 7.7: it crosses without; turning private removes the relation, and nobody is uninvited."""
    world = World()
    _, graph_id, _ = a_pair(world, booked(BANKSIA))
    world.edit(GRAPH, graph_id, sensitivity=Sensitivity.PRIVATE)
    world.settle()
    assert ids(only(world, SALESFORCE)) == []
    assert len(only(world, GRAPH).attendees) == 2
    private = lone(SALESFORCE, meeting(rooms=chosen(BANKSIA), sensitivity=Sensitivity.PRIVATE))
    assert (only(private, GRAPH).attendees, private.commands[0].mails) == ((), ())


def test_a_taken_room_is_left_out_once_and_tried_again_when_the_event_moves() -> None:
    """Salesforce refuses the relation: the event stays, nothing goes out because of it, and nothing is asked again."""
    world = World()
    world.rooms_taken = True
    _, graph_id, salesforce_id = a_pair(world, booked(BANKSIA, location="Level 4"))
    assert ids(world.items[SALESFORCE][salesforce_id].content) == []
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    assert sent(world, before) == [(GRAPH, "update", (SUBJECT,))]
    assert len(world.items[GRAPH][graph_id].content.attendees) == 2
    world.rooms_taken = False
    world.edit(GRAPH, graph_id, span=span(9))
    world.settle()
    assert set(world.commands[-1].fields) >= {TIME, ROOMS}
    assert ids(only(world, SALESFORCE)) == [BANKSIA.record_id]


def test_a_location_that_only_names_the_rooms_is_no_edit() -> None:
    """It follows the rooms, and wins no conflict."""
    room = replace(BANKSIA, response=Response.NONE)
    assert not is_edited(meeting(location=BANKSIA.name, rooms=(room,)), meeting(), LOCATION)
    assert is_edited(meeting(location="Level 4", rooms=(room,)), meeting(), LOCATION)


def test_a_location_typed_meanwhile_is_not_lost() -> None:
    """The room's name came into the location while somebody wrote one in Practifi."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(rooms=chosen(BANKSIA)), first=SALESFORCE)
    world.edit(SALESFORCE, salesforce_id, location="Level 4")
    world.settle()
    assert only(world, GRAPH).location == "Level 4"
    assert last(world).lost == ()
    assert short(world.commands[-1])[0] is GRAPH
