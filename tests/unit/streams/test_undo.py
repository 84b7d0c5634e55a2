"""Undo: what a decision overwrote or deleted is written back, with the mails that were shown, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import CLIENT, ORGANIZER, command, firm_settings, meeting, span
from support.pair_looks import OTHER, only, records
from support.pair_undo import ask, look, rehearsed, undo
from support.pair_world import BANKSIA, WATTLE, World, a_pair

from schemas.calendar import Attendee, ShowAs
from schemas.changes import Side
from schemas.commands import Action, Command, MailKind
from schemas.errors import ConcordError
from schemas.groups import MARKS
from schemas.settings import Direction
from schemas.state import PairState, Status
from streams.taken import what_was_taken

WRITES = {Action.UPDATE, Action.DELETE}


def last_write(world: World, *actions: Action) -> int:
    """Where the last decision stands that wrote anything but marks (with one of these actions)."""
    wanted = actions or tuple(WRITES)
    return max(
        number
        for number, step in enumerate(world.steps)
        if step is not None and any(one.action in wanted and one.fields != (MARKS,) for one in step.commands)
    )


def writes_since(world: World, count: int) -> list[Command]:
    """Commands other than marks, after so many."""
    return [one for one in world.commands[count:] if one.fields != (MARKS,)]


def mails_of(commands: list[Command]) -> list[str]:
    """Whom they mail."""
    return sorted(f"{mail.kind} {mail.address}" for one in commands for mail in one.mails)


def fought() -> tuple[World, str, str, str]:
    """A conflict over the subject and the location, settled: Microsoft 365 won."""
    world = World()
    key, graph, record = a_pair(world, meeting(attendees=(CLIENT,)))
    world.edit(Side.GRAPH, graph, subject="Theirs", location="There")
    world.edit(Side.SALESFORCE, record, subject="Ours", location="Here")
    for side in (Side.SALESFORCE, Side.GRAPH):
        world.read(side)
    for side in Side:
        world.journal(side)
    world.settle()
    assert only(world, Side.SALESFORCE).subject == "Theirs"
    return world, key, graph, record


def is_one_pair(world: World) -> PairState:
    """The one pair, alive on both sides, agreed and marked."""
    alive = [state for state in world.pairs.values() if state.graph.item or state.salesforce.item]
    (state,) = alive
    assert state.graph.item is not None
    assert state.salesforce.item is not None
    assert len(world.items[Side.GRAPH]) == len(world.items[Side.SALESFORCE]) == 1
    assert state.status is Status.SYNCED
    assert not state.is_detached
    assert world.items[Side.SALESFORCE][state.salesforce.item.id].content.external_id == state.graph.item.id
    assert world.items[Side.SALESFORCE][state.salesforce.item.id].sync_key == state.pair_key
    return state


# ---- rooms ----------------------------------------------------------------------------------------------------------


def test_rooms_that_we_exchanged_come_back() -> None:
    """Both sides hold the old one again, and only the rooms' mailboxes hear of it."""
    world = World()
    bare = replace(BANKSIA, record_id="")
    _, _, record = a_pair(world, meeting(rooms=(bare,), attendees=(CLIENT, bare), location="Level 4"))
    wattle = Attendee("", kind=WATTLE.kind, record_id=WATTLE.record_id)
    world.edit(Side.SALESFORCE, record, rooms=(wattle,), show_as=ShowAs.FREE)
    world.settle()
    assert [room.record_id for room in only(world, Side.SALESFORCE).rooms] == [WATTLE.record_id]
    before = len(world.commands)
    undo(world, last_write(world, Action.UPDATE))
    world.settle()
    assert [room.record_id for room in only(world, Side.SALESFORCE).rooms] == [BANKSIA.record_id]
    assert [room.address for room in only(world, Side.GRAPH).rooms] == [BANKSIA.address]
    told = mails_of(writes_since(world, before))
    assert told == [f"cancel {WATTLE.address}", f"invite {BANKSIA.address}"]
    assert world.settle() == 0


