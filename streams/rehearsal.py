"""What an operator's action would lead to if every write succeeded and nobody else did anything. Pure.

The same fold and the same decisions as in earnest; only the services' answers are made up.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from projections.sync_state import evolve
from schemas.changes import Item, Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.journal import JournalEntry, OperatorActed, OutcomeKnown, Position
from schemas.settings import Settings
from schemas.state import PairState
from schemas.values import replace
from streams.reconcile import reconcile

# An undo writes each side once, then the marks.
ROUNDS_MAX: Final = 8
LANE: Final = "rehearsal"


def rehearse(
    state: PairState, acted: OperatorActed, settings: Settings, now: datetime
) -> tuple[PairState, tuple[Command, ...], str]:
    """The state in the end, the commands on the way, and the reason of the last decision."""
    waiting: list[OperatorActed | OutcomeKnown] = [acted]
    sent: list[Command] = []
    reason = ""
    for number in range(ROUNDS_MAX):
        if not waiting:
            break
        entry = JournalEntry(state.pair_key, now, Position(LANE, 0, number), waiting.pop(0))
        state, _ = evolve(state, entry, state.offset + 1)
        plan = reconcile(state, settings, now)
        state, reason = plan.state, plan.reason
        sent += plan.commands
        waiting += [OutcomeKnown(answered(command, state, now)) for command in plan.commands]
    return state, tuple(sent), reason


def answered(command: Command, state: PairState, now: datetime) -> Outcome:
    """The outcome if the service does exactly what is asked."""
    item = None if command.action is Action.DELETE else _written(command, state, now)
    return Outcome(
        command.command_id, command.pair_key, command.side, command.action, Result.APPLIED, now, item
    )  # fmt: skip


def _written(command: Command, state: PairState, now: datetime) -> Item:
    assert command.content is not None
    held = state.graph.item if command.side is Side.GRAPH else state.salesforce.item
    if held is not None:
        return replace(held, content=command.content, modified_at=now, sync_key=command.pair_key)
    made = f"new {command.generation}"
    return Item(
        command.side, made, "", now, now, command.content, command.mailbox, sync_key=command.pair_key,
        i_cal_uid=made, organizer_mailbox=command.mailbox,
    )  # fmt: skip
