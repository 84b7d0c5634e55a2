"""Laws of settings: what one direction, a disabled user, a deletion policy and a late start of outbound never do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ANN, firm_settings
from support.pair_acts import (
    AGREED,
    DELETIONS,
    FIRSTS,
    GROUP_OF,
    SALESFORCE_EDITS,
    Act,
    edit_acts,
    edits_of,
    histories,
    lived,
    some_edits,
)

from schemas.changes import Side
from schemas.commands import Action, Command, Verdict
from schemas.groups import MARKS
from schemas.settings import Direction, change_settings, change_users
from schemas.state import Status
from streams.mails import predict_mails
from streams.mapping import value
from streams.reasons import REASONS

HISTORIES = histories(edit_acts(people=True), DELETIONS)


def sent_under(acts: list[Act], first: Side, **members: Any) -> list[Command]:
    """What is sent when a settled pair gets other settings and then lives through a history."""
    world, _, ids = lived([], first=first)
    sent = len(world.commands)
    world.put_in_force(replace(firm_settings(**members), number=2))
    for act in acts:
        act.happen(world, ids)
    world.settle()
    return world.commands[sent:]


@given(acts=HISTORIES, first=FIRSTS)
@pytest.mark.rule("2a.direction")
def test_inbound_only_writes_nothing_to_microsoft(acts: list[Act], first: Side) -> None:
    """Not an edit, not a deletion, not a mark."""
    sent = sent_under(acts, first, direction=Direction.MICROSOFT_TO_PRACTIFI)
    assert [command for command in sent if command.side is Side.GRAPH] == []


@given(acts=HISTORIES, first=FIRSTS)
@pytest.mark.rule("2a.direction")
def test_outbound_only_writes_nothing_but_marks_to_practifi(acts: list[Act], first: Side) -> None:
    """Microsoft's changes never flow back."""
    sent = sent_under(acts, first, direction=Direction.PRACTIFI_TO_MICROSOFT)
    assert {command.fields for command in sent if command.side is Side.SALESFORCE} <= {(MARKS,)}


@given(acts=HISTORIES, first=FIRSTS)
@pytest.mark.rule("10.7")
def test_disabled_user_has_nothing_written_anywhere(acts: list[Act], first: Side) -> None:
    """Product facts §10.7: stop both directions, delete nothing on either side."""
    assert sent_under(acts, first, users=(replace(ANN, is_enabled=False, outbound_since=None),)) == []


@given(ms=edits_of(Side.GRAPH), sf=some_edits(SALESFORCE_EDITS), order=st.permutations(list(Side)))
def test_outbound_only_carries_practifis_edit_over_microsofts(
    ms: dict[str, Any], sf: dict[str, Any], order: list[Side]
) -> None:
    """What can never flow back wins nothing: Practifi's edits end on both sides."""
    sf = {name: new for name, new in sf.items() if new != getattr(AGREED, name)}
    world, _, ids = lived([], first=Side.SALESFORCE)
    world.put_in_force(replace(firm_settings(direction=Direction.PRACTIFI_TO_MICROSOFT), number=2))
    world.edit(Side.GRAPH, ids[Side.GRAPH], **ms)
    world.edit(Side.SALESFORCE, ids[Side.SALESFORCE], **sf)
    for side in order:
        world.read(side)
        world.journal(side)
    world.settle()
    assert world.differing(ids[Side.GRAPH], ids[Side.SALESFORCE], tuple({GROUP_OF[name] for name in sf})) == []


