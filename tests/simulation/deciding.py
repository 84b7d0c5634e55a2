"""Operators who look at what waits and decide about it: at once, late, twice, or about what has changed meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.codec import decode
from schemas.commands import Hold
from schemas.journal import OperatorActed, OperatorVerb
from schemas.state import PairState
from simulation.guarded import POSITION_ROW
from simulation.processes import Process


def pairs_of(process: Process) -> list[PairState]:
    """Every pair in the table of the reconcile process."""
    tables = (table for (agent, _), table in sorted(process.tables.items()) if agent == "reconcile")
    rows = ((row, value) for table in tables for row, value in sorted(table.local.items()))
    return [decode(PairState, value) for row, value in rows if not row.startswith(b"!") and row != POSITION_ROW]


@dataclass
class Operators:
    """They keep what they have seen: (pair key, hold)."""

    rng: random.Random
    process: Callable[[], Process]
    seen: list[tuple[str, Hold]] = field(default_factory=list)

    def waiting(self) -> list[tuple[str, Hold]]:
        """What waits now."""
        return [(state.pair_key, state.held) for state in pairs_of(self.process()) if state.held is not None]

    def decide(self) -> tuple[str, OperatorActed] | None:
        """The pair and the action: mostly about what waits now, at times about what waited once. None: nothing did."""
        waiting = self.waiting()
        self.seen += [one for one in waiting if one not in self.seen]
        choice = waiting if waiting and self.rng.random() < 0.7 else self.seen
        if not choice:
            return None
        key, hold = self.rng.choice(choice)
        verb = self.rng.choice((OperatorVerb.RELEASE, OperatorVerb.RELEASE, OperatorVerb.DROP))
        return key, OperatorActed(verb, "op", hold=hold.digest)
