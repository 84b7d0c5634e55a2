"""How many API calls the org has used in the last 24 hours, and the /limits resource."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from simulators.salesforce.errors import SalesforceError
from simulators.salesforce.org import Org
from simulators.salesforce.values import datetime_text

WINDOW: Final = timedelta(hours=24)
_FIXED: Final = {
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryJobs": 10_000,
    "DailyDeliveredPlatformEvents": 25_000,
    "DailyAsyncApexExecutions": 250_000,
    "DailyStreamingApiEvents": 200_000,
    "HourlyPublishedPlatformEvents": 50_000,
    "DataStorageMB": 10_240,
    "FileStorageMB": 10_240,
    "SingleEmail": 5_000,
}


class Usage:
    """Calls per minute over a rolling window."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._minutes: dict[str, int] = {}
        self._in_window = 0
        self._shown: tuple[str, int] = ("", 0)
        self.total = 0
        """Calls since the beginning or the last reset."""
        self.maximum = org.api_requests_max
        """Calls allowed in 24 hours."""
        self.spent = 0
        """Calls that somebody else used up: tests raise it to come near the limit."""

    def used(self, now: datetime) -> int:
        """Calls in the last 24 hours."""
        self._forget(now)
        return self._in_window + self.spent

    def count(self, now: datetime) -> None:
        """Count one call. Raises SalesforceError (403) when the limit is used up."""
        if self.used(now) >= self.maximum:
            raise SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        minute = datetime_text(now.replace(second=0))
        self._minutes[minute] = self._minutes.get(minute, 0) + 1
        self._in_window += 1
        self.total += 1

    def header(self, now: datetime) -> str:
        """The value of Sforce-Limit-Info."""
        return f"api-usage={self.used(now)}/{self.maximum}"

    def limits(self, now: datetime, stale_s: int) -> dict[str, Any]:
        """The /limits body. The figure of the API calls may be up to `stale_s` old."""
        if not self._shown[0] or self._shown[0] < datetime_text(now - timedelta(seconds=stale_s)) or not stale_s:
            self._shown = (datetime_text(now), self.used(now))
        rest = max(0, self.maximum - self._shown[1])
        body = {name: {"Max": value, "Remaining": value} for name, value in _FIXED.items()}
        return {"DailyApiRequests": {"Max": self.maximum, "Remaining": rest}, **body}

    def dump(self) -> dict[str, Any]:
        """The counters as JSON values."""
        return {"minutes": dict(self._minutes), "total": self.total, "maximum": self.maximum, "spent": self.spent}

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace the counters by what `dump` gave."""
        self._minutes = dict(state["minutes"])
        self._in_window = sum(self._minutes.values())
        self._shown = ("", 0)
        self.total, self.maximum, self.spent = state["total"], state["maximum"], state["spent"]

    def _forget(self, now: datetime) -> None:
        edge = datetime_text(now - WINDOW)
        while self._minutes:
            oldest = next(iter(self._minutes))
            if oldest > edge:
                return
            self._in_window -= self._minutes.pop(oldest)
