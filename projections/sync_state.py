"""The state of a pair as a fold of its journal. Structure only: what was seen, what was agreed, what is under way.

Pure: no clock, no settings, no I/O. What to do about a state is decided in `streams.reconcile`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from projections.saves import is_known, met, saved, told
from projections.written import noted, with_true_tag
from schemas.calendar import CalendarEvent
from schemas.changes import WRITE, Item, Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.groups import BODY, LOCATION, MARKS, MEMBERS, PRIVACY, REMINDER, SHOW_AS, SUBJECT, TEAMS, TIME, take
from schemas.journal import JournalEntry, OperatorActed, OperatorVerb, OutcomeKnown, Seen
from schemas.state import UNTOLD, PairState, SideState
from schemas.topics import SYNC_JOURNAL
from schemas.undo import Undo
from schemas.values import replace

# Refused writes remembered per side: a content write and its marks, each in a few variants.
REFUSALS_MAX: Final = 8

# The `cause` of an item that an operator has given to another pair, and of one that the other pair gives back.
ADOPTED: Final = "adopted"
RETURNED: Final = "returned"

# The `cause` of an item that leaves the pair it was held in; unsaved: we made it, and nobody saved it since.
MOVED_OUT: Final = "moved out"
MOVED_OUT_UNSAVED: Final = "moved out, as we made it"

# Why a save in Practifi goes no further, and why two sides part: an operator dropped what was held.
DROPPED: Final = "invitations_dropped"
DELETION_DROPPED: Final = "deletion_dropped"


@dataclass(frozen=True)
class Stray:
    """What was seen under this pair's key but is an event of its own, and the key it belongs under."""

    key: str
    seen: Seen


def evolve(state: PairState, entry: JournalEntry, offset: int) -> tuple[PairState, tuple[Stray, ...]]:
    """Fold one entry. Also returns what was seen but is not this pair's.

    An input at or below the last one folded from its lane is a repeat (intake is at least once, so after a crash
    A B comes again as A B A B) and changes nothing but the offset. An erased history leads to the state that it led to.
    """
    if entry.erased is not None:
        return entry.erased.state or replace(state, offset=offset), ()
    lane = entry.source
    if lane.offset <= state.lanes.get(lane.lane, -1):
        return replace(state, offset=offset), ()
    state = replace(state, offset=offset, lanes={**state.lanes, lane.lane: lane.offset})
    match entry.what:
        case Seen() as seen:
            before, (state, strays) = state, _see(state, seen, entry.observed_at)
            if lane.topic == SYNC_JOURNAL and seen.id not in before.strays:
                strays = tuple(_returned(stray) if stray.seen.id == seen.id else stray for stray in strays)
            return state, strays
        case OutcomeKnown(outcome):
            return _learn(state, outcome)
        case OperatorActed(verb=OperatorVerb.ADOPT, into=into):
            return _given_away(state, into)
        case OperatorActed() as acted:
            return _operated(state, acted), ()
        case _:
            return state, ()


def own_key(item: Item) -> str:
    """The key an item has by itself, whatever marks it carries."""
    if item.side is Side.SALESFORCE:
        return f"s:{item.id}"
    uid = item.i_cal_uid or f"id:{item.id}"  # without one, items must not all become one pair
    if item.original_start is not None:
        return f"m:{uid}@{item.original_start:%Y%m%dT%H%M%SZ}"
    return f"m:{uid}"


def command_digest(command: Command) -> str:
    """Names a write by its effect, so that a refused one is recognised when it would be tried again.

    Marks that go along do not make it another: the refusal itself changes what they say.
    """
    content = command.content
    groups = tuple(group for group in command.fields if group != MARKS)
    if groups and content is not None:
        content = replace(content, sync_status="", external_id="")
    text = repr((command.side, command.action, groups or command.fields, content))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _returned(stray: Stray) -> Stray:
    """What was handed over and is not wanted: its own pair takes it back, instead of handing it over again."""
    return replace(stray, seen=replace(stray.seen, cause=RETURNED))


def _given_away(state: PairState, into: str) -> tuple[PairState, tuple[Stray, ...]]:
    """The pair's Practifi event becomes that of another pair, for good, if it was never anything but alone."""
    held, there = state.salesforce, state.graph
    is_alone = there == SideState() and held.pending is None and not state.is_detached
    if held.item is None or not is_alone or own_key(held.item) != state.pair_key or into in ("", state.pair_key):
        return state, ()
    item = replace(held.item, origin=held.origin)
    state = replace(state, salesforce=SideState(), strays={**state.strays, item.id: into})
    return state, (Stray(into, Seen(item.side, item.id, item.mailbox, item, item.origin, ADOPTED)),)


