"""Entries folded into one pair's state by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.builders import (
    NOW,
    command,
    graph_item,
    meeting,
    salesforce_item,
    seen,
)

from projections.sync_state import (
    Stray,
    evolve,
    side_of,
    with_side,
)
from schemas.changes import Side
from schemas.commands import Action, Command
from schemas.journal import JournalEntry
from schemas.state import PairState

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


def agreed(**members: Any) -> PairState:
    """Both sides read and agreed upon."""
    state = after(EMPTY, in_graph(), in_salesforce(sync_key=KEY))
    state = with_side(state, Side.GRAPH, replace(state.graph, base=meeting()))
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, base=meeting(), generation=1))
    return replace(state, **members)
