"""The fold of one pair: what each reading makes of its state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from support.builders import (
    ANN,
    BOB,
    NOW,
    answered,
    firm_settings,
    graph_item,
    meeting,
    removed,
    salesforce_item,
    seen,
)
from support.pair_folds import EMPTY, EVEN_LATER, KEY, LATER, after, agreed, folded, in_graph, in_salesforce, under_way

from projections.sync_state import (
    evolve,
    other,
    own_key,
    side_of,
    with_side,
)
from schemas.changes import WRITE, Item, Side
from schemas.commands import Action
from schemas.groups import SUBJECT
from schemas.journal import JournalEntry, OperatorActed, OperatorVerb, Position, SettingsChanged
from schemas.state import SideState

# ---- readings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [in_graph(), in_salesforce()])
def test_first_reading_is_held(entry: JournalEntry) -> None:
    """The item as read; nothing agreed, nothing under way, somebody's save known."""
    state = after(EMPTY, entry)
    item = entry.what.item  # type: ignore[union-attr]
    assert side_of(state, item.side) == SideState(item=item, edited_at=NOW, origin=item.origin)
    assert side_of(state, other(item.side)) == SideState()
    assert (state.offset, state.lanes) == (0, {entry.source.lane: 0})


def test_later_reading_replaces_and_older_one_does_not() -> None:
    """Versions never go back: what was read earlier and arrives later is ignored."""
    newer = after(EMPTY, in_graph(), in_graph(meeting("Newer"), modified_at=LATER))
    assert newer.graph.item is not None
    assert (newer.graph.item.content.subject, newer.graph.edited_at) == ("Newer", LATER)
    assert after(newer, in_graph(meeting("Older"), modified_at=NOW)).graph == newer.graph


def test_reading_of_the_same_stamp_replaces() -> None:
    """Salesforce stamps whole seconds: the later reading holds what came last, and is an edit if it differs."""
    state = after(EMPTY, in_salesforce(meeting("One")), in_salesforce(meeting("Two")))
    assert state.salesforce.item is not None
    assert (state.salesforce.item.content.subject, state.salesforce.edited_at) == ("Two", NOW)


def test_own_write_told_by_a_sink_changes_nothing() -> None:
    """It is told for intake's index; what it means, its outcome says."""
    state = after(EMPTY, in_graph())
    told = seen(graph_item(meeting("Ours"), modified_at=LATER), cause=WRITE)
    assert after(state, told) == replace(state, offset=1, lanes={"graph.changes/0": 1})


def test_confirmed_removal_is_kept_as_a_fact() -> None:
    """A deletion is a value: the item is gone, and when it was found gone; what was agreed stays known."""
    state = after(EMPTY, in_graph())
    state = with_side(state, Side.GRAPH, replace(state.graph, base=meeting()))
    gone = after(state, removed(Side.GRAPH, "G", at=LATER)).graph
    assert (gone.item, gone.is_deleted, gone.base, gone.gone) == (None, True, meeting(), {"G": LATER})


def test_removal_of_an_unknown_id_deletes_nothing() -> None:
    """Neither the held item nor the other side is touched."""
    state = after(EMPTY, in_graph(), in_salesforce())
    told = after(state, removed(Side.GRAPH, "X"), removed(Side.SALESFORCE, "X"))
    assert (told.graph.item, told.salesforce.item) == (state.graph.item, state.salesforce.item)
    assert not told.graph.is_deleted
    assert not told.salesforce.is_deleted
    empty = after(EMPTY, removed(Side.GRAPH, "X"))
    assert (empty.graph.item, empty.graph.is_deleted) == (None, False)


def test_reading_that_began_before_the_removal_does_not_restore() -> None:
    """Told after it, read before it: the item stays deleted."""
    state = after(EMPTY, in_graph(), removed(Side.GRAPH, "G", at=LATER))
    late = after(state, seen(graph_item(meeting("Late")), at=LATER - timedelta(seconds=1)))
    assert late.graph == state.graph


# ---- one meeting in several mailboxes -------------------------------------------------------------------------------

ORGANIZERS = graph_item(id="G-ann", i_cal_uid="uid-G", mailbox=ANN.mailbox)
ATTENDEES = graph_item(id="G-bob", i_cal_uid="uid-G", mailbox=BOB.mailbox, is_organizer=False)
THIRD = graph_item(id="G-amy", i_cal_uid="uid-G", mailbox="mailbox-amy", is_organizer=False)
GUESTS = [replace(item, organizer_mailbox="", is_organizer=False) for item in (ORGANIZERS, ATTENDEES, THIRD)]


