"""The suite is tested itself: with a fault planted in Concord, some run breaks a promise within a few seeds."""

from __future__ import annotations

import pytest

from simulation.mutants import MUTANTS, Mutant
from simulation.run import Report, run

STEPS = 150
# Seeds within which each mutant must be caught; without it none of them breaks anything.
SEEDS = range(1, 31)


def first_failure(mutant: Mutant) -> Report | None:
    """The first run that notices a planted fault."""
    reports = (run(seed, STEPS, mutant, mutant.often) for seed in SEEDS)
    return next((report for report in reports if report.problems), None)


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_planted_fault_is_noticed(mutant: Mutant) -> None:
    """A run fails, and the true code passes that very run: what failed is the planted fault."""
    report = first_failure(mutant)
    assert report is not None, f"{mutant.name} went unnoticed in {len(SEEDS)} runs of {STEPS} steps"
    assert run(report.seed, STEPS, often=mutant.often).problems == []