def is_of_hold(state: PairState, acted: OperatorActed) -> bool:
    """Whether an operator's release or drop is of what the pair holds now."""
    return state.held is not None and state.held.digest == acted.hold


def is_new_undo(state: PairState, undo: Undo) -> bool:
    """Whether this undo was not asked for before: pressed twice, it acts once."""
    return state.undo is None and (undo.is_forced or undo.decision not in state.undone)


def _operated(state: PairState, acted: OperatorActed) -> PairState:
    """What an operator asked for. A release or drop of anything but what is held now changes nothing."""
    match acted.verb:
        case OperatorVerb.RETRY:
            graph, salesforce = (
                replace(side, refused="", refused_code="", held_back="") for side in (state.graph, state.salesforce)
            )
            return replace(state, graph=graph, salesforce=salesforce, written=())
        case OperatorVerb.RELEASE if is_of_hold(state, acted):
            return replace(state, released=acted.hold)
        case OperatorVerb.DROP if is_of_hold(state, acted):
            assert state.held is not None
            if state.held.action is Action.DELETE:
                return replace(state, is_detached=True, reason=DELETION_DROPPED)
            return replace(state, salesforce=replace(state.salesforce, held_back=DROPPED), undo=None)
        case OperatorVerb.UNDO if acted.undo is not None and is_new_undo(state, acted.undo):
            graph, salesforce = (replace(side, refused="", refused_code="") for side in (state.graph, state.salesforce))
            return replace(state, graph=graph, salesforce=salesforce, undo=acted.undo)
        case _:
            return state


def side_of(state: PairState, side: Side) -> SideState:
    """One side of a pair."""
    return state.graph if side is Side.GRAPH else state.salesforce


def with_side(state: PairState, side: Side, value: SideState) -> PairState:
    """The pair with one side replaced."""
    return replace(state, graph=value) if side is Side.GRAPH else replace(state, salesforce=value)


def other(side: Side) -> Side:
    """The opposite side."""
    return Side.SALESFORCE if side is Side.GRAPH else Side.GRAPH


def _see(state: PairState, seen: Seen, at: datetime) -> tuple[PairState, tuple[Stray, ...]]:
    held = side_of(state, seen.side)
    if seen.cause == WRITE:
        return state, ()  # our own write, told for intake to file the id; the pair learns it from the outcome
    if seen.id in state.strays and seen.cause != RETURNED:
        return _handed_on(state, seen)
    if seen.id in state.strays:
        state = replace(state, strays={key: value for key, value in state.strays.items() if key != seen.id})
    if seen.item is None:
        return with_side(state, seen.side, _removed(held, seen.id, at, in_burst=seen.in_burst)), ()
    item = seen.item
    was_gone = item.id in held.gone
    if was_gone:
        if at < held.gone[item.id]:
            return state, ()  # read before the removal, told after it
        held = replace(held, gone={gone: when for gone, when in held.gone.items() if gone != item.id})
        state = with_side(state, seen.side, held)
    if _is_being_created(held):
        return with_side(state, seen.side, _waiting(held, item)), ()
    if held.item is None:
        return _first_or_back(state, seen, item, was_gone)
    if held.item.id == item.id:
        return with_side(state, seen.side, _updated(held, item)), ()
    if item.side is Side.GRAPH and item.mailbox != held.item.mailbox and item.i_cal_uid == held.item.i_cal_uid:
        return with_side(state, seen.side, _with_copy(held, item)), ()
    return _another(state, seen, held.item, item)


def _handed_on(state: PairState, seen: Seen) -> tuple[PairState, tuple[Stray, ...]]:
    """Of what is another pair's, each reading goes there. A removal ends that, but not for what was given away."""
    stray = Stray(state.strays[seen.id], seen)
    is_kept = seen.item is not None or state.pair_key == f"s:{seen.id}"
    strays = {key: value for key, value in state.strays.items() if key != seen.id or is_kept}
    return replace(state, strays=strays), (stray,)


