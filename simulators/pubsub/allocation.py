"""How many events the org has had delivered in the last 24 hours, over all subscribers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

WINDOW_MINUTES: Final = 24 * 60


class Deliveries:
    """Deliveries per minute over a rolling window. `maximum` and `spent` may be set."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.spent = 0
        """Deliveries to somebody else: raised to come near the limit."""
        self._minutes: dict[int, int] = {}

    def left(self, now: datetime) -> int:
        """Deliveries that may still be made, 0 when the allocation is used up."""
        edge = int(now.timestamp()) // 60 - WINDOW_MINUTES
        for minute in [minute for minute in self._minutes if minute <= edge]:
            del self._minutes[minute]
        return max(0, self.maximum - self.used)

    @property
    def used(self) -> int:
        """Deliveries in the window, as of the last look at the clock."""
        return self.spent + sum(self._minutes.values())

    def count(self, events: int, now: datetime) -> None:
        """Count delivered events."""
        minute = int(now.timestamp()) // 60
        self._minutes[minute] = self._minutes.get(minute, 0) + events

    def dump(self) -> dict[str, Any]:
        """The counters as JSON values."""
        minutes = [[minute, count] for minute, count in self._minutes.items()]
        return {"maximum": self.maximum, "spent": self.spent, "minutes": minutes}

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace the counters by what `dump` gave."""
        self.maximum, self.spent = state["maximum"], state["spent"]
        self._minutes = dict(state["minutes"])
