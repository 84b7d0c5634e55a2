"""Runs steps: in order per partition or per key, again after passing conditions, and into quarantine when they fail."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Coroutine
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, Protocol

from concord.guard.lane import Lane, Partition
from concord.guard.metrics import PartitionMetrics
from concord.guard.outbox import RecordTooLarge, check_size
from concord.guard.ports import Shared
from concord.guard.positions import Escape, Work
from concord.guard.quarantine import AT, OMITTED, error_headers
from concord.guard.record import Record, whose
from schemas.errors import Throttled
from schemas.topics import SYNC_QUARANTINE

log = logging.getLogger(__name__)

# Waits between tries of a step after a passing condition, in seconds: Kafka Connect's numbers.
FIRST_WAIT_S: Final = 0.3
LONGEST_WAIT_S: Final = 60.0


class Host(Partition, Protocol):
    """What a performer needs of its partition, beside what lanes need."""

    is_stopping: bool

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task of the partition."""

    def notice(self) -> None:
        """Something changed."""


class Performer:
    """The steps of one partition. With one lane `perform` runs a record to its end; with more it only queues it."""

    def __init__(self, host: Host, shared: Shared, metrics: PartitionMetrics) -> None:
        self._host = host
        self._shared = shared
        self._metrics = metrics
        self._keys: dict[bytes | None, deque[tuple[Record, Work]]] = {}
        self.stepping = 0
        """Steps that are running now; one that waits for its next try does not count."""

    async def perform(self, record: Record, work: Work) -> None:
        """Run a record's step, or queue it behind the running ones of its key."""
        if self._shared.options.lanes == 1:
            await self._run(record, work)
        elif (waiting := self._keys.get(record.key)) is not None:
            waiting.append((record, work))
        else:
            self._keys[record.key] = deque([(record, work)])
            self._host.spawn(self._run_key(record.key))

    async def _run_key(self, key: bytes | None) -> None:
        waiting = self._keys[key]
        while waiting and not self._host.is_stopping:
            await self._run(*waiting.popleft())
        del self._keys[key]

    async def _run(self, record: Record, work: Work) -> None:
        """Run the step until it ends, fails for good, or the partition is to be handed over."""
        lane = Lane(self._host, work)
        for tries in count():
            if self._host.is_stopping:
                return
            error = await self._attempt(record, lane)
            decision = None if error is None else self._shared.rules.escape(error)
            if error is None or decision is Escape.ACKNOWLEDGE:
                break
            if decision is Escape.QUARANTINE:
                self._quarantine(record, error, work)
                break
            wait_s = waiting_time(error, tries)
            self._metrics.retried(error)
            log.warning(
                "%s/%d offset %d: %s, trying again in %.1f s",
                record.topic, record.partition, record.offset, type(error).__name__, wait_s, extra=whose(record),
            )  # fmt: skip
            await self._host.until(lambda: self._host.is_stopping, wait_s)
        work.stepped()
        self._host.notice()

    async def _attempt(self, record: Record, lane: Lane) -> Exception | None:
        places = self._shared.places if self._shared.options.lanes > 1 else None
        if places is not None:
            await places.acquire()
        self.stepping += 1
        try:
            pending = self._shared.step(record, lane)
            if pending is not None:
                await pending
        except Exception as error:  # noqa: BLE001  # whatever escapes must never return to Faust
            return error
        finally:
            self.stepping -= 1
            if places is not None:
                places.release()
        return None

    def _quarantine(self, record: Record, error: Exception, work: Work) -> None:
        """Send the record's bytes to quarantine; the record is finished when the broker has them there."""
        log.error(
            "%s/%d offset %d goes to quarantine: %s",
            record.topic, record.partition, record.offset, type(error).__name__, extra=whose(record),
        )  # fmt: skip
        self._metrics.quarantined(error)
        poison_hook = self._shared.options.on_poison
        if poison_hook is not None:
            try:
                poison_hook(record, error, Lane(self._host, work))
            except Exception as second:  # noqa: BLE001  # the record goes to quarantine all the same
                log.error("the poison hook failed: %s", type(second).__name__)
        headers = error_headers(record, error, self._shared.reporter)
        headers = [(name, text) for name, text in headers if name != AT]
        headers.append((AT, datetime.now(UTC).isoformat(timespec="seconds").encode()))
        # A record must have a key or a value.
        value = b"" if record.key is None and record.value is None else record.value
        try:
            check_size(SYNC_QUARANTINE, record.key, value, headers)
        except RecordTooLarge:
            value = b""
            headers.append((OMITTED, b"too large; it stands at the offset named above"))
        self._host.post(work, SYNC_QUARANTINE, (record.key, value, headers), None, record.timestamp_ms)


def waiting_time(error: BaseException, tries: int) -> float:
    """Seconds to wait before the next try: what the service asked for, else doubling with jitter."""
    if isinstance(error, Throttled) and error.wait_s > 0:
        return error.wait_s + random.uniform(0.0, FIRST_WAIT_S)
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries, 10)) * random.uniform(0.75, 1.0)