@given(acts=histories(edit_acts(people=True)), first=FIRSTS, via=st.sampled_from(["direction", "user"]))
@pytest.mark.rule("7.5")
def test_turning_outbound_on_sends_nothing(acts: list[Act], first: Side, via: str) -> None:
    """Rule 7.5: whatever was saved before, reading everything again and Microsoft's later edits send none of it."""
    world, _, ids = lived([], first=first)
    off = (
        change_settings(world.settings, {"direction": "microsoft_to_practifi"}, by="eve", now=world.now)
        if via == "direction"
        else change_users(world.settings, [replace(ANN, is_enabled=False)], by="eve", now=world.now)
    )
    world.put_in_force(off)
    for act in acts:
        act.happen(world, ids)
    world.settle()
    made = len(world.commands)
    on = (
        change_settings(off, {"direction": "two_way"}, by="eve", now=world.now)
        if via == "direction"
        else change_users(off, [replace(ANN, is_enabled=True)], by="eve", now=world.now)
    )
    world.put_in_force(on)
    for side in Side:
        world.read_again(side)
    world.settle()
    world.edit(Side.GRAPH, ids[Side.GRAPH], location="Microsoft's later edit")
    world.settle()
    sent = [command for command in world.commands[made:] if command.side is Side.GRAPH]
    assert all(command.fields == (MARKS,) and not command.mails for command in sent)


@given(sf=some_edits(SALESFORCE_EDITS), later=some_edits(SALESFORCE_EDITS))
@pytest.mark.rule("7.5")
def test_next_save_sends_what_waited(sf: dict[str, Any], later: dict[str, Any]) -> None:
    """Rule 7.5: existing events go out when next saved, with all that differs by then."""
    world, _, ids = lived([], first=Side.SALESFORCE)
    off = change_settings(world.settings, {"direction": "microsoft_to_practifi"}, by="eve", now=world.now)
    world.put_in_force(off)
    world.edit(Side.SALESFORCE, ids[Side.SALESFORCE], **sf)
    world.settle()
    world.put_in_force(change_settings(off, {"direction": "two_way"}, by="eve", now=world.now))
    world.edit(Side.SALESFORCE, ids[Side.SALESFORCE], **later)
    world.settle()
    groups = tuple({GROUP_OF[name] for name in sf | later})
    assert world.differing(ids[Side.GRAPH], ids[Side.SALESFORCE], groups) == []


# ---- deletions ------------------------------------------------------------------------------------------------------


@given(acts=histories(edit_acts(people=True)), first=FIRSTS, where=st.sampled_from(Side))
def test_deletion_ends_both_sides_where_the_policy_says_so(acts: list[Act], first: Side, where: Side) -> None:
    """Nothing is edited after it: both are gone, whatever was under way; nothing comes back."""
    world, key, ids = lived(acts, first=first)
    world.settle()
    world.delete(where, ids[where])
    world.settle()
    assert all(ids[side] not in world.items[side] for side in Side)
    assert world.items == {Side.GRAPH: {}, Side.SALESFORCE: {}}
    assert world.pairs[key].status is Status.NOT_SYNCED


@given(first=FIRSTS, where=st.sampled_from(Side), acts=histories(edit_acts(people=True)))
@pytest.mark.rule("2a.delete_from_microsoft", "2a.delete_from_practifi")
def test_policy_no_detaches_and_nothing_is_resurrected(first: Side, where: Side, acts: list[Act]) -> None:
    """The survivor stays, and its later edits make nothing on the other side; its status says Not Synced."""
    settings = firm_settings(delete_from_microsoft=False, delete_from_practifi=False)
    world, key, ids = lived([], first=first, settings=settings)
    world.delete(where, ids[where])
    world.settle()
    made = len(world.commands)
    for act in acts:
        act.happen(world, ids)
    world.settle()
    assert world.pairs[key].is_detached
    assert world.items[where] == {}
    written = {(c.side, c.action, c.fields) for c in world.commands[made:]}
    assert written <= {(Side.SALESFORCE, Action.UPDATE, (MARKS,))}
    survivor = Side.SALESFORCE if where is Side.GRAPH else Side.GRAPH
    assert ids[survivor] in world.items[survivor]
    if survivor is Side.SALESFORCE:
        assert world.items[survivor][ids[survivor]].content.sync_status == "Not Synced"


