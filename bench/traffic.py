"""How many HTTP requests Concord makes, told from those of the people and by what they are for."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from simulators.http import Request
from simulators.launch import Simulators
from simulators.traffic import RequestLog

MICROSOFT: Final = "Microsoft 365"
SALESFORCE: Final = "Salesforce"

READ: Final = "reads"
WRITE: Final = "writes"
SIGN_IN: Final = "sign-ins"

# Clients of the measurement itself: people in Outlook, and those in Practifi, who go by the name of an HTTP library.
PEOPLE: Final = ("outlook", "long-lived-token", "python-httpx")

Requests = Counter[tuple[str, str]]
"""Requests by (service, kind)."""


def kind_of(method: str, path: str, body: bytes) -> str:
    """What a request is for. One that bundles others is a read when it holds reads only. Pure."""
    if path.endswith("/token") or "/.well-known/" in path:
        return SIGN_IN
    if method in {"GET", "HEAD"}:
        return READ
    inner = bundled(path, body)
    return READ if inner and all(one["method"] == "GET" for one in inner) else WRITE


def bundled(path: str, body: bytes) -> list[dict[str, Any]]:
    """The requests inside one that bundles others; none for any other. Pure."""
    member = {"/$batch": "requests", "/composite": "compositeRequest"}.get(path[path.rfind("/") :])
    found: list[dict[str, Any]] = json.loads(body)[member] if member is not None else []
    return found


class KindLog(RequestLog):
    """A simulator's request log that also counts requests of everybody but the people by what they are for."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: Counter[str] = Counter()
        self._inner = 0
        self._lock = threading.Lock()

    def record(self, request: Request, status: int, client: str, at: datetime, took: tuple[float, bool]) -> None:
        """Add one answered request."""
        super().record(request, status, client, at, took)
        if not client.startswith(PEOPLE):
            with self._lock:
                self._kinds[kind_of(request.method, request.path, request.body)] += 1
                self._inner += len(bundled(request.path, request.body)) or 1

    @property
    def kinds(self) -> Counter[str]:
        """Requests so far by kind."""
        with self._lock:
            return Counter(self._kinds)

    @property
    def inner(self) -> int:
        """Requests so far, those inside others counted one by one."""
        with self._lock:
            return self._inner


class Meter:
    """Counts the requests that reach both simulators from now on."""

    def __init__(self, simulators: Simulators) -> None:
        self._logs = {MICROSOFT: KindLog(), SALESFORCE: KindLog()}
        simulators.graph_hosted.edge.traffic = self._logs[MICROSOFT]
        simulators.salesforce_hosted.edge.traffic = self._logs[SALESFORCE]

    def read(self) -> Requests:
        """Concord's requests so far."""
        return Counter({(service, kind): n for service, log in self._logs.items() for kind, n in log.kinds.items()})

    def inner(self) -> Counter[str]:
        """Concord's requests so far by service, those inside a batch or a composite one counted one by one."""
        return Counter({service: log.inner for service, log in self._logs.items()})

    def routes(self) -> dict[str, dict[str, int]]:
        """Concord's requests so far by service, and by method and path without ids, the most frequent first."""
        found: dict[str, dict[str, int]] = {}
        for service, log in self._logs.items():
            counts = [one for one in log.as_json(limit=0)["counts"] if not one["client"].startswith(PEOPLE)]
            total: Counter[str] = Counter()
            for one in counts:
                total[f"{one['method']} {one['route']}"] += one["count"]
            found[service] = dict(total.most_common())
        return found


@dataclass(frozen=True)
class Cost:
    """Requests of one kind while `changes` changes were synced. `idle` is what the same time costs without any."""

    service: str
    kind: str
    requests: int
    idle: float
    changes: int

    @property
    def per_change(self) -> float:
        """Requests that one change caused: what an idle Concord would have sent anyway is taken off."""
        return max(0.0, self.requests - self.idle) / self.changes if self.changes else 0.0


def costs(spent: Requests, idle_per_s: Mapping[tuple[str, str], float], seconds: float, changes: int) -> list[Cost]:
    """What a stretch of `seconds` cost, one row for each service and kind. Pure."""
    keys = [(service, kind) for service in (MICROSOFT, SALESFORCE) for kind in (READ, WRITE, SIGN_IN)]
    return [Cost(*key, spent[key], idle_per_s.get(key, 0.0) * seconds, changes) for key in keys]


def rates(spent: Requests, seconds: float) -> dict[tuple[str, str], float]:
    """Requests per second by service and kind. Pure."""
    return {key: count / seconds for key, count in spent.items()}
