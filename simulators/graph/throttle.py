"""Limits per application and mailbox: calls at once, calls in ten minutes, and mailboxes throttled on demand.

`begin` and `end` run on the network edge's thread while calls run on another: they touch nothing but this object.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from datetime import datetime

from simulators.graph.behaviour import Behaviour
from simulators.graph.errors import GraphError

Slot = tuple[str, str]
"""Application and mailbox."""


class Throttle:
    """Counts what is under way and what was asked lately."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._lock = threading.Lock()
        self._under_way: Counter[Slot] = Counter()
        self._lately: dict[Slot, deque[float]] = {}
        self.until: dict[str, datetime] = {}

    def enter(self, slot: Slot, now: datetime) -> GraphError | None:
        """Take a place for one call; the error when there is none. Refused calls count in the window too."""
        with self._lock:
            refused = self._refusal(slot, now)
            if refused is None:
                self._under_way[slot] += 1
        return refused

    def leave(self, slot: Slot) -> None:
        """Give the place back."""
        with self._lock:
            self._under_way[slot] -= 1
            if self._under_way[slot] <= 0:
                del self._under_way[slot]

    def _refusal(self, slot: Slot, now: datetime) -> GraphError | None:
        stamp = now.timestamp()
        lately = self._lately.setdefault(slot, deque())
        lately.append(stamp)
        while lately and lately[0] <= stamp - self.behaviour.requests_window_s:
            lately.popleft()
        until = self.until.get(slot[1])
        if until is not None and until > now:
            return too_many("RequestLimit", (until - now).total_seconds())
        if len(lately) > self.behaviour.requests_max:
            return too_many("RequestLimit", self.behaviour.retry_after_s)
        if self._under_way[slot] >= self.behaviour.concurrency_max:
            return too_many("MailboxConcurrency", self.behaviour.retry_after_s)
        return None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._under_way.clear()
            self._lately.clear()
            self.until.clear()


def too_many(limit: str, retry_after_s: float) -> GraphError:
    """A call that is refused for now; Retry-After in whole seconds, at least one."""
    wait = str(max(1, -(-int(retry_after_s * 1000) // 1000)))
    return GraphError(
        429, "ApplicationThrottled", f"Application is over its {limit} limit.", headers={"retry-after": wait}
    )
