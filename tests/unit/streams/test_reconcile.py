"""What a pair needs: new events, edits, values that one side cannot express."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.builders import (
    ANN,
    CLIENT,
    COLLEAGUE,
    NOW,
    ORGANIZER,
    STRANGER,
    firm_settings,
    meeting,
    span,
)
from support.pair_looks import last, lone, only, records, sent, short, state_of
from support.pair_world import World, a_pair

from schemas.calendar import CalendarEvent, Sensitivity, ShowAs
from schemas.changes import Side
from schemas.commands import Action
from schemas.groups import ALL, BODY, LOCATION, MARKS, OWNER, PRIVACY, REMINDER, SHOW_AS, SUBJECT, TIME
from schemas.settings import ShowAsList
from schemas.state import Status
from streams.mapping import readable

GRAPH, SALESFORCE = Side.GRAPH, Side.SALESFORCE
NOT_BEGUN = replace(ANN, outbound_since=NOW + timedelta(days=9))
EDITS: dict[str, Any] = {
    TIME: {"span": span(9)},
    SUBJECT: {"subject": "Renamed"},
    BODY: {"body": "An agenda"},
    LOCATION: {"location": "Room 2"},
    SHOW_AS: {"show_as": ShowAs.FREE},
    PRIVACY: {"sensitivity": Sensitivity.PRIVATE},
    REMINDER: {"reminder_minutes": 30},
}


# ---- new events ------------------------------------------------------------------------------------------------------


def test_new_event_in_microsoft_is_created_in_practifi() -> None:
    """With every field, the owner, the external id, the status; nobody is mailed."""
    world = lone(GRAPH, meeting("Review", body="B", attendees=(CLIENT, STRANGER), reminder_minutes=5))
    (command,) = world.commands
    assert (command.side, command.action, command.fields, command.mails) == (SALESFORCE, Action.CREATE, ALL, ())
    held = only(world, SALESFORCE)
    assert (held.subject, held.body, held.reminder_minutes, held.owner_id) == ("Review", "B", 5, "005ANN")
    assert records(held) == ["003CLIENT"]
    assert (held.sync_status, held.external_id) == ("Synced", "G1")
    assert (last(world).reason, state_of(world).status) == ("created_in_microsoft", Status.SYNCED)


def test_new_event_in_practifi_is_created_in_microsoft_without_people() -> None:
    """Rule 7.18: no invitations asked for, so nobody is mailed; then Practifi's marks are written."""
    world = lone(SALESFORCE, meeting("Review", attendees=(CLIENT,)))
    assert sent(world) == [(GRAPH, Action.CREATE, ALL), (SALESFORCE, Action.UPDATE, (MARKS,))]
    assert only(world, GRAPH).attendees == ()
    assert all(command.mails == () for command in world.commands)
    held = only(world, SALESFORCE)
    assert (held.sync_status, held.external_id, records(held)) == ("Synced", "G2", ["003CLIENT"])
    (item,) = world.items[GRAPH].values()
    assert (item.sync_key, item.mailbox) == ("s:S1", ANN.mailbox)


def test_new_event_with_invitations_goes_out_with_its_people() -> None:
    """And the mails are predicted, in the command and in the decision."""
    world = lone(SALESFORCE, meeting(attendees=(CLIENT, COLLEAGUE), send_invitations=True))
    create = world.commands[0]
    assert short(create) == (GRAPH, ALL, ["invite bob@firm.example", "invite client@out.example"])
    assert world.decisions[0].mails == create.mails
    assert sorted(records(only(world, GRAPH))) == ["003CLIENT", "005BOB"]


def test_private_event_goes_out_without_its_people() -> None:
    """Rule 7.7a, invitations ticked or not."""
    private = meeting(attendees=(CLIENT,), send_invitations=True, sensitivity=Sensitivity.PRIVATE)
    world = lone(SALESFORCE, private)
    assert (only(world, GRAPH).attendees, world.commands[0].mails) == ((), ())


def test_owner_is_not_invited_to_the_own_event() -> None:
    """The mailbox organizes it."""
    world = lone(SALESFORCE, meeting(attendees=(ORGANIZER, CLIENT), send_invitations=True))
    assert [mail.address for mail in world.commands[0].mails] == ["client@out.example"]


