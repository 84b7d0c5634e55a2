"""One journal entry in, one step out: the next state, what was decided, what to send. The reconcile stage, pure.

The Faust edge and the seeded simulation call `step` for every entry; `fold_partition` folds a whole partition the
same way, which is what a rebuild does and what invariant I8 compares the live table with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from projections.sync_state import evolve
from schemas.commands import Command, Decision, Verdict
from schemas.journal import JournalEntry, Position, SettingsChanged
from schemas.settings import Settings
from schemas.state import PairState
from schemas.topics import SYNC_JOURNAL
from streams.reasons import reason
from streams.reconcile import Plan, reconcile


@dataclass(frozen=True)
class Step:
    """What one entry led to. `forwards` go back to the journal under their own keys; their source is this entry, so
    that they have a lane of their own: a later input of the original's lane may reach the other pair first."""

    state: PairState
    decision: Decision | None = None
    commands: tuple[Command, ...] = ()
    forwards: tuple[JournalEntry, ...] = ()


def step(state: PairState, entry: JournalEntry, settings: Settings, *, partition: int, offset: int) -> Step:
    """Fold one entry into a pair and decide.

    An entry at or below the last one folded is re-done, not skipped: the same state again (the changelog may be behind
    the local store), and the commands still under way again, with the same ids.
    """
    if offset <= state.offset:
        return Step(state, commands=under_way(state))
    before = state
    state, strays = evolve(state, entry, offset)
    origin = Position(SYNC_JOURNAL, partition, offset)
    forwards = tuple(JournalEntry(stray.key, entry.observed_at, origin, stray.seen) for stray in strays)
    plan = reconcile(state, settings, entry.observed_at)
    if forwards and plan.verdict is Verdict.NOTHING:
        plan = replace(plan, verdict=Verdict.FORWARD, reason="not_this_pairs")
    decision = _decision(plan, entry, settings, partition, offset) if _matters(before, plan) else None
    return Step(plan.state, decision, plan.commands, forwards)


def under_way(state: PairState) -> tuple[Command, ...]:
    """The commands of a pair that have no outcome yet."""
    return tuple(side.pending for side in (state.graph, state.salesforce) if side.pending is not None)


def _matters(before: PairState, plan: Plan) -> bool:
    """Whether a decision is worth a record: something is done, or the pair's standing changed."""
    if plan.verdict is not Verdict.NOTHING or plan.commands:
        return True
    return (before.status, before.reason) != (plan.state.status, plan.state.reason)


def _decision(plan: Plan, entry: JournalEntry, settings: Settings, partition: int, offset: int) -> Decision:
    why = reason(plan.reason)
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
        lost=plan.lost if plan.commands else (),
        mails=tuple(mail for command in plan.commands for mail in command.mails),
        text=why.text,
    )


@dataclass
class Partition:
    """A journal partition as it is folded: the settings in force and every pair's state."""

    number: int
    settings: Settings = field(default_factory=Settings)
    pairs: dict[str, PairState] = field(default_factory=dict)

    def fold(self, entry: JournalEntry, offset: int) -> Step | None:
        """Fold one entry; None for a settings entry, which concerns no single pair."""
        if isinstance(entry.what, SettingsChanged):
            self.settings = newer_settings(self.settings, entry.what.settings)
            return None
        state = self.pairs.get(entry.pair_key) or PairState(entry.pair_key)
        done = step(state, entry, self.settings, partition=self.number, offset=offset)
        self.pairs[entry.pair_key] = done.state
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
