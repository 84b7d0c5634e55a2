"""The conflict shelf: what Practifi users lost where both sides had been edited. Pure.

Each lost value names the decision that took it, by journal partition and offset: `concord undo` writes it back.
"""

from __future__ import annotations

from typing import Final

from projections.read_models import tables
from projections.read_models.model import Folded, ReadModel
from projections.read_models.notes import Note, Placed, decided, told
from projections.read_models.rows import Put, Rewrite, RowChange, ms_of
from projections.read_models.stored import hidden_text
from projections.wording import PRIVATE_GROUPS
from schemas.commands import Decision
from schemas.journal import OperatorActed
from schemas.undo import Undo


def entry(note: Note, placed: Placed) -> Folded:
    """An operator's undo says that somebody asked for the values back."""
    after = told(note, placed)
    if after is None:
        return note, ()
    changes: list[RowChange] = []
    if after.is_private and not note.is_private:
        for group in sorted(PRIVATE_GROUPS):
            changes += [
                Rewrite("lost_values", {"pair_key": note.pair_key, "field": group}, column, hidden_text)
                for column in ("lost", "won")
            ]
        changes.append(Rewrite("lost_values", {"pair_key": note.pair_key}, "is_private", _yes))
    acted = placed[2].what
    if isinstance(acted, OperatorActed) and isinstance(acted.undo, Undo):
        partition, _, offset = acted.undo.decision.partition("/")
        asked = {"partition": int(partition), "offset": int(offset)}
        changes.append(Put("lost_asked", {**asked, "at_ms": ms_of(placed[2].observed_at), "by": acted.by}))
    return after, tuple(changes)


def _yes(_: object) -> bool:
    return True


def decision(note: Note, record: Decision) -> Folded:
    """What a conflict took from Practifi. Under shadow mode nothing was written, and nothing lost."""
    after = decided(note, record)
    if after is None:
        return note, ()
    if record.is_shadow:
        return after, ()
    rows = []
    for one in record.lost:
        hide = note.is_private and one.field in PRIVATE_GROUPS
        lost, won = (hidden_text(text) if hide else text for text in (one.before, one.after))
        row = {
            "partition": record.partition, "offset": record.offset, "field": one.field, "pair_key": note.pair_key,
            "at_ms": ms_of(record.decided_at), "owner": note.owner_at(record.offset), "side": one.side,
            "lost": lost, "won": won, "is_private": note.is_private,
        }  # fmt: skip
        rows.append(Put("lost_values", row))
    return after, tuple(rows)


MODEL: Final = ReadModel(
    "conflicts", "values that a conflict took from Practifi", 2, (tables.LOST_VALUES, tables.LOST_ASKED), entry,
    decision,
)  # fmt: skip