def _another(state: PairState, seen: Seen, known: Item, item: Item) -> tuple[PairState, tuple[Stray, ...]]:
    """Another living item than the one held: whose event is this pair?"""
    held = side_of(state, seen.side)
    if own_key(item) != state.pair_key:
        return _astray(state, seen, item)
    if held.is_cancelled and not item.is_organizer:
        return state, ()  # of the meeting that was cancelled and made anew: its cancellation has not arrived there yet
    if own_key(known) == state.pair_key:  # the same item under a new id
        moved_to = replace(held, item=item, is_echo=False, copies=(), edited_at=item.modified_at, origin=item.origin)
        return with_side(state, seen.side, moved_to), ()
    # The rightful owner of this key came after a copy that carried its mark: the copy moves out, and what was agreed
    # about it with it.
    cause = MOVED_OUT if held.edited_at is not None else MOVED_OUT_UNSAVED
    left = replace(known, origin=held.origin)
    moved = Seen(seen.side, left.id, left.mailbox, left, held.origin, cause)
    rightful = SideState(
        item=item, generation=held.generation, gone=held.gone, edited_at=item.modified_at, origin=item.origin
    )
    there = side_of(state, other(seen.side))
    # Deleted with the copy: who brings the rightful one back wants it, and it is made anew there.
    there = SideState(generation=there.generation + 1, gone=there.gone) if there.is_deleted else there
    state = with_side(with_side(state, seen.side, rightful), other(seen.side), replace(there, base=None))
    going = held.pending
    if going is not None and going.action is Action.DELETE and going.id == known.id:
        return state, ()  # we are deleting the copy already
    return _astray(state, moved, known)


def _astray(state: PairState, seen: Seen, item: Item) -> tuple[PairState, tuple[Stray, ...]]:
    key = own_key(item)
    return replace(state, strays={**state.strays, item.id: key}), (Stray(key, seen),)


def _first_or_back(state: PairState, seen: Seen, item: Item, was_gone: bool) -> tuple[PairState, tuple[Stray, ...]]:
    held = side_of(state, seen.side)
    if not held.is_deleted:
        edited_at = None if seen.cause == MOVED_OUT_UNSAVED else item.modified_at
        held = replace(held, item=item, is_echo=False, edited_at=edited_at, origin=item.origin)
        return with_side(state, seen.side, held), ()
    if own_key(item) != state.pair_key and not was_gone:
        return _astray(state, seen, item)  # a copy that carries the mark of a deleted item
    if not item.is_organizer and held.is_cancelled:
        return state, ()  # an attendee's copy that the organizer's cancellation has not reached yet
    # Deleted and back again (restored): what we deleted for it is made anew, under a new generation, so that its marks
    # are not taken for those of an event that was not read yet. What was kept is paired with it again, from what both
    # held when they last agreed: whatever either side edited since then crosses as ever.
    there = side_of(state, other(seen.side))
    agreed = held.base
    if there.is_deleted:
        there = SideState(generation=there.generation + 1, gone=there.gone)
    if agreed is None or there.base is None:
        agreed, there = None, replace(there, base=None)
        if there.pending is not None and there.pending.action is not Action.CREATE:
            # What it carries is of before the deletion: its outcome is no agreement now. All that a create makes is
            # ours, though, so that what differs from it by then was changed since.
            there = replace(there, pending=replace(there.pending, source=None))
    back = SideState(
        item=item, base=agreed, generation=held.generation, gone=held.gone, edited_at=item.modified_at,
        origin=item.origin,
    )  # fmt: skip
    state = with_side(with_side(state, seen.side, back), other(seen.side), there)
    return replace(state, is_detached=False), ()


def _is_being_created(side: SideState) -> bool:
    """Whether a create is under way: what is seen now may be the new item or somebody's copy of it."""
    return side.item is None and side.pending is not None and side.pending.action is Action.CREATE


def _waiting(held: SideState, item: Item) -> SideState:
    """Keep what was seen until the outcome says which item is ours."""
    copies = tuple(copy for copy in held.copies if copy.id != item.id)
    return replace(held, copies=(*copies, item))


def _removed(held: SideState, removed_id: str, at: datetime, *, in_burst: bool = False) -> SideState:
    if held.is_deleted and in_burst and removed_id in held.gone:
        held = replace(held, in_burst=True)  # a sink had found it gone before the source said with how many others
    held = replace(held, gone={**held.gone, removed_id: at})
    if held.item is not None and held.item.id == removed_id:
        if not held.item.is_organizer and held.copies:
            return _with_leader(replace(held, item=None), held.copies)
        return replace(
            held, item=None, is_deleted=True, is_cancelled=held.item.is_organizer, is_echo=False, in_burst=in_burst
        )
    return replace(held, copies=tuple(copy for copy in held.copies if copy.id != removed_id))


