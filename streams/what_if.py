"""What other settings would let pass or stop, of the pairs as they stand. Pure.

A change of settings decides nothing by itself: what it lets pass crosses when the event is next seen changed, or when
its calendar is read anew because the range grew. So this counts what may cross then, and what may not any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from schemas.changes import Side
from schemas.commands import Action, Command
from schemas.settings import Settings
from schemas.state import PairState
from schemas.values import replace
from streams.holding import outside_mails
from streams.policy import inbound_gate
from streams.reconcile import reconcile


@dataclass
class WhatIf:
    """Counts of events. `writes` by side and action are those that would be made then and are not made now, `mailed`
    how many people outside the firm those would mail, `stopped` by reason code those that are on both sides and whose
    changes would not come into Practifi any more."""

    writes: Counter[tuple[Side, Action]] = field(default_factory=Counter)
    mailed: int = 0
    stopped: Counter[str] = field(default_factory=Counter)


def what_if(pairs: Iterable[PairState], before: Settings, after: Settings, now: datetime) -> WhatIf:
    """What changes for these pairs when `after` comes in the place of `before`."""
    found = WhatIf()
    for state in pairs:
        made = {(command.side, command.action) for command in _writes(state, before, now)}
        for command in _writes(state, after, now):
            if (command.side, command.action) not in made:
                found.writes[command.side, command.action] += 1
                found.mailed += len(outside_mails(command, after))
        stopped = _stopped(state, before, after, now)
        if stopped is not None:
            found.stopped[stopped] += 1
    return found


def _writes(state: PairState, settings: Settings, now: datetime) -> tuple[Command, ...]:
    """What would be written for this pair under these settings, had somebody just seen or saved it."""
    if settings.shadow:
        return ()
    seen = replace(state, salesforce=replace(state.salesforce, held_back=""))
    return reconcile(seen, settings, now).commands


def _stopped(state: PairState, before: Settings, after: Settings, now: datetime) -> str | None:
    """Why changes in Microsoft 365 to an event that is on both sides would not come in any more."""
    graph, base = state.graph.item, state.graph.base
    if graph is None or state.salesforce.item is None or base is None or state.is_detached:
        return None
    if inbound_gate(graph, base, before, now) is not None:
        return None
    return inbound_gate(graph, base, after, now)
