"""The laws of a pair over generated histories: quiet, converge, no lost edit, Microsoft wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.builders import firm_settings, meeting
from support.pair_acts import (
    AGREED,
    COMINGS_AND_GOINGS,
    DELETIONS,
    FIRSTS,
    GROUP_OF,
    SALESFORCE_EDITS,
    TICKS,
    Act,
    edit_acts,
    edits_of,
    histories,
    lived,
    some_edits,
)
from support.pair_world import World

from schemas.changes import Side
from schemas.groups import CONTENT, PEOPLE
from schemas.settings import ConflictScope
from schemas.state import Status
from streams.mapping import readable, value

# ---- quiet ----------------------------------------------------------------------------------------------------------


@given(acts=histories(edit_acts(people=True), DELETIONS), first=FIRSTS)
@pytest.mark.rule("7.21")
def test_settled_pair_stays_quiet(acts: list[Act], first: Side) -> None:
    """Whatever happened: once settled, reading everything again decides nothing and sends nothing."""
    world, key, _ = lived(acts, first=first)
    world.settle()
    commands, decisions, state = len(world.commands), len(world.decisions), world.pairs[key]
    for side in Side:
        world.read_again(side)
    world.settle()
    assert world.commands[commands:] == []
    assert world.decisions[decisions:] == []
    assert (world.pairs[key].graph.base, world.pairs[key].salesforce.base) == (state.graph.base, state.salesforce.base)


@given(acts=histories(edit_acts(people=True), DELETIONS), first=FIRSTS)
def test_every_edit_costs_a_bounded_number_of_writes(acts: list[Act], first: Side) -> None:
    """No oscillation: besides the writes that people's acts call for, only marks and answers that come in."""
    world, _, _ = lived(acts, first=first)
    before = len(world.executed)
    world.settle()
    by_people = sum(act.name in {"edit", "delete"} for act in acts)
    assert len(world.executed) - before <= 4 + 3 * by_people


# ---- converge -------------------------------------------------------------------------------------------------------


@given(acts=histories(edit_acts()), first=FIRSTS, tick=TICKS, scope=st.sampled_from(ConflictScope))
def test_both_sides_end_with_the_same(acts: list[Act], first: Side, tick: timedelta, scope: ConflictScope) -> None:
    """When changes stop, every group agrees within a bounded number of exchanges, in whatever order things were told.

    People are left out where the event began in Practifi: without invitations they stay there (7.18).
    """
    world, key, ids = lived(acts, first=first, tick=tick, settings=firm_settings(conflict_scope=scope))
    world.settle()
    groups = CONTENT if first is Side.GRAPH else tuple(group for group in CONTENT if group != PEOPLE)
    assert world.differing(ids[Side.GRAPH], ids[Side.SALESFORCE], groups) == []
    assert world.pairs[key].status is Status.SYNCED


@given(acts=histories(edit_acts(people=True)), first=FIRSTS)
def test_marks_end_right(acts: list[Act], first: Side) -> None:
    """Practifi shows Synced, the external id and the pair key; Graph is tagged where we made it."""
    world, key, ids = lived(acts, first=first)
    world.settle()
    record = world.items[Side.SALESFORCE][ids[Side.SALESFORCE]]
    assert (record.content.sync_status, record.content.external_id, record.sync_key) == ("Synced", ids[Side.GRAPH], key)
    assert world.items[Side.GRAPH][ids[Side.GRAPH]].sync_key == (key if first is Side.SALESFORCE else "")


@given(acts=histories(edit_acts(), COMINGS_AND_GOINGS, size=18), first=FIRSTS)
def test_every_event_ends_in_one_pair_with_one_on_each_side(acts: list[Act], first: Side) -> None:
    """Deleted, restored and copied at any moment: whatever lives in the end lives on both sides, once, and agrees."""
    world, _, _ = lived(acts, first=first)
    world.settle()
    held = [(state.graph.item, state.salesforce.item) for state in world.pairs.values()]
    alive = [pair for pair in held if pair != (None, None)]
    assert sorted(item.id for item, _ in alive if item) == sorted(world.items[Side.GRAPH])
    assert sorted(item.id for _, item in alive if item) == sorted(world.items[Side.SALESFORCE])
    groups = tuple(group for group in CONTENT if group != PEOPLE)
    for graph, record in alive:
        assert graph is not None
        assert record is not None
        assert world.differing(graph.id, record.id, groups) == []


