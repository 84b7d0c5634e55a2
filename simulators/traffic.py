"""What a simulated service was asked: the latest requests one by one, and totals by client. No sockets, no clock."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from simulators.http import Request

# Requests kept one by one. At 500 requests/s this is the last 40 s; totals go on counting.
KEPT: Final = 20_000

_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[^/]*@[^/]*|[A-Za-z0-9_=%+-]{25,}|"
    r"(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?|\d{5,}|01g[A-Za-z0-9]+-\d+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as it was answered; `status` 0 stands for a connection that was cut."""

    number: int
    at: datetime
    method: str
    path: str
    query: str
    status: int
    client: str
    duration_ms: float
    fault: bool

    def as_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "client": self.client,
            "duration_ms": round(self.duration_ms, 2),
            "fault": self.fault,
        }


def route(path: str) -> str:
    """A path with its ids replaced by {id}, so that calls of one kind count together. Pure."""
    return "/".join("{id}" if _ID.fullmatch(part) else part for part in path.split("/"))


class RequestLog:
    """Counts every request and keeps the latest `kept` of them."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._counts: Counter[tuple[str, str, str, int]] = Counter()
        self._next = 1
        self._routes: dict[str, str] = {}

    def record(self, request: Request, status: int, client: str, at: datetime, took: tuple[float, bool]) -> None:
        """Add one answered request. `took` is its duration in ms and whether a planned fault struck it."""
        parts = urlsplit(request.target)
        path = unquote(parts.path)
        entry = Entry(self._next, at, request.method, path, unquote(parts.query), status, client, *took)
        self._next += 1
        self._entries.append(entry)
        self._counts[client, request.method, self._route(path), status] += 1

    def _route(self, path: str) -> str:
        # The same mailbox is asked again and again; ten thousand distinct paths are as many as are worth keeping.
        known = self._routes.get(path)
        if known is None:
            if len(self._routes) > 10_000:
                self._routes.clear()
            known = self._routes[path] = route(path)
        return known

    def clear(self) -> None:
        """Forget requests and totals; numbers go on, so that `since` stays meaningful to a reader."""
        self._entries.clear()
        self._counts.clear()

    @property
    def last_number(self) -> int:
        """The number of the latest request, 0 before the first."""
        return self._next - 1

    def as_json(self, since: int | None = None, limit: int = 1000, client: str | None = None) -> dict[str, Any]:
        """Totals, and the requests numbered above `since` (without it the latest), oldest first, at most `limit`."""
        wanted = [
            entry
            for entry in self._entries
            if (since is None or entry.number > since) and (client is None or entry.client == client)
        ]
        shown = wanted[-limit:] if since is None else wanted[:limit]
        return {
            "total": sum(self._counts.values()),
            "last": self.last_number,
            "by_client": self._by(0),
            "by_status": self._by(3),
            "counts": [
                {"client": who, "method": method, "route": where, "status": status, "count": count}
                for (who, method, where, status), count in sorted(self._counts.items())
            ],
            "requests": [entry.as_json() for entry in shown],
        }

    def _by(self, position: int) -> dict[str, int]:
        totals: Counter[str] = Counter()
        for key, count in self._counts.items():
            totals[str(key[position])] += count
        return dict(sorted(totals.items()))
