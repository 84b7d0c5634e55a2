"""How a side was last saved, and what each reading adds to that. Pure."""

from __future__ import annotations

from schemas.changes import Item
from schemas.groups import take
from schemas.state import AWAITING_ORIGIN, IMPORTED, UNTOLD, SideState
from schemas.values import replace


def saved(held: SideState, item: Item) -> SideState:
    """Somebody saved the item: whatever held back the save before says nothing about this one."""
    return replace(held, edited_at=item.modified_at, held_back="", origin=item.origin)


def met(held: SideState, item: Item) -> SideState:
    """A sink met somebody's save, which a source may have told already."""
    is_told = held.item is not None and held.item.content == item.content
    return saved(held, replace(item, origin=held.origin if is_told else UNTOLD))


def told(held: SideState, item: Item) -> SideState:
    """A source says how a save came about that was known before: met by a sink, read before its change event came, or
    the first of two within Salesforce's second. Knowing nothing, it takes back nothing. Our own write on top of a save
    gives the record a later time, not another origin: it still answers what nobody has told yet."""
    is_news = item.origin not in ("", UNTOLD) or (item.origin == "" and held.origin == UNTOLD)
    is_same_save = held.edited_at == item.modified_at or held.origin == UNTOLD
    if not is_news or not is_same_save:
        return held
    is_open_again = held.held_back in (IMPORTED, AWAITING_ORIGIN)
    return replace(held, origin=item.origin, held_back="" if is_open_again else held.held_back)


def is_known(held: SideState, item: Item) -> bool:
    """Whether a reading shows no save but those we know: the version held, or our own write before its answer."""
    assert held.item is not None
    command = held.pending
    written = command.content if command is not None else None
    if command is not None and written is not None and item.content == take(held.item.content, command.fields, written):
        return True
    # Attendees come and go without a save: their rows do not touch the record's stamp.
    is_same = replace(item.content, attendees=()) == replace(held.item.content, attendees=())
    return is_same and item.modified_at == held.item.modified_at
