"""A plan for one pair: what is decided, and the commands that it sends. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from projections.sync_state import command_digest, side_of, with_side
from schemas.calendar import CalendarEvent
from schemas.changes import Item, Side
from schemas.commands import Action, Command, FieldChange, Hold, Verdict
from schemas.groups import MARKS
from schemas.state import PairState, Status
from schemas.values import replace
from streams.engines import is_fought_over, refused_by_us
from streams.holding import CODES, hold_digest
from streams.mails import predict_mails
from streams.mapping import readable


@dataclass(frozen=True)
class Plan:
    """What to do about a pair: the state after the decision, the commands to send, and why."""

    state: PairState
    verdict: Verdict
    reason: str
    commands: tuple[Command, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    lost: tuple[FieldChange, ...] = ()
    withheld: tuple[Command, ...] = ()
    """What would be sent, were it not for shadow mode."""
    held: Hold | None = None
    """What begins to wait for an operator."""


def settled(state: PairState, status: Status, code: str) -> Plan:
    """Nothing to do: the pair stands so, for this reason."""
    return Plan(replace(state, status=status, reason=code), Verdict.NOTHING, code)


def is_under_way(state: PairState) -> bool:
    """Whether a command of this pair has no outcome yet."""
    return state.graph.pending is not None or state.salesforce.pending is not None


def send(
    plan: Plan, side: Side, action: Action, now: datetime, *, fields: tuple[str, ...] = (), held: Item | None = None,
    content: CalendarEvent | None = None, source: CalendarEvent | None = None,
    target: CalendarEvent | None = None, mailbox: str = "",
) -> Plan:  # fmt: skip
    """Add one command for a side, unless one is under way there or the service refused exactly this one."""
    state = plan.state
    there = side_of(state, side)
    if there.pending is not None:
        return replace(plan, state=replace(state, status=Status.PENDING, reason=plan.reason))
    revision = state.revision + 1
    command = Command(
        command_id=f"{state.pair_key}#{revision}", pair_key=state.pair_key, side=side, action=action, decided_at=now,
        revision=revision, generation=there.generation + (action is Action.CREATE), id=held.id if held else "",
        mailbox=held.mailbox if held else mailbox, version=held.version if held else "", fields=fields,
        content=content, basis=held.content if held else None, source=source, target=target, reason=plan.reason,
    )  # fmt: skip
    if is_fought_over(command, state, now):
        state = refused_by_us(command, state)
        there = side_of(state, side)
    if there.refused and command_digest(command) in there.refused.split():
        state = replace(state, status=Status.ERROR, reason=there.refused_code)
        return replace(plan, state=state, verdict=Verdict.ERROR, reason=there.refused_code)
    if side is Side.GRAPH:
        command = replace(command, mails=predict_mails(command))
    if state.held is not None and state.held.digest == hold_digest(command):
        code = CODES[state.held.kind]
        return replace(plan, state=replace(state, status=Status.PENDING, reason=code), reason=code)
    there = replace(there, pending=command)
    if fields != (MARKS,):  # marks say that a write was refused: they must not make it forgotten
        there = replace(there, refused="", refused_code="")
    state = with_side(state, side, there)
    state = replace(state, revision=revision, status=Status.PENDING, reason=plan.reason)
    return replace(
        plan,
        state=state,
        verdict=plan.verdict if plan.verdict is Verdict.DETACH else Verdict.WRITE,
        commands=(*plan.commands, command),
        changes=(*plan.changes, *changed(side, fields, command.basis, content)),
    )


def changed(
    side: Side, fields: tuple[str, ...], before: CalendarEvent | None, after: CalendarEvent | None
) -> tuple[FieldChange, ...]:
    """What a write changes, group by group, as text."""
    rows = (FieldChange(side, group, readable(before, group), readable(after, group)) for group in fields)
    return tuple(row for row in rows if row.before != row.after)