# ---- overwritten ----------------------------------------------------------------------------------------------------


@pytest.mark.rule("7.15")
def test_values_that_lost_a_conflict_come_back_on_both_sides() -> None:
    """Rule 7.15: re-applied by hand. The mails that follow are those that were shown."""
    world, _, graph, record = fought()
    offset, before = last_write(world), len(world.commands)
    shown = undo(world, offset)
    world.settle()
    for side in Side:
        assert (only(world, side).subject, only(world, side).location) == ("Ours", "Here")
    sent = writes_since(world, before)
    assert [(one.side, set(one.fields)) for one in sent] == [
        (Side.SALESFORCE, {"subject", "location"}),
        (Side.GRAPH, {"subject", "location"}),
    ]
    assert mails_of(sent) == [f"{mail.kind} {mail.address}" for mail in shown] == ["update client@out.example"]
    assert world.differing(graph, record) == []
    is_one_pair(world)


def test_carried_edit_is_taken_back_where_it_was_made_and_where_it_went() -> None:
    """An edit in Practifi that went out: undone, both sides hold what they held before."""
    world = World()
    _, _, record = a_pair(world, meeting(location="Room 1"))
    world.edit(Side.SALESFORCE, record, location="Room 2")
    world.settle()
    undo(world, last_write(world))
    world.settle()
    assert [only(world, side).location for side in Side] == ["Room 1", "Room 1"]
    is_one_pair(world)


@pytest.mark.parametrize("between", [0, 1, 2])
def test_pressed_twice_it_acts_once(between: int) -> None:
    """At once, while the first is under way, and after it."""
    world, *_ = fought()
    wish, before = look(world, last_write(world)), len(world.commands)
    ask(world, wish)
    if between == 1:
        world.work(Side.SALESFORCE)
        world.journal("sync")
    elif between == 2:
        world.settle()
    ask(world, wish)
    world.settle()
    assert len(writes_since(world, before)) == 2
    assert only(world, Side.GRAPH).subject == "Ours"


def test_second_undo_after_a_newer_edit_does_nothing() -> None:
    """What was undone is not undone again by a late second click."""
    world, _, graph, _ = fought()
    wish = look(world, last_write(world))
    ask(world, wish)
    world.settle()
    world.edit(Side.GRAPH, graph, subject="Newest")
    world.settle()
    ask(world, wish)
    world.settle()
    assert [only(world, side).subject for side in Side] == ["Newest", "Newest"]


@pytest.mark.parametrize("side", Side)
def test_edit_after_the_operator_looked_stands(side: Side) -> None:
    """What was looked at has changed: nothing is written over it, and the pair says why."""
    world, key, graph, record = fought()
    wish = look(world, last_write(world))
    world.edit(side, graph if side is Side.GRAPH else record, subject="Newest")
    world.settle()
    reasons = len(world.decisions)
    ask(world, wish)
    world.settle()
    assert [only(world, one).subject for one in Side] == ["Newest", "Newest"]
    assert "undo_overtaken" in {one.reason for one in world.decisions[reasons:]}
    assert world.pairs[key].undo is None


@pytest.mark.rule("7.15")
def test_edit_in_microsoft_while_the_undo_is_under_way_wins() -> None:
    """I3 holds: Practifi has the old value back already, Outlook is edited, and its value ends on both sides."""
    world, _, graph, record = fought()
    undo(world, last_write(world))
    world.work(Side.SALESFORCE)
    world.edit(Side.GRAPH, graph, subject="Newest")
    world.settle()
    assert [only(world, side).subject for side in Side] == ["Newest", "Newest"]
    assert world.differing(graph, record) == []


def test_other_groups_go_on_after_the_undo() -> None:
    """An edit of another group meanwhile is carried as ever."""
    world, _, graph, record = fought()
    undo(world, last_write(world))
    world.edit(Side.GRAPH, graph, body="Agenda")
    world.edit(Side.SALESFORCE, record, reminder_minutes=5)
    world.settle()
    for side in Side:
        held = only(world, side)
        assert (held.subject, held.body, held.reminder_minutes) == ("Ours", "Agenda", 5)