@pytest.mark.parametrize("copies", list(permutations([ORGANIZERS, ATTENDEES, THIRD])))
def test_organizers_copy_leads_in_whichever_order_copies_arrive(copies: tuple[Item, ...]) -> None:
    """Same leader, same rest, same order of the rest."""
    state = after(EMPTY, *(seen(copy) for copy in copies))
    assert (state.graph.item, state.graph.copies) == (ORGANIZERS, (THIRD, ATTENDEES))


@pytest.mark.parametrize("copies", list(permutations(GUESTS)))
def test_smallest_mailbox_leads_when_the_organizer_is_outside(copies: tuple[Item, ...]) -> None:
    """Arrival order does not matter there either."""
    state = after(EMPTY, *(seen(copy) for copy in copies))
    assert state.graph.item is not None
    assert [state.graph.item.mailbox, *(copy.mailbox for copy in state.graph.copies)] == [
        "mailbox-amy", ANN.mailbox, BOB.mailbox,
    ]  # fmt: skip


def test_later_reading_of_a_copy_replaces_that_copy_only() -> None:
    """A copy's change is kept, an older one ignored; the leader stays."""
    state = after(EMPTY, seen(ORGANIZERS), seen(ATTENDEES))
    newer = replace(ATTENDEES, modified_at=LATER, version="etag-2")
    told = after(state, seen(newer, at=LATER), seen(ATTENDEES, at=LATER))
    assert (told.graph.item, told.graph.copies) == (ORGANIZERS, (newer,))


def test_removal_of_a_copy_forgets_the_copy() -> None:
    """An attendee cleared her calendar: the meeting stands."""
    state = after(EMPTY, seen(ORGANIZERS), seen(ATTENDEES), removed(Side.GRAPH, "G-bob"))
    assert (state.graph.item, state.graph.copies, state.graph.is_deleted) == (ORGANIZERS, (), False)


def test_removal_of_the_leading_attendees_copy_lets_the_next_lead() -> None:
    """With an outside organizer the meeting goes on in the other mailbox; the last removal ends it."""
    state = after(EMPTY, *(seen(copy) for copy in GUESTS), removed(Side.GRAPH, "G-amy"))
    assert state.graph.item is not None
    assert (state.graph.item.id, state.graph.is_deleted) == ("G-ann", False)
    state = after(state, removed(Side.GRAPH, "G-ann"), removed(Side.GRAPH, "G-bob"))
    assert (state.graph.item, state.graph.is_deleted) == (None, True)


def test_removal_of_the_organizers_copy_ends_the_meeting() -> None:
    """The copies of attendees follow it; they neither keep it alive nor bring it back."""
    state = after(EMPTY, seen(ORGANIZERS), seen(ATTENDEES), removed(Side.GRAPH, "G-ann", at=LATER))
    assert (state.graph.item, state.graph.is_deleted) == (None, True)
    lingering = after(state, seen(replace(ATTENDEES, modified_at=EVEN_LATER), at=EVEN_LATER))
    assert (lingering.graph.item, lingering.graph.is_deleted) == (None, True)


# ---- marks that travelled -------------------------------------------------------------------------------------------

COPY = graph_item(meeting("Copied"), id="COPY", sync_key=KEY)
CLONE = salesforce_item(meeting("Cloned"), id="CLONE", sync_key=KEY)


@pytest.mark.parametrize(
    ("held", "stray", "key"), [(graph_item(), COPY, "m:uid-COPY"), (salesforce_item(), CLONE, "s:CLONE")]
)
def test_item_that_carries_the_mark_of_a_living_one_is_forwarded(held: Item, stray: Item, key: str) -> None:
    """A copy in Outlook, a clone in Salesforce: an event of its own, under its own key; the pair is untouched."""
    state, strays = folded(after(EMPTY, seen(held)), seen(stray))
    assert [(s.key, s.seen.item) for s in strays] == [(key, stray)]
    assert side_of(state, held.side).item == held
    assert state.strays == {stray.id: key}


