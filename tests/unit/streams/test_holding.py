"""What waits for an operator: mails beyond the limits, deletions of a burst; what a release and a drop do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.builders import ANN, BOB, CLIENT, COLLEAGUE, NOW, ROOM, STRANGER, command, firm_settings, meeting
from support.pair_looks import lone, only, sent, state_of
from support.pair_world import World, a_pair

from schemas.changes import Side
from schemas.commands import Action, Hold, HoldKind, MailKind, PredictedMail, Verdict
from schemas.groups import ALL, LOCATION, MARKS, SUBJECT
from schemas.journal import OperatorVerb
from schemas.state import Status, Tally
from streams.holding import counted, outside_mails, room_left, share_of
from streams.mails import predict_mails
from streams.stage import fold_partition

GRAPH, SALESFORCE = Side.GRAPH, Side.SALESFORCE
TWO_CLIENTS = (CLIENT, replace(CLIENT, address="other@out.example", record_id="003OTHER", name="Other"))
BUSY = meeting(attendees=TWO_CLIENTS, send_invitations=True)
LIMITED = firm_settings(invitation_limit_per_write=1)


def held_of(world: World) -> Hold:
    """What the one pair holds."""
    held = state_of(world).held
    assert held is not None
    return held


def graph_writes(world: World) -> list[tuple[Action, tuple[str, ...]]]:
    """What was sent to Microsoft 365."""
    return [(action, fields) for side, action, fields in sent(world) if side is GRAPH]


def write_to_graph(*people: Any, **members: Any) -> Any:
    """A create that invites these people."""
    made = command(GRAPH, Action.CREATE, fields=ALL, content=meeting(attendees=people), **members)
    return replace(made, mails=predict_mails(made))


# ---- invitations ----------------------------------------------------------------------------------------------------


def test_only_people_outside_the_firm_count() -> None:
    """Not users, not mailboxes of the tenant without a user, not rooms."""
    own = replace(STRANGER, address="desk@firm.example", is_user=True)
    known = replace(STRANGER, address=BOB.address.upper())
    write = write_to_graph(CLIENT, STRANGER, COLLEAGUE, ROOM, own, known)
    assert len(write.mails) == 5
    assert [mail.address for mail in outside_mails(write, firm_settings())] == [CLIENT.address, STRANGER.address]


@pytest.mark.parametrize(("limit", "is_held"), [(1, True), (2, False), (0, False)])
def test_write_that_mails_more_than_the_limit_is_held(limit: int, is_held: bool) -> None:
    """At the limit it goes; zero is no limit."""
    world = lone(SALESFORCE, BUSY, settings=firm_settings(invitation_limit_per_write=limit))
    assert graph_writes(world) == ([] if is_held else [(Action.CREATE, ALL)])
    assert (state_of(world).held is not None) is is_held


def test_held_write_says_what_would_go_and_to_whom() -> None:
    """In the pair and in one decision; Practifi shows Pending; nothing more happens however often it is read."""
    world = lone(SALESFORCE, BUSY, settings=LIMITED)
    held = held_of(world)
    mails = tuple(PredictedMail(MailKind.INVITE, person.address) for person in TWO_CLIENTS)
    assert (held.kind, held.side, held.action, held.fields) == (HoldKind.INVITATIONS, GRAPH, Action.CREATE, ALL)
    assert (held.mails, held.outside) == (mails, 2)
    decision = next(one for one in world.decisions if one.verdict is Verdict.HOLD)
    assert (decision.reason, decision.held, decision.mails) == ("held_invitations", held, ())
    assert (state_of(world).status, state_of(world).reason) == (Status.PENDING, "held_invitations")
    assert only(world, SALESFORCE).sync_status == "Pending"
    commands, decisions = len(world.commands), len(world.decisions)
    world.read_again(SALESFORCE)
    world.settle()
    assert (len(world.commands), len(world.decisions)) == (commands, decisions)


def test_released_write_goes_out_once() -> None:
    """A release pressed twice acts once, and the second says that there is nothing to release."""
    world = lone(SALESFORCE, BUSY, settings=LIMITED)
    digest = held_of(world).digest
    for _ in range(2):
        world.act("s:S1", OperatorVerb.RELEASE, digest)
        world.settle()
    assert graph_writes(world) == [(Action.CREATE, ALL)]
    assert world.commands[1].mails == held_mails(world)
    assert (state_of(world).held, state_of(world).released, state_of(world).status) == (None, "", Status.SYNCED)
    assert [one.reason for one in world.decisions if one.reason.startswith("hold_")] == ["hold_gone"]


def held_mails(world: World) -> tuple[PredictedMail, ...]:
    """The mails of the first decision that held something."""
    held = next(one.held for one in world.decisions if one.held is not None)
    return held.mails


def test_release_of_what_has_changed_since_does_nothing_and_says_so() -> None:
    """The newest content replaces what is held; only its own release lets it go."""
    world = lone(SALESFORCE, BUSY, settings=LIMITED)
    stale = held_of(world).digest
    since = held_of(world).since
    world.edit(SALESFORCE, "S1", subject="Renamed")
    world.settle()
    assert (held_of(world).digest != stale, held_of(world).since) == (True, since)
    world.act("s:S1", OperatorVerb.RELEASE, stale)
    world.settle()
    assert (graph_writes(world), world.decisions[-1].reason) == ([], "hold_changed")
    assert state_of(world).reason == "held_invitations"
    world.act("s:S1", OperatorVerb.RELEASE)
    world.settle()
    assert (only(world, GRAPH).subject, len(graph_writes(world))) == ("Renamed", 1)


def test_held_write_whose_reason_is_gone_is_gone() -> None:
    """Fewer people after another save: it goes out by itself."""
    world = lone(SALESFORCE, BUSY, settings=LIMITED)
    world.edit(SALESFORCE, "S1", attendees=(CLIENT,))
    world.settle()
    assert (graph_writes(world), state_of(world).held) == ([(Action.CREATE, ALL)], None)
    assert state_of(world).status is Status.SYNCED


def test_raised_limit_releases_nothing() -> None:
    """Only a save, or an operator, sends what waits (rule 7.5)."""
    world = lone(SALESFORCE, BUSY, settings=LIMITED)
    world.put_in_force(firm_settings(number=2, invitation_limit_per_write=0))
    world.read_again(SALESFORCE)
    world.settle()
    assert (graph_writes(world), state_of(world).reason) == ([], "held_invitations")
    world.edit(SALESFORCE, "S1", subject="Renamed")
    world.settle()
    assert graph_writes(world) == [(Action.CREATE, ALL)]


def test_dropped_write_is_not_made_until_the_next_save_asks_again() -> None:
    """The pair says why; reading it again, or other settings, ask for nothing."""
    world = lone(SALESFORCE, BUSY, settings=LIMITED)
    world.act("s:S1", OperatorVerb.DROP)
    world.put_in_force(firm_settings(number=2, invitation_limit_per_write=1, sync_private_events=False))
    world.read_again(SALESFORCE)
    world.settle()
    assert (graph_writes(world), state_of(world).held, state_of(world).reason) == ([], None, "invitations_dropped")
    assert only(world, SALESFORCE).sync_status == "Not Synced"
    world.edit(SALESFORCE, "S1", subject="Renamed")
    world.settle()
    assert (graph_writes(world), state_of(world).reason) == ([], "held_invitations")


def test_held_edit_waits_alone() -> None:
    """What Microsoft 365 edits meanwhile comes in; an edit of the same field there ends the hold."""
    world = World(settings=LIMITED)
    key, graph_id, salesforce_id = a_pair(world, meeting(attendees=TWO_CLIENTS))
    world.edit(SALESFORCE, salesforce_id, subject="Ours")
    world.settle()
    assert held_of(world).fields == (SUBJECT,)
    before = len(world.commands)
    world.edit(GRAPH, graph_id, location="Room 2")
    world.settle()
    assert sent(world)[before:] == [(SALESFORCE, Action.UPDATE, (LOCATION,))]
    assert (only(world, SALESFORCE).location, only(world, SALESFORCE).subject) == ("Room 2", "Ours")
    assert (only(world, GRAPH).subject, only(world, SALESFORCE).sync_status) == ("Review", "Pending")
    assert state_of(world).status is Status.PENDING
    world.edit(GRAPH, graph_id, subject="Theirs")
    world.settle()
    assert (only(world, SALESFORCE).subject, world.pairs[key].held) == ("Theirs", None)
    assert world.pairs[key].status is Status.SYNCED
    assert [row.before for row in last_lost(world)] == ["Ours"]


def last_lost(world: World) -> tuple[Any, ...]:
    """What the last conflict took."""
    return next(one.lost for one in reversed(world.decisions) if one.lost)


def test_deletion_that_would_mail_too_many_is_held_and_a_drop_keeps_the_event() -> None:
    """Cancellations are mails, too. Dropped, it is kept as under the policy No."""
    world = World(settings=LIMITED)
    _, graph_id, salesforce_id = a_pair(world, meeting(attendees=TWO_CLIENTS))
    world.delete(SALESFORCE, salesforce_id)
    world.settle()
    assert (held_of(world).kind, held_of(world).action) == (HoldKind.INVITATIONS, Action.DELETE)
    world.act(state_of(world).pair_key, OperatorVerb.DROP)
    world.edit(GRAPH, graph_id, subject="Edited")
    world.settle()
    assert (list(world.items[GRAPH]), list(world.items[SALESFORCE])) == ([graph_id], [])
    assert (state_of(world).is_detached, state_of(world).reason) == (True, "deletion_dropped")
    assert [one.verdict for one in world.decisions if one.reason == "deletion_dropped"] == [Verdict.DETACH]


# ---- deletions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [GRAPH, SALESFORCE])
@pytest.mark.rule("7.20")
def test_deletion_of_a_burst_waits_and_goes_when_released(side: Side) -> None:
    """On either side. Read again, nothing happens; the survivor shows Pending."""
    world = World(settings=firm_settings(invitation_limit_per_write=0))
    key, graph_id, salesforce_id = a_pair(world)
    ids = {GRAPH: graph_id, SALESFORCE: salesforce_id}
    survivor = SALESFORCE if side is GRAPH else GRAPH
    world.delete(side, ids[side])
    world.read(side, in_burst=True)
    world.settle()
    assert (held_of(world).kind, held_of(world).side) == (HoldKind.DELETIONS, survivor)
    assert [one.reason for one in world.decisions if one.verdict is Verdict.HOLD] == ["held_deletions"]
    assert world.pairs[key].status is Status.PENDING
    world.read_again(survivor)
    world.settle()
    assert list(world.items[survivor]) == [ids[survivor]]
    if survivor is SALESFORCE:
        assert only(world, SALESFORCE).sync_status == "Pending"
    world.act(key, OperatorVerb.RELEASE)
    world.settle()
    assert (world.items[survivor], world.pairs[key].held) == ({}, None)


def test_deletion_alone_is_not_held() -> None:
    """The brake is for bursts."""
    world = World()
    _, graph_id, _ = a_pair(world)
    world.delete(GRAPH, graph_id)
    world.settle()
    assert world.items == {GRAPH: {}, SALESFORCE: {}}


def test_deletion_of_a_burst_that_the_policy_keeps_is_not_held() -> None:
    """Nothing would be deleted, so nobody is asked."""
    world = World(settings=firm_settings(delete_from_microsoft=False))
    key, graph_id, _ = a_pair(world)
    world.delete(GRAPH, graph_id)
    world.read(GRAPH, in_burst=True)
    world.settle()
    assert (world.pairs[key].held, world.pairs[key].reason) == (None, "deletion_kept")


def test_event_that_comes_back_ends_the_hold() -> None:
    """Restored before anybody looked: paired again, nothing deleted, and a later deletion is judged by itself."""
    world = World()
    key, graph_id, salesforce_id = a_pair(world)
    world.delete(GRAPH, graph_id)
    world.read(GRAPH, in_burst=True)
    world.settle()
    world.restore(GRAPH, graph_id)
    world.settle()
    assert (world.pairs[key].held, world.pairs[key].status) == (None, Status.SYNCED)
    assert list(world.items[SALESFORCE]) == [salesforce_id]
    world.delete(GRAPH, graph_id)
    world.settle()
    assert world.items[SALESFORCE] == {}


# ---- the hour -------------------------------------------------------------------------------------------------------


def at(minutes: float) -> datetime:
    """So many minutes after NOW."""
    return NOW + timedelta(minutes=minutes)


def test_shares_of_all_partitions_add_up_to_the_limit() -> None:
    """Whatever the numbers."""
    for limit in (1, 3, 4, 50, 201):
        for partitions in (1, 3, 4, 12):
            assert sum(share_of(limit, number, partitions) for number in range(partitions)) == limit


def test_room_is_what_the_last_hour_left() -> None:
    """Written anew each minute; what is older than an hour counts no more. Without a limit there is no count."""
    settings = firm_settings(invitation_limit_per_hour=6)
    write, tally = write_to_graph(CLIENT, STRANGER), Tally(partitions=2)
    assert room_left(tally, settings, 0, 0, NOW) == 3
    tally = counted(tally, [write], "", settings, 0, NOW)
    tally = counted(tally, [write], "", settings, 1, at(30))
    assert room_left(tally, settings, 0, 2, at(31)) == 0
    assert room_left(tally, settings, 0, 2, at(61)) == 1
    assert room_left(tally, settings, 0, 2, at(91)) == 3
    off = firm_settings(invitation_limit_per_hour=0)
    assert room_left(tally, off, 0, 2, at(31)) is None
    assert counted(tally, [write], "", off, 2, at(31)) is tally


def test_tally_forgets_what_no_decision_can_ask_for() -> None:
    """It stays small, however long the firm lives."""
    settings, tally = firm_settings(), Tally()
    for minute in range(600):
        tally = counted(tally, [write_to_graph(CLIENT)], "", settings, minute, at(minute))
    assert len(tally.minutes) == 121


def test_entry_folded_twice_counts_once_and_sees_the_same_room() -> None:
    """A crash between the tally and its pair: the entry is folded again with the tally as it stands."""
    settings = firm_settings(invitation_limit_per_hour=5)
    write = write_to_graph(CLIENT, STRANGER)
    first = counted(Tally(), [write], "", settings, 7, NOW)
    second = counted(first, [write], "", settings, 8, at(0.1))
    assert room_left(second, settings, 0, 8, at(0.1)) == room_left(first, settings, 0, 8, at(0.1)) == 3
    assert counted(second, [write], "", settings, 8, at(0.1)) == second


def test_hour_is_counted_over_all_events_of_a_partition() -> None:
    """The third event of the hour waits, and goes when it is saved after the hour; released ones count nothing."""
    world = World(settings=firm_settings(invitation_limit_per_hour=2))
    for n in range(3):
        world.make(SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True), f"S{n}")
        world.settle()
    assert [world.pairs[f"s:S{n}"].held is None for n in range(3)] == [True, True, False]
    world.act("s:S2", OperatorVerb.RELEASE)
    world.settle()
    assert sum(world.partition.tally.minutes.values()) == 2
    world.now += timedelta(minutes=62)
    world.make(SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True), "S9")
    world.settle()
    assert world.pairs["s:S9"].status is Status.SYNCED
    assert len(graph_writes(world)) == 4


def test_fold_of_the_journal_counts_as_the_live_worker_did() -> None:
    """I8: the tally is a fold like the pairs."""
    world = World(settings=firm_settings(invitation_limit_per_hour=2))
    for n in range(4):
        world.make(SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True), f"S{n}")
        world.settle()
    assert fold_partition(0, enumerate(world.entries)) == world.partition


def test_nothing_is_held_of_what_mails_nobody() -> None:
    """Marks, edits without attendees and internal events pass, however small the limits."""
    settings = firm_settings(invitation_limit_per_write=1, invitation_limit_per_hour=1)
    world = lone(SALESFORCE, meeting(attendees=(COLLEAGUE,), send_invitations=True), settings=settings)
    assert sent(world) == [(GRAPH, Action.CREATE, ALL), (SALESFORCE, Action.UPDATE, (MARKS,))]
    assert ANN.address not in {mail.address for mail in world.commands[0].mails}
