"""Seeds that every change must pass. `make sim SEEDS=200` runs many more, `make sim SEED=n` tells one of them."""

from __future__ import annotations

from collections import Counter

import pytest

from simulation import faults
from simulation.run import run

# Runs of every test run; one takes less than a second.
SEEDS = range(1, 41)

# Seeds of 200 steps that once broke a promise, with what they showed.
REGRESSIONS = {
    3: "a removal told by a sink under another clock hid a restored record",
    5: "a private record's attendees came in again",
    11: "nothing to write about people counted as agreement on a body that differed",
    23: "a reminder was written relative to a start that had moved",
    25: "a write under way at a restoration made both sides swap their values for ever",
    30: "a record read again after a setting was loosened went out although nobody saved it",
    32: "a create asked for again made a second record for one that was deleted meanwhile",
    61: "a restored record was in two pairs",
    74: "an attendee's copy was taken for the remains of a cancelled meeting",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_holds(seed: int) -> None:
    """I1 to I9 hold after 200 steps of people, faults and restarts."""
    report = run(seed)
    assert report.problems == []


@pytest.mark.parametrize("seed", [seed for seed in REGRESSIONS if seed not in SEEDS])
def test_what_went_wrong_once_stays_right(seed: int) -> None:
    """Each of these seeds broke a promise before."""
    assert run(seed).problems == []


def test_same_seed_gives_the_same_run() -> None:
    """A failing seed can be repeated exactly: the story and every count are the same."""
    one, two = run(7, 80), run(7, 80)
    assert one.trace == two.trace
    assert (one.tally, one.counts) == (two.tally, two.counts)


def test_faults_are_many_and_of_every_sort() -> None:
    """A few runs meet most kinds of fault; over 200 seeds `make sim` demands every kind."""
    tally: Counter[str] = Counter()
    for seed in range(1, 13):
        tally += run(seed).tally
    common = [kind for kind in faults.KINDS if not kind.startswith(faults.CRASH)]
    assert [kind for kind in common if not tally[kind]] == []
    assert sum(count for kind, count in tally.items() if kind.startswith(faults.CRASH)) > 50
