"""Freshness: how every pair stands, when each side was last heard of, and every write with its answer. Pure.

Grouped by owner it says how up to date each user is; a write without an answer is one under way. Whoever asked for
another try of a pair stands beside it, so that it can be told what became of it.
"""

from __future__ import annotations

from typing import Final

from projections.read_models import tables
from projections.read_models.model import Folded, ReadModel, outcome_of
from projections.read_models.notes import Note, Placed, decided, told
from projections.read_models.rows import Put, RowChange, Values, ms_of
from projections.timeline import item_of, restored_item
from projections.wording import HIDDEN, span_words
from schemas.changes import Item
from schemas.commands import Decision
from schemas.journal import OperatorActed, OperatorVerb, Seen


def entry(note: Note, placed: Placed) -> Folded:
    """When the pair was told of, and what it holds in words."""
    after = told(note, placed)
    if after is None:
        return note, ()
    seen = placed[2]
    row: Values = {
        "pair_key": note.pair_key, "owner": after.owner, "is_private": after.is_private,
        "told_ms": ms_of(seen.observed_at),
    }  # fmt: skip
    item = item_of(seen) or restored_item(seen)
    if item is not None:
        row["event"] = event_words(item, hide=after.is_private)
    if isinstance(seen.what, Seen):
        row[f"{seen.what.side}_ms"] = row["told_ms"]
    changes: list[RowChange] = [Put("pairs", row)]
    outcome = outcome_of(placed)
    if outcome is not None:
        answer = {"command_id": outcome.command_id, "pair_key": note.pair_key, "answered_ms": ms_of(outcome.at)}
        changes.append(Put("writes", {**answer, "side": outcome.side, "result": outcome.result}))
    if isinstance(seen.what, OperatorActed) and seen.what.verb is OperatorVerb.RETRY:
        asked = {"pair_key": note.pair_key, "partition": placed[0], "offset": placed[1]}
        changes.append(Put("retries", {**asked, "at_ms": row["told_ms"], "by": seen.what.by}))
    return after, tuple(changes)


def event_words(item: Item, *, hide: bool) -> str:
    """An event in one line: subject and time, without the subject where it is private."""
    subject = HIDDEN if hide else item.content.subject or "An event without subject"
    return f"{subject}, {span_words(item.content.span)}"


def decision(note: Note, record: Decision) -> Folded:
    """How the pair stands, the last reason told, and the writes that were ordered."""
    after = decided(note, record)
    if after is None:
        return note, ()
    row: Values = {
        "pair_key": note.pair_key, "status": record.status, "reason": record.reason, "decided_offset": record.offset
    }  # fmt: skip
    changes: list[RowChange] = [Put("pairs", row)]
    for command_id in record.commands:
        write = {"command_id": command_id, "pair_key": note.pair_key, "decided_ms": ms_of(record.decided_at)}
        changes.append(Put("writes", write))
    return after, tuple(changes)


MODEL: Final = ReadModel(
    "freshness", "how every event stands and how up to date each side is", 2,
    (tables.PAIRS, tables.WRITES, tables.RETRIES), entry, decision,
)  # fmt: skip
