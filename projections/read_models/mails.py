"""The mail ledger as rows: mailings as predicted, and what became of the writes that cause them. Pure.

`projections.mail_ledger` says which of them were sent. A command that is carried out again after a crash may be
answered otherwise the second time; both answers are kept, and `counting` there says which counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from projections.directory import normal
from projections.read_models import tables
from projections.read_models.model import Folded, ReadModel, outcome_of
from projections.read_models.notes import Note, Placed, decided, told
from projections.read_models.rows import Put, Remove, Rewrite, RowChange, ms_of
from projections.read_models.stored import hidden_mails, mails_text, text_of
from schemas.changes import Side
from schemas.commands import Decision


def entry(note: Note, placed: Placed) -> Folded:
    """An answer of Microsoft 365 settles the mailing of its command."""
    after = told(note, placed)
    if after is None:
        return note, ()
    changes: list[RowChange] = []
    if after.is_private and not note.is_private:
        changes.append(Rewrite("mailings", {"pair_key": note.pair_key}, "mails", hidden_mails))
        changes.append(Remove("mail_people", {"pair_key": note.pair_key}))
    outcome = outcome_of(placed)
    if outcome is not None and outcome.side is Side.GRAPH:
        answer = {"command_id": outcome.command_id, "action": outcome.action, "result": outcome.result}
        changes.append(Put("mail_answers", {**answer, "at_ms": ms_of(outcome.at)}))
    return after, tuple(changes)


def decision(note: Note, record: Decision) -> Folded:
    """A decision whose writes mail somebody."""
    after = decided(note, record)
    if after is None:
        return note, ()
    if not record.mails or not record.commands:
        return after, ()
    row = {
        "partition": record.partition, "offset": record.offset, "pair_key": note.pair_key,
        "at_ms": ms_of(record.decided_at), "owner": note.owner_at(record.offset), "reason": record.reason,
        "mails": mails_text(record.mails, hide=note.is_private), "commands": text_of(list(record.commands)),
    }  # fmt: skip
    return after, (Put("mailings", row), *_people(note, record))


def _people(note: Note, record: Decision) -> Iterator[RowChange]:
    """Everyone who was to be mailed; nobody of a private event."""
    place = {"partition": record.partition, "offset": record.offset, "pair_key": note.pair_key}
    for address in sorted({normal(mail.address) for mail in record.mails}) if not note.is_private else ():
        yield Put("mail_people", {**place, "address": address, "at_ms": ms_of(record.decided_at)})


MODEL: Final = ReadModel(
    "mail-ledger", "which mails Concord's writes caused", 3,
    (tables.MAILINGS, tables.MAIL_ANSWERS, tables.MAIL_PEOPLE), entry, decision,
)  # fmt: skip
