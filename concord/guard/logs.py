"""Keeps Kafka's clients from flooding the log while a broker is away."""

from __future__ import annotations

import logging
import time
from typing import Final

# How often the same complaint is let through, in seconds.
SAME_EVERY_S: Final = 10.0


class OncePerWhile(logging.Filter):
    """Lets a message of the named loggers through once per while; the next one says how many were left out."""

    def __init__(self, *names: str, every_s: float = SAME_EVERY_S) -> None:
        super().__init__()
        self._names = names
        self._every_s = every_s
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is printed. Errors of the same wording count as the same, whatever they name."""
        if record.levelno < logging.WARNING or record.name.split(".", 1)[0] not in self._names:
            return True
        wording = (record.name, str(record.msg))
        printed, left_out = self._seen.get(wording, (float("-inf"), 0))
        now = time.monotonic()
        if now - printed < self._every_s:
            self._seen[wording] = (printed, left_out + 1)
            return False
        self._seen[wording] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} (and {left_out} times more before)"
        return True
