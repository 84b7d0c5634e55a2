"""The state of a pair as a fold of its journal. Structure only: what was seen, what was agreed, what is under way.

Pure: no clock, no settings, no I/O. What to do about a state is decided in `streams.reconcile`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from schemas.changes import Item, Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.groups import take
from schemas.journal import JournalEntry, OperatorActed, OutcomeKnown, Seen
from schemas.state import PairState, SideState


@dataclass(frozen=True)
class Stray:
    """What was seen under this pair's key but is an event of its own, and the key it belongs under."""

    key: str
    seen: Seen


def evolve(state: PairState, entry: JournalEntry, offset: int) -> tuple[PairState, tuple[Stray, ...]]:
    """Fold one entry. Also returns what was seen but is not this pair's.

    An input at or below the last one folded from its lane is a repeat (intake is at least once, so after a crash
    A B comes again as A B A B) and changes nothing but the offset.
    """
    lane = entry.source
    is_repeat = lane.offset <= state.lanes.get(lane.lane, -1)
    state = replace(state, offset=offset)
    if is_repeat:
        return state, ()
    state = replace(state, lanes={**state.lanes, lane.lane: lane.offset})
    match entry.what:
        case Seen() as seen:
            return _see(state, seen)
        case OutcomeKnown(outcome):
            return _learn(state, outcome), ()
        case OperatorActed():
            return _with_sides(state, replace(state.graph, refused=""), replace(state.salesforce, refused="")), ()
        case _:
            return state, ()


def own_key(item: Item) -> str:
    """The key an item has by itself, whatever marks it carries."""
    if item.side is Side.SALESFORCE:
        return f"s:{item.id}"
    if item.original_start is not None:
        return f"m:{item.i_cal_uid}@{item.original_start:%Y%m%dT%H%M%SZ}"
    return f"m:{item.i_cal_uid}"


def command_digest(command: Command) -> str:
    """Names a write by its effect, so that a refused one is recognised when it would be tried again."""
    text = repr((command.side, command.action, command.fields, command.content))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _with_sides(state: PairState, graph: SideState, salesforce: SideState) -> PairState:
    return replace(state, graph=graph, salesforce=salesforce)


def side_of(state: PairState, side: Side) -> SideState:
    """One side of a pair."""
    return state.graph if side is Side.GRAPH else state.salesforce


def with_side(state: PairState, side: Side, value: SideState) -> PairState:
    """The pair with one side replaced."""
    return replace(state, graph=value) if side is Side.GRAPH else replace(state, salesforce=value)


def other(side: Side) -> Side:
    """The opposite side."""
    return Side.SALESFORCE if side is Side.GRAPH else Side.GRAPH


def _see(state: PairState, seen: Seen) -> tuple[PairState, tuple[Stray, ...]]:
    held = side_of(state, seen.side)
    if seen.item is None and seen.id in state.strays:
        strays = {key: value for key, value in state.strays.items() if key != seen.id}
        return replace(state, strays=strays), (Stray(state.strays[seen.id], seen),)
    if seen.item is None:
        return with_side(state, seen.side, _removed(held, seen.id)), ()
    item = seen.item
    if held.item is None:
        return _first_or_back(state, seen, item)
    if held.item.id == item.id:
        return with_side(state, seen.side, _updated(held, item)), ()
    if item.side is Side.GRAPH and item.mailbox != held.item.mailbox and item.i_cal_uid == held.item.i_cal_uid:
        return with_side(state, seen.side, _with_copy(held, item)), ()
    if own_key(item) != state.pair_key:
        return _astray(state, seen, item)
    # The rightful owner of this key came after a copy that carried its mark: the copy moves out.
    moved = Seen(seen.side, held.item.id, held.item.mailbox, held.item, seen.origin, "moved out")
    arrived = replace(held, item=item, is_echo=False, copies=())
    is_same_item = own_key(held.item) == state.pair_key
    state = with_side(state, seen.side, arrived)
    return (state, ()) if is_same_item else _astray(state, moved, held.item)


def _astray(state: PairState, seen: Seen, item: Item) -> tuple[PairState, tuple[Stray, ...]]:
    key = own_key(item)
    return replace(state, strays={**state.strays, item.id: key}), (Stray(key, seen),)


