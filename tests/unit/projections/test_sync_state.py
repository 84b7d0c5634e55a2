"""The fold of one pair: what each kind of entry makes of its state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from support.builders import (
    ANN,
    BOB,
    NOW,
    answered,
    command,
    firm_settings,
    graph_item,
    meeting,
    removed,
    salesforce_item,
    seen,
)

from projections.sync_state import (
    REFUSALS_MAX,
    Stray,
    command_digest,
    evolve,
    other,
    own_key,
    side_of,
    with_side,
)
from schemas.changes import WRITE, Item, Side
from schemas.commands import Action, Command, Result
from schemas.groups import ALL, SUBJECT
from schemas.journal import JournalEntry, OperatorActed, OperatorVerb, Position, SettingsChanged
from schemas.state import PairState, SideState

KEY = "m:uid-G"
LATER = NOW + timedelta(minutes=5)
EVEN_LATER = NOW + timedelta(minutes=10)
EMPTY = PairState(KEY)


def folded(state: PairState, *entries: JournalEntry) -> tuple[PairState, list[Stray]]:
    """The state after these entries, and all that went astray; offsets count on, in the journal and in each lane."""
    strays: list[Stray] = []
    lanes = dict(state.lanes)
    for number, entry in enumerate(entries, state.offset + 1):
        lane = entry.source.lane
        lanes[lane] = lanes.get(lane, -1) + 1
        state, more = evolve(state, replace(entry, source=replace(entry.source, offset=lanes[lane])), number)
        strays += more
    return state, strays


def after(state: PairState, *entries: JournalEntry) -> PairState:
    """The state after these entries, none of which goes astray."""
    state, strays = folded(state, *entries)
    assert strays == []
    return state


def in_graph(content: Any = None, **members: Any) -> JournalEntry:
    """Graph was read, at the time of the item's stamp."""
    item = graph_item(content, **members)
    return seen(item, at=max(item.modified_at, NOW))


def in_salesforce(content: Any = None, **members: Any) -> JournalEntry:
    """Salesforce was read, at the time of the record's stamp."""
    item = salesforce_item(content, **members)
    return seen(item, at=max(item.modified_at, NOW))


def under_way(state: PairState, side: Side, action: Action, **members: Any) -> tuple[PairState, Command]:
    """The state with a command of this kind under way on a side."""
    sent = command(side, action, **members)
    return with_side(state, side, replace(side_of(state, side), pending=sent)), sent


# ---- readings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [in_graph(), in_salesforce()])
def test_first_reading_is_held(entry: JournalEntry) -> None:
    """The item as read; nothing agreed, nothing under way, somebody's save known."""
    state = after(EMPTY, entry)
    item = entry.what.item  # type: ignore[union-attr]
    assert side_of(state, item.side) == SideState(item=item, edited_at=NOW)
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


def agreed(**members: Any) -> PairState:
    """Both sides read and agreed upon."""
    state = after(EMPTY, in_graph(), in_salesforce(sync_key=KEY))
    state = with_side(state, Side.GRAPH, replace(state.graph, base=meeting()))
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, base=meeting(), generation=1))
    return replace(state, **members)


@pytest.mark.parametrize("key", [KEY, "s:S"])
@pytest.mark.parametrize("side", list(Side))
def test_restored_item_is_paired_again_with_what_was_kept(side: Side, key: str) -> None:
    """Detached by the policy, restored by somebody: one pair again, with nothing agreed; never a second event."""
    state = agreed(pair_key=key)
    item = side_of(state, side).item
    assert item is not None
    state = replace(after(state, removed(side, item.id, at=LATER)), is_detached=True)
    state, strays = folded(state, seen(replace(item, modified_at=EVEN_LATER, sync_key=key), at=EVEN_LATER))
    assert strays == []
    assert not state.is_detached
    assert [s.item is not None for s in (state.graph, state.salesforce)] == [True, True]
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


# ---- outcomes -------------------------------------------------------------------------------------------------------

WRITTEN = meeting("Written", body="two\n lines")
KEPT = meeting("Written", body="two\nlines")