@pytest.mark.parametrize(
    ("side", "content", "settings", "reason"),
    [
        (GRAPH, meeting(span=span(-400)), {}, "out_of_range"),
        (GRAPH, meeting(sensitivity=Sensitivity.PRIVATE), {"sync_private_events": False}, "private_off"),
        (GRAPH, meeting(attendees=(COLLEAGUE,)), {"sync_internal_events": False}, "internal_off"),
        (GRAPH, meeting(attendees=(STRANGER,)), {"sync_unmatched_events": False}, "unmatched_off"),
        (GRAPH, meeting(span=span(5, 500)), {}, "too_long"),
        (SALESFORCE, meeting(span=span(-1)), {}, "past"),
        (SALESFORCE, meeting(owner_id="005BOB"), {}, "user_disabled"),
        (SALESFORCE, meeting(), {"users": (NOT_BEGUN,)}, "not_edited_since"),
    ],
)  # fmt: skip
def test_event_outside_the_policy_stays_where_it_is(
    side: Side, content: CalendarEvent, settings: dict[str, Any], reason: str
) -> None:
    """Nothing is sent, not even a mark; the state says why."""
    world = lone(side, content, settings=firm_settings(**settings))
    assert world.commands == []
    assert (state_of(world).status, state_of(world).reason) == (Status.NOT_SYNCED, reason)
    assert [decision.reason for decision in world.decisions] == [reason]


def test_draft_appears_when_it_is_saved_as_confirmed() -> None:
    """Rule 7.2."""
    world = World()
    made = world.make(GRAPH, meeting(), is_draft=True)
    world.settle()
    assert state_of(world).reason == "draft"
    world.items[GRAPH][made] = replace(world.items[GRAPH][made], is_draft=False)
    world.edit(GRAPH, made, subject="Confirmed")
    world.settle()
    assert only(world, SALESFORCE).subject == "Confirmed"


# ---- edits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", list(EDITS))
@pytest.mark.parametrize("first", list(Side))
@pytest.mark.parametrize("side", list(Side))
def test_edit_on_one_side_is_carried_as_that_group_alone(side: Side, first: Side, group: str) -> None:
    """Only the changed field is written; the other side then holds it; the reason names the side."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world, first=first)
    before = len(world.commands)
    world.edit(side, graph_id if side is GRAPH else salesforce_id, **EDITS[group])
    world.settle()
    there = SALESFORCE if side is GRAPH else GRAPH
    assert sent(world, before) == [(there, Action.UPDATE, (group,))]
    assert world.differing(graph_id, salesforce_id) == []
    assert last(world).reason == ("edited_in_microsoft" if side is GRAPH else "edited_in_practifi")
    (row,) = last(world).changes
    assert (row.side, row.field) == (there, group)
    assert row.before != row.after


LOST: dict[str, Any] = {
    "span": span(11),
    "subject": "Lost",
    "body": "Lost",
    "location": "Lost",
    "show_as": ShowAs.TENTATIVE,
    "reminder_minutes": 45,
}


@pytest.mark.parametrize("group", [group for group in EDITS if group != PRIVACY])
@pytest.mark.rule("7.15")
def test_edit_on_both_sides_is_microsofts_and_the_other_is_kept(group: str) -> None:
    """Rule 7.15: the lost value stands in the decision, with the one that won."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world)
    ((member, won),) = EDITS[group].items()
    world.edit(SALESFORCE, salesforce_id, **{member: LOST[member]})
    world.edit(GRAPH, graph_id, **EDITS[group])
    for side in (SALESFORCE, GRAPH):
        world.read(side)
        world.journal(side)
    world.settle()
    assert getattr(only(world, SALESFORCE), member) == getattr(only(world, GRAPH), member) == won
    (row,) = next(decision for decision in world.decisions if decision.lost).lost
    lost, kept = (readable(meeting(**{member: value}), group) for value in (LOST[member], won))
    assert (row.field, row.before, row.after) == (group, lost, kept)
    assert last(world).reason == "conflict"


