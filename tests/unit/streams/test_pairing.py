"""One event, one pair: owners and copies, marks, refusals, deletions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.builders import (
    ANN,
    BOB,
    CLIENT,
    COLLEAGUE,
    ORGANIZER,
    STRANGER,
    firm_settings,
    meeting,
    span,
)
from support.pair_looks import last, lone, only, sent, state_of
from support.pair_world import World, a_pair

from schemas.changes import Side
from schemas.commands import Action, MailKind, Verdict
from schemas.groups import MARKS, SUBJECT
from schemas.settings import Direction
from schemas.state import Status

GRAPH, SALESFORCE = Side.GRAPH, Side.SALESFORCE


# ---- owners and copies -----------------------------------------------------------------------------------------------


@pytest.mark.rule("10.6")
def test_reassignment_in_practifi_is_held() -> None:
    """Product facts §10.6: a new organizer would mean cancel and re-invite. Other edits still go out."""
    world = World(settings=firm_settings(users=(ANN, BOB)))
    _, _, salesforce_id = a_pair(world)
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, owner_id="005BOB")
    world.settle()
    assert (world.commands[before:], state_of(world).reason) == ([], "owner_changed")
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    assert [c.fields for c in world.commands[before:]] == [(SUBJECT,)]
    assert only(world, SALESFORCE).owner_id == "005BOB"


@pytest.mark.rule("10.5")
def test_outside_organizers_event_is_inbound_only() -> None:
    """Product facts §10.5: edits in Practifi are not written, and the status shows why."""
    world = World()
    made = world.make(GRAPH, meeting(organizer=STRANGER, attendees=(ORGANIZER,)), is_organizer=False)
    world.settle()
    (salesforce_id,) = world.items[SALESFORCE]
    assert only(world, SALESFORCE).owner_id == "005ANN"
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, subject="Mine")
    world.settle()
    assert (world.commands[before:], state_of(world).reason) == ([], "not_organizer")
    world.edit(GRAPH, made, subject="Theirs")
    world.settle()
    assert only(world, SALESFORCE).subject == "Theirs"
    assert last(world).lost[0].field == SUBJECT


def in_bobs_mailbox(world: World, uid: str, **members: Any) -> str:
    """Bob's copy of a meeting of Ann's."""
    content = meeting(organizer=ORGANIZER, attendees=(COLLEAGUE,))
    return world.make(GRAPH, content, mailbox=BOB.mailbox, i_cal_uid=uid, is_organizer=False, **members)


@pytest.mark.parametrize("is_bob_first", [True, False])
@pytest.mark.rule("7.12")
def test_one_meeting_in_two_mailboxes_is_one_practifi_event(is_bob_first: bool) -> None:
    """Rule 7.12: owned by the organizer, whichever copy is read first."""
    world = World(settings=firm_settings(users=(ANN, BOB)))
    makes = [
        lambda: in_bobs_mailbox(world, "uid-X"),
        lambda: world.make(GRAPH, meeting(attendees=(COLLEAGUE,)), i_cal_uid="uid-X"),
    ]
    for make in makes if is_bob_first else makes[::-1]:
        make()
        world.settle()
    assert only(world, SALESFORCE).owner_id == "005ANN"
    assert len(sent(world)) == 1


@pytest.mark.rule("7.12")
def test_attendees_copy_starts_no_pair_while_the_organizer_is_enabled() -> None:
    """It is recorded and ignored (design §3)."""
    world = World(settings=firm_settings(users=(ANN, BOB)))
    in_bobs_mailbox(world, "uid-X")
    world.settle()
    assert (world.commands, state_of(world).reason) == ([], "attendee_copy")


def test_attendees_copy_leads_while_the_organizer_is_disabled_and_yields_afterwards() -> None:
    """Whoever was disabled and enabled in between, the organizer's copy leads in the end."""
    only_bob = firm_settings(users=(replace(ANN, is_enabled=False), BOB))
    world = World(settings=only_bob)
    made = world.make(GRAPH, meeting(attendees=(COLLEAGUE,)), i_cal_uid="uid-X")
    in_bobs_mailbox(world, "uid-X")
    world.settle()
    assert only(world, SALESFORCE).owner_id == "005BOB"
    world.put_in_force(firm_settings(number=2, users=(ANN, BOB)))
    world.read_again(GRAPH)
    world.settle()
    graph = state_of(world).graph
    assert graph.item is not None
    assert (graph.item.id, only(world, SALESFORCE).owner_id) == (made, "005ANN")
    (salesforce_id,) = world.items[SALESFORCE]
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    assert world.items[GRAPH][made].content.subject == "Renamed"