@given(
    edit=some_edits({k: v for k, v in SALESFORCE_EDITS.items() if k != "sensitivity"}),
    deleted=st.sampled_from(Side),
    order=st.permutations(list(Side)),
    first=FIRSTS,
)
def test_microsofts_act_wins_between_a_deletion_and_an_edit(
    edit: dict[str, Any], deleted: Side, order: list[Side], first: Side
) -> None:
    """Deleted in Microsoft, edited in Practifi: gone. The other way round: back. In both orders of telling."""
    world, _, ids = lived([], first=first)
    edited = Side.SALESFORCE if deleted is Side.GRAPH else Side.GRAPH
    before = world.items[edited][ids[edited]].content
    world.edit(edited, ids[edited], **edit)
    world.delete(deleted, ids[deleted])
    for side in order:
        world.read(side)
        world.journal(side)
    world.settle()
    is_edit = any(getattr(before, name) != new for name, new in edit.items())
    if deleted is Side.GRAPH or not is_edit:
        assert world.items == {Side.GRAPH: {}, Side.SALESFORCE: {}}
        return
    ((record_id, _),) = world.items[Side.SALESFORCE].items()
    assert world.differing(ids[Side.GRAPH], record_id) == []


# ---- decisions ------------------------------------------------------------------------------------------------------


@given(acts=HISTORIES, first=FIRSTS)
def test_every_decision_explains_itself(acts: list[Act], first: Side) -> None:
    """Reason, rule, settings number, its own offset; what is written before and after; the mails of its commands."""
    world, _, _ = lived(acts, first=first)
    world.settle()
    commands = {command.command_id: command for command in world.commands}
    for offset, step in enumerate(world.steps):
        if step is None or step.decision is None:
            continue
        decision = step.decision
        assert (decision.offset, decision.partition, decision.settings_number) == (offset, 0, world.settings.number)
        assert decision.decided_at == world.entries[offset].observed_at
        assert decision.reason in REASONS
        assert (decision.rule, decision.text) == (REASONS[decision.reason].rule, REASONS[decision.reason].text)
        assert (decision.verdict is Verdict.WRITE) <= bool(decision.commands)
        sent = [commands[name] for name in decision.commands]
        assert decision.mails == tuple(mail for command in sent for mail in command.mails)
        assert {(row.side, row.field) for row in decision.changes} <= {(c.side, f) for c in sent for f in c.fields}
        assert all(row.before != row.after for row in decision.changes)
        assert bool(decision.lost) <= bool(decision.commands)


@given(acts=HISTORIES, first=FIRSTS)
def test_commands_carry_their_prediction_and_only_what_differs(acts: list[Act], first: Side) -> None:
    """Mails are predicted from the command alone; no group is written that holds its value already."""
    world, _, _ = lived(acts, first=first)
    world.settle()
    for command in world.commands:
        assert command.mails == (predict_mails(command) if command.side is Side.GRAPH else ())
        if command.action is Action.UPDATE:
            assert command.basis is not None
            assert command.content is not None
            for group in (g for g in command.fields if g not in (MARKS, "people")):
                assert value(command.content, group) != value(command.basis, group), group


@given(acts=HISTORIES, first=FIRSTS)
def test_one_command_at_a_time_on_each_side(acts: list[Act], first: Side) -> None:
    """Edits meanwhile are folded; their commands wait for the outcome (ADR 2)."""
    world, _, _ = lived(acts, first=first)
    world.settle()
    under_way: dict[tuple[str, Side], str] = {}
    for entry, step in zip(world.entries, world.steps, strict=True):
        outcome = getattr(entry.what, "outcome", None)
        if outcome is not None and under_way.get((outcome.pair_key, outcome.side)) == outcome.command_id:
            del under_way[outcome.pair_key, outcome.side]
        for command in step.commands if step is not None else ():
            assert (command.pair_key, command.side) not in under_way
            under_way[command.pair_key, command.side] = command.command_id
    assert under_way == {}
