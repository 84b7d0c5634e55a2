"""Has everything that is known been dealt with? No consumer group behind, no pair under way, twice in a row."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from concord.connecting import BrokerUnreachable
from concord.lag import Lag, LagReader
from concord.reading import JournalFold
from schemas.errors import ConcordError
from schemas.state import PairState, Status
from schemas.topics import GRAPH_WAKEUPS, SALESFORCE_WAKEUPS
from streams.stage import under_way

# How long everything must stand still before it counts as settled, in seconds: longer than workers take to commit.
MOMENT_S: Final = 1.0
# Time between two looks, in seconds. A look costs a few requests and the entries added since the last one.
LOOK_EVERY_S: Final = 0.5
# A timer writes these without end, so waiting for their end would never end: those there at the first look count.
ENDLESS: Final = frozenset({GRAPH_WAKEUPS, SALESFORCE_WAKEUPS})


@dataclass(frozen=True)
class Settling:
    """How far things are. `behind` holds the partitions with records not yet dealt with, `pending` the pairs under
    way, `errors` how many were refused and `held` how many wait for an operator. `is_settled`: nothing was open, twice
    in a row with nothing new between."""

    is_settled: bool
    behind: tuple[Lag, ...] = ()
    pending: tuple[PairState, ...] = ()
    errors: int = 0
    held: int = 0
    problem: str = ""


def is_open(state: PairState) -> bool:
    """Whether a pair waits for something that comes by itself. What is held waits for an operator."""
    return (state.status is Status.PENDING and state.held is None) or bool(under_way(state))


@dataclass
class _Baseline:
    """What stood where when nothing was open for the first time."""

    at: float
    ends: dict[tuple[str, int], int] = field(default_factory=dict)


class Watch:
    """Looks again and again over the same connections, folding only what was added. A context manager."""

    def __init__(self, broker: str, moment_s: float = MOMENT_S) -> None:
        self._moment_s = moment_s
        self._stack = contextlib.ExitStack()
        self._broker = broker
        self._baseline: _Baseline | None = None

    def __enter__(self) -> Watch:
        with contextlib.ExitStack() as stack:
            self.fold = stack.enter_context(JournalFold(self._broker))
            self.lag = stack.enter_context(LagReader(self._broker))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def look(self) -> Settling:
        """How things stand now, compared with the look before."""
        self.fold.advance()  # before the lag: equal ends at two looks then mean that the fold is complete
        rows = self.lag.read(with_seconds=False)
        pending = tuple(state for state in self.fold.pairs if is_open(state))
        behind = tuple(row for row in rows if row.records_behind)
        errors = sum(state.status is Status.ERROR for state in self.fold.pairs)
        held = sum(state.held is not None for state in self.fold.pairs)
        return Settling(self._has_settled(rows, bool(pending)), behind, pending, errors, held)

    def _has_settled(self, rows: list[Lag], is_pending: bool) -> bool:
        now = time.monotonic()
        work = [row for row in rows if row.topic not in ENDLESS]
        if is_pending or any(row.records_behind for row in work):
            self._baseline = None
            return False
        base = self._baseline
        if base is None or any(base.ends.get((row.topic, row.partition)) != row.end for row in work):
            self._baseline = _Baseline(now, {(row.topic, row.partition): row.end for row in rows})
            return False
        have_woken = all(
            row.records_behind == 0 or (row.committed or 0) >= base.ends.get((row.topic, row.partition), 0)
            for row in rows
            if row.topic in ENDLESS
        )
        return have_woken and now - base.at >= self._moment_s


def wait_settled(
    broker: str, timeout_s: float, *, on_look: Callable[[Settling], None] | None = None, moment_s: float = MOMENT_S
) -> Settling:
    """Look until everything is settled or the time is over; `on_look` is told what each look found.

    A broker that is away is waited for: `problem` says so if it stays away. `moment_s` is how long everything must
    stand still, in seconds.
    """
    deadline = time.monotonic() + timeout_s
    last = Settling(False)
    while True:
        try:
            with Watch(broker, moment_s) as watch:
                while not (last := watch.look()).is_settled and time.monotonic() < deadline:
                    if on_look is not None:
                        on_look(last)
                    time.sleep(LOOK_EVERY_S)
            return last
        except BrokerUnreachable as error:
            last = Settling(False, problem=error.what)
        except ConcordError as error:
            last = Settling(False, problem=str(error))
        if time.monotonic() >= deadline:
            return last
        time.sleep(LOOK_EVERY_S)
