"""Charts as numbers for SVG that the server renders: bars and lines, in a box of fixed units. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from concord.read_models.runs import Hour

# The box of a chart, in units of its own.
WIDTH: Final = 720
HEIGHT: Final = 160
HOURS: Final = 24


@dataclass(frozen=True)
class Bar:
    """One hour: where its bar stands, the heights of its two parts from the ground up, and what it counts."""

    hour: Hour
    x: float
    width: float
    synced_y: float
    synced_height: float
    error_y: float
    error_height: float


def filled(hours: Sequence[Hour], now: datetime) -> tuple[Hour, ...]:
    """The last 24 hours up to this one, those in which nothing ended too, the oldest first."""
    last = now.replace(minute=0, second=0, microsecond=0)
    known = {hour.began: hour for hour in hours}
    begins = [last - timedelta(hours=back) for back in reversed(range(HOURS))]
    return tuple(known.get(began) or Hour(began, 0, 0, 0) for began in begins)


def bars(hours: Sequence[Hour]) -> tuple[Bar, ...]:
    """A bar for each hour, errors on top of what was synced; the highest fills the box."""
    most = max((hour.synced + hour.errors for hour in hours), default=0) or 1
    step = WIDTH / max(1, len(hours))
    found = []
    for number, hour in enumerate(hours):
        synced = hour.synced / most * HEIGHT
        errors = hour.errors / most * HEIGHT
        found.append(
            Bar(
                hour, round(number * step + step * 0.15, 2), round(step * 0.7, 2), round(HEIGHT - synced, 2),
                round(synced, 2), round(HEIGHT - synced - errors, 2), round(errors, 2),
            )
        )  # fmt: skip
    return tuple(found)


def line(values: Sequence[float], width: int, height: int) -> str:
    """These values as the points of an SVG polyline; the highest is at the top. "" for fewer than two."""
    if len(values) < 2:
        return ""
    most = max(values) or 1
    step = width / (len(values) - 1)
    return " ".join(f"{number * step:.1f},{height - value / most * height:.1f}" for number, value in enumerate(values))
