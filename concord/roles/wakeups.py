"""Timers as wake-ups: who is due to be looked at, with at most one wake-up waiting for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from aiokafka.partitioner import murmur2

from concord.guard import GuardedApp, Lane
from schemas.changes import Wakeup
from schemas.codec import encode

# Seconds after which a wake-up that nobody answered counts as lost and another is sent.
FORGOTTEN_S: Final = 60.0
# How often a worker looks which of its keys are due, in seconds.
TICK_S: Final = 0.25


def partition_of(key: str, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


class Timer:
    """Wakes each due key of the partitions this worker owns; `keys` gives (key, seconds between looks)."""

    def __init__(self, app: GuardedApp, topic: str, keys: Callable[[], Iterable[tuple[str, float]]]) -> None:
        self._app = app
        self._topic = topic
        self._keys = keys
        self._looked: dict[str, float] = {}
        self._asked: dict[str, float] = {}

    def looked(self, key: str) -> None:
        """Something was looked at just now."""
        self._asked.pop(key, None)
        self._looked[key] = time.monotonic()

    def __call__(self, partition: int, _: Lane) -> None:
        """Wake what is due in this partition."""
        now = time.monotonic()
        for key, every_s in self._keys():
            if partition_of(key, self._app.partitions) != partition:
                continue
            is_due = now - self._looked.get(key, -every_s) >= every_s
            is_waiting = now - self._asked.get(key, -FORGOTTEN_S) < FORGOTTEN_S
            if is_due and not is_waiting:
                self._asked[key] = now
                wakeup = Wakeup(key, "timer", datetime.now(UTC))
                self._app.outbox.send(self._topic, key.encode(), encode(wakeup))