# ---- marks -----------------------------------------------------------------------------------------------------------


def test_clone_in_practifi_gets_an_event_and_marks_of_its_own() -> None:
    """Rule of design §3: the copy of a mark makes no second half of a pair."""
    world = World()
    key, graph_id, salesforce_id = a_pair(world)
    held = world.items[SALESFORCE][salesforce_id]
    clone = world.make(SALESFORCE, held.content, sync_key=key)
    world.settle()
    assert len(world.items[GRAPH]) == 2
    item = world.items[SALESFORCE][clone]
    assert (item.sync_key, item.content.external_id != graph_id) == (f"s:{clone}", True)
    assert world.items[SALESFORCE][salesforce_id].content == held.content


def test_tagged_copy_in_microsoft_gets_a_record_and_loses_the_tag() -> None:
    """The tag of another pair is replaced, so that a rebuild pairs each with its own."""
    world = World()
    key, graph_id, _ = a_pair(world, first=SALESFORCE)
    copy = world.make(GRAPH, world.items[GRAPH][graph_id].content, sync_key=key)
    world.settle()
    assert len(world.items[SALESFORCE]) == 2
    assert world.items[GRAPH][copy].sync_key == f"m:uid-{copy}"
    assert world.items[GRAPH][graph_id].sync_key == key


@pytest.mark.parametrize("member", ["sync_key", "status", "external_id"])
def test_mark_that_somebody_removed_is_restored(member: str) -> None:
    """Quietly: no mail, no change of content."""
    world = World()
    key, graph_id, salesforce_id = a_pair(world, first=SALESFORCE)
    item = world.items[SALESFORCE][salesforce_id]
    before = len(world.commands)
    if member == "sync_key":
        world.items[SALESFORCE][salesforce_id] = replace(item, sync_key="")
        world.items[GRAPH][graph_id] = replace(world.items[GRAPH][graph_id], sync_key="")
        for side in Side:
            world.read_again(side)
    else:
        world.edit(SALESFORCE, salesforce_id, **{"sync_status" if member == "status" else member: ""})
    world.settle()
    assert {c.fields for c in world.commands[before:]} == {(MARKS,)}
    assert all(c.mails == () for c in world.commands[before:])
    assert world.items[SALESFORCE][salesforce_id].sync_key == world.items[GRAPH][graph_id].sync_key == key
    held = only(world, SALESFORCE)
    assert (held.sync_status, held.external_id) == ("Synced", graph_id)


@pytest.mark.parametrize("order", [list(Side), list(Side)[::-1]])
@pytest.mark.parametrize("first", list(Side))
def test_losing_the_whole_state_doubles_nothing_and_changes_nothing(first: Side, order: list[Side]) -> None:
    """The marks on both sides are enough to pair again, whatever is read first; a create meets what it made before."""
    world = World()
    key, *_ = a_pair(world, meeting(attendees=(CLIENT,)), first=first)
    held = {side: dict(items) for side, items in world.items.items()}
    world.lose_everything()
    for side in order:
        while world.journal(side):
            pass
    world.settle()
    assert world.items == held
    assert {command.action for command in world.commands} <= {Action.CREATE}
    assert all(command.mails == () for command in world.commands)
    assert (list(world.pairs), state_of(world).status) == ([key], Status.SYNCED)


def test_edit_made_while_the_state_was_lost_is_microsofts() -> None:
    """Nothing is known of what was agreed: Microsoft 365 is right, nothing goes out."""
    world = World()
    _, _, salesforce_id = a_pair(world, first=SALESFORCE)
    world.edit(SALESFORCE, salesforce_id, subject="Unseen")
    world.lose_everything()
    world.settle()
    assert only(world, SALESFORCE).subject == only(world, GRAPH).subject == "Review"
    assert [c.side for c in world.commands] == [SALESFORCE]
    assert [row.field for decision in world.decisions for row in decision.changes if row.field == SUBJECT] == [SUBJECT]


