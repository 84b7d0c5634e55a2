"""Held writes: what waits for an operator now, one row a pair. Pure."""

from __future__ import annotations

from typing import Final

from projections.read_models import tables
from projections.read_models.model import Folded, ReadModel
from projections.read_models.notes import Note, Placed, decided, told
from projections.read_models.rows import Put, Remove, Rewrite, ms_of
from projections.read_models.stored import hidden_mails, mails_text, text_of
from schemas.commands import Decision


def entry(note: Note, placed: Placed) -> Folded:
    """A pair that turns private loses the addresses of whom its write would mail."""
    after = told(note, placed)
    if after is None:
        return note, ()
    if after.is_private == note.is_private:
        return after, ()
    where = {"pair_key": note.pair_key}
    return after, (
        Rewrite("held_writes", where, "mails", hidden_mails), Rewrite("held_writes", where, "is_private", _yes)
    )  # fmt: skip


def _yes(_: object) -> bool:
    return True


def decision(note: Note, record: Decision) -> Folded:
    """A write begins to wait, goes on waiting, or waits no more."""
    after = decided(note, record)
    if after is None:
        return note, ()
    if not record.waits:
        return after, (Remove("held_writes", {"pair_key": note.pair_key}),)
    if record.held is None:
        return after, ()
    row = {
        "pair_key": note.pair_key, "kind": record.held.kind, "digest": record.held.digest,
        "since_ms": ms_of(record.held.since), "side": record.held.side, "action": record.held.action,
        "fields": text_of(list(record.held.fields)), "mails": mails_text(record.held.mails, hide=note.is_private),
        "outside": record.held.outside, "partition": record.partition, "offset": record.offset,
        "is_private": note.is_private,
    }  # fmt: skip
    return after, (Put("held_writes", row),)


MODEL: Final = ReadModel("held-writes", "writes that wait for an operator", 1, (tables.HELD_WRITES,), entry, decision)
