"""What our writes did to a pair's Microsoft 365 event: which values, when, and whether our tag. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

from schemas.changes import Item, Side
from schemas.commands import Action, Command
from schemas.groups import MARKS, MEMBERS
from schemas.state import PairState
from schemas.values import replace

# How long a write is remembered.
KEPT: Final = timedelta(hours=1)


def noted(state: PairState, command: Command, at: datetime) -> PairState:
    """The pair with this write remembered, if it changed what an event in Microsoft 365 holds."""
    digest = values_digest(command)
    return replace(state, written=(*lately(state, at), f"{at.isoformat()} {digest}")) if digest else state


def with_true_tag(item: Item, command: Command, before: Item | None) -> Item:
    """A write's answer with the tag that the event bears. Microsoft 365 never shows it in an answer, so a sink takes it
    as written; a write that left it alone left what was there."""
    if command.side is not Side.GRAPH or MARKS in command.fields or before is None or before.id != item.id:
        return item
    return replace(item, sync_key=before.sync_key)


def lately(state: PairState, now: datetime) -> tuple[str, ...]:
    """What was written within the last hour: when, and which values."""
    return tuple(one for one in state.written if datetime.fromisoformat(one.partition(" ")[0]) > now - KEPT)


def values_digest(command: Command) -> str:
    """Names the values that a change of an event in Microsoft 365 writes; "" for any other command."""
    groups = sorted(group for group in command.fields if group != MARKS)
    if command.side is not Side.GRAPH or command.action is not Action.UPDATE or not groups:
        return ""
    values = [(group, [getattr(command.content, name) for name in MEMBERS[group]]) for group in groups]
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]
