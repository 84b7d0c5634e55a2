"""What a read model is: tables, and a fold from records to rows. Pure.

A fold takes what it remembers of a pair and one record, and gives back what to remember and what to do to the rows. A
repeat changes nothing. The journal and the decisions have no common order, so the rows are the same whichever of two
records is folded first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from projections.read_models.notes import Note, Placed
from projections.read_models.rows import RowChange
from schemas.commands import Decision, Outcome
from schemas.journal import OutcomeKnown

Folded = tuple[Note, tuple[RowChange, ...]]


@dataclass(frozen=True)
class ReadModel:
    """One read model. `version` grows when its fold makes other rows of the same records: it is then rebuilt."""

    name: str
    about: str
    version: int
    tables: tuple[Table, ...]
    entry: Callable[[Note, Placed], Folded]
    decision: Callable[[Note, Decision], Folded]


def outcome_of(placed: Placed) -> Outcome | None:
    """The outcome that an entry tells of, if any."""
    what = placed[2].what
    return what.outcome if isinstance(what, OutcomeKnown) else None


def unchanged(note: Note, _: Any) -> Folded:
    """A record that means nothing to this model."""
    return note, ()