def _updated(held: SideState, item: Item) -> SideState:
    assert held.item is not None
    if item.modified_at < held.item.modified_at:
        return held  # read before what is held, arrived after it
    held = told(held, item) if is_known(held, item) else saved(held, item)
    return replace(held, item=item, is_echo=False)


def _with_copy(held: SideState, item: Item) -> SideState:
    assert held.item is not None
    known = next((copy for copy in held.copies if copy.id == item.id), item)
    if item.modified_at < known.modified_at:
        return held
    others = [copy for copy in (held.item, *held.copies) if copy.id != item.id]
    return _with_leader(held, (*others, item))


def _with_leader(held: SideState, copies: tuple[Item, ...]) -> SideState:
    """The organizer's copy leads; with an outside organizer the smallest mailbox id. Arrival order does not matter."""
    ordered = sorted(copies, key=lambda copy: (not copy.is_organizer, copy.mailbox, copy.id))
    leader = ordered[0]
    is_echo = held.is_echo and held.item is not None and leader.id == held.item.id
    return replace(held, item=leader, copies=tuple(ordered[1:]), is_echo=is_echo)


def _learn(state: PairState, outcome: Outcome) -> tuple[PairState, tuple[Stray, ...]]:
    held = side_of(state, outcome.side)
    command = held.pending
    if command is None or command.command_id != outcome.command_id:
        return state, ()
    if command.mails or command.action is Action.DELETE:
        state = replace(state, released="" if outcome.result in (Result.APPLIED, Result.GONE) else state.released)
    was_create = _is_being_created(held)
    waiting = sorted(held.copies, key=lambda copy: (copy.created_at, copy.id)) if was_create else []
    held = replace(held, pending=None, copies=() if was_create else held.copies)
    match outcome.result:
        case Result.APPLIED:
            state = noted(_applied(with_side(state, outcome.side, held), command, outcome), command, outcome.at)
        case Result.STALE if was_create and outcome.item is not None:
            state = _applied(with_side(state, outcome.side, held), _as_made(command, outcome.item), outcome)
            made = replace(side_of(state, outcome.side), origin=UNTOLD)
            state = with_side(state, outcome.side, met(made, outcome.item))
        case Result.STALE:
            held = held if outcome.item is None else _answered(held, outcome.item, command, is_echo=False)
            state = with_side(state, outcome.side, held)
        case Result.GONE if was_create:  # made, and deleted before we could say so
            held = replace(held, is_deleted=True, generation=max(held.generation, command.generation))
            state = with_side(state, outcome.side, held)
        case Result.GONE:
            state = with_side(state, outcome.side, _removed(held, command.id, outcome.at))
        case Result.REFUSED:
            refusals = (*held.refused.split(), command_digest(command))[-REFUSALS_MAX:]
            held = replace(held, refused=" ".join(refusals), refused_code=outcome.code or "refused")
            state = with_side(state, outcome.side, held)
    return _let_in(state, outcome, waiting)


def _as_made(command: Command, item: Item) -> Command:
    """A create whose item was edited before we could say that we made it: what differs from what we wrote is that edit.

    People are written last, so their absence means that we did not come to it: they are not agreed on yet.
    """
    content = command.target or command.content
    assert content is not None
    people = item.content.attendees
    source = None if command.source is None else replace(command.source, attendees=people)
    return replace(command, target=replace(content, attendees=people), source=source)


def _let_in(state: PairState, outcome: Outcome, waiting: list[Item]) -> tuple[PairState, tuple[Stray, ...]]:
    """Fold what was seen while a create was under way, now that its outcome is known."""
    strays: tuple[Stray, ...] = ()
    for item in waiting:
        state, more = _see(state, Seen(outcome.side, item.id, item.mailbox, item), outcome.at)
        strays = (*strays, *more)
    return state, strays


