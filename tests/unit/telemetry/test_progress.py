"""How a group gets on, told from looks at its lag: each state in its smallest example."""

from __future__ import annotations

import pytest

from concord.lag import Lag
from concord.telemetry.progress import History, Progress, State

WINDOW_S = 20.0
STEP_S = 5.0


def row(committed: int | None, end: int, partition: int = 0) -> Lag:
    """One partition of one group."""
    return Lag("concord-g", "t", partition, committed, end, end - (committed or 0), 1.0)


def last(*looks: tuple[int | None, int], members: int = 1, step_s: float = STEP_S) -> Progress:
    """The last of several looks (committed, end), one every `step_s` seconds."""
    history = History(WINDOW_S)
    for number, (committed, end) in enumerate(looks):
        (found,) = history.add(number * step_s, [row(committed, end)], {"concord-g": members})
    return found


@pytest.mark.parametrize(
    ("looks", "members", "state"),
    [
        ([(10, 10)] * 6, 1, State.OK),
        ([(10, 10)] * 6, 0, State.OK),
        ([(0, 50), (10, 50), (20, 50), (30, 50), (40, 50)], 1, State.OK),
        ([(0, 5), (1, 16), (2, 27), (3, 38), (4, 49)], 1, State.WARN),
        ([(7, 9)] * 5, 1, State.STALL),
        ([(7, 9), (7, 10), (7, 11), (7, 12), (7, 13)], 2, State.STALL),
        ([(7, 9)] * 5, 0, State.STOP),
        ([(None, 9)] * 5, 0, State.STOP),
        ([(None, 9)] * 5, 1, State.STALL),
        ([(7, 9), (3, 9)], 0, State.REWIND),
        ([(7, 9), (3, 9), (4, 9), (5, 9), (9, 9)], 1, State.REWIND),
    ],
)
def test_each_state(looks: list[tuple[int | None, int]], members: int, state: State) -> None:
    """Nothing behind, worked off, falling behind, standing with and without workers, gone back."""
    assert last(*looks, members=members).state is state


def test_standing_is_called_so_only_after_the_whole_window() -> None:
    """One look, or looks that span less, prove nothing."""
    assert last((7, 9)).state is State.OK
    assert last(*[(7, 9)] * 4).state is State.OK
    assert last(*[(7, 9)] * 5).state is State.STALL


def test_a_moment_without_lag_is_progress() -> None:
    """A timer's record that comes and goes: each look may meet one, and none is the same."""
    assert last((7, 8), (8, 8), (8, 9), (8, 9), (8, 9)).state is State.OK


def test_looks_before_the_window_are_forgotten() -> None:
    """It moved long ago, went back long ago: that is no news."""
    assert last((0, 9), *[(7, 9)] * 6).state is State.STALL
    assert last((7, 9), *[(3, 9)] * 6).state is State.STALL


def test_looks_far_apart_are_compared_one_with_the_next() -> None:
    """An interval longer than the window leaves the look before."""
    assert last((7, 9), (7, 9), step_s=60.0).state is State.STALL
    assert last((7, 9), (9, 12), (11, 15), step_s=60.0).state is State.WARN


def test_the_rate_is_what_was_committed_per_second_of_the_window() -> None:
    """From the first look that counts to the last; never negative, 0 before there are two."""
    assert last((0, 100), (10, 100), (20, 100)).rate == 2.0
    assert last((0, 100)).rate == 0.0
    assert last((50, 100), (10, 100)).rate == 0.0
    assert last((None, 100), (10, 100)).rate == 0.0


def test_partitions_are_told_apart_and_forgotten_when_they_go() -> None:
    """One partition standing says nothing of its neighbour; one that is gone and comes back begins anew."""
    history = History(WINDOW_S)
    for number in range(5):
        rows = [row(7, 9), row(number, 9, partition=1)]
        found = history.add(number * STEP_S, rows, {"concord-g": 1})
    assert [one.state for one in found] == [State.STALL, State.OK]
    history.add(25.0, [row(5, 9, partition=1)], {"concord-g": 1})
    assert history.add(30.0, [row(7, 9)], {"concord-g": 1})[0].state is State.OK