# ---- merging two edits ----------------------------------------------------------------------------------------------


def mapped(name: str, new: Any) -> Any:
    """A Graph value of a member as Practifi compares it."""
    world = World()
    made = world.make(Side.GRAPH, meeting(**{name: new}))
    return value(world.view_of(made), GROUP_OF[name])


ORDERS: Final = st.permutations([Side.GRAPH, Side.SALESFORCE])


@given(ms=edits_of(Side.GRAPH), sf=some_edits(SALESFORCE_EDITS, at_least=0), order=ORDERS, first=FIRSTS)
@pytest.mark.rule("7.15")
def test_microsoft_wins_per_group_and_the_loser_is_kept(
    ms: dict[str, Any], sf: dict[str, Any], order: list[Side], first: Side
) -> None:
    """Edited at the same time: each group that Microsoft changed is Microsoft's on both sides, the rest Practifi's."""
    assume("attendees" not in ms or first is Side.GRAPH)
    ms = {name: new for name, new in ms.items() if mapped(name, new) != mapped(name, getattr(AGREED, name))}
    sf = {name: new for name, new in sf.items() if new != getattr(AGREED, name)}
    world, _, ids = lived([], first=first)
    world.edit(Side.GRAPH, ids[Side.GRAPH], **ms)
    world.edit(Side.SALESFORCE, ids[Side.SALESFORCE], **sf)
    decided = len(world.decisions)
    for side in order:
        world.read(side)
    for side in order:
        world.journal(side)
    world.settle()
    view, held = world.view_of(ids[Side.GRAPH]), world.items[Side.SALESFORCE][ids[Side.SALESFORCE]].content
    for name in ms.keys() | sf.keys():
        wanted = mapped(name, ms[name]) if name in ms else value(replace(AGREED, **{name: sf[name]}), GROUP_OF[name])
        if name == "attendees" and "sensitivity" in ms | sf:
            continue  # a private event has none
        assert value(held, GROUP_OF[name]) == wanted, name
        assert value(view, GROUP_OF[name]) == wanted, name
    if order[0] is Side.GRAPH:
        return  # Microsoft's edit is already on its way when Practifi's is read
    lost = {row.field: (row.before, row.after) for d in world.decisions[decided:] for row in d.lost}
    fought = {name for name in ms.keys() & sf.keys() if mapped(name, ms[name]) != mapped(name, sf[name])}
    assert {GROUP_OF[name] for name in fought} - lost.keys() == set()
    for name in fought - {"attendees"}:
        assert lost[GROUP_OF[name]][0] == readable(replace(AGREED, **{name: sf[name]}), GROUP_OF[name])


@given(ms=some_edits(SALESFORCE_EDITS), sf=some_edits(SALESFORCE_EDITS))
def test_microsofts_whole_event_wins_where_the_firm_says_so(ms: dict[str, Any], sf: dict[str, Any]) -> None:
    """`conflict_scope` record: when Microsoft edited anything meanwhile, every Practifi edit gives way, and is kept."""
    ms, sf = ({name: new for name, new in edits.items() if new != getattr(AGREED, name)} for edits in (ms, sf))
    assume(sf and any(new != sf.get(name, getattr(AGREED, name)) for name, new in ms.items()))
    world, _, ids = lived([], settings=firm_settings(conflict_scope=ConflictScope.RECORD))
    world.edit(Side.GRAPH, ids[Side.GRAPH], **ms)
    world.edit(Side.SALESFORCE, ids[Side.SALESFORCE], **sf)
    theirs = {group: value(world.view_of(ids[Side.GRAPH]), group) for group in CONTENT}
    decided = len(world.decisions)
    for side in (Side.SALESFORCE, Side.GRAPH):
        world.read(side)
        world.journal(side)
    world.settle()
    held = world.items[Side.SALESFORCE][ids[Side.SALESFORCE]].content
    assert {group: value(held, group) for group in CONTENT} == theirs
    lost = {row.field for decision in world.decisions[decided:] for row in decision.lost}
    assert {GROUP_OF[name] for name in sf if sf[name] != ms.get(name, getattr(AGREED, name))} <= lost