# ---- refusals --------------------------------------------------------------------------------------------------------


def refusing(side: Side, group: str) -> World:
    """A pair whose next write of a group is refused on a side."""
    world = World()
    a_pair(world)
    world.refuses = lambda command: command.side is side and group in command.fields
    return world


def edit_there(world: World, side: Side, **members: Any) -> None:
    """Edit the one event on the other side, and settle."""
    there = SALESFORCE if side is GRAPH else GRAPH
    (item_id,) = world.items[there]
    world.edit(there, item_id, **members)
    world.settle()


@pytest.mark.parametrize("side", list(Side))
def test_refused_write_shows_error_and_is_not_tried_again(side: Side) -> None:
    """The service's word is the reason; readings do not repeat it; Practifi's record says Error."""
    world = refusing(side, SUBJECT)
    edit_there(world, side, subject="Refused")
    tries = [c for c in world.executed if SUBJECT in c.fields and c.action is Action.UPDATE]
    assert len(tries) == 1
    assert (state_of(world).status, state_of(world).reason) == (Status.ERROR, "REFUSED")
    assert only(world, SALESFORCE).sync_status == "Error"
    before = len(world.commands)
    for again in Side:
        world.read_again(again)
    world.settle()
    assert world.commands[before:] == []


@pytest.mark.parametrize("side", list(Side))
def test_refused_write_is_tried_again_when_it_is_another(side: Side) -> None:
    """A further edit makes it a different write; once applied, all is well."""
    world = refusing(side, SUBJECT)
    edit_there(world, side, subject="Refused")
    world.refuses = lambda _: False
    edit_there(world, side, subject="Accepted")
    assert only(world, side).subject == "Accepted"
    assert (state_of(world).status, only(world, SALESFORCE).sync_status) == (Status.SYNCED, "Synced")


@pytest.mark.parametrize("side", list(Side))
def test_refused_write_is_tried_again_when_an_operator_asks(side: Side) -> None:
    """Safe to press twice."""
    world = refusing(side, SUBJECT)
    edit_there(world, side, subject="Refused")
    (key,) = world.pairs
    world.act(key)
    world.act(key)
    world.settle()
    assert state_of(world).status is Status.ERROR
    world.refuses = lambda _: False
    world.act(key)
    world.settle()
    assert (only(world, side).subject, state_of(world).status) == ("Refused", Status.SYNCED)


def test_refused_create_is_not_made_and_is_tried_when_the_event_changes() -> None:
    """The pair shows Error until then."""
    world = World(refuses=lambda command: command.action is Action.CREATE)
    made = world.make(GRAPH, meeting())
    world.settle()
    world.read_again(GRAPH)
    world.settle()
    assert len(world.executed) == 1
    assert state_of(world).status is Status.ERROR
    world.refuses = lambda _: False
    world.edit(GRAPH, made, subject="Renamed")
    world.settle()
    assert only(world, SALESFORCE).subject == "Renamed"


# ---- deletions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", list(Side))
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.rule("2a.delete_from_microsoft", "2a.delete_from_practifi")
def test_deletion_is_carried_where_the_policy_says_yes(side: Side, first: Side) -> None:
    """In Practifi: cancellations are mailed and predicted. In Microsoft 365: nobody is."""
    world = World()
    content = meeting(attendees=(CLIENT,), send_invitations=True)
    _, graph_id, salesforce_id = a_pair(world, content, first=first)
    world.delete(side, graph_id if side is GRAPH else salesforce_id)
    world.settle()
    assert world.items == {GRAPH: {}, SALESFORCE: {}}
    command = world.commands[-1]
    assert command.action is Action.DELETE
    assert [mail.kind for mail in command.mails] == ([MailKind.CANCEL] if side is SALESFORCE else [])
    assert last(world).reason == ("deleted_in_microsoft" if side is GRAPH else "deleted_in_practifi")