def _first_or_back(state: PairState, seen: Seen, item: Item) -> tuple[PairState, tuple[Stray, ...]]:
    held = side_of(state, seen.side)
    if not held.is_deleted:
        return with_side(state, seen.side, replace(held, item=item, is_echo=False)), ()
    if own_key(item) != state.pair_key:
        return _astray(state, seen, item)  # a copy that carries the mark of a deleted item
    if not item.is_organizer and item.organizer_mailbox:
        return state, ()  # an attendee's copy that the organizer's cancellation has not reached yet
    # Deleted and back again (restored): an event of its own from here on; what we deleted for it is made anew.
    there = side_of(state, other(seen.side))
    if there.is_deleted:
        there = SideState(generation=there.generation)
    back = SideState(item=item, generation=held.generation)
    state = with_side(with_side(state, seen.side, back), other(seen.side), replace(there, base=None))
    return replace(state, is_detached=False), ()


def _removed(held: SideState, removed_id: str) -> SideState:
    if held.item is not None and held.item.id == removed_id:
        if not held.item.is_organizer and held.copies:
            return _with_leader(replace(held, item=None), held.copies)
        return replace(held, item=None, is_deleted=True, is_echo=False)
    return replace(held, copies=tuple(copy for copy in held.copies if copy.id != removed_id))


def _updated(held: SideState, item: Item) -> SideState:
    assert held.item is not None
    if held.is_echo and item.modified_at < held.item.modified_at:
        return held  # read before our own write took effect, arrived after its answer
    return replace(held, item=item, is_echo=False)


def _with_copy(held: SideState, item: Item) -> SideState:
    assert held.item is not None
    others = [copy for copy in (held.item, *held.copies) if copy.id != item.id]
    return _with_leader(held, (*others, item))


def _with_leader(held: SideState, copies: tuple[Item, ...]) -> SideState:
    """The organizer's copy leads; with an outside organizer the smallest mailbox id. Arrival order does not matter."""
    ordered = sorted(copies, key=lambda copy: (not copy.is_organizer, copy.mailbox, copy.id))
    leader = ordered[0]
    is_echo = held.is_echo and held.item is not None and leader.id == held.item.id
    return replace(held, item=leader, copies=tuple(ordered[1:]), is_echo=is_echo)


def _learn(state: PairState, outcome: Outcome) -> PairState:
    held = side_of(state, outcome.side)
    command = held.pending
    if command is None or command.command_id != outcome.command_id:
        return state
    held = replace(held, pending=None)
    match outcome.result:
        case Result.APPLIED:
            return _applied(with_side(state, outcome.side, held), command, outcome)
        case Result.STALE:
            fresh = outcome.item or held.item
            return with_side(state, outcome.side, replace(held, item=fresh, is_echo=False))
        case Result.GONE:
            return with_side(state, outcome.side, replace(held, item=None, is_deleted=True, is_echo=False))
        case Result.REFUSED:
            refused = replace(held, refused=command_digest(command), refused_code=outcome.code or "refused")
            return with_side(state, outcome.side, refused)


def _applied(state: PairState, command: Command, outcome: Outcome) -> PairState:
    side = command.side
    held = side_of(state, side)
    if command.action is Action.DELETE:
        return with_side(
            state, side, replace(held, item=None, is_deleted=True, refused="", refused_code="", is_echo=False)
        )
    assert outcome.item is not None, "an applied create or update says what the service holds"
    is_newer = held.item is None or held.item.id != outcome.item.id or held.item.modified_at <= outcome.item.modified_at
    there = side_of(state, other(side))
    if command.source is not None:
        held = replace(held, base=take(held.base, command.fields, command.target or outcome.item.content))
        there = replace(there, base=take(there.base, command.fields, command.source))
    held = replace(
        held,
        item=outcome.item if is_newer else held.item,
        is_echo=is_newer,
        is_deleted=False,
        refused="",
        refused_code="",
        generation=max(held.generation, command.generation),
    )
    return with_side(with_side(state, side, held), other(side), there)