def test_applied_create_is_held_and_both_bases_move() -> None:
    """Its own base is what the service holds, the other base what was carried; our own write is an echo."""
    state, sent = under_way(
        after(EMPTY, in_graph(WRITTEN)), Side.SALESFORCE, Action.CREATE, fields=ALL, content=WRITTEN, source=WRITTEN,
        generation=1,
    )  # fmt: skip
    made = salesforce_item(KEPT, modified_at=LATER)
    state = after(state, answered(sent, item=made))
    assert state.salesforce == SideState(item=made, base=made.content, is_echo=True, generation=1)
    assert state.graph.base == WRITTEN


def test_applied_update_moves_only_the_groups_it_wrote() -> None:
    """Whatever else differs still shows as a change."""
    state, sent = under_way(
        agreed(), Side.SALESFORCE, Action.UPDATE, id="S", fields=(SUBJECT,), content=WRITTEN, source=WRITTEN
    )
    state = after(state, answered(sent, item=salesforce_item(KEPT, modified_at=LATER)))
    assert state.salesforce.base == state.graph.base == replace(meeting(), subject="Written")
    assert state.salesforce.item is not None
    assert (state.salesforce.item.content.body, state.salesforce.is_echo) == (KEPT.body, True)
    assert state.salesforce.pending is None
    assert state.salesforce.edited_at == NOW, "our own write is nobody's edit"


def test_applied_update_with_a_target_takes_the_target_as_base() -> None:
    """Microsoft 365's base is kept in Practifi's words."""
    target = meeting("Target")
    state, sent = under_way(
        agreed(), Side.GRAPH, Action.UPDATE, id="G", fields=(SUBJECT,), content=WRITTEN, source=WRITTEN, target=target
    )
    state = after(state, answered(sent, item=graph_item(WRITTEN, modified_at=LATER)))
    assert state.graph.base == replace(meeting(), subject="Target")


def test_applied_marks_move_no_base() -> None:
    """Without a source nothing was carried across."""
    state, sent = under_way(agreed(), Side.SALESFORCE, Action.UPDATE, id="S", fields=("marks",), content=WRITTEN)
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, refused="digest", refused_code="NO"))
    state = after(state, answered(sent, item=salesforce_item(modified_at=LATER)))
    assert (state.salesforce.base, state.graph.base) == (meeting(), meeting())
    assert state.salesforce.refused == "digest", "a mark says that a write was refused: it does not make it forgotten"


def test_applied_delete_is_the_confirmed_deletion() -> None:
    """No reading needs to say so."""
    state, sent = under_way(after(agreed(), removed(Side.GRAPH, "G")), Side.SALESFORCE, Action.DELETE, id="S")
    state = after(state, answered(sent, at=LATER))
    assert (state.salesforce.item, state.salesforce.is_deleted) == (None, True)
    assert (state.salesforce.pending, state.salesforce.gone) == (None, {"S": LATER})


@pytest.mark.parametrize("action", [Action.UPDATE, Action.DELETE])
def test_stale_brings_what_the_item_holds_now(action: Action) -> None:
    """Nothing was agreed; what differs is somebody's edit."""
    state, sent = under_way(agreed(), Side.GRAPH, action, id="G", fields=(SUBJECT,), content=WRITTEN, source=WRITTEN)
    now_there = graph_item(meeting("Theirs"), modified_at=LATER)
    state = after(state, answered(sent, Result.STALE, now_there))
    assert (state.graph.item, state.graph.base, state.graph.pending) == (now_there, meeting(), None)
    assert (state.graph.is_echo, state.graph.edited_at) == (False, LATER)


def test_stale_without_an_item_only_ends_the_command() -> None:
    """The sink could not say more."""
    state, sent = under_way(agreed(), Side.GRAPH, Action.UPDATE, id="G", fields=(SUBJECT,), content=WRITTEN)
    assert after(state, answered(sent, Result.STALE)).graph == agreed().graph


