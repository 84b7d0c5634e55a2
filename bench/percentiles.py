"""How a set of measurements is spread. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """How many values there are, three percentiles and the largest, all in the unit of the values."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of 100 values do not exceed (nearest rank): always a measured one.

    Raises ValueError for no values, or a percentage outside 0 to 100.
    """
    if not values:
        raise ValueError("no values")
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} is no percentage")
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return sorted(values)[rank - 1]


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of some values; None when there are none."""
    if not values:
        return None
    return Spread(
        len(values), percentile(values, 50), percentile(values, 95), percentile(values, 99), percentile(values, 100)
    )
