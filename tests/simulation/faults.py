"""Every kind of fault the simulation injects, how often each is tried, and how often each took place."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from simulation.guarded import POINTS

LOST_BEFORE: Final = "reply lost before the effect"
LOST_AFTER: Final = "reply lost after the effect"
THROTTLED: Final = "throttled (429, request limit)"
BUSY: Final = "service busy (503, row locked)"
EXPIRED: Final = "token expired (401)"
REJECTED: Final = "no token to be had"
DELTA_GONE: Final = "delta token dropped (410)"
DUPLICATE: Final = "record stands twice on the log"
REORDERED: Final = "newer record of another partition first"
REPEATED: Final = "record delivered again"
HOLE: Final = "delivery ahead of the commit (hole)"
JUMP: Final = "delivery jumps ahead while running"
REWIND: Final = "delivery rewound"
COMMIT_AHEAD: Final = "commit ahead of finished work"
WIPED: Final = "local store wiped"
NOTICE_LATE: Final = "notification delayed"
NOTICE_TWICE: Final = "notification twice"
NOTICE_LOST: Final = "notification lost"
OVERLAP: Final = "stale poll overlap"
POISON: Final = "unreadable record on a topic"
SWEPT: Final = "command sent again by the sweep"

WIRE: Final = (LOST_BEFORE, LOST_AFTER, THROTTLED, BUSY, EXPIRED, REJECTED)
CRASH: Final = "crash"
STAGES: Final = ("graph source", "salesforce source", "intake", "reconcile", "graph sink", "salesforce sink")


def crash(stage: str, point: str) -> str:
    """The name of one crash: which stage, at which point of its work."""
    return f"{CRASH} of {stage} {point}"


# Points that a stage never stands at: steps without requests end in one go.
IMPOSSIBLE: Final = frozenset({crash("intake", POINTS[0]), crash("reconcile", POINTS[0])})

KINDS: Final = (
    *WIRE, DELTA_GONE, DUPLICATE, REORDERED, REPEATED, HOLE, JUMP, REWIND, COMMIT_AHEAD, WIPED, NOTICE_LATE,
    NOTICE_TWICE, NOTICE_LOST, OVERLAP, POISON, SWEPT,
    *(crash(stage, point) for stage in STAGES for point in POINTS if crash(stage, point) not in IMPOSSIBLE),
)  # fmt: skip


@dataclass
class Faults:
    """Whether faults happen, and the tally of those that did."""

    rng: random.Random
    is_on: bool = True
    tally: Counter[str] = field(default_factory=Counter)

    def strikes(self, chance: float) -> bool:
        """Whether one happens now."""
        return self.is_on and self.rng.random() < chance

    def count(self, kind: str) -> None:
        """One took place."""
        assert kind in KINDS, kind
        self.tally[kind] += 1
