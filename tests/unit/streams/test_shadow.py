"""Shadow mode: everything is decided and recorded, nothing is written; going live writes nothing to Microsoft 365."""

from __future__ import annotations

import pytest
from hypothesis import given
from support.builders import CLIENT, COLLEAGUE, NOW, firm_settings, meeting, span
from support.pair_acts import DELETIONS, FIRSTS, Act, edit_acts, histories, lived
from support.pair_looks import only
from support.pair_world import World, a_pair

from concord.shadowing import by_user, planned
from schemas.changes import Side
from schemas.commands import Action, MailKind
from schemas.journal import OperatorActed, OperatorVerb
from schemas.settings import Settings, change_settings
from schemas.state import Status
from streams.adopt import matches

DARK = firm_settings(shadow=True, number=2, preflight_at=NOW, preflight_by="eve")


def go_live(world: World) -> None:
    """An administrator ends shadow mode; both sources read everything anew, as they do then."""
    world.put_in_force(change_settings(world.settings, {"shadow": "off"}, by="eve", now=world.now))
    for side in Side:
        world.read_again(side)
    world.settle()


@given(acts=histories(edit_acts(people=True), DELETIONS), first=FIRSTS)
def test_nothing_is_sent_while_it_is_on(acts: list[Act], first: Side) -> None:
    """Not an edit, not a deletion, not a mark, whatever happens to a pair that was in agreement."""
    world, _, ids = lived([], first=first)
    sent = len(world.commands)
    world.put_in_force(DARK)
    for act in acts:
        act.happen(world, ids)
    world.settle()
    assert world.commands[sent:] == []


@given(acts=histories(edit_acts(people=True), DELETIONS), first=FIRSTS)
def test_going_live_writes_nothing_to_microsoft_and_mails_nobody(acts: list[Act], first: Side) -> None:
    """What was saved in Practifi waits for the next save, what was deleted for an operator; Microsoft 365 comes in."""
    world, _, ids = lived([], first=first)
    world.put_in_force(DARK)
    for act in acts:
        act.happen(world, ids)
    world.settle()
    sent = len(world.commands)
    go_live(world)
    late = world.commands[sent:]
    assert [one for one in late if one.side is Side.GRAPH and not (one.fields == ("marks",) and not one.mails)] == []
    assert [one for one in late if one.action is Action.DELETE] == []


def test_decision_says_what_would_be_written_once() -> None:
    """Recorded with its values and mails; the same again is not recorded again, something else is."""
    world = World(settings=DARK)
    record = world.make(Side.SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True))
    world.settle()
    world.read_again(Side.SALESFORCE)
    world.settle()
    (decision,) = [one for one in world.decisions if one.is_shadow]
    assert (decision.reason, decision.commands) == ("created_in_practifi", ())
    assert [mail.kind for mail in decision.mails] == [MailKind.INVITE]
    assert {row.field for row in decision.changes} >= {"subject", "time"}
    (state,) = world.pairs.values()
    assert (state.status, state.reason, state.graph.pending) == (Status.NOT_SYNCED, "shadow", None)
    world.edit(Side.SALESFORCE, record, subject="Other")
    world.settle()
    assert len([one for one in world.decisions if one.is_shadow]) == 2


def test_event_of_outlook_comes_in_when_shadow_ends() -> None:
    """What was decided and not written is written then, once."""
    world = World(settings=DARK)
    world.make(Side.GRAPH, meeting("Review"))
    world.settle()
    assert world.items[Side.SALESFORCE] == {}
    go_live(world)
    assert only(world, Side.SALESFORCE).subject == "Review"
    assert {state.status for state in world.pairs.values()} == {Status.SYNCED}


def test_record_saved_in_shadow_goes_out_with_its_next_save() -> None:
    """Rule 7.5: ending shadow mode is no save."""
    world = World(settings=DARK)
    record = world.make(Side.SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True))
    world.settle()
    go_live(world)
    assert world.items[Side.GRAPH] == {}
    world.edit(Side.SALESFORCE, record, location="Room 2")
    world.settle()
    assert only(world, Side.GRAPH).location == "Room 2"


@pytest.mark.parametrize("where", Side)
def test_deletion_in_shadow_waits_for_an_operator(where: Side) -> None:
    """It is held after shadow mode as a burst would be; released, it is carried."""
    world = World()
    key, graph, record = a_pair(world)
    world.put_in_force(DARK)
    world.delete(where, graph if where is Side.GRAPH else record)
    world.settle()
    go_live(world)
    state = world.pairs[key]
    assert state.held is not None
    assert (state.held.kind, state.status) == ("deletions", Status.PENDING)
    world.act(key, OperatorVerb.RELEASE)
    world.settle()
    assert world.items == {Side.GRAPH: {}, Side.SALESFORCE: {}}


def test_report_counts_writes_and_mails_by_user() -> None:
    """What would be written now, marks aside; a private event is told without text and people."""
    world = World(settings=DARK)
    world.make(Side.GRAPH, meeting("Outlook"))
    world.make(Side.SALESFORCE, meeting("Practifi", attendees=(CLIENT, COLLEAGUE), send_invitations=True))
    world.settle()
    rows = planned(world.pairs.values(), world.settings, world.now)
    assert [(row.user, row.side, row.action) for row in rows] == [
        ("ann@firm.example", Side.SALESFORCE, Action.CREATE), ("ann@firm.example", Side.GRAPH, Action.CREATE),
    ]  # fmt: skip
    (report,) = by_user(rows)
    assert report.mails == {MailKind.INVITE: 2}
    assert rows[0].event.startswith("Outlook, ")