def test_strays_later_readings_and_removal_follow_it() -> None:
    """Its id is filed under this pair for ever, so everything about it is passed on; then it is forgotten."""
    state, _ = folded(after(EMPTY, in_graph()), seen(COPY))
    edited = seen(replace(COPY, modified_at=LATER), at=LATER)
    state, strays = folded(state, edited, removed(Side.GRAPH, "COPY", at=EVEN_LATER))
    assert [(s.key, s.seen) for s in strays] == [
        ("m:uid-COPY", edited.what), ("m:uid-COPY", removed(Side.GRAPH, "COPY").what),
    ]  # fmt: skip
    assert state.strays == {}
    assert state.graph.item == graph_item()


def test_rightful_owner_takes_its_key_from_a_copy_that_came_first() -> None:
    """The copy moves out to a pair of its own, and what was agreed about it does not count for the owner."""
    state = after(EMPTY, seen(COPY), in_salesforce())
    state = with_side(state, Side.GRAPH, replace(state.graph, base=meeting("Copied"), generation=2))
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, base=meeting("Copied")))
    state, strays = folded(state, in_graph())
    assert [(s.key, s.seen.item) for s in strays] == [("m:uid-COPY", COPY)]
    assert state.graph == SideState(item=graph_item(), generation=2, edited_at=NOW)
    assert (state.salesforce.item, state.salesforce.base) == (salesforce_item(), None)
    assert state.strays == {"COPY": "m:uid-COPY"}


def test_same_event_under_a_new_id_takes_the_place_of_the_old() -> None:
    """Same iCalUId, same mailbox: it moved; the removal of the old id that follows is no deletion."""
    moved = graph_item(id="G2", i_cal_uid="uid-G")
    state = after(EMPTY, in_graph(), seen(moved), removed(Side.GRAPH, "G"))
    assert (state.graph.item, state.graph.is_deleted) == (moved, False)


def test_item_without_uid_has_a_key_of_its_own() -> None:
    """Two of them must not become one pair."""
    assert own_key(graph_item(i_cal_uid="")) != own_key(graph_item(id="H", i_cal_uid=""))


# ---- restored -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, "s:S"])
@pytest.mark.parametrize("side", list(Side))
def test_restored_item_is_paired_again_with_what_was_kept(side: Side, key: str) -> None:
    """Detached by the policy, restored by somebody: one pair again, with what was agreed on; never a second event."""
    before = state = agreed(pair_key=key)
    item = side_of(state, side).item
    assert item is not None
    state = replace(after(state, removed(side, item.id, at=LATER)), is_detached=True)
    state, strays = folded(state, seen(replace(item, modified_at=EVEN_LATER, sync_key=key), at=EVEN_LATER))
    assert strays == []
    assert not state.is_detached
    assert [s.item is not None for s in (state.graph, state.salesforce)] == [True, True]
    assert [s.base for s in (state.graph, state.salesforce)] == [s.base for s in (before.graph, before.salesforce)]


@pytest.mark.parametrize("side", list(Side))
def test_item_that_comes_back_before_anything_was_agreed_on_agrees_on_nothing(side: Side) -> None:
    """Deleted and restored while the other side is being made or written: what that write carries is of before."""
    state = agreed()
    item, there = side_of(state, side).item, other(side)
    assert item is not None
    for each in Side:
        state = with_side(state, each, replace(side_of(state, each), base=None))
    state, _ = under_way(state, there, Action.UPDATE, source=meeting())
    state = after(state, removed(side, item.id, at=LATER), seen(replace(item, modified_at=EVEN_LATER), at=EVEN_LATER))
    pending = side_of(state, there).pending
    assert pending is not None
    assert pending.source is None
    assert [s.base for s in (state.graph, state.salesforce)] == [None, None]


@pytest.mark.parametrize("key", [KEY, "s:S"])
@pytest.mark.parametrize("side", list(Side))
def test_restored_item_whose_counterpart_was_deleted_is_made_anew(side: Side, key: str) -> None:
    """Both were deleted and one is back: the other side is empty again, under a new generation."""
    state = agreed(pair_key=key)
    item, there = side_of(state, side).item, other(side)
    lost = side_of(state, there).item
    assert item is not None
    assert lost is not None
    state = after(state, removed(side, item.id, at=LATER), removed(there, lost.id, at=LATER))
    state = after(state, seen(replace(item, modified_at=EVEN_LATER), at=EVEN_LATER))
    assert side_of(state, side).item is not None
    before = side_of(agreed(), there).generation
    assert side_of(state, there) == SideState(generation=before + 1, gone={lost.id: LATER})