def test_undo_leaves_an_import_where_it_is() -> None:
    """What waits for a save by hand in another group does not go out along with it."""
    world, _, _, record = fought()
    world.origin = ""
    world.edit(Side.SALESFORCE, record, body="Imported")
    world.settle()
    undo(world, last_write(world))
    world.settle()
    assert (only(world, Side.GRAPH).subject, only(world, Side.GRAPH).body) == ("Ours", "")


def test_history_is_undone_in_practifi_alone() -> None:
    """Rule 7.14: an event that has begun is never written in Microsoft 365; nobody is mailed."""
    world, *_ = fought()
    world.now += timedelta(days=6)
    before = len(world.commands)
    assert undo(world, last_write(world)) == ()
    world.settle()
    assert [one.side for one in writes_since(world, before)] == [Side.SALESFORCE]
    assert only(world, Side.SALESFORCE).subject == "Ours"


def test_refused_undo_ends_and_may_be_asked_for_again() -> None:
    """It does not stand in the way of what comes later."""
    world, _, graph, _ = fought()
    wish = look(world, last_write(world))
    world.refuses = lambda command: command.reason == "undone"
    ask(world, wish)
    world.settle()
    world.refuses = lambda _: False
    world.edit(Side.GRAPH, graph, body="Agenda")
    world.settle()
    assert only(world, Side.SALESFORCE).body == "Agenda"
    ask(world, replace(wish, is_forced=True, graph=world.items[Side.GRAPH][graph].content))
    world.settle()
    assert only(world, Side.SALESFORCE).subject == "Ours"


def test_people_who_were_invited_are_uninvited() -> None:
    """Attendees that went out by a tick in Practifi: the undo cancels for them, as it says before."""
    world = World()
    _, _, record = a_pair(world, meeting(attendees=(CLIENT,), send_invitations=True), first=Side.SALESFORCE)
    world.edit(Side.SALESFORCE, record, attendees=(CLIENT, OTHER), location="Room 2")
    world.settle()
    shown = undo(world, last_write(world))
    world.settle()
    assert {(mail.kind, mail.address) for mail in shown} == {
        (MailKind.CANCEL, "other@out.example"), (MailKind.UPDATE, "client@out.example"),
    }  # fmt: skip
    assert records(only(world, Side.SALESFORCE)) == ["003CLIENT"]
    assert [one.address for one in only(world, Side.GRAPH).attendees] == ["client@out.example"]


# ---- deleted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", Side)
@pytest.mark.parametrize("where", Side)
def test_deleted_event_is_made_anew_on_both_sides_once(first: Side, where: Side) -> None:
    """New generation, marks right, one on each side; the mails are those that were shown."""
    world = World()
    content = meeting(attendees=(CLIENT,), send_invitations=True, location="Room 1")
    _, graph, record = a_pair(world, content, first=first)
    world.delete(where, graph if where is Side.GRAPH else record)
    world.settle()
    assert world.items == {Side.GRAPH: {}, Side.SALESFORCE: {}}
    before = len(world.commands)
    shown = undo(world, last_write(world, Action.DELETE))
    world.settle()
    state = is_one_pair(world)
    assert only(world, Side.SALESFORCE).location == only(world, Side.GRAPH).location == "Room 1"
    sent = writes_since(world, before)
    assert [one.action for one in sent] == [Action.CREATE, Action.CREATE]
    assert mails_of(sent) == [f"{mail.kind} {mail.address}" for mail in shown]
    assert state.graph.generation > 1
    for side in Side:
        world.read_again(side)
    world.settle()
    assert writes_since(world, before) == sent


