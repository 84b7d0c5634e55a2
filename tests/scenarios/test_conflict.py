"""Scenario *conflict*: every field, both arrival orders, with the write in flight. Microsoft 365 wins; the loser is
kept and can be written back."""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest
from support.builders import CLIENT, meeting, span
from support.pair_looks import OTHER
from support.pair_undo import undo
from support.pair_world import World, a_pair
from support.scripted import Story, day

from schemas.calendar import CalendarEvent, Sensitivity, ShowAs
from schemas.changes import Side
from schemas.groups import PEOPLE
from streams.mapping import readable, value

# For each field what Microsoft 365 and what Practifi make of it.
FIELDS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "time": ({"span": span(6)}, {"span": span(7)}),
    "subject": ({"subject": "Theirs"}, {"subject": "Ours"}),
    "body": ({"body": "Theirs"}, {"body": "Ours"}),
    "location": ({"location": "There"}, {"location": "Here"}),
    "show_as": ({"show_as": ShowAs.FREE}, {"show_as": ShowAs.OUT_OF_OFFICE}),
    "reminder": ({"reminder_minutes": 5}, {"reminder_minutes": 30}),
    "privacy": ({"sensitivity": Sensitivity.PRIVATE}, {"subject": "Ours"}),
    "people": ({"attendees": (CLIENT, OTHER)}, {"attendees": ()}),
}
ORDERS: Final = list(itertools.permutations(Side))
IN_FLIGHT: Final = ("at rest", "Practifi's edit is on its way", "Microsoft's edit is on its way")


def fight(field: str, order: tuple[Side, ...], flight: str) -> tuple[World, str, str, int]:
    """Both sides edit the field; told in this order, at rest or while the first edit is being written."""
    world = World()
    _, graph, record = a_pair(world, meeting(attendees=(CLIENT,)))
    theirs, ours = FIELDS[field]
    begun = len(world.steps)
    if flight == "Practifi's edit is on its way":
        world.edit(Side.SALESFORCE, record, **ours)
        world.read(Side.SALESFORCE)
        world.journal("salesforce")
        world.edit(Side.GRAPH, graph, **theirs)
    elif flight == "Microsoft's edit is on its way":
        world.edit(Side.GRAPH, graph, **theirs)
        world.read(Side.GRAPH)
        world.journal("graph")
        world.edit(Side.SALESFORCE, record, **ours)
    else:
        world.edit(Side.GRAPH, graph, **theirs)
        world.edit(Side.SALESFORCE, record, **ours)
    for side in order:
        world.read(side)
    for side in order:
        world.journal(side)
    world.settle()
    return world, graph, record, begun


def held(world: World, side: Side, item_id: str) -> CalendarEvent:
    """What a side holds, in Practifi's words."""
    return world.view_of(item_id) if side is Side.GRAPH else world.items[side][item_id].content


@pytest.mark.rule("7.15")
@pytest.mark.parametrize("flight", IN_FLIGHT)
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order[0]} first")
@pytest.mark.parametrize("field", FIELDS)
def test_conflict_over_every_field_is_microsofts(field: str, order: tuple[Side, ...], flight: str) -> None:
    """Both sides end with Microsoft's value and stay quiet."""
    world, graph, record, _ = fight(field, order, flight)
    theirs, _ = FIELDS[field]
    wanted = meeting(**({"attendees": (CLIENT,)} | theirs))
    sent = len(world.commands)
    for side, item_id in ((Side.GRAPH, graph), (Side.SALESFORCE, record)):
        shown = value(held(world, side, item_id), field)
        if field == PEOPLE:
            assert {one[0] for one in shown} == {"003CLIENT", "003OTHER"}
        else:
            assert shown == value(wanted, field)
    for side in Side:
        world.read_again(side)
    world.settle()
    assert world.commands[sent:] == []


@pytest.mark.rule("7.15")
@pytest.mark.parametrize("field", [name for name in FIELDS if name not in {"privacy", "people"}])
def test_conflict_keeps_the_loser_and_writes_it_back(field: str) -> None:
    """The losing value stands in the decision; an undo of it puts it on both sides, with the mails that were shown."""
    world, graph, record, begun = fight(field, (Side.SALESFORCE, Side.GRAPH), "at rest")
    _, ours = FIELDS[field]
    losing = meeting(**ours)
    lost = [
        (number, row)
        for number, step in enumerate(world.steps[begun:], begun)
        if step is not None and step.decision is not None
        for row in step.decision.lost
        if row.field == field
    ]
    offset, row = lost[0]
    assert row.before == readable(losing, field)
    sent = len(world.commands)
    # Practifi's edit had crossed and was on its way: of the decision, only what Practifi lost is looked at.
    shown = undo(world, offset, side=Side.SALESFORCE)
    world.settle()
    for side, item_id in ((Side.GRAPH, graph), (Side.SALESFORCE, record)):
        assert value(held(world, side, item_id), field) == value(losing, field), side
    mails = [mail for command in world.commands[sent:] for mail in command.mails]
    assert sorted(mails, key=str) == sorted(shown, key=str)


@pytest.mark.rule("7.15")
def test_conflict_through_the_whole_loop(firm: Story) -> None:
    """Both services: the same field on both sides, another on one; the other field is carried, not lost."""
    ann = firm.people[0]
    made = firm.make(ann, "Review", day(7))
    firm.settle()
    record = firm.records("Review")[0]["Id"]
    firm.change(ann, made, subject="Theirs")
    firm.edit(record, Subject="Ours", Location="Here")
    firm.settle()
    event = firm.event(ann, made)
    assert event is not None
    assert (event["subject"], event["location"]["displayName"]) == ("Theirs", "Here")
    assert [(one["Subject"], one["Location"]) for one in firm.records()] == [("Theirs", "Here")]
    assert {row.before for one in firm.decisions() for row in (*one.lost, *one.changes)} >= {"Ours"}
    assert firm.settle() == []
