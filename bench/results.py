"""What one run measured, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bench.folding import FoldRates
from bench.footprint import Footprint
from bench.plan import Kind
from bench.stages import Legs
from bench.traffic import Cost
from bench.watching import Expected
from schemas.changes import Side


@dataclass(frozen=True)
class Options:
    """How much to measure.

    `rate` changes a second for `seconds`, both sides together; `lone` changes one at a time from each side; `events`
    in the calendars at the start, both sides together; `entries` journal entries through the pure core.
    """

    seconds: float = 60.0
    rate: float = 10.0
    lone: int = 6
    events: int = 2000
    entries: int = 20_000
    users: int = 5
    contacts: int = 40


@dataclass
class Stretch:
    """Changes made in one stretch of time, what they cost, and where the time of each went (by `id`)."""

    changes: list[Expected] = field(default_factory=list)
    legs: dict[int, Legs] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    cpu: dict[str, float | None] = field(default_factory=dict)
    """Processor time of each process meanwhile, as a share of one core."""
    late_s: float = 0.0
    """By how much the latest act missed its time."""

    def seconds(self, towards: Side, kind: Kind | None = None) -> list[float]:
        """Latencies of the changes that showed on a side, of one kind or of all."""
        return [
            one.latency_s
            for one in self.changes
            if one.towards is towards and one.latency_s is not None and kind in (None, one.kind)
        ]

    def legs_towards(self, towards: Side) -> list[Legs]:
        """The legs of the changes that the log tells of stage by stage."""
        return [self.legs[id(one)] for one in self.changes if one.towards is towards and id(one) in self.legs]

    @property
    def never(self) -> int:
        """Accepted changes that did not show in time."""
        return sum(one.accepted is not None and one.seen is None for one in self.changes)

    @property
    def refused(self) -> int:
        """Changes that the service itself did not take."""
        return sum(one.is_refused for one in self.changes)


@dataclass
class Backfill:
    """The first exchange: events that came to be on the other side, how long it took, and what it cost. `problems`
    counts pairs that were not in agreement afterwards although they should be, by status and reason."""

    pairs: int = 0
    seconds: float = 0.0
    problems: dict[str, int] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)


@dataclass
class Measured:
    """Everything that one run gives. `at_start` and `at_end` are by process."""

    options: Options
    started: datetime
    cores: int
    load: float
    backfill: Backfill = field(default_factory=Backfill)
    lone: Stretch = field(default_factory=Stretch)
    many: Stretch = field(default_factory=Stretch)
    idle_per_s: dict[tuple[str, str], float] = field(default_factory=dict)
    idle_cpu: dict[str, float | None] = field(default_factory=dict)
    at_start: dict[str, Footprint] = field(default_factory=dict)
    at_end: dict[str, Footprint] = field(default_factory=dict)
    fold: FoldRates | None = None
    restarts: int = 0
    is_settled: bool = False
    took_s: float = 0.0
