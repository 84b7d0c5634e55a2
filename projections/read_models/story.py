"""The event timeline as rows: `projections.timeline`, one entry at a time. Pure.

What each item last held is kept to tell differences; of a private event only digests of its text and people.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from projections.read_models import tables
from projections.read_models.model import Folded, ReadModel
from projections.read_models.notes import Note, Placed, decided, masked, told
from projections.read_models.rows import Put, Rewrite, RowChange, ms_of
from projections.read_models.stored import hidden_decision, hidden_moment, text_of
from projections.timeline import item_of, moment_of, shown
from schemas.changes import Item, Side
from schemas.commands import Decision
from schemas.journal import JournalEntry, OutcomeKnown, Seen


def entry(note: Note, placed: Placed) -> Folded:
    """One moment a journal entry."""
    after = told(note, placed)
    if after is None:
        return note, ()
    key = note.pair_key
    changes: list[RowChange] = []
    if after.is_private and not note.is_private:
        after = replace(after, held={name: masked(content, key) for name, content in after.held.items()})
        changes.append(Rewrite("moments", {"pair_key": key}, "moment", hidden_moment))
        changes.append(Rewrite("moment_decisions", {"pair_key": key}, "decision", hidden_decision))
    partition, offset, what = placed
    if what.erased is not None and what.erased.state is None:
        return after, tuple(changes)
    if after.is_private:
        what = _masked_entry(what, key)
    held = {_side_and_id(name): content for name, content in after.held.items()}
    moment = moment_of(partition, offset, what, held, after.is_private)
    if item_of(what) is not None:
        after = replace(after, held={f"{side}/{item}": content for (side, item), content in sorted(held.items())})
    row = {
        "partition": partition, "offset": offset, "pair_key": key, "at_ms": ms_of(moment.at), "moment": text_of(moment)
    }  # fmt: skip
    return after, (*changes, Put("moments", row))


def _side_and_id(name: str) -> tuple[Side, str]:
    side, _, item = name.partition("/")
    return Side(side), item


def _masked_entry(entry: JournalEntry, key: str) -> JournalEntry:
    """The entry with digests for text and people."""
    match entry.what:
        case Seen(item=Item() as item):
            return replace(entry, what=replace(entry.what, item=_masked_item(item, key)))
        case OutcomeKnown(outcome) if outcome.item is not None:
            outcome = replace(outcome, item=_masked_item(outcome.item, key))
            return replace(entry, what=OutcomeKnown(outcome))
        case _:
            return entry


def _masked_item(item: Item, key: str) -> Item:
    return replace(item, content=masked(item.content, key))


def decision(note: Note, record: Decision) -> Folded:
    """What was decided stands beside its moment."""
    after = decided(note, record)
    if after is None:
        return note, ()
    row = {
        "partition": record.partition, "offset": record.offset, "pair_key": note.pair_key,
        "decision": text_of(shown(record, note.is_private)),
    }  # fmt: skip
    return after, (Put("moment_decisions", row),)


MODEL: Final = ReadModel(
    "timeline", "what happened to each event, and what was decided", 1, (tables.MOMENTS, tables.DECISIONS), entry,
    decision,
)  # fmt: skip
