"""What-if against worlds that really lived under the other settings."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import CLIENT, firm_settings, meeting
from support.pair_acts import COMINGS_AND_GOINGS, DELETIONS, FIRSTS, Act, edit_acts, histories, lived
from support.pair_world import World

from schemas.calendar import CalendarEvent, Sensitivity
from schemas.changes import Side
from schemas.groups import ALL, MARKS
from schemas.journal import SettingsChanged
from schemas.settings import Direction, Settings
from schemas.values import replace
from streams.mapping import value
from streams.other_history import Change, Other, TwoHistories, changes, mail_changes

SIDES = (Side.GRAPH, Side.SALESFORCE)


def what_if(world: World, first: Settings, start: int = 0, **values: Any) -> TwoHistories:
    """The journal of a world, judged otherwise from an entry on."""
    told = TwoHistories(0)
    other = Other(world.entries[start].observed_at, first, values)
    for offset, entry in enumerate(world.entries):
        told.fold(entry, offset, other if offset >= start else None)
    return told


@given(acts=histories(edit_acts(people=True), COMINGS_AND_GOINGS), first=FIRSTS, data=st.data())
def test_the_settings_that_stood_change_nothing(acts: list[Act], first: Side, data: st.DataObject) -> None:
    """Whatever happened, in whatever order it was told, and from wherever one looks: no event, no mail is otherwise."""
    world, _, _ = lived(acts, first=first)
    start = data.draw(st.integers(1, len(world.entries) - 1))
    told = what_if(world, world.settings, start)
    assert changes(told) == []
    assert mail_changes(told) == []
    assert told.would_be.pairs == {
        key: replace(state, offset=told.would_be.pairs[key].offset)
        for key, state in told.was.pairs.items()
        if key in told.would_be.pairs
    }


def held(world: World) -> dict[tuple[str, Side], CalendarEvent]:
    """What both sides hold, by pair."""
    found = {}
    for key, state in world.pairs.items():
        for side, here in zip(SIDES, (state.graph, state.salesforce), strict=True):
            if here.item is not None:
                found[key, side] = here.item.content
    return found


def oracle(was: World, other: World) -> list[Change]:
    """How two worlds differ in which the same people did the same things."""
    before, after = held(was), held(other)
    found = []
    for key, side in sorted(before.keys() | after.keys(), key=lambda place: (place[0], SIDES.index(place[1]))):
        one, two = before.get((key, side)), after.get((key, side))
        if one is None or two is None:
            found.append(Change(key, side, "appears" if one is None else "goes"))
            continue
        groups = tuple(group for group in ALL if group != MARKS and value(one, group) != value(two, group))
        found += [Change(key, side, "changes", groups)] if groups else []
    return found


def mails(world: World) -> Counter[tuple[str, str, str]]:
    """What was mailed, by pair, kind and address."""
    return Counter(
        (command.pair_key, mail.kind, mail.address) for command in world.executed for mail in command.mails
    )  # fmt: skip


def life(settings: Settings, first: Side, content: CalendarEvent, acts: list[Act]) -> tuple[World, list[Act]]:
    """An event made on a side, and what people do to both; everything is told and done before anybody acts again. Also
    returns the acts that changed something: nobody edits an event that is not there, and that somebody typed what stood
    there already is not on record."""
    world = World(settings=settings)
    made = world.make(first, content)
    world.settle()
    happened = []
    for act in acts:
        state = next(iter(world.pairs.values()))
        items = {side: here.item for side, here in zip(SIDES, (state.graph, state.salesforce), strict=True)}
        ids = {side: item.id if item is not None else "" for side, item in items.items()}
        ids[first] = made
        item = world.items[act.side].get(ids[act.side])
        if item is not None:
            real = tuple(one for one in act.members if getattr(item.content, one[0]) != one[1])
            happened += [replace(act, members=real)] if real or not act.members else []
            act.happen(world, ids)
            world.settle()
    return world, happened


OTHERS = {
    "private events stay out": {"sync_private_events": False},
    "events without clients stay out": {"sync_internal_events": False},
    "only into Practifi": {"direction": Direction.MICROSOFT_TO_PRACTIFI},
    "only out of Practifi": {"direction": Direction.PRACTIFI_TO_MICROSOFT},
    "deletions stay": {"delete_from_microsoft": False, "delete_from_practifi": False},
}
CONTENTS = st.sampled_from(
    [
        meeting(attendees=(CLIENT,)), meeting(), meeting(attendees=(CLIENT,), sensitivity=Sensitivity.PRIVATE),
        meeting(attendees=(CLIENT,), send_invitations=True),
    ]
)  # fmt: skip


@pytest.mark.parametrize("backwards", [False, True], ids=["strict", "loose"])
@pytest.mark.parametrize("name", OTHERS)
@given(acts=st.lists(st.one_of(edit_acts(people=True), DELETIONS), max_size=5), first=FIRSTS, content=CONTENTS)
def test_what_if_is_what_would_have_happened(
    name: str, backwards: bool, acts: list[Act], first: Side, content: CalendarEvent
) -> None:
    """The same people under the other settings from the beginning, with services of their own: the same events on both
    sides, the same mails."""
    one, two = firm_settings(), replace(firm_settings(), **OTHERS[name])
    was, other = (two, one) if backwards else (one, two)
    values = {setting: getattr(other, setting) for setting in OTHERS[name]}
    world, happened = life(was, first, content, acts)
    oracle_world, _ = life(other, first, content, happened)
    told = what_if(world, other, **values)
    assert changes(told) == oracle(world, oracle_world)
    more = mails(oracle_world)
    more.subtract(mails(world))
    assert {(one.pair_key, str(one.kind), one.address): one.count for one in mail_changes(told)} == {
        mail: count for mail, count in more.items() if count
    }


def test_settings_saved_later_are_changed_too() -> None:
    """What an administrator saved in the meantime stands but for what is asked about."""
    world = World(settings=replace(firm_settings(), sync_private_events=True))
    world.make(Side.GRAPH, meeting("First"))
    world.settle()
    later = replace(world.settings, number=world.settings.number + 1, sync_internal_events=False)
    world.put_in_force(later)
    world.make(Side.GRAPH, meeting("Second", sensitivity=Sensitivity.PRIVATE, attendees=(CLIENT,)))
    world.settle()
    told = what_if(world, replace(firm_settings(), sync_private_events=False), sync_private_events=False)
    assert isinstance(world.entries[0].what, SettingsChanged)
    assert (told.would_be.settings.sync_private_events, told.would_be.settings.sync_internal_events) == (False, False)
    assert [(one.kind, one.side) for one in changes(told)] == [("goes", Side.SALESFORCE)]