# ---- taking over what another tool made -----------------------------------------------------------------------------


def stand_alone(*contents: tuple[Side, str]) -> World:
    """Events that another tool has put on the two sides, read in shadow mode."""
    world = World(settings=DARK)
    for side, subject in contents:
        world.make(side, meeting(subject, location=f"in {side}"))
    world.settle()
    return world


def adopt(world: World) -> list[str]:
    """The operator joins what is unique; returns the pairs that now hold both sides."""
    for match in matches(world.pairs.values(), world.settings):
        if match.is_unique:
            into = match.graph[0].pair_key
            world.acted(match.salesforce[0].pair_key, OperatorActed(OperatorVerb.ADOPT, "eve", into=into))
    world.settle()
    return [key for key, state in world.pairs.items() if state.graph.item and state.salesforce.item]


def test_events_of_another_tool_are_joined_without_a_double() -> None:
    """Same start, end, subject and owner: one pair, nothing created, Microsoft 365 right about the rest."""
    world = stand_alone((Side.GRAPH, "Review"), (Side.SALESFORCE, "Review"), (Side.GRAPH, "Alone"))
    (key,) = adopt(world)
    assert world.commands == []
    go_live(world)
    assert sorted(one.content.subject for one in world.items[Side.SALESFORCE].values()) == ["Alone", "Review"]
    state = world.pairs[key]
    assert state.salesforce.item is not None
    assert (state.status, state.salesforce.item.content.location) == (Status.SYNCED, "in graph")
    assert [one for one in world.commands if one.side is Side.GRAPH] == []
    assert world.items[Side.SALESFORCE][state.salesforce.item.id].sync_key == key


def test_joined_event_lives_on_as_one() -> None:
    """Edits travel both ways, asking again changes nothing, and everything read anew stays one pair."""
    world = stand_alone((Side.GRAPH, "Review"), (Side.SALESFORCE, "Review"))
    (key,) = adopt(world)
    go_live(world)
    (graph,), (record,) = world.items[Side.GRAPH], world.items[Side.SALESFORCE]
    world.acted(f"s:{record}", OperatorActed(OperatorVerb.ADOPT, "eve", into=key))
    world.edit(Side.SALESFORCE, record, body="From Practifi")
    world.settle()
    world.edit(Side.GRAPH, graph, location="From Outlook")
    world.settle()
    assert [(only(world, side).body, only(world, side).location) for side in Side] == [
        ("From Practifi", "From Outlook")
    ] * 2
    world.lose_everything()
    world.settle()
    assert [len(world.items[side]) for side in Side] == [1, 1]
    assert [key for key, state in world.pairs.items() if state.graph.item and state.salesforce.item] == [key]


@pytest.mark.parametrize("side", Side)
def test_doubles_are_listed_not_guessed(side: Side) -> None:
    """Two on one side: neither is taken."""
    world = stand_alone((Side.GRAPH, "Review"), (Side.SALESFORCE, "Review"), (side, "Review"))
    (match,) = matches(world.pairs.values(), world.settings)
    assert not match.is_unique
    assert adopt(world) == []


@pytest.mark.parametrize(
    "members", [{"subject": "Other"}, {"span": span(6)}, {"span": span(5, 2)}, {"owner_id": "005BOB"}]
)
def test_what_differs_in_time_subject_or_owner_is_not_joined(members: dict[str, object]) -> None:
    """Near is not the same."""
    world = World(settings=DARK)
    world.make(Side.GRAPH, meeting("Review"))
    world.make(Side.SALESFORCE, meeting(**({"subject": "Review"} | members)))
    world.settle()
    assert matches(world.pairs.values(), world.settings) == []


def test_pair_that_has_a_record_meanwhile_gives_the_other_back() -> None:
    """The operator looked, then shadow mode ended and the record was created: the late wish does no harm."""
    world = stand_alone((Side.GRAPH, "Review"), (Side.SALESFORCE, "Review"))
    (match,) = matches(world.pairs.values(), world.settings)
    go_live(world)
    assert len(world.items[Side.SALESFORCE]) == 2
    into, other_key = match.graph[0].pair_key, match.salesforce[0].pair_key
    world.acted(other_key, OperatorActed(OperatorVerb.ADOPT, "eve", into=into))
    world.settle()
    held = {state.salesforce.item.id for state in world.pairs.values() if state.salesforce.item is not None}
    assert held == set(world.items[Side.SALESFORCE])
    world.edit(Side.SALESFORCE, other_key.removeprefix("s:"), subject="On its own")
    world.settle()
    assert sorted(one.content.subject for one in world.items[Side.GRAPH].values()) == ["On its own", "Review"]


def test_shadow_needs_no_preflight_but_its_end_does() -> None:
    """Rule 1.2: outbound writing begins when shadow mode ends, so the preflight is asked for then."""
    plain = Settings(shadow=False)
    dark = change_settings(plain, {"shadow": "on", "direction": "two_way"}, by="eve", now=DARK.changed_at)
    with pytest.raises(Exception, match="shadow=off"):
        change_settings(dark, {"shadow": "off"}, by="eve", now=DARK.changed_at)
