"""One journal entry in, one step out: the next state, what was decided, what to send. The reconcile stage, pure.

The Faust edge and the seeded simulation call `step` for every entry; `fold_partition` folds a whole partition the
same way, which is what a rebuild does and what invariant I8 compares the live table with.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Final

from projections.sync_state import evolve, is_of_hold
from schemas.changes import Side
from schemas.commands import Command, Decision, Verdict
from schemas.journal import JournalEntry, OperatorActed, OperatorVerb, Position, SettingsChanged
from schemas.settings import Settings
from schemas.state import PairState, Tally
from schemas.topics import SYNC_JOURNAL
from schemas.values import replace
from streams.engines import TWO_ENGINES
from streams.holding import added, counted, room_left
from streams.plan import Plan
from streams.reasons import Reason, reason
from streams.reconcile import reconcile
from streams.shadow import in_shadow

HOLD_VERBS: Final = frozenset({OperatorVerb.RELEASE, OperatorVerb.DROP})


@dataclass(frozen=True)
class Step:
    """What one entry led to. `forwards` go back to the journal under their own keys; their source is this entry, so
    that they have a lane of their own: a later input of the original's lane may reach the other pair first. `tally` is
    the partition's after this entry."""

    state: PairState
    decision: Decision | None = None
    commands: tuple[Command, ...] = ()
    forwards: tuple[JournalEntry, ...] = ()
    tally: Tally = field(default_factory=Tally)


def step(
    state: PairState, entry: JournalEntry, settings: Settings, *, partition: int, offset: int, tally: Tally
) -> Step:
    """Fold one entry into a pair and decide. `tally` is the partition's before it (or after it, when it is re-done).

    An entry at or below the last one folded is re-done, not skipped: the same state again (the changelog may be behind
    the local store), and the commands still under way again, with the same ids.
    """
    if offset <= state.offset:
        return Step(state, commands=under_way(state), tally=tally)
    before = state
    state, strays = evolve(state, entry, offset)
    if entry.erased is not None:
        return Step(state, tally=added(tally, entry.erased.mailed, offset, entry.observed_at))
    origin = Position(SYNC_JOURNAL, partition, offset)
    forwards = tuple(JournalEntry(stray.key, entry.observed_at, origin, stray.seen) for stray in strays)
    late = "" if state.lanes == before.lanes else _late(before, entry)
    if late:
        plan = Plan(state, Verdict.NOTHING, late)
        return Step(state, _decision(plan, entry, settings, partition, offset), tally=tally)
    room = room_left(tally, settings, partition, offset, entry.observed_at)
    plan = reconcile(state, settings, entry.observed_at, room)
    if settings.shadow:
        plan = in_shadow(state, plan)
    if forwards and plan.verdict is Verdict.NOTHING:
        is_adoption = isinstance(entry.what, OperatorActed)
        plan = replace(plan, verdict=Verdict.FORWARD, reason="given_away" if is_adoption else "not_this_pairs")
    if plan.state.is_detached and not before.is_detached:
        plan = replace(plan, verdict=Verdict.DETACH)
    ends_undo = state.undo is not None and plan.state.undo is None
    is_told = _matters(before, plan) or ends_undo
    decision = _decision(plan, entry, settings, partition, offset) if is_told else None
    tally = counted(tally, plan.commands, state.released, settings, offset, entry.observed_at)
    return Step(plan.state, decision, plan.commands, forwards, tally)


def _late(before: PairState, entry: JournalEntry) -> str:
    """Why an operator's release or drop does nothing: what it names is not held. "" for anything else."""
    acted = entry.what
    if not isinstance(acted, OperatorActed) or acted.verb not in HOLD_VERBS or is_of_hold(before, acted):
        return ""
    return "hold_gone" if before.held is None else "hold_changed"


def under_way(state: PairState) -> tuple[Command, ...]:
    """The commands of a pair that have no outcome yet."""
    return tuple(side.pending for side in (state.graph, state.salesforce) if side.pending is not None)


def _matters(before: PairState, plan: Plan) -> bool:
    """Whether a decision is worth a record: something is done, or the pair's standing changed."""
    if plan.verdict is not Verdict.NOTHING or plan.commands:
        return True
    return _standing(before) != _standing(plan.state)


def _standing(state: PairState) -> tuple[str, str, str]:
    return state.status, state.reason, state.held.digest if state.held is not None else ""


def _decision(plan: Plan, entry: JournalEntry, settings: Settings, partition: int, offset: int) -> Decision:
    why = reason(plan.reason)
    made = (*plan.commands, *plan.withheld)
    return Decision(
        pair_key=plan.state.pair_key,
        verdict=plan.verdict,
        reason=why.code,
        decided_at=entry.observed_at,
        partition=partition,
        offset=offset,
        settings_number=settings.number,
        rule=why.rule,
        revision=plan.state.revision,
        commands=tuple(command.command_id for command in plan.commands),
        changes=plan.changes,
        lost=plan.lost if any(command.side is Side.SALESFORCE for command in made) else (),
        mails=tuple(mail for command in made for mail in command.mails),
        text=_told(why, plan),
        held=plan.held,
        is_shadow=bool(plan.withheld),
        status=plan.state.status,
        waits=plan.state.held.digest if plan.state.held is not None else "",
    )


def _told(why: Reason, plan: Plan) -> str:
    """The reason in words; where another engine is suspected, with what is known of it."""
    if why.code != TWO_ENGINES:
        return why.text
    return f"{why.text} Last saved in Practifi by: {plan.state.salesforce.origin or 'nobody known'}."


@dataclass
class Partition:
    """A journal partition as it is folded: the settings in force, every pair's state, and whom its writes mailed."""

    number: int
    settings: Settings = field(default_factory=Settings)
    pairs: MutableMapping[str, PairState] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def fold(self, entry: JournalEntry, offset: int) -> Step | None:
        """Fold one entry; None for a settings entry, which concerns no single pair."""
        if isinstance(entry.what, SettingsChanged):
            self.settings = newer_settings(self.settings, entry.what.settings)
            self.tally = replace(self.tally, partitions=entry.what.partitions)
            return None
        state = self.pairs.get(entry.pair_key) or PairState(entry.pair_key)
        done = step(state, entry, self.settings, partition=self.number, offset=offset, tally=self.tally)
        self.pairs[entry.pair_key] = done.state
        self.tally = done.tally
        return done


def newer_settings(current: Settings, arrived: Settings) -> Settings:
    """The document with the higher number: an older one coming again changes nothing."""
    return arrived if arrived.number > current.number else current


def fold_partition(number: int, entries: Iterable[tuple[int, JournalEntry]]) -> Partition:
    """Fold a journal partition from its beginning: (offset, entry) in order."""
    partition = Partition(number)
    for offset, entry in entries:
        partition.fold(entry, offset)
    return partition
