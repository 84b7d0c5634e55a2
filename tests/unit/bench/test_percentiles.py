"""How measurements are summed up."""

from __future__ import annotations

import pytest

# A built wheel is tested with these tests too, and does not carry the benchmark.
pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from bench.percentiles import Spread, percentile, spread


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1.0), (1, 1.0), (50, 50.0), (95, 95.0), (99, 99.0), (99.5, 100.0), (100, 100.0)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent: float, value: float) -> None:
    """Of the numbers 1 to 100 in any order, the nearest rank to p per cent is p itself, rounded up."""
    values = [float(number) for number in (*range(51, 101), *range(1, 51))]
    assert percentile(values, percent) == value


def test_a_percentile_is_always_a_measured_value() -> None:
    """Between two values nothing is invented: a p95 of two is the larger one."""
    assert percentile([1.0, 2.0], 95) == 2.0
    assert percentile([1.0, 2.0], 50) == 1.0


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], -1), ([1.0], 100.1)])
def test_what_has_no_percentile_is_refused(values: list[float], percent: float) -> None:
    """No values, and percentages that are none, would give a figure that means nothing."""
    with pytest.raises(ValueError, match="no"):
        percentile(values, percent)


def test_a_spread_names_its_parts() -> None:
    """Count, the three percentiles and the largest, in that order; None when nothing was measured."""
    assert spread([3.0, 1.0, 2.0]) == Spread(count=3, p50=2.0, p95=3.0, p99=3.0, max=3.0)
    assert spread([]) is None