def test_stale_create_holds_the_edit_and_agrees_upon_what_was_written() -> None:
    """Made, then edited before we could say so: the difference is the edit."""
    state, sent = under_way(
        after(EMPTY, in_graph(WRITTEN)), Side.SALESFORCE, Action.CREATE, fields=ALL, content=WRITTEN, source=WRITTEN
    )
    edited = salesforce_item(meeting("Edited since"), modified_at=LATER)
    state = after(state, answered(sent, Result.STALE, edited))
    assert (state.salesforce.item, state.salesforce.base) == (edited, WRITTEN)
    assert state.salesforce.edited_at == LATER


@pytest.mark.parametrize("side", list(Side))
def test_gone_is_a_deletion(side: Side) -> None:
    """An update of what does not exist any more says that it was deleted."""
    item = side_of(agreed(), side).item
    assert item is not None
    state, sent = under_way(agreed(), side, Action.UPDATE, id=item.id, fields=(SUBJECT,), content=WRITTEN)
    held = side_of(after(state, answered(sent, Result.GONE, at=LATER)), side)
    assert (held.item, held.is_deleted, held.pending, held.gone) == (None, True, None, {item.id: LATER})


def test_gone_create_was_made_and_deleted() -> None:
    """It counts as a create and as a deletion: it is not made again."""
    state, sent = under_way(
        after(EMPTY, in_graph()), Side.SALESFORCE, Action.CREATE, fields=ALL, content=WRITTEN, generation=1
    )
    held = after(state, answered(sent, Result.GONE)).salesforce
    assert (held.item, held.is_deleted, held.generation, held.pending) == (None, True, 1, None)


@pytest.mark.parametrize("action", list(Action))
def test_refused_is_remembered_by_its_effect(action: Action) -> None:
    """With the service's own word; nothing else changes."""
    state, sent = under_way(agreed(), Side.SALESFORCE, action, id="S", fields=(SUBJECT,), content=WRITTEN)
    state = after(state, answered(sent, Result.REFUSED, code="INVALID_FIELD"))
    held = state.salesforce
    assert (held.refused, held.refused_code) == (command_digest(sent), "INVALID_FIELD")
    assert replace(held, refused="", refused_code="") == agreed().salesforce


def test_refused_without_a_word_is_still_refused() -> None:
    """A service that gives no code leaves ours."""
    state, sent = under_way(agreed(), Side.SALESFORCE, Action.UPDATE, id="S", fields=(SUBJECT,), content=WRITTEN)
    assert after(state, answered(sent, Result.REFUSED)).salesforce.refused_code == "refused"


def test_only_the_last_refusals_are_remembered() -> None:
    """A record that refuses everything does not grow for ever."""
    state = agreed()
    for number in range(REFUSALS_MAX + 3):
        state, sent = under_way(
            state, Side.SALESFORCE, Action.UPDATE, id="S", fields=(SUBJECT,), content=meeting(f"Try {number}")
        )
        state = after(state, answered(sent, Result.REFUSED, code="NO"))
    assert len(state.salesforce.refused.split()) == REFUSALS_MAX
    assert command_digest(sent) in state.salesforce.refused


def test_refusal_is_forgotten_when_a_write_is_applied() -> None:
    """The pair is well again."""
    state, sent = under_way(
        agreed(), Side.SALESFORCE, Action.UPDATE, id="S", fields=(SUBJECT,), content=WRITTEN, source=WRITTEN
    )
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, refused="digest", refused_code="NO"))
    held = after(state, answered(sent, item=salesforce_item(WRITTEN, modified_at=LATER))).salesforce
    assert (held.refused, held.refused_code) == ("", "")


def test_digest_names_the_effect_and_nothing_else() -> None:
    """The same write under another number or version is the same; another content, group or side is not."""
    sent = command(Side.GRAPH, Action.UPDATE, fields=(SUBJECT,), content=WRITTEN)
    again = replace(sent, command_id="x#9", revision=9, version="etag-9", decided_at=LATER)
    assert command_digest(again) == command_digest(sent)
    others = [
        replace(sent, content=KEPT), replace(sent, fields=("body",)), replace(sent, side=Side.SALESFORCE),
        replace(sent, action=Action.CREATE),
    ]  # fmt: skip
    assert len({command_digest(c) for c in (sent, *others)}) == 5