def test_event_made_anew_does_not_invite_whose_calendar_it_stands_in() -> None:
    """They stood among its attendees when others organized it; Exchange mails nobody about their own event."""
    world = World()
    _, _, record = a_pair(world, meeting(attendees=(ORGANIZER, CLIENT)))
    world.delete(Side.SALESFORCE, record)
    world.settle()
    shown = undo(world, last_write(world, Action.DELETE))
    world.settle()
    assert [(mail.kind, mail.address) for mail in shown] == [(MailKind.INVITE, CLIENT.address)]
    assert [one.address for one in only(world, Side.GRAPH).attendees] == [CLIENT.address]


def test_deletion_is_undone_once_and_a_later_one_stands() -> None:
    """Undone, deleted again by a person: a late second click brings nothing back."""
    world = World()
    _, graph, _ = a_pair(world)
    world.delete(Side.GRAPH, graph)
    world.settle()
    wish = look(world, last_write(world, Action.DELETE))
    ask(world, wish)
    ask(world, wish)
    world.settle()
    (again,) = world.items[Side.GRAPH]
    world.delete(Side.GRAPH, again)
    world.settle()
    ask(world, wish)
    world.settle()
    assert world.items == {Side.GRAPH: {}, Side.SALESFORCE: {}}


def test_event_that_was_restored_meanwhile_is_not_doubled() -> None:
    """Somebody brings the record back from the bin before the operator's click arrives."""
    world = World()
    _, _, record = a_pair(world, first=Side.SALESFORCE)
    world.delete(Side.SALESFORCE, record)
    world.settle()
    wish = look(world, last_write(world, Action.DELETE))
    world.restore(Side.SALESFORCE, record)
    world.settle()
    ask(world, wish)
    world.settle()
    is_one_pair(world)


def test_state_that_was_lost_pairs_the_new_event_again() -> None:
    """The marks of what was made anew are enough."""
    world = World()
    _, graph, _ = a_pair(world)
    world.delete(Side.GRAPH, graph)
    world.settle()
    undo(world, last_write(world, Action.DELETE))
    world.settle()
    world.lose_everything()
    world.settle()
    is_one_pair(world)


def test_event_that_has_begun_is_not_made_anew_in_microsoft() -> None:
    """Nobody is invited to the past."""
    world = World()
    _, _, record = a_pair(world, meeting(span=span(2), attendees=(CLIENT,)))
    world.delete(Side.SALESFORCE, record)
    world.settle()
    offset = last_write(world, Action.DELETE)
    world.now += timedelta(days=3)
    assert rehearsed(world, look(world, offset)) == ()


def test_one_way_firm_gets_its_record_back_alone() -> None:
    """Inbound only: the deleted record is made anew; Microsoft 365 is not written, and the record says why."""
    world = World(settings=firm_settings(direction=Direction.MICROSOFT_TO_PRACTIFI))
    _, graph, _ = a_pair(world)
    world.delete(Side.GRAPH, graph)
    world.settle()
    undo(world, last_write(world, Action.DELETE))
    world.settle()
    assert len(world.items[Side.SALESFORCE]) == 1
    assert world.items[Side.GRAPH] == {}
    (state,) = world.pairs.values()
    assert (state.status, state.reason) == (Status.NOT_SYNCED, "direction")


# ---- what can be undone ---------------------------------------------------------------------------------------------


def test_decision_that_took_nothing_cannot_be_undone() -> None:
    """A creation and marks delete and overwrite nothing."""
    world = World()
    a_pair(world)
    for step in world.steps:
        if step is not None and step.commands:
            with pytest.raises(ConcordError, match="overwrote nothing"):
                what_was_taken("0/1", step.commands)


def test_decision_that_wrote_to_both_sides_wants_to_know_which() -> None:
    """Two edits crossed: each can be taken back by itself."""
    before = meeting()
    commands = [
        command(side, Action.UPDATE, fields=(group, MARKS), basis=before, content=replace(before, **{group: "New"}))
        for side, group in ((Side.GRAPH, "location"), (Side.SALESFORCE, "subject"))
    ]
    with pytest.raises(ConcordError, match="both sides"):
        what_was_taken("0/9", commands)
    assert what_was_taken("0/9", commands, Side.GRAPH).fields == ("location",)
