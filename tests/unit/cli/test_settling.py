"""When does everything count as settled? Nothing behind, nothing pending, twice, with nothing new between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.history import PENDING, History, tell_conflict, tell_pending

from concord import settling
from concord.cli_look import lag_line
from concord.lag import Lag
from concord.settling import MOMENT_S, Watch
from schemas.state import PairState
from schemas.topics import GRAPH_WAKEUPS, SYNC_JOURNAL


def lag(
    topic: str = SYNC_JOURNAL, committed: int | None = 5, end: int = 5, seconds: float | None = None, **more: Any
) -> Lag:
    """One partition of the reconcile group."""
    behind = end - (committed or 0)
    return Lag(**({"group": "concord-reconcile", "partition": 0} | more), topic=topic, committed=committed, end=end,
               records_behind=behind, seconds_behind=seconds if behind else 0.0)  # fmt: skip


@dataclass
class FakeFold:
    """The folded journal."""

    pairs: list[PairState] = field(default_factory=list)

    def advance(self) -> int:
        """Nothing to read."""
        return 0


@dataclass
class FakeLag:
    """The broker's answer about lag."""

    rows: list[Lag] = field(default_factory=list)

    def read(self, *, with_seconds: bool) -> list[Lag]:
        """As it was set; a look must not fetch records for their age."""
        assert not with_seconds
        return self.rows


@dataclass
class Looking:
    """A watch over fakes, with a clock that moves by hand."""

    monkeypatch: pytest.MonkeyPatch
    watch: Any = field(default_factory=lambda: Watch("nowhere:1"))
    now: float = 100.0

    def __post_init__(self) -> None:
        self.watch.fold, self.watch.lag = FakeFold(), FakeLag()
        self.monkeypatch.setattr(settling.time, "monotonic", lambda: self.now)

    def look(self, rows: Iterable[Lag] = (), after: float = 0.0) -> bool:
        """Whether everything is settled, so many seconds after the last look."""
        self.now += after
        self.watch.lag.rows = list(rows)
        return bool(self.watch.look().is_settled)


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Looking:
    """A watch over nothing."""
    return Looking(monkeypatch)


def test_settled_only_at_the_second_look_a_moment_later(looking: Looking) -> None:
    """One quiet look proves nothing: a worker may hold a record it has not committed the outcome of."""
    assert not looking.look([lag()])
    assert not looking.look([lag()], after=MOMENT_S / 2)
    assert looking.look([lag()], after=MOMENT_S / 2)


def test_a_group_behind_is_not_settled_however_long(looking: Looking) -> None:
    """Lag keeps it open, and the moment begins anew once it is gone."""
    assert not looking.look([lag(end=6)])
    assert not looking.look([lag(end=6)], after=60)
    assert not looking.look([lag(committed=6, end=6)], after=60)
    assert looking.look([lag(committed=6, end=6)], after=MOMENT_S)


def test_a_partition_without_a_commit_is_behind(looking: Looking) -> None:
    """A group that has taken nothing yet is not done with what is there."""
    rows = [lag(committed=None, end=3)]
    assert not looking.look(rows)
    assert not looking.look(rows, after=60)


def test_records_that_nobody_reads_keep_it_open(looking: Looking) -> None:
    """Commands without a sink running are not dealt with."""
    rows = [lag(group="", committed=None, end=3)]
    assert not looking.look(rows)
    assert not looking.look(rows, after=60)


def test_something_new_between_two_quiet_looks_starts_the_moment_anew(looking: Looking) -> None:
    """Records that came and went between two looks mean that work is going on."""
    assert not looking.look([lag()])
    assert not looking.look([lag(committed=8, end=8)], after=60)
    assert looking.look([lag(committed=8, end=8)], after=MOMENT_S)


def test_a_pair_under_way_keeps_it_open(looking: Looking) -> None:
    """No lag at all, but a command without an outcome."""
    history = History()
    tell_conflict(history)
    tell_pending(history)
    looking.watch.fold.pairs = list(history.partition.pairs.values())
    assert not looking.look([lag()])
    assert not looking.look([lag()], after=60)
    assert [state.pair_key for state in looking.watch.look().pending] == [PENDING]


def test_pairs_in_agreement_or_in_error_do_not(looking: Looking) -> None:
    """What waits for a person is not under way."""
    history = History()
    tell_conflict(history)
    looking.watch.fold.pairs = list(history.partition.pairs.values())
    assert not looking.look([lag()])
    assert looking.look([lag()], after=MOMENT_S)


def test_wakeups_without_end_do_not_keep_it_open(looking: Looking) -> None:
    """A timer writes one every moment: those of the first look must be dealt with, later ones need not."""
    assert not looking.look([lag(), lag(GRAPH_WAKEUPS, committed=10, end=11)])
    assert not looking.look([lag(), lag(GRAPH_WAKEUPS, committed=10, end=12)], after=60)
    assert looking.look([lag(), lag(GRAPH_WAKEUPS, committed=11, end=13)], after=1)


def test_wakeups_that_nobody_takes_keep_it_open(looking: Looking) -> None:
    """A source that stands still has not looked."""
    rows = [lag(), lag(GRAPH_WAKEUPS, committed=None, end=2)]
    assert not looking.look(rows)
    assert not looking.look(rows, after=60)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "Lag: no worker has read from this broker yet."),
        ([lag()], "Lag: none (1 consumer group)."),
        ([lag(GRAPH_WAKEUPS, 1, 2, 0.4)], "Lag: none (1 consumer group)."),
        ([lag(GRAPH_WAKEUPS, 1, 2, 9.0)], "Lag: 1 record behind, for up to 9.0 s (concord-reconcile, graph.wakeups)."),
        (
            [lag(end=6, seconds=3.0), lag(committed=1, end=3, seconds=90.0, group="concord-sink-graph")],
            "Lag: 3 records behind, for up to 90 s (concord-sink-graph, sync.journal).",
        ),
        ([lag(group="", committed=None, end=3)], "Lag: 3 records behind (read by no group, sync.journal)."),
    ],
)
def test_lag_in_one_sentence(rows: list[Lag], text: str) -> None:
    """The worst partition is named; a wake-up of a moment ago is no lag."""
    assert lag_line(rows) == text
