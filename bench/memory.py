"""Memory of the roles over time: sampled, and whether it is flat."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from bench.footprint import footprints
from concord.processes import RoleProcesses

# Time between two samples, in seconds.
EVERY_S: Final = 5.0
# Growth of a role in the second half of a run that is taken for flat, in MiB a minute. What allocators keep and what
# its store buffers in memory settles within the first half; a leak of a kilobyte a change would be 1.2 at 20 a second.
FLAT_MIB_PER_MINUTE: Final = 1.0
# A second half that is shorter says nothing: what allocators take step by step would be a steep slope, in seconds.
TELLING_S: Final = 150.0

Sample = tuple[float, Mapping[str, float]]
"""Seconds since the start, and resident memory by process in MiB."""


@dataclass(frozen=True)
class Trend:
    """Resident memory of one process in MiB, and its growth in the second half in MiB a minute."""

    start: float
    middle: float
    end: float
    slope: float
    is_telling: bool = True
    """Whether the second half was long enough to say anything."""


def trends(samples: Sequence[Sample]) -> dict[str, Trend]:
    """The trend of each process that was there all the time. Pure."""
    if len(samples) < 2:
        return {}
    everywhere = set.intersection(*(set(sizes) for _, sizes in samples))
    half = samples[len(samples) // 2 :]
    is_telling = half[-1][0] - half[0][0] >= TELLING_S
    return {
        name: Trend(
            samples[0][1][name], half[0][1][name], samples[-1][1][name],
            60.0 * _slope([at for at, _ in half], [sizes[name] for _, sizes in half]), is_telling,
        )
        for name in sorted(everywhere)
    }  # fmt: skip


def _slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the line that fits best, by least squares; 0 for a single moment."""
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0


def growing(found: Mapping[str, Trend], roles: Sequence[str]) -> list[str]:
    """The roles whose memory is not flat, in words. Pure."""
    return [
        f"memory of {role} grows by {found[role].slope:.1f} MiB a minute, from {found[role].middle:.0f} to "
        f"{found[role].end:.0f} MiB in the second half"
        for role in roles
        if role in found and found[role].is_telling and found[role].slope > FLAT_MIB_PER_MINUTE
    ]


class MemoryWatch:
    """Samples for the length of a `with` block."""

    def __init__(self, roles: RoleProcesses) -> None:
        self._roles = roles
        self.samples: list[Sample] = []
        self._begun = time.monotonic()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            sizes = {name: one.now_mib for name, one in footprints(self._roles).items() if one.now_mib is not None}
            self.samples.append((time.monotonic() - self._begun, sizes))
            if self._ending.wait(EVERY_S):
                return
