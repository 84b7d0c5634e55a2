"""Scenario *50 attendees*: 49, 50, 51 and 300; the first by name; a shortened list never goes outbound."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import firm_settings, meeting
from support.pair_world import World

from projections.sync_state import own_key
from schemas.calendar import Attendee
from schemas.changes import Side


def guests(count: int) -> tuple[Attendee, ...]:
    """So many clients on record, named so that their order by name is not that of the list."""
    return tuple(
        Attendee(
            f"c{number}@out.example", f"{'aB'[number % 2]}{(number * 7) % count:03} Client", record_id=f"003{number:03}"
        )
        for number in range(count)
    )


def a_firm(count: int) -> tuple[World, tuple[Attendee, ...]]:
    """A firm that knows so many clients, and lets any number of them be mailed."""
    world = World(firm_settings(invitation_limit_per_write=500, invitation_limit_per_hour=100_000))
    people = guests(count)
    for one in people:
        world.know(one.address, one.record_id)
    return world, people


def by_name(people: tuple[Attendee, ...]) -> list[str]:
    """Record ids in the order of the rule: name without case, then address."""
    return [one.record_id for one in sorted(people, key=lambda one: (one.name.casefold(), one.address))]


@pytest.mark.rule("7.11")
@pytest.mark.parametrize("count", [49, 50, 51, 300])
def test_50_attendees_are_the_first_by_name(count: int) -> None:
    """Practifi holds at most 50 of a meeting's people, whichever way Outlook lists them, and is quiet about it."""
    world, people = a_firm(count)
    made = world.make(Side.GRAPH, meeting(attendees=tuple(replace(one, record_id="") for one in people)))
    world.settle()
    held = world.items[Side.SALESFORCE][_record(world, made)]
    found = {one.record_id for one in held.content.attendees} - {"005ANN"}
    assert found == set(by_name(people)[:50])
    written = len(world.commands)
    world.read_again(Side.GRAPH)
    world.settle()
    assert len(world.commands) == written


@pytest.mark.rule("7.11")
@pytest.mark.parametrize(("count", "is_written"), [(49, True), (50, True), (51, False), (300, False)])
def test_50_attendees_are_written_outbound_and_a_shortened_list_never(count: int, is_written: bool) -> None:
    """Practifi's user takes somebody off and moves the meeting: of a shortened list only the move goes out."""
    world, people = a_firm(count)
    made = world.make(Side.GRAPH, meeting(attendees=tuple(replace(one, record_id="") for one in people)))
    world.settle()
    record = _record(world, made)
    held = world.items[Side.SALESFORCE][record].content
    kept = tuple(one for one in held.attendees if one.record_id != by_name(people)[0])
    world.edit(Side.SALESFORCE, record, attendees=kept, send_invitations=True, subject="Moved")
    world.settle()
    event = world.items[Side.GRAPH][made].content
    assert event.subject == "Moved"
    assert len(event.attendees) == count - is_written
    updates = [one for one in world.executed if one.side is Side.GRAPH]
    assert ["people" in one.fields for one in updates] == [is_written]


def _record(world: World, graph_id: str) -> str:
    state = world.pairs[own_key(world.items[Side.GRAPH][graph_id])]
    assert state.salesforce.item is not None, state.reason
    return state.salesforce.item.id
