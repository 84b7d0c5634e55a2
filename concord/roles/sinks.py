"""What both sinks share: a command's outcome is remembered, so the same command again is answered, not done again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from concord.guard import AgentOptions, Lane, Record
from concord.telemetry.delays import observe_outcome
from concord.telemetry.stories import tell_outcome
from connectors.graph.echoes import naming
from schemas.changes import WRITE, WRITTEN, Change, Kind, Side, Wakeup
from schemas.codec import decode, encode
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import ConcordError, ServiceError, UnreadableRecord
from schemas.topics import GRAPH_CHANGES, GRAPH_WAKEUPS, SALESFORCE_CHANGES, SYNC_OUTCOMES

DONE_ROW: Final = b"done/"
# The code of an outcome whose command failed in our own hands.
QUARANTINED: Final = "quarantined"


def options(lanes: int) -> AgentOptions:
    """A sink's agent: pairs side by side, one pair in order, an old command never again."""
    return AgentOptions(lanes=lanes, redo_finished=False, error_stage="TASK_PUT", on_poison=tell_of_poison)


def tell_of_poison(record: Record, error: BaseException, lane: Lane) -> None:
    """A command that goes to quarantine is answered as refused: its pair shows an error and can be retried, instead of
    waiting for ever while the same command is sent, and quarantined, again and again."""
    try:
        command = decode(Command, record.value)
    except UnreadableRecord:
        return  # nobody waits for it
    code = error.code if isinstance(error, ServiceError) else ""
    message = error.what if isinstance(error, ConcordError) else type(error).__name__
    outcome = Outcome(
        command.command_id, command.pair_key, command.side, command.action, Result.REFUSED, datetime.now(UTC),
        code=code or QUARANTINED, message=message,
    )  # fmt: skip
    lane.send(SYNC_OUTCOMES, command.pair_key.encode(), encode(outcome))


class Sink:
    """One command in, one outcome out. `carry_out` talks to the service."""

    def __init__(self, carry_out: Callable[[Command], Awaitable[Outcome]]) -> None:
        self._carry_out = carry_out

    async def step(self, record: Record, lane: Lane) -> None:
        """Carry out one command, unless it is known to be done."""
        command = decode(Command, record.value)
        row = DONE_ROW + command.pair_key.encode()
        raw = lane.get(row)
        done = decode(Outcome, raw) if raw is not None else None
        if done is not None and done.command_id == command.command_id:
            lane.send(SYNC_OUTCOMES, command.pair_key.encode(), raw)
            return
        if done is not None and revision_of(done.command_id) > command.revision:
            return  # answered long ago: a newer command follows only on the older one's outcome
        # Stamped when the answer is known, not when the work began: removals seen meanwhile are compared with it.
        outcome = replace(await self._carry_out(command), at=datetime.now(UTC))
        observe_outcome(outcome, command)
        tell_outcome(outcome, record)
        encoded = encode(outcome)
        lane.send(SYNC_OUTCOMES, command.pair_key.encode(), encoded)
        _file(outcome, command, lane)
        _tell_source(outcome, lane)
        lane.set(row, encoded)


def revision_of(command_id: str) -> int:
    """The revision a command id ends with."""
    return int(command_id.rpartition("#")[2])


def _tell_source(outcome: Outcome, lane: Lane) -> None:
    """What a write left in Microsoft 365 is told to the source, which then need not read it when it comes back."""
    item = outcome.item
    is_known = outcome.result is Result.APPLIED and item is not None and item.kind is Kind.SINGLE
    if outcome.side is Side.GRAPH and is_known and item is not None and item.version:
        wakeup = Wakeup(item.mailbox, WRITTEN, outcome.at, versions=(naming(item.id, item.version),))
        lane.send(GRAPH_WAKEUPS, item.mailbox.encode(), encode(wakeup))


def _file(outcome: Outcome, command: Command, lane: Lane) -> None:
    """What a create made goes to the change topic, so that its id is filed even if no source ever reads it."""
    item = outcome.item
    if outcome.result is not Result.APPLIED or command.action is not Action.CREATE or item is None:
        return
    change = Change(command.side, item.id, datetime.now(UTC), item, mailbox=item.mailbox, cause=WRITE)
    if command.side is Side.GRAPH:
        lane.send(GRAPH_CHANGES, item.mailbox.encode(), encode(change))
    else:
        lane.send(SALESFORCE_CHANGES, item.id.encode(), encode(change))