@pytest.mark.parametrize("stray", [COPY, CLONE])
def test_copy_of_a_deleted_item_does_not_take_its_place(stray: Item) -> None:
    """It carries the mark, but it was never the one that was deleted."""
    held = "G" if stray.side is Side.GRAPH else "S"
    state = after(agreed(), removed(stray.side, held, at=LATER))
    state, strays = folded(state, seen(stray, at=EVEN_LATER))
    assert [s.key for s in strays] == [own_key(stray)]
    assert side_of(state, stray.side).item is None


# ---- repeats, operators, settings -----------------------------------------------------------------------------------


def test_repeats_of_a_lane_change_nothing_but_the_offset() -> None:
    """After a crash A B comes again as A B A B: the second A must not look like an edit back."""
    a = in_graph(meeting("A"))
    b = replace(in_graph(meeting("B")), source=Position("graph.changes", 0, 1))
    state = EMPTY
    for offset, entry in enumerate((a, b, a, b)):
        state, _ = evolve(state, entry, offset)
        if offset >= 1:
            assert state.graph.item == b.what.item  # type: ignore[union-attr]
    assert (state.offset, state.lanes) == (3, {"graph.changes/0": 1})


def test_lanes_are_told_apart() -> None:
    """The same offset on another topic or partition is another input."""
    state, _ = evolve(EMPTY, in_graph(meeting("A")), 0)
    elsewhere = replace(in_graph(meeting("B")), source=Position("graph.changes", 1, 0))
    state, _ = evolve(state, elsewhere, 1)
    assert state.graph.item is not None
    assert state.graph.item.content.subject == "B"
    assert state.lanes == {"graph.changes/0": 0, "graph.changes/1": 0}


def test_operators_retry_makes_refusals_forgotten_on_both_sides() -> None:
    """And nothing else."""
    state = agreed()
    for side in Side:
        state = with_side(state, side, replace(side_of(state, side), refused="digest", refused_code="NO"))
    acted = JournalEntry(KEY, LATER, Position("operator.actions", 0, 0), OperatorActed(OperatorVerb.RETRY, "eve"))
    told = after(state, acted)
    assert (told.graph, told.salesforce) == (agreed().graph, agreed().salesforce)


def test_settings_are_not_a_pairs_business() -> None:
    """They stand in the journal, but a pair's state holds none."""
    entry = JournalEntry(KEY, NOW, Position("settings.changes", 0, 0), SettingsChanged(firm_settings()))
    told = after(agreed(), entry)
    assert (told.graph, told.salesforce) == (agreed().graph, agreed().salesforce)


# ---- who saved it last ----------------------------------------------------------------------------------------------


def test_our_write_read_before_its_answer_is_nobodys_save() -> None:
    """The reading shows what was held with the groups we write, and nothing else."""
    state, sent = under_way(
        agreed(),
        Side.SALESFORCE,
        Action.UPDATE,
        id="S",
        fields=(SUBJECT,),
        content=meeting("Written"),
    )
    ours = in_salesforce(meeting("Written"), modified_at=LATER, sync_key=KEY)
    assert after(state, ours).salesforce.edited_at == NOW
    both = in_salesforce(meeting("Written", location="Theirs"), modified_at=LATER, sync_key=KEY)
    assert after(state, both).salesforce.edited_at == LATER
    assert sent.content is not None


def test_save_without_a_change_is_a_save() -> None:
    """Rule 7.5: events go out when next saved; the same version read again is no save."""
    state = after(agreed(), in_salesforce(sync_key=KEY))
    assert state.salesforce.edited_at == NOW
    assert after(state, in_salesforce(sync_key=KEY, modified_at=LATER)).salesforce.edited_at == LATER


def test_echo_read_after_its_answer_is_no_save() -> None:
    """The poll brings the version that the answer told."""
    state, sent = under_way(
        agreed(),
        Side.SALESFORCE,
        Action.UPDATE,
        id="S",
        fields=(SUBJECT,),
        content=meeting("Written"),
        source=meeting("Written"),
    )
    made = salesforce_item(meeting("Written"), modified_at=LATER, sync_key=KEY)
    state = after(state, answered(sent, item=made), seen(made, at=LATER))
    assert (state.salesforce.edited_at, state.salesforce.is_echo) == (NOW, False)
