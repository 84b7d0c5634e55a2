"""Waiting for something to become true: never for a time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

DEADLINE_S: Final = 20.0
"""After so long it will not come any more."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask again and again. Raises AssertionError at the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