def _applied(state: PairState, command: Command, outcome: Outcome) -> PairState:
    side = command.side
    held = side_of(state, side)
    if command.action is Action.DELETE:
        held = replace(_removed(held, command.id, outcome.at), refused="", refused_code="")
        if held.is_deleted and side_of(state, other(side)).item is not None:
            # What it was deleted for came back meanwhile: this side is empty by our own doing, nobody deleted it.
            held = SideState(generation=held.generation + 1, gone=held.gone)
            state = with_side(state, other(side), replace(side_of(state, other(side)), base=None))
        return with_side(state, side, held)
    assert outcome.item is not None, "an applied create or update says what the service holds"
    there = side_of(state, other(side))
    if command.source is not None:
        held = replace(
            held,
            base=take(held.base, command.fields, command.target or _written(command, outcome.item.content)),
            refused="",
            refused_code="",
        )
        there = replace(there, base=take(there.base, command.fields, command.source))
    held = replace(held, generation=max(held.generation, command.generation))
    if command.action is Action.CREATE:
        # Deleted by somebody, and found so before we could say that we made it. What was found gone before this create
        # was decided came back from the recycle bin, with our mark on it.
        found_gone = held.gone.get(outcome.item.id)
        is_gone = found_gone is not None and found_gone >= command.decided_at
        item = None if is_gone else outcome.item
        gone = held.gone if is_gone else {key: at for key, at in held.gone.items() if key != outcome.item.id}
        held = replace(
            held, item=item, is_echo=not is_gone, is_deleted=is_gone, edited_at=None, held_back="", gone=gone
        )
        if _edited(command, command.content, outcome.item.content):
            held = met(replace(held, origin=UNTOLD), outcome.item)
    else:
        held = _answered(held, with_true_tag(outcome.item, command, held.item), command, is_echo=True)
    return with_side(with_side(state, side, held), other(side), there)


def _written(command: Command, held: CalendarEvent) -> CalendarEvent:
    """What was agreed on by a write: what it wrote, in the form in which the service holds it.

    A text or time that the service holds otherwise was edited between the write and the reading back.
    """
    content = command.content
    return held if content is None else take(held, _edited(command, content, held), content)


def _edited(command: Command, content: CalendarEvent | None, held: CalendarEvent) -> tuple[str, ...]:
    """The groups in which somebody saved something else than `content` into an item between our decision and the
    reading after our write.

    Teams only where the command left it alone: an org without the field and a calendar without Teams ignore a write.
    """
    if content is None:
        return ()
    edited = tuple(group for group in _PLAIN if _form(content, group) != _form(held, group))
    was_left = command.basis is not None and command.basis.is_teams == content.is_teams
    return (*edited, TEAMS) if was_left and content.is_teams != held.is_teams else edited


def _expected(held: Item, command: Command) -> CalendarEvent | None:
    """What an item holds after our write if nobody saved it since it was last read."""
    return None if command.content is None else take(held.content, command.fields, command.content)


_PLAIN: Final = (TIME, SUBJECT, BODY, LOCATION, SHOW_AS, PRIVACY, REMINDER)


def _form(content: CalendarEvent, group: str) -> object:
    """A group without what services do to texts: white space, line ends."""
    members = [getattr(content, name) for name in MEMBERS[group]]
    return [" ".join(member.split()) if isinstance(member, str) else member for member in members]


def _answered(held: SideState, item: Item, command: Command, *, is_echo: bool) -> SideState:
    """What a sink read or wrote, laid on what is held, which a source may have read later.

    An item that was removed meanwhile stays removed. Salesforce stamps whole seconds: of two readings with one stamp
    the source's stands unless it is what the command was based on, because the source comes again when it was older.
    """
    item = _same_entry(held.item, item)
    if held.item is None or held.item.id != item.id:
        copies = tuple(item if _is_later_copy(item, copy) else copy for copy in held.copies)
        return replace(held, copies=copies)
    is_later = item.modified_at > held.item.modified_at
    if item.modified_at == held.item.modified_at:
        is_later = held.is_echo or held.item.content in (command.basis, item.content)
    if not is_later:
        return held
    expected = _expected(held.item, command)
    is_edited = bool(_edited(command, command.content, item.content) and _edited(command, expected, item.content))
    if not is_echo or is_edited:
        held = met(held, item)
    return replace(held, item=item, is_echo=is_echo)


def _is_later_copy(item: Item, copy: Item) -> bool:
    return copy.id == item.id and copy.modified_at <= item.modified_at


def _same_entry(held: Item | None, answered: Item) -> Item:
    """An item as a write's answer shows it, with what only a source knows: which date of which series it is."""
    if held is None or held.id != answered.id:
        return answered
    content = replace(answered.content, recurring=held.content.recurring)
    if held.side is Side.SALESFORCE:
        return answered
    return replace(answered, i_cal_uid=held.i_cal_uid, original_start=held.original_start, content=content)
