"""The last preflight of this process: kept so that everybody reads the same, and run one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from concord.preflight import Checked


class LastCheck:
    """For any thread. `by` is who ran it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.checked: Checked | None = None
        self.by = ""

    def run(self, check: Callable[[], Checked], by: str) -> Checked | None:
        """Examine everything now; None when somebody else's is still under way. Raises what `check` raises."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            checked = check()
            self.checked, self.by = checked, by
            return checked
        finally:
            self._lock.release()