@pytest.mark.parametrize("result", list(Result))
def test_outcome_of_another_command_is_ignored(result: Result) -> None:
    """Redone commands answer twice; an answer without a question is none."""
    state, sent = under_way(agreed(), Side.GRAPH, Action.UPDATE, id="G", fields=(SUBJECT,), content=WRITTEN)
    stranger = replace(sent, command_id="m:uid-G#0")
    told = after(state, answered(stranger, result, graph_item(meeting("Theirs"), modified_at=LATER)))
    assert (told.graph, told.salesforce) == (state.graph, state.salesforce)
    settled = after(agreed(), answered(sent, result, graph_item(meeting("Theirs"), modified_at=LATER)))
    assert (settled.graph, settled.salesforce) == (agreed().graph, agreed().salesforce)


def test_second_answer_to_one_command_is_ignored() -> None:
    """At-least-once: the first counts."""
    state, sent = under_way(
        agreed(), Side.SALESFORCE, Action.UPDATE, id="S", fields=(SUBJECT,), content=WRITTEN, source=WRITTEN
    )
    once = after(state, answered(sent, item=salesforce_item(WRITTEN, modified_at=LATER)))
    twice = after(once, answered(sent, Result.REFUSED, code="NO"))
    assert (twice.graph, twice.salesforce) == (once.graph, once.salesforce)


# ---- a create under way ---------------------------------------------------------------------------------------------


def creating(**members: Any) -> tuple[PairState, Command]:
    """Ann's Practifi event goes out: its Graph event is being created."""
    return under_way(
        replace(after(EMPTY, in_salesforce()), pair_key="s:S"), Side.GRAPH, Action.CREATE, pair_key="s:S",
        fields=ALL, content=meeting(), source=meeting(), generation=1, mailbox=ANN.mailbox, **members,
    )  # fmt: skip


NEW = graph_item(id="NEW", sync_key="s:S")
TAGGED_COPY = graph_item(id="TAGGED", sync_key="s:S", created_at=LATER)


@pytest.mark.parametrize("order", list(permutations([NEW, TAGGED_COPY])))
def test_outcome_says_which_of_the_items_seen_is_ours(order: tuple[Item, ...]) -> None:
    """What is seen before the answer waits; afterwards ours is held and the copy is an event of its own."""
    state, sent = creating()
    state = after(state, *(seen(item) for item in order))
    assert (state.graph.item, len(state.graph.copies)) == (None, 2)
    state, strays = folded(state, answered(sent, item=NEW))
    assert (state.graph.item, state.graph.copies) == (NEW, ())
    assert [(s.key, s.seen.item) for s in strays] == [("m:uid-TAGGED", TAGGED_COPY)]


def test_later_reading_that_waited_replaces_the_answer() -> None:
    """Edited right after we made it, read before we could say so: the edit stands, and shows against the base."""
    state, sent = creating()
    edited = replace(NEW, content=replace(NEW.content, subject="Edited"), modified_at=LATER)
    state = after(state, seen(edited, at=LATER), answered(sent, item=NEW))
    assert (state.graph.item, state.graph.base) == (edited, NEW.content)
    assert (state.graph.is_echo, state.graph.edited_at) == (False, LATER)


def test_removal_that_waited_deletes_what_we_made() -> None:
    """Deleted before we could say that we made it."""
    state, sent = creating()
    state = after(state, seen(NEW), removed(Side.GRAPH, "NEW", at=LATER), answered(sent, item=NEW, at=EVEN_LATER))
    assert (state.graph.item, state.graph.is_deleted, state.graph.generation) == (None, True, 1)


def test_refused_create_lets_in_what_waited() -> None:
    """Somebody else's item with our mark is met like any other then."""
    state, sent = creating()
    state = after(state, seen(NEW), answered(sent, Result.REFUSED, code="NO"))
    assert state.graph.item == NEW


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
        agreed(), Side.SALESFORCE, Action.UPDATE, id="S", fields=(SUBJECT,), content=WRITTEN, source=WRITTEN
    )
    made = salesforce_item(WRITTEN, modified_at=LATER, sync_key=KEY)
    state = after(state, answered(sent, item=made), seen(made, at=LATER))
    assert (state.salesforce.edited_at, state.salesforce.is_echo) == (NOW, False)
