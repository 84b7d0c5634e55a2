"""Finding what a decision took, and asking to have it back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from concord.changing import append
from concord.finding import Found, find_pairs, fold_to, folded, one_pair
from concord.reading import read_topics
from schemas.changes import Side
from schemas.codec import decode
from schemas.commands import Command, Decision
from schemas.errors import ConcordError, ConfigError, UnreadableRecord
from schemas.groups import MARKS
from schemas.journal import OperatorActed, OperatorAction, OperatorVerb
from schemas.settings import Settings
from schemas.state import PairState
from schemas.topics import GRAPH_COMMANDS, OPERATOR_ACTIONS, SALESFORCE_COMMANDS, SYNC_DECISIONS
from schemas.undo import Undo
from streams.rehearsal import rehearse
from streams.taken import changed_since, what_was_taken


@dataclass(frozen=True)
class Proposal:
    """An undo as it is shown before anybody confirms it: the writes that it causes if nothing comes between, and what
    changed since the decision (field groups, or "event"). `reason` says why it would not be done in full."""

    pair_key: str
    undo: Undo
    writes: tuple[Command, ...]
    changed: tuple[str, ...]
    is_repeated: bool
    is_private: bool
    reason: str = ""


def read_number(text: str) -> tuple[int, int]:
    """Partition and offset of a decision as `concord explain` names it. Raises ConfigError."""
    partition, slash, offset = text.partition("/")
    if not slash or not (partition.isdecimal() and offset.isdecimal()):
        raise ConfigError([f"{text!r} is not a decision"], "Name it as `concord explain` does, for example 0/42.")
    return int(partition), int(offset)


def propose(broker: str, decision: str, *, side: Side | None, force: bool) -> Proposal:
    """What undoing this decision would do now. Raises ConcordError when it cannot be undone, ever or at present."""
    record = _find_decision(broker, *read_number(decision))
    found = one_pair(find_pairs(broker, record.pair_key, show_private=True), record.pair_key)
    commands = _commands_of(broker, record, found)
    undo = what_was_taken(decision, commands, side)
    partition = folded(found, list(_decisions(broker, record.pair_key)))
    state = partition.pairs[record.pair_key]
    if partition.settings.shadow:
        raise ConcordError("Shadow mode is on: nothing is written.", "`concord settings set shadow=off` ends it.")
    if state.undo is not None:
        raise ConcordError("Another undo of this event is under way.", "Look at `concord explain` in a moment.")
    return rehearsed(state, replace(undo, is_forced=force), commands, partition.settings, datetime.now(UTC))


def rehearsed(
    state: PairState, undo: Undo, commands: tuple[Command, ...], settings: Settings, now: datetime
) -> Proposal:
    """The undo of what these commands of one decision took, as it would go now. Pure."""
    graph, salesforce = state.graph.item, state.salesforce.item
    undo = replace(
        undo,
        graph=None if graph is None else graph.content,
        salesforce=None if salesforce is None else salesforce.content,
    )
    tried = OperatorActed(OperatorVerb.UNDO, "", undo=replace(undo, is_forced=True))
    unlimited = replace(settings, invitation_limit_per_write=0)  # whoever confirms the mails lets them go
    after, sent, reason = rehearse(state, tried, unlimited, now)
    writes = tuple(command for command in sent if command.fields != (MARKS,))
    mails = tuple(mail for command in writes for mail in command.mails)
    changed = changed_since(undo, state, commands, settings)
    is_done = undo.decision in after.undone
    return Proposal(
        state.pair_key, replace(undo, mails=mails), writes, changed, undo.decision in state.undone,
        _is_private(undo, state), "" if is_done and writes else reason,
    )  # fmt: skip


def _is_private(undo: Undo, state: PairState) -> bool:
    contents = (undo.content, undo.graph, undo.salesforce, state.graph.base, state.salesforce.base)
    return any(content is not None and content.sensitivity != "normal" for content in contents)


def ask(broker: str, proposal: Proposal, *, by: str) -> None:
    """Ask for it: a journal fact, safe to repeat. Raises ConcordError."""
    acted = OperatorActed(OperatorVerb.UNDO, by, undo=proposal.undo)
    append(broker, OPERATOR_ACTIONS, [(proposal.pair_key, OperatorAction(proposal.pair_key, datetime.now(UTC), acted))])


def _decisions(broker: str, pair_key: str = "") -> Iterator[Decision]:
    """The decisions of one pair, or of all."""
    for record in read_topics(broker, SYNC_DECISIONS):
        if pair_key in ("", (record.key or b"").decode("utf-8", "replace")):
            with contextlib.suppress(UnreadableRecord):
                yield decode(Decision, record.value)


def _find_decision(broker: str, partition: int, offset: int) -> Decision:
    for decision in _decisions(broker):
        if (decision.partition, decision.offset) == (partition, offset):
            return decision
    raise ConcordError(f"There is no decision {partition}/{offset}.", "`concord explain` names each decision.")


def _commands_of(broker: str, decision: Decision, found: Found) -> tuple[Command, ...]:
    """The commands of a decision: from their topics, or decided once more from the journal, which outlives them."""
    wanted = set(decision.commands)
    known: dict[str, Command] = {}
    for record in read_topics(broker, GRAPH_COMMANDS, SALESFORCE_COMMANDS):
        if record.key == decision.pair_key.encode():
            with contextlib.suppress(UnreadableRecord):
                command = decode(Command, record.value)
                known[command.command_id] = command
    if wanted - known.keys():
        known |= {command.command_id: command for command in fold_to(found, decision).commands}
    if wanted - known.keys():
        raise ConcordError(
            "What this decision wrote is not known any more: this version of Concord would decide otherwise.",
            "Write it back by hand; `concord explain` shows the values.",
        )
    return tuple(known[name] for name in decision.commands)