def test_edits_of_different_groups_cross() -> None:
    """Both are carried, each to the other side."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world)
    world.edit(GRAPH, graph_id, subject="Microsoft's")
    world.edit(SALESFORCE, salesforce_id, location="Practifi's")
    world.settle()
    for side in Side:
        assert (only(world, side).subject, only(world, side).location) == ("Microsoft's", "Practifi's")
    assert all(decision.lost == () for decision in world.decisions)


def test_same_edit_on_both_sides_changes_nothing() -> None:
    """What was sent before the other edit was known finds its work done; the agreement is remembered."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world)
    world.edit(GRAPH, graph_id, subject="Same")
    world.edit(SALESFORCE, salesforce_id, subject="Same")
    held = {side: dict(items) for side, items in world.items.items()}
    world.settle()
    assert world.items == held
    bases = [side.base for side in (state_of(world).graph, state_of(world).salesforce)]
    assert [base and base.subject for base in bases] == ["Same", "Same"]


def test_edit_while_a_write_is_under_way_waits_for_its_outcome() -> None:
    """One command at a time (ADR 2); then the second edit is carried, and the first is not undone."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world)
    world.edit(SALESFORCE, salesforce_id, subject="First")
    world.read(SALESFORCE)
    world.journal(SALESFORCE)
    world.edit(SALESFORCE, salesforce_id, subject="Second")
    before = len(world.commands)
    world.read(SALESFORCE)
    world.journal(SALESFORCE)
    assert world.commands[before:] == []
    assert (state_of(world).status, state_of(world).graph.pending is not None) == (Status.PENDING, True)
    world.settle()
    assert [c.content.subject for c in world.commands[before:] if c.content] == ["Second"]
    assert only(world, GRAPH).subject == "Second"
    assert graph_id in world.items[GRAPH]


# ---- values that one side cannot express -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value", "shown"),
    [
        ("show_as", ShowAs.TENTATIVE, ShowAs.BUSY),
        ("show_as", ShowAs.WORKING_ELSEWHERE, ShowAs.BUSY),
        ("show_as", ShowAs.UNKNOWN, ShowAs.BUSY),
        ("sensitivity", Sensitivity.PERSONAL, Sensitivity.PRIVATE),
        ("sensitivity", Sensitivity.CONFIDENTIAL, Sensitivity.PRIVATE),
    ],
)
@pytest.mark.rule("4.lossy")
def test_value_that_practifi_cannot_express_is_never_written_back(member: str, value: object, shown: object) -> None:
    """The lossy-pair rule: other edits leave it; an edit of it in Practifi replaces it."""
    world = World(settings=firm_settings(show_as_list=ShowAsList.STANDARD))
    _, _, salesforce_id = a_pair(world, meeting(**{member: value}))
    assert getattr(only(world, SALESFORCE), member) == shown
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    assert (only(world, GRAPH).subject, getattr(only(world, GRAPH), member)) == ("Renamed", value)
    new = ShowAs.FREE if member == "show_as" else Sensitivity.NORMAL
    world.edit(SALESFORCE, salesforce_id, **{member: new})
    world.settle()
    assert getattr(only(world, GRAPH), member) == new


def test_move_between_values_that_look_alike_is_no_change() -> None:
    """Personal to confidential, tentative to busy in the standard list: nothing to write."""
    world = World(settings=firm_settings(show_as_list=ShowAsList.STANDARD))
    content = meeting(show_as=ShowAs.TENTATIVE, sensitivity=Sensitivity.PERSONAL)
    _, graph_id, _ = a_pair(world, content)
    before = len(world.commands)
    world.edit(GRAPH, graph_id, show_as=ShowAs.BUSY, sensitivity=Sensitivity.CONFIDENTIAL)
    world.settle()
    assert world.commands[before:] == []


def test_text_cut_for_practifi_is_not_cut_in_microsoft() -> None:
    """A long body stays whole there until somebody edits the description in Practifi."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(body="x" * 40_000))
    assert len(only(world, SALESFORCE).body) == 32_000
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    assert len(only(world, GRAPH).body) == 40_000


