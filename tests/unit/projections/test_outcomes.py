"""The fold of one pair: what each outcome of a command makes of its state."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from support.builders import (
    ANN,
    NOW,
    answered,
    command,
    graph_item,
    meeting,
    removed,
    salesforce_item,
    seen,
)
from support.pair_folds import EMPTY, EVEN_LATER, LATER, after, agreed, folded, in_graph, in_salesforce, under_way

from projections.sync_state import (
    REFUSALS_MAX,
    command_digest,
    side_of,
    with_side,
)
from schemas.changes import Item, Side
from schemas.commands import Action, Command, Result
from schemas.groups import ALL, MARKS, SUBJECT
from schemas.state import PairState, SideState

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


def test_save_that_was_read_before_the_answer_is_not_met_again_in_it() -> None:
    """Our write went beside an edit that a source has told meanwhile: the answer shows both and nothing new."""
    state, sent = under_way(
        agreed(),
        Side.SALESFORCE,
        Action.UPDATE,
        id="S",
        fields=(MARKS,),
        content=replace(meeting(), sync_status="Pending"),
    )
    edited = replace(meeting(), subject="Edited")
    known = salesforce_item(edited, modified_at=LATER, version="stamp-2", origin="ui")
    state = after(state, seen(known, offset=1))
    before = state.salesforce
    both = salesforce_item(replace(edited, sync_status="Pending"), modified_at=EVEN_LATER)
    state = after(state, answered(sent, item=both, offset=1))
    assert state.salesforce.item == both
    assert (state.salesforce.edited_at, state.salesforce.origin) == (before.edited_at, before.origin)


def test_applied_update_with_a_target_takes_the_target_as_base() -> None:
    """Microsoft 365's base is kept in Practifi's words."""
    target = meeting("Target")
    state, sent = under_way(
        agreed(), Side.GRAPH, Action.UPDATE, id="G", fields=(SUBJECT,), content=WRITTEN, source=WRITTEN, target=target
    )
    state = after(state, answered(sent, item=graph_item(WRITTEN, modified_at=LATER)))
    assert state.graph.base == replace(meeting(), subject="Target")


@pytest.mark.parametrize(("fields", "tag"), [((SUBJECT,), ""), ((SUBJECT, MARKS), "m:1")])
def test_answer_tells_our_tag_only_where_it_was_written(fields: tuple[str, ...], tag: str) -> None:
    """An event that came from Outlook stays without it, though every answer of the sink names it."""
    state, sent = under_way(agreed(), Side.GRAPH, Action.UPDATE, id="G", fields=fields, content=WRITTEN, source=WRITTEN)
    state = after(state, answered(sent, item=graph_item(WRITTEN, id="G", modified_at=LATER, sync_key="m:1")))
    assert state.graph.item is not None
    assert (state.graph.item.content.subject, state.graph.item.sync_key) == ("Written", tag)


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
    marked = replace(sent, fields=(SUBJECT, "marks"), content=replace(WRITTEN, sync_status="Synced", external_id="G"))
    assert command_digest(marked) == command_digest(sent)
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


def test_record_that_came_back_from_the_recycle_bin_is_held_again() -> None:
    """A create that finds a restored record by its mark has an event there: it is not deleted on the other side."""
    made = graph_item(id="NEW", sync_key="s:S")
    state, first = creating()
    state = after(state, answered(first, item=made), removed(Side.GRAPH, "NEW", at=LATER))
    state, again = under_way(
        state, Side.GRAPH, Action.CREATE, pair_key="s:S", fields=ALL, content=meeting(), source=meeting(),
        generation=2, decided_at=EVEN_LATER,
    )  # fmt: skip
    restored = replace(made, modified_at=EVEN_LATER)
    state = after(state, answered(again, item=restored, at=EVEN_LATER))
    assert (state.graph.item, state.graph.is_deleted, state.graph.gone) == (restored, False, {})


def test_refused_create_lets_in_what_waited() -> None:
    """Somebody else's item with our mark is met like any other then."""
    state, sent = creating()
    state = after(state, seen(NEW), answered(sent, Result.REFUSED, code="NO"))
    assert state.graph.item == NEW


def test_burst_that_is_told_after_a_sink_found_the_item_gone_still_counts() -> None:
    """A sink cannot know how many were deleted with it; the source that comes after says so."""
    state, sent = under_way(agreed(), Side.GRAPH, Action.UPDATE, id="G", fields=(SUBJECT,), content=WRITTEN)
    state = after(state, answered(sent, Result.GONE))
    assert (state.graph.is_deleted, state.graph.in_burst) == (True, False)
    told = removed(Side.GRAPH, "G", offset=1)
    state = after(state, replace(told, what=replace(told.what, in_burst=True)))
    assert state.graph.in_burst