@pytest.mark.parametrize(
    ("direction", "is_back"), [(Direction.TWO_WAY, True), (Direction.PRACTIFI_TO_MICROSOFT, False)]
)
def test_microsofts_edit_beats_a_deletion_only_where_it_may_flow_back(direction: Direction, is_back: bool) -> None:
    """Edited there, deleted here: made anew in Practifi, unless nothing ever flows that way; then both are gone."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world)
    world.put_in_force(firm_settings(number=2, direction=direction))
    world.edit(GRAPH, graph_id, subject="Edited")
    world.delete(SALESFORCE, salesforce_id)
    world.settle()
    assert [len(world.items[side]) for side in Side] == ([1, 1] if is_back else [0, 0])
    assert last(world).reason == ("edit_beats_deletion" if is_back else "deleted_in_practifi")


def test_deletion_that_is_kept_says_so_in_practifi() -> None:
    """Detached: Not Synced, with the policy as reason; later edits of the survivor are nobody's."""
    world = World(settings=firm_settings(delete_from_microsoft=False))
    _, graph_id, salesforce_id = a_pair(world)
    world.delete(GRAPH, graph_id)
    world.settle()
    assert [d.reason for d in world.decisions if d.verdict is Verdict.DETACH] == ["deletion_kept"]
    assert only(world, SALESFORCE).sync_status == "Not Synced"
    assert state_of(world).reason == "deletion_kept"
    world.edit(SALESFORCE, salesforce_id, subject="Mine now")
    world.settle()
    assert world.items[GRAPH] == {}
    assert state_of(world).is_detached


def test_past_event_deleted_in_practifi_stays_in_microsoft() -> None:
    """History never goes out: no cancellation for what is over."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(span=span(-3)))
    world.delete(SALESFORCE, salesforce_id)
    world.settle()
    assert len(world.items[GRAPH]) == 1
    assert (state_of(world).is_detached, state_of(world).reason) == (True, "past")


def test_deletion_of_an_event_that_never_crossed_touches_nothing() -> None:
    """An event outside the policy is deleted: there is no other side."""
    world = lone(GRAPH, meeting(span=span(-400)))
    (graph_id,) = world.items[GRAPH]
    world.delete(GRAPH, graph_id)
    world.settle()
    assert world.commands == []


@pytest.mark.parametrize("side", list(Side))
def test_restored_event_is_one_event_again(side: Side) -> None:
    """Kept on the other side, deleted, restored: paired again with what was kept, Microsoft's content on both."""
    world = World(settings=firm_settings(delete_from_microsoft=False, delete_from_practifi=False))
    key, graph_id, salesforce_id = a_pair(world)
    item_id = graph_id if side is GRAPH else salesforce_id
    item = world.items[side][item_id]
    world.delete(side, item_id)
    world.settle()
    world.items[side][item_id] = item
    world.edit(side, item_id, subject="Restored")
    world.settle()
    assert len(world.items[GRAPH]) == len(world.items[SALESFORCE]) == 1
    assert world.differing(graph_id, salesforce_id) == []
    assert (list(world.pairs), state_of(world).is_detached, state_of(world).status) == ([key], False, Status.SYNCED)


def test_record_brought_back_while_what_replaced_it_is_being_deleted_is_made_anew_in_outlook() -> None:
    """Deleted in Practifi, edited in Outlook, so made once more; then deleted in Outlook, and the first record is
    restored: its person wants it. The second goes by our own doing and takes nothing with it."""
    world = World()
    _, event, first = a_pair(world, first=Side.SALESFORCE)
    world.delete(Side.SALESFORCE, first)
    world.edit(Side.GRAPH, event, subject="Edited")
    world.settle()
    (second,) = world.items[Side.SALESFORCE]
    assert second != first
    world.delete(Side.GRAPH, event)
    world.read(Side.GRAPH)
    assert world.journal("graph")
    world.restore(Side.SALESFORCE, first)
    world.settle()
    assert list(world.items[Side.SALESFORCE]) == [first]
    assert [one.content.subject for one in world.items[Side.GRAPH].values()] == ["Review"]