def test_reminder_that_fired_is_no_edit() -> None:
    """Salesforce unsets it by itself, also for an event still to come; a user who unsets it earlier edits."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world, meeting(span=span(1 / 24, 2), reminder_minutes=120))
    world.edit(SALESFORCE, salesforce_id, reminder_minutes=None)
    before = len(world.commands)
    world.settle()
    assert world.commands[before:] == []
    assert only(world, GRAPH).reminder_minutes == 120
    world.edit(GRAPH, graph_id, reminder_minutes=5)
    world.settle()
    assert only(world, SALESFORCE).reminder_minutes == 5
    early = World()
    _, _, early_id = a_pair(early, meeting(reminder_minutes=15))
    early.edit(SALESFORCE, early_id, reminder_minutes=None)
    early.settle()
    assert only(early, GRAPH).reminder_minutes is None


# ---- decisions -------------------------------------------------------------------------------------------------------


def test_decision_says_what_changes_before_and_after() -> None:
    """As readable text, with rule, settings number and the sentence for people."""
    world = World(settings=firm_settings(number=7))
    _, graph_id, _ = a_pair(world)
    world.edit(GRAPH, graph_id, subject="Renamed", reminder_minutes=5)
    world.settle()
    decision = last(world)
    assert [(row.side, row.field, row.before, row.after) for row in decision.changes] == [
        (SALESFORCE, SUBJECT, "Review", "Renamed"), (SALESFORCE, REMINDER, "", "5"),
    ]  # fmt: skip
    assert (decision.rule, decision.settings_number) == ("6", 7)
    assert decision.text == "Edited in Microsoft 365 only: carried to Practifi."
    assert decision.commands == (world.commands[-1].command_id,)


def test_pair_of_a_disabled_user_is_left_alone() -> None:
    """No marks, no status; the reason says whose fault it is; enabling again continues from the stored state."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world)
    before = len(world.commands)
    world.put_in_force(firm_settings(number=2, users=(replace(ANN, is_enabled=False),)))
    world.edit(GRAPH, graph_id, subject="Meanwhile")
    world.settle()
    assert (world.commands[before:], state_of(world).reason) == ([], "user_disabled")
    world.put_in_force(firm_settings(number=3))
    world.read_again(GRAPH)
    world.settle()
    assert [c.fields for c in world.commands[before:]] == [(SUBJECT,)]
    assert only(world, SALESFORCE).subject == "Meanwhile"
    assert world.differing(graph_id, salesforce_id, (OWNER,)) == []


def test_a_value_that_lost_stands_in_one_decision_only() -> None:
    """The write that carries the winner is under way while the other group is decided anew: nothing is lost twice."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world)
    world.edit(SALESFORCE, salesforce_id, subject="Practifi's", location="Room 9")
    world.read(SALESFORCE)
    world.journal("salesforce")
    world.edit(GRAPH, graph_id, subject="Microsoft's")
    world.read(GRAPH)
    world.journal("graph")
    world.work(GRAPH)  # stale: decided on what stood there before
    world.journal("sync")
    world.settle()
    assert only(world, GRAPH).subject == only(world, SALESFORCE).subject == "Microsoft's"
    assert [row.before for decision in world.decisions for row in decision.lost] == ["Practifi's"]


def test_value_is_lost_once_with_the_write_that_takes_it() -> None:
    """Both sides edit while another write to Practifi is under way: that decision can only wait, and takes nothing that
    could be given back. The one that writes names what was lost."""
    world = World()
    _, event, record = a_pair(world)
    world.edit(Side.GRAPH, event, location="Room 1")
    world.read(Side.GRAPH)
    assert world.journal("graph")
    world.edit(Side.SALESFORCE, record, subject="Practifi's words")
    world.edit(Side.GRAPH, event, subject="Microsoft's words")
    for side, name in ((Side.SALESFORCE, "salesforce"), (Side.GRAPH, "graph")):
        world.read(side)
        assert world.journal(name)
    assert (world.decisions[-1].reason, world.decisions[-1].lost) == ("conflict", ())
    world.settle()
    (taking,) = [one for one in world.decisions if one.lost]
    assert [change.before for change in taking.lost] == ["Practifi's words"]
    assert taking.commands
