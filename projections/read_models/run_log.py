"""The run log: one row per run, as the Logs & Errors tab shows it, and the records that each run dealt with. Pure.

Concord has no batches: a run is what was carried for one owner in one direction within five minutes of outcomes, by
the outcomes' own time. Processed are the writes that ended; synced those that took effect; errors those that a
service or Concord refused. A write that found the event changed or gone is processed and neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from projections.read_models import tables
from projections.read_models.model import Folded, ReadModel, outcome_of
from projections.read_models.notes import Note, Placed, decided, told
from projections.read_models.rows import Count, Put, Rewrite, RowChange, ms_of
from projections.read_models.stored import hidden_text
from schemas.changes import Side
from schemas.commands import Action, Decision, Outcome, Result, Verdict

# Length of a run, in milliseconds: as often as each mailbox is looked at anyway.
RUN_MS: Final = 300_000
HOUR_MS: Final = 3_600_000
INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"
SYNCED: Final = "synced"
ERROR: Final = "error"
NEITHER: Final = "neither"
# What was to be done, by the column that counts it.
ACTIONS: Final = {"created": Action.CREATE, "updated": Action.UPDATE, "deleted": Action.DELETE}


def direction_of(side: Side) -> str:
    """Which way a write on this side goes."""
    return INBOUND if side is Side.SALESFORCE else OUTBOUND


def ended_as(outcome: Outcome) -> str:
    """How a write counts."""
    if outcome.result is Result.REFUSED:
        return ERROR
    is_done = outcome.result is Result.APPLIED or (outcome.action, outcome.result) == (Action.DELETE, Result.GONE)
    return SYNCED if is_done else NEITHER


def entry(note: Note, placed: Placed) -> Folded:
    """Outcomes count; a pair that turns private loses its messages."""
    after = told(note, placed)
    if after is None:
        return note, ()
    changes: list[RowChange] = []
    if after.is_private and not note.is_private:
        changes.append(Rewrite("run_records", {"pair_key": note.pair_key}, "message", hidden_text))
    outcome = outcome_of(placed)
    if outcome is not None:
        partition, offset, _ = placed
        result = ended_as(outcome)
        if result == ERROR:
            after = replace(after, refusals=tuple(sorted({*after.refusals, outcome.code})))
        record = {
            "partition": partition, "offset": offset, "direction": direction_of(outcome.side), "owner": after.owner,
            "at_ms": ms_of(outcome.at), "action": outcome.action, "result": result, "code": outcome.code,
            "message": outcome.message or outcome.warning,
        }  # fmt: skip
        changes += _recorded(after, record)
    return after, tuple(changes)


def decision(note: Note, record: Decision) -> Folded:
    """An error that no service told of counts too: once, until the pair stands otherwise."""
    after = decided(note, record)
    if after is None:
        return note, ()
    if record.verdict is not Verdict.ERROR or record.reason in (note.reason, *note.refusals):
        return after, ()
    side = record.changes[0].side if record.changes else Side.GRAPH
    row = {
        "partition": record.partition, "offset": record.offset, "direction": direction_of(side),
        "owner": note.owner_at(record.offset), "at_ms": ms_of(record.decided_at), "result": ERROR,
        "action": "", "code": record.reason, "message": record.text,
    }  # fmt: skip
    return after, tuple(_recorded(after, row))


def _recorded(note: Note, record: dict[str, object]) -> list[RowChange]:
    at_ms = record["at_ms"]
    assert isinstance(at_ms, int)
    run = {"started_ms": at_ms - at_ms % RUN_MS, "direction": record["direction"], "owner": record["owner"]}
    message = str(record["message"])
    amounts = {
        "processed": 1, "synced": int(record["result"] == SYNCED), "errors": int(record["result"] == ERROR)
    }  # fmt: skip
    actions = {column: int(record["action"] == action) for column, action in ACTIONS.items()}
    shown = {**record, "pair_key": note.pair_key, "message": hidden_text(message) if note.is_private else message}
    return [
        Put("run_records", {**shown, "started_ms": run["started_ms"]}), Count("runs", run, amounts | actions),
        Count("run_hours", {"hour_ms": at_ms - at_ms % HOUR_MS}, amounts),
    ]  # fmt: skip


MODEL: Final = ReadModel(
    "run-log", "one row per run: records processed, synced, errors", 2,
    (tables.RUNS, tables.RUN_RECORDS, tables.RUN_HOURS), entry, decision,
)  # fmt: skip
