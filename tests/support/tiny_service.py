"""A service of a few lines that the network edge is tested with: it echoes, counts, and may have webhook calls."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from simulators.clock import SimulatorClock
from simulators.http import Delivery, Request, Response


class TinyService:
    """Answers every request with what it saw; a POST counts as an effect."""

    def __init__(self) -> None:
        self.clock = SimulatorClock()
        self.effects = 0
        self.resets = 0
        self.threads: set[str] = set()
        self.queued: list[Delivery] = []
        self.reports: list[tuple[str, Response | None]] = []
        self.seen: list[Request] = []

    def handle(self, request: Request) -> Response:
        """Echo the request."""
        self.threads.add(threading.current_thread().name)
        self.seen.append(request)
        if request.path == "/broken":
            raise RuntimeError("a rule is broken")
        if request.path == "/empty":
            return Response(204, {}, b"must not be sent")
        if request.method == "POST":
            self.effects += 1
        answer = {
            "method": request.method,
            "target": request.target,
            "bytes": len(request.body),
            "base_url": request.base_url,
        }
        return Response.of_json(200, answer, {"x-odd": "one\r\ntwo"})

    def due_deliveries(self) -> Sequence[Delivery]:
        """What was queued, once."""
        due, self.queued = self.queued, []
        return due

    def delivered(self, delivery_id: str, response: Response | None) -> None:
        """Remember the answer."""
        self.reports.append((delivery_id, response))

    def reset(self) -> None:
        """Count resets."""
        self.resets += 1
        self.effects = 0

    def dump(self) -> dict[str, Any]:
        """What it holds."""
        return {"effects": self.effects}
