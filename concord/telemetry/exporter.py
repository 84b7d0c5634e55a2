"""`concord exporter`: looks at all groups, pairs and the quarantine from outside, again and again, for Prometheus.

One process for a deployment. It reads and commits nothing to the groups; a second one tells the same.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Final

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from concord.config import Config
from concord.lag import LagReader
from concord.observing import stack_places
from concord.quarantined import Shelf
from concord.reading import JournalFold, Tail
from concord.telemetry import names, overall
from concord.telemetry.names import add
from concord.telemetry.overall import Look
from concord.telemetry.probes import probes
from concord.telemetry.progress import WINDOW_S, History, State
from schemas.changes import Side
from schemas.commands import HoldKind
from schemas.errors import ConcordError
from schemas.state import Status
from schemas.topics import SYNC_QUARANTINE

log: Final = structlog.get_logger(__name__)

# The group of what no group reads.
NO_GROUP: Final = "(none)"
# Not ready when no look succeeded for so many intervals; dead when none ended for so long, in seconds: a first look at
# a long journal takes minutes, and a client that hangs is not waited for for ever.
MISSED: Final = 3
HANGS_S: Final = 1800.0

Families = Iterator[GaugeMetricFamily | CounterMetricFamily]


class Exporter(Collector):
    """Looks every `every_s` seconds once started; what is collected is the last look. A context manager."""

    def __init__(self, broker: str, every_s: float, window_s: float = WINDOW_S) -> None:
        self._broker = broker
        self._every_s = every_s
        self._history = History(window_s)
        self._shelf = Shelf()
        self._sums = overall.PairSums()
        self._folds = contextlib.ExitStack()
        self._asking = contextlib.ExitStack()
        self._fold: JournalFold | None = None
        self._lag: LagReader | None = None
        self._look: Look | None = None
        self._looked_at = 0.0
        self._ended_at = time.monotonic()
        self._problem = "nothing was looked at yet"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Exporter:
        self._thread = threading.Thread(target=self._run, name="exporter", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.try_to_look()
            self._stop.wait(self._every_s)
        self._asking.close()
        self._folds.close()

    # --- looking ----------------------------------------------------------------------------------------------

    def try_to_look(self) -> None:
        """One look. When it fails nothing is told until one succeeds: old numbers would be taken for present ones."""
        try:
            self._look = self.look()
            self._looked_at = self._look.at
            self._problem = ""
        except ConcordError as error:
            self._fail(error.what)
        except Exception as error:  # noqa: BLE001  # a client that fails in a way of its own: seen, and tried again
            self._fail(f"{type(error).__name__} at {stack_places(error)}")
        self._ended_at = time.monotonic()

    def _fail(self, problem: str) -> None:
        self._look = None
        if self._problem != problem:
            log.warning("the exporter sees nothing", why=problem)
        self._problem = problem
        self._asking.close()
        self._lag = None

    def look(self) -> Look:
        """Everything as it stands now. Raises ConcordError."""
        fold, lag = self._open()
        if fold.advance():
            self._sums = overall.sum_up(fold.pairs)
        for read in self._quarantine.more():
            self._shelf.take(replace(read, value=None))
        asked = time.monotonic()
        rows = lag.read()
        answered = time.monotonic()
        progress = self._history.add(answered, rows, lag.members)
        return Look(
            time.time(), answered - asked, tuple(progress), dict(lag.members), self._sums, tuple(self._shelf.open),
            fold.unreadable,
        )  # fmt: skip

    def _open(self) -> tuple[JournalFold, LagReader]:
        """What is not open yet. The folds stay open whatever happens: they go on where they were."""
        if self._fold is None:
            with contextlib.ExitStack() as stack:
                fold = stack.enter_context(JournalFold(self._broker))
                self._quarantine = stack.enter_context(Tail(self._broker, SYNC_QUARANTINE))
                self._folds = stack.pop_all()
                self._fold = fold
        if self._lag is None:
            self._lag = self._asking.enter_context(LagReader(self._broker))
        return self._fold, self._lag

    # --- telling ----------------------------------------------------------------------------------------------

    def why_not_alive(self) -> list[str]:
        """What a restart would help against."""
        silent_s = time.monotonic() - self._ended_at
        return [f"no look has ended for {silent_s:.0f} s"] if silent_s > HANGS_S else []

    def why_not_ready(self) -> list[str]:
        """Why the numbers are not to be had, or are old."""
        if self._problem:
            return [self._problem]
        age_s = time.time() - self._looked_at
        return [f"the last look is {age_s:.0f} s old"] if age_s > MISSED * self._every_s + self._took_s() else []

    def _took_s(self) -> float:
        return self._look.took_s if self._look is not None else 0.0

    def collect(self) -> Families:
        """The last look as Prometheus wants it."""
        look = self._look
        up = names.EXPORTER_UP.family()
        add(up, 0 if look is None else 1)
        yield up
        success = names.EXPORTER_SUCCESS.family()
        if self._looked_at:
            add(success, self._looked_at)
        yield success
        if look is not None:
            yield from _of_partitions(look)
            yield from _of_groups(look)
            yield from _of_pairs(look)
            yield from _of_quarantine(look)


def run_exporter(config: Config) -> None:
    """Look and serve until SIGINT or SIGTERM. Raises ConfigError when the port cannot be listened on."""
    assert config.metrics_port is not None
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    exporter = Exporter(config.broker, config.exporter_s)
    REGISTRY.register(exporter)
    with probes(config.metrics_host, config.metrics_port, exporter) as port, exporter:
        log.info("metrics are served", host=config.metrics_host, port=port)
        ended.wait()


def _of_partitions(look: Look) -> Families:
    lag, seconds, offset = names.GROUP_LAG.family(), names.GROUP_LAG_SECONDS.family(), names.GROUP_OFFSET.family()
    latest, earliest = names.LATEST_OFFSET.family(), names.EARLIEST_OFFSET.family()
    rate, states = names.COMMIT_RATE.family(), names.GROUP_STATE.family()
    bounds: dict[tuple[str, str], tuple[int, int]] = {}
    for one in look.progress:
        row = one.lag
        part = (row.topic, str(row.partition))
        where = (row.group or NO_GROUP, *part)
        bounds[part] = (row.start, row.end)
        add(lag, row.records_behind, *where)
        if row.seconds_behind is not None:
            add(seconds, row.seconds_behind, *where)
        if row.committed is not None:
            add(offset, row.committed, *where)
        add(rate, one.rate, *where)
        for state in State:
            add(states, state is one.state, *where, state)
    for part, (start, end) in bounds.items():
        add(earliest, start, *part)
        add(latest, end, *part)
    yield from (lag, seconds, offset, latest, earliest, rate, states)


def _of_groups(look: Look) -> Families:
    largest, oldest, whole = (
        names.GROUP_MAX_LAG.family(), names.GROUP_MAX_LAG_SECONDS.family(), names.GROUP_SUM_LAG.family()
    )  # fmt: skip
    members, took = names.GROUP_MEMBERS.family(), names.POLL_TIME.family()
    rows = defaultdict(list)
    for one in look.progress:
        rows[one.lag.group or NO_GROUP].append(one.lag)
    for group, lags in rows.items():
        add(largest, max(row.records_behind for row in lags), group)
        add(oldest, max(row.seconds_behind or 0.0 for row in lags), group)
        add(whole, sum(row.records_behind for row in lags), group)
    for group, count in look.members.items():
        add(members, count, group)
    add(took, look.took_s * 1000)
    yield from (largest, oldest, whole, members, took)


def _of_pairs(look: Look) -> Families:
    stale, pending, age = names.STALENESS.family(), names.PENDING.family(), names.PENDING_AGE.family()
    for side in Side:
        add(stale, overall.staleness(look, side), side)
        add(pending, look.pairs.pending[side], side)
        add(age, overall.pending_age(look, side), side)
    pairs, errors = names.PAIRS.family(), names.ERRORS.family()
    for status in Status:
        add(pairs, look.pairs.standing.statuses[status], status)
    for reason, count in overall.errors(look).items():
        add(errors, count, reason)
    held, held_age = names.HELD.family(), names.HELD_AGE.family()
    for kind in HoldKind:
        add(held, look.pairs.held[kind], kind)
    add(held_age, overall.held_age(look))
    yield from (stale, pending, age, pairs, errors, held, held_age)


def _of_quarantine(look: Look) -> Families:
    records, age, unreadable = names.IN_QUARANTINE.family(), names.QUARANTINE_AGE.family(), names.UNREADABLE.family()
    for (topic, error), count in overall.in_quarantine(look).items():
        add(records, count, topic, error)
    add(age, overall.quarantine_age(look))
    add(unreadable, look.unreadable)
    yield from (records, age, unreadable)
