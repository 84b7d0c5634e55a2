"""How often a password may be tried: after some failures each further try of a name, or from an address, waits longer.

Nobody is locked out for longer than the longest wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

# Failures without a wait; then the waits double from the first to the last, in seconds.
FREE: Final = 5
WAITS_S: Final = (2.0, 300.0)
# Failures are forgotten after so long without another, in seconds.
FORGET_S: Final = 3600.0
# Names and addresses remembered; beyond, the oldest failure is forgotten.
KEPT: Final = 20_000


class Throttle:
    """Failures by key (a name, an address). For any thread. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def begin(self, *keys: str) -> float:
        """Seconds until a try may be made; 0: now, and it counts as failed until `succeed` says otherwise.

        Counted before the password is looked at: tries made at the same time cannot pass together.
        """
        now = self._clock()
        with self._lock:
            wait = max(self._wait(key, now) for key in keys)
            if wait <= 0:
                for key in keys:
                    self._fail(key, now)
            return max(0.0, wait)

    def succeed(self, *keys: str) -> None:
        """The password was right: forget the failures."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def _wait(self, key: str, now: float) -> float:
        count, last = self._failures.get(key, (0, 0.0))
        if count < FREE or now - last > FORGET_S:
            return 0.0
        first, longest = WAITS_S
        return last + min(longest, first * 2.0 ** min(count - FREE, 30)) - now

    def _fail(self, key: str, now: float) -> None:
        count, last = self._failures.pop(key, (0, now))
        self._failures[key] = (1 if now - last > FORGET_S else count + 1, now)
        if len(self._failures) > KEPT:
            del self._failures[next(iter(self._failures))]
