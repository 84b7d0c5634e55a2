"""The clock of a simulated service: the wall clock plus an offset, or a virtual time that only moves when told."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SimulatorClock:
    """Time as one simulated service sees it.

    `SimulatorClock()` follows the wall clock and can be shifted; `SimulatorClock(start)` stands still at `start`
    until `advance` moves it, which is what the seeded simulation uses.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._frozen = start
        self._offset = timedelta()

    def now(self) -> datetime:
        """The service's idea of now, aware, in UTC."""
        base = self._frozen if self._frozen is not None else datetime.fromtimestamp(time.time(), UTC)
        return base + self._offset

    def advance(self, seconds: float) -> None:
        """Move this clock forward (or back, when negative) by so many seconds."""
        self._offset += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Make the clock read `moment` now; it goes on from there."""
        self._offset += moment - self.now()
